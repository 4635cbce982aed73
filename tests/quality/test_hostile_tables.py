"""Whatever is in a table, or is said of it beside it: a named reading, never a pass, an error or a hang."""

from __future__ import annotations

import gzip
import io
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cisterna.adapters.file_reader import FileChildren
from cisterna.adapters.spool_folder import SpoolFolder
from cisterna.adapters.table_meter import TableMeter
from cisterna.ports.quality import Reading
from cisterna.testing.virtual_table import parquet, table_as_parquet
from tests.profiles.folder_look import Held

Read = Callable[..., Reading]


@pytest.fixture
def read(readers: FileChildren, tmp_path: Path) -> Read:
    def read(body: bytes, path: str = "a.csv", beside: dict[str, bytes] | None = None) -> Reading:
        spools = SpoolFolder(tmp_path / "spool", limit_bytes=1 << 30, room=None)
        meter = TableMeter(spools=spools, children=readers).of_run(Held({path: body, **(beside or {})}))
        return meter.read(memoryview(body), path=path)

    return read


ROWS = b"a,b\n" + b"1,2\n" * 500
LIES = {
    "empty": ("a.csv", b"", "the file is empty"),
    "nothing but ends of lines": ("a.csv", b"\n\r\n\n", "has no line"),
    "a header alone": ("a.csv", b"a,b,c\n", "a header and no row"),
    "a header that nothing ends": ("a.csv", b"a,b,c", "a header and no row"),
    "zeros at its end": ("a.csv", ROWS + bytes(4096), "zero bytes"),
    "utf-16": ("a.csv", b"\xff\xfea\x00,\x00b\x00\n\x00", "zero bytes"),
    "utf-16 of nothing but wide letters": ("a.csv", "\ufeff\u4e2d\u6587\n\u4e00\u4e01\n".encode("utf-16-be")[2:], ""),
    "a quote never closed": ("a.csv", b'a,b\n1,2\n3,"4\n5,6\n', "opens in line 3"),
    "a quote that swallows the rest": ("a.csv", ROWS + b'7,"8\n' + b"9,10\n" * 100, "opens in line 502"),
    "a line without end": ("a.csv", b"a,b\n" + b"x" * (17 << 20), "more than 16 MiB"),
    "a quote without end": ("a.csv", b'a,b\n"' + b"x\n" * (9 << 20), "opens in line 2 is not closed"),
    "gzip cut off": ("a.csv.gz", gzip.compress(ROWS)[:-8], "cut off"),
    "gzip that is none": ("a.csv.gz", ROWS, "does not begin like a gzip file"),
    "parquet of nothing": ("a.parquet", b"", "the file is empty"),
    "parquet with ends and nothing between": ("a.parquet", parquet(), "footer cannot be read"),
    "parquet cut off": ("a.parquet", table_as_parquet({"a": list(range(999))})[:-20], "does not end like"),
    "parquet with a footer as long as a disk": ("a.parquet", parquet(told=2**32 - 1), "its footer claims"),
    "parquet without a row": ("a.parquet", table_as_parquet({"a": []}), "no row"),
    "parquet without a column": ("a.parquet", table_as_parquet({}), "no row"),
    "text for parquet": ("a.parquet", ROWS, "does not begin like Parquet"),
}


@pytest.mark.parametrize("name", LIES, ids=list(LIES))
def test_a_table_that_cannot_be_read_is_told_by_name(read: Read, name: str) -> None:
    path, body, words = LIES[name]

    reading = read(body, path)

    assert reading.problem
    assert words in reading.problem, reading.problem
    assert not any(value is not None for value in reading.metrics.values())


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        pytest.param("a.parquet", b"PARE" + bytes(40) + b"PARE", "encrypted", id="encrypted"),
        pytest.param("a.parquet.gz", gzip.compress(b"PAR1"), "packed once more", id="packed twice"),
        pytest.param("a.csv", b",".join(b"c" for _ in range(30_000)) + b"\n", "at most 20,000", id="columns"),
    ],
)
def test_what_is_only_not_read_here_says_nothing_against_the_table(
    read: Read, path: str, body: bytes, words: str
) -> None:
    reading = read(body, path)

    assert (reading.problem, words in (reading.unmeasured or "")) == (None, True)


