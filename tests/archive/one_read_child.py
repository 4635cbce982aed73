"""Measures one version in a process of its own and prints what that process read; started by test_one_read.py."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.landing_folder import LandingFolder
from cisterna.adapters.s3_access import S3Access
from cisterna.adapters.s3_obstore import S3Store
from cisterna.adapters.system_clock import SystemClock
from cisterna.adapters.table_parquet import ParquetTables
from cisterna.domain.work import Attempt
from cisterna.ports.quality import MeterChoice, Reading
from cisterna.services.measure import measure_version
from tests.archive.facility import ByteMeter, TiffProfile


class MapWatchingMeter(ByteMeter):
    """Looks, while the first images are in hand, whether a file of the landing zone is mapped."""

    def __init__(self, landing: str) -> None:
        self._landing = landing
        self._looks = 0
        self.was_mapped = False

    def read(self, body: memoryview, *, path: str) -> Reading:
        if self._looks < 3:
            self._looks += 1
            self.was_mapped |= self._landing in Path("/proc/self/maps").read_text("utf-8")
        return super().read(body, path=path)


def bytes_read() -> int:
    """Give how many bytes this process has read by read, readv, pread and the like."""
    lines = Path("/proc/self/io").read_text("ascii").splitlines()
    return int(next(line for line in lines if line.startswith("rchar:")).split()[1])


def main() -> None:
    """Measure, and print the result as JSON."""
    task = json.loads(sys.stdin.read())
    catalogue = SqlCatalogue(task["dsn"])
    store = S3Store(
        S3Access(endpoint=task["endpoint"], access_key_id=task["key"], secret_access_key=task["secret"]),
        bucket=task["bucket"],
    )
    store.head("warm")
    tables = ParquetTables()
    tables.dump({"warm": ["up"]})
    meter = MapWatchingMeter(task["landing"])
    before = bytes_read()
    version = measure_version(
        task["version"],
        lease=Attempt.model_validate(task["lease"]),
        zone=LandingFolder(task["landing"]),
        profile=TiffProfile(),
        catalogue=catalogue,
        store=store,
        meters=MeterChoice(meter),
        tables=tables,
        clock=SystemClock(),
        image_limit_bytes=task["image_limit_bytes"],
        readers=4,
    )
    read = bytes_read() - before
    store.close()
    catalogue.close()
    print(json.dumps({"bytes_read": read, "was_mapped": meter.was_mapped, "total": version and version.total_bytes}))  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
