"""Reads plate maps and sample sheets, of the kinds of file that people keep them in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from cisterna.domain.sample_sheet import SampleSheet

SIZE_LIMIT_BYTES = 4 * 1024 * 1024
"""Of the files of one sheet, together."""


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
