"""Writes answers of OAI-PMH 2.0 as XML, around documents that are XML already."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr

from cisterna.domain.harvest import ListPart, set_of, write_moment
from cisterna.domain.public_entry import HarvestForm

NAMESPACE = "http://www.openarchives.org/OAI/2.0/"
_INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"


class FormPlace(NamedTuple):
    """Where a form's schema is, and its namespace."""

    schema: str
    namespace: str


FORM_PLACES: Mapping[HarvestForm, FormPlace] = {
    HarvestForm.DUBLIN_CORE: FormPlace(
        "http://www.openarchives.org/OAI/2.0/oai_dc.xsd", "http://www.openarchives.org/OAI/2.0/oai_dc/"
    ),
    HarvestForm.DATACITE: FormPlace(
        "http://schema.datacite.org/oai/oai-1.1/oai.xsd", "http://schema.datacite.org/oai/oai-1.1/"
    ),
}


class Repository(NamedTuple):
    """Who answers."""

    name: str
    address: str
    contact: str


class Item(NamedTuple):
    """One record.

    Attributes:
        data_type: Names its set; None where it is not known.
        document: None for one that was withdrawn.
    """

    identifier: str
    changed_at: datetime
    data_type: str | None
    document: str | None


def envelope(repository: Repository, *, now: datetime, asked: Mapping[str, str], content: str) -> bytes:
    """Write a whole answer around its content.

    Args:
        repository: Who answers.
        now: When the answer was begun.
        asked: The arguments, where they may be repeated.
        content: XML.
    """
    attributes = "".join(f" {name}={quoteattr(value)}" for name, value in asked.items())
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<OAI-PMH xmlns="{NAMESPACE}" xmlns:xsi="{_INSTANCE}" '
        f'xsi:schemaLocation="{NAMESPACE} http://www.openarchives.org/OAI/2.0/OAI-PMH.xsd">\n'
        f"<responseDate>{write_moment(now)}</responseDate>\n"
        f"<request{attributes}>{escape(repository.address)}</request>\n"
        f"{content}\n</OAI-PMH>\n"
    ).encode()


def error(code: str, words: str) -> str:
    """Write what is wrong."""
    return f'<error code="{code}">{escape(words)}</error>'


def identify(repository: Repository, *, earliest: datetime) -> str:
    """Say who answers, and how."""
    return (
        f"<Identify><repositoryName>{escape(repository.name)}</repositoryName>"
        f"<baseURL>{escape(repository.address)}</baseURL><protocolVersion>2.0</protocolVersion>"
        f"<adminEmail>{escape(repository.contact)}</adminEmail>"
        f"<earliestDatestamp>{write_moment(earliest)}</earliestDatestamp>"
        "<deletedRecord>persistent</deletedRecord><granularity>YYYY-MM-DDThh:mm:ssZ</granularity></Identify>"
    )


def formats(forms: Iterable[HarvestForm]) -> str:
    """Name forms."""
    told = "".join(
        f"<metadataFormat><metadataPrefix>{form}</metadataPrefix><schema>{FORM_PLACES[form].schema}</schema>"
        f"<metadataNamespace>{FORM_PLACES[form].namespace}</metadataNamespace></metadataFormat>"
        for form in forms
    )
    return f"<ListMetadataFormats>{told}</ListMetadataFormats>"


def sets(data_types: Sequence[str]) -> str:
    """Name the sets."""
    told = "".join(f"<set><setSpec>{set_of(one)}</setSpec><setName>{escape(one)}</setName></set>" for one in data_types)
    return f"<ListSets>{told}</ListSets>"


def record(item: Item) -> str:
    """Give one record."""
    return f"<GetRecord>{_record(item)}</GetRecord>"


def part_of_list(items: Sequence[Item], part: ListPart, *, following: ListPart | None, is_bare: bool) -> str:
    """Give a part of a list.

    Args:
        items: Of the part, never none.
        part: Which it is.
        following: The next one; None behind the last.
        is_bare: Only headers.
    """
    told = "".join(_header(one) if is_bare else _record(one) for one in items)
    token = ""
    if following is not None or part.cursor:
        size = "" if part.size is None else f' completeListSize="{part.size}"'
        token = (
            f'<resumptionToken{size} cursor="{part.cursor}">{following.token if following else ""}</resumptionToken>'
        )
    return f"<{part.verb}>{told}{token}</{part.verb}>"


def _header(item: Item) -> str:
    status = ' status="deleted"' if item.document is None else ""
    member = f"<setSpec>{set_of(item.data_type)}</setSpec>" if item.data_type else ""
    return (
        f"<header{status}><identifier>{escape(item.identifier)}</identifier>"
        f"<datestamp>{write_moment(item.changed_at)}</datestamp>{member}</header>"
    )


def _record(item: Item) -> str:
    metadata = "" if item.document is None else f"<metadata>{item.document}</metadata>"
    return f"<record>{_header(item)}{metadata}</record>"
