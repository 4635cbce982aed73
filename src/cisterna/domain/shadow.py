"""Shadow mode: an instrument that is watched and archived, while nothing is deleted, written or published.

Beside it stand the rules by which others take a run for complete, or delete one: data, so that a facility names its
own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import Field

from cisterna.domain.base import Moment, Value
from cisterna.domain.errors import InvalidInput

MOST_RULES = 24
"""Each may fire once for each run, so this bounds what is kept of one."""
_PATTERN = re.compile(r"[*?\[]")
_MINUTE, _HOUR, _DAY, _GIGABYTE = 60.0, 3600.0, 86_400.0, 1_000_000_000


class RuleKind(StrEnum):
    """What a rule goes by; the first four take a run for complete, the others delete it."""

    MARKER = "marker"
    QUIET = "quiet"
    COUNT = "count"
    NEXT_RUN = "next-run"
    DELETE_DAYS = "delete-days"
    DELETE_COPIED = "delete-copied"
    DELETE_MARKER = "delete-marker"
    KEEP_RUNS = "keep-runs"
    KEEP_GB = "keep-gb"

    @property
    def is_deletion(self) -> bool:
        """Whether a run is deleted by it."""
        return self not in {RuleKind.MARKER, RuleKind.QUIET, RuleKind.COUNT, RuleKind.NEXT_RUN}


_BARE = frozenset({RuleKind.COUNT, RuleKind.NEXT_RUN})
_WORDS = {
    RuleKind.MARKER: "the file {0} is there",
    RuleKind.QUIET: "nothing has changed for {0} min",
    RuleKind.COUNT: "as many files are there as the run's own plan says",
    RuleKind.NEXT_RUN: "the next run has begun",
    RuleKind.DELETE_DAYS: "deleted {0} days after the last change",
    RuleKind.DELETE_COPIED: "deleted when a copy has the same names and sizes, {0} min after it was made",
    RuleKind.DELETE_MARKER: "deleted {0} h after the end marker",
    RuleKind.KEEP_RUNS: "deleted when {0} newer runs are there",
    RuleKind.KEEP_GB: "deleted, the oldest first, when all runs exceed {0} GB",
}


@dataclass(frozen=True)
class Seen:
    """What one look tells of a run, as far as any rule goes by it.

    Attributes:
        quiet_seconds: For how long the listing has been as it is.
        copied_seconds: For how long names and sizes have been.
        markers: Which of the named markers are there.
        marker_seconds: For how long the first of them has been; None while there is none.
        is_counted: Whether the run's own plan tells how many files there must be, and none is missing.
        newer_runs: How many runs began after this one.
        newer_bytes: What those hold.
    """

    file_count: int
    size_bytes: int
    quiet_seconds: float = 0.0
    copied_seconds: float = 0.0
    markers: frozenset[str] = field(default_factory=frozenset)
    marker_seconds: float | None = None
    is_counted: bool = False
    newer_runs: int = 0
    newer_bytes: int = 0


_ACTS: Mapping[RuleKind, Callable[[float, Seen], bool]] = {
    RuleKind.QUIET: lambda amount, seen: seen.quiet_seconds >= amount * _MINUTE,
    RuleKind.COUNT: lambda _, seen: seen.is_counted,
    RuleKind.NEXT_RUN: lambda _, seen: seen.newer_runs > 0,
    RuleKind.DELETE_DAYS: lambda amount, seen: seen.quiet_seconds >= amount * _DAY,
    RuleKind.DELETE_COPIED: lambda amount, seen: seen.copied_seconds >= amount * _MINUTE,
    RuleKind.DELETE_MARKER: lambda amount, seen: (
        seen.marker_seconds is not None and seen.marker_seconds >= amount * _HOUR
    ),
    RuleKind.KEEP_RUNS: lambda amount, seen: seen.newer_runs >= amount,
    RuleKind.KEEP_GB: lambda amount, seen: seen.size_bytes + seen.newer_bytes > amount * _GIGABYTE,
}
"""Whether a rule with an amount acts; a marker goes by its name."""


class Rule(Value):
    """One rule that somebody's script may go by.

    Attributes:
        amount: In the unit of its kind; None for those that have none.
        name: Of the marker: a path in the run's folder, or a pattern with `*`, `?` or `[...]`.
    """

    kind: RuleKind
    amount: float | None = Field(default=None, gt=0, le=1e9)
    name: str | None = Field(default=None, min_length=1, max_length=200)

    @property
    def rule_id(self) -> str:
        """What it is called on the command line and in the record."""
        if self.name is not None:
            return f"{self.kind.value}={self.name}"
        return self.kind.value if self.amount is None else f"{self.kind.value}={self.amount:g}"

    @property
    def words(self) -> str:
        """Say what it goes by."""
        return _WORDS[self.kind].format(self.name if self.name is not None else f"{self.amount or 0:g}")

    def fires(self, seen: Seen) -> bool:
        """Tell whether a script with this rule would act now; none acts on a folder without a file."""
        if seen.file_count == 0:
            return False
        if self.kind is RuleKind.MARKER:
            return self.name in seen.markers
        return _ACTS[self.kind](self.amount or 0.0, seen)


USUAL: tuple[Rule, ...] = (
    *(Rule(kind=RuleKind.QUIET, amount=minutes) for minutes in (1, 5, 15, 60)),
    Rule(kind=RuleKind.COUNT),
    Rule(kind=RuleKind.NEXT_RUN),
    *(Rule(kind=RuleKind.DELETE_DAYS, amount=days) for days in (7, 14)),
    Rule(kind=RuleKind.DELETE_COPIED, amount=60),
    Rule(kind=RuleKind.DELETE_MARKER, amount=24),
    Rule(kind=RuleKind.KEEP_RUNS, amount=10),
)
"""What people really use; markers come from the profile, or are named."""


def choose_rules(given: Iterable[str], *, markers: Sequence[str]) -> tuple[Rule, ...]:
    """Give the usual rules, with every kind that is named replaced by what was given of it.

    Args:
        given: Such as `quiet=10`, `marker=.done`, `keep-runs=5` or `next-run`.
        markers: That the profile knows.

    Raises:
        InvalidInput: One is no rule, or they are too many.
    """
    named = tuple(map(parse_rule, given))
    usual = (*(Rule(kind=RuleKind.MARKER, name=one) for one in markers), *USUAL)
    kinds = {one.kind for one in named}
    if RuleKind.MARKER not in {one.kind for one in (*usual, *named)}:
        usual = tuple(one for one in usual if one.kind is not RuleKind.DELETE_MARKER)
        if RuleKind.DELETE_MARKER in kinds:
            msg = "a rule that goes by an end marker needs one; name it by marker=NAME"
            raise InvalidInput(msg)
    chosen = {one.rule_id: one for one in (*(one for one in usual if one.kind not in kinds), *named)}
    if len(chosen) > MOST_RULES:
        msg = f"{len(chosen)} rules are too many; name at most {MOST_RULES}"
        raise InvalidInput(msg)
    return tuple(
        sorted(chosen.values(), key=lambda one: (list(RuleKind).index(one.kind), one.amount or 0, one.rule_id))
    )


def parse_rule(text: str) -> Rule:
    """Read one rule as it is written on the command line. Raises `InvalidInput`."""
    word, equals, value = text.partition("=")
    shown = text[:80].encode("unicode_escape").decode("ascii")
    kinds = ", ".join(kind.value if kind in _BARE else f"{kind.value}=..." for kind in RuleKind)
    refusal = InvalidInput(f"'{shown}' is no rule; write one of {kinds}", rule=shown)
    if word not in set(RuleKind):
        raise refusal
    kind = RuleKind(word)
    try:
        if kind in _BARE:
            if equals:
                raise refusal
            return Rule(kind=kind)
        if kind is RuleKind.MARKER:
            if not value.isprintable():
                raise refusal
            return Rule(kind=kind, name=value)
        return Rule(kind=kind, amount=float(value))
    except ValueError as error:
        raise refusal from error


def is_pattern(marker: str) -> bool:
    """Tell whether a marker's name stands for more than one."""
    return _PATTERN.search(marker) is not None


