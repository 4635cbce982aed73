"""Reads how an FCS file begins: where its parts lie (HEADER), and its keywords (TEXT).

FCS 2.0 (1990), 3.0 (1997), 3.1 (Spidlen et al., Cytometry A 77, 2010) and 3.2 (Spidlen et al., Cytometry A 99, 2021).
Nothing here raises: what is not there or is no number is None.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

VERSIONS = frozenset({b"FCS2.0", b"FCS3.0", b"FCS3.1", b"FCS3.2"})
HEADER_BYTES = 58
MOST_EVENTS, MOST_BYTES = 10**12, 10**15
"""What a keyword may claim at most; a larger number is taken for none."""

Part = tuple[int, int]
"""Where a part begins and ends, both within it, counted from the first byte of its HEADER."""

_NAMES = ("TEXT", "DATA", "ANALYSIS")


def parts_of(header: bytes) -> dict[str, Part] | None:
    """Read where the parts lie: offsets of eight characters; None when they are none. Parts that are not there lack.

    Offsets of a part beyond the first 99,999,999 bytes are zero or blank, and stand in TEXT. What ANALYSIS has for
    offsets is believed only where it is a number, since nothing depends on it.
    """
    cells = [header[at : at + 8].strip(b" \0") for at in range(10, HEADER_BYTES, 8)]
    if any(cell and not _is_offset(cell) for cell in cells[:4]):
        return None
    numbers = [int(cell) if _is_offset(cell) else 0 for cell in cells]
    if not (numbers[0] and numbers[1]):
        return None
    pairs = zip(_NAMES, numbers[::2], numbers[1::2], strict=True)
    return {name: (begin, end) for name, begin, end in pairs if begin and end}


def _is_offset(cell: bytes) -> bool:
    return re.fullmatch(rb"\d{1,8}", cell) is not None


def keywords_of(text: bytes) -> dict[str, str]:
    """Read TEXT: keys and values between a character that the first byte names; twice, it stands for itself.

    Some software leaves a value empty, against the standard, so that its key and the next one run together: of such a
    key only the last piece is believed.
    """
    mark = text[:1]
    if not mark or mark == b"\0":
        return {}
    doubled = b"\0\0"  # no text holds a NUL, so this stands for nothing else
    cells = [cell.replace(doubled, mark) for cell in text[1:].replace(mark * 2, doubled).split(mark)]
    words = [cell.decode("utf-8", "replace").strip() for cell in cells]
    shown = mark.decode("utf-8", "replace")
    return {key.rpartition(shown)[2].upper(): value for key, value in zip(words[::2], words[1::2], strict=False)}


def count_of(said: Mapping[str, str], key: str, *, most: int) -> int | None:
    """Give the whole number that a keyword has; None without one, and for more than `most`."""
    text = said.get(key)
    number = int(text) if text is not None and re.fullmatch(r"[0-9]{1,18}", text.strip()) else None
    return number if number is not None and number <= most else None
