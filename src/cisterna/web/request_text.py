"""Refuses what a program sends as text and is none: half a character pair, which is no Unicode, and NUL."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fastapi import Request
from pydantic import JsonValue

from cisterna.domain.errors import InvalidInput
from cisterna.web.wording import say

_NO_TEXT = re.compile("[\x00\ud800-\udfff]")
_KEY_SHOWN = 40
_PLACE_SHOWN = 200


async def require_text(request: Request) -> None:
    """Look at every text of a JSON body, names included.

    Raises:
        InvalidInput: One holds what neither the database nor a file of ours can, or the body is no JSON.
    """
    if "json" not in request.headers.get("content-type", "") or not await request.body():
        return
    try:
        sent = await request.json()
    except (ValueError, RecursionError) as fault:  # sent to what takes no body, so nobody has read it before
        raise InvalidInput(say("problem.no_json")) from fault
    for place, text in _texts(sent):
        found = _NO_TEXT.search(text)
        if found is not None:
            sign = f"\\u{ord(found[0]):04x}"
            raise InvalidInput(say("problem.no_text", place=place[:_PLACE_SHOWN], sign=sign))


def _texts(body: JsonValue) -> Iterator[tuple[str, str]]:
    """Give each text with its place, without recursion: a body may be nested as deep as it is long."""
    waiting: list[tuple[str, JsonValue]] = [("body", body)]
    while waiting:
        place, value = waiting.pop()
        match value:
            case str():
                yield place, value
            case list():
                waiting += [(f"{place}.{at}", one) for at, one in enumerate(value)]
            case dict():
                for key, one in value.items():
                    yield f"{place} (a name)", key
                    waiting.append((f"{place}.{key[:_KEY_SHOWN]}", one))
