"""Reads plate maps and sample sheets, of the kinds of file that people keep them in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from cisterna.domain.sample_sheet import SampleSheet

ENDINGS = ("csv", "tsv", "txt", "xlsx", "zip")
"""Of the names of files that are taken."""
SIZE_LIMIT_BYTES = 4 * 1024 * 1024
"""Of the files of one sheet, together."""


class WaitingSheet(NamedTuple):
    """A sheet that somebody put down for a run that was still to come."""

    name: str
    body: bytes


class WaitingSheets(Protocol):
    """Keeps sheets that wait for their run."""

    def find(self, project: str, *, run: str) -> WaitingSheet | None:
        """Give the sheet of a project that is called as a run is, or None.

        Args:
            project: Of the run.
            run: Name of its folder, in which that of the sheet has to be, word by word.

        Raises:
            InvalidInput: There is one that cannot be read, or several are called so.
        """
        ...


class SheetReader(Protocol):
    """Reads a sheet within bounds: nothing in it is evaluated, run or followed to elsewhere."""

    def read(self, files: Mapping[str, bytes]) -> SampleSheet:
        """Read a sheet.

        Args:
            files: By name: one table or workbook, or the files of one ISA-Tab.

        Raises:
            HostileInput: It is larger than anybody's, or could harm whoever reads it.
            InvalidInput: It is no sheet; the message names sheet, row and column, and says what to do.
        """
        ...
