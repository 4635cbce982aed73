"""Believes that known runs are gone or changed while they are few, and waits for a person's word when they are many.

A share that is mounted wrongly, a folder that a script renamed or a disk that an intruder encrypted looks, file by
file, like many small changes. Each alone would be believed; all at once are not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from cisterna.domain.account import Role
from cisterna.domain.errors import Conflict, IllegalTransition, InvalidInput
from cisterna.domain.instrument import AcceptedChange, Instrument, MassChange
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.services.account import require_role
from cisterna.services.transition import announce

PERCENT = 1.0
FLOOR = 3
"""So many are believed however few there are: people do take away a run or two."""
_EXAMPLES = 3


class Belief(Enum):
    """What becomes of what a look found gone or changed."""

    FEW = auto()
    """There are no more than are believed without asking: written down."""
    ACCEPTED = auto()
    """A person said that exactly this is meant: written down, once."""
    GUARDED = auto()
    """Nothing is written down."""


@dataclass(frozen=True)
class Losses:
    """What one look found otherwise than it was known.

    Attributes:
        known: How many runs were believed to be at the source.
        gone: Folders that are not there.
        changed: Folders of runs that had come to rest, with other files than they had.
        lately: How many more were believed gone or changed within the last hour.
    """

    known: int
    gone: frozenset[str]
    changed: frozenset[str]
    lately: int = 0

    @property
    def evidence(self) -> str:
        """Stand for exactly these runs."""
        told = [f"gone\0{folder}" for folder in sorted(self.gone)]
        told += [f"changed\0{folder}" for folder in sorted(self.changed)]
        return hashlib.sha256("\n".join(told).encode()).hexdigest()

    def __len__(self) -> int:
        return len(self.gone) + len(self.changed)


def believed_at_most(settings: Mapping[str, str], known: int) -> int:
    """Tell how many of the known runs may be gone or changed without anybody being asked.

    It is the share `mass_change_percent` of the instrument's settings, and never less than `mass_change_floor`.
    """
    percent = _number(settings.get("mass_change_percent"), PERCENT, most=100.0)
    floor = _number(settings.get("mass_change_floor"), float(FLOOR), most=1e9)
    return max(int(floor), int(known * percent / 100))


def weigh_losses(name: str, losses: Losses, *, catalogue: Catalogue, clock: Clock) -> Belief:
    """Tell whether what was found may be written down; if not, the instrument is guarded, and an event tells so once.

    A second call with the same losses gives the same answer and writes nothing. A guard ends when a person has accepted
    exactly these losses, or when they are few again, as when the right share is back.

    Args:
        name: Of the instrument.
        losses: What the look found.
        catalogue: Where the guard stands.
        clock: Dates it.
    """
    with catalogue.begin() as tx:
        instrument = tx.instruments.lock(name)
        most = believed_at_most(instrument.settings, losses.known)
        accepted = instrument.accepted
        if len(losses) == 0 or len(losses) + losses.lately <= most:
            _lift(tx, instrument, clock=clock)
            return Belief.FEW
        if accepted is not None and _covers(accepted, losses):
            begun = accepted.model_copy(update={"is_begun": True})
            tx.instruments.save(instrument.model_copy(update={"accepted": begun}))
            return Belief.ACCEPTED
        _guard(tx, instrument, losses, most=most, clock=clock)
        return Belief.GUARDED


def end_acceptance(name: str, *, catalogue: Catalogue) -> None:
    """Note that all of an accepted change is written down: the guard ends, and the word is good for no other change."""
    with catalogue.begin() as tx:
        instrument = tx.instruments.lock(name)
        used = instrument.accepted.model_copy(update={"is_used": True}) if instrument.accepted else None
        tx.instruments.save(instrument.model_copy(update={"guard": None, "accepted": used}))


def accept_change(
    name: str, *, person: str, reason: str, catalogue: Catalogue, clock: Clock, evidence: str | None = None
) -> Instrument:
    """Record that the mass change of a guarded instrument is meant; the next sweep writes it down, once.

    The word is good for exactly the runs that the guard shows: when others have gone or changed since, the guard stands
    again with the new numbers.

    Args:
        name: Of the instrument.
        person: Account name; an operator everywhere.
        reason: In words.
        catalogue: Where it is recorded, with an event.
        clock: Dates it.
        evidence: Of the guard that the person looked at; None takes the one that stands now.

    Raises:
        Forbidden: The person is no operator.
        InvalidInput: There is no reason.
        IllegalTransition: The instrument is not guarded.
        Conflict: The guard is not the one that was looked at.
        NotFound: There is no such instrument.
    """
    words = reason.strip()
    if not words or len(words) > 10_000:
        msg = f"accepting the change at {name} needs a reason in words, of at most 10,000 characters"
        raise InvalidInput(msg, instrument=name)
    with catalogue.begin() as tx:
        require_role(tx.accounts.find(person), Role.OPERATOR, project=None)
        instrument = tx.instruments.lock(name)
        guard = instrument.guard
        if guard is None:
            msg = f"the instrument '{name}' is not guarded, so there is no change to accept"
            raise IllegalTransition(msg, instrument=name)
        if evidence is not None and evidence != guard.evidence:
            msg = f"what is gone or changed at '{name}' is not what was shown to you; look at it again and decide anew"
            raise Conflict(msg, instrument=name, expected=guard.evidence, found=evidence)
        accepted = AcceptedChange(
            person=person,
            reason=words,
            accepted_at=clock.now(),
            gone=guard.gone,
            changed=guard.changed,
            evidence=guard.evidence,
        )
        saved = instrument.model_copy(update={"accepted": accepted})
        tx.instruments.save(saved)
        data = {"instrument": name, **accepted.model_dump(mode="json", exclude={"is_used"})}
        announce(tx, "instrument.change-accepted", name, project=None, clock=clock, data=data)
        return saved


def _covers(accepted: AcceptedChange, losses: Losses) -> bool:
    """Tell whether a word is about these losses, or about those of which a killed sweep left them."""
    if accepted.is_used:
        return False
    is_left = len(losses.gone) <= accepted.gone and len(losses.changed) <= accepted.changed
    return accepted.evidence == losses.evidence or (accepted.is_begun and is_left)


def _guard(tx: Transaction, instrument: Instrument, losses: Losses, *, most: int, clock: Clock) -> None:
    before = instrument.guard
    guard = MassChange(
        since=before.since if before else clock.now(),
        known=losses.known,
        gone=len(losses.gone),
        changed=len(losses.changed),
        most=most,
        examples=tuple([*sorted(losses.gone), *sorted(losses.changed)][:_EXAMPLES]),
        evidence=losses.evidence,
    )
    if guard == before:
        return
    tx.instruments.save(instrument.model_copy(update={"guard": guard}))
    if before is None:
        data = {"instrument": instrument.name, "reason": guard.words, **guard.model_dump(mode="json")}
        announce(tx, "instrument.guarded", instrument.name, project=None, clock=clock, data=data)


def _lift(tx: Transaction, instrument: Instrument, *, clock: Clock) -> None:
    if instrument.guard is None:
        return
    accepted = instrument.accepted
    if accepted is not None and not accepted.is_used:  # it was written down, or there is nothing left to be
        accepted = accepted.model_copy(update={"is_used": True})
    tx.instruments.save(instrument.model_copy(update={"guard": None, "accepted": accepted}))
    data = {"instrument": instrument.name, **instrument.guard.model_dump(mode="json")}
    announce(tx, "instrument.guard-ended", instrument.name, project=None, clock=clock, data=data)


def _number(text: str | None, otherwise: float, *, most: float) -> float:
    """Read a setting; one that is no number was refused when it was set, and is passed over here."""
    try:
        number = float(text) if text is not None else otherwise
    except ValueError:
        return otherwise
    return number if 0 <= number <= most else otherwise
