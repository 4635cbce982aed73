"""What becomes of what stands outside when access narrows and widens, when two are at it, and of late answers."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from cisterna.domain.access import Extent
from cisterna.domain.dataset import Version
from cisterna.domain.deposit import DepositState
from cisterna.domain.errors import Conflict, PublicationRefused, TargetRefused
from cisterna.domain.project import Access
from cisterna.services.access_round import AccessSite, level_access
from cisterna.services.deposit import CLAIMED, carry_next
from cisterna.testing.clock import SettableClock
from cisterna.testing.memory_target import MemoryTarget
from cisterna.testing.outside_server import Fault
from tests.targets.test_deposit import ask, deposits_on, opt_in, public_record, publish, wish, wishes
from tests.web.site import Site


def set_access(site: Site, access: Access, *, shows: bool = False) -> None:
    with site.catalogue.begin() as tx:
        project = tx.projects.get("atlas")
        said = project.defaults.model_copy(update={"access": access})
        policy = project.policy.model_copy(update={"show_metadata": shows})
        tx.projects.save(project.model_copy(update={"defaults": said, "policy": policy}))


def look(site: Site) -> None:
    parts = (site.catalogue, site.store, site.portal, site.tables, site.clock, site.base_url)
    assert level_access(AccessSite(*parts)).failed == ()


def states(site: Site, version: Version) -> set[DepositState]:
    return {one.state for one in wishes(site, version)}


def test_what_was_closed_is_hidden_outside_and_stands_there_again_under_its_doi_once_it_is_open(
    site: Site, clock: SettableClock
) -> None:
    minter, mirror = MemoryTarget(clock, name="minter", reserves=True), MemoryTarget(clock)
    opt_in(site, "minter", "memory")
    version = site.decide(site.lay_version("plate-7"))
    publish(site, version, minter, mirror)
    for one in (minter, mirror):
        carry_next(one, site=deposits_on(site))
    before = public_record(site, version)

    set_access(site, Access.CLOSED)
    look(site)
    with pytest.raises(PublicationRefused, match="not public"):
        ask(site, version)
    for one in (minter, mirror):
        carry_next(one, site=deposits_on(site))
    assert states(site, version) == {DepositState.WITHDRAWN}
    assert public_record(site, version).doi == before.doi

    set_access(site, Access.OPEN)
    look(site)
    for one in (minter, mirror):
        carry_next(one, site=deposits_on(site))

    assert states(site, version) == {DepositState.DEPOSITED}
    assert public_record(site, version) == before
    assert (len(minter.shelf), len(mirror.shelf)) == (1, 1)


def test_what_went_out_as_a_description_goes_again_when_its_files_are_public(site: Site, clock: SettableClock) -> None:
    mirror = MemoryTarget(clock)
    opt_in(site, "memory")
    set_access(site, Access.RESTRICTED, shows=True)
    version = site.decide(site.lay_version("plate-7"))
    publish(site, version)
    first = carry_next(mirror, site=deposits_on(site))
    assert first is not None
    assert mirror.shelf[first.key].bodies == {}

    with site.catalogue.begin() as tx:
        kept = tx.datasets.get_version(version.version_id)
        tx.datasets.save_version(kept.model_copy(update={"metadata": {**(kept.metadata or {}), "access": "open"}}))
    set_access(site, Access.OPEN)
    look(site)
    carry_next(mirror, site=deposits_on(site))

    record = mirror.shelf[first.key].record
    assert record is not None
    assert record.extent is Extent.FILES
    assert mirror.shelf[first.key].bodies


def test_a_doi_stays_findable_and_files_go_where_that_can_be_when_only_the_description_stays_public(
    site: Site, clock: SettableClock
) -> None:
    minter, mirror = MemoryTarget(clock, name="minter", reserves=True), MemoryTarget(clock)
    package = MemoryTarget(clock, name="package", narrows=False)
    outside = (minter, mirror, package)
    opt_in(site, "minter", "memory", "package")
    version = site.decide(site.lay_version("plate-7"))
    publish(site, version, *outside)
    for one in outside:
        carry_next(one, site=deposits_on(site))
    before = public_record(site, version)

    set_access(site, Access.RESTRICTED, shows=True)
    look(site)
    for one in outside:
        carry_next(one, site=deposits_on(site))

    found = {one.target: one.state for one in wishes(site, version)}
    assert found == {
        "minter": DepositState.DEPOSITED,
        "memory": DepositState.DEPOSITED,
        "package": DepositState.WITHDRAWN,
    }
    shown = [one for place in (minter, mirror) for one in place.shelf.values()]
    assert {one.record.extent for one in shown if one.record} == {Extent.METADATA}
    assert all(one.bodies == {} for place in outside for one in place.shelf.values())
    record = public_record(site, version)
    assert (record.doi, record.doi_leads_here) == (before.doi, True)
    assert [one.target for one in record.elsewhere] == ["memory"]

    set_access(site, Access.OPEN)
    look(site)
    for one in outside:
        carry_next(one, site=deposits_on(site))

    assert states(site, version) == {DepositState.DEPOSITED}
    assert all(one.bodies for place in outside for one in place.shelf.values())
    assert {one.target for one in public_record(site, version).elsewhere} == {"memory", "package"}


def test_what_refuses_the_description_alone_is_withdrawn_with_its_files(site: Site, clock: SettableClock) -> None:
    mirror = MemoryTarget(clock)
    opt_in(site, "memory")
    version = site.decide(site.lay_version("plate-7"))
    publish(site, version, mirror)
    carry_next(mirror, site=deposits_on(site))
    set_access(site, Access.RESTRICTED, shows=True)
    look(site)
    mirror.strike(Fault.ERROR_BODY, error=TargetRefused("no", target="memory"))

    carry_next(mirror, site=deposits_on(site))

    assert wish(site, version).state is DepositState.WITHDRAWN
    assert mirror.standing(wish(site, version).key) == []


def test_a_place_that_comes_before_the_portal_is_narrowed_waits_for_it_and_sends_nothing(
    site: Site, clock: SettableClock
) -> None:
    mirror = MemoryTarget(clock)
    opt_in(site, "memory")
    version = site.decide(site.lay_version("plate-7"))
    publish(site, version, mirror)
    carry_next(mirror, site=deposits_on(site))
    set_access(site, Access.RESTRICTED, shows=True)
    site.public.fail_on("put")  # type: ignore[attr-defined]
    parts = (site.catalogue, site.store, site.portal, site.tables, site.clock, site.base_url)
    assert level_access(AccessSite(*parts)).failed

    early = carry_next(mirror, site=deposits_on(site))
    assert early is not None
    assert (early.state, mirror.shelf[early.key].state) == (DepositState.WITHDRAWING, DepositState.DEPOSITED)
    look(site)
    clock.advance(61.0)
    carry_next(mirror, site=deposits_on(site))

    assert wish(site, version).state is DepositState.DEPOSITED
    assert mirror.shelf[early.key].bodies == {}


def test_only_who_gives_a_doi_says_that_it_leads_here(site: Site, clock: SettableClock) -> None:
    class Repeating(MemoryTarget):
        """As Zenodo does with a DOI from elsewhere."""

        def deposit(self, request: Any, *, known: Any, files: Any) -> Any:
            return super().deposit(request, known=known, files=files).model_copy(update={"doi": request.doi})

    minter, zenodo = MemoryTarget(clock, name="minter", reserves=True), Repeating(clock)
    opt_in(site, "minter", "memory")
    version = site.decide(site.lay_version("plate-7"))
    publish(site, version, minter, zenodo)

    carry_next(zenodo, site=deposits_on(site))

    record = public_record(site, version)
    assert not record.doi_leads_here, "it is a draft as yet"
    assert [(one.address, one.doi) for one in record.elsewhere] == [("https://memory.example.org/memory-1", None)]


def test_nothing_goes_on_going_out_that_is_closed_while_its_bytes_are_on_their_way(
    site: Site, clock: SettableClock
) -> None:
    class Slow(MemoryTarget):
        def deposit(self, request: Any, *, known: Any, files: Any) -> Any:
            @contextmanager
            def closing(file: Any) -> Iterator[Iterator[bytes]]:
                set_access(site, Access.CLOSED)
                clock.advance(61.0)
                with files.open(file) as chunks:
                    yield chunks

            return super().deposit(request, known=known, files=SimpleNamespace(files=files.files, open=closing))

    target = Slow(clock)
    version = site.lay_published("plate-7")
    ask(site, version)

    carry_next(target, site=deposits_on(site))

    assert wish(site, version).state is DepositState.FAILED
    assert target.standing(wish(site, version).key) == []


def test_a_reservation_that_is_answered_late_takes_back_nothing_that_stands(site: Site, clock: SettableClock) -> None:
    quick = MemoryTarget(clock, name="minter", reserves=True)

    class Late(MemoryTarget):
        def reserve(self, request: Any) -> Any:
            reserved = quick.reserve(request)
            publish(site, version, quick)
            carry_next(quick, site=deposits_on(site))
            return reserved

    opt_in(site, "minter")
    version = site.decide(site.lay_version("plate-7"))

    with pytest.raises(Conflict):
        publish(site, version, Late(clock, name="minter", reserves=True))

    assert wish(site, version).state is DepositState.DEPOSITED
    assert public_record(site, version).doi_leads_here


def test_versions_of_one_dataset_go_to_a_target_one_after_the_other(site: Site, clock: SettableClock) -> None:
    """Several homes may carry at once: a place that keeps versions together would get each as something of its own."""
    first, second = site.lay_published("plate-7"), site.lay_published("plate-8")
    for version in (first, second):
        ask(site, version)
    now = clock.now()
    with site.catalogue.begin() as tx:
        kept = tx.deposits.of(first.dataset_id)[0]
        for number in range(2, 6):
            tx.deposits.put(kept.model_copy(update={"key": f"{first.dataset_id}:v{number}@memory"}))

    def claim(home: str) -> str | None:
        with site.catalogue.begin() as tx:
            taken = tx.deposits.claim("memory", now=now, until=now + CLAIMED, claim=f"{home}/1")
        return taken.dataset_id if taken else None

    with ThreadPoolExecutor(3) as pool:
        with site.catalogue.begin() as tx:
            mine = tx.deposits.claim("memory", now=now, until=now + CLAIMED, claim="here/1")
            others = [pool.submit(claim, home) for home in ("there", "elsewhere")]
            wait(others, timeout=0.5)  # nobody chooses before it is known what this one has chosen
        claimed = {one.result() for one in others}

    assert mine is not None
    assert claimed | {mine.dataset_id} == {first.dataset_id, second.dataset_id, None}
    later = now + CLAIMED
    with site.catalogue.begin() as tx:  # whoever had it is gone
        assert tx.deposits.claim("memory", now=later, until=later + CLAIMED, claim="other/1") is not None
