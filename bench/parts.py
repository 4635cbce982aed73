"""Seconds and memory of bringing one run of very many small files into the archive, in parts.

    PYTHONPATH=src:. python bench/parts.py --files 250000

The store is a real SeaweedFS, the catalogue a real PostgreSQL. One process of its own does the whole of an ingest but
the quality gate, which is another process: measure (parts read, described, archived and read back), describe, archive,
verify; then it restores all of it. Its peak is told after each step. With `--images` every file counts as an image with
twenty values, by a meter that computes nothing. Prints one JSON document.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.embedded_postgres import EmbeddedPostgres
from cisterna.adapters.embedded_seaweedfs import EmbeddedSeaweedFS
from cisterna.adapters.free_port import spare_ports
from cisterna.adapters.landing_folder import LandingFolder
from cisterna.adapters.s3_access import S3Access
from cisterna.adapters.s3_obstore import S3Store
from cisterna.adapters.system_clock import SystemClock
from cisterna.adapters.table_parquet import ParquetTables
from cisterna.domain.acquisition import Evidence
from cisterna.domain.dataset import Stage
from cisterna.domain.delivered import DeliveredDigests
from cisterna.domain.finding import Verdict
from cisterna.domain.ocfl import MOST_FILES, object_root
from cisterna.domain.work import Attempt, WorkKind
from cisterna.ports.profile import Described, Look, Plane
from cisterna.ports.quality import MeterChoice, Reading
from cisterna.services.archive import archive_version
from cisterna.services.describe import describe_version
from cisterna.services.measure import measure_version
from cisterna.services.restore import restore_version
from cisterna.services.transition import advance
from cisterna.services.verify import verify_version
from cisterna.testing.factory import (
    make_acquisition,
    make_dataset,
    make_instrument,
    make_project,
    make_version,
    make_work,
)

BUCKET, RUN = "bench-archive", "run"
LEASE = timedelta(days=1)


class Anything:
    """A profile of files that are all images, or none."""

    name = "squid"
    quiet_seconds = 1.0
    stalled_seconds = 60.0

    def __init__(self, *, images: bool) -> None:
        self._images = images

    def claims(self, look: Look) -> bool:
        return bool(look.listing.files)

    def inspect(self, look: Look) -> Evidence:
        return Evidence(expects=bool(look.listing.files))

    def describe(self, look: Look) -> Described:
        return Described(title=look.folder, data_type="microscopy")

    def delivered(self, look: Look) -> DeliveredDigests:
        del look
        return {}

    def is_image(self, path: str) -> bool:
        return self._images and path.endswith(".tiff")

    def plane(self, path: str) -> Plane | None:
        name = path.rpartition("/")[2].split("_")
        return Plane(region=name[0], field=name[1], channel="BF")


class Given:
    """A meter whose values are there at once."""

    names: tuple[str, ...] = ("focus", *(f"value_{number}" for number in range(19)))
    has_places = True

    def takes(self, path: str, *, is_image: bool) -> bool:
        del path
        return is_image

    def read(self, body: memoryview, *, path: str) -> Reading:
        base = float(len(body) + len(path) % 7)
        return Reading(metrics={name: base + place for place, name in enumerate(self.names)})

    def spool(self, path: str, *, size_bytes: int) -> None:
        del path, size_bytes


def write(folder: Path, count: int, *, size_bytes: int) -> None:
    """Write files that all differ, a thousand to a folder."""
    for number in range(count):
        if number % 1000 == 0:
            below = folder / f"{number // 1000:04d}"
            below.mkdir(parents=True)
        body = f"{number:012d}".encode().ljust(size_bytes, b".")
        descriptor = os.open(below / f"A1_{number:07d}_BF.tiff", os.O_CREAT | os.O_WRONLY)
        os.write(descriptor, body)
        os.close(descriptor)


def prepare(catalogue: SqlCatalogue, zone: LandingFolder, landing: Path) -> tuple[str, Attempt]:
    """Put the run into the catalogue, complete, and take the work on it."""
    clock = SystemClock()
    listing = zone.listing(RUN)
    with catalogue.begin() as tx:
        tx.instruments.add(make_instrument("squid-1", path=str(landing)))
        tx.projects.add(make_project("cells"))
        acquisition = tx.acquisitions.save(make_acquisition(RUN, project="cells"))
        dataset = make_dataset(RUN, acquisition=acquisition)
        dataset = tx.datasets.add(dataset.model_copy(update={"object_root": object_root(dataset.pid)}))
        version = tx.datasets.add_version(make_version(dataset, source_fingerprint=listing.fingerprint))
        now = clock.now()
        work = make_work("bench", kind=WorkKind.INGEST, subject=version.version_id, created_at=now, not_before=now)
        tx.inbox.request(work)
    with catalogue.begin() as tx:
        claim = tx.inbox.claim(owner="bench", run_id=clock.new_id(), now=clock.now(), lease=LEASE)
    if claim is None:
        raise SystemExit("the work could not be taken")
    return version.version_id, claim.attempt


class Watch:
    """Tells of each step what it took, and the most that the process had taken by then."""

    def __init__(self) -> None:
        self.steps: dict[str, dict[str, float]] = {}

    def of(self, name: str, act: Callable[[], object]) -> None:
        """Do it and note it."""
        before, began = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
        act()
        seconds, used = time.monotonic() - began, resource.getrusage(resource.RUSAGE_SELF)
        cpu_s = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
        self.steps[name] = {
            "seconds": round(seconds, 1),
            "cpu_seconds": round(cpu_s, 1),
            "peak_rss_mib": round(used.ru_maxrss / 1024),
        }
        print(name, self.steps[name], file=sys.stderr, flush=True)


def carry(task: dict[str, object], access: S3Access, told: multiprocessing.Queue[dict[str, dict[str, float]]]) -> None:
    """Go the whole way, in a process whose memory is nobody else's."""
    store, catalogue, clock = S3Store(access, bucket=BUCKET), SqlCatalogue(str(task["dsn"])), SystemClock()
    tables, landing = ParquetTables(), Path(str(task["landing"]))
    lease, version = Attempt.model_validate(task["lease"]), str(task["version"])
    profile = Anything(images=bool(task["images"]))
    tables.dump({"warm": ["up"]})
    watch = Watch()
    watch.of("imports", lambda: None)
    watch.of("list", lambda: LandingFolder(str(landing)).listing(RUN))
    watch.of(
        "measure, parts archived and read back",
        lambda: measure_version(
            version,
            lease=lease,
            zone=LandingFolder(str(landing)),
            profile=profile,
            catalogue=catalogue,
            store=store,
            meters=MeterChoice(Given()),
            tables=tables,
            clock=clock,
            most_files=int(str(task["most_files"])),
        ),
    )
    with catalogue.begin() as tx:
        judged = tx.datasets.get_version(version).model_copy(update={"verdict": Verdict.PASSED})
        advance(tx, judged, Stage.GATED, clock=clock)
    common = {"lease": lease, "catalogue": catalogue, "store": store, "tables": tables, "clock": clock}
    watch.of("describe", lambda: describe_version(version, profile=profile, **common))  # type: ignore[arg-type]
    watch.of("archive", lambda: archive_version(version, **common))  # type: ignore[arg-type]
    watch.of("verify", lambda: verify_version(version, **common))  # type: ignore[arg-type]
    out = landing.parent / "out"
    watch.of("restore", lambda: restore_version(version, to=out, catalogue=catalogue, store=store, tables=tables))
    told.put(watch.steps)


