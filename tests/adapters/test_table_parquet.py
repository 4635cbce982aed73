"""Tables come back as they were written, and damaged or hostile ones are refused."""

from __future__ import annotations

import io
import subprocess
import sys
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cisterna.adapters import table_parquet
from cisterna.adapters.table_parquet import ParquetTables
from cisterna.domain.errors import InvalidInput
from cisterna.ports.quality import TableFile

COLUMNS: dict[str, list[object]] = {
    "path": ["0/A1_0_0_BF.tiff", "0/é 写真.tiff", "x"],
    "size_bytes": [0, 2**53 + 1, None],
    "focus": [1.5, None, float("inf")],
    "png": [b"\x89PNG\x00", None, b""],
    "modified": [datetime(2026, 11, 22, 9, 0, 0, 123456, tzinfo=UTC), None, datetime(1970, 1, 1, tzinfo=UTC)],
    "nothing": [None, None, None],
}


@pytest.fixture
def tables() -> TableFile:
    return ParquetTables()


def written(table: pa.Table, **options: object) -> bytes:
    target = io.BytesIO()
    pq.write_table(table, target, **options)
    return target.getvalue()


def test_pictures_are_kept_as_they_are_and_everything_else_is_packed(tables: TableFile) -> None:
    body = tables.dump({"path": ["a", "b"] * 500, "png": [bytes(range(200))] * 1000})

    group = pq.ParquetFile(io.BytesIO(body)).metadata.row_group(0)
    assert [group.column(place).compression for place in range(2)] == ["ZSTD", "UNCOMPRESSED"]
    assert tables.load(body)["png"] == [bytes(range(200))] * 1000


def test_one_column_is_read_alone_and_one_that_is_not_there_is_empty(tables: TableFile) -> None:
    body = tables.dump(COLUMNS)

    assert tables.column(body, "size_bytes") == COLUMNS["size_bytes"]
    assert tables.column(body, "region") == []


def test_columns_come_back_as_they_were(tables: TableFile) -> None:
    assert tables.load(tables.dump(COLUMNS)) == COLUMNS


def test_the_same_columns_give_the_same_bytes(tables: TableFile) -> None:
    one = tables.dump(COLUMNS, metadata={"a": "1", "b": "2"})
    other = tables.dump({name: list(cells) for name, cells in COLUMNS.items()}, metadata={"b": "2", "a": "1"})

    assert one == other
    assert one != tables.dump(COLUMNS, metadata={"a": "1", "b": "3"})


def test_metadata_is_in_the_file_for_any_reader(tables: TableFile) -> None:
    body = tables.dump(COLUMNS, metadata={"cisterna.dataset": "d1"})

    assert pq.read_schema(io.BytesIO(body)).metadata[b"cisterna.dataset"] == b"d1"


@pytest.mark.parametrize("columns", [{}, {"path": []}], ids=["no columns", "no rows"])
def test_empty_tables_are_tables(tables: TableFile, columns: dict[str, list[object]]) -> None:
    assert tables.load(tables.dump(columns)) == columns


def test_many_rows_keep_their_order(tables: TableFile) -> None:
    numbers: list[object] = list(range(200_001))

    assert tables.load(tables.dump({"n": numbers})) == {"n": numbers}


@pytest.mark.parametrize(
    ("start", "stop"), [(0, 0), (0, 3), (65_530, 65_545), (65_536, 65_537), (131_070, 200_001), (199_999, 300_000)]
)
def test_a_run_of_rows_is_the_one_that_was_asked_for(tables: TableFile, start: int, stop: int) -> None:
    numbers: list[object] = list(range(200_001))

    assert tables.rows(tables.dump({"n": numbers}), start=start, stop=stop) == {"n": numbers[start:stop]}


def test_rows_are_found_by_a_text_wherever_they_are(tables: TableFile) -> None:
    paths: list[object] = [f"{number}.tiff" for number in range(70_000)]
    body = tables.dump({"path": [*paths, None, "é 写真"], "n": list(range(70_002))})

    assert tables.find(body, column="path", value="69999.tiff") == {"path": ["69999.tiff"], "n": [69_999]}
    assert tables.find(body, column="path", value="é 写真")["n"] == [70_001]
    assert tables.find(body, column="path", value="none") == {"path": [], "n": []}
    for column in ("n", "absent"):
        with pytest.raises(InvalidInput):
            tables.find(body, column=column, value="x")


@pytest.mark.parametrize(
    "columns",
    [{"a": [1], "b": [1, 2]}, {"a": [1, "x"]}, {"a": [2**70]}, {"a": ["\ud800"]}, {"a": [object()]}],
    ids=["lengths", "mixed", "too large", "no UTF-8", "no value"],
)
def test_what_is_no_table_is_not_written(tables: TableFile, columns: dict[str, list[object]]) -> None:
    with pytest.raises(InvalidInput):
        tables.dump(columns)


@pytest.mark.parametrize("body", [b"", b"PAR1", b"PAR1PAR1", b"PAR1" + b"\xff" * 200 + b"PAR1", b"<html>"])
def test_what_is_no_parquet_is_refused(tables: TableFile, body: bytes) -> None:
    with pytest.raises(InvalidInput):
        tables.load(body)


def test_every_truncation_is_refused(tables: TableFile) -> None:
    body = tables.dump(COLUMNS)

    for length in range(0, len(body), 7):
        with pytest.raises(InvalidInput):
            tables.load(body[:length])


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_flipped_bytes_are_refused_or_read_but_never_crash(data: st.DataObject) -> None:
    body = bytearray(ParquetTables().dump(COLUMNS))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))

    try:
        loaded = ParquetTables().load(bytes(body))
    except InvalidInput:
        return
    assert all(isinstance(cells, list) for cells in loaded.values())


def test_a_table_that_unpacks_to_far_more_is_refused(tables: TableFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_parquet, "DECODED_LIMIT_BYTES", 1_000_000)
    bomb = written(pa.table({"a": pa.array(["x" * 1_000] * 50_000)}), compression="zstd")
    assert len(bomb) < 10_000

    with pytest.raises(InvalidInput):
        tables.load(bomb)


def test_more_cells_than_are_decoded_are_refused(tables: TableFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_parquet, "CELL_LIMIT", 99)

    with pytest.raises(InvalidInput, match="100 rows"):
        tables.load(tables.dump({"n": list(range(100))}))


def test_nested_and_doubled_columns_are_refused(tables: TableFile) -> None:
    with pytest.raises(InvalidInput, match="nests"):
        tables.load(written(pa.table({"a": pa.array([[1]])})))
    with pytest.raises(InvalidInput, match="twice"):
        tables.load(written(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])))


def test_pyarrow_is_not_loaded_before_it_is_needed() -> None:
    code = "import sys, cisterna.adapters.table_parquet; sys.exit('pyarrow' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
