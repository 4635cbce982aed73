"""What the processes that open files of others share: bounded memory, nothing else to open, and plain answers."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from multiprocessing.reduction import recv_handle
from pathlib import Path
from typing import BinaryIO

from cisterna.adapters.local_service import Json, Message, Wire, one_line, receive, send
from cisterna.domain.errors import InvalidInput

REQUEST_LIMIT_BYTES = 1024 * 1024
OUT_OF_MEMORY = "out-of-memory"
"""Code of an answer: what a file asks for is more than its reader may have."""
UNREADABLE = "unreadable-file"
"""Code of an answer: whatever a library raised, it is the file's problem."""


def serve(connection: Wire, reply: Callable[[Json], Message]) -> None:
    """Answer until the other side hangs up."""
    while True:
        try:
            request = receive(connection, limit_bytes=REQUEST_LIMIT_BYTES)
        except (EOFError, OSError):
            return
        send(connection, _answered(partial(reply, request.content)))


def received_file(connection: Wire) -> BinaryIO:
    """Take the file that follows a request."""
    received = recv_handle(connection)
    try:
        return Path(f"/proc/self/fd/{received}").open("rb")
    finally:
        os.close(received)


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
        return Message({"error": one_line(error), "code": OUT_OF_MEMORY if is_memory else UNREADABLE})


def whole(content: Mapping[str, object], name: str) -> int:
    """Take a whole number out of a request. Raises `InvalidInput`."""
    value = content.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidInput(f"{name} must be a whole number")
    return value


@contextlib.contextmanager
def no_new_descriptor(*, but: int = 0) -> Iterator[None]:
    """Let this process open nothing, neither file nor socket, but so many: a file may name others, and addresses."""
    free = os.dup(0)
    os.close(free)  # the next one that the kernel would give
    before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free + but, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, hard))


def limit_memory(spare_bytes: int) -> None:
    """Bound what this process may allocate from here on; pages of the file that it maps are not counted."""
    status = Path("/proc/self/status").read_text("ascii", "replace")
    held = next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmData:"))
    resource.setrlimit(resource.RLIMIT_DATA, (held + spare_bytes, held + spare_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
