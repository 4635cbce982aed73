"""Finds in the cells of a file what is said of wells and samples: as a table, or as maps in the shape of the plate."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cisterna.domain.errors import HostileInput, InvalidInput
from cisterna.domain.sample_sheet import Sample, SampleSheet, SheetForm, settled_samples
from cisterna.domain.text import LINE_LIMIT, cut_line
from cisterna.domain.well import Well, row_number
from cisterna.metadata.sheet_column import KEYS, Column, Meaning, letters_of, read_header
from cisterna.metadata.sheet_row import RowReader

MOST_ROWS, MOST_COLUMNS, MOST_CELLS = 20_000, 200, 500_000
_HEADER_WITHIN = 30
"""Rows of a table that may stand before its header."""
_FAULTS_TOLD = 10
_TITLE_WITHIN = 2


class Grid(NamedTuple):
    """The cells of a table: text without outer blanks, empty where there is none.

    Attributes:
        name: Of the sheet; empty where a file has one alone.
        remarks: What its reader noticed.
    """

    name: str
    rows: Sequence[Sequence[str]]
    remarks: Sequence[str] = ()


class Table(NamedTuple):
    """A table with a header."""

    grid: Grid
    columns: Sequence[Column]
    header_row: int


def bounded(rows: Iterator[Sequence[str]], what: str) -> list[Sequence[str]]:
    """Take the rows of a table, as many as anybody's sheet has.

    Raises:
        HostileInput: There are more rows, columns or cells, or one cell holds more text.
    """
    kept: list[Sequence[str]] = []
    cells = 0
    for number, row in enumerate(rows, start=1):
        if number > MOST_ROWS:
            raise HostileInput(f"{what} has more than {MOST_ROWS:,} rows; give a sheet of the wells of one run")
        width = next((place for place in range(len(row), 0, -1) if row[place - 1]), 0)
        cells += width
        if width > MOST_COLUMNS or cells > MOST_CELLS:
            msg = f"{what} has more than {MOST_COLUMNS} columns or {MOST_CELLS:,} cells in row {number:,}; leave out"
            raise HostileInput(f"{msg} what is not about samples")
        for place in range(width):
            if len(row[place]) > LINE_LIMIT:
                where = f"{what}, row {number:,}, column {letters_of(place + 1)}"
                msg = f"{where}: the cell has {len(row[place]):,} characters"
                raise HostileInput(f"{msg} and at most {LINE_LIMIT:,} are read; shorten it")
        kept.append(row[:width])
    return kept


def read_grids(grids: Sequence[Grid], what: str) -> SampleSheet:
    """Read a file's cells, whichever of the two shapes they have.

    Raises:
        InvalidInput: They have neither, or say something that cannot be used; the message names where.
    """
    tables = [table for grid in grids if (table := find_table(grid)) is not None]
    if len(tables) > 1:
        named = " and ".join(f"'{table.grid.name}'" for table in tables[:3])
        raise InvalidInput(f"{what}: the sheets {named} each have a table of samples; keep one of them in the file")
    if tables:
        return read_rows(tables[0], what, form=SheetForm.TABLE)
    maps = [block for grid in grids for block in _blocks(grid, what)]
    if not maps:
        raise InvalidInput(f"{what}: {_nothing_found(grids)}")
    if len(maps) > MOST_COLUMNS:
        raise HostileInput(f"{what} has {len(maps):,} maps of plates and at most {MOST_COLUMNS} are read")
    return _read_maps(maps, what)


def says_something(grid: Grid) -> bool:
    """Tell whether there is a table of samples or a map in the shape of a plate."""
    return find_table(grid) is not None or any(_corners(grid.rows, at) for at in range(len(grid.rows)))


def find_table(grid: Grid) -> Table | None:
    """Find a table by its header: one of its columns has to tell which well, sample or file a row is about."""
    for number, row in enumerate(grid.rows[:_HEADER_WITHIN], start=1):
        if _corners(grid.rows, number - 1):
            continue
        columns = [read_header(text, place) for place, text in enumerate(row, start=1) if text]
        meant = {column.meaning for column in columns if not column.is_term}
        if len(columns) > 1 and (meant & set(KEYS) or {Meaning.ROW, Meaning.COLUMN} <= meant):
            return Table(grid, columns, number)
    return None


def read_rows(table: Table, what: str, *, form: SheetForm) -> SampleSheet:
    """Read the rows below a header; lines that begin with `#` are remarks of its author's."""
    reader = RowReader(table.columns, what, sheet=table.grid.name)
    samples: list[Sample] = []
    for number, row in enumerate(table.grid.rows[table.header_row :], start=table.header_row + 1):
        if not any(row) or row[0].startswith("#"):
            continue
        texts = {column.place: row[column.place - 1] for column in table.columns if column.place <= len(row)}
        sample = reader.read(number, texts)
        if sample is not None:
            samples.append(sample)
    return settled(samples, reader, what, form=form)


def settled(samples: Sequence[Sample], reader: RowReader, what: str, *, form: SheetForm) -> SampleSheet:
    """Make a sheet of what was read. Raises `InvalidInput` when any of it is at fault, or nothing was said."""
    once, differing = settled_samples(samples)
    faults = [*reader.faults, *differing]
    if faults:
        more = f"; and {len(faults) - _FAULTS_TOLD:,} more" if len(faults) > _FAULTS_TOLD else ""
        raise InvalidInput(f"{what} cannot be used: {'; '.join(faults[:_FAULTS_TOLD])}{more}")
    if not once:
        raise InvalidInput(f"{what} has a header and no row of samples; fill it in")
    return SampleSheet(form=form, samples=once, remarks=tuple(reader.remarks))


