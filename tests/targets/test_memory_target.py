"""The target in memory keeps what every target must keep, and what does not keep it fails the kit."""

from __future__ import annotations

from typing import Any

import pytest

from cisterna.domain.deposit import Deposit
from cisterna.ports.target import DepositRequest, PublicBytes, TargetReport
from cisterna.testing.clock import SettableClock
from cisterna.testing.memory_target import MemoryTarget, Strike
from cisterna.testing.outside_server import Fault
from cisterna.testing.target_contract import SPOILED, TargetContract


@pytest.mark.usefixtures("stage")
class TestMemoryTarget(TargetContract):
    @pytest.fixture(params=[False, True], ids=["plain", "reserving"])
    def stage(self, request: pytest.FixtureRequest) -> MemoryTarget:
        return MemoryTarget(SettableClock(), reserves=request.param)


class StruckNowhere(MemoryTarget):
    faults = frozenset()


class StruckInVain(MemoryTarget):
    """Its faults wait for requests that never come."""

    def strike(self, fault: Fault, *, skip: int = 0, error: Exception | None = None) -> Strike:
        return Strike(fault, skip, error)


class MakesAnother(MemoryTarget):
    """Finds nothing of what it was told before."""

    def deposit(self, request: DepositRequest, *, known: Deposit | None, files: PublicBytes) -> Deposit:
        count = sum(one.startswith(request.key) for one in self.shelf)
        anew = request.model_copy(update={"key": f"{request.key}{'+' * count}"})
        return super().deposit(anew, known=known, files=files)

    def standing(self, key: str) -> list[str]:
        return [one.outside_id for name, one in self.shelf.items() if name.rstrip("+") == key]

    made = standing


class ShowsAtOnce(MemoryTarget):
    """Shows a version before its files are there."""

    def deposit(self, request: DepositRequest, *, known: Deposit | None, files: PublicBytes) -> Deposit:
        self._show(self._shelve(request.key), request.record)
        return super().deposit(request, known=known, files=files)


class NeverBack(MemoryTarget):
    """What was withdrawn stays so."""

    def deposit(self, request: DepositRequest, *, known: Deposit | None, files: PublicBytes) -> Deposit:
        done = super().deposit(request, known=known, files=files)
        if known is not None and self.shelf[request.key].reason:
            self.withdraw(request, known=done, reason="before")
        return done


class LooksAway(MemoryTarget):
    """Says that it is usable whatever it is told there."""

    faults = frozenset({Fault.ERROR_BODY})

    def test(self) -> TargetReport:
        self._due()
        return super().test()


@pytest.mark.parametrize(
    ("kind", "promise", "told"),
    [
        (StruckNowhere, "test_something_breaks_here_or_in_the_class_that_is_named", ()),
        (StruckInVain, "test_whatever_breaks_where_the_same_call_again_ends_with_one_deposit", (Fault.LOST,)),
        (StruckInVain, "test_whatever_breaks_where_the_same_withdrawal_again_hides_it", (Fault.LOST,)),
        (MakesAnother, "test_a_deposit_stands_once_however_often_it_is_asked_for", ()),
        (MakesAnother, "test_whatever_breaks_where_the_same_call_again_ends_with_one_deposit", (Fault.LOST,)),
        (ShowsAtOnce, "test_of_files_that_cannot_be_read_whole_nothing_is_to_be_seen", SPOILED[0].values),
        (NeverBack, "test_what_was_withdrawn_stands_again_once_it_is_public_again", ()),
        (LooksAway, "test_a_look_at_what_breaks_says_so_in_plain_words", (Fault.ERROR_BODY,)),
    ],
)
def test_a_target_that_breaks_a_promise_fails_the_kit(
    kind: type[MemoryTarget], promise: str, told: tuple[Any, ...]
) -> None:
    with pytest.raises(AssertionError):
        getattr(TargetContract(), promise)(kind(SettableClock()), *told)
