"""What may have changed in access is looked at by the next round, and nothing else is, however much is public."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text as sql_text
from sqlalchemy.event import listens_for, remove

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.domain.access import Extent
from cisterna.domain.acquisition import AcquisitionState
from cisterna.domain.dataset import Dataset, Relation, Version
from cisterna.domain.project import Access, HumanData
from cisterna.ports.access import AccessLook
from cisterna.services.access_round import AccessSite, LevelledAccess, level_access
from cisterna.services.transition import make_event
from cisterna.testing.clock import SettableClock
from cisterna.testing.factory import make_dataset, make_version
from tests.services.test_access_round import (
    SECRET,
    extent,
    forget_marks,
    in_bucket,
    lay_embargoed,
    look,
    set_project,
    shown,
    until_end,
)
from tests.web.site import Site

LAST = "ds-zzz"
"""Behind every publication: nothing is left to walk through."""


@pytest.fixture
def site(catalogue: SqlCatalogue, clock: SettableClock) -> Site:
    made = Site(catalogue, clock)
    made.settle_people()
    return made


@contextmanager
def counted(catalogue: SqlCatalogue) -> Iterator[list[str]]:
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_more: Any) -> None:
        asked.append(statement)

    listens_for(catalogue._engine, "before_cursor_execute")(note)
    try:
        yield asked
    finally:
        remove(catalogue._engine, "before_cursor_execute", note)


def add_project(site: Site, slug: str) -> None:
    with site.catalogue.begin() as tx:
        tx.projects.add(tx.projects.get("atlas").model_copy(update={"slug": slug, "record": 0}))


def test_what_a_project_or_a_source_restricts_goes_by_the_next_round_however_long_the_walk_is(site: Site) -> None:
    source = site.lay_published("plate-7", title=SECRET)
    add_project(site, "second")
    derived = site.decide(site.lay_version("masks", title=f"{SECRET} masks", project="second", source=source))
    site.publish(derived)
    other = site.decide(site.lay_version("plate-8", project="second"))
    site.publish(other)

    set_project(site, access=Access.RESTRICTED)

    assert set(look(site, after=LAST).changed) == {source.version_id, derived.version_id}
    assert (SECRET in in_bucket(site), extent(site, other)) == (False, Extent.FILES)
    assert look(site, after=LAST) == LevelledAccess()


def test_a_newer_description_that_is_stricter_is_seen_by_the_next_round(site: Site) -> None:
    version = site.lay_published("plate-7")
    look(site, after=LAST)
    said = {**(site.now(version).metadata or {}), "access": "restricted"}
    with site.catalogue.begin() as tx:
        newer = {"version_id": f"{version.version_id}.1", "revision": 1, "record": 0, "metadata": said}
        tx.datasets.add_version(site.now(version).model_copy(update=newer))

    assert look(site, after=LAST).changed == (version.version_id,)
    assert extent(site, version) is Extent.NOTHING


def test_what_must_go_goes_before_what_may_come(site: Site) -> None:
    add_project(site, "second")
    opened = site.decide(site.lay_version("plate-1", project="second"))
    site.publish(opened)
    set_project(site, "second", access=Access.RESTRICTED)
    closed = site.lay_published("plate-2")
    look(site)
    set_project(site, access=Access.RESTRICTED)
    set_project(site, "second", access=Access.OPEN)

    assert look(site, after=LAST).changed == (closed.version_id, opened.version_id)


def test_an_embargo_ends_on_its_day_without_a_walk(site: Site) -> None:
    set_project(site, shows=True)
    version = lay_embargoed(site)
    site.publish(version, consent=None)
    assert look(site, after=LAST) == look(site, after=LAST) == LevelledAccess()

    until_end(site)

    assert look(site, after=LAST).changed == (version.version_id,)
    assert shown(site, version).files


def test_what_failed_is_tried_again_by_the_next_round(site: Site) -> None:
    version = site.lay_published("plate-7", title=SECRET)
    set_project(site, access=Access.RESTRICTED)
    site.public.fail_on("put")  # type: ignore[attr-defined]
    assert [one for one, _ in look(site, after=LAST).failed] == [version.version_id]

    site.clock.advance(60)

    assert look(site, after=LAST).failed == ()
    assert SECRET not in in_bucket(site)


def test_a_round_ends_in_time_for_what_changes_meanwhile_and_the_next_one_goes_on(site: Site) -> None:
    versions = [site.lay_published(f"plate-{number}") for number in range(3)]
    set_project(site, access=Access.RESTRICTED)

    class Slow(SettableClock):
        def monotonic(self) -> float:
            self.advance(12)
            return super().monotonic()

    slow = Slow(site.clock.now())
    parts = (site.store, site.portal, site.tables, slow, site.base_url)
    begun = level_access(AccessSite(site.catalogue, *parts), after=LAST)

    site.clock.advance(slow.now() - site.clock.now())
    assert len(begun.changed) == 1
    assert len(look(site, after=LAST).changed) == 2
    assert {extent(site, one) for one in versions} == {Extent.NOTHING}


def test_what_is_changed_while_a_round_goes_on_is_not_left_to_the_next_one(site: Site) -> None:
    first, second = site.lay_published("plate-1"), site.lay_published("plate-2", title=SECRET)
    look(site, after=LAST)
    add_project(site, "second")
    with site.catalogue.begin() as tx:
        tx.datasets.save(site.dataset(first).model_copy(update={"project": "second"}))
    set_project(site, "second", access=Access.RESTRICTED)
    publish = site.portal.withdraw

    def changing(record: Any) -> Any:
        if record.pid == site.dataset(first).pid:
            set_project(site, access=Access.RESTRICTED)
        return publish(record)

    site.portal.withdraw = changing  # type: ignore[method-assign]

    assert look(site, after=LAST).changed == (first.version_id, second.version_id)
    assert SECRET not in in_bucket(site)


def test_a_round_in_which_nothing_changed_asks_as_much_of_many_publications_as_of_few(site: Site) -> None:
    found = []
    for names in (("a",), ("b", "c", "d")):
        for name in names:
            site.lay_published(f"plate-{name}")
        forget_marks(site)
        with counted(site.catalogue) as asked:
            look(site)
        found.append(len(asked))

    assert found[0] == found[1] < 12


def test_whether_an_event_may_leave_the_house_is_asked_at_once(site: Site) -> None:
    source = site.lay_published("plate-7")
    derived = site.decide(site.lay_version("masks", source=source))
    with site.catalogue.begin() as tx, counted(site.catalogue) as asked:
        told = make_event(tx, "version.stage", derived.version_id, project="atlas", clock=site.clock, data={})

    assert (told.restricted, len(asked)) == (False, 1)


def spoil(site: Site, version: Version, statement: str) -> None:
    """Let a row be what no program of ours writes."""
    with site.catalogue._engine.begin() as connection:
        connection.execute(sql_text(statement), {"dataset": version.dataset_id, "version": version.version_id})


@pytest.mark.parametrize("after", [LAST, None], ids=["marked", "walked"])
def test_one_that_cannot_be_read_keeps_no_other_waiting_and_is_told(site: Site, after: str | None) -> None:
    versions = [site.lay_published(f"plate-{number}", title=SECRET) for number in range(3)]
    set_project(site, access=Access.RESTRICTED)
    if after is None:
        forget_marks(site)
    spoil(site, versions[1], """UPDATE datasets SET relations = '[{"kind": "?"}]' WHERE dataset_id = :dataset""")
    if after is None:
        forget_marks(site)

    found = look(site, after=after)

    assert set(found.changed) == {versions[0].version_id, versions[2].version_id}
    assert [one for one, _ in found.failed] == [versions[1].version_id]
    spoil(site, versions[1], "UPDATE datasets SET relations = '[]' WHERE dataset_id = :dataset")
    site.clock.advance(60)
    assert look(site, after=after).changed == (versions[1].version_id,)
    assert SECRET not in in_bucket(site)


def test_an_agreed_version_that_cannot_be_read_keeps_nothing_public_that_has_to_go(site: Site) -> None:
    first, second = lay_embargoed(site, "plate-1"), lay_embargoed(site, "plate-2")
    version = site.lay_published("plate-3")
    until_end(site)
    set_project(site, human_data=HumanData.YES)
    broken = """jsonb_set(body::jsonb, '{number}', '"first"')::json"""
    spoil(site, first, f"UPDATE versions SET body = {broken} WHERE version_id = :version")  # noqa: S608 - our own words

    found = look(site, after=LAST)

    assert found.changed == (version.version_id,)
    assert [one for one, _ in found.failed] == [first.version_id]
    set_project(site, human_data=HumanData.NO)
    assert look(site, after=LAST).requested == (second.version_id,)


def test_a_walk_ends_in_time_and_the_next_round_goes_on_with_it(site: Site) -> None:
    for number in range(4):
        site.lay_published(f"plate-{number}")
    set_project(site, access=Access.RESTRICTED)
    forget_marks(site)

    class Slow(SettableClock):
        def monotonic(self) -> float:
            self.advance(15)
            return super().monotonic()

    slow = Slow(site.clock.now())
    parts = (site.store, site.portal, site.tables, slow, site.base_url)
    begun = level_access(AccessSite(site.catalogue, *parts))
    site.clock.advance(slow.now() - site.clock.now())
    forget_marks(site)

    assert 0 < len(begun.changed) < 4
    assert begun.after is not None
    assert len(look(site, after=begun.after).changed) == 4 - len(begun.changed)


def test_what_a_killed_round_left_in_the_bucket_goes_before_what_may_come(site: Site) -> None:
    add_project(site, "second")
    left, opened = (
        site.lay_published("plate-1", title=SECRET),
        site.decide(site.lay_version("plate-2", project="second")),
    )
    site.publish(opened)
    for project in ("atlas", "second"):
        set_project(site, project, access=Access.CLOSED)
    look(site, after=LAST)
    set_project(site, access=Access.OPEN)
    site.public.fail_on("put", after=True, error=KeyboardInterrupt())  # type: ignore[attr-defined]
    with pytest.raises(KeyboardInterrupt):
        look(site, after=LAST)
    assert (SECRET in in_bucket(site), extent(site, left)) == (True, Extent.NOTHING)

    set_project(site, access=Access.RESTRICTED, shows=True)
    site.clock.advance(1)
    look_at_marks(site)
    set_project(site, "second", access=Access.OPEN)

    assert look(site, after=LAST).changed == (left.version_id, opened.version_id)
    assert shown(site, left).files == ()


def look_at_marks(site: Site) -> None:
    """Let what is marked so far be due before what is marked afterwards."""
    with site.catalogue.begin() as tx:
        while tx.access.spread(now=site.clock.now()):
            pass
    site.clock.advance(1)


def test_what_was_made_from_a_dataset_that_goes_goes_by_the_next_round(site: Site) -> None:
    version, source = publish_beside(site)

    with site.catalogue._engine.begin() as connection:
        connection.execute(sql_text("DELETE FROM datasets WHERE dataset_id = :it"), {"it": source.dataset_id})

    assert look(site, after=LAST).changed == (version.version_id,)
    assert extent(site, version) is Extent.NOTHING


def test_the_first_version_of_a_source_is_heard_before_it_is_described(site: Site) -> None:
    version, source = publish_beside(site)

    with site.catalogue.begin() as tx:
        tx.datasets.add_version(make_version(source))

    assert look(site, after=LAST).changed == (version.version_id,)
    assert extent(site, version) is Extent.NOTHING


def test_a_version_that_is_saved_and_says_nothing_new_of_access_leaves_no_mark(site: Site) -> None:
    version = site.lay_published("plate-7")
    forget_marks(site)

    with site.catalogue.begin() as tx:
        said = {**(version.metadata or {}), "description": "Seen with another lamp."}
        tx.datasets.save_version(site.now(version).model_copy(update={"metadata": said}))
        tx.datasets.save_version(tx.datasets.get_version(version.version_id).model_copy(update={"reason": "Looked."}))

    with site.catalogue.begin() as tx:
        assert tx.access.spread(now=site.clock.now()) == 0


def publish_beside(site: Site) -> tuple[Version, Dataset]:
    """Publish a version that hangs on a dataset of a closed project which has no version as yet."""
    version = site.lay_published("plate-7")
    add_project(site, "second")
    set_project(site, "second", access=Access.CLOSED)
    run = site.lay_acquisition("plate-8", project="second", state=AcquisitionState.COMPLETE)
    source = make_dataset("plate-8", acquisition=run).model_copy(update={"project": "second"})
    relation = Relation(kind="IsVersionOf", dataset_id=source.dataset_id, version="v1")
    with site.catalogue.begin() as tx:
        tx.datasets.add(source)
        tx.datasets.save(site.dataset(version).model_copy(update={"relations": (relation,)}))
    look(site, after=LAST)
    assert extent(site, version) is Extent.FILES
    return version, source


def test_what_has_to_go_goes_although_the_clock_went_back(site: Site) -> None:
    version = site.lay_published("plate-7")
    look(site, after=LAST)
    set_project(site, access=Access.RESTRICTED)
    with site.catalogue.begin() as tx:
        while tx.access.spread(now=site.clock.now() + timedelta(hours=1)):  # and that round was killed
            pass

    assert look(site, after=LAST).changed == (version.version_id,)


def test_two_dispatchers_never_wait_for_each_other_in_a_circle(site: Site) -> None:
    version = site.lay_published("plate-7")
    now, names = site.clock.now(), [f"{version.dataset_id}:v{number:03}" for number in range(300)]
    looks = [AccessLook(name, now) for name in names]
    with site.catalogue._engine.begin() as connection:
        insert = "INSERT INTO access_looks (version_id, due_at, waits) VALUES (:name, :now, false)"
        connection.execute(sql_text(insert), [{"name": name, "now": now} for name in names])

    def settle(order: list[AccessLook]) -> None:
        for _ in range(10):
            with site.catalogue.begin() as tx:
                tx.access.settle([(one, one) for one in order])

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(settle, looks), pool.submit(settle, looks[::-1])]:
            done.result()
