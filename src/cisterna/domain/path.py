"""Paths inside an acquisition or a dataset."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

from cisterna.domain.errors import HostileInput

_SAFE = r"[^/\x00-\x1f\x7f\ud800-\udfff]"
_PLAIN = re.compile(rf"(?!\.){_SAFE}+(?:/(?!\.){_SAFE}+)*")
"""What nearly every path is: told at once, for an inventory has 200,000 of them and is read at every commit."""


def relative_path(text: str) -> str:
    """Return the path if it is relative, normalised and representable; refuse it otherwise.

    Raises:
        HostileInput: It is empty, absolute, climbs (`..`), has empty or `.` parts, holds NUL or a control character, or
            is not valid UTF-8 (Python shows such bytes as surrogates).
    """
    if _PLAIN.fullmatch(text):
        return text
    shown = text.encode("utf-8", "backslashreplace").decode()
    if not text or text.startswith("/"):
        msg = f"'{shown}' is not a path relative to its folder; give one that does not begin with '/'"
        raise HostileInput(msg, path=shown)
    if any(part in {"", ".", ".."} for part in text.split("/")):
        msg = f"'{shown}' climbs out of its folder or is not normalised; write it as it was listed"
        raise HostileInput(msg, path=shown)
    if any("\ud800" <= character <= "\udfff" for character in text):
        msg = f"the name '{shown}' is not valid UTF-8; write it as it was listed"
        raise HostileInput(msg, path=shown)
    if any(ord(character) < 32 or ord(character) == 127 for character in text):
        msg = f"the name '{shown!r}' holds a control character; write it as it was listed"
        raise HostileInput(msg, path=shown)
    return text


def inner_path(text: str) -> str:
    """Return the path if it stays inside its folder, whatever characters its names are made of.

    Raises:
        HostileInput: It is empty, absolute, climbs, has empty or `.` parts, or holds NUL.
    """
    if "\0" in text or any(part in {"", ".", ".."} for part in text.split("/")):
        shown = text.encode("utf-8", "backslashreplace").decode()
        msg = f"{shown!r} climbs out of its folder or is not normalised; look at where it comes from"
        raise HostileInput(msg, path=shown)
    return text


def _for_pydantic(text: str) -> str:
    try:
        return relative_path(text)
    except HostileInput as refusal:
        raise ValueError(str(refusal)) from refusal


RelativePath = Annotated[str, AfterValidator(_for_pydantic)]
"""A normalised POSIX path, relative to the folder it belongs to."""
