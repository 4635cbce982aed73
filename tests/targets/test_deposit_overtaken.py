"""What somebody whose claim was lost still does at a place outside is put right by who comes after."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Thread
from typing import Any

import pytest

from cisterna.domain.deposit import DepositState
from cisterna.domain.errors import LeaseLost, TargetUnavailable
from cisterna.services.deposit import carry_next
from cisterna.testing.clock import SettableClock
from cisterna.testing.memory_target import MemoryTarget
from tests.targets.test_deposit import ask, deposits_on, opt_in, publish, wish
from tests.targets.test_deposit_narrowed import close, come_to_rest, describe
from tests.web.site import Site


class Slow(MemoryTarget):
    """Lets something happen before it writes, and answers, or fails, once it has written."""

    meanwhile: Callable[[], object] = staticmethod(lambda: None)
    error: Exception | None = None

    def deposit(self, request: Any, *, known: Any, files: Any) -> Any:
        self.meanwhile()
        done = super().deposit(request, known=known, files=files)
        if self.error is not None:
            raise self.error
        return done


def beside(slow: MemoryTarget, clock: SettableClock) -> MemoryTarget:
    """Give the same place as another dispatcher sees it."""
    other = MemoryTarget(clock, narrows=slow.narrows)
    other.shelf = slow.shelf
    return other


@pytest.mark.parametrize(
    "error",
    [None, TargetUnavailable("no answer", target="memory"), LeaseLost("somebody else is at it", key="it")],
    ids=["told", "unanswered", "noticed"],
)
@pytest.mark.parametrize("narrow", [close, pytest.param(describe, marks=pytest.mark.torture)])
@pytest.mark.parametrize("narrows", [True, pytest.param(False, marks=pytest.mark.torture)], ids=["narrows", "stands"])
def test_files_that_are_written_after_another_has_withdrawn_them_go_as_well(
    site: Site, clock: SettableClock, narrow: Callable[[Site], None], error: Exception | None, narrows: bool
) -> None:
    slow = Slow(clock, narrows=narrows)
    quick = beside(slow, clock)
    opt_in(site, "memory")
    version = site.decide(site.lay_version("plate-7"))
    publish(site, version, slow)

    def narrowed_by_another() -> None:
        narrow(site)
        while carry_next(quick, site=deposits_on(site, home="there")):
            pass

    slow.meanwhile, slow.error = narrowed_by_another, error
    carry_next(slow, site=deposits_on(site))
    key = wish(site, version).key
    assert slow.shelf[key].bodies, "they were written too late"
    come_to_rest(site, quick)

    assert slow.shelf[key].bodies == {}
    stays = narrows and narrow is describe
    assert wish(site, version).state is (DepositState.DEPOSITED if stays else DepositState.WITHDRAWN)
    assert len(slow.standing(key)) == stays


def test_files_that_are_written_while_another_is_withdrawing_them_go_as_well(site: Site, clock: SettableClock) -> None:
    begun, hidden = Event(), Event()

    class Hiding(MemoryTarget):
        """Takes its time between hiding what stands and saying so, as long as it takes for the files to be there."""

        def withdraw(self, request: Any, *, known: Any, reason: str) -> Any:
            gone = super().withdraw(request, known=known, reason=reason)
            hidden.set()
            other.join(30)
            return gone

    slow, hiding = Slow(clock), Hiding(clock)
    hiding.shelf = slow.shelf
    version = site.lay_published("plate-7")
    ask(site, version)

    def until_hidden() -> None:
        slow._write(lambda: slow._shelve(wish(site, version).key))  # it is begun, so there is something to hide
        begun.set()
        hidden.wait(30)

    slow.meanwhile = until_hidden
    other = Thread(target=carry_next, args=(slow,), kwargs={"site": deposits_on(site)})
    other.start()
    assert begun.wait(30)
    close(site)
    carry_next(hiding, site=deposits_on(site, home="there"))
    assert slow.shelf[wish(site, version).key].bodies, "they were written while it was withdrawn"
    come_to_rest(site, beside(slow, clock))

    assert slow.shelf[wish(site, version).key].bodies == {}
    assert wish(site, version).state is DepositState.WITHDRAWN


def test_what_is_hidden_after_another_has_let_it_stand_again_stands_again(site: Site, clock: SettableClock) -> None:
    class Hiding(MemoryTarget):
        def withdraw(self, request: Any, *, known: Any, reason: str) -> Any:
            describe(site)
            while carry_next(quick, site=deposits_on(site, home="there")):
                pass
            return super().withdraw(request, known=known, reason=reason)

    hiding = Hiding(clock)
    quick = beside(hiding, clock)
    opt_in(site, "memory")
    version = site.decide(site.lay_version("plate-7"))
    publish(site, version, quick)
    carry_next(quick, site=deposits_on(site))
    close(site)

    carry_next(hiding, site=deposits_on(site))
    come_to_rest(site, quick)

    key = wish(site, version).key
    assert (wish(site, version).state, len(quick.standing(key)), quick.shelf[key].bodies) == (
        DepositState.DEPOSITED,
        1,
        {},
    )
