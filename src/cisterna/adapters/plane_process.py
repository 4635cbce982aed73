"""The process that opens makers' files: `python -m cisterna.adapters.plane_process --wire FD --plane-bytes N ...`.

The only modules that import the makers' libraries are loaded here. They are native code, or take what a file says at
its word, so this process may crash, hang or be killed: whoever started it starts another. Its memory has a limit, and
while a file is open it can open nothing else, neither a file nor a socket. Requests (see `local_service`), over the
socket that it was started with:

- `{"op": "open", "kind": "czi", "most": N}`, followed by the file's descriptor -> how many planes it has, and those
  that were chosen
- `{"op": "plane", "index": I}` -> shape and type, with one blob: the pixels
- `{"op": "close"}` -> `{}`
"""

from __future__ import annotations

import argparse
import gc
import importlib
import traceback
from collections.abc import Mapping, Sequence
from functools import partial
from multiprocessing.connection import Connection
from typing import BinaryIO, cast

import numpy as np

from cisterna.adapters.loading import begin_loading, end_loading
from cisterna.adapters.local_service import Json, Message, Wire
from cisterna.adapters.plane_file import LIBRARIES, CannotRead, OpenPlaneFile, PlaneFile
from cisterna.adapters.reader_process import limit_memory, no_new_descriptor, received_file, serve, whole
from cisterna.domain.errors import InvalidInput
from cisterna.domain.plane_choice import PlacedPlane, chosen_planes


class Desk:
    """Has one file open at a time, or none.

    Args:
        plane_bytes: No plane of more is read.
    """

    def __init__(self, openers: Mapping[str, OpenPlaneFile], *, plane_bytes: int) -> None:
        self._openers = openers
        self._plane_bytes = plane_bytes
        self._file: BinaryIO | None = None
        self._planes: PlaneFile | None = None
        self._chosen: list[PlacedPlane] = []

    def open(self, file: BinaryIO, *, kind: str, most: int) -> Json:
        """Open a file in place of the one before, and choose among its planes."""
        opener = self._openers.get(kind)
        if opener is None:
            msg = f"the reader of {kind} files, {LIBRARIES.get(kind, 'unknown')}, cannot be loaded"
            raise InvalidInput(msg)
        self._file = file
        with no_new_descriptor(but=1):  # of the same file, for a library that takes a path or maps it
            self._planes = opener(file, plane_bytes=self._plane_bytes)
        with no_new_descriptor():
            placed = self._planes.placed()
        self._chosen = chosen_planes(placed, most=most)
        return {"planes_in_file": len(placed), "planes": [list(plane) for plane in self._chosen]}

    def close(self) -> None:
        """Let go of the file; its library gives back what it holds."""
        self._planes, self._chosen = None, []
        gc.collect()
        if self._file is not None:
            self._file.close()
        self._file = None

    def plane(self, index: int) -> Message:
        """Read one of the planes that were chosen."""
        if self._planes is None or not 0 <= index < len(self._chosen):
            raise InvalidInput("there is no such plane")
        placed = self._chosen[index]
        if placed.fault is not None:
            raise CannotRead(placed.fault)
        if placed.size_bytes > self._plane_bytes:
            raise InvalidInput("the plane is larger than what is read")
        with no_new_descriptor():
            pixels = self._planes.plane(placed)
        if pixels.dtype.kind not in "biuf":
            msg = f"its pixels are of a type that is not measured ({pixels.dtype})"
            raise CannotRead(msg)
        little = np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("<"))
        return Message({"shape": list(little.shape), "dtype": little.dtype.str}, [little.tobytes()])


def _reply(connection: Wire, desk: Desk, content: Mapping[str, object]) -> Message:
    if content.get("op") == "plane":
        return desk.plane(whole(content, "index"))
    desk.close()
    if content.get("op") == "close":
        return Message({})
    file = received_file(connection)
    return Message(desk.open(file, kind=str(content.get("kind")), most=whole(content, "most")))


def load_openers() -> dict[str, OpenPlaneFile]:
    """Load the readers whose libraries are installed."""
    found = {}
    for kind in LIBRARIES:
        try:
            found[kind] = cast("OpenPlaneFile", importlib.import_module(f"cisterna.adapters.plane_{kind}").open_planes)
        except ModuleNotFoundError:
            continue
        except Exception:  # noqa: BLE001 - one that is installed and broken must not take the others with it
            traceback.print_exc()
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Load everything, then serve until the other side hangs up or dies."""
    parser = argparse.ArgumentParser(prog="plane_process", description="Reads planes of makers' files.")
    parser.add_argument("--wire", type=int, required=True)
    parser.add_argument("--plane-bytes", type=int, required=True)
    parser.add_argument("--memory-bytes", type=int, required=True)
    options = parser.parse_args(arguments)
    begin_loading()
    openers = load_openers()
    end_loading()
    limit_memory(options.memory_bytes)
    with Connection(options.wire) as connection:
        serve(connection, partial(_reply, connection, Desk(openers, plane_bytes=options.plane_bytes)))


if __name__ == "__main__":
    main()
