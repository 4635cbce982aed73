"""Copies one folder into a bucket in one of several ways, in a process of its own; started by bench/archive.py.

Prints the seconds and the CPU seconds of the copying alone, without the start of the interpreter.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pydantic import SecretStr

THREADS = 4
PIECE = 1024 * 1024
PART = 8 * 1024 * 1024


def files_of(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file())


def digest_of(file: Path) -> str:
    digest, buffer = hashlib.sha512(), memoryview(bytearray(PIECE))
    with file.open("rb", buffering=0) as opened:
        while count := opened.readinto(buffer):
            digest.update(buffer[:count])
    return digest.hexdigest()


def hash_only(task, folder: Path):
    """Read and digest, and send nothing: the limit of whoever makes a digest."""
    del task  # nothing is sent
    files = files_of(folder)

    def work() -> None:
        if len(files) == 1:
            digest_of(files[0])
            return
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(digest_of, files))

    return work


def ours(task, folder: Path):
    """The one read, as a worker does it: listing, digests, metrics hook, upload."""
    from cisterna.adapters.loading import begin_loading, end_loading

    begin_loading()
    from cisterna.adapters.image_meter import TiffMeter
    from cisterna.adapters.landing_folder import LandingFolder
    from cisterna.adapters.s3_access import S3Access
    from cisterna.adapters.s3_obstore import S3Store
    from cisterna.services.arrival import Arrivals
    from cisterna.services.one_read import ReadPlan, read_once

    access = S3Access(endpoint=task["endpoint"], access_key_id=task["key"], secret_access_key=SecretStr(task["secret"]))
    store = S3Store(access, bucket=task["bucket"])
    zone, meter = LandingFolder(folder.parent), TiffMeter()
    meter.read(memoryview(b""), path="warm.tiff")
    end_loading()
    taken: list[object] = []
    noted = [0]

    def pace(count: int) -> None:
        noted[0] += count

    def work() -> None:
        listing = zone.listing(folder.name)
        plan = ReadPlan(
            folder=folder.name,
            listing=listing,
            known={},
            object_root="a/b/c",
            staging="v1/content/0",
            token="0" * 32,
            arrivals=Arrivals(),
            is_measured=lambda path: path.endswith(".tiff"),
            image_limit_bytes=256 * 1024 * 1024,
            delivered={},
            copier=None,
            algorithm="sha512",
            readers=THREADS,
            keep_on=lambda: None,
            pace=pace,
            taken=lambda _index, file: taken.append(file),
        )
        read_once(plan, zone=zone, store=store, meter=meter)
        if len(taken) != len(listing.files):
            raise SystemExit("some files were not taken")

    return work


def with_obstore(task, folder: Path):
    """Copy as obstore does by itself: no digest is made."""
    import obstore
    from obstore.store import S3Store

    store = S3Store(
        task["bucket"],
        endpoint=task["endpoint"],
        access_key_id=task["key"],
        secret_access_key=task["secret"],
        region="us-east-1",
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
    )

    def put(file: Path) -> None:
        obstore.put(store, str(file.relative_to(folder)), file, chunk_size=PART, max_concurrency=THREADS)

    def work() -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(put, files_of(folder)))

    return work


def with_boto(task, folder: Path):
    """boto3's transfer manager, after a pass that makes the digests."""
    import boto3
    from boto3.s3.transfer import TransferConfig
    from botocore.config import Config

    client = boto3.client(
        "s3",
        endpoint_url=task["endpoint"],
        aws_access_key_id=task["key"],
        aws_secret_access_key=task["secret"],
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}, max_pool_connections=32),
    )
    config = TransferConfig(multipart_chunksize=PART, max_concurrency=THREADS, preferred_transfer_client="classic")

    def put(file: Path) -> None:
        digest_of(file)
        client.upload_file(str(file), task["bucket"], str(file.relative_to(folder)), Config=config)

    def work() -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(put, files_of(folder)))

    return work


WAYS = {"ours": ours, "obstore": with_obstore, "boto3 + sha512": with_boto, "sha512 alone": hash_only}


def main() -> None:
    task = json.loads(sys.argv[1])
    work = WAYS[task["way"]](task, Path(task["folder"]))
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    work()
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu, "peak_mib": after.ru_maxrss // 1024}), flush=True)
    os._exit(0)  # what an interpreter takes to end is nobody's copying


if __name__ == "__main__":
    main()
