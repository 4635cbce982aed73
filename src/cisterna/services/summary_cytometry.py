"""Sums up the files of a cytometer in one row; the columns are described in `docs/reference/metrics-cytometry.md`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from cisterna.ports.quality import MetricTable
from cisterna.services.measurement import UNMEASURED
from cisterna.services.summary import (
    NO_LIMITS,
    Cell,
    Facts,
    Summary,
    SummaryRow,
    is_said,
    known_values,
    maximum,
    number,
    split_rows,
)

DEFAULT_LIMITS: Mapping[str, float] = MappingProxyType({"scatter_margin_share_max": 0.1, "doublet_share_max": 0.15})
"""What is not given by the suite: those of `expectations/cytometry/default.json`."""


def summarise_cytometry(table: MetricTable, facts: Facts, *, limits: Mapping[str, float] = NO_LIMITS) -> Summary:
    """Sum up FCS files in one row. Pure; nothing in it is rounded or guessed.

    What is worst in any file counts, since one bad tube is not made good by others. What no file has a value for is
    None, which no check can pass; scatter and doublets are counted instead, since many cytometers have nothing to tell
    them by, and then no file has them.

    Args:
        table: One row a file, as `measure` wrote it.
        facts: What is known besides.
        limits: `scatter_margin_share_max` and `doublet_share_max`, by which single files are counted.
    """
    files, by = _Files(table), {**DEFAULT_LIMITS, **limits}
    row: SummaryRow = {
        "files_found": table.rows,
        "files_unreadable": None if table.rows and all(files.unmeasured) else sum(files.unreadable),
        "planned_missing_share": facts.planned_missing_share,
        "events_total": files.total("events"),
        "events_fewest": min(files.known("events"), default=None),
        "panels": len(set(files.known("parameters"))) or None,
        "flow_unknown_share": files.unknown_share("slow_time_share"),
        "slow_time_worst_share": files.worst("slow_time_share"),
        "fast_time_worst_share": files.worst("fast_time_share"),
        "rate_variation_worst": files.worst("rate_variation"),
        "time_backwards_worst_share": files.worst("time_backwards_share"),
        "fluorescence_margin_worst_share": files.worst("fluorescence_margin_share"),
        "files_with_scatter_margins": files.above("scatter_margin_share", by["scatter_margin_share_max"]),
        "files_with_doublets": files.above("doublet_share", by["doublet_share_max"]),
        "constant_detectors_worst_share": maximum(files.constant_shares),
        "nonfinite_worst_share": files.worst("nonfinite_share"),
        "drift_worst": files.worst("drift"),
        "files_with_invalid_spillover": files.above("spillover_invalid", 0),
        "undeclared_events_most": files.worst("undeclared_events"),
        "files_with_wrong_crc": None if files.unknown_share("crc_wrong") else files.above("crc_wrong", 0),
    }
    added: dict[str, list[Cell]] = {
        "unreadable": list(files.unreadable),
        "constant_detectors_share": list(files.constant_shares),
    }
    return Summary(
        row=row, table=MetricTable(columns={**table.columns, **added}), by_channel=_by_detector(facts.channels, by)
    )


def _by_detector(channels: MetricTable | None, limits: Mapping[str, float]) -> dict[str, dict[str, float | None]]:
    """Give what is worst of each detector in any file, by the names that the row has; of a time there is one a file."""
    if channels is None:
        return {}
    found: dict[str, dict[str, float | None]] = {}
    for detector, rows in split_rows(channels, lambda row: [str(channels.columns["channel"][row])]).items():
        files = _Files(rows)
        worst: SummaryRow = {
            "fluorescence_margin_worst_share": files.worst("fluorescence_margin_share"),
            "constant_detectors_worst_share": files.worst("constant_detectors"),
            "nonfinite_worst_share": files.worst("nonfinite_share"),
            "drift_worst": files.worst("drift"),
        }
        if files.known("scatter_margin_share"):
            worst["files_with_scatter_margins"] = files.above(
                "scatter_margin_share", limits["scatter_margin_share_max"]
            )
        found[detector] = known_values(worst, worst)
    return found


class _Files:
    """The table, column by column; a file that could not be read has no value anywhere."""

    def __init__(self, table: MetricTable) -> None:
        self._table = table
        self.unreadable = [is_said(cell) for cell in self._column("problem")]
        self.unmeasured = [is_said(cell) for cell in self._column(UNMEASURED)]
        self._left_out = [any(pair) for pair in zip(self.unreadable, self.unmeasured, strict=True)]
        self.constant_shares = [
            same / detectors if same is not None and detectors else None
            for same, detectors in zip(self.numbers("constant_detectors"), self.numbers("detectors"), strict=True)
        ]

    def _column(self, name: str) -> list[Cell]:
        return self._table.columns.get(name, [None] * self._table.rows)

    def numbers(self, name: str) -> list[float | None]:
        """A column as finite numbers; None for anything else, and for files that could not be read."""
        return [None if bad else number(cell) for cell, bad in zip(self._column(name), self._left_out, strict=True)]

    def known(self, name: str) -> list[float]:
        """The values that are there."""
        return [value for value in self.numbers(name) if value is not None]

    def worst(self, name: str) -> float | None:
        """The largest value."""
        return maximum(self.numbers(name))

    def total(self, name: str) -> int | None:
        """The sum of a column of counts; None when no file has any."""
        known = self.known(name)
        return int(sum(known)) if known else None

    def above(self, name: str, limit: float) -> int | None:
        """Count the files above a limit; None when no file could be read."""
        return None if all(self._left_out) else sum(value > limit for value in self.known(name))

    def unknown_share(self, name: str) -> float | None:
        """Share of the files that could be read and have no value; None when there is none."""
        read = len(self._left_out) - sum(self._left_out)
        return 1 - len(self.known(name)) / read if read else None
