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
import contextlib
import gc
import importlib
import os
import resource
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from cisterna.adapters.loading import begin_loading, end_loading
from cisterna.adapters.local_service import Json, Message, Wire, one_line, receive, send
from cisterna.adapters.plane_file import LIBRARIES, OUT_OF_MEMORY, CannotRead, OpenPlaneFile, PlaneFile
from cisterna.domain.errors import InvalidInput
from cisterna.domain.plane_choice import PlacedPlane, chosen_planes

REQUEST_LIMIT_BYTES = 64 * 1024


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
        with _no_new_descriptor(but=1):  # of the same file, for a library that takes a path or maps it
            self._planes = opener(file, plane_bytes=self._plane_bytes)
        with _no_new_descriptor():
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
        with _no_new_descriptor():
            pixels = self._planes.plane(placed)
        if pixels.dtype.kind not in "biuf":
            msg = f"its pixels are of a type that is not measured ({pixels.dtype})"
            raise CannotRead(msg)
        little = np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("<"))
        return Message({"shape": list(little.shape), "dtype": little.dtype.str}, [little.tobytes()])


def serve(connection: Wire, desk: Desk) -> None:
    """Answer until the other side hangs up."""
    while True:
        try:
            request = receive(connection, limit_bytes=REQUEST_LIMIT_BYTES)
        except (EOFError, OSError):
            return
        send(connection, _answered(partial(_reply, connection, desk, request.content)))


def _reply(connection: Wire, desk: Desk, content: Mapping[str, object]) -> Message:
    if content.get("op") == "plane":
        return desk.plane(_whole(content, "index"))
    desk.close()
    if content.get("op") == "close":
        return Message({})
    received = recv_handle(connection)
    try:
        file = Path(f"/proc/self/fd/{received}").open("rb")  # noqa: SIM115 - the libraries want a file with a name
    finally:
        os.close(received)
    return Message(desk.open(file, kind=str(content.get("kind")), most=_whole(content, "most")))


def _answered(make: Callable[[], Message]) -> Message:
    """Give what was asked for, or what is wrong; a library may raise anything."""
    try:
        return make()
    except InvalidInput as refusal:
        return Message({"error": str(refusal), "code": refusal.code})
    except MemoryError as error:
        return Message({"error": one_line(error), "code": OUT_OF_MEMORY})
    except Exception as error:  # noqa: BLE001 - it is the file's problem, and is told as such
        is_memory = "bad_alloc" in str(error) or "bad allocation" in str(error)
        return Message({"error": one_line(error), "code": OUT_OF_MEMORY if is_memory else CannotRead.code})


def _whole(content: Mapping[str, object], name: str) -> int:
    value = content.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidInput(f"{name} must be a whole number")
    return value


@contextlib.contextmanager
def _no_new_descriptor(*, but: int = 0) -> Iterator[None]:
    """Let this process open nothing, neither file nor socket, but so many: a file may name others, and addresses."""
    free = os.dup(0)
    os.close(free)  # the next one that the kernel would give
    before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free + but, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, hard))


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


def limit_memory(spare_bytes: int) -> None:
    """Bound what this process may allocate from here on; pages of the file that it maps are not counted."""
    status = Path("/proc/self/status").read_text("ascii", "replace")
    held = next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmData:"))
    resource.setrlimit(resource.RLIMIT_DATA, (held + spare_bytes, held + spare_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


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
        serve(connection, Desk(openers, plane_bytes=options.plane_bytes))


if __name__ == "__main__":
    main()
