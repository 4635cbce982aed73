"""Which files of a Squid's run are written together, and in which order: fields of a time point, and time points."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from cisterna.ports.profile import Stretch

_LATER_FIELDS = 2
"""Images are saved by workers beside the one that drives the stage, so those of a field may come after the next one's
first."""


def squid_stretches(paths: Iterable[str], *, fields: Sequence[str], marker: str) -> list[Stretch]:
    """Give the stretches of all time points, each a folder that is a number.

    Args:
        paths: That are there.
        fields: How the names of each field's images begin, such as `A1_0_`, in the order of the plan; without any, a
            time point is one stretch.
        marker: Name of the file that Squid writes into a time point's folder when it has ended.
    """
    times: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        folder, slash, name = path.partition("/")
        if slash and folder.isdecimal() and len(folder) < 10:
            times[folder].append(name)
    order = {field: place for place, field in enumerate(fields)}
    stretches: list[Stretch] = []
    for folder in sorted(times, key=int):
        names = times[folder]
        is_marked = marker in names
        held: dict[int | None, list[str]] = defaultdict(list)
        for name in names:
            held[_field_of(name, order)].append(f"{folder}/{name}")
        present = sorted(one for one in held if one is not None)
        stretches += [Stretch(tuple(held[place]), is_marked, later=_LATER_FIELDS) for place in present]
        if rest := held.get(None):
            stretches.append(Stretch(tuple(rest), is_marked))
    return stretches


def _field_of(name: str, order: Mapping[str, int]) -> int | None:
    """Find the field that a name belongs to: regions may hold `_` and numbers themselves, so the longest one."""
    end = name.rfind("_")
    while end > 0:
        place = order.get(name[: end + 1])
        if place is not None:
            return place
        end = name.rfind("_", 0, end)
    return None
