"""Tables are measured as a plain reading of them gives, in text and in Parquet, whatever blocks they come in."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cisterna.adapters import distinct
from cisterna.adapters.distinct import Distinct, hash_list
from cisterna.adapters.file_reader import FileChildren
from cisterna.adapters.spool_folder import SpoolFolder
from cisterna.adapters.table_columns import SAMPLE
from cisterna.adapters.table_meter import TableMeter
from cisterna.ports.quality import Meter, Reading
from cisterna.testing.meter_contract import MeterContract
from cisterna.testing.virtual_table import table_as_parquet
from tests.profiles.folder_look import Held

Read = Callable[..., Reading]


def meter_of(readers: FileChildren, spool: Path, files: Mapping[str, bytes] | None = None) -> TableMeter:
    meter = TableMeter(spools=SpoolFolder(spool, limit_bytes=1 << 30, room=None), children=readers)
    return meter if files is None else meter.of_run(Held(dict(files)))


@pytest.fixture
def read(readers: FileChildren, tmp_path: Path) -> Read:
    def read(body: bytes, path: str = "a.csv", **beside: object) -> Reading:
        files = {name.replace("_", "."): json.dumps(content).encode() for name, content in beside.items()}
        meter = meter_of(readers, tmp_path, {path: body, **files})
        return meter.read(memoryview(body), path=path)

    return read


def rows_of(cells: Sequence[Sequence[str]], *, delimiter: str = ",") -> bytes:
    written = io.StringIO(newline="")
    csv.writer(written, delimiter=delimiter, lineterminator="\n").writerows(cells)
    return written.getvalue().encode()


PLATE = [
    ["id", "well", "dose_um", "cells", "seen", "taken", "note"],
    ["1", "A1", "0.5", "100", "true", "2026-11-03", "ok"],
    ["2", "A2", "1.5", "120", "false", "2026-11-03", ""],
    ["3", "A3", "NA", "90", "true", "2026-11-04", "edge, left"],
    ["4", "A4", "2e1", "-7", "true", "2026-11-04", 'a "good" one'],
]
EXPECTED = {
    "rows": 4.0,
    "columns": 7.0,
    "numeric_columns": 3.0,
    "text_columns": 2.0,
    "date_columns": 1.0,
    "boolean_columns": 1.0,
    "empty_columns": 0.0,
    "null_share": 2 / 28,
    "null_share_worst": 0.25,
    "ragged_rows": 0.0,
    "key_columns": 1.0,
    "key_duplicates": 0.0,
    "has_schema": 0.0,
}
AS_TYPES = {
    "id": [1, 2, 3, 4],
    "well": ["A1", "A2", "A3", "A4"],
    "dose_um": [0.5, 1.5, None, 20.0],
    "cells": [100, 120, 90, -7],
    "seen": [True, False, True, True],
    "taken": [date(2026, 11, 3), date(2026, 11, 3), date(2026, 11, 4), date(2026, 11, 4)],
    "note": ["ok", "", "edge, left", 'a "good" one'],
}
FORMS: dict[str, tuple[str, bytes]] = {
    "comma": ("a.csv", rows_of(PLATE)),
    "semicolon": ("a.csv", rows_of(PLATE, delimiter=";")),
    "tabs": ("a.tsv", rows_of(PLATE, delimiter="\t")),
    "windows": ("a.csv", rows_of(PLATE).replace(b"\n", b"\r\n")),
    "old mac": ("a.csv", rows_of(PLATE).replace(b"\n", b"\r")),
    "no last end": ("a.csv", rows_of(PLATE)[:-1]),
    "empty lines": ("a.csv", b"\n" + rows_of(PLATE).replace(b"\n", b"\n\n")),
    "packed": ("a.csv.gz", gzip.compress(rows_of(PLATE))),
    "marked": ("a.csv", b"\xef\xbb\xbf" + rows_of(PLATE)),
    "parquet": ("a.parquet", table_as_parquet(AS_TYPES)),
}


@pytest.mark.parametrize("form", FORMS, ids=list(FORMS))
def test_the_same_table_is_the_same_in_every_form(read: Read, form: str) -> None:
    path, body = FORMS[form]

    reading = read(body, path)

    assert reading.problem is None
    assert {name: reading.metrics[name] for name in EXPECTED} == pytest.approx(EXPECTED)
    assert reading.metrics["byte_order_mark"] == float(form == "marked")
    curves = {curve.name: curve for curve in reading.curves}
    assert curves["minimum_by_column"].y == (1.0, None, 0.5, -7.0, None, None, None)
    assert curves["maximum_by_column"].y == (4.0, None, 20.0, 120.0, None, None, None)
    assert curves["null_share_by_column"].y == (0.0, 0.0, 0.25, 0.0, 0.0, 0.0, 0.25)
    assert sum(y or 0 for y in curves["rows_by_cells"].y) == 4


TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=8)
CELL = st.one_of(TEXTS, st.integers(-(10**6), 10**6).map(str), st.floats(allow_nan=False).map(repr), st.just(""))


@settings(max_examples=120, deadline=None)
@given(
    cells=st.integers(2, 5).flatmap(lambda wide: st.lists(st.lists(CELL, min_size=wide, max_size=wide), min_size=1)),
    step=st.integers(1, 40),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_any_table_that_python_writes_is_read_as_python_reads_it(
    cells: list[list[str]], step: int, quoting: Any
) -> None:
    header = [f"c{place}" for place in range(len(cells[0]))]
    written = io.StringIO(newline="")
    csv.writer(written, quoting=quoting, lineterminator="\n").writerows([header, *cells])
    body = written.getvalue().encode()
    meter = TableMeter(spools=None, children=None)  # type: ignore[arg-type]

    with meter.spool("a.csv", size_bytes=len(body)) as spool:
        for start in range(0, len(body), step):
            spool.write(memoryview(body)[start : start + step])
        metrics = spool.read(keep_on=lambda: None).metrics

    wanted = plain(cells)
    assert {name: metrics[name] for name in wanted} == pytest.approx(wanted)


NULLS = {
    "",
    "#N/A",
    "#N/A N/A",
    "#NA",
    "-1.#IND",
    "-1.#QNAN",
    "-NaN",
    "-nan",
    "1.#IND",
    "1.#QNAN",
    "<NA>",
    "N/A",
    "NA",
    "NULL",
    "NaN",
    "None",
    "n/a",
    "nan",
    "null",
}


def plain(cells: list[list[str]]) -> dict[str, float]:
    """The definitions, one cell after another."""
    columns = [[cell.strip(" \t\n\r\v\f") for cell in column] for column in zip(*cells, strict=True)]
    nulls = [sum(cell in NULLS for cell in column) for column in columns]
    values = [[cell for cell in column if cell not in NULLS] for column in columns]
    kinds = [Counter(is_number(cell) for cell in column) for column in values]
    return {
        "rows": float(len(cells)),
        "ragged_rows": 0.0,
        "null_share": sum(nulls) / len(cells) / len(columns),
        "null_share_worst": max(nulls) / len(cells),
        "numeric_columns": float(sum(kind[True] > 0 and not kind[False] for kind in kinds)),
        "empty_columns": float(sum(not column for column in values)),
        "formula_cells": float(sum(cell[0] in "=+@" and not is_number(cell) for column in values for cell in column)),
        "nonfinite_values": float(
            sum(is_number(cell) and math.isinf(float(cell)) for column in values for cell in column)
        ),
    }


def is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return cell.isascii() and "_" not in cell


def test_a_first_column_named_id_is_the_key_and_no_other_is(read: Read) -> None:
    twice = rows_of([["ID", "n"], ["a", "1"], ["b", "2"], ["a", "3"], ["", "4"], ["a", "5"]])
    other = rows_of([["n", "id"], ["1", "a"], ["2", "a"]])

    metrics = read(twice).metrics

    assert (metrics["key_columns"], metrics["key_duplicates"], metrics["key_nulls"]) == (1.0, 2.0, 1.0)
    assert (read(other).metrics["key_columns"], read(other).metrics["key_duplicates"]) == (0.0, None)


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_what_is_odd_about_columns_is_counted(read: Read, form: str) -> None:
    columns: dict[str, list[Any]] = {
        "same": ["x"] * 4,
        "nothing": [None] * 4,
        "": [1, 2, 3, 4],
        "formula": ["=1+1", "@SUM(A1)", "+cmd", "fine"],
        "endless": [1.0, math.inf, -math.inf, 2.0],
    }
    text = [
        list(columns),
        *([("" if cell is None else str(cell)) for cell in row] for row in zip(*columns.values(), strict=True)),
    ]
    body = rows_of(text) if form == "csv" else table_as_parquet(columns)

    metrics = read(body, f"a.{form}").metrics

    assert (metrics["constant_columns"], metrics["empty_columns"], metrics["unnamed_columns"]) == (1.0, 1.0, 1.0)
    assert (metrics["formula_cells"], metrics["nonfinite_values"]) == (3.0, 2.0)


def test_a_column_of_numbers_with_a_few_words_is_mixed_and_one_of_names_is_not(read: Read) -> None:
    rows = [["value", "name", "day"], ["1", "A1", "2026-11-03"], ["2", "7", "2026-11-04"], ["<5", "B2", "unknown"]]

    assert read(rows_of(rows)).metrics["mixed_columns"] == 2.0


def test_rows_that_do_not_fit_the_header_are_counted_and_left_out(read: Read) -> None:
    metrics = read(b"a,b\n1,2\n3\n4,5,6\n7,8\n").metrics

    assert (metrics["rows"], metrics["ragged_rows"], metrics["null_share"]) == (4.0, 2.0, 0.0)


def test_quotes_where_none_may_be_are_counted_and_read_as_everybody_reads_them(read: Read) -> None:
    metrics = read(b'pipe,n\n5" wide,1\n"a"b,2\n"fine ""one""",3\n').metrics

    assert (metrics["quote_faults"], metrics["rows"], metrics["ragged_rows"]) == (2.0, 3.0, 0.0)


