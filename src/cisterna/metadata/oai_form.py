"""Gives the forms of a public record that harvesters take, ready to stand inside an answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.parsers import expat
from xml.sax.saxutils import escape

from cisterna.domain.errors import InvalidInput
from cisterna.domain.public_entry import HarvestForm
from cisterna.metadata.datacite import UNAVAILABLE
from cisterna.metadata.described import Described
from cisterna.metadata.forms import Form, form_of
from cisterna.metadata.oai import FORM_PLACES
from cisterna.metadata.record import read_record
from cisterna.ports.publisher import PublicRecord

_NAMES: Mapping[HarvestForm, str] = {HarvestForm.DUBLIN_CORE: "dublin-core", HarvestForm.DATACITE: "datacite-xml"}
_DECLARATION = re.compile(r"^\ufeff?\s*<\?xml[^>]*\?>\s*")
_DATACITE_VERSION = "4.6"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"


def oai_documents(record: PublicRecord, *, address: str) -> dict[HarvestForm, str]:
    """Give each form that the record has or that can be written of it; what is no XML is left out.

    Args:
        record: That stands; one from before there were these forms has none of its own, so they are written now.
        address: Of its landing page.
    """
    found: dict[HarvestForm, str] = {}
    for asked, name in _NAMES.items():
        form = form_of(name)
        document = _document(record, form, address=address) if form is not None else None
        if document is not None and _is_xml(document):
            found[asked] = _ready(asked, _DECLARATION.sub("", document, count=1))
    return found


def _document(record: PublicRecord, form: Form, *, address: str) -> str | None:
    written = record.documents.get(form.media_type)
    if written is not None:
        return written
    try:
        described = Described(read_record(record.metadata), base_url=address, published_at=record.published_at)
    except InvalidInput:
        return None
    return form.write(described).decode()


def _ready(form: HarvestForm, document: str) -> str:
    if form is HarvestForm.DUBLIN_CORE:
        return document
    place = FORM_PLACES[form]
    return (
        f'<oai_datacite xmlns="{place.namespace}" xmlns:xsi="{_XSI}" '
        f'xsi:schemaLocation="{place.namespace} {place.schema}"><schemaVersion>{_DATACITE_VERSION}</schemaVersion>'
        f"<datacentreSymbol>{escape(UNAVAILABLE)}</datacentreSymbol><payload>{document}</payload></oai_datacite>"
    )


def _is_xml(document: str) -> bool:
    """Tell whether it is one whole element that can stand inside another document."""
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        parser.Parse(document.encode("utf-8", "surrogatepass"), True)
    except (expat.ExpatError, ValueError):
        return False
    return True


def _refuse_doctype(*_: object) -> None:
    msg = "a document type has no place here"
    raise ValueError(msg)
