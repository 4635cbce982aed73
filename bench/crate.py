"""Seconds of describing a run of very many files: the whole step, from the gated version to the staged crate.

    PYTHONPATH=src:. python bench/crate.py --files 10000

The store is a real SeaweedFS, the catalogue a real PostgreSQL. The step reads the staged manifest, builds the record,
writes README, list of digests, record, DataCite, schema.org and the crate with every file, and stages them. Beside it
stands what writing the crate alone took, best of five. Prints one JSON document.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from parts import BUCKET, RUN, Anything, Given, Watch, prepare, write

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.embedded_postgres import EmbeddedPostgres
from cisterna.adapters.embedded_seaweedfs import EmbeddedSeaweedFS
from cisterna.adapters.free_port import spare_ports
from cisterna.adapters.landing_folder import LandingFolder
from cisterna.adapters.s3_obstore import S3Store
from cisterna.adapters.system_clock import SystemClock
from cisterna.adapters.table_parquet import ParquetTables
from cisterna.domain.dataset import Stage
from cisterna.domain.finding import Verdict
from cisterna.metadata.crate import FILE_NAME, crate_json
from cisterna.metadata.listing import ListedFile
from cisterna.metadata.record import read_record
from cisterna.ports.quality import MeterChoice
from cisterna.services.describe import describe_version
from cisterna.services.measure import measure_version
from cisterna.services.transition import advance

ROUNDS = 5


def described(catalogue: SqlCatalogue, store: S3Store, landing: Path) -> dict[str, object]:
    """Take the run in, describe it and tell what that took."""
    zone, clock, tables = LandingFolder(str(landing)), SystemClock(), ParquetTables()
    profile = Anything(images=True)
    version, lease = prepare(catalogue, zone, landing)
    common = {"lease": lease, "catalogue": catalogue, "store": store, "tables": tables, "clock": clock}
    measure_version(version, zone=zone, profile=profile, meters=MeterChoice(Given()), **common)  # type: ignore[arg-type]
    with catalogue.begin() as tx:
        judged = tx.datasets.get_version(version).model_copy(update={"verdict": Verdict.PASSED})
        advance(tx, judged, Stage.GATED, clock=clock)
    watch = Watch()
    watch.of("describe", lambda: describe_version(version, profile=profile, **common))  # type: ignore[arg-type]
    with catalogue.begin() as tx:
        done = tx.datasets.get_version(version)
    listing = zone.listing(RUN)
    files = [ListedFile(path=f"data/{one.path}", size_bytes=one.size_bytes, sha512="0a" * 64) for one in listing.files]
    record, best = read_record(done.metadata or {}), float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        crate_json(record, files)
        best = min(best, time.process_time() - began)
    return {
        "files": len(files),
        **watch.steps["describe"],
        "crate_alone_cpu_seconds": round(best, 2),
        "crate_bytes": done.staged[FILE_NAME].size_bytes,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--size-bytes", type=int, default=100)
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
        landing = folder / "landing"
        write(landing / RUN, asked.files, size_bytes=asked.size_bytes)
        told = described(catalogue, store, landing)
        catalogue.close()
    finally:
        seaweedfs.stop()
        postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps({**told, "load_average": os.getloadavg()[0]}, indent=1))


if __name__ == "__main__":
    main()
