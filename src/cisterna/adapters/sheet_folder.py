"""Plate maps that wait for their run, in a folder of this machine: `PROJECT/NAME.csv`."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from cisterna.domain.errors import HostileInput, InvalidInput
from cisterna.domain.sample_sheet import named_in
from cisterna.ports.sample_sheet import ENDINGS, SIZE_LIMIT_BYTES, WaitingSheet

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_LOOKED_AT = 10_000
_NOT_ITS_OWN = (".", "~$")
"""What other programs put beside a file that is open or was copied, such as `~$plate 7.xlsx` and `._plate 7.csv`."""


class SheetFolder:
    """Implements `ports.sample_sheet.WaitingSheets`.

    Args:
        folder: Holds a folder for each project.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, project: str, *, run: str) -> WaitingSheet | None:
        """Look at the names in the folder of the project; nothing outside of it is opened, whatever lies there."""
        try:
            descriptor = os.open(self._folder / project, _FOLDER)
        except FileNotFoundError:
            return None
        except OSError as error:
            msg = f"the folder of waiting plate maps of {project} cannot be looked at: {error.strerror}; mend it"
            raise InvalidInput(msg, project=project) from error
        with _closing(descriptor):
            name = _named(descriptor, run)
            return WaitingSheet(name, _read(descriptor, name)) if name is not None else None


def _named(folder: int, run: str) -> str | None:
    with os.scandir(folder) as entries:
        names = [entry.name for entry in islice(entries, _LOOKED_AT)]
    sheets = (
        name for name in names if name.rpartition(".")[2].lower() in ENDINGS and not name.startswith(_NOT_ITS_OWN)
    )
    stems = {name: name.rpartition(".")[0] for name in sheets}
    chosen = set(named_in(run, stems.values()))
    fitting = sorted(name for name, stem in stems.items() if stem in chosen)
    if len(fitting) > 1:
        msg = f"several plate maps wait for a run of this name: {', '.join(fitting[:3])}; take all but one away"
        raise InvalidInput(msg)
    return fitting[0] if fitting else None


def _read(folder: int, name: str) -> bytes:
    try:
        descriptor = os.open(name, _FILE, dir_fd=folder)
    except OSError as error:
        raise InvalidInput(f"the waiting plate map {name} cannot be read: {error.strerror}; mend it") from error
    with _closing(descriptor):
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise HostileInput(f"the waiting plate map {name} is no regular file; put the file itself there")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            body = file.read(SIZE_LIMIT_BYTES + 1)
    if len(body) > SIZE_LIMIT_BYTES:
        raise HostileInput(f"the waiting plate map {name} has more than {SIZE_LIMIT_BYTES:,} bytes; shorten it")
    return body


@contextmanager
def _closing(descriptor: int) -> Iterator[None]:
    try:
        yield
    finally:
        os.close(descriptor)
