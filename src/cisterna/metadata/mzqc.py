"""Writes what was measured of mass spectra as mzQC 1.0, the quality format of the HUPO-PSI. Pure.

Only metrics with a term of the PSI-MS vocabulary are in it, by the vocabulary's own definition and unit; all others are
in `quality/metrics.parquet`. Which is which stands in `docs/reference/metrics-mass-spectrometry.md`.
"""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC

from pydantic import JsonValue

from cisterna.domain.base import Moment, Value
from cisterna.metadata.listing import uri_path

VERSION = "1.0.0"
_VOCABULARY: dict[str, JsonValue] = {
    "name": "Proteomics Standards Initiative Mass Spectrometry Ontology",
    "uri": "http://purl.obolibrary.org/obo/ms.obo",
    "version": "4.1.258",
}
"""It has the units as well: beside the unit ontology they would be ambiguous."""
_UNITS = {
    "UO:0000010": "second",
    "UO:0000189": "count unit",
    "MS:1000040": "m/z",
    "MS:1000043": "intensity unit",
}
TERMS: Mapping[str, tuple[str, str, str | None]] = {
    "ms1_spectra": ("MS:4000059", "number of MS1 spectra", "UO:0000189"),
    "ms2_spectra": ("MS:4000060", "number of MS2 spectra", "UO:0000189"),
    "chromatograms": ("MS:4000071", "number of chromatograms", "UO:0000189"),
    "empty_ms1_spectra": ("MS:4000099", "number of empty MS1 scans", "UO:0000189"),
    "empty_ms2_spectra": ("MS:4000100", "number of empty MS2 scans", "UO:0000189"),
    "rt_span_seconds": ("MS:4000067", "MS run duration", "UO:0000010"),
    "tic_sum_counts": ("MS:4000155", "area under TIC", None),
    "tic_ms1_sum_counts": ("MS:4000029", "area under TIC in MS1", None),
    "tic_ms2_sum_counts": ("MS:4000030", "area under TIC in MS2", None),
    "tic_maximum_counts": ("MS:4000204", "total ion current maximum", "MS:1000043"),
    "base_peak_maximum_counts": ("MS:4000202", "base peak intensity maximum", "MS:1000043"),
    "tic_jumps": ("MS:4000097", "MS1 signal jump (10x) count", "UO:0000189"),
    "tic_falls": ("MS:4000098", "MS1 signal fall (10x) count", "UO:0000189"),
    "charge_mean": ("MS:4000173", "mean MS2 precursor charge in all spectra", None),
}
"""Of a metric that is one number: accession, name and unit."""
RANGES: Mapping[tuple[str, str], tuple[str, str, str]] = {
    ("rt_first_seconds", "rt_last_seconds"): ("MS:4000070", "retention time acquisition range", "UO:0000010"),
    ("precursor_mz_lowest", "precursor_mz_highest"): ("MS:4000069", "m/z acquisition range", "MS:1000040"),
}
CHARGES = ("charge_1_share", "charge_2_share", "charge_3_share", "charge_4_up_share")
"""Of the table `MS:4000063`, which leaves out the precursors whose charge nobody knows."""
_COUNTS = "UO:0000189"


class MeasuredRun(Value):
    """One file and what was measured of it, by the names of the metrics."""

    path: str
    metrics: dict[str, float | None]


def mzqc_document(
    runs: Sequence[MeasuredRun], *, pid: str, software_version: str, created: Moment, description: str
) -> dict[str, JsonValue] | None:
    """Give the document; None where there is nothing to write, since mzQC knows no empty one.

    Args:
        runs: In the order in which they are to stand.
        pid: Of the dataset, below which the files are.
        software_version: Of what measured.
        created: When it was measured.
        description: What was judged of it, in words.
    """
    names = Counter(posixpath.basename(run.path) for run in runs)
    qualities: list[JsonValue] = []
    for run in runs:
        metrics = _metrics(run.metrics)
        if metrics:
            base = posixpath.basename(run.path)
            name = base if names[base] == 1 else run.path
            qualities.append({"metadata": _metadata(run, name, pid, software_version), "qualityMetrics": metrics})
    if not qualities:
        return None
    return {
        "mzQC": {
            "version": VERSION,
            "creationDate": created.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "description": description,
            "runQualities": qualities,
            "controlledVocabularies": [_VOCABULARY],
        }
    }


def _metadata(run: MeasuredRun, name: str, pid: str, software_version: str) -> dict[str, JsonValue]:
    is_imaging = run.path.lower().endswith(".imzml")
    file_format = ("MS:1003611", "imzML format") if is_imaging else ("MS:1000584", "mzML format")
    return {
        "label": name,
        "inputFiles": [
            {"name": name, "location": f"{pid}/data/{uri_path(run.path)}", "fileFormat": _term(*file_format)}
        ],
        "analysisSoftware": [
            {
                **_term("MS:1001456", "analysis software"),
                "value": "Cisterna",
                "version": software_version,
                "uri": f"pkg:generic/cisterna@{software_version}",
            }
        ],
    }


def _metrics(measured: Mapping[str, float | None]) -> list[JsonValue]:
    found: list[JsonValue] = []
    for name, (accession, words, unit) in TERMS.items():
        value = measured.get(name)
        if value is not None:
            found.append(_metric(accession, words, int(value) if unit == _COUNTS else value, unit))
    for (low, high), (accession, words, unit) in RANGES.items():
        ends = [measured.get(low), measured.get(high)]
        if None not in ends:
            found.append(_metric(accession, words, list(ends), unit))
    shares = [measured.get(name) or 0.0 for name in CHARGES]
    if sum(shares) > 0:
        table: dict[str, JsonValue] = {
            "MS:1000041": [1, 2, 3, 4],
            "UO:0000191": [share / sum(shares) for share in shares],
        }
        found.append(_metric("MS:4000063", "MS2 known precursor charges fractions", table, None))
    return found


def _metric(accession: str, name: str, value: JsonValue, unit: str | None) -> dict[str, JsonValue]:
    metric = {**_term(accession, name), "value": value}
    return metric if unit is None else {**metric, "unit": _term(unit, _UNITS[unit])}


def _term(accession: str, name: str) -> dict[str, JsonValue]:
    return {"accession": accession, "name": name}
