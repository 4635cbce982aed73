"""How every command answers: one JSON document, or a few plain lines, and an exit code that means something."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from cisterna.domain.errors import CatalogueUnavailable, CisternaError, CouldNotCheck, NotReady, StoreUnavailable


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
    return Console(stderr=True, highlight=False)


def out_console() -> Console:
    """The console for results that people read."""
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
        err_console().print(f"[bold red]{code}[/]: ", end="")
        err_console().print(reason, markup=False)
    return int(exit_code)


def table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], *, empty: str) -> Callable[[Console], None]:
    """Make a printer of rows.

    Args:
        rows: Values by key.
        columns: Headings by key, in order.
        empty: What to say when there are no rows.
    """

    def show(console: Console) -> None:
        if not rows:
            console.print(empty, markup=False)
            return
        grid = Table(box=None, pad_edge=False, header_style="bold")
        for heading in columns.values():
            grid.add_column(heading, overflow="fold")
        for row in rows:
            grid.add_row(*(_cell(row.get(key)) for key in columns))
        console.print(grid)

    return show


def pairs(document: Mapping[str, Any]) -> Callable[[Console], None]:
    """Make a printer of one thing's fields, empty ones left out."""

    def show(console: Console) -> None:
        grid = Table(box=None, pad_edge=False, show_header=False)
        grid.add_column(style="bold", no_wrap=True)
        grid.add_column(overflow="fold")
        for key, value in document.items():
            if value not in (None, "", [], {}, ()):
                grid.add_row(key.replace("_", " "), _cell(value))
        console.print(grid)

    return show


def lines(*texts: str) -> Callable[[Console], None]:
    """Make a printer of plain lines."""

    def show(console: Console) -> None:
        for text in texts:
            console.print(text, markup=False, soft_wrap=True)

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


def _cell(value: object) -> str:
    from rich.markup import escape

    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return escape("; ".join(str(one) for one in value))
    if isinstance(value, dict):
        return escape(json.dumps(value, ensure_ascii=False, default=str))
    return escape(str(value))
