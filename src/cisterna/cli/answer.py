"""How every command answers: one JSON document, or a few plain lines, and an exit code that means something."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from enum import IntEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cisterna.domain.errors import CatalogueUnavailable, CisternaError, CouldNotCheck, NotReady, StoreUnavailable

if TYPE_CHECKING:
    from rich.console import Console

    from cisterna.domain.progress import Progress
    from cisterna.services.overview import Overview


class ExitCode(IntEnum):
    """What the shell is told."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    PERSON_NEEDED = 3
    COULD_NOT_CHECK = 4
    NOT_READY = 5


AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, also on failure.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept with the decision.", show_default=False)]

Document = Mapping[str, Any] | Sequence[Any]


def err_console() -> Console:
    """The console for people: stderr, so that stdout belongs to documents."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def out_console() -> Console:
    """The console for results that people read."""
    from rich.console import Console

    return Console(highlight=False)


def answer(
    document: Document, *, as_json: bool, show: Callable[[Console], None], code: ExitCode = ExitCode.DONE
) -> None:
    """Print the result and end the command.

    Args:
        document: What `--json` prints; it must say a `reason` when the code is not 0.
        as_json: Whether to.
        show: Prints the same for people.
        code: Ends the process.
    """
    if as_json:
        sys.stdout.write(json.dumps(document, ensure_ascii=False, default=str) + "\n")
        sys.stdout.flush()
    else:
        show(out_console())
    if code is not ExitCode.DONE:
        raise typer.Exit(int(code))


def code_of(error: CisternaError) -> ExitCode:
    """Tell which exit code an error stands for."""
    match error:
        case CouldNotCheck():
            return ExitCode.COULD_NOT_CHECK
        case NotReady() | CatalogueUnavailable() | StoreUnavailable():
            return ExitCode.NOT_READY
        case _:
            return ExitCode.FAILED


def fail(
    reason: str, *, code: str, exit_code: ExitCode, as_json: bool, facts: Mapping[str, object] | None = None
) -> int:
    """Report a failure in the form that was asked for and return the exit code."""
    if as_json:
        document = {**(facts or {}), "error": code, "reason": reason}
        sys.stdout.write(json.dumps(document, ensure_ascii=False, default=str) + "\n")
        sys.stdout.flush()
    else:
        sys.stderr.write(f"{reason}\n" if reason.startswith("Usage:") else f"{code}: {_cell(reason)}\n")
    return int(exit_code)


def table(
    rows: Sequence[Mapping[str, Any]],
    columns: Mapping[str, str],
    *,
    empty: str,
    told: Mapping[str, str] | None = None,
) -> Callable[[Console], None]:
    """Make a printer of rows. No id is ever broken: where a row does not fit, each of its fields gets a line.

    Args:
        rows: Values by key.
        columns: Headings by key, in order: short values.
        empty: What to say when there are no rows.
        told: Headings (or nothing) by key of the long texts; each gets lines of its own below the row.
    """

    def show(console: Console) -> None:
        if not rows:
            console.print(empty, markup=False)
            return
        from rich.cells import cell_len

        cells = [[_cell(row.get(key)) for key in columns] for row in rows]
        wide = [max(map(cell_len, column)) for column in zip(columns.values(), *cells, strict=True)]
        width = console.width
        fits = sum(wide) + len(_GAP) * (len(wide) - 1) <= width
        if fits:
            console.print(_aligned(list(columns.values()), wide), style="bold", soft_wrap=True, markup=False)
        further = {} if fits else dict(list(columns.items())[1:])
        written: list[str] = []
        for row, row_cells in zip(rows, cells, strict=True):
            written.append(_aligned(row_cells, wide) if fits else row_cells[0])
            written += _below(row, {**further, **(told or {})}, width=width)
            if len(written) > _AT_ONCE:
                _print(console, written)
                written.clear()
        _print(console, written)

    return show


def pairs(document: Mapping[str, Any]) -> Callable[[Console], None]:
    """Make a printer of one thing's fields, empty ones left out. Words wrap; ids and digests are never broken."""

    def show(console: Console) -> None:
        said = {key.replace("_", " "): _cell(value) for key, value in document.items() if value not in _NOTHING}
        wide = max(map(len, said), default=0)
        for key, value in said.items():
            first, *rest = _wrapped(value, width=max(20, console.width - wide - len(_GAP)))
            console.print(key.ljust(wide), style="bold", end="", markup=False, soft_wrap=True)
            _print(console, [_GAP + first])
            for line in rest:
                _print(console, [" " * wide + _GAP + line])

    return show


def lines(*texts: str) -> Callable[[Console], None]:
    """Make a printer of plain lines."""

    def show(console: Console) -> None:
        for text in texts:
            _print(console, [text])

    return show


def human_bytes(size: int | None) -> str:
    """Write a size with a decimal unit."""
    if size is None:
        return ""
    amount = float(size)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if amount < 1000 or unit == "TB":
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return ""


def reading_words(reading: Progress | None) -> str | None:
    """Say how far an attempt has come with the bytes, how fast, and how long it will take."""
    if reading is None:
        return None
    left = reading.seconds_left
    time_left = "nothing moves" if left is None else f"{timedelta(seconds=round(left))} left"
    done, total = human_bytes(reading.done_bytes), human_bytes(reading.total_bytes)
    return (
        f"{done} of {total} read ({reading.share:.0%}), {human_bytes(round(reading.bytes_per_second))}/s, {time_left}"
    )


def writing_words(row: Overview) -> str | None:
    """Say how fast an instrument writes a run, when it will have written all, and how much of it is read ahead."""
    told = row.writing
    if told is None:
        return None
    share = f" of {told.expected_files:,}" if told.expected_files is not None else ""
    words = (
        f"{told.files:,}{share} files, {told.files_per_hour:,.0f} files and "
        f"{human_bytes(round(told.bytes_per_hour))} an hour; expected end: {told.words}"
    )
    if row.ahead_files:
        words += f"; {row.ahead_files:,} files, {human_bytes(row.ahead_bytes)}, are read ahead"
    return words


_GAP = "  "
_AT_ONCE = 500
"""Lines that are printed together."""
_NOTHING: tuple[object, ...] = (None, "", [], {}, ())


def _aligned(cells: Sequence[str], wide: Sequence[int]) -> str:
    from rich.cells import cell_len

    padded = (cell + " " * (width - cell_len(cell)) for cell, width in zip(cells, wide, strict=True))
    return _GAP.join(padded).rstrip()


def _below(row: Mapping[str, Any], headings: Mapping[str, str], *, width: int) -> Iterator[str]:
    for key, heading in headings.items():
        value = _cell(row.get(key))
        if value:
            for line in _wrapped(f"{heading}: {value}" if heading else value, width=width - len(_GAP)):
                yield _GAP + line


def _wrapped(text: str, *, width: int) -> list[str]:
    """Break a text between words only."""
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]


def _print(console: Console, written: Sequence[str]) -> None:
    """Print lines as they are: a terminal breaks what is too long for it, and what is copied from there is whole.

    Many at once: line by line, rich takes as long as everything else together.
    """
    if written:
        console.out("\n".join(written), highlight=False)


def _cell(value: object) -> str:
    """Write a value in one line that no terminal takes for a command."""
    match value:
        case None:
            text = ""
        case bool():
            text = "yes" if value else "no"
        case list() | tuple():
            text = "; ".join(_cell(one) for one in value)
        case dict():
            text = json.dumps(value, ensure_ascii=False, default=str)
        case _:
            text = str(value)
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else " " if one.isspace() else ascii(one)[1:-1] for one in text)
