"""A published version at a place outside: what is wanted of it there, and what stands there."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from cisterna.domain.base import Moment, Value
from cisterna.domain.identifier import Ark, DatasetId, Slug
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
        remark: For the site's people: what the target could not do and goes on showing, or how much is seen there.
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
        pid: The dataset's ARK.
        version: The version's label.
        asked_by: Account name of who asked, or `policy:<project>`.
        deposit: What stands there, as far as is known.
        attempts: Tries in a row that failed.
        problem: Why the last one did, in words without secrets.
        reason: Why it is to be withdrawn there, for the public to read; then that is what is wanted.
        keeps_description: Whether what is to be withdrawn are its files alone: the description stays where that can be.
        is_erased: Whether what it describes was erased: then nothing of a description may stay there.
        is_own: Whether the DOI there is the version's own: it is reserved before publication, and stands in every form.
        next_at: When the next step is due; None while nothing is: it waits for the publication, or it is at rest.
        claim: Of who is at it, beginning with the name of their home; whoever has another one writes nothing.
    """

    key: str
    dataset_id: DatasetId
    pid: Ark
    version_id: str
    version: str
    target: Slug
    asked_by: str = Field(min_length=1)
    state: DepositState = DepositState.WANTED
    deposit: Deposit | None = None
    attempts: int = Field(default=0, ge=0)
    problem: str | None = None
    reason: str | None = None
    keeps_description: bool = False
    is_erased: bool = False
    is_own: bool = False
    next_at: Moment | None = None
    claim: str | None = None
    created_at: Moment
    changed_at: Moment

    @property
    def doi(self) -> str | None:
        """What is known of its DOI there."""
        return self.deposit.doi if self.deposit else None


_RESTS = frozenset({DepositState.DEPOSITED, DepositState.FAILED, DepositState.WITHDRAWN})
_BEGINS_ANEW = frozenset({DepositState.FAILED, DepositState.WITHDRAWING, DepositState.WITHDRAWN})


def deposit_key(version_id: str, *, target: str) -> str:
    """Name a version at a target: the same always has the same key, by which a target finds it again."""
    return f"{version_id}@{target}"


def own_doi(wishes: Iterable[DepositWish]) -> str | None:
    """Give the DOI that is a version's own, of what is wanted of it; what a repository gives is one beside it."""
    return next((one.doi for one in wishes if one.is_own and one.doi), None)


def claims_of(home: str) -> str:
    """Say what every claim of a home begins with: several may work on one catalogue."""
    return f"{home}/"


def after_success(wish: DepositWish, deposit: Deposit | None, *, now: datetime) -> DepositWish:
    """Tell what is known once the target has answered; what was withdrawn here meanwhile is still to be there.

    Args:
        wish: As it is now.
        deposit: What stands there; None, of a withdrawal, when nothing did.
        now: When the target answered.
    """
    state = deposit.state if deposit else DepositState.WITHDRAWN
    if wish.keeps_description and state is DepositState.DEPOSITED:
        wish = wish.model_copy(update={"reason": None, "keeps_description": False})
    if wish.reason is not None and state is not DepositState.WITHDRAWN:
        state = DepositState.WITHDRAWING
    changed: dict[str, object] = {"state": state, "attempts": 0, "problem": None, "claim": None, "changed_at": now}
    changed["next_at"] = None if state in _RESTS or wish.next_at is None else now
    return wish.model_copy(update={**changed, "deposit": deposit or wish.deposit})


