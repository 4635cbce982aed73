"""Reads delimited text as it streams by (RFC 4180, with the delimiter that the header has most of)."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from cisterna.adapters.compiled import compiled
from cisterna.adapters.file_fault import Fault
from cisterna.adapters.table_schema import TableSchema
from cisterna.adapters.table_tally import TableTally
from cisterna.ports.quality import Reading

Numbers = NDArray[Any]

_BLOCK_BYTES, _BLOCK_BYTES_MAX, _BYTES_A_COLUMN = 4 * 1024 * 1024, 16 * 1024 * 1024, 4096
_RECORD_BYTES, _LOOK_BYTES = 16 * 1024 * 1024, 64 * 1024
_ALL = 1 << 62
_MARK = b"\xef\xbb\xbf"
_OTHER_MARKS = (b"\xff\xfe", b"\xfe\xff")
_DELIMITERS = (",", ";", "\t", "|")

_START, _BARE, _QUOTED, _AFTER_QUOTE = range(4)
_MODE, _CELLS, _LINE, _OPENED, _RECORDS, _RAGGED, _QUOTES, _WIDTH, _RETURN, _FILLED = range(10)
_STATE = 10
_NEWLINE, _CARRIAGE, _QUOTE = 10, 13, 34


@compiled
def _scan(block: Numbers, begin: int, delimiter: int, state: Numbers, most: int) -> int:  # noqa: C901, PLR0912 - one fused pass
    """Follow the quotes, count records and cells, and give where the last whole record ends: of so many at most."""
    end = -1
    for place in range(begin, block.size):
        byte = block[place]
        if byte == _NEWLINE:
            state[_LINE] += 1
        if state[_MODE] == _QUOTED:
            if byte == _QUOTE:
                state[_MODE] = _AFTER_QUOTE
            continue
        if byte == _QUOTE:
            if state[_MODE] == _BARE:
                state[_QUOTES] += 1
            else:
                if state[_MODE] == _START:
                    state[_OPENED] = state[_LINE]
                state[_MODE] = _QUOTED
            state[_FILLED] = 1
            state[_RETURN] = 0
            continue
        if byte == _NEWLINE and state[_RETURN]:  # the second half of an end of line
            state[_RETURN] = 0
            end = place + 1
            continue
        state[_RETURN] = byte == _CARRIAGE
        if byte == delimiter:
            state[_CELLS] += 1
            state[_MODE] = _START
            state[_FILLED] = 1
        elif byte in (_NEWLINE, _CARRIAGE):
            if state[_FILLED]:
                state[_RECORDS] += 1
                state[_RAGGED] += state[_CELLS] + 1 != state[_WIDTH] and state[_WIDTH] > 0
            state[_CELLS] = state[_FILLED] = 0
            state[_MODE] = _START
            end = place + 1
            if state[_RECORDS] >= most:
                break
        else:
            if state[_MODE] == _AFTER_QUOTE:
                state[_QUOTES] += 1
            state[_MODE] = _BARE
            state[_FILLED] = 1
    return end


@compiled
def _without_ragged(records: Numbers, delimiter: int, width: int, kept: Numbers) -> int:
    """Copy whole records, but for those with more or fewer cells than the header; give how many bytes they take."""
    state = np.zeros(_STATE, np.int64)
    state[_WIDTH] = width
    begin = size = 0
    while True:
        ragged = state[_RAGGED]
        end = _scan(records, begin, delimiter, state, state[_RECORDS] + 1)
        if end < 0:
            return size
        if state[_RAGGED] == ragged:
            kept[size : size + end - begin] = records[begin:end]
            size += end - begin
        begin = end


class TextTable:
    """Implements `stream_spool.BlockReader` for CSV and its like.

    Args:
        schema: Gives the schema that came with the table, or None. Raises `Fault`.
        is_tabbed: Whether the file's name says that tabs stand between the cells.
    """

    def __init__(self, schema: Callable[[], TableSchema | None], *, is_tabbed: bool) -> None:
        self._find_schema, self._is_tabbed = schema, is_tabbed
        self._body = bytearray()
        self._scanned = self._odd_names = 0
        self._is_begun = False
        self._has_mark = False
        self._delimiter = "\t" if is_tabbed else ","
        self._state = np.zeros(_STATE, np.int64)
        self._tally: TableTally | None = None
        self._block_bytes = 0

    def take(self, block: bytes) -> None:
        """Gather enough for a block of whole records."""
        if b"\0" in block:
            raise Fault("it holds zero bytes, which no text has: it is binary, or text in UTF-16")
        self._body += block
        if len(self._body) >= self._block_bytes:
            self._go_on()

    def finish(self) -> Reading:
        """Sum up, with a last line that nothing ends."""
        self._go_on(is_last=True)
        if self._state[_MODE] == _QUOTED:
            raise Fault(f"a quote that opens in line {self._state[_OPENED] + 1:,} is never closed")
        if self._state[_FILLED]:
            self._body += b"\n"
            self._go_on(is_last=True)
        tally = self._tally
        if tally is None:
            raise Fault("it has no line")
        if not self._state[_RECORDS]:
            raise Fault("it has a header and no row")
        if tally.rows != self._state[_RECORDS] - self._state[_RAGGED]:
            raise Fault("where its rows end cannot be told for certain: export it with quotes as RFC 4180 has them")
        return tally.reading(
            rows=float(self._state[_RECORDS]),
            ragged_rows=float(self._state[_RAGGED]),
            quote_faults=float(self._state[_QUOTES]),
            cells_not_utf8=float(self._odd_names + sum(column.not_utf8 for column in tally.columns)),
            byte_order_mark=float(self._has_mark),
        )

    def _go_on(self, *, is_last: bool = False) -> None:
        if self._tally is None and not self._begin(is_last=is_last):
            return
        ragged = self._state[_RAGGED]
        end = self._scan()
        if end > 0:
            records = bytes(self._body[:end])
            del self._body[:end]
            self._add(records if self._state[_RAGGED] == ragged else self._fitting(records))
        self._scanned = len(self._body)
        self._require_short()

    def _scan(self, *, most: int = _ALL) -> int:
        body = np.frombuffer(bytes(self._body), np.uint8)
        return int(_scan(body, self._scanned, ord(self._delimiter), self._state, most))

    def _begin(self, *, is_last: bool) -> bool:
        """Learn the delimiter from the first line, and the columns from the header once that is whole."""
        if not self._is_begun:
            line = re.search(rb"[^\r\n][\r\n]", self._body)
            if line is None and len(self._body) < _LOOK_BYTES and not is_last:
                return False
            self._learn_form(bytes(self._body[: line.start() + 1 if line else _LOOK_BYTES]))
        end = self._scan(most=1)
        if not self._state[_RECORDS]:
            self._scanned = len(self._body)
            self._require_short()
            return False
        names = self._names(bytes(self._body[:end]))
        self._tally = TableTally(names, self._find_schema())
        del self._body[:end]
        self._scanned = 0
        self._state[_RECORDS] = 0
        self._state[_WIDTH] = len(names)
        self._block_bytes = min(_BLOCK_BYTES_MAX, max(_BLOCK_BYTES, len(names) * _BYTES_A_COLUMN))
        return True

    def _learn_form(self, first: bytes) -> None:
        if first.startswith(_OTHER_MARKS):
            raise Fault("it is text in UTF-16; save it as UTF-8")
        if first.startswith(_MARK):
            self._has_mark = True
            del self._body[: len(_MARK)]
        if not self._is_tabbed:
            bare = b"".join(first.split(b'"')[::2]).decode("utf-8", "replace")
            self._delimiter = max(_DELIMITERS, key=bare.count)
        self._is_begun = True

    def _names(self, header: bytes) -> list[str]:
        """Take the names of the columns. Raises `Fault`."""
        text = header.decode("utf-8", "replace")
        try:
            rows = csv.reader(io.StringIO(text, newline=""), delimiter=self._delimiter)
            names = next((row for row in rows if row), [])
        except csv.Error as error:
            raise Fault(f"its header cannot be read ({error})") from error
        if text.encode() != header:
            self._odd_names = sum("\ufffd" in name for name in names)
        return names

    def _require_short(self) -> None:
        if len(self._body) > _RECORD_BYTES:
            self._refuse_record()

    def _refuse_record(self) -> None:
        if self._state[_MODE] == _QUOTED:
            raise Fault(f"a quote that opens in line {self._state[_OPENED] + 1:,} is not closed within 16 MiB")
        raise Fault("it has a line of more than 16 MiB, which no table has")

    def _fitting(self, records: bytes) -> bytes:
        """Leave out what cannot be put into columns."""
        kept = np.empty(len(records), np.uint8)
        body = np.frombuffer(records, np.uint8)
        size = _without_ragged(body, ord(self._delimiter), int(self._state[_WIDTH]), kept)
        return kept[:size].tobytes()

    def _add(self, records: bytes) -> None:
        """Hand whole records over, column by column."""
        tally = self._tally
        if tally is None or not records.strip(b"\r\n"):
            return
        names = [str(place) for place in range(len(tally.columns))]
        found = pa_csv.read_csv(
            pa.BufferReader(records),
            read_options=pa_csv.ReadOptions(column_names=names, block_size=len(records) + 1, use_threads=False),
            parse_options=pa_csv.ParseOptions(delimiter=self._delimiter, newlines_in_values=True),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.binary()), null_values=[], check_utf8=False
            ),
        )
        if found.num_rows:
            tally.add([column.combine_chunks() for column in found.columns], is_text=True)
