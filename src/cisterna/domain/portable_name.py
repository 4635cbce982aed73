"""Names within one run that another system would mix up, change or refuse.

The archive keeps any name. But a person who restores a run to a Windows or macOS disk would lose the file whose name
differs from another's only in case, or in how an accent is written, without a word; and Windows gives some names to
devices, drops a dot or space at the end, and takes a colon for a stream of another file. So such a run is held until
somebody renames what is named so, or says that it is meant.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

from cisterna.domain.listing import Obstacle, ObstacleKind

MOST_TOLD = 20
"""So many are told by name; the rest are counted."""

_DEVICE = re.compile(
    r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9\u00b9\u00b2\u00b3]) *(?:\.|$)", re.IGNORECASE
)
_REFUSED = re.compile(r'[<>:"|?*\\]')
_REMEDY = "rename it, or let such names through by the instrument's setting unportable_names"


def unportable_names(paths: Iterable[str]) -> tuple[Obstacle, ...]:
    """Tell which names of a run another system would mix up, change or refuse, in the order of the paths.

    Args:
        paths: As they are listed: relative, with `/` between names.
    """
    told: list[Obstacle] = []
    more = 0
    for obstacle in _obstacles(paths):
        if len(told) < MOST_TOLD:
            told.append(obstacle)
        else:
            more += 1
    if more:
        words = f"{more} more names are like these; {_REMEDY}"
        told.append(Obstacle(kind=ObstacleKind.UNPORTABLE, shown="(the rest)", reason=words))
    return tuple(told)


def _obstacles(paths: Iterable[str]) -> Iterator[Obstacle]:
    spelled: dict[tuple[str, str], str] = {}
    met = {""}
    for path in paths:
        for parent, entry in _entries(path, met):
            before = f"{parent}/" if parent else ""
            fault = _fault(entry)
            if fault is not None:
                yield _obstacle(before + entry, f"'{before}{entry}' {fault}")
            twin = spelled.setdefault((parent, _folded(entry)), entry)
            if twin != entry:
                differ = "differ only in case or in how an accent is written"
                words = (
                    f"'{before}{twin}' and '{before}{entry}' {differ}, and a Windows or macOS disk keeps one of them"
                )
                yield _obstacle(before + entry, words)


def _entries(path: str, met: set[str]) -> list[tuple[str, str]]:
    """Give the file, and the folders on the way to it that were not met before, each with its parent."""
    entries, (parent, _, name) = [], path.rpartition("/")
    entries.append((parent, name))
    while parent not in met:
        met.add(parent)
        parent, _, name = parent.rpartition("/")
        entries.append((parent, name))
    return entries


def _obstacle(shown: str, words: str) -> Obstacle:
    return Obstacle(kind=ObstacleKind.UNPORTABLE, shown=shown, reason=f"{words}; {_REMEDY}")


def _fault(name: str) -> str | None:
    if name[-1] in ". ":
        return "ends in a dot or a space, which Windows drops"
    refused = _REFUSED.search(name)
    if refused is not None:
        return f"holds '{refused[0]}', which no name on a Windows disk can"
    if _DEVICE.match(name):
        return "is the name of a device on Windows, where no file can have it"
    return None


def _folded(name: str) -> str:
    """Write names alike that a system may take for one: Unicode's caseless match over composed characters."""
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())