class Shadow(Value):
    """A time in which an instrument is in shadow mode, and who said so.

    Attributes:
        days: After how many the report is announced; the mode itself lasts until a person ends it.
        rules: That are followed beside ours.
        told_at: When the report was announced.
    """

    shadow_id: str
    person: str
    reason: str = Field(min_length=1, max_length=10_000)
    begun_at: Moment
    days: float = Field(gt=0, le=3650)
    rules: tuple[Rule, ...]
    told_at: Moment | None = None
    ended_at: Moment | None = None
    ended_by: str | None = None
    ended_reason: str | None = None

    @property
    def is_on(self) -> bool:
        """Whether nobody has ended it."""
        return self.ended_at is None

    @property
    def due_at(self) -> datetime:
        """When the report is announced."""
        return self.begun_at + timedelta(days=self.days)

    @property
    def markers(self) -> tuple[str, ...]:
        """Names of the markers that rules go by."""
        return tuple(one.name for one in self.rules if one.name is not None)


def refusal_words(instrument: str, shadow: Shadow) -> str:
    """Say why something is not done for an instrument in shadow mode."""
    return (
        f"the instrument {instrument} is in shadow mode since {shadow.begun_at:%Y-%m-%d %H:%M} UTC "
        f"({shadow.person}: {shadow.reason}); `cisterna instrument shadow {instrument} --end` ends it"
    )
