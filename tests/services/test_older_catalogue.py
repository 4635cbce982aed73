"""Pages that were published validly stand although an older catalogue was restored; a person decides about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.catalogue_tables import metadata
from cisterna.domain.dataset import Stage, Version
from cisterna.domain.errors import PublicationRefused
from cisterna.domain.finding import Verdict
from cisterna.domain.project import Access
from cisterna.domain.work import WorkKind
from cisterna.services.attempt import complete_attempt, fail_attempt, start_attempt
from cisterna.services.health import Condition, look_at_pages
from cisterna.services.publish import request_publication
from cisterna.services.publish_left import LeftEnd
from cisterna.testing.clock import SettableClock
from tests.services.test_access_round import SECRET, in_bucket, set_project, shown
from tests.services.test_publish_left import killed, round_of, wear_out
from tests.services.world import PLACE
from tests.web.site import Site


@pytest.fixture
def site(catalogue: SqlCatalogue, clock: SettableClock) -> Site:
    made = Site(catalogue, clock)
    made.settle_people()
    return made


@contextmanager
def backup(site: Site) -> Iterator[Callable[[], None]]:
    """Keep all that the catalogue says now, and give what brings it back."""
    kept = [
        (one.name, ", ".join(f'"{column.name}"' for column in one.columns if column.computed is None)) for one in TABLES
    ]
    with site.catalogue._engine.begin() as connection:
        connection.exec_driver_sql("CREATE SCHEMA kept")
        for name, _ in kept:
            connection.exec_driver_sql(f"CREATE TABLE kept.{name} AS TABLE {name}")

    def restore() -> None:
        with site.catalogue._engine.begin() as connection:
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")  # history may go back
            connection.exec_driver_sql(f"TRUNCATE {', '.join(name for name, _ in kept)} CASCADE")
            for name, columns in kept:
                read = f"SELECT {columns} FROM kept.{name}"  # noqa: S608 - our own names
                connection.exec_driver_sql(f"INSERT INTO {name} ({columns}) OVERRIDING SYSTEM VALUE {read}")

    yield restore
    with site.catalogue._engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA kept CASCADE")


TABLES = metadata.sorted_tables


def publish_by_a_worker(site: Site, version: Version) -> None:
    request_publication(version.version_id, person="ada", catalogue=site.catalogue, clock=site.clock)
    common: dict[str, Any] = {"catalogue": site.catalogue, "clock": site.clock, "place": PLACE}
    begun = start_attempt(owner="w", lease=timedelta(minutes=5), attempts_max=2, kinds=[WorkKind.PUBLISH], **common)
    assert begun is not None
    site.publish(version, consent=None)
    complete_attempt(begun, outcome="public", **common)


def let_rounds_go_on(site: Site, version: Version) -> list[LeftEnd]:
    """Let the dispatcher find what is left, and workers do what it asks for, until there is nothing to do."""
    ends: list[LeftEnd] = []
    common: dict[str, Any] = {"catalogue": site.catalogue, "clock": site.clock, "place": PLACE}
    for _ in range(3):
        site.clock.advance(600)
        ends += [one.end for one in round_of(site)]
        while begun := start_attempt(
            owner="w", lease=timedelta(minutes=5), attempts_max=2, kinds=[WorkKind.PUBLISH], **common
        ):
            try:
                site.publish(version, consent=None)
            except PublicationRefused as refusal:
                fail_attempt(begun, refusal, **common, attempts_max=2)
            else:
                complete_attempt(begun, outcome="public", **common)
    return ends


@pytest.mark.parametrize("stage", ["in review", "accepted", "refused before"])
def test_a_page_that_an_older_catalogue_does_not_know_stands_until_a_person_decides(site: Site, stage: str) -> None:
    version = site.lay_version("plate-7", title=SECRET, verdict=Verdict.REVIEW)
    if stage != "in review":
        version = site.decide(version)
    if stage == "refused before":
        common: dict[str, Any] = {"catalogue": site.catalogue, "clock": site.clock, "place": PLACE}
        request_publication(version.version_id, person="ada", catalogue=site.catalogue, clock=site.clock)
        begun = start_attempt(owner="w", lease=timedelta(minutes=5), attempts_max=2, kinds=[WorkKind.PUBLISH], **common)
        assert begun is not None
        fail_attempt(begun, PublicationRefused("not yet"), **common, attempts_max=2)
        site.clock.advance(60)
    with backup(site) as restore:
        publish_by_a_worker(site, site.decide(version) if stage == "in review" else version)
        before = shown(site, version)
        restore()
    assert site.now(version).stage is not Stage.PUBLISHED

    assert set(let_rounds_go_on(site, version)) == {LeftEnd.STANDS}

    assert shown(site, version) == before
    told = look_at_pages(site.catalogue, site.portal)
    assert (told.condition, version.version_id in told.message) == (Condition.WARNING, True)


def test_a_page_that_shows_more_than_the_older_catalogue_lets_it_goes(site: Site) -> None:
    version = site.decide(site.lay_version("plate-7", title=SECRET, verdict=Verdict.REVIEW))
    with backup(site) as restore:
        publish_by_a_worker(site, version)
        restore()
    set_project(site, access=Access.RESTRICTED)

    assert let_rounds_go_on(site, version) == [LeftEnd.TAKEN_BACK]

    assert SECRET not in in_bucket(site)
    assert look_at_pages(site.catalogue, site.portal).condition is Condition.OK


def test_what_a_person_publishes_again_is_known_again(site: Site) -> None:
    version = site.decide(site.lay_version("plate-7", title=SECRET, verdict=Verdict.REVIEW))
    with backup(site) as restore:
        publish_by_a_worker(site, version)
        before = shown(site, version)
        restore()
    let_rounds_go_on(site, version)

    publish_by_a_worker(site, version)

    assert shown(site, version) == before
    assert let_rounds_go_on(site, version) == []
    assert look_at_pages(site.catalogue, site.portal).condition is Condition.OK


def test_what_was_taken_back_and_published_validly_since_stands_as_well(site: Site) -> None:
    version = killed(site)
    wear_out(site)
    round_of(site)
    wear_out(site)
    assert [one.end for one in round_of(site)] == [LeftEnd.TAKEN_BACK]
    with backup(site) as restore:
        site.clock.advance(60)
        publish_by_a_worker(site, version)
        before = shown(site, version)
        restore()

    assert set(let_rounds_go_on(site, version)) == {LeftEnd.STANDS}
    assert shown(site, version) == before
