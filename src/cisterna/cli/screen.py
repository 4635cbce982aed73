"""What a person sees while the stack runs: readiness as it comes, then the runs, live."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cisterna.bootstrap import Endpoints
from cisterna.bootstrap.stack import PartStatus
from cisterna.cli.answer import err_console

_COLOURS = {"ready": "green", "died": "red", "starting": "yellow", "stopping": "yellow", "stopped": "dim"}


class Screen:
    """Prints lines, and keeps a live table below them on a terminal; on a pipe, changes are printed as lines."""

    def __init__(self) -> None:
        self._console = err_console()
        self._live: Live | None = None
        self._told: dict[str, str] = {}

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live = Live(console=self._console, refresh_per_second=4, transient=False)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()
            self._live = None

    def part(self, status: PartStatus) -> None:
        """Tell the state of one part of the stack."""
        line = Text(f"{status.seconds:6.1f} s  ")
        line.append(f"{status.name:<11}")
        line.append(status.state, style=_COLOURS.get(status.state, ""))
        if status.detail:
            line.append(f"  {status.detail}")
        self._console.print(line, soft_wrap=True)

    def ready(self, endpoints: Endpoints, *, setup_url: str | None) -> None:
        """Tell where everything is."""
        prefect = endpoints.prefect_api_url.removesuffix("/api")
        self._line("")
        self._line(f"Dashboard   {endpoints.web_url}")
        self._line(f"Prefect     {prefect}")
        self._line(f"S3          {endpoints.s3_endpoint}   (keys: cisterna config env)")
        if setup_url:
            self._line(f"First administrator, once: {setup_url}")
        self._line("Stop with Ctrl-C; start again and it goes on where it stopped.")
        self._line("")

    def runs(self, rows: Sequence[dict[str, Any]]) -> None:
        """Show the runs as they stand."""
        if self._live:
            self._live.update(Group(_table(rows)))
            return
        for row in rows:
            told = f"{row['state']}, {row['stage'] or 'not begun'}, {row['verdict'] or 'no verdict'}: {row['reason']}"
            if self._told.get(row["name"]) != told:
                self._told[row["name"]] = told
                self._line(f"{row['name']}  {told}")

    def _line(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)


def _table(rows: Sequence[dict[str, Any]]) -> Table:
    grid = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    grid.add_column("run", no_wrap=True, max_width=34)
    grid.add_column("written", width=14)
    grid.add_column("state", no_wrap=True)
    grid.add_column("stage", no_wrap=True)
    grid.add_column("verdict", no_wrap=True)
    grid.add_column("reason", overflow="fold", ratio=1)
    for row in rows:
        share = row["progress"]
        bar = ProgressBar(total=1.0, completed=share, width=12) if share is not None else Text("")
        link = row["url"]
        name = Text(row["name"], style=f"link {link}" if link else "")
        grid.add_row(
            name, bar, Text(row["state"]), Text(row["stage"] or ""), Text(row["verdict"] or ""), Text(row["reason"])
        )
        if link:
            grid.add_row("", "", "", "", "", Text(link, style="dim"))
    return grid
