"""What the gate said, as MultiQC's custom content: general statistics, and a table for each data type.

MultiQC puts names and texts into its page as they are, so what could end an element there is replaced here. And it
shortens names of samples at what it knows as ends of file names, by which two datasets would become one: the settings
beside the files tell it not to, and no name holds the dots, slashes and underscores by which most of those ends begin.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, count
from typing import Any

from cisterna.domain.finding import Outcome
from cisterna.services.quality_export import JudgedDataset

Json = dict[str, Any]
Key = tuple[str, str]
"""Id of a dataset, and label of its version."""

_SETTINGS = b"""# Read by MultiQC when it is started in this folder.
fn_clean_sample_names: false
no_version_check: true
no_ai: true
"""
_MOST_COLUMNS = 60
_LONGEST = 120
SETTINGS = "multiqc_config.yaml"
"""MultiQC reads it where it is started in its folder."""
_DOT = "\N{MIDDLE DOT}"
_UNSAFE = re.compile(r"[<>&\"'`\\]")
_VERDICTS = {"pass": "passed", "warn": "review", "fail": "quarantined"}
_COUNTED = ((Outcome.FAILED, "failed"), (Outcome.WARNING, "warnings"), (Outcome.NOT_ASSESSED, "not assessed"))


def multiqc_files(datasets: Sequence[JudgedDataset]) -> dict[str, bytes]:
    """Write the files that MultiQC finds by their names; the same datasets give the same bytes."""
    names = _names(datasets)
    files = {"cisterna_general_mqc.json": _general(datasets, names)}
    for identifier, data_type in _sections(datasets).items():
        own = [one for one in datasets if one.data_type == data_type]
        files[f"{identifier}_mqc.json"] = _section(identifier, data_type, own, names)
    return {SETTINGS: _SETTINGS} | {name: _encoded(content) for name, content in files.items()}


def _sections(datasets: Sequence[JudgedDataset]) -> dict[str, str]:
    """Give each data type an identifier of its own, also where two are written alike, or one as what is ours."""
    found = {"cisterna_general": ""}
    for data_type in sorted({one.data_type for one in datasets}):
        plain = f"cisterna_{_identifier(data_type)}"
        numbered = (f"{plain}_{number}" for number in count(2))
        found[next(one for one in chain([plain], numbered) if one not in found)] = data_type
    del found["cisterna_general"]
    return found


def _general(datasets: Sequence[JudgedDataset], names: Mapping[Key, str]) -> Json:
    headers: Json = {
        "verdict": {
            "title": "Verdict",
            "description": "What the gate said",
            "cond_formatting_rules": {style: [{"s_eq": verdict}] for style, verdict in _VERDICTS.items()},
        }
    }
    for outcome, words in _COUNTED:
        headers[outcome.value.replace("-", "_")] = {
            "title": f"Checks {words}",
            "description": f"How many checks ended as {outcome.value}",
            "format": "{:,.0f}",
            "scale": "Reds",
            "min": 0,
        }
    rows: Json = {}
    for one in datasets:
        counts = Counter(finding.outcome for finding in one.findings)
        row: Json = {outcome.value.replace("-", "_"): counts[outcome] for outcome, _ in _COUNTED}
        rows[names[_key(one)]] = {"verdict": one.verdict.value, **row}
    return {
        "id": "cisterna_general",
        "plot_type": "generalstats",
        "namespace": "Cisterna",
        "headers": headers,
        "data": rows,
    }


def _section(identifier: str, data_type: str, datasets: Sequence[JudgedDataset], names: Mapping[Key, str]) -> Json:
    columns = _columns(one.summary for one in datasets)
    rows: Json = {}
    for one in datasets:
        values = {column: one.summary.get(column) for column in columns}
        rows[names[_key(one)]] = {_identifier(column): value for column, value in values.items() if _is_finite(value)}
    return {
        "id": identifier,
        "section_name": f"Quality: {_text(data_type).replace('_', ' ')}",
        "description": "The row by which the gate judged each dataset. A value that nobody has is left empty.",
        "plot_type": "table",
        "pconfig": {
            "id": f"{identifier}_table",
            "title": f"Cisterna: quality of {_text(data_type).replace('_', ' ')}",
            "col1_header": "Dataset",
            "namespace": "Cisterna",
            "no_violin": False,
        },
        "headers": {
            _identifier(column): _header(column, [one.summary.get(column) for one in datasets]) for column in columns
        },
        "data": rows,
    }


def _columns(summaries: Iterable[Mapping[str, object]]) -> list[str]:
    """Name the columns in which any dataset has a number, each name once as MultiQC will know it."""
    found: dict[str, str] = {}
    for summary in summaries:
        for column, value in summary.items():
            if _is_finite(value) and len(found) < _MOST_COLUMNS:
                found.setdefault(_identifier(column), column)
    return sorted(found.values())


def _header(column: str, values: Sequence[object]) -> Json:
    name = _text(column)
    header: Json = {"title": name.replace("_", " ").capitalize(), "description": f"{name} of the summary"}
    if column.endswith("_share"):
        return header | {"min": 0, "max": 1, "format": "{:,.4f}", "scale": "Oranges"}
    is_count = all(isinstance(value, int) for value in values if _is_finite(value))
    return header | {"format": "{:,.0f}" if is_count else "{:,.4g}", "scale": "Blues"}


def _names(datasets: Sequence[JudgedDataset]) -> dict[Key, str]:
    """Name each version by its dataset's title, with the dataset's id where two have the same."""
    titles = {_key(one): f"{_sample(one.title)} {one.version.replace('.', _DOT)}" for one in datasets}
    same = Counter(titles.values())
    return {key: title if same[title] == 1 else f"{title} ({key[0]})" for key, title in titles.items()}


def _key(one: JudgedDataset) -> Key:
    return one.dataset_id, one.version


def _sample(title: str) -> str:
    return " ".join(re.sub(r"[/_|:]", " ", _text(title)).replace(".", _DOT).split()) or "untitled"


def _text(text: str) -> str:
    kept = "".join(one if one.isprintable() else "_" for one in text[:_LONGEST])
    return _UNSAFE.sub("_", kept).strip() or "_"


def _identifier(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text[:_LONGEST].lower()).strip("_") or "other"


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _encoded(content: Json) -> bytes:
    return (json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()
