"""Writes the name and the description by which an OMERO shows a version as a dataset.

OMERO's web interface lets others write nothing else of a dataset: no key-value pairs, no links. So all is in the
description, as text that people read, and its last line is how the dataset is found again.
"""

from __future__ import annotations

from typing import NamedTuple

from cisterna.metadata.citation import citation_line
from cisterna.metadata.described import Described, on_one_line
from cisterna.metadata.licence import licence_url

NAME_MOST = 255
"""Characters that OMERO keeps of a name."""


class OmeroText(NamedTuple):
    """What OMERO shows of a dataset."""

    name: str
    description: str


def omero_text(described: Described, *, mark: str) -> OmeroText:
    """Describe a version that is public.

    Args:
        described: The version.
        mark: The line by which it is found again.
    """
    record = described.record
    address = described.doi_url or described.base_url or record.pid
    licence = f"Licence: {record.licence} {licence_url(record.licence)}" if record.licence else ""
    facts = (
        f"By: {'; '.join(one.name for one in record.creators)}" if record.creators else "",
        f"Published: {described.issued.isoformat()} by {record.publisher}",
        licence,
        f"Cite as: {citation_line(described, address)}",
        f"Files and all that is known of them: {described.base_url}",
    )
    told = "\n".join(on_one_line(one) for one in facts if one)
    return OmeroText(_name(record.name, record.version), _marked((record.description or "", told), mark))


def omero_tombstone(title: str, reason: str, *, version: str, address: str, mark: str) -> OmeroText:
    """Say what stood there and why it does no longer."""
    told = f"Withdrawn: {on_one_line(reason)}\n{address}"
    return OmeroText(_name(f"Withdrawn: {title}", version), _marked((told,), mark))


def is_marked(description: str, mark: str) -> bool:
    """Tell whether a description ends with that line; a line further up may be anybody's text."""
    return description.rstrip().rpartition("\n")[2].strip() == mark


def _name(title: str, version: str) -> str:
    ending = f" ({version})"
    return f"{on_one_line(title)[: NAME_MOST - len(ending)]}{ending}"


def _marked(parts: tuple[str, ...], mark: str) -> str:
    return "\n\n".join([*(one for one in parts if one), mark])
