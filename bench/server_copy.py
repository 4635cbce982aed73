"""A run in a bucket of the archive's own store: copied there by the store, beside sent there, in turns.

    python bench/server_copy.py --scale 1 --repeats 5

Four runs: 2 files of 256 MiB and 20 of 24 MiB (both brought in parts), 200 of 2 MiB and 1,000 of 32 KiB (each in one
request); `--scale` makes them of fewer files. Each turn reads the run once from its landing bucket, digests it, and
brings it into a new bucket of the same embedded SeaweedFS; the two ways take turns, in another order each round. Both
read and digest alike. Wall and CPU seconds are of that work, CPU of this process and of the store. A ratio is the
median over rounds of copying beside sending in the same round; below 1 copying takes less. `sent_mib` and `read_mib`
are of one more turn through a proxy that counts. Prints one JSON document.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from cisterna.adapters.embedded_seaweedfs import EmbeddedSeaweedFS
from cisterna.adapters.free_port import spare_ports
from cisterna.adapters.landing_bucket import LandingBucket
from cisterna.adapters.s3_access import Patience, S3Access
from cisterna.adapters.s3_bucket import S3Bucket
from cisterna.adapters.s3_obstore import S3Store
from cisterna.services.arrival import Arrivals
from cisterna.services.one_read import ReadPlan, read_once
from cisterna.testing.fault_proxy import Answer, FaultProxy, Request

MIB = 1024 * 1024
READERS = 4
WAYS = ("copied", "sent")


@dataclass(frozen=True)
class Run:
    """Some files of one size."""

    name: str
    files: int
    file_bytes: int

    def write(self, store: S3Store) -> None:
        noise = os.urandom(self.file_bytes)
        for number in range(self.files):
            upload = store.begin_upload(f"squid-1/{self.name}/f{number:05d}.bin")
            upload.write(number.to_bytes(8, "big"))
            upload.write(memoryview(noise)[8:])
            upload.complete()


@dataclass
class Count:
    """Counts bodies that pass a proxy: of files that are read, and of what is sent."""

    read_bytes: int = 0
    sent_bytes: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, request: Request, answer: Answer) -> Answer:
        with self._lock:
            if request.method == "GET":
                self.read_bytes += len(answer[2])
            if request.method in {"PUT", "POST"} and "x-amz-copy-source" not in request.headers:
                self.sent_bytes += int(request.headers.get("content-length", 0))
        return answer


class Nothing:
    """Measures no image."""

    names = ()


def turn(run: Run, way: str, *, access: S3Access, landing: str) -> Callable[[], None]:
    """Make everything ready for one turn, and give the work and what cleans up after it."""
    source = S3Bucket(access, bucket=landing, name="s3://landing", patience=Patience())
    zone = LandingBucket(source, prefix="squid-1")
    store = S3Store(access, bucket=f"bench-{uuid.uuid4().hex[:12]}")
    store.create_bucket()
    store.put("warm", b"")  # the first object of a bucket grows its volumes
    copier = store.copier(zone.witness()) if way == "copied" else None
    if copier is not None:
        copier.least_bytes = 0  # else small files are sent, which the figures here are the reason for
    listing = zone.listing(run.name)
    taken = []
    plan = ReadPlan(
        folder=run.name,
        listing=listing,
        known={},
        object_root="a/b/c",
        staging="v1/content/0",
        token="0" * 32,
        arrivals=Arrivals(),
        is_measured=lambda _path: False,
        image_limit_bytes=256 * MIB,
        delivered={},
        copier=copier,
        algorithm="sha512",
        readers=READERS,
        keep_on=lambda: None,
        pace=lambda _count: None,
        taken=lambda _index, file: taken.append(file),
    )

    def work() -> None:
        read_once(plan, zone=zone, store=store, meter=Nothing())
        if len(taken) != run.files:
            raise SystemExit(f"{len(taken)} of {run.files} files were brought")

    def end() -> None:
        store.control.delete_bucket()
        store.close()
        source.close()

    work.end = end
    return work


def cpu_seconds() -> tuple[float, float]:
    """CPU seconds so far of this process, and of the store."""
    own = psutil.Process().cpu_times()
    weeds = [one.cpu_times() for one in psutil.Process().children(recursive=True) if "weed" in one.name()]
    return own.user + own.system, sum(one.user + one.system for one in weeds)


def measured(work: Callable[[], None]) -> dict[str, float]:
    own, stores, begun = *cpu_seconds(), time.perf_counter()
    work()
    wall, after = time.perf_counter() - begun, cpu_seconds()
    work.end()
    return {"wall_s": wall, "cpu_s": after[0] - own, "store_cpu_s": after[1] - stores}


def counted(run: Run, way: str, *, access: S3Access, landing: str) -> dict[str, float]:
    with FaultProxy(access.endpoint) as proxy:
        through = access.model_copy(update={"endpoint": proxy.url})
        work = turn(run, way, access=through, landing=landing)
        proxy.tamper = count = Count()
        work()
        proxy.tamper = None
        work.end()
    return {"read_mib": round(count.read_bytes / MIB, 3), "sent_mib": round(count.sent_bytes / MIB, 3)}


def compared(run: Run, *, access: S3Access, landing: str, repeats: int) -> dict[str, object]:
    rounds = []
    for number in range(repeats):
        order = WAYS if number % 2 == 0 else WAYS[::-1]
        rounds.append({way: measured(turn(run, way, access=access, landing=landing)) for way in order})
    names = ("wall_s", "cpu_s", "store_cpu_s")
    return {
        "files": run.files,
        "mib": run.files * run.file_bytes / MIB,
        **{
            way: {name: round(statistics.median(one[way][name] for one in rounds), 3) for name in names}
            | counted(run, way, access=access, landing=landing)
            for way in WAYS
        },
        "ratio": {
            name: round(statistics.median(one["copied"][name] / one["sent"][name] for one in rounds), 3)
            for name in names
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    sizes = (("256MiB", 2, 256 * MIB), ("24MiB", 20, 24 * MIB), ("2MiB", 200, 2 * MIB), ("32KiB", 1000, 32 * 1024))
    runs = [Run(name, max(1, round(files * asked.scale)), file_bytes) for name, files, file_bytes in sizes]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        server = EmbeddedSeaweedFS(root / "store", log=root / "store.log", port=spare_ports(1)[0])
        server.start()
        try:
            access, landing = server.archive_access, S3Store(server.archive_access, bucket="landing")
            landing.create_bucket()
            landing.put("squid-1/.cisterna-zone", uuid.uuid4().hex.encode())
            found = {}
            for run in runs:
                run.write(landing)
                found[run.name] = compared(run, access=access, landing="landing", repeats=asked.repeats)
            landing.close()
        finally:
            server.stop()
    print(json.dumps({"load": os.getloadavg(), "repeats": asked.repeats, "runs": found}, indent=2))


if __name__ == "__main__":
    main()
