"""How images are written in a form that a browser or a viewer can open in pieces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from pydantic import Field

from cisterna.domain.base import Value


class PlaneKind(Value):
    """What the pixels of one image file are: rows, columns and the name of their type (numpy's, such as `uint16`)."""

    height: int = Field(ge=1)
    width: int = Field(ge=1)
    dtype: str


class FieldOfView(Value):
    """One field of view, to become one OME-Zarr image with the axes t c z y x.

    Attributes:
        channels: Names, in the order of the axis.
        timepoints, z_planes: Lengths of these axes.
        pixel_size_um, z_step_um: In micrometres; None where nobody knows.
    """

    plane: PlaneKind
    channels: tuple[str, ...] = Field(min_length=1)
    timepoints: int = Field(ge=1)
    z_planes: int = Field(ge=1)
    pixel_size_um: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    z_step_um: float | None = Field(default=None, gt=0, allow_inf_nan=False)


class Block(Value):
    """Part of a field of view that is written at once: one time, one channel, planes `z_start` to before `z_stop`."""

    t: int = Field(ge=0)
    c: int = Field(ge=0)
    z_start: int = Field(ge=0)
    z_stop: int = Field(ge=1)


class ImageView(Protocol):
    """One field of view on its way. Paths are relative to the image's own folder."""

    @property
    def blocks(self) -> Sequence[Block]:
        """All there is to be written, in order; each fits into memory."""
        ...

    def write(self, block: Block, bodies: Sequence[bytes]) -> Mapping[str, bytes]:
        """Give the files of a block, of every resolution.

        Args:
            block: One of `blocks`.
            bodies: The image files of its planes, by z.

        Raises:
            InvalidInput: An image cannot be read, or is not as the others are.
        """
        ...

    def differing(self, block: Block, bodies: Sequence[bytes], stored: Mapping[str, bytes]) -> int | None:
        """Compare what is stored, pixel by pixel and at full resolution, with the images it was made from.

        Returns:
            The z of the first plane that differs; None when all are equal.
        """
        ...

    def documents(self) -> Mapping[str, bytes]:
        """Give the metadata files, once every block is written."""
        ...


class ViewWriter(Protocol):
    """Writes OME-Zarr 0.5, sharded. Pure: it keeps nothing and reads nothing but what it is given."""

    version: str
    """Of the rules by which pixels become chunks: another one may give other bytes."""

    def look(self, body: bytes) -> PlaneKind:
        """Tell what an image file holds. Raises `InvalidInput` unless it is one plane that can be read."""
        ...

    def begin(self, field: FieldOfView) -> ImageView:
        """Begin a field of view."""
        ...