def test_columns_of_one_name_and_letters_that_are_no_utf8_are_counted(read: Read) -> None:
    metrics = read("a,a,größe\nä,1,2\nb,1,3\n".encode("latin-1")).metrics

    assert (metrics["duplicate_column_names"], metrics["cells_not_utf8"]) == (1.0, 2.0)


SCHEMA = {
    "fields": [
        {"name": "well", "type": "string", "constraints": {"pattern": "[A-H](1[0-2]|[1-9])", "required": True}},
        {"name": "dose", "type": "number", "constraints": {"minimum": 0, "maximum": 10}},
        {"name": "kind", "type": "string", "constraints": {"enum": ["drug", "control"]}},
        {"name": "batch", "type": "integer"},
        {"name": "code", "type": "string", "constraints": {"minLength": 2, "maxLength": 3, "unique": True}},
    ],
    "primaryKey": ["well", "batch"],
    "missingValues": ["", "-"],
}
HEADER = ["well", "dose", "kind", "batch", "code"]
GOOD = [["A1", "1", "drug", "1", "abc"], ["A12", "-", "control", "1", "ab"], ["A1", "10", "drug", "2", "xyz"]]
WRONG: dict[str, tuple[list[str], float]] = {
    "pattern": (["I1", "1", "drug", "1", "q1"], 1.0),
    "pattern holds for the whole": (["A13", "1", "drug", "1", "q1"], 1.0),
    "required": (["", "1", "drug", "1", "q1"], 1.0),
    "minimum": (["B1", "-0.1", "drug", "1", "q1"], 1.0),
    "maximum": (["B1", "10.5", "drug", "1", "q1"], 1.0),
    "number": (["B1", "much", "drug", "1", "q1"], 1.0),
    "integer": (["B1", "1", "drug", "1.5", "q1"], 1.0),
    "enum": (["B1", "1", "Drug", "1", "q1"], 1.0),
    "short": (["B1", "1", "drug", "1", "q"], 1.0),
    "long": (["B1", "1", "drug", "1", "q123"], 1.0),
    "unique": (["B1", "1", "drug", "1", "abc"], 1.0),
    "two at once": (["B1", "-5", "x", "1", "q1"], 2.0),
}


