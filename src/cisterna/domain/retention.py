"""How long datasets are kept: rules go in; for one dataset comes out which holds, when its time ends, and why not yet.

The most specific rule wins: the one that names more of project, instrument and data type; of two that name as many,
the one that names the project, then the one that names the instrument. No two standing rules name the same, so this
order is total. Without a rule a dataset is kept forever. Nothing here deletes: what has come to its end waits for a
person.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from cisterna.domain.base import Moment, Value
from cisterna.domain.dataset import ORDER, Dataset, Stage, Version
from cisterna.domain.hold import Hold
from cisterna.domain.identifier import DatasetId, Slug
from cisterna.domain.publication import Publication

MOST_YEARS = 1000
MOST_DAYS = 365_250


def _printable(text: str) -> str:
    if any(not character.isprintable() and character not in "\n\t" for character in text):
        msg = "it holds control characters; write it as plain text"
        raise ValueError(msg)
    return text


Words = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=10_000), AfterValidator(_printable)
]
StorageClass = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9][A-Z0-9_-]{0,62}$")]
"""Name of a storage class, or of a remote tier where the store calls it so: `GLACIER`, `STANDARD_IA`, `COLD-TAPE`."""


class LockMode(StrEnum):
    """How the store itself keeps an object until a date (S3 object lock)."""

    GOVERNANCE = "GOVERNANCE"
    """Keys with a special right may still delete it."""
    COMPLIANCE = "COMPLIANCE"
    """Nobody may, and nobody can take that back."""


class Tier(Value):
    """Where data move after some time.

    Attributes:
        storage_class: As the store calls it.
        after_days: Counted from the same moment as the end.
    """

    storage_class: StorageClass
    after_days: int = Field(ge=0, le=MOST_DAYS)

    @model_validator(mode="after")
    def _goes_somewhere(self) -> Tier:
        if self.storage_class == "STANDARD":
            msg = "STANDARD is where objects are already; name the class that they move to"
            raise ValueError(msg)
        return self


class RetentionRule(Value):
    """A person's word on how long what it matches is kept; it is never changed, only ended and replaced by another.

    Attributes:
        project, instrument, data_type: What it matches; None matches any. A derived dataset has no instrument.
        keep_years, keep_days: How long; neither is forever.
        tier: Where the data move meanwhile; None moves nothing.
        lock: Whether the store itself must keep it until the end.
        person: Account name of who set it.
        ended_at, ended_by, ended_reason: Of its end; None while it stands.
    """

    rule_id: str
    project: Slug | None = None
    instrument: Slug | None = None
    data_type: Slug | None = None
    keep_years: int | None = Field(None, ge=1, le=MOST_YEARS, strict=True)
    keep_days: int | None = Field(None, ge=1, le=MOST_DAYS, strict=True)
    tier: Tier | None = None
    lock: LockMode | None = None
    person: str
    reason: Words
    set_at: Moment
    ended_at: Moment | None = None
    ended_by: str | None = None
    ended_reason: Words | None = None

    @model_validator(mode="after")
    def _says_one_thing(self) -> RetentionRule:
        if self.keep_years is not None and self.keep_days is not None:
            msg = "give years or days, not both"
            raise ValueError(msg)
        if self.lock is not None and self.is_forever:
            msg = "a lock needs an end, and the rule keeps forever; give years or days, or leave the lock out"
            raise ValueError(msg)
        return self

    @property
    def is_forever(self) -> bool:
        """Whether it has no end."""
        return self.keep_years is None and self.keep_days is None

    @property
    def stands(self) -> bool:
        """Whether nobody has ended it."""
        return self.ended_at is None

    @property
    def scope(self) -> tuple[str | None, str | None, str | None]:
        """Project, instrument and data type; no two standing rules have the same."""
        return (self.project, self.instrument, self.data_type)

    @property
    def specificity(self) -> tuple[int, ...]:
        """Tell how much it names; of the rules that match, the highest wins."""
        named = tuple(one is not None for one in self.scope)
        return (sum(named), *named)

    @property
    def keeps(self) -> str:
        """How long, in words."""
        if self.keep_years is not None:
            return f"{self.keep_years} year{'s' if self.keep_years > 1 else ''}"
        if self.keep_days is not None:
            return f"{self.keep_days} day{'s' if self.keep_days > 1 else ''}"
        return "forever"

    @property
    def matches(self) -> str:
        """What it is about, in words."""
        names = ("project", "instrument", "data type")
        said = [f"{name} {value}" for name, value in zip(names, self.scope, strict=True) if value is not None]
        return ", ".join(said) or "everything"

    def covers(self, dataset: Dataset) -> bool:
        """Tell whether it matches a dataset."""
        facts = (dataset.project, dataset.instrument, dataset.data_type)
        return all(wanted in {None, found} for wanted, found in zip(self.scope, facts, strict=True))


class StoreLock(Value):
    """An object lock that a store says it keeps on a dataset's object."""

    store: str
    until: Moment


class RetentionFacts(Value):
    """All that is known when a dataset's end of life is judged.

    Attributes:
        rules: Those that stand.
        versions: All of the dataset, oldest first.
        holds: On the dataset, its acquisition and its project.
        publications: Of all versions.
        locks: What stores keep by themselves.
        open_work: Kinds of work that has not come to an end.
    """

    now: Moment
    dataset: Dataset
    rules: tuple[RetentionRule, ...] = ()
    versions: tuple[Version, ...] = ()
    holds: tuple[Hold, ...] = ()
    publications: tuple[Publication, ...] = ()
    locks: tuple[StoreLock, ...] = ()
    open_work: tuple[str, ...] = ()


