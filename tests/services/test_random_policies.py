"""Promise 6: nothing restricted or embargoed in any public output, whatever is said, done, undone and waited for."""

from __future__ import annotations

import asyncio
import json
import random
import re
import secrets
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import text as sql_text

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.catalogue_tables import metadata
from cisterna.testing.clock import SettableClock
from cisterna.testing.public_index_contract import everything
from tests.services.policy_outputs import SEARCHES, addresses, ask, deposited, listening
from tests.services.policy_world import FILES, METADATA, World
from tests.web.application import app_on
from tests.web.site import Site

_WAITS = (timedelta(days=1), timedelta(days=30), timedelta(days=200))
_LAST = (("narrow", "ask", "ask"), ("project", "look", "narrow", "ask"), ("kill", "ask"), ("kill",), ("project",))
"""What may happen to one dataset at the end, in a row."""
_TELLING = (4, 15)
"""Worlds in which files once stayed outside: somebody asked for what was about to be withdrawn there."""
_SECRET = re.compile(r"zq0000[0-9a-f]{2}[a-z]")
"""A world counts to less than 256; of a trillion letters of base64 not one begins what could be a secret."""


def secrets_in(said: bytes | str) -> set[str]:
    return set(_SECRET.findall(said if isinstance(said, str) else said.decode("utf-8", "replace")))