def is_equal(first: Path, second: Path) -> bool:
    """Compare two folders byte for byte."""
    left = sorted(str(one.relative_to(first)) for one in first.rglob("*") if one.is_file())
    right = sorted(str(one.relative_to(second)) for one in second.rglob("*") if one.is_file())
    return left == right and all((first / one).read_bytes() == (second / one).read_bytes() for one in left)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=250_000)
    parser.add_argument("--most-files", type=int, default=MOST_FILES)
    parser.add_argument("--size-bytes", type=int, default=100)
    parser.add_argument("--images", action="store_true")
    asked = parser.parse_args()
    name = tempfile.mkdtemp(prefix="cis-")
    folder = Path(name)
    postgres = EmbeddedPostgres(folder / "pg")
    seaweedfs = EmbeddedSeaweedFS(folder / "store", log=folder / "store.log", port=spare_ports(1)[0])
    try:
        endpoint = postgres.start()
        seaweedfs.start()
        postgres.ensure_database("bench")
        catalogue = SqlCatalogue(endpoint.url("bench"))
        catalogue.migrate()
        S3Store(seaweedfs.archive_access, bucket=BUCKET).create_bucket()
        landing = folder / "landing"
        write(landing / RUN, asked.files, size_bytes=asked.size_bytes)
        version, lease = prepare(catalogue, LandingFolder(str(landing)), landing)
        task = {"dsn": endpoint.url("bench"), "landing": str(landing), "version": version}
        task |= {"lease": lease.model_dump(), "most_files": asked.most_files, "images": asked.images}
        spawning = multiprocessing.get_context("spawn")
        told = spawning.Queue()
        child = spawning.Process(target=carry, args=(task, seaweedfs.archive_access, told))
        child.start()
        steps = None
        while steps is None and child.is_alive():
            try:
                steps = told.get(timeout=1)
            except Exception:  # noqa: BLE001, S112 - it is not done yet; one that died is told below
                continue
        child.join()
        same = is_equal(landing / RUN, folder / "out" / "data")
        with catalogue.begin() as tx:
            parts = len(tx.datasets.get_version(version).parts)
    finally:
        seaweedfs.stop()
        postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)
    document = {"files": asked.files, "parts": parts, "restored_equal": same, "steps": steps}
    print(json.dumps({**document, "load_average": os.getloadavg()[0]}, indent=1))


if __name__ == "__main__":
    main()
