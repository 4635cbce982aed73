"""Sums up files of mass spectra in one row; its columns stand in `docs/reference/metrics-mass-spectrometry.md`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from statistics import median

from cisterna.ports.quality import MetricTable
from cisterna.services.measurement import UNMEASURED
from cisterna.services.summary import NO_LIMITS, Cell, Facts, Summary, SummaryRow, is_said, maximum, number

DEFAULT_LIMITS: Mapping[str, float] = {
    "mass_error_max_ppm": 10.0,
    "rt_gap_share_max": 0.05,
    "short_run_share": 0.5,
    "tic_jump_share_max": 0.02,
    "tic_unknown_share_max": 0.1,
}
"""As `expectations/mass_spectrometry/default.json` has them."""
_FILES_TO_COMPARE = 3
_SPECTRA = re.compile(r"(.+)\.(?:mzml(?:\.gz)?|imzml)", re.IGNORECASE)
_MAKERS = re.compile(r"(.+)\.(?:raw|wiff2?)|(.+)\.(?:d|raw)/.+", re.IGNORECASE)


def summarise_spectra(table: MetricTable, facts: Facts, *, limits: Mapping[str, float] = NO_LIMITS) -> Summary:
    """Sum up files of spectra in one row. Pure; nothing in it is rounded or guessed.

    Counts of files say how many are wrong in some way: one that cannot be wrong so, such as an imaging file that has no
    times, is none of them. What no file has a value for is None, which no check can pass.

    Args:
        table: One row a file, as `measure` wrote it.
        facts: What is known besides.
        limits: Those of `DEFAULT_LIMITS` that are to be others.
    """
    files = _Files(_told_of_conversions(table), {**DEFAULT_LIMITS, **limits})
    flags = files.flags()
    has_any = any(files.is_measured)
    row: SummaryRow = {
        "files_found": files.table.rows,
        "files_measured": sum(files.is_measured),
        "files_unreadable": None if files.table.rows and all(files.unmeasured) else sum(files.unreadable),
        "planned_missing_share": facts.planned_missing_share,
        **{name: files.total(name) for name in ("spectra", "ms1_spectra", "ms2_spectra", "chromatograms")},
        **{name: files.total(name) for name in ("level_unknown_spectra", "invalid_values", "wrong_arrays")},
        **{f"{name}_files": files.total(name) or 0 if has_any else None for name in ("index_wrong", "checksum_wrong")},
        **{f"{name}_files": sum(bool(cell) for cell in cells) if has_any else None for name, cells in flags.items()},
        "empty_worst_share": maximum(files.empty_shares()),
        "mass_error_worst_ppm": maximum(files.numbers("mass_error_worst_ppm")),
        "tic_ms1_median_counts": files.middle("tic_ms1_sum_counts"),
        "base_peak_median_counts": files.middle("base_peak_maximum_counts"),
        "ms2_per_ms1_median": files.middle("ms2_per_ms1"),
        "rt_span_median_seconds": files.middle("rt_span_seconds"),
        "charge_2_share_median": files.middle("charge_2_share"),
        "charge_unknown_share_median": files.middle("charge_unknown_share"),
    }
    added: dict[str, list[Cell]] = {
        "unreadable": list(files.unreadable),
        "empty_share": list(files.empty_shares()),
        **{name: list(cells) for name, cells in flags.items()},
    }
    return Summary(
        row=row,
        table=MetricTable(columns={**files.table.columns, **added}),
        by_channel={f"MS{level}": values for level in (1, 2) if (values := files.of_level(level))},
    )


def _told_of_conversions(table: MetricTable) -> MetricTable:
    """Leave out that nobody looked into a maker's file where the spectra converted from it lie beside it, measured."""
    columns = table.columns
    nothing: list[Cell] = [None] * table.rows
    whys = columns.get(UNMEASURED, nothing)
    paths, problems = (columns.get(name, nothing) for name in ("path", "problem"))
    converted = {
        found[1]
        for path, why, problem in zip(paths, whys, problems, strict=True)
        if not is_said(why) and not is_said(problem) and (found := _SPECTRA.fullmatch(str(path))) is not None
    }
    kept = [
        None if (found := _MAKERS.fullmatch(str(path))) and (found[1] or found[2]) in converted else why
        for path, why in zip(paths, whys, strict=True)
    ]
    seen = [not is_said(why) or is_said(still) for why, still in zip(whys, kept, strict=True)]
    return MetricTable(
        columns={
            name: [cell for cell, stays in zip(cells, seen, strict=True) if stays]
            for name, cells in {**columns, UNMEASURED: kept}.items()
        }
    )


