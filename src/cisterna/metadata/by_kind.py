"""Samples and references of a kept record, kind by kind: each kind was said by somebody of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from pydantic import JsonValue

BY_KIND = ("samples", "references")
"""Fields whose origins are kept as `field.kind`."""


class Kind(NamedTuple):
    """What is known of one kind.

    Attributes:
        name: `field.kind`, as origins have it.
        kind: The kind alone.
    """

    name: str
    kind: str
    value: JsonValue


def by_kind(record: Mapping[str, JsonValue]) -> Iterator[Kind]:
    """Give what is known of each kind, of a record as JSON of any schema version."""
    samples, references = record.get("samples"), record.get("references")
    if isinstance(samples, dict):
        yield from (Kind(f"samples.{kind}", kind, value) for kind, value in samples.items() if value)
    entries = [one for one in references if isinstance(one, dict)] if isinstance(references, list) else []
    for kind in dict.fromkeys(str(one.get("kind")) for one in entries):
        own: list[JsonValue] = [one for one in entries if str(one.get("kind")) == kind]
        yield Kind(f"references.{kind}", kind, own)
