"""Reads Parquet files in batches; runs in the process that opens such files."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from cisterna.adapters.file_fault import Fault
from cisterna.adapters.table_schema import TableSchema
from cisterna.adapters.table_tally import COLUMNS_MAX, TableTally
from cisterna.domain.errors import InvalidInput
from cisterna.ports.quality import Reading

_ROWS, _CELLS = 65_536, 1 << 20
_MOST_PACKED = 20_000
"""Equal values take next to nothing in Parquet, but more cells than so many a byte are a claim and no table."""
_FOOTER_BYTES, _BUFFER_BYTES = 64 * 1024 * 1024, 1024 * 1024

_RULED_OUT = dict.fromkeys(("ragged_rows", "quote_faults", "cells_not_utf8", "byte_order_mark"), 0.0)
"""What can be wrong with text alone: whoever judges folders of both kinds need not ask which one a table is of."""


def open_table(file: BinaryIO, asked: Mapping[str, object]) -> Generator[None, None, Reading]:
    """Open a file; what is given measures it batch by batch, and returns the reading.

    Args:
        file: The file.
        asked: May hold `schema`: a `TableSchema` as JSON.

    Raises:
        Fault: It is not what it must be.
        InvalidInput: It is not read here.
    """
    schema = asked.get("schema")
    wanted = TableSchema.model_validate_json(json.dumps(schema)) if schema is not None else None
    size_bytes = Path(f"/proc/self/fd/{file.fileno()}").stat().st_size
    _require_ends(file, size_bytes)
    source = pa.OSFile(f"/proc/self/fd/{file.fileno()}", "rb")
    try:
        opened = pq.ParquetFile(source, memory_map=False, pre_buffer=False, buffer_size=_BUFFER_BYTES)
    except MemoryError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise Fault(f"its footer cannot be read ({str(error)[:200]})") from error
    _require_sound(opened, size_bytes)
    return _measured(opened, wanted)


def _measured(opened: pq.ParquetFile, schema: TableSchema | None) -> Generator[None, None, Reading]:
    names = opened.schema_arrow.names
    tally = TableTally(names, schema)
    rows = max(1, min(_ROWS, _CELLS // max(1, len(names))))
    try:
        for batch in opened.iter_batches(batch_size=rows, use_threads=False):
            batch.validate(full=True)
            tally.add(batch.columns, is_text=False)
            yield
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        raise Fault(f"row {tally.rows + 1:,} and those after it cannot be read ({str(error)[:200]})") from error
    if tally.rows != opened.metadata.num_rows:
        raise Fault(f"it tells of {opened.metadata.num_rows:,} rows and holds {tally.rows:,}")
    return tally.reading(**_RULED_OUT)


def _require_ends(file: BinaryIO, size_bytes: int) -> None:
    """Hold the file's ends against each other before its library reads any of it."""
    head = file.read(4)
    if head == b"PARE":
        raise InvalidInput("it is encrypted, and nobody gave the key")
    if head != b"PAR1" or size_bytes < 12:
        raise Fault("it does not begin like Parquet")
    file.seek(size_bytes - 8)
    length, tail = int.from_bytes(file.read(4), "little"), file.read(4)
    if tail != b"PAR1":
        raise Fault("it does not end like Parquet: it was cut off, or is still written")
    if length > min(size_bytes - 12, _FOOTER_BYTES):
        raise Fault(f"its footer claims {length:,} bytes, more than there can be")


def _require_sound(opened: pq.ParquetFile, size_bytes: int) -> None:
    metadata = opened.metadata
    if len(opened.schema_arrow.names) > COLUMNS_MAX or metadata.num_columns > COLUMNS_MAX:
        raise InvalidInput(f"it has {metadata.num_columns:,} columns; at most {COLUMNS_MAX:,} are looked at")
    if metadata.num_rows == 0:
        raise Fault("it has columns and no row")
    if metadata.num_rows < 0 or metadata.num_columns == 0:
        raise Fault("it has no column, or less than no row")
    if metadata.num_rows * metadata.num_columns > size_bytes * _MOST_PACKED:
        raise Fault(f"it claims {metadata.num_rows:,} rows, more than a file of {size_bytes:,} bytes can hold")
    for group in range(metadata.num_row_groups):
        for column in range(metadata.num_columns):
            path = metadata.row_group(group).column(column).file_path
            if path:
                raise Fault("it keeps a column in another file, which is not opened")