@pytest.mark.parametrize("wrong", WRONG, ids=list(WRONG))
def test_values_are_held_against_the_schema_that_lies_beside(read: Read, wrong: str) -> None:
    row, faults = WRONG[wrong]

    good, bad = (read(rows_of([HEADER, *GOOD, *more]), schema_json=SCHEMA).metrics for more in ([], [row]))

    assert (good["has_schema"], good["schema_faults"], good["key_columns"]) == (1.0, 0.0, 2.0)
    assert (good["key_duplicates"], good["schema_columns_missing"], good["schema_columns_unknown"]) == (0.0, 0.0, 0.0)
    assert bad["schema_faults"] == faults


def test_a_way_of_writing_that_is_the_schemas_own_is_not_held_against_ours(read: Read) -> None:
    rows = [["flag", "amount", "day"], ["1", "1.234,5", "03/11/2026"], ["true", "7", "04/11/2026"], ["yes", "8", ""]]
    amount = {"name": "amount", "type": "number", "decimalChar": ",", "groupChar": "."}
    fields = [{"name": "flag", "type": "boolean"}, amount, {"name": "day", "type": "date", "format": "%d/%m/%Y"}]

    assert read(rows_of(rows), schema_json={"fields": fields}).metrics["schema_faults"] == 1.0  # the flag `yes`


def test_a_key_of_two_columns_is_held_together(read: Read) -> None:
    metrics = read(rows_of([HEADER, *GOOD, [*GOOD[0][:4], "new"]]), schema_json=SCHEMA).metrics

    assert (metrics["key_duplicates"], metrics["schema_faults"]) == (1.0, 0.0)


