"""Milliseconds of a search over very many published records, as the page and the API ask.

    PYTHONPATH=src:. python bench/search.py --records 100000

The records lie in a real PostgreSQL, put by the index itself in turns of 500, as a refill does. Their words are drawn
from 60,000 made-up ones as often as words of a language are (Zipf). Asked is what people type: one to three words of
every frequency, beginnings, parts, misspelt words, with and without values chosen, the list of everything, and every
order. Each search is counted with its facets, as a page shows both. Beside the time stands the CPU that it took, here
and in PostgreSQL, which is the time of a machine that has nothing else to do. Prints one JSON document.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import psycopg

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.embedded_postgres import EmbeddedPostgres
from cisterna.domain.public_entry import Facet, HarvestForm, PublicContent, PublicEntry
from cisterna.ports.public_index import HarvestWanted, Sort, Wanted
from cisterna.testing.clock import START, SettableClock
from cisterna.testing.public_index_contract import pid_of

AT_ONCE = 500
SYLLABLES = [
    first + second for first in "bdfgklmnprstvz" for second in ("a", "e", "i", "o", "u", "al", "en", "is", "or")
]
Search = tuple[str, Wanted, Sort]


class Language:
    """Made-up words, some of them used all the time."""

    def __init__(self, chance: random.Random, size: int = 60_000) -> None:
        made: dict[str, None] = {}
        while len(made) < size:
            made["".join(chance.choices(SYLLABLES, k=chance.randint(2, 5)))] = None
        self.words = list(made)
        self._weights = list(accumulate(1 / (rank + 5) for rank in range(size)))
        self._chance = chance

    def text(self, count: int) -> str:
        return " ".join(self._chance.choices(self.words, cum_weights=self._weights, k=count))


def records(count: int, language: Language, chance: random.Random) -> Iterator[PublicEntry]:
    people = [language.text(2).title() for _ in range(5_000)]
    subjects = [language.text(chance.randint(1, 2)) for _ in range(2_000)]
    for number in range(count):
        content = PublicContent(
            title=language.text(8),
            description=language.text(80),
            creators=tuple(chance.choices(people, k=chance.randint(1, 5))),
            publisher="National Imaging Facility",
            licence=chance.choices(("CC-BY-4.0", "CC0-1.0", "CC-BY-SA-4.0"), (80, 15, 5))[0],
            instrument=f"instrument-{int(chance.paretovariate(1)) % 60}",
            year=2016 + number * 11 // count,
            subjects=tuple(chance.choices(subjects, k=4)),
            organisms=tuple(chance.choices(("Homo sapiens", "Mus musculus", "Danio rerio", "Pinus abies"), k=1)),
            affiliations=(f"Group {int(chance.paretovariate(1)) % 200}",),
            file_count=100,
            total_bytes=chance.randrange(10**12),
            documents=dict.fromkeys(HarvestForm, "<dc>" + "x" * 1500 + "</dc>"),
        )
        kind = chance.choices(("microscopy", "sequencing", "mass-spectrometry", "table"), (60, 20, 15, 5))[0]
        at = START - timedelta(minutes=count - number)
        yield PublicEntry(
            pid=pid_of(f"record {number}"), version="v1", published_at=at, data_type=kind, content=content
        )


def searches(count: int, language: Language, chance: random.Random) -> Iterator[Search]:
    """What people type, in the shares in which it is typed here."""
    microscopy = {Facet.DATA_TYPE: ("microscopy",)}
    for _ in range(count):
        words = language.text(chance.choices((1, 2, 3), (45, 40, 15))[0])
        rare = chance.choice(language.words)
        at = chance.randrange(len(rare) - 2)
        yield chance.choices(
            (
                ("words", Wanted(words=words), Sort.RELEVANCE),
                ("a rare word", Wanted(words=rare), Sort.RELEVANCE),
                ("a beginning", Wanted(words=rare[:4]), Sort.RELEVANCE),
                ("a part", Wanted(words=rare[1:]), Sort.RELEVANCE),
                ("misspelt", Wanted(words=rare[:at] + rare[at + 1 :]), Sort.RELEVANCE),
                ("words and a value", Wanted(words=words, chosen=microscopy), Sort.RELEVANCE),
                ("a value", Wanted(chosen={Facet.INSTRUMENT: (f"instrument-{chance.randrange(60)}",)}), Sort.NEWEST),
                ("words, another order", Wanted(words=words), chance.choice((Sort.NEWEST, Sort.TITLE, Sort.LARGEST))),
                ("everything", Wanted(), Sort.NEWEST),
            ),
            (35, 10, 8, 7, 10, 10, 8, 7, 5),
        )[0]


def fill(catalogue: SqlCatalogue, entries: Iterator[PublicEntry], clock: SettableClock) -> float:
    begun, batch = time.perf_counter(), []
    for entry in entries:
        batch.append(entry)
        if len(batch) == AT_ONCE:
            put(catalogue, batch, clock)
            batch = []
    put(catalogue, batch, clock)
    return time.perf_counter() - begun


def put(catalogue: SqlCatalogue, batch: list[PublicEntry], clock: SettableClock) -> None:
    with catalogue.begin() as tx:
        tx.public_index.put(batch, clock=clock)


class Taken(NamedTuple):
    """Milliseconds by the clock, and of CPU: of this process and of the one that serves it."""

    wall: float
    cpu: float

    def __add__(self, other: Taken) -> Taken:  # type: ignore[override]
        return Taken(self.wall + other.wall, self.cpu + other.cpu)


def told(taken: list[Taken]) -> dict[str, float]:
    def at(values: list[float], share: float) -> float:
        return round(sorted(values)[min(len(values) - 1, int(len(values) * share))], 1)

    wall, cpu = [one.wall for one in taken], [one.cpu for one in taken]
    return {
        "count": len(taken),
        "p50_ms": at(wall, 0.5),
        "p95_ms": at(wall, 0.95),
        "largest_ms": at(wall, 1),
        "p50_cpu_ms": at(cpu, 0.5),
        "p95_cpu_ms": at(cpu, 0.95),
        "largest_cpu_ms": at(cpu, 1),
    }


def server_seconds(pid: int) -> float:
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def clocked(pid: int, act: Callable[[], object]) -> Taken:
    wall, cpu, served = time.perf_counter(), time.process_time(), server_seconds(pid)
    act()
    spent = time.process_time() - cpu + server_seconds(pid) - served
    return Taken((time.perf_counter() - wall) * 1000, spent * 1000)


def server_of(uri: str) -> int:
    """Give the process that serves the one connection of the catalogue."""
    with psycopg.connect(uri) as connection:
        asked = "SELECT pid FROM pg_stat_activity WHERE datname = 'bench' AND application_name = 'cisterna'"
        rows = connection.execute(asked).fetchall()
    return int(rows[0][0])


def measure(catalogue: SqlCatalogue, pid: int, asked: list[Search]) -> dict[str, dict[str, float]]:
    taken: dict[str, list[Taken]] = {}
    for kind, wanted, sort in asked:
        with catalogue.begin() as tx:
            index = tx.public_index
            found = clocked(pid, lambda: index.search(wanted, sort=sort, limit=20))  # noqa: B023 - called at once
            counted = clocked(pid, lambda: index.facets(wanted))  # noqa: B023 - called at once
        for name, one in (("search", found), ("facets", counted), (kind, found + counted), ("a page", found + counted)):
            taken.setdefault(name, []).append(one)
    return {name: told(one) for name, one in taken.items()}


def others(
    catalogue: SqlCatalogue, pid: int, clock: SettableClock, fresh: list[PublicEntry]
) -> dict[str, dict[str, float]]:
    """What else is asked of the index, and what a publication costs."""
    taken: dict[str, list[Taken]] = {"statistics": [], "100 records harvested": [], "a publication": []}
    place = [0]

    def harvest() -> None:
        wanted = HarvestWanted(form=HarvestForm.DUBLIN_CORE, after=place[0])
        place[0] = tx.public_index.harvest(wanted, limit=100)[-1].place

    for entry in fresh:
        with catalogue.begin() as tx:
            taken["statistics"].append(clocked(pid, tx.public_index.statistics))
            taken["100 records harvested"].append(clocked(pid, harvest))
        taken["a publication"].append(clocked(pid, lambda: put(catalogue, [entry], clock)))  # noqa: B023 - called at once
    return {name: told(one) for name, one in taken.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--searches", type=int, default=1_000)
    parser.add_argument("--home", type=Path, help="keep the database here; one that is there is used as it is")
    asked = parser.parse_args()
    chance, clock = random.Random(1), SettableClock()
    language = Language(chance)
    with tempfile.TemporaryDirectory(prefix="cisterna-bench-") as folder:
        home = asked.home or Path(folder)
        is_filled = (home / "pg").exists()
        server = EmbeddedPostgres(home / "pg")
        try:
            endpoint = server.start()
            server.ensure_database("bench")
            catalogue = SqlCatalogue(endpoint.url("bench"), pool_size=1)
            catalogue.migrate()
            seconds = None if is_filled else fill(catalogue, records(asked.records, language, chance), clock)
            with psycopg.connect(server.endpoint.libpq_uri("bench"), autocommit=True) as connection:
                connection.execute("VACUUM ANALYZE")
                size = connection.execute("SELECT pg_database_size('bench')").fetchone()
            plan = list(searches(asked.searches, language, chance))
            with catalogue.begin() as tx:
                tx.public_index.count()
            pid = server_of(server.endpoint.libpq_uri("bench"))
            measure(catalogue, pid, plan[:50])
            found = measure(catalogue, pid, plan)
            found |= others(catalogue, pid, clock, list(records(60, language, chance)))
            catalogue.close()
        finally:
            server.stop()
    print(
        json.dumps(
            {
                "records": asked.records,
                "filled_in_seconds": seconds and round(seconds, 1),
                "load_average": os.getloadavg()[0],
                "database_mb": round(size[0] / 1e6) if size else None,
                **found,
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
