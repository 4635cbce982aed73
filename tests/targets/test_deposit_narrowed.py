"""Files that stand outside go for certain once only the description may be seen, whatever happens meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from cisterna.domain.access import Extent
from cisterna.domain.dataset import Version
from cisterna.domain.deposit import DepositState
from cisterna.domain.errors import TargetRefused
from cisterna.domain.project import Access
from cisterna.domain.publication import Publication
from cisterna.services.deposit import carry_next
from cisterna.testing.clock import SettableClock
from cisterna.testing.memory_target import MemoryTarget
from cisterna.testing.outside_server import Fault
from tests.targets.test_deposit import ask, deposits_on, opt_in, public_record, publish, wish
from tests.targets.test_deposit_again import look, set_access
from tests.web.site import Site

MORE = pytest.mark.torture
"""One of each kind is enough in CI."""


def stand(site: Site, target: MemoryTarget) -> Version:
    """Publish a version with its files, and let it stand at a target."""
    opt_in(site, target.name)
    version = site.decide(site.lay_version("plate-7"))
    publish(site, version, target)
    carry_next(target, site=deposits_on(site))
    assert target.shelf[wish(site, version).key].bodies
    return version


def describe(site: Site) -> None:
    """Let only the description be seen, and carry that out here."""
    set_access(site, Access.RESTRICTED, shows=True)
    look(site)


def close(site: Site) -> None:
    set_access(site, Access.CLOSED)
    look(site)


def describe_after_a_kill(site: Site) -> None:
    """As `describe`, and killed before the record is replaced."""
    set_access(site, Access.RESTRICTED, shows=True)
    site.public.fail_on("put", error=KeyboardInterrupt())  # type: ignore[attr-defined]
    with pytest.raises(KeyboardInterrupt):
        look(site)


def come_to_rest(site: Site, *targets: MemoryTarget) -> None:
    """Let rounds and dispatchers go on until nothing is due."""
    for _ in range(3):
        look(site)
        for target in targets:
            while carry_next(target, site=deposits_on(site)):
                pass
        site.clock.advance(timedelta(hours=6))


Steps = tuple[Callable[[Site], None] | str, ...]


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param((describe,), id="left-alone", marks=MORE),
        pytest.param((describe, "ask"), id="asked-again"),
        pytest.param((describe, "ask", "ask"), id="asked-twice", marks=MORE),
        pytest.param((describe_after_a_kill, "ask", look, "ask"), id="asked-again-around-a-kill"),
        pytest.param((close, describe), id="closed-then-described", marks=MORE),
        pytest.param((close, describe_after_a_kill, look, "ask"), id="closed-then-described-and-asked-around-a-kill"),
    ],
)
@pytest.mark.parametrize("narrows", [False, pytest.param(True, marks=MORE)], ids=["stands-as-it-is", "narrows"])
def test_files_go_once_only_the_description_may_be_seen_whatever_is_asked_meanwhile(
    site: Site, clock: SettableClock, steps: Steps, narrows: bool
) -> None:
    target = MemoryTarget(clock, narrows=narrows)
    version = stand(site, target)

    for step in steps:
        if callable(step):
            step(site)
        else:
            ask(site, version)
    come_to_rest(site, target)

    shelved, ended = target.shelf[wish(site, version).key], wish(site, version)
    assert shelved.bodies == {}, "files are public outside although only the description may be"
    assert (shelved.state, ended.state) == (ended.state, (DepositState.WITHDRAWN, DepositState.DEPOSITED)[narrows])
    assert shelved.record is not None
    assert shelved.record.extent is (Extent.METADATA if narrows else shelved.record.extent)


def test_a_withdrawal_that_waits_goes_on_when_asked_and_what_is_withdrawn_comes_back_as_a_description(
    site: Site, clock: SettableClock
) -> None:
    target = MemoryTarget(clock, narrows=False)
    version = stand(site, target)
    describe(site)
    target.strike(Fault.BROKEN, error=TargetRefused("not now", target="memory"))
    carry_next(target, site=deposits_on(site))
    assert carry_next(target, site=deposits_on(site)) is None

    waiting = ask(site, version)
    carry_next(target, site=deposits_on(site))

    assert (waiting.state, waiting.attempts) == (DepositState.WITHDRAWING, 1)
    assert wish(site, version).state is DepositState.WITHDRAWN
    ask(site, version)
    carry_next(target, site=deposits_on(site))
    shelved = target.shelf[wish(site, version).key]
    assert (wish(site, version).state, shelved.bodies) == (DepositState.DEPOSITED, {})


def test_who_is_withdrawing_when_it_is_asked_for_anew_ends_nothing_that_is_still_to_be_done(
    site: Site, clock: SettableClock
) -> None:
    """Two dispatchers: one hides all of it, while the description comes to be public and somebody asks for it."""

    class Asked(MemoryTarget):
        def withdraw(self, request: Any, *, known: Any, reason: str) -> Any:
            gone = super().withdraw(request, known=known, reason=reason)
            describe(site)
            ask(site, version)
            carry_next(quick, site=deposits_on(site, home="there"))
            return gone

    asked, quick = Asked(clock), MemoryTarget(clock)
    quick.shelf = asked.shelf
    version = stand(site, asked)
    close(site)

    carry_next(asked, site=deposits_on(site))
    come_to_rest(site, quick)

    shelved = quick.shelf[wish(site, version).key]
    assert (wish(site, version).state, shelved.state, shelved.bodies) == (
        DepositState.DEPOSITED,
        DepositState.DEPOSITED,
        {},
    )


@pytest.mark.parametrize("narrow", [describe, pytest.param(close, marks=MORE)])
@pytest.mark.parametrize("narrows", [False, pytest.param(True, marks=MORE)], ids=["stands-as-it-is", "narrows"])
@pytest.mark.parametrize(
    "left",
    [
        DepositState.FAILED,
        pytest.param(DepositState.RESERVED, marks=MORE),
        pytest.param(DepositState.WANTED, marks=MORE),
    ],
)
def test_what_an_attempt_wrote_that_failed_goes_too_when_access_narrows(
    site: Site, clock: SettableClock, narrow: Callable[[Site], None], narrows: bool, left: DepositState
) -> None:
    target = MemoryTarget(clock, narrows=narrows, reserves=left is DepositState.RESERVED)
    opt_in(site, "memory")
    version = site.decide(site.lay_version("plate-7"))
    publish(site, version, target)
    is_refused = left is DepositState.FAILED
    error = TargetRefused("the licence is not known there", target="memory") if is_refused else None
    target.strike(Fault.LOST, skip=1, error=error)
    carry_next(target, site=deposits_on(site))
    target.heal()
    failed = wish(site, version)
    assert failed.state is left
    assert target.shelf[failed.key].bodies, "it stands there, and nobody was told"

    narrow(site)
    if narrow is describe:
        ask(site, version)
    come_to_rest(site, target)

    assert target.shelf[failed.key].bodies == {}
    stays = narrows and narrow is describe
    assert wish(site, version).state is (DepositState.DEPOSITED if stays else DepositState.WITHDRAWN)


@pytest.mark.parametrize("after", [pytest.param(False, marks=MORE), True], ids=["before", "after"])
@pytest.mark.parametrize("is_killed", [pytest.param(False, marks=MORE), True], ids=["left-alone", "killed"])
def test_what_was_hidden_outside_is_found_there_again_once_its_description_may_be_seen(
    site: Site, clock: SettableClock, is_killed: bool, after: bool
) -> None:
    minter = MemoryTarget(clock, name="minter", reserves=True)
    version = stand(site, minter)
    close(site)
    carry_next(minter, site=deposits_on(site))
    assert wish(site, version).state is DepositState.WITHDRAWN

    if is_killed:
        site.public.fail_on("put", after=after, error=KeyboardInterrupt())  # type: ignore[attr-defined]
        with pytest.raises(KeyboardInterrupt):
            describe(site)
        carry_next(minter, site=deposits_on(site))
    describe(site)
    come_to_rest(site, minter)

    assert public_record(site, version).extent is Extent.METADATA
    assert wish(site, version).state is DepositState.DEPOSITED
    assert minter.shelf[wish(site, version).key].bodies == {}


def test_what_a_place_could_not_hide_is_not_taken_for_the_description_that_goes_there(
    site: Site, clock: SettableClock
) -> None:
    """A repository whose administrators alone hide things goes on showing the files; its people have to be told."""

    class Stubborn(MemoryTarget):
        def withdraw(self, request: Any, *, known: Any, reason: str) -> Any:
            if self.standing(request.key) and not administrators:
                gone = {"state": DepositState.WITHDRAWN, "remark": "ask its administrators to hide it"}
                return known.model_copy(update=gone)
            return super().withdraw(request, known=known, reason=reason)

    administrators: list[str] = []
    target = Stubborn(clock, narrows=False)
    version = stand(site, target)
    close(site)
    carry_next(target, site=deposits_on(site))
    describe(site)
    come_to_rest(site, target)
    ask(site, version)
    come_to_rest(site, target)

    ended = wish(site, version)
    assert target.shelf[ended.key].bodies
    assert ended.state is DepositState.WITHDRAWN
    assert ended.deposit is not None
    assert ended.deposit.remark == "ask its administrators to hide it"
    administrators.append("somebody")
    ask(site, version)
    come_to_rest(site, target)
    ask(site, version)
    come_to_rest(site, target)
    assert (wish(site, version).state, target.shelf[ended.key].bodies) == (DepositState.DEPOSITED, {})


def test_what_could_not_be_described_for_a_while_stands_outside_again_once_it_can(
    site: Site, clock: SettableClock
) -> None:
    target = MemoryTarget(clock)
    version = stand(site, target)
    said = site.now(version).metadata
    set_access(site, Access.RESTRICTED, shows=True)
    rewrite(site, version, None)
    with pytest.raises(AssertionError, match="no description"):
        look(site)
    assert (public_record(site, version).extent, publication(site, version).extent) == (Extent.NOTHING, Extent.NOTHING)
    while carry_next(target, site=deposits_on(site)):
        pass
    assert wish(site, version).state is DepositState.WITHDRAWN

    rewrite(site, version, said)
    clock.advance(timedelta(minutes=1))
    come_to_rest(site, target)

    assert public_record(site, version).extent is Extent.METADATA
    shelved = target.shelf[wish(site, version).key]
    assert (wish(site, version).state, shelved.bodies) == (DepositState.DEPOSITED, {})


def rewrite(site: Site, version: Version, metadata: dict[str, Any] | None) -> None:
    with site.catalogue.begin() as tx:
        tx.datasets.save_version(tx.datasets.get_version(version.version_id).model_copy(update={"metadata": metadata}))


def publication(site: Site, version: Version) -> Publication:
    with site.catalogue.begin() as tx:
        return tx.datasets.publications(version.version_id)[-1]
