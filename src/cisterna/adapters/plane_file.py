"""What the readers of makers' files have in common: planes that are placed first, and read one after another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, BinaryIO, Protocol

from numpy.typing import NDArray

from cisterna.domain.errors import InvalidInput
from cisterna.domain.plane_choice import PlacedPlane
from cisterna.domain.untrusted import plain_text

LIBRARIES = {"czi": "pylibCZIrw", "nd2": "nd2", "lif": "liffile"}
"""The library that reads each kind of file, by the end of its name; one that is not installed is not missed before."""
PLANES_MAX = 1_000_000
"""More in one file are no microscope's; each is a row in memory until the choice is made."""
NOT_THERE = "the file speaks of this plane and holds no pixels of it"
OUTSIDE = "the file says that the pixels of this plane lie beyond its own end"


class CannotRead(InvalidInput):
    """The file is not what it must be, or not of a kind whose planes are read; the message is for a technician."""

    code = "unreadable-image"


class PlaneFile(Protocol):
    """An open file of a maker's format. Its library may do anything: only the plane process opens one."""

    def placed(self) -> Sequence[PlacedPlane]:
        """Place every plane that the file has, in the same order each time. Raises anything."""
        ...

    def plane(self, placed: PlacedPlane) -> NDArray[Any]:
        """Read one: two dimensions, or three with the samples of a pixel last. Raises anything."""
        ...


class OpenPlaneFile(Protocol):
    """Opens files."""

    def __call__(self, file: BinaryIO, *, plane_bytes: int) -> PlaneFile:
        """Open one, which stays open for as long as its planes are read; no plane of more bytes is. Raises anything."""
        ...


def require_few(count: int) -> None:
    """Raises `CannotRead` for more planes than are looked at."""
    if count > PLANES_MAX:
        msg = f"it has {count:,} planes or tiles; at most {PLANES_MAX:,} are looked at"
        raise CannotRead(msg)


def named(text: object, otherwise: str) -> str:
    """Give a name that a file holds, or another where it has none that can be shown."""
    return plain_text(text, longest=100) or otherwise
