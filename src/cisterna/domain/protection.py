"""What a store itself is asked to do for one object: keep it under a hold, locked until a date, or in another tier."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import Field

from cisterna.domain.base import Moment, Value
from cisterna.domain.identifier import DatasetId
from cisterna.domain.retention import LockMode, Retention, StorageClass

_SOON, _DAILY = timedelta(minutes=10), timedelta(days=1)


class Standing(StrEnum):
    """How what was asked of a store stands."""

    DONE = "done"
    """It was read back from every object."""
    NOT_ENFORCED = "not-enforced"
    """The store has no such function, or takes the setting and does not act on it; what we keep ourselves stands."""
    WAITING = "waiting"
    """It could not be done or looked at now; it is tried again."""


class Aspect(Value):
    """One thing that was asked, how it stands, and why in words."""

    standing: Standing
    words: str = Field(min_length=1)


class Wanted(Value):
    """What a store is to do for one object.

    Attributes:
        legal_hold: Nobody may delete anything of it.
        lock, lock_until: Nobody may before a date; either both or none.
        tier: Storage class that its data belong in by now.
    """

    legal_hold: bool = False
    lock: LockMode | None = None
    lock_until: Moment | None = None
    tier: StorageClass | None = None

    @property
    def is_nothing(self) -> bool:
        """Whether nothing is asked."""
        return self == Wanted()


class Protection(Value):
    """One object in one store: what was asked last, and how that stands.

    Attributes:
        wanted: Written before the store is asked, so that nothing is set there that no record tells of.
        hold, lock, tier: How each stands; None where it was never asked.
        objects: Versions of keys that the last look saw.
        seen: Newest version of the dataset that it saw; what is archived later is looked at again.
        locked_until: The latest date that was ever read back from an object; a store never takes it back.
    """

    dataset_id: DatasetId
    store: str
    wanted: Wanted
    hold: Aspect | None = None
    lock: Aspect | None = None
    tier: Aspect | None = None
    objects: int = Field(0, ge=0)
    seen: str | None = None
    locked_until: Moment | None = None
    looked_at: Moment

    @property
    def aspects(self) -> tuple[Aspect, ...]:
        """Those that were asked."""
        return tuple(one for one in (self.hold, self.lock, self.tier) if one is not None)


def wanted_of(retention: Retention, *, is_legally_held: bool, now: datetime) -> Wanted:
    """Tell what a store is to do for an object; a lock or a move whose time cannot be told is not asked."""
    rule, start, ends_at = retention.rule, retention.counted_from, retention.ends_at
    wanted: dict[str, object] = {"legal_hold": is_legally_held}
    if rule is not None and rule.lock is not None and ends_at is not None and ends_at > now:
        wanted |= {"lock": rule.lock, "lock_until": whole_second_after(ends_at)}
    if rule is not None and rule.tier is not None and start is not None:
        try:
            is_time = start + timedelta(days=rule.tier.after_days) <= now
        except OverflowError:
            is_time = False
        if is_time:
            wanted["tier"] = rule.tier.storage_class
    return Wanted.model_validate(wanted)


def is_to_look(known: Protection | None, wanted: Wanted, *, newest: str | None, now: datetime) -> bool:
    """Tell whether a store is to be asked again: another wish, another version, trouble, or a day gone by."""
    if known is None:
        return not wanted.is_nothing
    if known.wanted != wanted or any(one.standing is Standing.WAITING for one in known.aspects):
        return known.wanted != wanted or now - known.looked_at >= _SOON
    return known.seen != newest or now - known.looked_at >= _DAILY


def whole_second_after(moment: datetime) -> datetime:
    """Round up to a whole second: stores keep no less, and a lock must not end early."""
    if not moment.microsecond:
        return moment
    floor = moment.replace(microsecond=0)
    try:
        return floor + timedelta(seconds=1)
    except OverflowError:
        return floor
