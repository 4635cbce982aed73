"""Seconds and memory of `rebuild --from-archive`, for an archive of many small objects.

    PYTHONPATH=src:. python bench/rebuild.py --objects 10000

The objects are real OCFL objects on a real SeaweedFS, their rows lie in a real PostgreSQL, the record and the logs are
written as a running stack writes them. Prints one JSON document.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import resource
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.embedded_postgres import EmbeddedPostgres
from cisterna.adapters.embedded_seaweedfs import EmbeddedSeaweedFS
from cisterna.adapters.free_port import spare_ports
from cisterna.adapters.s3_access import S3Access
from cisterna.adapters.s3_obstore import S3Store
from cisterna.adapters.sink_archive_log import ArchiveLogSink
from cisterna.adapters.system_clock import SystemClock
from cisterna.domain.dataset import Dataset, Stage
from cisterna.domain.event import Event
from cisterna.domain.ocfl import (
    INVENTORY,
    OBJECT_DECLARATION,
    OBJECT_DECLARATION_BODY,
    SIDECAR,
    Agent,
    Placed,
    next_version,
    object_root,
    sidecar,
)
from cisterna.services.crew import work_through
from cisterna.services.rebuild import rebuild_catalogue
from cisterna.services.record import record_all
from cisterna.services.transition import announce
from cisterna.testing.factory import (
    make_acquisition,
    make_dataset,
    make_instrument,
    make_project,
    make_receipt,
    make_version,
    make_work,
)

BUCKET = "bench-archive"
BODY = b"p" * 32_768
EVENTS = 12
"""About as many as the ingest of one run tells."""


def write_object(dataset: Dataset, *, store: S3Store) -> None:
    """Write a version of one file."""
    content = "v1/content/a/1"
    inventory = next_version(
        None,
        pid=dataset.pid,
        files=[Placed("data/a.tiff", hashlib.sha512(BODY).hexdigest(), content)],
        created=datetime.now(UTC),
        message="acquired",
        user=Agent(name="bench", address="urn:x-cisterna:bench"),
    )
    store.put(f"{dataset.object_root}/{content}", BODY)
    for folder in (f"{dataset.object_root}/v1", dataset.object_root):
        store.put(f"{folder}/{INVENTORY}", inventory.body)
        store.put(f"{folder}/{SIDECAR}", sidecar(inventory.sha512))
    store.put(f"{dataset.object_root}/{OBJECT_DECLARATION}", OBJECT_DECLARATION_BODY)


def fill(catalogue: SqlCatalogue, store: S3Store, *, objects: int) -> None:
    """Put that many archived datasets into catalogue and archive."""
    clock = SystemClock()
    with catalogue.begin() as tx:
        tx.instruments.add(make_instrument())
        tx.projects.add(make_project())
    made: list[Dataset] = []
    told: list[Event] = []
    for first in range(0, objects, 100):
        with catalogue.begin() as tx:
            for number in range(first, min(objects, first + 100)):
                acquisition = tx.acquisitions.save(make_acquisition(f"run-{number}", project="cells"))
                dataset = make_dataset(f"run-{number}", acquisition=acquisition)
                dataset = tx.datasets.add(dataset.model_copy(update={"object_root": object_root(dataset.pid)}))
                version = tx.datasets.add_version(make_version(dataset, stage=Stage.VERIFIED, ocfl_version=1))
                receipt = make_receipt(version, object_root=dataset.object_root)
                tx.datasets.add_receipt(receipt)
                tx.inbox.request(make_work(f"run-{number}", subject=acquisition.acquisition_id))
                for at in range(EVENTS):
                    name = "receipt.issued" if at == 0 else "attempt.completed"
                    event = announce(tx, name, version.version_id, project="cells", clock=clock, data={"step": at})
                    told += [event] if at == 0 else []
                made.append(dataset)
    work_through(made, lambda: lambda one: write_object(one, store=store), workers=16, stop=threading.Event())
    sink = ArchiveLogSink(store=store, catalogue=catalogue)
    work_through(told, lambda: sink.send, workers=4, stop=threading.Event())
    record_all(catalogue=catalogue, store=store, clock=clock)


def measure(dsn: str, access: S3Access, told: multiprocessing.Queue[dict[str, object]]) -> None:
    """Rebuild in a process of its own, whose memory is nobody else's."""
    store, catalogue = S3Store(access, bucket=BUCKET), SqlCatalogue(dsn)
    catalogue.migrate()
    began = time.monotonic()
    found = rebuild_catalogue(catalogue=catalogue, store=store)
    seconds = time.monotonic() - began
    used = resource.getrusage(resource.RUSAGE_SELF)
    told.put(
        {
            "seconds": round(seconds, 1),
            "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
            "peak_rss_mib": round(used.ru_maxrss / 1024),
            "rows": sum(found.rows.values()),
            "objects": found.objects,
            "segments": found.segments,
            "faults": found.fault_count,
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=10_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cis-") as name:
        folder = Path(name)
        postgres = EmbeddedPostgres(folder / "pg")
        seaweedfs = EmbeddedSeaweedFS(folder / "store", log=folder / "store.log", port=spare_ports(1)[0])
        try:
            endpoint = postgres.start()
            seaweedfs.start()
            for database in ("old", "new"):
                postgres.ensure_database(database)
            old = SqlCatalogue(endpoint.url("old"))
            old.migrate()
            store = S3Store(seaweedfs.archive_access, bucket=BUCKET)
            store.create_bucket()
            fill(old, store, objects=asked.objects)
            spawning = multiprocessing.get_context("spawn")
            told = spawning.Queue()
            child = spawning.Process(target=measure, args=(endpoint.url("new"), seaweedfs.archive_access, told))
            child.start()
            document = told.get()
            child.join()
        finally:
            seaweedfs.stop()
            postgres.stop()
    print(json.dumps({**document, "load_average": os.getloadavg()[0]}, indent=1))


if __name__ == "__main__":
    main()
