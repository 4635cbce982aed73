"""The same rules once more, told naively over every look there was: what the record must agree with.

It knows nothing of how sightings are chosen or kept. It has each listing whole, and compares sets of files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tests.shadow.bench import LookLog

Entries = frozenset[tuple[str, int, int, int]]


@dataclass(frozen=True)
class Told:
    """When a rule acted on a run first, and what the run lacked then of whatever it was later."""

    at: datetime
    after: datetime | None
    files: int
    size_bytes: int
    late_files: int
    late_bytes: int
    is_changed: bool


def simulate(looks: Sequence[LookLog], sweeps: Sequence[Sequence[str]], run: str, rule_id: str) -> Told | None:
    """Replay one rule on one run."""
    own = _one_a_sweep([one for one in looks if one.folder == run])
    for place, look in enumerate(own):
        if look.entries and _acts(own[: place + 1], sweeps, run, rule_id):
            return _told(own, place)
    return None


def _one_a_sweep(looks: Sequence[LookLog]) -> list[LookLog]:
    """A sweep that lists a run twice, to believe a change, looks at one moment."""
    return list({(one.sweep, one.at): one for one in looks}.values())


def _told(own: Sequence[LookLog], place: int) -> Told:
    then = own[place].entries
    later = [one.entries for one in own[place + 1 :] if one.entries != then]
    return Told(
        at=own[place].at,
        after=own[place - 1].at if place else None,
        files=len(then),
        size_bytes=_size(then),
        late_files=max((len(one - then) for one in later), default=0),
        late_bytes=max((_size(one - then) for one in later), default=0),
        is_changed=bool(later),
    )


def _acts(seen: Sequence[LookLog], sweeps: Sequence[Sequence[str]], run: str, rule_id: str) -> bool:
    kind, _, value = rule_id.partition("=")
    now, amount = seen[-1], float(value) if value and kind != "marker" else 0.0
    names = _names(now.entries)
    match kind:
        case "marker":
            acts = value in names
        case "quiet" | "delete-days":
            acts = _lasts(seen, [one.entries for one in seen]) >= amount * (60.0 if kind == "quiet" else 86_400.0)
        case "delete-copied":
            shapes = [frozenset((path, size) for path, size, _, _ in one.entries) for one in seen]
            acts = _lasts(seen, shapes) >= amount * 60.0
        case "delete-marker":
            there = ["done" in _names(one.entries) for one in seen]
            acts = there[-1] and _lasts(seen, there) >= amount * 3600.0
        case "count":
            planned = [int(one.removeprefix("plan-")) for one in sorted(names) if one.startswith("plan-")]
            others = [one for one in names if one != "done" and not one.startswith("plan-")]
            acts = len(planned) == 1 and planned[0] > 0 and len(others) >= planned[0]
        case "next-run" | "keep-runs":
            acts = _newer(sweeps[: now.sweep + 1], run) >= max(1.0, amount)
        case _:
            raise AssertionError(rule_id)
    return acts


def _lasts(seen: Sequence[LookLog], states: Sequence[object]) -> float:
    first = len(states) - 1
    while first > 0 and states[first - 1] == states[-1]:
        first -= 1
    return seen[-1].elapsed - seen[first].elapsed


def _newer(sweeps: Sequence[Sequence[str]], run: str) -> int:
    began: dict[str, int] = {}
    for number, folders in enumerate(sweeps):
        for folder in folders:
            began.setdefault(folder, number)
    return sum(number > began[run] for number in began.values())


def _names(entries: Entries) -> set[str]:
    return {path for path, _, _, _ in entries}


def _size(entries: Entries) -> int:
    return sum(size for _, size, _, _ in entries)
