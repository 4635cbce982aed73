"""What reads plate maps and sample sheets, and where those wait that came before their run."""

from __future__ import annotations

from typing import NamedTuple

from cisterna.ports.sample_sheet import SheetReader, WaitingSheets
from cisterna.settings import Settings


class Sheets(NamedTuple):
    """The two.

    Attributes:
        waiting: None where no folder is set for them.
    """

    reader: SheetReader
    waiting: WaitingSheets | None


def sheets_of(settings: Settings) -> Sheets:
    """Make them."""
    from cisterna.adapters.sheet_file import SheetFiles
    from cisterna.adapters.sheet_folder import SheetFolder

    folder = settings.samples.folder
    return Sheets(SheetFiles(), SheetFolder(folder) if folder is not None else None)
