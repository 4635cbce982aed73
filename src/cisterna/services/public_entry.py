"""Makes what the index knows of a version from its public record, and from nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from pydantic import JsonValue

from cisterna.domain.access import Extent
from cisterna.domain.project import Access, HumanData
from cisterna.domain.public_entry import PublicContent, PublicEntry
from cisterna.domain.text import cut_line, cut_prose
from cisterna.metadata.oai_form import oai_documents
from cisterna.metadata.record import SAMPLE_KINDS
from cisterna.ports.publisher import PublicRecord

_VALUE_LIMIT = 200
"""Characters of a value that is counted: what is longer is a sentence."""
_VALUES_MOST = 200
_ALSO_MOST = 1_200
"""Of what only finds a record: a plate of a screen has a thousand treatments. More would be too much for one vector."""
_Said = Mapping[str, JsonValue]


def entry_of(record: PublicRecord, *, base_url: str, mark: str | None = None) -> PublicEntry:
    """Make the entry of a record.

    A record with files that says of itself that it is not open, and any that does not say that no people are in it, has
    no business in the public bucket; it becomes an entry without content, like one that was withdrawn. One that is a
    description alone may be embargoed or restricted: it is public by the project's policy.

    Args:
        record: As the public bucket holds it.
        base_url: Address of the site.
        mark: Of the state in which it was read.
    """
    said = record.metadata
    is_shown = record.tombstone is None and (is_open(said) or _is_description(record))
    return PublicEntry(
        pid=record.pid,
        version=record.version,
        published_at=record.published_at,
        data_type=_value(said.get("data_type")),
        mark=mark,
        content=_content(record, f"{base_url.rstrip('/')}/{record.pid}") if is_shown else None,
    )


def is_open(said: Mapping[str, JsonValue]) -> bool:
    """Tell whether a description says that anybody may see it: what is not answered is not open."""
    return said.get("access") == Access.OPEN.value and said.get("human_data") == HumanData.NO.value


def _is_description(record: PublicRecord) -> bool:
    """Tell whether a record holds what may be public of data that are not open, and that are of nobody."""
    said = record.metadata
    is_told = said.get("access") in {Access.EMBARGOED.value, Access.RESTRICTED.value}
    holds_files = bool(record.files or record.lists or record.previews)
    is_alone = record.extent is Extent.METADATA and not holds_files
    return is_alone and is_told and said.get("human_data") == HumanData.NO.value


def _content(record: PublicRecord, address: str) -> PublicContent:
    said = record.metadata
    creators, samples = _entities(said.get("creators")), _entity(said.get("samples"))
    subjects = _entities(said.get("subjects"))
    kinds = {kind: _entities(samples.get(kind)) for kind in SAMPLE_KINDS}
    of_samples = [one for terms in kinds.values() for one in terms]
    return PublicContent(
        title=cut_line(record.title) or record.pid,
        description=_prose(said.get("description")),
        creators=_values(one.get("name") for one in creators),
        publisher=_value(said.get("publisher")),
        licence=_value(said.get("licence")),
        instrument=_value(_entity(said.get("instrument")).get("name")),
        year=record.published_at.year,
        subjects=_values([*_list(said.get("keywords")), *(one.get("label") for one in subjects)]),
        organisms=_labels(kinds["organisms"]),
        cell_lines=_labels(kinds["cell_lines"]),
        treatments=_labels(kinds["treatments"]),
        stains=_labels(kinds["stains"]),
        affiliations=_values(one.get("affiliation") for one in creators),
        also=_values(_also(said, creators, [*subjects, *of_samples]), most=_ALSO_MOST),
        file_count=record.file_count,
        total_bytes=record.total_bytes,
        documents=oai_documents(record, address=address),
    )


def _also(said: _Said, creators: Sequence[_Said], terms: Sequence[_Said]) -> Iterator[JsonValue]:
    """Give what finds a record and is not shown in a list."""
    yield from (one.get("orcid") for one in creators)
    instrument = _entity(said.get("instrument"))
    yield from (instrument.get(name) for name in ("model", "manufacturer", "pid"))
    yield from _list(_entity(said.get("imaging")).get("channels"))
    yield _entity(said.get("model")).get("name")
    for paid in _entities(said.get("funding")):
        yield from (paid.get("funder"), paid.get("award_number"))
    yield from (one.get("name") for one in _entities(said.get("contributors")))
    for one in _entities(said.get("references")):
        yield from (one.get("identifier"), one.get("title"))
    for name in ("label", "curie"):
        yield from (term.get(name) for term in terms)


def _entity(value: JsonValue) -> _Said:
    return value if isinstance(value, dict) else {}


def _entities(value: JsonValue) -> list[_Said]:
    return [one for one in _list(value) if isinstance(one, dict)]


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


def _labels(terms: Sequence[_Said]) -> tuple[str, ...]:
    return _values(one.get("label") for one in terms)


def _values(values: Iterable[JsonValue], *, most: int = _VALUES_MOST) -> tuple[str, ...]:
    """Give each value once, cleaned; of very many the first."""
    cleaned = dict.fromkeys(filter(None, map(_value, values)))
    return tuple(cleaned)[:most]


def _value(value: JsonValue) -> str | None:
    return cut_line(value[:_VALUE_LIMIT]) if isinstance(value, str) else None


def _prose(value: JsonValue) -> str:
    return (cut_prose(value) if isinstance(value, str) else None) or ""
