"""Makes requests to every operation of the API from its OpenAPI document, with a hostile text in one place each."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

_GOOD = {"title": "A study", "name": "Ada Holm", "orcid": "0000-0002-1825-0097", "licence": "CC-BY-4.0"}
"""What is needed to come as far as the text that is hostile; any other text is a word."""
_NUMBERS = itertools.count()
_DEPTH = 6


class Sent(NamedTuple):
    """A request."""

    method: str
    path: str
    body: bytes | None
    is_hostile: bool


def requests_with(hostile: str, document: Mapping[str, Any], real: Mapping[str, str]) -> Iterator[Sent]:
    """Give requests that are as an operation wants them but for one text, in the address or in the body.

    Args:
        hostile: The text.
        document: The OpenAPI document.
        real: Values of what paths name, by the name of the place.
    """
    for template, operations in document["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json")
            bodies = [None] if content is None else _Bodies(document, content["schema"], hostile).all()
            for path in _paths(template, operation, hostile, real):
                yield Sent(method.upper(), path, bodies[0], is_hostile=False)
            for body in bodies[1:]:
                yield Sent(method.upper(), _filled(template, real), body, is_hostile=True)


def _paths(template: str, operation: Mapping[str, Any], hostile: str, real: Mapping[str, str]) -> Iterator[str]:
    yield _filled(template, real)
    bad = quote(hostile, safe="", errors="surrogatepass")
    for name in re.findall(r"{(\w+)}", template):
        yield _filled(template, {**real, name: bad})
    for one in operation.get("parameters", ()):
        if one["in"] == "query":
            yield f"{_filled(template, real)}?{urlencode({one['name']: hostile}, errors='surrogatepass')}"


def _filled(template: str, values: Mapping[str, str]) -> str:
    return re.sub(r"{(\w+)}", lambda found: values.get(found[1], "none"), template)


class _Bodies:
    """Bodies of one operation."""

    def __init__(self, document: Mapping[str, Any], schema: Any, hostile: str) -> None:
        self._document = document
        self._schema = schema
        self._hostile = hostile
        self._at: int | None = None
        self._texts = 0

    def all(self) -> list[bytes]:
        """Give a good one, and then one for each text in it, with that one hostile."""
        made = [self._write(None)]
        return made + [self._write(at) for at in range(self._texts)]

    def _write(self, at: int | None) -> bytes:
        self._at, self._texts = at, 0
        return json.dumps(
            self._made(self._schema, "", _DEPTH)
        ).encode()  # half a pair is an escape, as programs send it

    def _made(self, schema: Any, name: str, depth: int) -> Any:
        schema = self._resolved(schema)
        if depth == 0:
            return None
        if "enum" in schema:
            return schema["enum"][0]
        match schema.get("type"):
            case "object":
                named = schema.get("properties", {}).items()
                return {key: self._made(inner, key, depth - 1) for key, inner in named} or {self._text(name): None}
            case "array":
                return [self._made(schema.get("items", {}), name, depth - 1)]
            case "integer" | "number" | "boolean":
                return schema.get("minimum", 1)
        return self._text(name)

    def _resolved(self, schema: Any) -> Any:
        while "$ref" in schema or "anyOf" in schema:
            if "anyOf" in schema:
                schema = schema["anyOf"][0]
                continue
            found: Any = self._document
            for step in schema["$ref"].removeprefix("#/").split("/"):
                found = found[step]
            schema = found
        return schema

    def _text(self, name: str) -> str:
        self._texts += 1
        if self._at == self._texts - 1:
            return self._hostile
        return f"study-{next(_NUMBERS)}" if name == "slug" else _GOOD.get(name, "word")
