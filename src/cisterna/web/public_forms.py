"""Tells in which forms a public record is offered, chooses one for who asks, and leads to all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import quote

from pydantic import JsonValue, ValidationError

from cisterna.domain.credit import Creator, checked_creators
from cisterna.domain.outside_identifier import outside_identifier
from cisterna.metadata.forms import FORMS, Form, form_for
from cisterna.ports.publisher import PublicRecord
from cisterna.web.negotiation import choose_media_type, read_media_type
from cisterna.web.signposting import LINKSETS, Description, Signposts

PAGE = "html"
"""Name in addresses of the page for people."""
_HTML = "text/html"
_JSON_LD = "application/ld+json"
_ALIASES = {"application/json": _JSON_LD, "application/vnd.schemaorg.ld+json": _JSON_LD}
"""What askers call a form that has another name: each is answered with what it is called here."""
_CRATE = "crate"


def offered_forms(record: PublicRecord) -> list[Form]:
    """Give the forms that a record holds, those that need no profile to be told apart first."""
    held = [form for form in FORMS if form.media_type in record.documents]
    return sorted(held, key=lambda form: ";" in form.media_type)


def choose_form(name: str, accept: str | None, offered: Sequence[Form]) -> Form | str | None:
    """Return the form that is asked for, `PAGE` for the page, or None where there is no such.

    Args:
        name: As in `?format=name`, which decides alone; empty where it is not given.
        accept: The Accept header, where there is one.
        offered: The record's.
    """
    if name:
        return PAGE if name == PAGE else next((form for form in offered if form.name == name), None)
    types = [form.media_type for form in offered]
    aliases = [alias for alias, meant in _ALIASES.items() if meant in types]
    chosen = choose_media_type(accept, sorted([_HTML, *types, *aliases], key=lambda one: ";" in one))
    if chosen is None:
        return None
    return PAGE if chosen == _HTML else form_for(_ALIASES.get(chosen, chosen))


def choose_linkset(name: str, accept: str | None) -> str | None:
    """Return the media type in which a link set is asked for; None where it is neither of the two."""
    return LINKSETS.get(name) if name else choose_media_type(accept, list(LINKSETS.values()))


def signposts(record: PublicRecord, address: str) -> Signposts:
    """Collect what a public version has to point to.

    Args:
        record: That stands.
        address: Of the landing page that points.
    """
    licence = record.metadata.get("licence")
    has_parts = any(one.pid != record.pid for one in record.lists)
    return Signposts(
        address=address,
        descriptions=[_description(form, address, has_parts=has_parts) for form in offered_forms(record)],
        licence=quote(licence, safe="+") if isinstance(licence, str) else None,
        orcids=[one.orcid for one in creators_of(record) if one.orcid],
        cited_at=doi_address(record),
    )


def doi_address(record: PublicRecord) -> str | None:
    """Give the address of a version's DOI, from when that leads here; a withdrawn one keeps it, for its tombstone."""
    return outside_identifier(record.doi).url if record.doi and record.doi_leads_here else None


def creators_of(record: PublicRecord) -> list[Creator]:
    """Give those who made it, of a tombstone too; what is no creator is passed over."""
    said = checked_creators(record.metadata.get("creators"))  # of the first schema, nobody had looked at them
    return list(_creators(said if isinstance(said, list) else []))


def _creators(said: Iterable[JsonValue]) -> Iterator[Creator]:
    for one in said:
        try:
            if isinstance(one, dict):
                yield Creator.model_validate(one)
        except ValidationError:
            continue


def _description(form: Form, address: str, *, has_parts: bool) -> Description:
    """Lead to a form; a crate says of each file what it is, unless parts do."""
    found = read_media_type(form.media_type)
    profiles = sorted(value for name, value in found.parameters if name == "profile") if found else []
    return Description(
        address=f"{address}?format={form.name}",
        type=form.media_type.partition(";")[0],
        profile=" ".join(profiles) or None,
        of_files=form.name == _CRATE and not has_parts,
    )
