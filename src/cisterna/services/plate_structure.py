"""What a run lacks: time points, wells, fields and planes that the rest of the run says should be there. Pure.

Nothing here knows the plan, which the rule `plan-fulfilled` holds the run against: what should be there follows from
what is. Of what is missing as a whole its parts are not counted again.

What is missing may be far more than what is there, such as when each image tells of a channel of its own: it is
reckoned, and only what is named is gone through.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import merge
from itertools import islice

from cisterna.services.summary import SummaryRow

_NAMED = 5
_LEAST_WELLS = 3
"""So many wells must be there before one is expected to have the fields that the others have."""
_USUAL_SHARE = 2 / 3
_MOST_GAP = 100_000
"""Numbers farther apart than this are names, and nothing is missing between them."""


@dataclass(frozen=True)
class Placed:
    """One image or plane and where it belongs.

    Attributes:
        inside: The maker's file whose plane it is; None for a file that is one image.
    """

    region: str
    field: str
    channel: str
    z: int
    t: int
    inside: str | None = None

    @property
    def well(self) -> tuple[str | None, str]:
        """Name its well; makers' files each have their own."""
        return (self.inside, self.region)


@dataclass
class _Missing:
    """Counts what is missing, and names the first of it."""

    count: int = 0
    names: list[str] = field(default_factory=list)

    def add(self, count: int, names: Iterable[str]) -> None:
        """Count so many, and take as many of their names as are still told."""
        self.count += count
        self.names += islice(names, _NAMED - len(self.names))

    @property
    def words(self) -> str | None:
        if not self.count:
            return None
        more = f" and {self.count - len(self.names):,} more" if self.count > len(self.names) else ""
        return f"Missing: {'; '.join(self.names)}{more}"


COLUMNS = ("time_points", "wells", "fields", "channels", "z_planes")


def plate_structure(placed: Sequence[Placed]) -> SummaryRow:
    """Count and name what is missing: `<thing>_missing` and `<thing>_missing_names`, both None without any place.

    - A time point is missing whose number lies between two others'.
    - A well is missing at a time point at which others were taken, if it was taken at another one.
    - A field of a well is missing at a time point, if it was taken at another one, or if at least two thirds of three
      or more wells have the same fields and it is one of theirs.
    - A channel is missing at a field and time point that has others, if it was taken anywhere.
    - A plane is missing in a channel's stack, if more than half of that channel's stacks have it, or its number lies
      between two others' of the stack.
    """
    if not placed:
        return dict.fromkeys(f"{name}_missing{end}" for name in COLUMNS for end in ("", "_names"))
    found = {
        "time_points": _time_points(placed),
        **_wells_and_fields(placed),
        "channels": _channels(placed),
        "z_planes": _z_planes(placed),
    }
    row: SummaryRow = {}
    for name in COLUMNS:
        row[f"{name}_missing"], row[f"{name}_missing_names"] = found[name].count, found[name].words
    return row


def _time_points(placed: Sequence[Placed]) -> _Missing:
    missing = _Missing()
    by_file: dict[str | None, set[int]] = defaultdict(set)
    for one in placed:
        by_file[one.inside].add(one.t)
    for inside, times in sorted(by_file.items(), key=lambda item: item[0] or ""):
        count, between = _between(times)
        missing.add(count, (f"time point {time}{_of_file(inside)}" for time in between))
    return missing


def _wells_and_fields(placed: Sequence[Placed]) -> dict[str, _Missing]:
    wells, fields = _Missing(), _Missing()
    taken: dict[tuple[str | None, str], dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    times: dict[str | None, set[int]] = defaultdict(set)
    for one in placed:
        taken[one.well][one.t].add(one.field)
        times[one.inside].add(one.t)
    fields_of: dict[str | None, list[frozenset[str]]] = defaultdict(list)
    for (inside, _), by_time in taken.items():
        fields_of[inside].append(frozenset().union(*by_time.values()))
    usual = {inside: _usual_fields(some) for inside, some in fields_of.items()}
    ordered = {inside: sorted(some) for inside, some in times.items()}
    for (inside, region), by_time in sorted(taken.items(), key=lambda item: (item[0][0] or "", item[0][1])):
        run = ordered[inside]
        absent = (time for time in run if time not in by_time)
        wells.add(len(run) - len(by_time), (f"{region} at time point {time}{_of_file(inside)}" for time in absent))
        own = sorted(frozenset().union(*by_time.values()) | usual[inside])
        for time, there in sorted(by_time.items()):
            where = f"{f' at time point {time}' if len(run) > 1 else ''}{_of_file(inside)}"
            names = (name for name in own if name not in there)
            fields.add(len(own) - len(there), (f"{region} field {name}{where}" for name in names))
    return {"wells": wells, "fields": fields}


def _usual_fields(wells: Sequence[frozenset[str]]) -> frozenset[str]:
    """Give the fields that most wells have in common by design; none where wells differ."""
    if len(wells) < _LEAST_WELLS:
        return frozenset()
    fields, count = Counter(wells).most_common(1)[0]
    return fields if count >= _USUAL_SHARE * len(wells) else frozenset()


def _channels(placed: Sequence[Placed]) -> _Missing:
    missing = _Missing()
    at: dict[tuple[str, str, str, int], set[str]] = defaultdict(set)
    channels: dict[str, set[str]] = defaultdict(set)
    for one in placed:
        at[one.inside or "", one.region, one.field, one.t].add(one.channel)
        channels[one.inside or ""].add(one.channel)
    ordered = {inside: sorted(some) for inside, some in channels.items()}
    for (inside, region, name, time), there in sorted(at.items()):
        where = f"{region} field {name} at time point {time}{_of_file(inside)}"
        absent = (channel for channel in ordered[inside] if channel not in there)
        missing.add(len(ordered[inside]) - len(there), (f"{channel} of {where}" for channel in absent))
    return missing


def _z_planes(placed: Sequence[Placed]) -> _Missing:
    missing = _Missing()
    stacks: dict[tuple[str, str], dict[tuple[str, str, int], set[int]]] = defaultdict(lambda: defaultdict(set))
    for one in placed:
        stacks[one.channel, one.inside or ""][one.region, one.field, one.t].add(one.z)
    for (channel, inside), members in sorted(stacks.items()):
        usual = _usual(members.values())
        for (region, name, time), levels in sorted(members.items()):
            where = f"{channel}, {region} field {name}, time point {time}{_of_file(inside)}"
            count, between = _between(levels)
            low, high = min(levels), max(levels)
            others = sorted(one for one in usual - levels if not count or not low < one < high)
            missing.add(count + len(others), (f"plane {level} of {where}" for level in merge(others, between)))
    return missing


def _usual(sets: Iterable[set[int]]) -> set[int]:
    """Give what more than half of the sets have."""
    held = list(sets)
    counts: Mapping[int, int] = Counter(one for some in held for one in some)
    return {one for one, count in counts.items() if 2 * count > len(held)}


def _between(numbers: set[int]) -> tuple[int, Iterator[int]]:
    """Count the numbers that lie between others and are not there, and give them."""
    low, high = min(numbers), max(numbers)
    if high - low > _MOST_GAP:
        return 0, iter(())
    return high - low + 1 - len(numbers), (one for one in range(low, high) if one not in numbers)


def _of_file(inside: str | None) -> str:
    return f" of {inside}" if inside else ""
