"""The wells and samples of a version, as its page shows them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from pydantic import JsonValue

from cisterna.domain.dataset import Version
from cisterna.domain.errors import CisternaError
from cisterna.metadata.samples_table import OTHER, SAMPLES_PATH
from cisterna.services.detail import Detail
from cisterna.services.public_files import read_verified
from cisterna.web.parts import WebParts
from cisterna.web.wording import say

_ROWS_SHOWN = 400
_OTHERS_SHOWN = 6
_SINGLE = ("plate", "sample", "file", "organism", "tissue", "cell_line", "disease")
_LAST = ("control", "replicate")


class Told(NamedTuple):
    """The table of wells, as the page shows it.

    Attributes:
        more: Rows that are not shown.
    """

    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    more: int


def samples_context(parts: WebParts, found: Detail) -> dict[str, object]:
    """Give the table of a version's wells, and what was noticed of them."""
    version = found.shown
    sheet = (version.metadata or {}).get("sample_sheet") if version else None
    told, faulty = None, False
    if version is not None and isinstance(sheet, dict) and SAMPLES_PATH in version.staged:
        try:
            told = _told(parts, version, rows=sheet.get("rows"))
        except CisternaError:
            faulty = True
    return {"wells": told, "wells_unreadable": faulty, "sample_sheet": sheet if told or faulty else None}


def table_of_wells(columns: Mapping[str, Sequence[object]], *, more: int) -> Told:
    """Write the columns that hold anything, with each treatment, its dose and its time in one cell."""
    count = len(next(iter(columns.values()), ()))
    texts = dict(_columns(columns, count))
    kept = {name: cells for name, cells in texts.items() if any(cells)}
    others = [name for name in kept if name.startswith(OTHER)]
    for name in others[_OTHERS_SHOWN:]:
        del kept[name]
    headers = [say(f"wells.{name}", name.removeprefix(OTHER)) for name in kept]
    return Told(headers, [list(row) for row in zip(*kept.values(), strict=True)], more)


def _told(parts: WebParts, version: Version, *, rows: JsonValue) -> Told:
    with parts.catalogue.begin() as tx:
        dataset = tx.datasets.get(version.dataset_id)
    body = read_verified(version, SAMPLES_PATH, dataset=dataset, store=parts.store)
    more = max(0, rows - _ROWS_SHOWN) if isinstance(rows, int) else 0
    return table_of_wells(parts.tables.rows(body, start=0, stop=_ROWS_SHOWN), more=more)


def _columns(columns: Mapping[str, Sequence[object]], count: int) -> Iterator[tuple[str, list[str]]]:
    empty: Sequence[object] = [None] * count

    def joined(*names: str, between: str = " ") -> list[str]:
        cells = zip(*(columns.get(name, empty) for name in names), strict=True)
        return [between.join(str(one) for one in row if one is not None) for row in cells]

    yield "well", joined("well")
    for name in _SINGLE:
        yield name, joined(*_numbered(columns, name), between=", ")
    treatments = [joined(*_of_treatment(columns, name)) for name in _numbered(columns, "treatment")]
    yield "treatment", [", ".join(filter(None, row)) for row in zip(*treatments, strict=True)] if treatments else []
    yield "stain", joined(*_numbered(columns, "stain"), between=", ")
    for name in (*_LAST, *(name for name in columns if name.startswith(OTHER))):
        yield name, joined(name)


def _numbered(columns: Mapping[str, object], name: str) -> list[str]:
    """Name the columns of one meaning: `stain`, `stain_2` and so on."""
    ends = ("", *(f"_{number}" for number in range(2, 100)))
    return [f"{name}{end}" for end in ends if f"{name}{end}" in columns]


def _of_treatment(columns: Mapping[str, Sequence[object]], treatment: str) -> Iterator[str]:
    """Name what tells of one treatment: a unit only where what was written does not hold it."""
    end = treatment.removeprefix("treatment")
    yield treatment
    for name in ("dose", "duration"):
        yield f"{name}{end}"
        told = columns.get(f"{name}{end}", ())
        if not any(isinstance(one, str) and any(map(str.isalpha, one)) for one in told):
            yield f"{name}_unit{end}"
