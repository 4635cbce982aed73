"""Writes a description as lines of a table: the value, who said it, and whether it is missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from cisterna.domain.dataset import Version
from cisterna.metadata.by_kind import by_kind
from cisterna.web.presenting import number
from cisterna.web.wording import TEXT, say

_FIELDS = (
    "title",
    "description",
    "creators",
    "contributors",
    "publisher",
    "publisher_ror",
    "publication_year",
    "licence",
    "access",
    "embargo_until",
    "human_data",
    "keywords",
    "subjects",
    "language",
    "funding",
    "data_type",
    "instrument",
    "notes",
)
_IMAGING = (
    "channels",
    "objective",
    "pixel_size_um",
    "z_step_um",
    "regions",
    "fields",
    "z_planes",
    "timepoints",
    "images",
)


@dataclass(frozen=True)
class FieldRow:
    """One line.

    Attributes:
        missing: It is empty, and needed before anything is published.
        wanted: It is empty, and makes data more FAIR.
    """

    name: str
    label: str
    text: str
    origin: str
    missing: bool = False
    wanted: bool = False


def metadata_rows(version: Version | None, *, wanted: Sequence[str] = ()) -> list[FieldRow]:
    """Give the fields that are known, and those that are missing and needed or wanted, in the order people read them.

    Args:
        version: Whose description is shown.
        wanted: Names of fields that would make the data more FAIR; each has a line, so that links lead to it.
    """
    if version is None or version.metadata is None:
        return []
    record = version.metadata
    origins = record.get("origins")
    said_by = origins if isinstance(origins, dict) else {}
    rows = []
    for name in (*_FIELDS, *(one for one in version.metadata_missing if one not in _FIELDS)):
        text = shown(record.get(name))
        missing = name in version.metadata_missing
        if text or missing:
            by = "" if missing else str(said_by.get(name) or "")
            origin = say(f"origin.{by or 'none'}", by)
            text = TEXT.get(f"{_KINDS.get(name, name)}.{text}", text)
            rows.append(FieldRow(name, say(f"field.{name}", name), text, origin, missing))
    rows += _by_kind(record, said_by)
    present = {row.name for row in rows}
    rows += [FieldRow(name, say(f"field.{name}", name), "", "", wanted=True) for name in wanted if name not in present]
    return [*rows, *_nested(record, said_by)]


def _by_kind(record: Mapping[str, JsonValue], said_by: Mapping[str, JsonValue]) -> Iterator[FieldRow]:
    for one in by_kind(record):
        origin = str(said_by.get(one.name) or "none")
        yield FieldRow(one.name, say(f"field.{one.name}", one.kind), shown(one.value), say(f"origin.{origin}", origin))


_KINDS = {"human_data": "human"}
"""Fields whose values have words of their own, and the prefix of those."""


def imaging_facts(record: Mapping[str, JsonValue]) -> list[tuple[str, str]]:
    """Give what is known of the images as label and text."""
    imaging = record.get("imaging")
    if not isinstance(imaging, dict):
        return []
    return [(say(f"field.{name}"), text) for name in _IMAGING if (text := shown(imaging.get(name)))]


def _nested(record: Mapping[str, JsonValue], said_by: Mapping[str, JsonValue]) -> Iterator[FieldRow]:
    imaging = record.get("imaging")
    if isinstance(imaging, dict):
        origin = str(said_by.get("imaging") or "profile")
        for name in _IMAGING:
            if text := shown(imaging.get(name)):
                yield FieldRow(name, say(f"field.{name}"), text, say(f"origin.{origin}", origin))
    model = record.get("model")
    if isinstance(model, dict):
        for key, name in (("name", "model"), ("trained_on", "trained_on")):
            if text := shown(model.get(key)):
                yield FieldRow(name, say(f"field.{name}"), text, say("origin.cisterna"))


def shown(value: JsonValue) -> str:
    """Write a value of a description in one line; nothing is the empty text."""
    if value is None or (isinstance(value, list | dict) and not value):
        return ""
    if isinstance(value, list):
        return ", ".join(filter(None, (shown(one) for one in value)))
    if isinstance(value, dict):
        parts = [shown(value.get(key)) for key in _PARTS]
        return " · ".join(filter(None, parts))
    return number(value) if isinstance(value, float) else str(value)


_PARTS = (
    *("role", "name", "funder", "label", "title", "identifier"),
    *("orcid", "affiliation", "manufacturer", "model", "serial", "pid", "curie"),
    *("award_number", "award_title", "funder_id", "award_uri"),
)
"""What is shown of a person, a device, a funding, a term or a reference, in this order."""
