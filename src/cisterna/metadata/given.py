"""Reads `metadata.yaml`, the file by which people describe data they put beside it."""

from __future__ import annotations

from collections.abc import Iterator

import yaml
from pydantic import ValidationError

from cisterna.domain.errors import HostileInput, InvalidInput
from cisterna.metadata.given_fault import fault_words
from cisterna.metadata.record import Given

FILE_NAME = "metadata.yaml"
SIZE_LIMIT_BYTES = 256 * 1024

_DEPTH_LIMIT = 8
_EVENT_LIMIT = 20_000

Tree = str | None | list["Tree"] | dict[str, "Tree"]


def read_given(body: bytes) -> Given:
    """Read what a person says of a dataset.

    Every value is taken as the text that was written: YAML's own guesses would turn the answer `no` into a false and a
    date into a number. Anchors, aliases, tags, deep nesting and floods are refused before anything is built.

    Raises:
        HostileInput: It is too large, too deep, or uses a feature of YAML that this file does not need.
        InvalidInput: It is not YAML, or a field is unknown or has a wrong value; the message names each.
    """
    if len(body) > SIZE_LIMIT_BYTES:
        msg = f"{FILE_NAME} has {len(body):,} bytes and at most {SIZE_LIMIT_BYTES:,} are read; shorten it"
        raise HostileInput(msg, size_bytes=len(body))
    try:
        text = body.decode("utf-8-sig")
        tree = _document(_bounded(text))
    except UnicodeDecodeError as error:
        msg = f"{FILE_NAME} is not UTF-8 text; save it as UTF-8"
        raise InvalidInput(msg) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" in line {mark.line + 1}" if mark is not None else ""
        msg = f"{FILE_NAME} is not valid YAML{place}: {getattr(error, 'problem', None) or 'a character is not allowed'}"
        raise InvalidInput(msg) from error
    except (ValueError, OverflowError) as error:  # of the parser: a number without end, a character beyond Unicode
        msg = f"{FILE_NAME} is not valid YAML: a number or a character in it is out of range"
        raise InvalidInput(msg) from error
    if not isinstance(tree, dict):
        msg = f"{FILE_NAME} must be a list of fields, such as `title: ...`"
        raise InvalidInput(msg)
    try:
        return Given.model_validate(tree)
    except ValidationError as error:
        msg = f"{FILE_NAME} cannot be used: {fault_words(error)}"
        raise InvalidInput(msg) from error


def _bounded(text: str) -> Iterator[yaml.Event]:
    """Give the file's parse events, or refuse; the parser keeps its own stack, so depth costs nothing here."""
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=yaml.SafeLoader)):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) or getattr(event, "tag", None):
            msg = f"{FILE_NAME} uses an anchor, an alias or a tag of YAML; write the values out"
            raise HostileInput(msg)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEPTH_LIMIT or count > _EVENT_LIMIT:
            msg = f"{FILE_NAME} is nested or filled beyond any use; keep to the fields that the manual names"
            raise HostileInput(msg)
        yield event


def _document(events: Iterator[yaml.Event]) -> Tree:
    for event in events:
        if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent):
            tree = _value(event, events)
            for rest in events:
                if isinstance(rest, yaml.DocumentStartEvent):
                    msg = f"{FILE_NAME} holds more than one document; keep one"
                    raise InvalidInput(msg)
            return tree
    return {}


def _value(event: yaml.Event, events: Iterator[yaml.Event]) -> Tree:
    if isinstance(event, yaml.ScalarEvent):
        return None if not event.style and event.value in {"", "~", "null"} else _text(event.value)
    if isinstance(event, yaml.SequenceStartEvent):
        values: list[Tree] = []
        while not isinstance(following := next(events), yaml.SequenceEndEvent):
            values.append(_value(following, events))
        return values
    fields: dict[str, Tree] = {}
    while not isinstance(following := next(events), yaml.MappingEndEvent):
        key = _value(following, events)
        if not isinstance(key, str) or key in fields:
            msg = f"{FILE_NAME} has a field twice, or a field whose name is no text: {str(key)[:60]!r}"
            raise InvalidInput(msg)
        fields[key] = _value(next(events), events)
    return fields


def _text(value: str) -> str:
    """Take a text, but not half a character pair, which an escape may write: a refusal could not even show it."""
    if any("\ud800" <= character <= "\udfff" for character in value):
        msg = f"{FILE_NAME} holds a text that is not valid Unicode: half a character pair; write the character itself"
        raise HostileInput(msg)
    return value
