"""Sums up what was derived from images: labels and copies for viewing."""

from __future__ import annotations

from collections.abc import Mapping

from cisterna.ports.quality import MetricTable
from cisterna.services.summary import NO_LIMITS, Facts, Summary, SummaryRow, is_said, number


def summarise_labels(table: MetricTable, facts: Facts, *, limits: Mapping[str, float] = NO_LIMITS) -> Summary:
    """Sum up label images in one row, from the columns `path`, `object_count` and `problem`."""
    del limits
    counts = [number(cell) for cell in table.columns.get("object_count", [None] * table.rows)]
    unreadable = [is_said(cell) for cell in table.columns.get("problem", [None] * table.rows)]
    known = [count for count, bad in zip(counts, unreadable, strict=True) if count is not None and not bad]
    row: SummaryRow = {
        "images_in": table.rows if facts.images_in is None else facts.images_in,
        "images_out": len(known),
        "label_problems": sum(unreadable),
        "objects_total": int(sum(known)) if known else None,
        "without_objects_share": sum(count == 0 for count in known) / len(known) if known else None,
    }
    return Summary(row=row, table=MetricTable(columns={**table.columns, "unreadable": list(unreadable)}))


def summarise_views(table: MetricTable, facts: Facts, *, limits: Mapping[str, float] = NO_LIMITS) -> Summary:
    """Sum up converted images in one row, from the columns `path`, `pixels_equal` and `problem`."""
    del facts, limits
    unreadable = [is_said(cell) for cell in table.columns.get("problem", [None] * table.rows)]
    equal = [number(cell) for cell in table.columns.get("pixels_equal", [None] * table.rows)]
    row: SummaryRow = {
        "images_in": table.rows,
        "images_equal": sum(one == 1 and not bad for one, bad in zip(equal, unreadable, strict=True)),
        "view_problems": sum(unreadable),
    }
    return Summary(row=row, table=MetricTable(columns={**table.columns, "unreadable": list(unreadable)}))
