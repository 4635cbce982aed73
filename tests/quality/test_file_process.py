"""The process that measures HDF5 and Parquet loads all that it will ever need before it opens the first file."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cisterna.adapters.cell_meter import CellMeter
from cisterna.adapters.file_reader import FileChildren
from cisterna.adapters.spool_folder import SpoolFolder
from cisterna.adapters.table_meter import TableMeter
from cisterna.testing.cell_files import counts, h5ad_of, tenx_of


def of_every_type() -> bytes:
    columns = {
        "id": pa.array([1, 2, 3]),
        "real": pa.array([1.5, None, 3.0]),
        "text": pa.array(["a", "b", None]),
        "large": pa.array(["a", "b", "c"], pa.large_string()),
        "category": pa.array(["a", "b", "a"]).dictionary_encode(),
        "flag": pa.array([True, False, None]),
        "day": pa.array([date(2026, 11, 3)] * 3),
        "moment": pa.array([datetime(2026, 11, 3, tzinfo=UTC)] * 3),
        "exact": pa.array([Decimal("1.50")] * 3),
        "bytes": pa.array([b"a"] * 3),
        "many": pa.array([[1], [], None]),
        "nothing": pa.nulls(3),
    }
    written = io.BytesIO()
    pq.write_table(pa.table(columns), written, compression="zstd")
    return written.getvalue()


SMALL = counts(20, 60)
FILES = {
    "a.parquet": of_every_type(),
    "csr.h5ad": h5ad_of(SMALL),
    "csc.h5ad": h5ad_of(SMALL, kept="csc"),
    "dense.h5ad": h5ad_of(SMALL / 2, kept="dense", layers={"counts": SMALL}),
    "filtered_feature_bc_matrix.h5": tenx_of(SMALL),
}


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[FileChildren]:
    children = FileChildren(log=tmp_path / "files.log", most=1)
    yield children
    children.close()


@pytest.mark.parametrize("order", [list(FILES), list(reversed(FILES))], ids=["parquet first", "hdf5 first"])
def test_files_of_every_kind_are_measured_whichever_comes_first(
    fresh: FileChildren, tmp_path: Path, order: list[str]
) -> None:
    """While a file is open the process can open nothing else: what it would load only then could not be loaded."""
    spools = SpoolFolder(tmp_path / "spool", limit_bytes=1 << 30, room=None)
    cells, tables = (meter(spools=spools, children=fresh) for meter in (CellMeter, TableMeter))

    readings = {
        path: (tables if path.endswith(".parquet") else cells).read(memoryview(FILES[path]), path=path)
        for path in [*order, *order]
    }

    assert {path: (one.problem, one.unmeasured) for path, one in readings.items()} == dict.fromkeys(order, (None, None))
