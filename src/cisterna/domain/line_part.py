"""Parts of a value that is written in one line, with semicolons between them, and read back as they were.

A part that holds a semicolon, or that would be taken for something else, stands in quotation marks (one within it is
doubled); an address that would be stands in angle brackets.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_WORDS = r'"(?P<words>(?:[^"]|"")*)"'
_PART = re.compile(rf"\s*(?:{_WORDS}|<(?P<address>[^<>]*)>|(?P<bare>[^;]*?))\s*(?:;|\Z)")
_FIRST = re.compile(rf"\s*{_WORDS}\s*(?:;(?P<rest>.*))?", re.DOTALL)


class Part(NamedTuple):
    """One part.

    Attributes:
        is_words: It stood in quotation marks, and is nothing but words.
        is_address: It stood in angle brackets.
    """

    text: str
    is_words: bool = False
    is_address: bool = False


def split_parts(line: str) -> list[Part]:
    """Read the parts; marks that do not stand around a whole part are a part of it."""
    parts: list[Part] = []
    at = 0
    while True:
        found = _PART.match(line, at)
        if found is None:
            return parts
        parts.append(_part(found))
        at = found.end()
        if at >= len(line):
            return parts


def quoted_first(line: str) -> tuple[str, str | None] | None:
    """Read a first part that stands in quotation marks, and what comes behind it; None when none does."""
    found = _FIRST.fullmatch(line)
    return None if found is None else (_unquoted(found["words"]), found["rest"])


def unquoted(text: str) -> str:
    """Read a text that is the whole of a line's rest."""
    found = quoted_first(text)
    return text if found is None or found[1] is not None else found[0]


def words_part(text: str, *, is_mistaken: bool = False) -> str:
    """Write a part of words.

    Args:
        text: In one line.
        is_mistaken: Whether it would be taken for something else.
    """
    return quoted(text) if is_mistaken or ";" in text or text[:1] in {'"', "<"} else text


def quoted(text: str) -> str:
    """Write words in quotation marks."""
    return '"' + text.replace('"', '""') + '"'


def joined(*parts: str | None) -> str:
    """Put written parts into one line."""
    return "; ".join(part for part in parts if part is not None)


def _part(found: re.Match[str]) -> Part:
    if found["words"] is not None:
        return Part(_unquoted(found["words"]), is_words=True)
    if found["address"] is not None:
        return Part(found["address"].strip(), is_address=True)
    return Part(found["bare"])


def _unquoted(text: str) -> str:
    return text.replace('""', '"')