def test_what_unpacks_without_end_is_left(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cisterna.adapters.unpacking._FREE_BYTES", 1 << 20)

    reading = read(gzip.compress(b"a,b\n" + b"0,0\n" * (4 << 20)), "a.csv.gz")

    assert "more than 250 times its size" in (reading.problem or "")


SCHEMAS: dict[str, tuple[Any, str]] = {
    "no json": (b"{", "is not the JSON it must be"),
    "fields are no list": ({"fields": "all"}, "has no list of fields"),
    "a field is no object": ({"fields": ["a"]}, "has no list of fields"),
    "no name": ({"fields": [{"type": "string"}]}, "cannot be used"),
    "constraints are no object": ({"fields": [{"name": "a", "constraints": [1]}]}, "cannot be used"),
    "a limit that is none": (
        {"fields": [{"name": "a", "type": "number", "constraints": {"minimum": "low"}}]},
        "cannot be used",
    ),
    "an infinite limit": (
        {"fields": [{"name": "a", "type": "number", "constraints": {"minimum": "inf"}}]},
        "a limit is a finite number",
    ),
    "a pattern that is none": ({"fields": [{"name": "a", "constraints": {"pattern": "("}}]}, "not known here"),
    "a pattern that looks back": (
        {"fields": [{"name": "a", "constraints": {"pattern": "(x)\\1"}}]},
        "not known here",
    ),
    "a key of no column": ({"fields": [{"name": "a"}], "primaryKey": "z"}, "primary key of a column"),
    "missing values that are numbers": ({"fields": [{"name": "a"}], "missingValues": [1]}, "cannot be used"),
}


@pytest.mark.parametrize("name", SCHEMAS, ids=list(SCHEMAS))
@pytest.mark.parametrize("path", ["a.csv", "a.parquet"])
def test_a_schema_that_cannot_be_used_is_a_problem_of_its_table(read: Read, name: str, path: str) -> None:
    """Nobody may take a table for held against its schema because that could not be read."""
    content, words = SCHEMAS[name]
    body = content if isinstance(content, bytes) else json.dumps(content).encode()

    reading = read(ROWS if path == "a.csv" else table_as_parquet({"a": [1], "b": [2]}), path, {"schema.json": body})

    assert words in (reading.problem or ""), reading.problem


def test_a_schema_in_another_file_that_did_not_come_along_is_a_problem(read: Read) -> None:
    package = {"resources": [{"path": "a.csv", "schema": "https://example.org/schema.json"}]}

    reading = read(ROWS, "a.csv", {"datapackage.json": json.dumps(package).encode()})

    assert "did not come along" in (reading.problem or "")


@pytest.mark.timeout(30)
def test_a_pattern_that_would_try_for_ever_takes_no_time(read: Read) -> None:
    schema = {"fields": [{"name": "a", "constraints": {"pattern": "(x+x+)+y"}}, {"name": "b"}]}
    begun = time.monotonic()

    reading = read(b"a,b\n" + b"x" * 50_000 + b",1\n", "a.csv", {"schema.json": json.dumps(schema).encode()})

    assert reading.metrics["schema_faults"] == 1.0
    assert time.monotonic() - begun < 20


@settings(max_examples=150, deadline=None)
@given(body=st.binary(max_size=200), is_tabbed=st.booleans())
def test_no_text_raises_anything(body: bytes, *, is_tabbed: bool) -> None:
    meter = TableMeter(spools=None, children=None)  # type: ignore[arg-type]

    reading = meter.read(memoryview(body), path="a.tsv" if is_tabbed else "a.csv")

    assert reading.problem or reading.unmeasured or (reading.metrics["rows"] or 0) >= 1


WHOLE = table_as_parquet({"id": list(range(2000)), "name": [f"text {n % 7}" for n in range(2000)]})


@pytest.mark.timeout(120)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_parquet_with_damage_anywhere_ends_in_a_reading(readers: FileChildren, data: st.DataObject) -> None:
    body = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(4, len(body) - 9))
        body[at : at + 8] = data.draw(st.binary(min_size=8, max_size=8))
    meter = TableMeter(spools=SpoolFolder(Path("/nonexistent"), limit_bytes=1 << 30, room=None), children=readers)

    reading = meter.read(memoryview(bytes(body)), path="a.parquet")

    assert reading.problem or reading.unmeasured or reading.metrics["rows"] == 2000


def test_a_column_in_another_file_is_not_opened(read: Read) -> None:
    """As the writers of data sets leave a file of metadata alone, whose columns lie elsewhere."""
    written, metadata = io.BytesIO(), []
    pq.write_table(pa.table({"a": [1, 2]}), written, metadata_collector=metadata)
    metadata[0].set_file_path("../../etc/passwd")
    alone = io.BytesIO()
    metadata[0].write_metadata_file(alone)

    reading = read(alone.getvalue(), "a.parquet")

    assert "another file, which is not opened" in (reading.problem or "")


def test_lists_and_records_are_counted_and_no_more(read: Read) -> None:
    table = pa.table({"id": [1, 2], "many": [[1, 2], None], "one": [{"x": 1}, {"x": 2}]})
    written = io.BytesIO()
    pq.write_table(table, written)

    metrics = read(written.getvalue(), "a.parquet").metrics

    assert (metrics["rows"], metrics["columns"], metrics["null_share_worst"]) == (2.0, 3.0, 0.5)


@settings(max_examples=400, deadline=None)
@given(header=st.sampled_from(["x", "x,y"]), body=st.text('ab",;\n\r ', max_size=60), step=st.integers(1, 9))
def test_both_readers_of_a_text_agree_where_its_records_end(header: str, body: str, step: int) -> None:
    """One follows the quotes, the other fills the columns: where they did not agree, the table would be a problem."""
    meter, whole = TableMeter(spools=None, children=None), f"{header}\n{body}".encode()  # type: ignore[arg-type]

    with meter.spool("a.csv", size_bytes=len(whole)) as spool:
        for start in range(0, len(whole), step):
            spool.write(memoryview(whole)[start : start + step])
        reading = spool.read(keep_on=lambda: None)

    assert not (reading.problem or "").startswith(("it cannot be read", "where its rows end"))
    assert reading == meter.read(memoryview(whole), path="a.csv")


@pytest.mark.timeout(60)
def test_a_line_in_many_members_takes_no_longer_than_in_one(read: Read) -> None:
    """Each of them adds a byte to what is looked at; all of it at every byte would take an hour."""
    reading = read(gzip.compress(b"x") * 100_000, "a.csv.gz")

    assert "a header and no row" in (reading.problem or "")