class Deferral(Value):
    """One reason why a dataset's life has not ended.

    Attributes:
        condition: Stable name.
        words: The reason, and what to do about it where somebody could.
    """

    condition: str
    words: str


class Retention(Value):
    """What holds for one dataset.

    Attributes:
        rule: The one that wins; None without one, which is forever.
        counted_from: Completion of its newest version.
        ends_at: When its time is over by the rule; None is never.
        deferrals: Why its life has not ended; none when it has.
    """

    dataset_id: DatasetId
    rule: RetentionRule | None = None
    counted_from: Moment | None = None
    ends_at: Moment | None = None
    deferrals: tuple[Deferral, ...] = ()

    @property
    def is_due(self) -> bool:
        """Whether its life has ended, and a named person may decide on its deletion."""
        return self.ends_at is not None and not self.deferrals

    @property
    def words(self) -> str:
        """What holds, in one line."""
        if self.rule is None:
            return "kept forever: no retention rule matches it"
        by = f"by the rule for {self.rule.matches} ({self.rule.rule_id})"
        if self.ends_at is None:
            return f"kept forever {by}" if self.rule.is_forever else f"kept for {self.rule.keeps} {by}; no end is known"
        end = f"{self.ends_at:%Y-%m-%d}"
        if self.is_due:
            return f"its end of life was {end} {by}; a named person has to decide"
        return f"kept until {end} {by}: {self.rule.keeps} from the completion of its newest version"


def winning_rule(dataset: Dataset, rules: Iterable[RetentionRule]) -> RetentionRule | None:
    """Give the most specific standing rule that matches a dataset."""
    matching = (rule for rule in rules if rule.stands and rule.covers(dataset))
    return max(matching, key=lambda rule: (rule.specificity, rule.set_at, rule.rule_id), default=None)


def keep_end(rule: RetentionRule, start: datetime) -> datetime | None:
    """Give the end of keeping; None is never, as is a moment after the year 9999.

    Years are those of the calendar; 29 February ends on 1 March where the last year has none, never a day early.
    """
    try:
        if rule.keep_days is not None:
            return start + timedelta(days=rule.keep_days)
        if rule.keep_years is not None:
            return _years_later(start, rule.keep_years)
    except (OverflowError, ValueError):
        return None
    return None


def keeping_began(versions: Iterable[Version]) -> datetime | None:
    """Tell when the newest version was complete; an edit of its metadata does not begin its time anew."""
    return next(
        (one.created_at for one in sorted(versions, key=lambda one: (-one.number, one.revision)) if not one.revision),
        None,
    )


def end_of_life(facts: RetentionFacts) -> Retention:
    """Judge one dataset; the same facts always give the same answer, and what is not known defers the end."""
    rule = winning_rule(facts.dataset, facts.rules)
    start = keeping_began(facts.versions)
    ends_at = keep_end(rule, start) if rule is not None and start is not None else None
    return Retention(
        dataset_id=facts.dataset.dataset_id,
        rule=rule,
        counted_from=start,
        ends_at=ends_at,
        deferrals=(*_about_time(rule, start, ends_at, facts), *_about_people(facts), *_about_versions(facts)),
    )


def _about_time(
    rule: RetentionRule | None, start: datetime | None, ends_at: datetime | None, facts: RetentionFacts
) -> Iterator[Deferral]:
    if rule is None:
        yield Deferral(condition="rule", words="no retention rule matches it, so it is kept forever")
    elif rule.is_forever:
        yield Deferral(condition="rule", words=f"the rule for {rule.matches} keeps it forever")
    elif start is None:
        yield Deferral(condition="start", words="it has no complete version to count from")
    elif start > facts.now:
        words = f"its newest version was complete at {start:%Y-%m-%d %H:%M} UTC, which has not come; look at the clocks"
        yield Deferral(condition="start", words=words)
    elif ends_at is None:
        yield Deferral(condition="time", words="its time ends after the year 9999")
    elif ends_at > facts.now:
        yield Deferral(condition="time", words=f"its time ends at {ends_at:%Y-%m-%d %H:%M} UTC")


def _about_people(facts: RetentionFacts) -> Iterator[Deferral]:
    for hold in facts.holds:
        if hold.stands:
            kind = "a legal hold" if hold.legal else "a hold"
            words = f"{hold.person} placed {kind} on the {hold.scope.value} ({hold.hold_id}): {hold.reason}"
            yield Deferral(condition="hold", words=words)
    for one in facts.publications:
        if one.withdrawn_at is None:
            words = f"{one.pid} is public at {one.target}, and people may cite it; withdraw it first"
            yield Deferral(condition="publication", words=words)


def _about_versions(facts: RetentionFacts) -> Iterator[Deferral]:
    for version in facts.versions:
        if version.stage is Stage.IN_REVIEW:
            words = f"the review of {version.label} is open; a steward has to decide first"
            yield Deferral(condition="review", words=words)
        elif ORDER.index(version.stage) < ORDER.index(Stage.VERIFIED):
            words = f"{version.label} is {version.stage.value} and has not come to rest"
            yield Deferral(condition="rest", words=words)
    if facts.open_work:
        words = f"work on it has not come to an end: {', '.join(facts.open_work)}"
        yield Deferral(condition="work", words=words)
    for lock in facts.locks:
        if lock.until > facts.now:
            words = f"{lock.store} itself keeps it locked until {lock.until:%Y-%m-%d %H:%M} UTC"
            yield Deferral(condition="lock", words=words)


def _years_later(start: datetime, years: int) -> datetime:
    try:
        return start.replace(year=start.year + years)
    except ValueError:
        if (start.month, start.day) != (2, 29):
            raise
        return start.replace(year=start.year + years, month=3, day=1)