class _Files:
    """The table, column by column."""

    def __init__(self, table: MetricTable, limits: Mapping[str, float]) -> None:
        self.table, self._limits = table, limits
        nothing: list[Cell] = [None] * table.rows
        self.unreadable = [is_said(cell) for cell in table.columns.get("problem", nothing)]
        self.unmeasured = [is_said(cell) for cell in table.columns.get(UNMEASURED, nothing)]
        self.is_measured = [not any(pair) for pair in zip(self.unreadable, self.unmeasured, strict=True)]

    def numbers(self, name: str) -> list[float | None]:
        """A column as finite numbers; None for anything else, and for files that were not measured."""
        cells = self.table.columns.get(name, [None] * self.table.rows)
        return [number(cell) if known else None for cell, known in zip(cells, self.is_measured, strict=True)]

    def total(self, name: str) -> int | None:
        """Add a column up; None when no file has a value."""
        known = [value for value in self.numbers(name) if value is not None]
        return int(sum(known)) if known else None

    def middle(self, name: str) -> float | None:
        """Give the median of a column; None when no file has a value."""
        known = [value for value in self.numbers(name) if value is not None]
        return median(known) if known else None

    def _each(self, judge: Callable[..., bool], *names: str) -> list[bool | None]:
        """Judge each file that was measured by some of its metrics."""
        columns = [self.numbers(name) for name in names]
        return [judge(*values) if known else None for known, *values in zip(self.is_measured, *columns, strict=True)]

    def empty_shares(self) -> list[float | None]:
        """Give each file's share of MS1 and MS2 spectra without any signal."""
        names = ("empty_ms1_spectra", "empty_ms2_spectra", "ms1_spectra", "ms2_spectra")
        rows = zip(*(self.numbers(name) for name in names), strict=True)
        return [
            (row[0] + row[1]) / (row[2] + row[3])
            if all(value is not None for value in row) and row[2] + row[3]
            else None
            for row in rows
        ]

    def of_level(self, level: int) -> dict[str, float | None]:
        """Give what the row has of one level alone; nothing where no file has a spectrum of it."""
        spectra, empty = self.numbers(f"ms{level}_spectra"), self.numbers(f"empty_ms{level}_spectra")
        pairs = [(some, of_all) for some, of_all in zip(empty, spectra, strict=True) if some is not None and of_all]
        if not pairs:
            return {}
        return {"spectra": sum(of_all for _, of_all in pairs), "empty_worst_share": max(a / b for a, b in pairs)}

    def flags(self) -> dict[str, Sequence[bool | None]]:
        """Tell of each file how it is wrong; None where it was not measured."""
        limits = self._limits
        spans = [value for value in self.numbers("rt_span_seconds") if value is not None]
        shortest = limits["short_run_share"] * median(spans) if len(spans) >= _FILES_TO_COMPARE else 0.0
        has_ms2 = any(self.numbers("ms2_spectra"))
        return {
            "blank": self._each(lambda spectra, traces: not spectra and not traces, "spectra", "chromatograms"),
            "miscounted": self._each(lambda found, said: (said or 0) != (found or 0), "spectra", "spectra_declared"),
            "dark": self._each(lambda total: total == 0, "tic_sum_counts"),
            "tic_unknown": self._each(
                lambda share: share is not None and share > limits["tic_unknown_share_max"], "tic_unknown_share"
            ),
            "unstable": self._each(
                lambda share, imaging: not imaging and share is not None and share > limits["tic_jump_share_max"],
                *("tic_jump_share", "is_imaging"),
            ),
            "timeless": self._each(
                lambda unknown, imaging: not imaging and bool(unknown), "rt_unknown_spectra", "is_imaging"
            ),
            "disordered": self._each(bool, "rt_backward_spectra"),
            "gapped": self._each(
                lambda share: share is not None and share > limits["rt_gap_share_max"], "rt_gap_share"
            ),
            "short": self._each(lambda span: span is not None and span < shortest, "rt_span_seconds"),
            "without_ms1": self._each(lambda spectra, ms1: bool(spectra) and not ms1, "spectra", "ms1_spectra"),
            "without_ms2": self._each(
                lambda spectra, ms2, imaging: has_ms2 and bool(spectra) and not ms2 and not imaging,
                *("spectra", "ms2_spectra", "is_imaging"),
            ),
            "off_mass": self._each(
                lambda mean: mean is not None and mean > limits["mass_error_max_ppm"], "mass_error_mean_ppm"
            ),
        }
