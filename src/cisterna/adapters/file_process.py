"""The process that opens HDF5 and Parquet files: `python -m cisterna.adapters.file_process --wire FD --memory-bytes N`.

Both libraries are native code that takes much of a file at its word, so this process may crash, hang or be killed:
whoever started it starts another. Its memory has a limit, and while a file is open it can open nothing else. Requests
(see `local_service`), over the socket that it was started with:

- `{"op": "open", "kind": "cells", ...}`, followed by the file's descriptor -> `{}`
- `{"op": "more"}` -> `{}` after a second of work, or `{"reading": {...}}` when it is done
- `{"op": "close"}` -> `{}`
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from functools import partial
from multiprocessing.connection import Connection
from typing import BinaryIO

from cisterna.adapters.loading import begin_loading, end_loading
from cisterna.adapters.local_service import Json, Message, Wire
from cisterna.adapters.reader_process import limit_memory, no_new_descriptor, received_file, serve
from cisterna.domain.errors import InvalidInput
from cisterna.ports.quality import Reading

Work = Generator[None, None, Reading]
Open = Callable[[BinaryIO, Mapping[str, object]], Work]

_TURN_SECONDS = 1.0


class Desk:
    """Has one file open at a time, or none.

    Args:
        openers: By the kind of file.
        turn_seconds: After so much work it is told that there is more.
    """

    def __init__(self, openers: Mapping[str, Open], *, turn_seconds: float = _TURN_SECONDS) -> None:
        self._openers, self._turn_seconds = openers, turn_seconds
        self._file: BinaryIO | None = None
        self._work: Work | None = None

    def open(self, file: BinaryIO, asked: Mapping[str, object]) -> None:
        """Open a file in place of the one before."""
        self._file = file
        opener = self._openers.get(str(asked.get("kind")))
        if opener is None:
            raise InvalidInput("there is no reader for files of this kind")
        with no_new_descriptor(but=1):  # of the same file: the libraries take a path
            self._work = opener(file, asked)

    def more(self) -> Json:
        """Go on, and give the reading when there is no more to do."""
        if self._work is None:
            raise InvalidInput("no file is open")
        until = time.monotonic() + self._turn_seconds
        with no_new_descriptor():
            while time.monotonic() < until:
                try:
                    next(self._work)
                except StopIteration as done:
                    return {"reading": done.value.model_dump(mode="json", exclude_defaults=True)}
        return {}

    def close(self) -> None:
        """Let go of the file; its library gives back what it holds."""
        if self._work is not None:
            self._work.close()
        self._work = None
        gc.collect()
        if self._file is not None:
            self._file.close()
        self._file = None


def _reply(connection: Wire, desk: Desk, content: Mapping[str, object]) -> Message:
    if content.get("op") == "more":
        return Message(desk.more())
    desk.close()
    if content.get("op") == "open":
        desk.open(received_file(connection), content)
    return Message({})


def load_openers() -> dict[str, Open]:
    """Load the readers, with all that they would load later: nothing can be opened beside a file."""
    from cisterna.adapters import cell_hdf5, cell_tally, table_parquet_file, table_tally

    cell_tally.warm()
    table_tally.warm()
    return {"cells": cell_hdf5.open_cells, "parquet": table_parquet_file.open_table}


def main(arguments: Sequence[str] | None = None) -> None:
    """Load everything, then serve until the other side hangs up or dies."""
    parser = argparse.ArgumentParser(prog="file_process", description="Measures HDF5 and Parquet files.")
    parser.add_argument("--wire", type=int, required=True)
    parser.add_argument("--memory-bytes", type=int, required=True)
    options = parser.parse_args(arguments)
    begin_loading()
    openers = load_openers()
    end_loading()
    limit_memory(options.memory_bytes)
    with Connection(options.wire) as connection:
        serve(connection, partial(_reply, connection, Desk(openers)))


if __name__ == "__main__":
    main()
