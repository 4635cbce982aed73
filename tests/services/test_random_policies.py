"""Promise 6: nothing restricted or embargoed in any public output, whatever is said, done, undone and waited for."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import timedelta

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient
from sqlalchemy import text as sql_text
from structlog.testing import capture_logs

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.catalogue_tables import metadata
from cisterna.testing.clock import SettableClock
from cisterna.testing.public_index_contract import everything
from tests.services.policy_world import FILES, METADATA, NOTHING, World
from tests.web.application import app_on
from tests.web.site import Site

_WAITS = (timedelta(days=1), timedelta(days=30), timedelta(days=200))
_SECRET = re.compile(r"zq[0-9a-f]{6}[a-z]")
_SITEWIDE = (
    "/browse",
    "/browse/statistics",
    "/browse/statistics.csv",
    "/browse/newest.atom",
    "/sitemap.xml",
    "/robots.txt",
    "/oai?verb=ListRecords&metadataPrefix=oai_dc",
    "/oai?verb=ListRecords&metadataPrefix=oai_datacite",
    "/oai?verb=ListSets",
    "/api/v1/public/datasets",
    "/api/v1/public/statistics",
)


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
    for kind in ("project", "revise", "withdraw", "revise"):
        shown = [one for one in world.laid if one.published and not one.withdrawn]
        if shown:
            world.act(chance.choice(shown), kind)
    return world


def addresses(world: World) -> Iterator[str]:
    """Give everything that anybody may ask for, of each dataset whether it is public or not."""
    yield from _SITEWIDE
    for one in world.laid:
        pid, picture = world.site.dataset(one.version).pid, f"data/{one.token}f.tiff"
        yield f"/{pid}"
        yield f"/{pid}/v1/linkset?format=json"
        yield f"/{pid}/v1/manifest-sha512.txt"
        yield f"/{pid}/v1/files/{picture}"
        yield f"/{pid}/v1/preview/{picture}"
        yield f"/{pid}/v1.1"


async def _ask(app: FastAPI, paths: list[str], base_url: str) -> list[tuple[str, set[str]]]:
    told = []
    async with AsyncClient(transport=ASGITransport(app=app), base_url=base_url) as client:
        for path in paths:
            answer = await client.get(path)
            asked = secrets_in(path) if answer.status_code in {404, 410} else set()
            told.append((path, secrets_in(answer.content) - asked | secrets_in(str(answer.headers)) - asked))
    return told


def check(world: World, app: FastAPI | None) -> Counter[str]:
    """Hold everything that goes out against what may be seen; count what is shown, so that nothing is vacuous.

    Args:
        world: What was said and done.
        app: To be asked; None asks for nothing and looks at the bucket, the index and what is told.
    """
    allowed, seen = world.allowed(), set[str]()
    for said in world.bucket():
        assert secrets_in(said) <= allowed, secrets_in(said) - allowed
        seen |= secrets_in(said)
    answers = asyncio.run(_ask(app, list(addresses(world)), world.site.base_url)) if app else []
    for path, told in answers:
        assert told <= allowed, (path, told - allowed)
        seen |= told
    words = [f"{one.token}t" for one in world.laid[:3]]
    assert secrets_in(everything(world.catalogue, ["", *words])) - set(words) <= allowed
    withheld = {one.token for one in world.laid if not one.was_open}
    for event, message in world.messages():
        assert not {secret for secret in secrets_in(message) if secret[:8] in withheld}, (event.name, message)
    found = Counter[str]()
    for one in world.laid:
        extent = world.may_show(one) if one.published and not one.withdrawn else NOTHING
        assert (f"{one.token}m" in seen) == (extent >= METADATA), (one, "its description is not shown")
        assert (f"{one.token}f" in seen) == (extent == FILES), (one, "its files are not shown")
        found[("nothing", "metadata", "files")[extent]] += 1
    return found


def try_out(catalogue: SqlCatalogue, *, seeds: Iterable[int], datasets: int) -> Iterator[Counter[str]]:
    """Let one world after another begin, and end, and say what was shown in it."""
    site = Site(catalogue, SettableClock())
    app = app_on(site.parts)
    tables = ", ".join(table.name for table in metadata.sorted_tables if table.name != "stores")
    for seed in seeds:
        found = Counter[str]()
        with capture_logs() as logs:
            world = played(site, random.Random(seed), datasets=datasets)
            world.settle()
            found += check(world, None)
            world.clock.advance(world.chance.choice(_WAITS))
            world.settle()
            found += check(world, app)
        assert not secrets_in(repr(logs))
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
    found = sum(try_out(catalogue, seeds=range(2), datasets=25), Counter[str]())

    assert min(found["nothing"], found["metadata"], found["files"]) > 0, found


@pytest.mark.torture
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("seeds", [range(1_000, 1_200), range(1_200, 1_400)], ids=["first", "second"])
def test_of_ten_thousand_random_policies_nothing_that_may_not_be_seen_goes_out(
    catalogue: SqlCatalogue, seeds: range
) -> None:
    """Each half is 5,000 datasets with a policy, a description and acts of their own."""
    begun, found = time.monotonic(), Counter[str]()

    for number, shown in enumerate(try_out(catalogue, seeds=seeds, datasets=25), start=1):
        found += shown
        if number % 10 == 0:
            seconds = time.monotonic() - begun
            print(f"{number * 25:,} policies in {seconds:.0f} s: {dict(found)}", flush=True)  # noqa: T201

    assert min(found["nothing"], found["metadata"], found["files"]) > 250, found
