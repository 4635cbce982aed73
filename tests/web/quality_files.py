"""What a report on quality is drawn from, as it lies in a version's object: a plate, curves, and what the gate said."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from cisterna.adapters.table_parquet import ParquetTables
from cisterna.services.measurement import CURVES_PATH, METRICS_PATH
from cisterna.services.validate import FINDINGS_FILE, SUITE_FILE, SUMMARY_FILE
from cisterna.testing.factory import make_sha512

TABLES = ParquetTables()
CHANNELS = ("BF LED matrix full", "Fluorescence 488 nm Ex")
LIMITS = {"focus_min": 0.02, "focus_relative_min": 0.3, "saturated_share_max": 0.01}


def image_path(well: str, field: int, channel: str) -> str:
    return f"0/{well}_{field}_0_{channel.replace(' ', '_')}.tiff"


def plate_metrics(rows: int, columns: int, *, fields: int = 2, blurred: Sequence[str] = ()) -> dict[str, list[Any]]:
    """Measurements of a plate whose named wells are out of focus."""
    table: dict[str, list[Any]] = {
        name: []
        for name in (
            *("path", "region", "field", "channel", "z", "t", "planes_in_file", "problem", "unmeasured"),
            *("focus", "saturated_share", "snr", "background_counts"),
        )
    }
    for number in range(rows * columns):
        row, column = divmod(number, columns)
        well = f"{chr(65 + row) if row < 26 else 'A' + chr(39 + row)}{column + 1}"
        for field in range(fields):
            for channel in CHANNELS:
                wave = 0.008 * math.sin(0.7 * number + field)
                values = {
                    "path": image_path(well, field, channel),
                    "region": well,
                    "field": str(field),
                    "channel": channel,
                    "z": 0,
                    "t": 0,
                    "focus": 0.006 if well in blurred else 0.045 + wave,
                    "saturated_share": 0.02 if number % 17 == 3 else 0.0005 * (number % 5),
                    "snr": 40.0 + 10 * math.cos(number),
                    "background_counts": 100.0 + 0.4 * number,
                }
                for name, cells in table.items():
                    cells.append(values.get(name))
    return table


def curve_table(files: int, *, names: Sequence[str] = ("quality_phred_by_cycle", "gc_share_histogram")) -> bytes:
    """Curves as a sequencer's files have them; the first file is worse than the others."""
    points = [
        (f"reads_{file}.fastq.gz", name, float(x), (20.0 if file == 0 else 36.0) - 0.05 * x + math.sin(x / 9 + file))
        for file in range(files)
        for name in names
        for x in range(1, 151)
    ]
    return TABLES.dump(dict(zip(("path", "curve", "x", "y"), map(list, zip(*points, strict=True)), strict=True)))


def quality_files(
    metrics: dict[str, list[Any]] | None, *, curves: bytes | None = None, **summary: Any
) -> dict[str, bytes]:
    """The files below `quality/`, but for the previews."""
    said = {"suite": "microscopy/default", "suite_sha512": make_sha512("suite"), "engine": "great_expectations 1.24.0"}
    files = {
        FINDINGS_FILE: json.dumps({"verdict": "review", "reason": "x", "findings": [], **said}).encode(),
        SUMMARY_FILE: json.dumps({"summary": {"images_found": 96, **summary}, "limits": LIMITS, "rows": 96}).encode(),
    }
    rule = {
        "check": "focus-some-lost",
        "kwargs": {"column": "out_of_focus_share", "max_value": 0.02},
        "advice": "Look at those listed.",
    }
    background = {"column": "background_counts", "max_value": 130}
    uneven = {"check": "background-high", "kwargs": {"column": "x"}, "advice": "Dim the light.", "rows": background}
    files[SUITE_FILE] = json.dumps({"suite": "microscopy/default", "expectations": [rule, uneven]}).encode()
    if metrics is not None:
        files[METRICS_PATH] = TABLES.dump(metrics)
    if curves is not None:
        files[CURVES_PATH] = curves
    return files
