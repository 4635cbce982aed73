"""Chooses what to send by the Accept header (RFC 9110, section 12.5.1), parameters such as profiles included."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PIECES = {mark: re.compile(rf'(?:[^{mark}"]|"(?:[^"\\]|\\.)*"?)+') for mark in ",;"}
"""What stands between marks, where a mark within quotes is none."""
_QUALITY = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")
_RANGES_READ = 100
_UTF_8 = ("charset", "utf-8")


class MediaType(NamedTuple):
    """A media type, or a range of them where `*` stands for all.

    Attributes:
        parameters: Name and value of each; a profile that names several addresses is as many parameters.
    """

    kind: str
    subtype: str
    parameters: frozenset[tuple[str, str]] = frozenset()

    @property
    def specificity(self) -> tuple[bool, bool, int]:
        """How narrow a range is; the narrower of two says more."""
        return self.kind != "*", self.subtype != "*", len(self.parameters)

    def takes(self, other: MediaType) -> bool:
        """Tell whether a media type lies within this range."""
        return (
            self.kind in {"*", other.kind}
            and self.subtype in {"*", other.subtype}
            and self.parameters <= other.parameters
        )


class Wish(NamedTuple):
    """One range of an Accept header, and how much it is liked; 0 is not at all."""

    range: MediaType
    quality: float


def choose_media_type(accept: str | None, offered: Sequence[str]) -> str | None:
    """Return the media type that the asker likes best of those offered; of equals the one offered first.

    A header that says nothing that can be read is as good as none.

    Args:
        accept: The Accept header, where there is one.
        offered: Media types with their parameters, the one for anybody first.

    Returns:
        None where nothing offered is acceptable.
    """
    wishes = list(read_wishes(accept or ""))
    if not wishes:
        return offered[0] if offered else None
    best, best_rank = None, (0.0, (False, False, -1))
    for text in offered:
        found = read_media_type(text)
        fitting = [wish for wish in wishes if found is not None and wish.range.takes(found)]
        if not fitting:
            continue
        narrowest = max(fitting, key=lambda wish: (wish.range.specificity, wish.quality))
        rank = (narrowest.quality, narrowest.range.specificity)
        if narrowest.quality > 0 and rank > best_rank:
            best, best_rank = text, rank
    return best


def read_wishes(accept: str) -> Iterator[Wish]:
    """Read the ranges of an Accept header; what cannot be read is passed over."""
    for number, element in enumerate(_PIECES[","].findall(accept)):
        if number == _RANGES_READ:
            return
        found = _read(element)
        if found is None:
            continue
        range_, quality = found
        if quality is not None:
            yield Wish(range_, quality)


def read_media_type(text: str) -> MediaType | None:
    """Read a media type with its parameters; None is none."""
    found = _read(text)
    return found[0] if found else None


def _read(element: str) -> tuple[MediaType, float | None] | None:
    """Read a media type and its quality, which is None where it is none."""
    pieces = _PIECES[";"].findall(element)
    kind, _, subtype = (pieces[0] if pieces else "").strip().lower().partition("/")
    if not (_TOKEN.fullmatch(kind) and _TOKEN.fullmatch(subtype)) or (kind == "*" and subtype != "*"):
        return None
    parameters: set[tuple[str, str]] = set()
    quality: float | None = 1.0
    for parameter in pieces[1:]:
        key, sign, value = (part.strip() for part in parameter.partition("="))
        key, value = key.lower(), _unquoted(value)
        if key == "q":
            quality = float(value) if _QUALITY.fullmatch(value) else None
        elif key == "profile":
            parameters |= {(key, one) for one in value.split()}
        elif sign and (key, value.lower()) != _UTF_8:  # the one that every text of ours is written in
            parameters.add((key, value.lower()))
    return MediaType(kind, subtype, frozenset(parameters)), quality


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] == '"':
        return re.sub(r"\\(.)", r"\1", value[1:-1])
    return value