def test_parquet_is_held_against_it_as_well(read: Read) -> None:
    columns = {
        "well": ["A1", "Z1", None],
        "dose": [1.0, 11.0, -1.0],
        "kind": ["drug", "drug", "drug"],
        "batch": [1, 1, 1],
        "taken": [datetime(2026, 11, 3, tzinfo=UTC)] * 3,
    }

    metrics = read(table_as_parquet(columns), "a.parquet", schema_json=SCHEMA).metrics

    assert metrics["schema_faults"] == 4.0  # a pattern, a missing well, two limits
    assert (metrics["schema_columns_missing"], metrics["schema_columns_unknown"], metrics["key_nulls"]) == (1, 1, 1)


def test_a_data_package_names_the_schema_of_each_of_its_tables(readers: FileChildren, tmp_path: Path) -> None:
    package = {
        "resources": [
            {"path": "other.csv", "schema": {"fields": [{"name": "x"}]}},
            {"path": "data/plates.csv", "schema": "schemas/plate.json"},
        ]
    }
    files = {
        "datapackage.json": json.dumps(package).encode(),
        "schemas/plate.json": json.dumps(SCHEMA).encode(),
        "data/plates.csv": rows_of([HEADER, *GOOD]),
        "data/free.csv": rows_of(PLATE),
    }
    meter = meter_of(readers, tmp_path, files)

    named, free = (
        meter.read(memoryview(files[path]), path=path).metrics for path in ("data/plates.csv", "data/free.csv")
    )

    assert (named["has_schema"], named["schema_faults"], named["key_columns"]) == (1.0, 0.0, 2.0)
    assert free["has_schema"] == 0.0


def test_a_histogram_holds_a_long_column_thinned_out_evenly(read: Read) -> None:
    body = rows_of([["n"], *([str(number)] for number in range(50_000))])

    (curve,) = [curve for curve in read(body).curves if curve.name == "rows_by_n"]

    assert SAMPLE / 2 < sum(y or 0 for y in curve.y) <= SAMPLE
    assert max(curve.y, key=lambda y: y or 0) < 1.1 * np.mean([y or 0 for y in curve.y])  # type: ignore[operator]


def test_at_most_thirty_two_columns_have_a_histogram(read: Read) -> None:
    body = rows_of([[f"c{place}" for place in range(100)], ["1"] * 100, ["2"] * 100])

    names = [curve.name for curve in read(body).curves if curve.name.startswith("rows_by_")]

    assert names == [f"rows_by_c{place}" for place in range(32)]


def test_repetitions_are_found_and_estimated_where_not_all_can_be_kept() -> None:
    texts = [b"%d" % number for number in range(40_000)]
    exact, sampled = Distinct(), Distinct(most=4_000)
    for start in range(0, 40_000, 1_000):
        for one in (exact, sampled):
            one.add(hash_list(texts[start : start + 1_000] + texts[start : start + 500]))

    assert exact.repeated == 20_000
    assert sampled.repeated == pytest.approx(20_000, rel=0.1)


def test_texts_next_to_each_other_are_not_run_together() -> None:
    first = distinct.hash_texts(np.array([0, 1]), np.frombuffer(b"a", np.uint8))
    pairs = [
        distinct.hash_texts(np.array([0, len(second)]), np.frombuffer(second or b"\0", np.uint8), before)
        for before, second in ((first, b"bc"), (hash_list([b"ab"]), b"c"), (hash_list([b"abc"]), b""))
    ]

    assert len({int(pair[0]) for pair in pairs}) == 3


class TestText(MeterContract):
    @pytest.fixture
    def meter(self, readers: FileChildren, tmp_path: Path) -> Meter:
        return meter_of(readers, tmp_path)

    @pytest.fixture(params=["a.csv", "a.csv.gz", "a.tsv"])
    def good(self, request: pytest.FixtureRequest) -> tuple[str, bytes]:
        header = [f"a column with quite a long name {place}" for place in range(4)]
        mark = "\t" if request.param.endswith(".tsv") else ","
        body = rows_of([header, *([str(number)] * 4 for number in range(500))], delimiter=mark)
        return request.param, gzip.compress(body) if request.param.endswith(".gz") else body


class TestParquet(TestText):
    @pytest.fixture
    def good(self) -> tuple[str, bytes]:
        return "a.parquet", table_as_parquet({"n": list(range(500)), "x": [f"text {n}" for n in range(500)]})


@pytest.mark.parametrize(
    "number", ["+1", "-2", "1.", ".5", "1e5", "1e999", "+inf", "-Inf", "iNF", "INFINITY", "NAN", "-nAn"]
)
@pytest.mark.parametrize("other", ["2", "n.d."], ids=["among numbers", "beside a text"])
def test_whether_a_text_is_a_number_does_not_depend_on_what_stands_beside_it(
    read: Read, number: str, other: str
) -> None:
    metrics = read(f"a,b\n{number},x\n{number},y\n{other},z\n".encode()).metrics

    assert (metrics["numeric_columns"], metrics["mixed_columns"]) == ((1, 0) if other == "2" else (0, 1))