def played(site: Site, chance: random.Random, *, datasets: int) -> World:
    """Let things happen at random to some datasets of some projects."""
    world = World(site, chance)
    projects = [world.lay_project() for _ in range(max(2, datasets // 3))]
    while len(world.laid) < datasets:
        shown = [one for one in world.laid if one.published and not one.withdrawn]
        source = chance.choice(shown or world.laid) if world.laid and chance.random() < 0.4 else None
        one = world.lay(chance.choice(projects), source)
        for kind in ("decide", "agree", "publish"):
            if chance.random() < 0.9:
                world.act(one, kind)
        for _ in range(chance.choice([0, 0, 0, 1, 2, 4])):
            world.act(one)
        if chance.random() < 0.2:
            world.act(chance.choice(world.laid))
        if chance.random() < 0.2:
            world.settle()
    world.settle()
    for kinds in (*chance.choices(_LAST, k=4), ("revise",), ("withdraw",), ("revise",)):
        shown = [one for one in world.laid if one.published and not one.withdrawn]
        one = chance.choice(shown or world.laid)
        for kind in kinds:
            world.act(one, kind)
    return world


def require_allowed(where: object, said: bytes | str, allowed: set[str]) -> set[str]:
    """Hold one thing that goes out against what may be seen, and give what it shows."""
    found = secrets_in(said)
    assert found <= allowed, (where, sorted(found - allowed))
    return found


def check(world: World, app: FastAPI | None) -> Counter[str]:
    """Hold everything that goes out against what may be seen; count what is shown, so that nothing is vacuous.

    Args:
        world: What was said and done.
        app: To be asked; None asks for nothing and looks at the bucket, the index and what is told.
    """
    allowed, seen, found = world.allowed(), set[str](), Counter[str]()
    for said in world.bucket():
        seen |= require_allowed("the public bucket", said, allowed)
        found["judged: things in the bucket"] += 1
    for target in world.targets.values():
        for said in deposited(target):
            require_allowed(target.name, said, allowed)
            found[f"judged: things at {target.name}"] += 1
    if app is not None:
        seen |= check_answers(world, app, allowed, found)
    words = [f"{one.token}t" for one in world.laid[:3]]
    require_allowed("the index", everything(world.catalogue, ["", *words]), allowed | set(words))
    withheld = {one.token for one in world.laid if not one.was_open}
    for event, message in world.messages():
        told = {secret for secret in secrets_in(message) if secret[:8] in withheld}
        assert not told, (event.name, message)
        found["judged: messages"] += 1
    for one in world.laid:
        extent = world.shown(one)
        assert (f"{one.token}m" in seen) == (extent >= METADATA), (one, "its description is not shown")
        assert (f"{one.token}f" in seen) == (extent == FILES), (one, "its files are not shown")
        found[("nothing", "metadata", "files")[extent]] += 1
    return found


def check_answers(world: World, app: FastAPI, allowed: set[str], found: Counter[str]) -> set[str]:
    """Ask for everything as nobody; an asker's own words may come back where there is nothing."""
    seen = set[str]()
    paths = list(addresses(world))
    for path, status, text in asyncio.run(ask(app, paths, base_url=world.site.base_url)):
        assert status < 500, (path, status)
        own = secrets_in(path) if status in {404, 410} or path.startswith(SEARCHES) else set[str]()
        seen |= require_allowed(path, text, allowed | own) - own
        found["judged: answers"] += 1
        if path == "/api/v1/public/statistics":
            require_counts(world, json.loads(text.partition("\n")[2]))
    return seen


def require_counts(world: World, told: dict[str, Any]) -> None:
    """Count what may be seen by what was said and done: a number tells as well that there is something."""
    shown = [one for one in world.laid if world.shown(one) >= METADATA]
    assert told["datasets"] == len(shown)
    sums = {one["value"]: one for one in told["sums"] if one["facet"] == "instrument"}
    assert set(sums) == {f"{one.token}m" for one in shown}
    for one in shown:
        counted = sums[f"{one.token}m"]
        assert (counted["file_count"] > 0) == (counted["total_bytes"] > 0) == (world.shown(one) == FILES), counted
    for name in ("file_count", "total_bytes"):
        assert told[name] == sum(one[name] for one in sums.values())


def try_out(catalogue: SqlCatalogue, *, seeds: Iterable[int], datasets: int) -> Iterator[Counter[str]]:
    """Let one world after another begin, and end, and say what was shown in it."""
    site = Site(catalogue, SettableClock())
    app = app_on(site.parts)
    tables = ", ".join(table.name for table in metadata.sorted_tables if table.name != "stores")
    for seed in seeds:
        found = Counter[str]()
        with listening() as logs:
            world = played(site, random.Random(seed), datasets=datasets)
            world.settle()
            found += check(world, None)
            world.clock.advance(world.chance.choice(_WAITS))
            world.settle()
            found += check(world, app)
        require_allowed("the log", "\n".join(logs), set())
        found["judged: lines of the log"] += len(logs)
        found += world.told
        with catalogue._engine.begin() as connection:
            connection.execute(
                sql_text("SET LOCAL session_replication_role = replica")
            )  # history may go with its world
            connection.execute(sql_text(f"TRUNCATE {tables} CASCADE"))
        for store in (site.store, site.public):
            store.delete([one.key for one in store.list("")])
        yield found


@pytest.mark.timeout(300)
def test_of_random_policies_and_acts_nothing_that_may_not_be_seen_goes_out(catalogue: SqlCatalogue) -> None:
    found = sum(try_out(catalogue, seeds=_TELLING, datasets=25), Counter[str]())

    assert min(found["nothing"], found["metadata"], found["files"]) > 0, found


@pytest.mark.torture
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("half", [0, 1], ids=["first", "second"])
def test_of_ten_thousand_random_policies_nothing_that_may_not_be_seen_goes_out(
    catalogue: SqlCatalogue, pytestconfig: pytest.Config, half: int
) -> None:
    """Each half is 5,000 datasets with a policy, a description and acts of their own; `--seed` says which."""
    told = pytestconfig.getoption("--seed")
    seed = secrets.randbelow(10**6) * 1_000 if told is None else told
    begun, found, seeds = time.monotonic(), Counter[str](), range(seed + half * 200, seed + half * 200 + 200)
    print(f"--seed {seed}: worlds {seeds.start} to {seeds.stop - 1}", flush=True)  # noqa: T201

    for number, shown in enumerate(try_out(catalogue, seeds=seeds, datasets=25), start=1):
        found += shown
        if number % 10 == 0:
            seconds = time.monotonic() - begun
            print(f"{number * 25:,} policies in {seconds:.0f} s: {dict(found)}", flush=True)  # noqa: T201

    assert min(found["nothing"], found["metadata"], found["files"]) > 250, found
