"""Writes a description as the article that Figshare takes, and with it the repositories that run on it.

A licence, a category and a group have numbers there that differ between repositories: whoever deposits adds them.
"""

from __future__ import annotations

from html import escape
from typing import Any

from pydantic import JsonValue

from cisterna.domain.credit import Creator, Funding
from cisterna.metadata.credited import is_organisation, person_name
from cisterna.metadata.datacite import UNAVAILABLE, datacite_document
from cisterna.metadata.described import Described, on_one_line
from cisterna.metadata.record import MetadataRecord

Document = dict[str, JsonValue]

SAME = ("IsIdenticalTo", "IsMetadataFor")
"""What an article of ours is to the version whose page it names: all of it, or what leads to it."""
TITLE_MOST, DESCRIPTION_MOST = 1000, 20_000
_SHORTEST_TITLE = 3
_KEYWORDS_MOST, _KEYWORD_MOST = 100, 100
_FUNDING_MOST = 1000
_RELATIONS = frozenset(
    {
        "Cites",
        "Compiles",
        "Continues",
        "Describes",
        "Documents",
        "HasMetadata",
        "HasPart",
        "HasVersion",
        "IsCitedBy",
        "IsCompiledBy",
        "IsContinuedBy",
        "IsDerivedFrom",
        "IsDescribedBy",
        "IsDocumentedBy",
        "IsIdenticalTo",
        "IsMetadataFor",
        "IsNewVersionOf",
        "IsObsoletedBy",
        "IsOriginalFormOf",
        "IsPartOf",
        "IsPreviousVersionOf",
        "IsPublishedIn",
        "IsReferencedBy",
        "IsRequiredBy",
        "IsReviewedBy",
        "IsSourceOf",
        "IsSupplementTo",
        "IsSupplementedBy",
        "IsVariantFormOf",
        "IsVersionOf",
        "Obsoletes",
        "References",
        "Requires",
        "Reviews",
    }
)
_TYPES = frozenset(
    {
        "ARK",
        "arXiv",
        "bibcode",
        "DOI",
        "EAN13",
        "EISSN",
        "Handle",
        "IGSN",
        "ISBN",
        "ISSN",
        "ISTC",
        "LISSN",
        "LSID",
        "PMID",
        "PURL",
        "UPC",
        "URL",
        "URN",
        "w3id",
    }
)
_LICENCES = {
    "Apache-2.0": "apache.org/licenses/license-2.0",
    "CC0-1.0": "creativecommons.org/publicdomain/zero/1.0",
    "MIT": "opensource.org/licenses/mit",
}
"""Where Figshare sends readers of a licence, by its SPDX identifier; those of Creative Commons follow a rule."""


def version_address(address: str, version: str) -> str:
    """Give the address of one version's page, by which an article there is known to be ours."""
    return f"{address}/{version}"


def figshare_article(described: Described, *, address: str, has_all_files: bool) -> Document:
    """Map a description to an article, as Figshare takes a new one and a changed one.

    Args:
        described: What is known of the version.
        address: Of its landing page.
        has_all_files: Whether all of its files go there; or else the article leads to them.
    """
    record = described.record
    names = [*[subject.label for subject in described.subjects][: _KEYWORDS_MOST - 1], record.data_type]
    return {
        "title": _title(record),
        "description": _description(record, address),
        "defined_type": "dataset",
        "authors": [_author(one) for one in record.creators] or [{"name": UNAVAILABLE}],
        "keywords": list[JsonValue](dict.fromkeys(_cut(name, _KEYWORD_MOST) for name in names)),
        "related_materials": _related(described, address, has_all_files=has_all_files),
        "funding_list": [{"title": _funding(one)} for one in record.funding],
        "timeline": {"firstOnline": described.issued.isoformat()},
    }


