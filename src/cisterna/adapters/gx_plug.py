"""Expectations of others, by entry point of the group `cisterna.checks`; loaded in the quality process alone.

An entry point has the name of the expectation and names its class. Whatever a package does while it is loaded is a
fault of that package: the others, and Great Expectations' own, stay what they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from cisterna.adapters.local_service import one_line

GROUP = "cisterna.checks"


@cache
def plugged_checks() -> frozenset[str]:
    """Name them, without loading any; a package that is installed later is seen after a restart."""
    return frozenset(point.name for point in entry_points(group=GROUP))


def load_checks(
    registered: MutableMapping[str, type], *, base: type, points: Iterable[EntryPoint] | None = None
) -> dict[str, str]:
    """Load all, and say of those that cannot be used why; a rule with such a type is not assessed.

    Args:
        registered: Where classes of expectations put themselves when they are made, by type.
        base: Of all expectations.
        points: Instead of those that are installed.
    """
    own, faults = dict(registered), {}
    for point in entry_points(group=GROUP) if points is None else points:
        fault = _load(point, registered, own, base)
        registered.update(own)
        if fault is not None and point.name not in own:  # what has the name keeps it, and judges on
            faults[point.name] = f"the check {point.name} of {point.value} cannot be used: {fault}"
    return faults


def _load(point: EntryPoint, registered: MutableMapping[str, type], own: Mapping[str, type], base: type) -> str | None:
    if point.name in own:
        return "its name is taken; give it another one"
    try:
        kind = point.load()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a package raises is its own fault
        return one_line(error)
    if not (isinstance(kind, type) and issubclass(kind, base)):
        return "it is no class of an expectation of Great Expectations"
    usurped = sorted(name for name, known in own.items() if registered.get(name) is not known)
    if usurped:
        return f"its module puts a class in the place of {usurped[0]}; name that class otherwise"
    wanted = "".join(part.capitalize() for part in point.name.split("_"))
    if kind.__name__ != wanted:
        return f"its class is named {kind.__name__}; call it {wanted}"
    registered[point.name] = kind
    return None
