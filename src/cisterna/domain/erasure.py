"""Taking a dataset out of the archive for good: what goes, what speaks against it, and what could not go.

Pure values and judgements. Two things lead here: a person's right that data be erased, and the end of a retention
period; `kind` says which, and a named person decides either.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from cisterna.domain.base import Moment, Value
from cisterna.domain.digest import sha512_of
from cisterna.domain.errors import Erased, HostileInput, InvalidInput
from cisterna.domain.hold import Hold
from cisterna.domain.identifier import AcquisitionId, Ark, DatasetId
from cisterna.domain.ocfl import object_root

ERASED_TITLE = "(erased)"
"""Stands for a title that said what the data were."""
PUBLIC_WORDS = "The data were erased."
"""For the public to read on the landing page that stays: it names nobody and nothing."""

_ROOT = re.compile(r"(?:[0-9a-f]{3}/){3}ark%3a%2f[0-9]{5}%2f[0-9a-z]+(?:%2fpart-[0-9]{4})?")
_SHOWN = 3
_SCOPE_DIGITS = 32


class RemovalKind(StrEnum):
    """Why a dataset goes."""

    ERASURE = "erasure"
    """Data protection: a person's right, or an unlawful processing."""
    RETENTION = "retention"
    """Its retention period is over."""


class ErasureState(StrEnum):
    """How far it has come. From `begun` on data may be gone, and it can only be brought to its end."""

    ANNOUNCED = "announced"
    BEGUN = "begun"
    INCOMPLETE = "incomplete"
    """Something is left that may go when it is run again."""
    DONE = "done"


class Order(Value):
    """What the decision is: taken outside of Cisterna, by whoever is responsible for the data.

    Attributes:
        controller: Who is responsible for the data, such as `Example University`.
        basis: Legal basis, such as `GDPR Art. 17(1)(b)`.
        decision: Number of the decision.
        reason: In words; it is kept in the catalogue and never in the tombstone.
    """

    kind: RemovalKind = RemovalKind.ERASURE
    controller: str = Field(min_length=1, max_length=500)
    basis: str = Field(min_length=1, max_length=500)
    decision: str = Field(min_length=1, max_length=200)
    reason: str = Field(default="", max_length=10_000)


class ErasedObject(Value):
    """One dataset that goes: the whole object below its root, in every store.

    Attributes:
        object_root: Always the one that follows from the PID; another one is refused.
        versions: Their labels.
    """

    dataset_id: DatasetId
    pid: Ark
    object_root: str
    versions: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _lies_where_its_pid_says(self) -> Self:
        require_object_root(self.object_root, pid=self.pid)
        return self


class Remainder(Value):
    """Something that is not erased.

    Attributes:
        what: Such as `objects`, `the record of the catalogue`.
        where: Store, file or system.
        is_open: Whether it may go when the erasure is run again.
    """

    what: str
    where: str
    reason: str
    is_open: bool


class Erasure(Value):
    """A decision that datasets go, and how far its execution has come. The catalogue keeps it for ever.

    Attributes:
        target: The dataset that was named; what was derived from it goes as well.
        acquisition_id: It was made from, if it was.
        objects: The target first.
        stores: That held copies when it was announced; what is in one of them is not forgotten when it is away.
        person: Account name of the administrator who decided.
        removed: Keys, versions, marks and uploads that were removed so far.
        remains: What is not erased, as the last run found it.
        record: Counts the writes to this row; a writer names the one it read.
    """

    erasure_id: str
    target: DatasetId
    acquisition_id: AcquisitionId | None = None
    objects: tuple[ErasedObject, ...] = Field(min_length=1)
    stores: tuple[str, ...]
    person: str
    order: Order
    state: ErasureState = ErasureState.ANNOUNCED
    announced_at: Moment
    begun_at: Moment | None = None
    ended_at: Moment | None = None
    removed: int = Field(default=0, ge=0)
    remains: tuple[Remainder, ...] = ()
    record: int = 0

    @property
    def dataset_ids(self) -> tuple[str, ...]:
        """Every dataset that goes."""
        return tuple(one.dataset_id for one in self.objects)

    @property
    def words(self) -> str:
        """Say what happened, when, by whom and under which decision."""
        order = self.order
        verb = "disposed of" if order.kind is RemovalKind.RETENTION else "erased"
        done = {
            ErasureState.ANNOUNCED: f"is to be {verb}",
            ErasureState.BEGUN: f"is being {verb}",
            ErasureState.INCOMPLETE: f"was {verb}, not yet everywhere",
            ErasureState.DONE: f"was {verb}",
        }[self.state]
        moment = self.ended_at or self.begun_at or self.announced_at
        return (
            f"it {done}: {moment:%Y-%m-%d %H:%M} UTC, by {self.person}, decision {order.decision} of "
            f"{order.controller} ({order.basis})"
        )