def is_licence(identifier: str, address: str) -> bool:
    """Tell whether a repository that leads to an address for its licence means the one of an SPDX identifier."""
    known = _LICENCES.get(identifier) or _of_creative_commons(identifier)
    return known is not None and _plain(address) == known


def _of_creative_commons(identifier: str) -> str | None:
    family, _, rest = identifier.partition("-")
    kind, _, number = rest.rpartition("-")
    return f"creativecommons.org/licenses/{kind.lower()}/{number}" if family == "CC" and kind else None


def _plain(address: str) -> str:
    place = address.strip().lower().partition("://")[2].removeprefix("www.").rstrip("/")
    return place.removesuffix(".html").removesuffix("/legalcode").removesuffix("/deed.en")


def _title(record: MetadataRecord) -> str:
    name = record.name if len(record.name) >= _SHORTEST_TITLE else f"{record.name} ({record.pid})"
    return _cut(name, TITLE_MOST)


def _description(record: MetadataRecord, address: str) -> str:
    """Write the summary as HTML that reads as it was written, as far as there is room, and who knows more."""
    end = (
        f"<p>{escape(record.pid, quote=False)}, version {escape(record.version, quote=False)}: "
        f"{escape(version_address(address, record.version), quote=False)}</p>"
    )
    written, room = "", DESCRIPTION_MOST - len(end)
    for line in (one for one in record.summary.split("\n") if one):
        paragraph = f"<p>{escape(line, quote=False)}</p>"
        if len(written) + len(paragraph) > room:
            fitting = _fitting(line, room - len(written) - len("<p></p>"))
            return f"{written}<p>{fitting}</p>{end}" if fitting else written + end
        written += paragraph
    return written + end


def _fitting(line: str, room: int) -> str:
    """Escape as much of a line as there is room for, with an ellipsis; never half of what stands for a character."""
    taken = 1
    for number, character in enumerate(line):
        taken += len(escape(character, quote=False))
        if taken > room:
            return f"{escape(line[:number], quote=False)}\N{HORIZONTAL ELLIPSIS}" if number else ""
    return escape(line, quote=False)


def _author(creator: Creator) -> JsonValue:
    parts = None if is_organisation(creator) else person_name(creator)
    name = f"{parts.given} {parts.family}" if parts else creator.name
    return {"name": name, **({"orcid_id": creator.orcid} if creator.orcid else {})}


def _related(described: Described, address: str, *, has_all_files: bool) -> list[JsonValue]:
    """Name this version first, then what the record relates it to, in the words that Figshare has for it."""
    record = described.record
    same = SAME[0] if has_all_files else SAME[1]
    own = version_address(address, record.version)
    materials: list[JsonValue] = [_material(own, "URL", same, title=record.name, is_shown=True)]
    materials.append(_material(record.pid, "ARK", same))
    if described.doi:
        materials.append(_material(described.doi, "DOI", same))
    document: dict[str, Any] = datacite_document(described)
    for one in document.get("relatedIdentifiers", ()):
        if one["relatedIdentifierType"] in _TYPES:
            relation = one["relationType"] if one["relationType"] in _RELATIONS else "References"
            materials.append(_material(one["relatedIdentifier"], one["relatedIdentifierType"], relation))
    return materials


def _material(identifier: str, kind: str, relation: str, *, title: str = "", is_shown: bool = False) -> JsonValue:
    return {
        "identifier": identifier,
        "identifier_type": kind,
        "relation": relation,
        "title": _cut(title, TITLE_MOST),
        "is_linkout": is_shown,
    }


def _funding(one: Funding) -> str:
    said = (one.funder, one.award_number, one.award_title, one.award_uri)
    return _cut(", ".join(part for part in said if part), _FUNDING_MOST)


def _cut(text: str, length: int) -> str:
    """Cut a text hard: the beginning of one long word is more than nothing."""
    line = on_one_line(text)
    return line if len(line) <= length else f"{line[: length - 1]}\N{HORIZONTAL ELLIPSIS}"