def after_failure(
    wish: DepositWish,
    problem: str,
    *,
    may_help: bool,
    counts: bool = True,
    wait: timedelta | None = None,
    now: datetime,
) -> DepositWish:
    """Tell what is known after a try that failed: when to try again, or that a person has to act.

    A withdrawal is never given up: it is tried again, at last every six hours, and says what is in its way.

    Args:
        wish: As it is now.
        problem: In words, without secrets.
        may_help: Whether waiting alone may help.
        counts: Whether it failed; not so where people there take their time.
        wait: How long the target asked to be left alone, if it did.
        now: When it failed.
    """
    attempts = wish.attempts + 1 if counts else wish.attempts
    gives_up = wish.reason is None and (not may_help or attempts >= TARGET_ATTEMPTS)
    changed: dict[str, object] = {"attempts": attempts, "problem": problem, "claim": None, "changed_at": now}
    if gives_up:
        return wish.model_copy(update={**changed, "state": DepositState.FAILED, "next_at": None})
    pause = max(pause_after(attempts), wait or timedelta()) if may_help else _LONGEST_PAUSE
    return wish.model_copy(update={**changed, "next_at": None if wish.next_at is None else now + pause})


def begun_again(wish: DepositWish, *, person: str, now: datetime) -> DepositWish:
    """Begin anew with what was given up or taken back there, and now with what waits for its next try.

    What is deposited stays as it is. Only of a version that is public: what was taken back here stays withdrawn.
    """
    if wish.state in _BEGINS_ANEW:
        state = DepositState.RESERVED if wish.doi is not None else DepositState.WANTED
        fresh: dict[str, object] = {"state": state, "attempts": 0, "asked_by": person, "reason": None, "claim": None}
        fresh["keeps_description"] = False
        return wish.model_copy(update={**fresh, "next_at": now, "changed_at": now})
    if wish.next_at is not None and wish.claim is None:
        return wish.model_copy(update={"next_at": min(wish.next_at, now)})
    return wish


def shown_anew(wish: DepositWish, *, now: datetime) -> DepositWish:
    """Let it go there again, now that more of the version is public; who is carrying less of it has no claim now."""
    if wish.state in _BEGINS_ANEW:
        return begun_again(wish, person=wish.asked_by, now=now)
    return wish.model_copy(update={"attempts": 0, "claim": None, "next_at": now, "changed_at": now})


def once_public(wish: DepositWish, *, now: datetime) -> DepositWish:
    """Let the next step be due, now that the version is public; also of a DOI that was found to be public before."""
    if wish.next_at is not None or wish.state in _BEGINS_ANEW:
        return wish
    return wish.model_copy(update={"next_at": now, "attempts": 0, "changed_at": now})


def to_withdraw(
    wish: DepositWish, reason: str, *, keeps_description: bool = False, is_erased: bool = False, now: datetime
) -> DepositWish:
    """Want it withdrawn there too, whatever has become of it; the claim of who is depositing it is void.

    What is withdrawn already is left alone, but where its description has to go: that is still there.

    Args:
        wish: As it is now.
        reason: For the public to read.
        keeps_description: Whether the description is still public here, and so may stay there without its files.
        is_erased: Whether nothing of the description may stay there either.
        now: When that was said.
    """
    if wish.state is DepositState.WITHDRAWN and (wish.is_erased or not is_erased):
        return wish
    fresh = {"attempts": 0, "problem": None, "claim": None, "next_at": now, "changed_at": now, "reason": reason}
    kept = {"keeps_description": keeps_description, "is_erased": wish.is_erased or is_erased}
    return wish.model_copy(update={"state": DepositState.WITHDRAWING, **fresh, **kept})


def taken_back_again(wish: DepositWish, *, now: datetime) -> DepositWish:
    """Let what was withdrawn be withdrawn once more: a try that began before came to its end only now, and may have
    shown it again.
    """
    if wish.state is not DepositState.WITHDRAWN or wish.reason is None:
        return wish
    return wish.model_copy(update={"state": DepositState.WITHDRAWING, "next_at": now, "changed_at": now})


def pause_after(failures: int) -> timedelta:
    """Say how long to wait after so many failures in a row: 1, 2, 4 ... minutes, at most 6 hours."""
    doubled: int = 2 ** max(0, min(failures - 1, 16))
    return min(_FIRST_PAUSE * doubled, _LONGEST_PAUSE)
