"""Tables in objects as Parquet, through pyarrow."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cisterna.domain.errors import InvalidInput

BODY_LIMIT_BYTES = 512 * 1024 * 1024
CELL_LIMIT = 64_000_000
"""Most cells that are decoded; a version of 100,000 files has about 2 million."""
DECODED_LIMIT_BYTES = 2 * 1024**3
_COLUMN_LIMIT = 1_000
_ROWS_OF_A_GROUP = 65_536
_FIRST_USE = threading.Lock()


class ParquetTables:
    """Implements `ports.quality.TableFile`.

    Zstandard at a fixed level, Parquet 2.6, one thread: the same columns give the same bytes under one version of
    pyarrow, whose name the file carries.
    """

    def dump(self, columns: Mapping[str, Sequence[object]], *, metadata: Mapping[str, str] | None = None) -> bytes:
        """Encode columns of equal length.

        Args:
            columns: By name; each of one kind of text, bytes, number, bool or aware time, with None for what is absent.
            metadata: Put into the file's own metadata, in the order of its names.

        Raises:
            InvalidInput: The lengths differ, or a column holds mixed kinds.
        """
        pa, pq = _pyarrow()
        lengths = {name: len(cells) for name, cells in columns.items()}
        if len(set(lengths.values())) > 1:
            raise InvalidInput(f"the columns of a table are of different lengths: {lengths}", lengths=lengths)
        try:
            arrays = {name: _array(pa, cells) for name, cells in columns.items()}
        except (pa.ArrowException, OverflowError, UnicodeEncodeError) as error:
            raise InvalidInput(f"a column holds values of mixed kinds or out of range: {error}") from error
        table = pa.table(arrays).replace_schema_metadata(dict(sorted((metadata or {}).items())))
        target = io.BytesIO()
        pq.write_table(
            table,
            target,
            version="2.6",
            # Bytes are pictures, which are packed already.
            compression={name: "none" if pa.types.is_binary(array.type) else "zstd" for name, array in arrays.items()},
            use_dictionary=[name for name, array in arrays.items() if not pa.types.is_binary(array.type)],
            compression_level={name: 3 for name, array in arrays.items() if not pa.types.is_binary(array.type)},
            row_group_size=_ROWS_OF_A_GROUP,
            write_statistics=True,
        )
        return target.getvalue()

    def load(self, body: bytes) -> dict[str, list[object]]:
        """Decode, after the file's own claims of its size were found bearable.

        Raises:
            InvalidInput: It is no Parquet file, is damaged, nests its columns, or is larger than we decode.
        """
        return _read(body, lambda batch, _before: batch)

    def rows(self, body: bytes, *, start: int, stop: int) -> dict[str, list[object]]:
        """Decode a run of rows; what lies outside it never becomes a value of Python's."""

        def within(batch: Any, before: int) -> Any:
            begin, end = max(0, start - before), max(0, min(stop - before, batch.num_rows))
            return batch.slice(begin, max(0, end - begin))

        return _read(body, within)

    def column(self, body: bytes, name: str) -> list[object]:
        """Decode one column alone."""
        return _read(body, lambda batch, _before: batch, only=name).get(name, [])

    def find(self, body: bytes, *, column: str, value: str) -> dict[str, list[object]]:
        """Decode the rows that have a text in a column."""
        _pyarrow()  # see there: nobody imports it beside another thread
        import pyarrow.compute as pc

        def having(batch: Any, _before: int) -> Any:
            if column not in batch.schema.names:
                raise InvalidInput(f"the table has no column {column}", column=column)
            return batch.filter(pc.equal(batch.column(column), value))

        return _read(body, having)


def _read(body: bytes, pick: Callable[[Any, int], Any], *, only: str | None = None) -> dict[str, list[object]]:
    pa, pq = _pyarrow()
    if len(body) > BODY_LIMIT_BYTES:
        raise InvalidInput(f"a table of {len(body)} bytes is larger than the {BODY_LIMIT_BYTES} that are read")
    try:
        with pq.ParquetFile(
            pa.BufferReader(body),
            thrift_string_size_limit=16 * 1024 * 1024,
            thrift_container_size_limit=1_000_000,
            page_checksum_verification=False,
        ) as file:
            _require_bearable(pa, file)
            return _decoded(file, pick, [name for name in file.schema_arrow.names if only in {None, name}])
    except (pa.ArrowException, OSError, UnicodeDecodeError, OverflowError, MemoryError) as error:
        raise InvalidInput(f"the table is not valid Parquet: {str(error)[:300]}") from error


def _pyarrow() -> tuple[Any, Any]:
    with _FIRST_USE:  # threads that import pyarrow at once can see it half made
        import pyarrow as pa
        import pyarrow.parquet as pq
    return pa, pq


def _array(pa: Any, cells: Sequence[object]) -> Any:
    array = pa.array(cells, from_pandas=False)
    # An all-null column has no kind of its own; as text it stays null and readable everywhere.
    return array.cast(pa.string()) if pa.types.is_null(array.type) else array


def _require_bearable(pa: Any, file: Any) -> None:
    rows, names = file.metadata.num_rows, file.schema_arrow.names
    groups = (file.metadata.row_group(number) for number in range(file.metadata.num_row_groups))
    decoded_bytes = sum(group.total_byte_size for group in groups)
    if len(set(names)) != len(names):
        raise InvalidInput(f"the table names a column twice: {names[:20]}")
    if any(pa.types.is_nested(kind) for kind in file.schema_arrow.types):
        raise InvalidInput("the table nests its columns; flat ones are read only")
    if rows < 0 or len(names) > _COLUMN_LIMIT or rows * len(names) > CELL_LIMIT or decoded_bytes > DECODED_LIMIT_BYTES:
        msg = f"the table claims {rows} rows, {len(names)} columns and {decoded_bytes} bytes, more than is decoded"
        raise InvalidInput(msg, rows=rows, columns=len(names))


def _decoded(file: Any, pick: Callable[[Any, int], Any], names: list[str]) -> dict[str, list[object]]:
    columns: dict[str, list[object]] = {name: [] for name in names}
    decoded_bytes, rows = 0, 0
    for batch in file.iter_batches(batch_size=_ROWS_OF_A_GROUP, use_threads=False, columns=names):
        decoded_bytes += batch.nbytes
        if decoded_bytes > DECODED_LIMIT_BYTES:  # a dictionary of one long text may stand for a million of them
            raise InvalidInput(f"the table unpacks to more than {DECODED_LIMIT_BYTES} bytes")
        for name, column in zip(columns, pick(batch, rows).columns, strict=True):
            columns[name].extend(column.to_pylist())
        rows += batch.num_rows
    if columns and rows != file.metadata.num_rows:
        raise InvalidInput(f"the table's columns have {rows} rows, and it claims {file.metadata.num_rows}")
    return columns
