"""Files that a command reads or writes where somebody said: what the machine refuses is said, and no riddle."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cisterna.domain.errors import InvalidInput


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Write below a path. Raises `InvalidInput` where that is refused: no right, no room, no such place."""
    try:
        yield
    except OSError as error:
        msg = f"{path} cannot be written: {error.strerror or error}; mend that, or name another place"
        raise InvalidInput(msg, path=str(path)) from error


def read_file(path: Path, *, most_bytes: int) -> bytes:
    """Read a small file. Raises `InvalidInput` where that is refused, or it is larger."""
    try:
        with path.open("rb") as file:
            body = file.read(most_bytes + 1)
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror or error}; mend that, or name another file"
        raise InvalidInput(msg, path=str(path)) from error
    if len(body) > most_bytes:
        msg = f"{path} is larger than {most_bytes:,} bytes; name the right file"
        raise InvalidInput(msg, path=str(path))
    return body
