"""Writes values for people: sizes with units, times with their zone, a word for every state."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from markupsafe import Markup

from cisterna.web.wording import say

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def size(count: int | None) -> str:
    """Write a number of bytes in decimal units, such as `12.6 MB`."""
    if count is None:
        return say("value.none")
    amount, unit = float(count), 0
    while amount >= 999.5 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1000, unit + 1
    if unit == 0:
        return f"{count} {_UNITS[0]}"
    return f"{amount:.{0 if amount >= 99.95 else 1}f} {_UNITS[unit]}"


def moment(when: datetime | None) -> str:
    """Write a time in UTC, to the second."""
    return when.strftime("%Y-%m-%d %H:%M:%S UTC") if when else say("value.none")


def day(when: datetime | None) -> str:
    """Write the day of a time in UTC."""
    return when.strftime("%Y-%m-%d") if when else say("value.none")


def ago(when: datetime | None, now: datetime) -> str:
    """Write how long ago something was, coarsely; the exact time belongs beside it."""
    if when is None:
        return say("value.none")
    seconds = max(0, int((now - when).total_seconds()))
    for name, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= length:
            return say(f"ago.{name}", count=seconds // length)
    return say("ago.second", count=seconds)


def left(seconds: float | None) -> str:
    """Write how long something will take, coarsely; nothing can be said while nothing moves."""
    if seconds is None:
        return say("left.unknown")
    for name, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= length:
            return say(f"left.{name}", count=round(seconds / length))
    return say("left.second", count=round(seconds))


def lasting(seconds: float | None) -> str:
    """Write how long something took, in the unit that tells it best."""
    if seconds is None:
        return say("value.none")
    for name, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= 2 * length:
            return say(f"lasting.{name}", count=round(seconds / length))
    return say("lasting.second", count=f"{seconds:.1f}" if seconds < 10 else round(seconds))


def number(value: Any) -> str:
    """Write a number with separators and at most four significant decimals; anything else as text."""
    if isinstance(value, bool) or value is None:
        return say("value.none") if value is None else str(value).lower()
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}"
    return str(value)


def data_block(document: str) -> Markup:
    """Make a JSON document safe inside a script element: no character in it can end the element.

    Raises:
        ValueError: It is not JSON.
    """
    text = json.dumps(json.loads(document), ensure_ascii=False, indent=2)
    for character, escape in _ESCAPES.items():
        text = text.replace(character, escape)
    return Markup(text)  # noqa: S704 - every character that could leave the element was replaced above
