"""Text from outside, made fit to be shown, filed and sent on: nothing invisible or reordering, and no floods."""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated

from pydantic import AfterValidator

from cisterna.domain.errors import HostileInput

LINE_LIMIT = 1000
"""Characters that a title, a name or a keyword may have."""
PROSE_LIMIT = 20_000
"""Characters that a description may have."""

_REORDERING = {0x061C, 0x200B, 0x200E, 0x200F, 0xFEFF, *range(0x202A, 0x202F), *range(0x2066, 0x206A)}
"""Marks that change the direction of text or hide in it; joiners stay, since scripts need them."""
_SPACES = re.compile(r"[^\S\n]+")


def clean_line(text: str) -> str:
    """Return the text as one line without control, direction and other invisible marks, in Unicode's form C.

    Raises:
        HostileInput: It is longer than `LINE_LIMIT`, empty once cleaned, or no valid Unicode.
    """
    return _clean(text, limit=LINE_LIMIT, lines=False)


def clean_prose(text: str) -> str:
    """Return the text cleaned like a line, with its line ends. Raises `HostileInput` above `PROSE_LIMIT`."""
    return _clean(text, limit=PROSE_LIMIT, lines=True)


def cut_line(text: str) -> str | None:
    """Return what of a text fits a line, cleaned; None when nothing usable is left. For texts that only accompany."""
    try:
        return clean_line(text[:LINE_LIMIT])
    except HostileInput:
        return None


def cut_prose(text: str) -> str | None:
    """Return what of a text fits a description, cleaned; None when nothing usable is left."""
    try:
        return clean_prose(text[:PROSE_LIMIT])
    except HostileInput:
        return None


_MAIL_ADDRESS = re.compile(r"(?<![^\s<>'\"(){}\[\],;=])[^\s<>'\"(){}\[\],;=@/]{1,64}@[\w.-]{1,255}")


def without_mail_addresses(text: str) -> str:
    """Give a text that many may read without the mail addresses that others wrote into it."""
    return _MAIL_ADDRESS.sub("(a mail address)", text)


def shorten(text: str, length: int) -> str:
    """Return a text, or its beginning up to the end of a word with an ellipsis."""
    if len(text) <= length:
        return text
    return f"{(text[: length - 1].rsplit(None, 1) or [''])[0]}\N{HORIZONTAL ELLIPSIS}"


def _clean(text: str, *, limit: int, lines: bool) -> str:
    if len(text) > 4 * limit:
        msg = f"a text has {len(text):,} characters and at most {limit:,} are taken; shorten it"
        raise HostileInput(msg, length=len(text), limit=limit)
    unified = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    kept = "".join(_keep(character, lines=lines) for character in unified)
    cleaned = "\n".join(_SPACES.sub(" ", line).strip() for line in kept.split("\n")).strip()
    cleaned = unicodedata.normalize("NFC", cleaned)  # what stood between two marks may have kept them from composing
    if not cleaned:
        msg = "a text is empty once invisible characters are taken out; leave it out or write it anew"
        raise HostileInput(msg)
    if len(cleaned) > limit:
        msg = f"a text has {len(cleaned):,} characters and at most {limit:,} are taken; shorten it"
        raise HostileInput(msg, length=len(cleaned), limit=limit)
    return cleaned


def _keep(character: str, *, lines: bool) -> str:
    code = ord(character)
    if character in "\n\u2028\u2029\x85":
        return "\n" if lines else " "
    if character == "\t":
        return " "
    if 0xD800 <= code <= 0xDFFF:
        msg = "a text is not valid Unicode (it holds half a character pair); save it as UTF-8 and try again"
        raise HostileInput(msg)
    if code in _REORDERING or 0xE0000 <= code <= 0xE007F or (code & 0xFFFE) == 0xFFFE:
        return ""
    return "" if unicodedata.category(character) == "Cc" else character


def _line_for_pydantic(text: str) -> str:
    try:
        return clean_line(text)
    except HostileInput as refusal:
        raise ValueError(str(refusal)) from refusal


def _prose_for_pydantic(text: str) -> str:
    try:
        return clean_prose(text)
    except HostileInput as refusal:
        raise ValueError(str(refusal)) from refusal


Line = Annotated[str, AfterValidator(_line_for_pydantic)]
"""One cleaned line of text."""
Prose = Annotated[str, AfterValidator(_prose_for_pydantic)]
"""Cleaned text of one or more lines."""