class Tombstone(Value):
    """What stays in the archive of an erasure: that, when, by whom and why in law, and no content.

    Attributes:
        schema_version: Of this form.
    """

    schema_version: int = Field(default=1, ge=1)
    erasure: Erasure


class Objection(Value):
    """One reason against an erasure.

    Attributes:
        condition: Stable name of the condition that is not met.
        words: What is wrong, and what to do about it.
    """

    condition: str
    words: str


class Obstacles(Value):
    """All that may speak against it.

    Attributes:
        holds: Ours, that stand on any of the datasets, their acquisition or project.
        locks: Object root and what the store says of a lock on it.
        under_way: Work on any of them that somebody does now, in words.
        release_begun: Whether the source's release is deleting files now.
        due_at: When the retention period ends; asked for a disposal only.
    """

    holds: tuple[Hold, ...] = ()
    locks: tuple[tuple[str, str], ...] = ()
    under_way: tuple[str, ...] = ()
    release_begun: bool = False
    due_at: datetime | None = None


def objections(obstacles: Obstacles, *, kind: RemovalKind, now: datetime) -> tuple[Objection, ...]:
    """Give every reason against beginning now; none means that it may begin."""
    return tuple(_objections(obstacles, kind=kind, now=now))


def _objections(obstacles: Obstacles, *, kind: RemovalKind, now: datetime) -> Iterator[Objection]:
    for hold in obstacles.holds:
        words = f"{hold.person} holds {hold.target}: {hold.reason[:300]}; lift {hold.hold_id} first"
        yield Objection(condition="no-hold", words=words)
    for where, lock in obstacles.locks:
        yield Objection(condition="no-lock", words=f"the store holds {where}: {lock}; have it lifted there first")
    if obstacles.under_way:
        shown = ", ".join(obstacles.under_way[:_SHOWN])
        words = f"somebody works on it now ({shown}); wait for its end or stop the worker"
        yield Objection(condition="no-work", words=words)
    if obstacles.release_begun:
        words = "the release of its source is deleting files now; wait for its end"
        yield Objection(condition="no-release", words=words)
    if kind is RemovalKind.RETENTION:
        if obstacles.due_at is None:
            yield Objection(condition="is-due", words="no policy says that its retention ends; nothing is to be done")
        elif obstacles.due_at > now:
            words = f"its retention ends {obstacles.due_at:%Y-%m-%d %H:%M} UTC; wait until then"
            yield Objection(condition="is-due", words=words)


def scope_of(objects: Iterable[ErasedObject]) -> str:
    """Name what a decision is about, so that nobody decides on more than they were shown.

    A dataset that was derived meanwhile, or another version, gives another name.
    """
    told = sorted((one.dataset_id, one.pid, *one.versions) for one in objects)
    return sha512_of(json.dumps(told).encode())[:_SCOPE_DIGITS]


def state_after(remains: Iterable[Remainder]) -> ErasureState:
    """Tell how a run ended: incomplete while anything may still go."""
    return ErasureState.INCOMPLETE if any(one.is_open for one in remains) else ErasureState.DONE


def require_object_root(root: str, *, pid: str) -> None:
    """Refuse anything but the root of the one object that a PID names: no other prefix is ever deleted below.

    Raises:
        HostileInput: It is empty, a neighbour's, a part of one, or the root of something that is no dataset.
    """
    if _ROOT.fullmatch(root) is None or object_root(pid) != root:
        shown = ascii(root[:200])
        msg = f"{shown} is not the object root of {pid[:100]!a}; nothing was deleted"
        raise HostileInput(msg, object_root=shown)


def erased_error(erasure: Erasure, identifier: str) -> Erased:
    """Make the error that says that something was erased."""
    return Erased(f"{identifier[:200]}: {erasure.words}", identifier=identifier[:200], erasure_id=erasure.erasure_id)


def read_order(*, kind: RemovalKind, controller: str, basis: str, decision: str, reason: str) -> Order:
    """Check what a person gave. Raises `InvalidInput`, naming what is missing."""
    given = {"controller": controller, "basis": basis, "decision": decision, "reason": reason}
    words = {name: one.strip() for name, one in given.items()}
    for name, one in words.items():
        if not one:
            raise InvalidInput(f"an erasure needs a {name}; it stands in the record", field=name)
        if not one.isprintable():
            raise InvalidInput(f"the {name} holds characters that cannot be printed", field=name)
    limits = {"controller": 500, "basis": 500, "decision": 200, "reason": 10_000}
    for name, most in limits.items():
        if len(words[name]) > most:
            raise InvalidInput(f"the {name} has more than {most} characters", field=name)
    return Order(kind=kind, **words)
