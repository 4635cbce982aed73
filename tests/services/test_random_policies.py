"""Promise 6: nothing restricted or embargoed in any public output, whatever is said, done, undone and waited for."""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text as sql_text
from structlog.testing import capture_logs

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.catalogue_tables import metadata
from cisterna.testing.clock import SettableClock
from cisterna.testing.public_index_contract import everything
from cisterna.web.app import create_app
from tests.services.policy_world import FILES, METADATA, NOTHING, World

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


def played(catalogue: SqlCatalogue, chance: random.Random, *, datasets: int) -> World:
    """Let things happen at random to some datasets of some projects."""
    world = World(catalogue, SettableClock(), chance)
    projects = [world.lay_project() for _ in range(max(2, datasets // 3))]
    while len(world.laid) < datasets:
        source = chance.choice(world.laid) if world.laid and chance.random() < 0.3 else None
        one = world.lay(chance.choice(projects), source)
        for _ in range(chance.randint(2, 7)):
            world.act(one)
        if chance.random() < 0.3:
            world.act(chance.choice(world.laid))
        if chance.random() < 0.3:
            world.settle()
    return world


def public_answers(world: World) -> Iterator[tuple[str, bytes]]:
    """Ask for everything that anybody may ask for, of each dataset whether it is public or not."""
    with TestClient(create_app(world.site.parts), base_url=world.site.base_url, follow_redirects=False) as client:
        paths = list(_SITEWIDE)
        for one in world.laid:
            pid = world.site.dataset(one.version).pid
            picture = f"data/{one.token}f.tiff"
            paths += [
                f"/{pid}",
                f"/{pid}/v1/linkset?format=json",
                f"/{pid}/v1/manifest-sha512.txt",
                f"/{pid}/v1/files/{picture}",
                f"/{pid}/v1/preview/{picture}",
                f"/{pid}/v1.1",
            ]
        for path in paths:
            answer = client.get(path)
            asked = secrets_in(path) if answer.status_code in {404, 410} else set()
            yield path, " ".join(secrets_in(answer.text) - asked).encode()
            yield path, str(answer.headers).encode()


def check(world: World) -> Counter[str]:
    """Hold everything that goes out against what may be seen; count what is shown, so that nothing is vacuous."""
    allowed, seen = world.allowed(), set[str]()
    for said in world.bucket():
        assert secrets_in(said) <= allowed, secrets_in(said) - allowed
        seen |= secrets_in(said)
    for path, said in public_answers(world):
        assert secrets_in(said) <= allowed, (path, secrets_in(said) - allowed)
        seen |= secrets_in(said)
    words = [f"{one.token}t" for one in world.laid[:3]]
    assert secrets_in(everything(world.catalogue, ["", *words])) - set(words) <= allowed
    withheld = {one.token for one in world.laid if not one.was_open}
    for event, told in world.messages():
        assert not {secret for secret in secrets_in(told) if secret[:8] in withheld}, (event.name, told)
    found = Counter[str]()
    for one in world.laid:
        extent = world.may_show(one) if one.published and not one.withdrawn else NOTHING
        assert (f"{one.token}m" in seen) == (extent >= METADATA), (one, "its description is not shown")
        assert (f"{one.token}f" in seen) == (extent == FILES), (one, "its files are not shown")
        found[("nothing", "metadata", "files")[extent]] += 1
    return found


def try_out(catalogue: SqlCatalogue, *, seeds: range, datasets: int) -> Counter[str]:
    found = Counter[str]()
    tables = ", ".join(table.name for table in metadata.sorted_tables if table.name != "stores")
    for seed in seeds:
        with capture_logs() as logs:
            world = played(catalogue, random.Random(seed), datasets=datasets)
            world.settle()
            found += check(world)
            world.clock.advance(world.chance.choice(_WAITS))
            world.settle()
            found += check(world)
        assert not secrets_in(repr(logs))
        with catalogue._engine.begin() as connection:
            connection.execute(sql_text(f"TRUNCATE {tables} CASCADE"))
    return found


from datetime import timedelta  # noqa: E402

_WAITS = (timedelta(days=1), timedelta(days=30), timedelta(days=200))


def test_of_random_policies_and_acts_nothing_that_may_not_be_seen_goes_out(catalogue: SqlCatalogue) -> None:
    found = try_out(catalogue, seeds=range(5), datasets=12)

    assert min(found["nothing"], found["metadata"], found["files"]) > 0, found


@pytest.mark.torture
@pytest.mark.timeout(7200)
def test_of_ten_thousand_random_policies_nothing_that_may_not_be_seen_goes_out(catalogue: SqlCatalogue) -> None:
    begun, found = time.monotonic(), Counter[str]()

    for first in range(1_000, 1_500, 25):
        found += try_out(catalogue, seeds=range(first, first + 25), datasets=20)
        seconds = time.monotonic() - begun
        print(f"{(first - 975) * 20} policies in {seconds:.0f} s: {dict(found)}")  # noqa: T201 - the figures are its use

    assert min(found["nothing"], found["metadata"], found["files"]) > 500, found
