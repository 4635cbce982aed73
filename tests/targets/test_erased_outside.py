"""What was erased here keeps no description outside, whatever had become of it there before."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cisterna.domain.dataset import Version
from cisterna.domain.deposit import DepositState, DepositWish, to_withdraw
from cisterna.domain.erasure import PUBLIC_WORDS
from cisterna.domain.project import Access
from cisterna.services.deposit import carry_next
from cisterna.services.deposit_wish import withdraw_deposits
from cisterna.testing.clock import START, SettableClock
from cisterna.testing.memory_target import MemoryTarget
from cisterna.testing.outside_server import Fault
from tests.targets.test_deposit import deposits_on, make_wish, opt_in, publish, wish
from tests.targets.test_deposit_again import look, set_access
from tests.web.site import Site

SECRET = "of patient Zero"


@pytest.fixture
def target(clock: SettableClock) -> MemoryTarget:
    return MemoryTarget(clock)


def carry(site: Site, target: MemoryTarget) -> DepositWish | None:
    return carry_next(target, site=deposits_on(site))


def deposited(site: Site, target: MemoryTarget) -> Version:
    opt_in(site, target.name)
    version = site.decide(site.lay_version("plate-7", title=f"Nuclei {SECRET}"))
    publish(site, version, target)
    carry(site, target)
    assert SECRET in target.told(wish(site, version).key)
    return version


def stands(site: Site, version: Version) -> None:
    del site, version


def withdrawn(site: Site, version: Version) -> None:
    site.withdraw(version, reason=f"It is {SECRET}.")


def narrowed(site: Site, version: Version) -> None:
    del version
    set_access(site, Access.RESTRICTED, shows=True)
    look(site)


def closed(site: Site, version: Version) -> None:
    del version
    set_access(site, Access.CLOSED)
    look(site)


@pytest.mark.parametrize(
    ("before", "is_carried"),
    [(stands, True), (withdrawn, True), (withdrawn, False), (narrowed, True), (closed, True)],
    ids=["stands", "withdrawn", "to be withdrawn", "narrowed", "closed"],
)
def test_an_erasure_takes_the_description_back_whatever_became_of_it_before(
    site: Site, target: MemoryTarget, before: Callable[[Site, Version], None], *, is_carried: bool
) -> None:
    version = deposited(site, target)
    before(site, version)
    if is_carried:
        carry(site, target)

    site.lay_erasure(version)
    asked = wish(site, version)
    done = carry(site, target)

    assert (asked.state, asked.reason) == (DepositState.WITHDRAWING, PUBLIC_WORDS)
    assert done is not None
    assert done.state is DepositState.WITHDRAWN
    assert SECRET not in f"{target.told(done.key)} {wish(site, version)}"
    shelved = target.shelf[done.key].record
    assert shelved is not None
    assert shelved.is_bare
    assert carry(site, target) is None


def test_a_place_that_comes_before_the_portal_is_bare_is_told_nothing_either(site: Site, target: MemoryTarget) -> None:
    """The tombstone of an earlier withdrawal names who made the data."""
    version = deposited(site, target)
    withdrawn(site, version)
    carry(site, target)
    with site.catalogue.begin() as tx:
        withdraw_deposits(
            tx,
            version.dataset_id,
            version_id=None,
            reason=PUBLIC_WORDS,
            keeps_description=False,
            is_erased=True,
            clock=site.clock,
        )

    done = carry(site, target)

    assert done is not None
    assert SECRET not in target.told(done.key)


@pytest.mark.parametrize("skip", [0, 1])
def test_a_kill_while_it_is_taken_back_is_made_good(site: Site, target: MemoryTarget, skip: int) -> None:
    version = deposited(site, target)
    withdrawn(site, version)
    carry(site, target)
    site.lay_erasure(version)
    target.strike(Fault.LOST if skip else Fault.UNREACHED, error=KeyboardInterrupt())  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        carry(site, target)

    site.clock.advance(1801.0)
    done = carry(site, target)

    assert done is not None
    assert done.state is DepositState.WITHDRAWN
    assert SECRET not in target.told(done.key)


@pytest.mark.parametrize("fault", [None, Fault.LOST], ids=["answered", "answer lost"])
def test_what_comes_there_after_it_was_taken_back_is_taken_back_once_more(
    site: Site, target: MemoryTarget, fault: Fault | None
) -> None:
    """Another home carries the withdrawal while this one is still sending files."""
    opt_in(site, target.name)
    version = site.decide(site.lay_version("plate-7", title=f"Nuclei {SECRET}"))
    publish(site, version, target)

    def erased_meanwhile() -> None:
        target.during = lambda: None
        site.lay_erasure(version)
        done = carry_next(target, site=deposits_on(site, home="there"))
        assert done is not None
        assert done.state is DepositState.WITHDRAWN
        if fault is not None:
            target.strike(fault)

    target.during = erased_meanwhile
    carry(site, target)
    assert SECRET in target.told(wish(site, version).key), "it came after"
    target.heal()

    done = carry(site, target)

    assert done is not None
    assert done.state is DepositState.WITHDRAWN
    assert SECRET not in target.told(done.key)
    assert carry(site, target) is None


def test_what_was_taken_back_once_after_an_erasure_is_not_asked_for_again() -> None:
    erased = to_withdraw(make_wish(), PUBLIC_WORDS, keeps_description=False, is_erased=True, now=START)
    done = erased.model_copy(update={"state": DepositState.WITHDRAWN, "next_at": None})

    assert to_withdraw(done, PUBLIC_WORDS, keeps_description=False, is_erased=True, now=START) == done
    assert to_withdraw(done, "another", keeps_description=False, now=START) == done
    hidden = done.model_copy(update={"is_erased": False})
    assert to_withdraw(hidden, "another", keeps_description=False, now=START) == hidden
    assert (
        to_withdraw(hidden, PUBLIC_WORDS, keeps_description=False, is_erased=True, now=START).state
        is DepositState.WITHDRAWING
    )


def test_a_withdrawal_after_the_portal_has_forgotten_names_the_version_s_own_doi_alone(
    site: Site, target: MemoryTarget, clock: SettableClock
) -> None:
    minter = MemoryTarget(clock, name="minter", reserves=True)
    opt_in(site, "memory", "minter")
    version = site.decide(site.lay_version("plate-7"))
    publish(site, version, target, minter)
    for one in (target, minter):
        carry(site, one)
    site.withdraw(version)
    site.public.delete([one.key for one in site.public.list("")])

    for one in (target, minter):
        carry(site, one)

    records = [shelved.record for place in (target, minter) for shelved in place.shelf.values()]
    assert [one and one.doi for one in records] == ["10.5072/minter-1"] * 2
