"""A published version at a place outside: what is wanted of it there, and what stands there."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from cisterna.domain.base import Moment, Value
from cisterna.domain.identifier import DatasetId, Slug
from cisterna.domain.outside_identifier import Scheme, outside_identifier, web_address
from cisterna.domain.text import Line

TARGET_ATTEMPTS = 12
"""Tries in a row that may fail before a person is asked; together they take about a day."""

_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=6)


class DepositState(StrEnum):
    """How far a version is at a target."""

    WANTED = "wanted"
    """Nothing is known to stand there yet."""
    RESERVED = "reserved"
    """It has an identifier there that nobody else gets, and nothing is to be seen."""
    DEPOSITED = "deposited"
    FAILED = "failed"
    """Given up: a person has to act, and says so by asking again."""
    WITHDRAWING = "withdrawing"
    """It was withdrawn here and is still to be withdrawn there."""
    WITHDRAWN = "withdrawn"


def _doi(text: str) -> str:
    found = outside_identifier(text)
    if found.scheme is not Scheme.DOI:
        msg = f"'{text[:80]}' is no DOI"
        raise ValueError(msg)
    return found.value


Doi = Annotated[Line, AfterValidator(_doi)]
"""A DOI without what is written before it: `10.1234/abc`."""
OutsideAddress = Annotated[Line, AfterValidator(web_address)]
"""An address of the web that pages for the public may link to."""


class Deposit(Value):
    """What stands at a target, as the target itself says.

    Attributes:
        target: Name of the target.
        outside_id: What the target calls it.
        address: Where people see it there; None for what is not to be seen.
        doi: That it has there.
        state: `reserved`, `deposited` or `withdrawn`.
        told_at: When the target said so.
        remark: What the target could not do, in words for the site's people: what it goes on showing.
    """

    target: Slug
    outside_id: Annotated[Line, Field(max_length=500)]
    address: OutsideAddress | None = None
    doi: Doi | None = None
    state: DepositState
    told_at: Moment
    remark: Line | None = None

    @model_validator(mode="after")
    def _stands(self) -> Deposit:
        if self.state not in {DepositState.RESERVED, DepositState.DEPOSITED, DepositState.WITHDRAWN}:
            msg = f"a target says that something is reserved, deposited or withdrawn, and not {self.state.value}"
            raise ValueError(msg)
        return self


class DepositWish(Value):
    """What is wanted of one target for one version, and how far that is: one row of the catalogue.

    Attributes:
        key: Stable: the same version at the same target always has the same.
        version: The version's label.
        asked_by: Account name of who asked, or `policy:<project>`.
        deposit: What stands there, as far as is known.
        attempts: Tries in a row that failed.
        problem: Why the last one did, in words without secrets.
        reason: Why it is to be withdrawn there, for the public to read; then that is what is wanted.
        next_at: Nothing is tried before.
        claim: Of who is at it; whoever has another one writes nothing.
    """

    key: str
    dataset_id: DatasetId
    version_id: str
    version: str
    target: Slug
    asked_by: str = Field(min_length=1)
    state: DepositState = DepositState.WANTED
    deposit: Deposit | None = None
    attempts: int = Field(default=0, ge=0)
    problem: str | None = None
    reason: str | None = None
    next_at: Moment
    claim: str | None = None
    created_at: Moment
    changed_at: Moment

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing more is done unless somebody asks."""
        return self.state in {DepositState.DEPOSITED, DepositState.FAILED, DepositState.WITHDRAWN}

    @property
    def may_stand(self) -> bool:
        """Whether something of it may be to be seen at the target: also where its last word never came."""
        return self.state is not DepositState.WITHDRAWN


def deposit_key(version_id: str, *, target: str) -> str:
    """Name a version at a target: the same always has the same key, by which a target finds it again."""
    return f"{version_id}@{target}"


def after_success(wish: DepositWish, deposit: Deposit, *, now: datetime) -> DepositWish:
    """Tell what is known once the target has said that something stands there, or no longer does.

    What was withdrawn here meanwhile is still to be withdrawn there.
    """
    state = deposit.state
    if wish.reason is not None and state is not DepositState.WITHDRAWN:
        state = DepositState.WITHDRAWING
    fresh = {"attempts": 0, "problem": None, "claim": None, "next_at": now, "changed_at": now}
    return wish.model_copy(update={"deposit": deposit, "state": state, **fresh})


def after_failure(
    wish: DepositWish, problem: str, *, may_help: bool, wait: timedelta | None, now: datetime
) -> DepositWish:
    """Tell what is known after a try that failed: when to try again, or that a person has to act.

    A withdrawal is never given up: it is tried again, at last every six hours, and says what is in its way.

    Args:
        wish: As it was when the try began.
        problem: In words, without secrets.
        may_help: Whether waiting alone may help.
        wait: How long the target asked to be left alone, if it did.
        now: When it failed.
    """
    attempts = wish.attempts + 1
    gives_up = wish.reason is None and (not may_help or attempts >= TARGET_ATTEMPTS)
    pause = max(pause_after(attempts), wait or timedelta()) if may_help else _LONGEST_PAUSE
    state = DepositState.FAILED if gives_up else wish.state
    tried = {"attempts": attempts, "problem": problem, "claim": None, "next_at": now + pause, "changed_at": now}
    return wish.model_copy(update={"state": state, **tried})


def asked_again(wish: DepositWish, *, person: str, now: datetime) -> DepositWish:
    """Begin anew with what was given up; what rests otherwise, or is on its way, stays as it is."""
    if wish.state is not DepositState.FAILED:
        return wish
    state = DepositState.RESERVED if wish.deposit is not None else DepositState.WANTED
    fresh = {"attempts": 0, "next_at": now, "changed_at": now, "asked_by": person}
    return wish.model_copy(update={"state": state, **fresh})


def to_withdraw(wish: DepositWish, reason: str, *, now: datetime) -> DepositWish:
    """Want it withdrawn there too, whatever has become of it; the claim of who is depositing it is void."""
    if not wish.may_stand:
        return wish
    fresh = {"attempts": 0, "problem": None, "claim": None, "next_at": now, "changed_at": now}
    return wish.model_copy(update={"state": DepositState.WITHDRAWING, "reason": reason, **fresh})


def pause_after(failures: int) -> timedelta:
    """Say how long to wait after so many failures in a row: 1, 2, 4 ... minutes, at most 6 hours."""
    doubled: int = 2 ** max(0, min(failures - 1, 16))
    return min(_FIRST_PAUSE * doubled, _LONGEST_PAUSE)