class _Block(NamedTuple):
    """A map of one thing in the shape of the plate.

    Attributes:
        title: What is in it; None where the file does not say.
        row, place: Of its upper left corner, counted from 1.
        cells: By well, with the row of the file.
        end: Place of the first row that is not its own, counted from 0.
    """

    grid: Grid
    title: str | None
    row: int
    place: int
    cells: dict[Well, tuple[str, int]]
    end: int


def _blocks(grid: Grid, what: str) -> Iterator[_Block]:
    at = 0
    while at < len(grid.rows):
        blocks = [_block(grid, at, corner) for corner in _corners(grid.rows, at)]
        for block in blocks:
            _require_end(block, what)
            yield block
        at = max((block.end for block in blocks), default=at + 1)


def _corners(rows: Sequence[Sequence[str]], at: int) -> list[int]:
    """Tell before which cells of a row the numbers 1, 2, ... begin, where letters of a plate's rows stand below it."""
    row = rows[at]
    below = rows[at + 1] if at + 1 < len(rows) else ()
    return [
        place
        for place in range(min(len(row) - 2, len(below)))
        if below[place].upper() == "A" and [_column_number(text) for text in row[place + 1 : place + 3]] == [1, 2]
    ]


def _block(grid: Grid, at: int, corner: int) -> _Block:
    header = grid.rows[at]
    width = next(
        (count for count in range(1, len(header) - corner) if _column_number(header[corner + count]) != count),
        len(header) - corner,
    )
    cells: dict[Well, tuple[str, int]] = {}
    end = at + 1
    for number, row in enumerate(grid.rows[at + 1 :], start=1):
        if _letters(row, corner) != number:
            break
        end = at + 1 + number
        texts = [*row[corner + 1 : corner + width], *[""] * width][: width - 1]
        cells |= {Well(number, column): (text, at + 1 + number) for column, text in enumerate(texts, start=1)}
    return _Block(grid, _title(grid, at, corner), at + 1, corner + 1, cells, end)


def _letters(row: Sequence[str], corner: int) -> int | None:
    """Read which row of a plate it is, by its letters."""
    return row_number(row[corner]) if corner < len(row) and row[corner].isalpha() else None


def _require_end(block: _Block, what: str) -> None:
    """Refuse a map with a gap, of which half would be left out in silence. Raises `InvalidInput`."""
    rows = block.grid.rows
    place = next((place for place in range(block.end, len(rows)) if any(rows[place])), None)
    if place is None or _letters(rows[place], block.place - 1) is None or _corners(rows, place):
        return
    if place + 1 == len(rows) or not _corners(rows, place + 1):  # else it is the title of the next map
        where = f"{what}: {_in_sheet(block.grid)}row {place + 1}"
        msg = f"{where}: {rows[place][block.place - 1]} does not follow the row of the map above it"
        raise InvalidInput(f"{msg}; let its rows stand one below the other, each with its letter")


def _title(grid: Grid, at: int, corner: int) -> str | None:
    """Find what a map is called: in its corner, alone in a row above it, or by the sheet's name where that tells."""
    if grid.rows[at][corner]:
        return grid.rows[at][corner]
    for row in reversed(grid.rows[max(0, at - _TITLE_WITHIN) : at]):
        said = [text for text in row if text]
        if said:
            return said[0] if len(said) == 1 else None
    return grid.name if read_header(grid.name, 1).meaning is not Meaning.OTHER else None


def _column_number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"0?[1-9]|[1-4][0-9]", text) else None


def _read_maps(blocks: Sequence[_Block], what: str) -> SampleSheet:
    well = Column("well", Meaning.WELL, 0)
    columns: list[Column] = [well]
    told: dict[Well, dict[int, str]] = {}
    rows: dict[Well, int] = {}
    for number, block in enumerate(blocks, start=1):
        if block.title is None:
            where = f"{_in_sheet(block.grid)}row {block.row}, column {letters_of(block.place)}"
            msg = f"{what}: {where} begins a map of a plate that does not say what it shows; write it into that cell,"
            raise InvalidInput(f"{msg} such as Treatment, Cell line or Concentration (uM)")
        columns.append(read_header(block.title, number))
        for place, (text, row) in block.cells.items():
            if text:
                told.setdefault(place, {})[number] = text
                rows.setdefault(place, row)
    reader = RowReader(columns, what, sheet="")
    samples = [
        sample
        for place in sorted(told)
        if (sample := reader.read(rows[place], {0: place.name, **told[place]})) is not None
    ]
    return settled(samples, reader, what, form=SheetForm.PLATE_MAP)


def _nothing_found(grids: Sequence[Grid]) -> str:
    first = next(((grid, row) for grid in grids for row in grid.rows if any(row)), None)
    if first is None:
        return "it is empty; give one row a well with a header, or a map in the shape of the plate"
    shown = ", ".join(f"'{cut_line(text[:40]) or ''}'" for text in first[1][:6] if text)
    return (
        f"{_in_sheet(first[0])}no column is called Well, Sample or File, and there is no map in the shape of a plate"
        f" (the first row reads {shown}); give the column that says which well a row is about such a header"
    )


def _in_sheet(grid: Grid) -> str:
    return f"sheet '{grid.name}', " if grid.name else ""
