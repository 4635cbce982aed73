"""Seconds of the page of an instrument with very many datasets in its 90 days.

    PYTHONPATH=src:. python bench/instrument_health.py --datasets 100000

The rows lie in a real PostgreSQL, written as bulk: an acquisition, a dataset, a version, eight findings and 24 sampled
values each. Asked are somebody who may see everything and somebody who sees one project. Prints one JSON document.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psycopg

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.embedded_postgres import EmbeddedPostgres
from cisterna.domain.account import Grant, Role
from cisterna.domain.finding import Outcome, Verdict
from cisterna.services.instrument_health import instrument_health
from cisterna.testing.clock import START, SettableClock
from cisterna.testing.factory import (
    make_account,
    make_acquisition,
    make_dataset,
    make_finding,
    make_instrument,
    make_project,
    make_version,
)

ROUNDS = 7
METADATA = {"title": "T" * 60, "description": "d" * 900, "keywords": ["k"] * 10, "human_data": "no", "access": "open"}
COLUMNS = {
    "acquisitions": "acquisition_id, instrument, folder, project, state, held, first_seen, dataset_id, record, body",
    "datasets": "dataset_id, origin, pid, object_root, project, acquisition_id, relations, created_at, body",
    "versions": "version_id, dataset_id, number, revision, stage, stage_at, record, body",
    "findings": "version_id, position, outcome, body",
    "metric_samples": "version_id, dataset_id, number, revision, instrument, data_type, verdict, at, channels",
}
Row = tuple[object, ...]


def rows(count: int) -> Iterator[tuple[str, Row]]:
    """Make the rows of all tables, the same ones each time."""
    chance = random.Random(1)
    acquisition = make_acquisition("run", project="cells")
    dataset = make_dataset("run", acquisition=acquisition)
    version = make_version(dataset, metadata=METADATA, reason="r" * 100)
    for number in range(count):
        run, made, first = f"acq-{number:026d}", f"ds-{number:026d}", START - timedelta(days=90 * chance.random())
        verdict = chance.choices(tuple(Verdict), (85, 8, 5, 2))[0]
        seen = acquisition.model_copy(update={"acquisition_id": run, "folder": run, "first_seen": first})
        body = seen.model_copy(update={"dataset_id": made}).model_dump_json()
        yield "acquisitions", (run, "squid-1", run, "cells", "complete", False, first, made, 1, body)
        kept = dataset.model_copy(update={"dataset_id": made}).model_dump_json()
        yield "datasets", (made, run, f"ark:/99999/{number}", run, "cells", run, "[]", first, kept)
        judged = version.model_copy(update={"version_id": f"{made}:v1", "dataset_id": made, "verdict": verdict})
        yield "versions", (f"{made}:v1", made, 1, 0, "accepted", first, 1, judged.model_dump_json())
        for position in range(8):
            failed = position < 2 and verdict is not Verdict.PASSED
            outcome = Outcome.FAILED if failed else Outcome.PASSED
            found = make_finding(f"check-{chance.randrange(20) if failed else position}", outcome)
            yield "findings", (f"{made}:v1", position, outcome.value, found.model_dump_json())
        values = [
            {"channel": f"c{one}", "metrics": {f"m{n}": chance.gauss(10, 1) for n in range(8)}} for one in range(3)
        ]
        yield (
            "metric_samples",
            (f"{made}:v1", made, 1, 0, "squid-1", "microscopy", verdict.value, first, json.dumps(values)),
        )


def fill(server: EmbeddedPostgres, catalogue: SqlCatalogue, count: int) -> None:
    """Write the rows in bulk."""
    with catalogue.begin() as tx:
        tx.instruments.add(make_instrument("squid-1"))
        tx.projects.add(make_project("cells"))
    told: dict[str, list[Row]] = {name: [] for name in COLUMNS}
    for table, row in rows(count):
        told[table].append(row)
    with psycopg.connect(server.endpoint.libpq_uri("bench"), autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")  # no triggers, no foreign keys
        for table, columns in COLUMNS.items():
            with connection.cursor().copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                for row in told[table]:
                    copy.write_row(row)
        connection.execute("VACUUM ANALYZE")


def measure(catalogue: SqlCatalogue) -> dict[str, list[float]]:
    """Ask as both, several times."""
    people = {
        "everything": make_account("olga", grants=(Grant(role=Role.OPERATOR),)),
        "one project": make_account("stina", grants=(Grant(role=Role.STEWARD, project="cells"),)),
    }
    taken: dict[str, list[float]] = {name: [] for name in people}
    for _ in range(ROUNDS):
        for name, account in people.items():
            begun = time.perf_counter()
            instrument_health(
                "squid-1", account=account, catalogue=catalogue, clock=SettableClock(START), bucket="archive"
            )
            taken[name].append(round(time.perf_counter() - begun, 3))
    return taken


def main() -> None:
    """Fill, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--datasets", type=int, default=100_000)
    count = parser.parse_args().datasets
    with tempfile.TemporaryDirectory(prefix="cisterna-bench-") as folder:
        server = EmbeddedPostgres(Path(folder) / "pg")
        endpoint = server.start()
        try:
            server.ensure_database("bench")
            catalogue = SqlCatalogue(endpoint.url("bench"))
            catalogue.migrate()
            fill(server, catalogue, count)
            print(json.dumps({"datasets": count, "seconds": measure(catalogue)}))
            catalogue.close()
        finally:
            server.stop()


if __name__ == "__main__":
    main()
