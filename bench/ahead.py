"""Seconds from the last byte of a long run to its verified archive, with and without reading ahead, in turns.

    PYTHONPATH=src:. python bench/ahead.py --time-points 16 --images 6 --rounds 3

The store is a real SeaweedFS, the catalogue a real PostgreSQL, the profile and the images (2048 x 2048, 16 bits) those
of a Squid, the meter ours. A run is written time point by time point; with reading ahead a round is done after each,
while nothing else happens. Then the run is complete, and one process does the whole of an ingest but the quality gate,
which is another process: measure, describe, archive, verify. `source_bytes` is what was read of the source for each
byte of it, rounds included. The two ways take turns, and the one that begins changes. Prints one JSON document.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.random import default_rng

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.embedded_postgres import EmbeddedPostgres
from cisterna.adapters.embedded_seaweedfs import EmbeddedSeaweedFS
from cisterna.adapters.free_port import spare_ports
from cisterna.adapters.image_meter import TiffMeter
from cisterna.adapters.landing_folder import LandingFolder
from cisterna.adapters.s3_obstore import S3Store
from cisterna.adapters.system_clock import SystemClock
from cisterna.adapters.table_parquet import ParquetTables
from cisterna.domain.acquisition import AcquisitionState
from cisterna.domain.dataset import Stage
from cisterna.domain.finding import Verdict
from cisterna.domain.listing import SeenFile
from cisterna.domain.ocfl import MOST_FILES, object_root
from cisterna.domain.work import Attempt, WorkKind
from cisterna.ports.quality import MeterChoice
from cisterna.ports.source import EnteredFolder, SourceFile
from cisterna.profiles.squid import Squid
from cisterna.services.archive import archive_version
from cisterna.services.describe import describe_version
from cisterna.services.measure import measure_version
from cisterna.services.read_ahead import AheadMeans, read_ahead
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
from cisterna.testing.squid_files import Plan, acquisition_yaml, channels_yaml, parameters_json, planned_csv

BUCKET, SIDE = "bench-archive", 2048
LEASE, LIMIT_BYTES = timedelta(days=1), 256 * 1024 * 1024
CHANNELS = ("BF LED matrix full",)


class _Counted:
    def __init__(self, file: SourceFile, zone: CountingZone) -> None:
        self._file = file
        self._zone = zone

    @property
    def opened(self) -> SeenFile:
        return self._file.opened

    def readinto(self, buffer: memoryview) -> int:
        count = self._file.readinto(buffer)
        self._zone.bytes_read += count
        return count

    def still(self) -> SeenFile:
        return self._file.still()


class _CountedFolder:
    def __init__(self, folder: EnteredFolder, zone: CountingZone) -> None:
        self._folder = folder
        self._zone = zone

    @contextmanager
    def open(self, path: str) -> Iterator[SourceFile]:
        with self._folder.open(path) as file:
            yield _Counted(file, self._zone)


class CountingZone(LandingFolder):
    """A landing folder that counts what is read of its runs."""

    bytes_read = 0

    @contextmanager
    def entered(self, folder: str) -> Iterator[EnteredFolder]:
        with super().entered(folder) as entered:
            yield _CountedFolder(entered, self)


class Bench:
    """One facility in which runs are written and taken in."""

    def __init__(self, catalogue: SqlCatalogue, store: S3Store, landing: Path, asked: argparse.Namespace) -> None:
        self.catalogue, self.store, self.landing, self.asked = catalogue, store, landing, asked
        self.clock, self.tables, self.meters, self.profile = (
            SystemClock(),
            ParquetTables(),
            MeterChoice(TiffMeter()),
            Squid(),
        )
        self.noise = default_rng(7).integers(200, 4000, size=(SIDE, SIDE), dtype=np.uint16)

    def lease(self, kind: WorkKind, subject: str) -> Attempt:
        """Ask for work and take it."""
        now = self.clock.now()
        work = make_work(self.clock.new_id(), kind=kind, subject=subject, created_at=now, not_before=now)
        with self.catalogue.begin() as tx:
            tx.inbox.request(work)
            claim = tx.inbox.claim(owner="bench", run_id=self.clock.new_id(), now=now, lease=LEASE, kinds=[kind])
        if claim is None:
            raise SystemExit("the work could not be taken")
        return claim.attempt

    def plan(self, name: str) -> None:
        """Write what a Squid writes first, and put the run into the catalogue as being written."""
        plan = Plan(
            experiment_id=name,
            started=self.clock.now(),
            fovs={"A1": [(float(field), 0.0, 1.0) for field in range(self.asked.images)]},
            channels=CHANNELS,
            z_levels=1,
            time_points=self.asked.time_points,
            interval_seconds=0.0,
        )
        folder = self.landing / name
        folder.mkdir(parents=True)
        sides = {"acquisition.yaml": acquisition_yaml, "acquisition_channels.yaml": channels_yaml}
        sides |= {"acquisition parameters.json": parameters_json, "coordinates.csv": planned_csv}
        for side, make in sides.items():
            (folder / side).write_text(make(plan), "utf-8")
        with self.catalogue.begin() as tx:
            tx.acquisitions.save(make_acquisition(name, project="cells", state=AcquisitionState.WRITING))

    def time_point(self, name: str, number: int) -> None:
        """Write one time point, whose images all differ."""
        folder = self.landing / name / str(number)
        folder.mkdir()
        for field in range(self.asked.images):
            encoded = io.BytesIO()
            tifffile.imwrite(encoded, np.roll(self.noise, number * 997 + field * 31) + np.uint16(number))
            (folder / f"A1_{field}_0_BF_LED_matrix_full.tiff").write_bytes(encoded.getvalue())
        (folder / ".done").touch()

    def ahead(self, acquisition: str, zone: LandingFolder) -> None:
        """Do one round; it does not wait between its two looks, since nothing is written then."""
        lease = self.lease(WorkKind.AHEAD, acquisition)
        means = AheadMeans(
            zone=zone,
            profile=self.profile,
            catalogue=self.catalogue,
            store=self.store,
            meters=self.meters,
            tables=self.tables,
            clock=self.clock,
            image_limit_bytes=LIMIT_BYTES,
            readers=4,
            digest="sha512",
            most_files=MOST_FILES,
            room=None,
            naan="99999",
            wait=lambda _seconds: None,
        )
        words = read_ahead(acquisition, lease=lease, means=means)
        with self.catalogue.begin() as tx:
            tx.inbox.finish(lease, outcome=words)

    def ingest(self, name: str, zone: LandingFolder) -> dict[str, float]:
        """Take the run in, and tell the seconds of each step."""
        with self.catalogue.begin() as tx:
            found = tx.acquisitions.get(make_acquisition(name).acquisition_id)
            acquisition = tx.acquisitions.save(found.model_copy(update={"state": AcquisitionState.COMPLETE}))
        steps: dict[str, float] = {}
        began = time.monotonic()
        listing = zone.listing(name)
        with self.catalogue.begin() as tx:
            dataset = make_dataset(name, acquisition=acquisition)
            dataset = tx.datasets.add(dataset.model_copy(update={"object_root": object_root(dataset.pid)}))
            version = tx.datasets.add_version(make_version(dataset, source_fingerprint=listing.fingerprint)).version_id
        lease = self.lease(WorkKind.INGEST, version)
        common: dict[str, Any] = {"lease": lease, "catalogue": self.catalogue, "store": self.store}
        common |= {"tables": self.tables, "clock": self.clock}
        measure_version(version, zone=zone, profile=self.profile, meters=self.meters, **common)
        steps["measure"] = time.monotonic() - began
        with self.catalogue.begin() as tx:
            judged = tx.datasets.get_version(version).model_copy(update={"verdict": Verdict.PASSED})
            advance(tx, judged, Stage.GATED, clock=self.clock)
        describe_version(version, profile=self.profile, **common)
        archive_version(version, **common)
        verify_version(version, **common)
        steps["last byte to verified"] = time.monotonic() - began
        return steps

    def run(self, name: str, *, reads_ahead: bool) -> dict[str, float]:
        """Write one run and take it in."""
        zone = CountingZone(str(self.landing))
        acquisition = make_acquisition(name).acquisition_id
        self.plan(name)
        for number in range(self.asked.time_points):
            self.time_point(name, number)
            if reads_ahead and number + 1 < self.asked.time_points:
                self.ahead(acquisition, zone)
        (self.landing / name / ".done").touch()
        total = sum(one.stat().st_size for one in (self.landing / name).rglob("*") if one.is_file())
        steps = self.ingest(name, zone)
        shutil.rmtree(self.landing / name)
        return {**steps, "source_bytes": zone.bytes_read / total, "mib": total / 2**20}


def measured(bench: Bench) -> dict[str, list[dict[str, float]]]:
    """Let the two ways take turns."""
    ways: dict[str, list[dict[str, float]]] = {"with reading ahead": [], "without": []}
    bench.run("warm", reads_ahead=True)
    for turn in range(bench.asked.rounds):
        for way in sorted(ways, reverse=bool(turn % 2)):
            told = bench.run(f"run-{turn}-{len(way)}", reads_ahead=way.startswith("with "))
            ways[way].append(told)
            print(way, told, file=sys.stderr, flush=True)
    return ways


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--time-points", type=int, default=16)
    parser.add_argument("--images", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="cis-"))
    postgres = EmbeddedPostgres(folder / "pg")
    seaweedfs = EmbeddedSeaweedFS(folder / "store", log=folder / "store.log", port=spare_ports(1)[0])
    try:
        endpoint = postgres.start()
        seaweedfs.start()
        postgres.ensure_database("bench")
        catalogue = SqlCatalogue(endpoint.url("bench"))
        catalogue.migrate()
        store = S3Store(seaweedfs.archive_access, bucket=BUCKET)
        store.create_bucket()
        with catalogue.begin() as tx:
            tx.instruments.add(make_instrument("squid-1", path=str(folder / "landing")))
            tx.projects.add(make_project("cells"))
        ways = measured(Bench(catalogue, store, folder / "landing", asked))
    finally:
        seaweedfs.stop()
        postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)
    medians = {
        way: {name: round(statistics.median(one[name] for one in runs), 3) for name in runs[0]}
        for way, runs in ways.items()
    }
    document = {"time_points": asked.time_points, "images": asked.images, "rounds": asked.rounds, "median": medians}
    print(json.dumps({**document, "runs": ways, "load_average": os.getloadavg()[0]}, indent=1))


if __name__ == "__main__":
    main()
