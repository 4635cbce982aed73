"""Finds the installed profiles, ours and those of others; one with a mistake is named, and the rest go on."""

from __future__ import annotations

import inspect
import math
import re
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint

from cisterna.domain.plug_in import PlugInFault
from cisterna.ports.profile import Profile

_OURS = "cisterna"
_LAST = "folder"  # fits any folder that a checksum file closes, so it is asked last
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_METHODS = ("claims", "inspect", "describe", "delivered", "is_image", "plane")
_TIMES = ("quiet_seconds", "stalled_seconds")


@dataclass(frozen=True)
class InstalledProfiles:
    """What was found.

    Attributes:
        usable: Profiles by name, in the order in which a folder is shown to them.
        packages: That brought each.
        faults: Of those that cannot be used.
    """

    usable: dict[str, Profile] = field(default_factory=dict)
    packages: dict[str, str] = field(default_factory=dict)
    faults: list[PlugInFault] = field(default_factory=list)

    def fault_of(self, name: str) -> PlugInFault | None:
        """Find what is wrong with a profile, by the name of its entry point."""
        return next((fault for fault in self.faults if fault.name == name), None)


def installed_profiles(points: Iterable[EntryPoint]) -> InstalledProfiles:
    """Load the profiles of entry points; ours come first, so that no other takes one's name."""
    found = InstalledProfiles()
    ordered = sorted(points, key=lambda one: (_package(one) != _OURS, one.name == _LAST, one.name))
    for point in ordered:
        made = _made(point)
        if isinstance(made, PlugInFault):
            found.faults.append(made)
        elif made.name in found.usable:
            taken = f"its name '{made.name}' is that of a profile of {found.packages[made.name]}"
            found.faults.append(_fault(point, taken, _where(type(made)), "give it another name"))
        else:
            found.usable[made.name] = made
            found.packages[made.name] = _package(point)
    if _LAST in found.usable:
        found.usable[_LAST] = found.usable.pop(_LAST)
    return found


def _made(point: EntryPoint) -> Profile | PlugInFault:
    """Load one and look at it. Whatever a plug-in raises is its own fault, and none of ours or the others'."""
    try:
        kind = point.load()
    except (Exception, SystemExit) as error:  # noqa: BLE001
        return _fault(point, _told(error), _raised_at(error, point), "mend that line, or uninstall the package")
    try:
        profile = kind()
    except (Exception, SystemExit) as error:  # noqa: BLE001
        words = f"{point.value} cannot be made without arguments: {_told(error)}"
        return _fault(point, words, _where(kind), "name a class whose instances are made without any")
    try:
        wrong = _wrong(profile)
    except Exception as error:  # noqa: BLE001
        wrong = f"one of its attributes cannot be read: {_told(error)}"
    if wrong is not None:
        return _fault(point, wrong, _where(type(profile)), "see ports/profile.py for what a profile has")
    made: Profile = profile
    return made


def _wrong(profile: object) -> str | None:
    """Say what a profile lacks, or has of the wrong kind."""
    name = getattr(profile, "name", None)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return f"its `name` is {name!r:.80}, and must be of lower-case letters, digits, dot and dash"
    for attribute in _TIMES:
        seconds = getattr(profile, attribute, None)
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < math.inf:
            return f"its `{attribute}` is {seconds!r:.80}, and must be a number of seconds"
    for method in _METHODS:
        called = getattr(profile, method, None)
        if not callable(called):
            return f"it has no method `{method}`"
        if not _takes_one(called):
            return f"its method `{method}` does not take one argument"
    return None


def _takes_one(called: Callable[..., object]) -> bool:
    try:
        inspect.signature(called).bind(None)
    except TypeError:
        return False
    except ValueError:
        return True  # one written in C tells nothing of its arguments
    return True


def _fault(point: EntryPoint, reason: str, place: str, fix: str) -> PlugInFault:
    return PlugInFault(name=point.name, package=_package(point), place=place, reason=reason, fix=fix)


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "unknown"


def _told(error: BaseException) -> str:
    words = " ".join(str(error).split())[:500]
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def _raised_at(error: BaseException, point: EntryPoint) -> str:
    """Name the line of the plug-in that failed; where none of its lines ran, its entry point is wrong."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}, line {error.lineno}"
    frames: Sequence[traceback.FrameSummary] = traceback.extract_tb(error.__traceback__)
    own = [one for one in frames if "importlib" not in one.filename and one.filename != __file__]
    return f"{own[-1].filename}, line {own[-1].lineno}" if own else f"entry point {point.name} = {point.value}"


def _where(kind: object) -> str:
    try:
        file = inspect.getsourcefile(kind)  # type: ignore[arg-type]
        _, line = inspect.getsourcelines(kind)  # type: ignore[arg-type]
    except (OSError, TypeError):
        return f"{kind!r:.100}"
    return f"{file}, line {line}"
