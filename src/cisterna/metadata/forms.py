"""The forms in which a description is given to others: one registry, from which all that offer forms take them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import NamedTuple

from pydantic import JsonValue

from cisterna.metadata import crate
from cisterna.metadata.bibtex import bibtex_entry
from cisterna.metadata.croissant import CROISSANT, croissant_document
from cisterna.metadata.csl import csl_document
from cisterna.metadata.datacite import datacite_document
from cisterna.metadata.datacite_xml import datacite_xml
from cisterna.metadata.dcat import dcat_document, dcat_turtle
from cisterna.metadata.described import Described
from cisterna.metadata.dublin_core import dublin_core_xml
from cisterna.metadata.invenio import invenio_record
from cisterna.metadata.pagetab import PAGETAB, pagetab_document
from cisterna.metadata.prov import prov_document
from cisterna.metadata.ris import ris_record
from cisterna.metadata.schema_org import schema_org_document


class Form(NamedTuple):
    """One form.

    Attributes:
        name: In addresses, as `?format=name`.
        media_type: Its registered media type, with a profile where one tells it from others of that type.
        title: For people.
        suffix: Of a file that holds it, with the dot.
        write: Writes it; the same description always gives the same bytes.
        archived_as: Where an object holds it, of a form that is public as it was archived.
        is_needed: Whether nothing is made public without it: what search engines, registries and harvesters go by.
        is_of_files: Whether it is nothing without the files that it names.
    """

    name: str
    media_type: str
    title: str
    suffix: str
    write: Callable[[Described], bytes]
    archived_as: str | None = None
    is_needed: bool = False
    is_of_files: bool = False


def form_of(name: str) -> Form | None:
    """Return the form of that name."""
    return _BY_NAME.get(name)


def form_for(media_type: str) -> Form | None:
    """Return the form of that media type, which is spelled with its profile as the registry spells it."""
    return _BY_MEDIA_TYPE.get(media_type)


def _json(document: Mapping[str, JsonValue]) -> bytes:
    return json.dumps(document, ensure_ascii=False, allow_nan=False).encode()


FORMS: tuple[Form, ...] = (
    Form(
        "json-ld",
        "application/ld+json",
        "schema.org JSON-LD",
        ".jsonld",
        lambda one: _json(schema_org_document(one)),
        is_needed=True,
    ),
    Form(
        "datacite",
        "application/vnd.datacite.datacite+json",
        "DataCite JSON",
        ".json",
        lambda one: _json(datacite_document(one)),
        is_needed=True,
    ),
    Form("datacite-xml", "application/vnd.datacite.datacite+xml", "DataCite XML", ".xml", datacite_xml, is_needed=True),
    Form(
        "crate",
        'application/ld+json;profile="https://w3id.org/ro/crate"',
        "RO-Crate",
        ".jsonld",
        lambda one: crate.crate_json(one.record, one.files),
        archived_as=crate.FILE_NAME,
        is_needed=True,
        is_of_files=True,
    ),
    Form("dublin-core", "application/xml", "Dublin Core", ".xml", dublin_core_xml, is_needed=True),
    Form(
        "invenio",
        "application/vnd.inveniordm.v1+json",
        "InvenioRDM record",
        ".json",
        lambda one: _json(invenio_record(one)),
    ),
    Form("dcat", "text/turtle", "DCAT-AP (Turtle)", ".ttl", dcat_turtle),
    Form(
        "dcat-json",
        'application/ld+json;profile="http://data.europa.eu/r5r/"',
        "DCAT-AP (JSON-LD)",
        ".jsonld",
        lambda one: _json(dcat_document(one)),
    ),
    Form(
        "croissant",
        f'application/ld+json;profile="{CROISSANT}"',
        "Croissant",
        ".jsonld",
        lambda one: _json(croissant_document(one)),
        is_of_files=True,
    ),
    Form("prov", "application/prov+json", "PROV-JSON", ".json", lambda one: _json(prov_document(one))),
    Form(
        "pagetab",
        f'application/json;profile="{PAGETAB}"',
        "PageTab (BioImage Archive)",
        ".json",
        lambda one: _json(pagetab_document(one)),
        is_of_files=True,
    ),
    Form("bibtex", "application/x-bibtex", "BibTeX", ".bib", bibtex_entry),
    Form(
        "csl",
        "application/vnd.citationstyles.csl+json",
        "CSL-JSON",
        ".json",
        lambda one: _json(csl_document(one)),
    ),
    Form("ris", "application/x-research-info-systems", "RIS", ".ris", ris_record),
)
"""Every form. A name and a media type stand once."""

_BY_NAME = {form.name: form for form in FORMS}
_BY_MEDIA_TYPE = {form.media_type: form for form in FORMS}
