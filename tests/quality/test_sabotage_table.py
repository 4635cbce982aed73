"""Folders of tables that are wrong in a known way, and the verdict that each must get from the real gate."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from cisterna.adapters.file_reader import FileChildren
from cisterna.adapters.gx_gate import GxGate
from cisterna.adapters.spool_folder import SpoolFolder
from cisterna.adapters.table_meter import TableMeter
from cisterna.domain.finding import Outcome, Verdict, verdict_of
from cisterna.ports.quality import MetricTable
from cisterna.services.plane_finding import told_of_planes
from cisterna.services.summary import Facts
from cisterna.services.summary_choice import summarise
from cisterna.services.validate import reason_of
from cisterna.testing.virtual_table import table_as_parquet, virtual_table
from tests.profiles.folder_look import Held

PASSED, REVIEW, QUARANTINED, NOT_ASSESSED = (
    Verdict.PASSED,
    Verdict.REVIEW,
    Verdict.QUARANTINED,
    Verdict.NOT_ASSESSED,
)
WHOLE = Facts(planned_missing_share=0.0)
Files = Mapping[str, bytes]
HEADER = "id,well,dose_um,note\n"
LINES = [f"{number},{'ABCDEFGH'[number % 8]}{1 + number // 8},{number / 4},fine {number}\n" for number in range(96)]
GOOD = (HEADER + "".join(LINES)).encode()
COLUMNS: dict[str, list[Any]] = {"id": list(range(96)), "area_um2": [80.0 + number % 9 for number in range(96)]}
SCHEMA = {
    "fields": [
        {"name": "id", "type": "integer", "constraints": {"required": True}},
        {"name": "well", "type": "string", "constraints": {"pattern": "[A-H]([1-9]|1[0-2])"}},
        {"name": "dose_um", "type": "number", "constraints": {"minimum": 0, "maximum": 100}},
        {"name": "note", "type": "string"},
    ],
    "primaryKey": "id",
}


def csv_with(place: int, line: str, *, times: int = 1) -> Files:
    """The good table with other lines in the place of some."""
    lines = [*LINES[:place], *[line] * times, *LINES[place + times :]]
    return {"a.csv": (HEADER + "".join(lines)).encode()}


def parquet_with(**columns: list[Any]) -> Files:
    return {"a.parquet": table_as_parquet({**COLUMNS, **columns})}


def with_schema(body: bytes, **changes: Any) -> Files:
    return {"a.csv": body, "schema.json": json.dumps({**SCHEMA, **changes}).encode()}


Case = tuple[Callable[[], Files], Verdict, str]

CASES: dict[str, Case] = {
    "as it should be": (lambda: {"a.csv": GOOD}, PASSED, ""),
    "parquet": (parquet_with, PASSED, ""),
    "both, packed and with a schema": (
        lambda: {**with_schema(GOOD), "b.csv.gz": gzip.compress(GOOD), "c/a.parquet": parquet_with()["a.parquet"]},
        PASSED,
        "",
    ),
    "what the virtual instrument writes": (lambda: virtual_table().files, PASSED, ""),
    "for a German spreadsheet": (lambda: {"a.csv": b"\xef\xbb\xbf" + GOOD.replace(b",", b";")}, PASSED, ""),
    "without a key": (lambda: {"a.csv": GOOD.replace(b"id,", b"nr,", 1)}, PASSED, ""),
    "no row": (lambda: {"a.csv": HEADER.encode()}, QUARANTINED, "tables-readable"),
    "parquet without a row": (lambda: parquet_with(id=[], area_um2=[]), QUARANTINED, "tables-readable"),
    "binary": (lambda: {"a.csv": GOOD[:99] + bytes(500)}, QUARANTINED, "tables-readable"),
    "text in UTF-16": (lambda: {"a.csv": GOOD.decode().encode("utf-16")}, QUARANTINED, "tables-readable"),
    "gzip cut off": (lambda: {"a.csv.gz": gzip.compress(GOOD)[:-30]}, QUARANTINED, "tables-readable"),
    "parquet cut off": (lambda: {"a.parquet": parquet_with()["a.parquet"][:-9]}, QUARANTINED, "tables-readable"),
    "one of two cut off": (
        lambda: {"a.csv": GOOD, "b.parquet": parquet_with()["a.parquet"][:-9]},
        QUARANTINED,
        "tables-readable",
    ),
    "a quote never closed": (lambda: csv_with(40, '40,A5,1.0,"fine\n'), QUARANTINED, "tables-readable"),
    "encrypted": (lambda: {"a.parquet": b"PARE" + bytes(99) + b"PARE"}, NOT_ASSESSED, "tables-readable"),
    "one encrypted beside a good one": (
        lambda: {"a.csv": GOOD, "b.parquet": b"PARE" + bytes(99) + b"PARE"},
        NOT_ASSESSED,
        "",
    ),
    "no table": (dict, QUARANTINED, "tables-found"),
    "one row of five cells": (
        lambda: {"a.csv": GOOD + b"".join(b"%d,A1,1,x\n" % n for n in range(96, 300)) + b"300,A1,1,x,y\n"},
        REVIEW,
        "rows-whole",
    ),
    "notes below the table": (lambda: {"a.csv": GOOD + b"exported by Anna\n" * 3}, QUARANTINED, "rows-whole-most"),
    "cells shifted by a comma": (lambda: csv_with(10, "10,C2,2,5,fine\n", times=20), QUARANTINED, "rows-whole-most"),
    "quotes within a cell": (lambda: csv_with(10, '10,C2,2.5,a 5" pipe\n'), REVIEW, "quotes-sound"),
    "letters of another encoding": (
        lambda: {"a.csv": GOOD.replace(b"fine 7", "wei\u00df".encode("latin-1"))},
        REVIEW,
        "text-utf8",
    ),
    "two columns of one name": (
        lambda: {"a.csv": GOOD.replace(b"note", b"well", 1)},
        QUARANTINED,
        "columns-told-apart",
    ),
    "a column without a name": (lambda: {"a.csv": GOOD.replace(b"note", b"", 1)}, REVIEW, "columns-named"),
    "an empty column": (lambda: parquet_with(later=[None] * 96), REVIEW, "columns-filled"),
    "words among numbers": (lambda: csv_with(10, "10,C2,<0.1,fine\n"), REVIEW, "columns-one-type"),
    "half empty": (lambda: parquet_with(area_um2=[None] * 60 + [1.0] * 36), REVIEW, "values-missing"),
    "nearly all empty": (
        lambda: {"a.csv": (HEADER + "".join(f"{n},,NA,\n" for n in range(96))).encode()},
        QUARANTINED,
        "values-missing-most",
    ),
    "all of one value missing": (lambda: parquet_with(area_um2=[math.nan] * 96), REVIEW, "columns-filled"),
    "infinite": (lambda: parquet_with(area_um2=[math.inf, *range(95)]), REVIEW, "values-finite"),
    "a formula": (lambda: csv_with(10, '10,C2,2.5,"=HYPERLINK(""http://x.example"")"\n'), REVIEW, "no-formulas"),
    "rows exported twice": (lambda: {"a.csv": GOOD + LINES[5].encode()}, QUARANTINED, "keys-unique"),
    "a row without its key": (lambda: csv_with(10, ",C2,2.5,fine\n"), QUARANTINED, "keys-unique"),
    "a key twice in parquet": (lambda: parquet_with(id=[7, *range(1, 96)]), QUARANTINED, "keys-unique"),
    "a value beyond its limit": (
        lambda: with_schema(csv_with(10, "10,C2,250,fine\n")["a.csv"]),
        QUARANTINED,
        "schema-kept",
    ),
    "a well that is none": (lambda: with_schema(csv_with(10, "10,K2,2.5,fine\n")["a.csv"]), QUARANTINED, "schema-kept"),
    "a column that the schema asks for": (
        lambda: with_schema(GOOD.replace(b"dose_um", b"dose", 1)),
        QUARANTINED,
        "schema-columns",
    ),
    "a column that nobody described": (
        lambda: with_schema(GOOD, fields=SCHEMA["fields"][:3]),
        REVIEW,
        "schema-known",
    ),
    "a schema that is none": (lambda: {"a.csv": GOOD, "schema.json": b"{"}, QUARANTINED, "tables-readable"),
}


@pytest.mark.parametrize("name", CASES, ids=list(CASES))
def test_a_sabotaged_folder_gets_the_verdict_it_must(
    gate: GxGate, readers: FileChildren, tmp_path: Path, name: str
) -> None:
    make, verdict, check = CASES[name]
    summary = summarise("table", measured(make(), readers, tmp_path), WHOLE, limits=gate.limits("table"))

    report = gate.assess(data_type="table", summary=summary.row, table=summary.table)
    findings = told_of_planes(report.findings, summary.table)

    assert verdict_of(findings) is verdict, reason_of(findings)
    not_passed = {finding.check for finding in findings if finding.outcome is not Outcome.PASSED}
    assert check in not_passed or not check
    assert reason_of(findings)


def test_the_table_behind_a_failure_is_named(gate: GxGate, readers: FileChildren, tmp_path: Path) -> None:
    files = {"good.csv": GOOD, "bad.csv": GOOD + LINES[5].encode()}
    summary = summarise("table", measured(files, readers, tmp_path), WHOLE)

    report = gate.assess(data_type="table", summary=summary.row, table=summary.table)

    (finding,) = [one for one in report.findings if one.check == "keys-unique"]
    assert finding.files == ("bad.csv",)
    assert finding.message.startswith("Rows whose key is missing or was there before: 1 row (expected at most 0 rows).")


def measured(files: Files, readers: FileChildren, folder: Path) -> MetricTable:
    """Measure as the one read does, and give the table that it keeps."""
    spools = SpoolFolder(folder / "spool", limit_bytes=1 << 30, room=None)
    meter = TableMeter(spools=spools, children=readers).of_run(Held(dict(files)))
    taken = [path for path in files if meter.takes(path, is_image=False)]
    readings = {path: meter.read(memoryview(files[path]), path=path) for path in taken}
    columns: dict[str, list[str | float | int | None]] = {
        "path": list(taken),
        "problem": [one.problem for one in readings.values()],
        "unmeasured": [one.unmeasured for one in readings.values()],
        **{name: [one.metrics.get(name) for one in readings.values()] for name in meter.names},
    }
    return MetricTable(columns=columns)
