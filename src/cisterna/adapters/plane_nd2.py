"""Planes of ND2 files, through the package nd2."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from math import prod
from typing import Any, BinaryIO

from nd2 import ND2File
from numpy.typing import NDArray

from cisterna.adapters.plane_file import NOT_THERE, OUTSIDE, CannotRead, PlaneFile, named, require_few
from cisterna.domain.plane_choice import MOST_TAKEN, PlacedPlane, Taken

_OWN_WORDS = {"P": "region", "T": "t", "Z": "z"}
_FRAME = b"ImageDataSeq|"
_MAGIC = b"\xda\xce\xbe\x0a"
_RECORDED = ("X Coord [µm]", "Y Coord [µm]", "Z Coord [µm]", "Time [s]")
_CHUNK_BYTES, _BEFORE_PIXELS_BYTES, _STAMP_BYTES = 16, 4096, 8


class Nd2Planes:
    """Implements `PlaneFile`. A frame holds all channels of one place, pixel by pixel; each is a plane here."""

    def __init__(self, file: BinaryIO) -> None:
        self._own = file
        self._file = ND2File(file)
        if self._file.is_legacy:
            msg = "it is of the format before 2004 (JPEG 2000), whose planes are not read"
            raise CannotRead(msg)
        self._size_bytes = file.seek(0, 2)
        self._channels = self._file.attributes.channelCount or 1
        self._frame: tuple[int, NDArray[Any]] | None = None

    def placed(self) -> Sequence[PlacedPlane]:
        """Place the channels of every frame that the file's experiment speaks of."""
        loops = self._file.experiment
        frames = prod(loop.count for loop in loops)
        if frames < 0 or any(loop.count < 0 for loop in loops):
            msg = "its experiment has a loop of fewer than no steps"
            raise CannotRead(msg)
        require_few(frames * self._channels)
        chunks = self._chunks()
        names = self._channel_names()
        places, taken = self._file.loop_indices, self._taken(frames)
        return [
            plane._replace(taken=taken[frame])
            for frame in range(frames)
            for plane in self._of_frame(frame, places[frame], names, self._fault(chunks.get(frame)))
        ]

    def plane(self, placed: PlacedPlane) -> NDArray[Any]:
        """Read one channel of a frame; the frame stays for its other channels."""
        frame, channel = placed.key
        if self._frame is None or self._frame[0] != frame:
            self._frame = None  # never two at once
            shape = (self._channels, placed.height, placed.width, placed.samples)
            self._frame = (frame, self._file.read_frame(frame).reshape(shape))  # single axes are left out of it
        pixels: NDArray[Any] = self._frame[1][channel]
        return pixels[..., 0] if placed.samples == 1 else pixels

    def _of_frame(
        self, frame: int, place: dict[str, int], names: Sequence[str], fault: str | None
    ) -> Iterator[PlacedPlane]:
        attributes = self._file.attributes
        others = [f"{axis} {at}" for axis, at in place.items() if axis not in _OWN_WORDS]
        for channel, name in enumerate(names):
            yield PlacedPlane(
                key=(frame, channel),
                region=str(place.get("P", 0)),
                channel=name,
                field=" ".join(others) or "0",
                z=place.get("Z", 0),
                t=place.get("T", 0),
                height=attributes.heightPx,
                width=attributes.widthPx or 0,
                samples=max(1, attributes.componentCount // len(names)),
                item_bytes=attributes.bitsPerComponentInMemory // 8,
                fault=fault,
            )

    def _fault(self, chunk: tuple[int, int] | None) -> str | None:
        """Say why a frame's chunk cannot hold its pixels: the package gives black, or what lies behind it."""
        if chunk is None:
            return NOT_THERE
        at, size = chunk
        attributes = self._file.attributes
        if attributes.compressionType == "lossless":
            return OUTSIDE if at + _CHUNK_BYTES + size > self._size_bytes else None
        if attributes.compressionType == "lossy":
            return "it is compressed with losses, which is not read"
        row = (attributes.widthPx or 0) * attributes.componentCount * (attributes.bitsPerComponentInMemory // 8)
        row_bytes = attributes.widthBytes or row
        if row_bytes < row:
            return f"its rows have {row_bytes:,} bytes and {row:,} are needed"
        needed = attributes.heightPx * row_bytes
        if at + _BEFORE_PIXELS_BYTES + needed > self._size_bytes:
            return OUTSIDE
        held = self._chunk_bytes(at) - _STAMP_BYTES
        return f"its chunk holds {held:,} bytes and its pixels take {needed:,}" if held < needed else None

    def _chunk_bytes(self, at: int) -> int:
        self._own.seek(at)
        head = self._own.read(_CHUNK_BYTES)
        return int(struct.unpack("<IIQ", head)[2]) if len(head) == _CHUNK_BYTES and head[:4] == _MAGIC else 0

    def _chunks(self) -> dict[int, tuple[int, int]]:
        """Tell where the chunk of each frame begins, and what it holds."""
        found = {}
        for name, (at, size) in self._file._rdr.chunkmap.items():  # noqa: SLF001 - nothing public tells it
            number = name[len(_FRAME) : -1]
            if name.startswith(_FRAME) and number.isdigit():
                found[int(number)] = (at, max(size, 0))
        return found

    def _taken(self, frames: int) -> list[Taken | None]:
        """Read where the stage was and when, as the microscope recorded it of every frame; planned places are none."""
        with suppress(Exception):  # as of the names: a part that the package cannot read ends all of it
            found: list[Taken | None] = [None] * frames
            for record in self._file.events(orient="records"):
                frame = record.get("Index")
                if isinstance(frame, int) and 0 <= frame < frames:  # other records are of what happened in between
                    x, y, z, at = (_number(record.get(name)) for name in _RECORDED)
                    found[frame] = (x, y, z, at) if (x, y, z, at) != (None,) * 4 else None
            return found
        return [None] * frames

    def _channel_names(self) -> list[str]:
        channels: Sequence[Any] = ()
        with suppress(
            Exception
        ):  # the package reads all of the metadata at once, and a part that it cannot read ends it
            channels = self._file.metadata.channels or ()
        told = [named(one.channel.name, f"C{place}") for place, one in enumerate(channels[: self._channels])]
        return [*told, *(f"C{place}" for place in range(len(told), self._channels))]


def _number(cell: Any) -> float | None:
    value = float(cell) if isinstance(cell, (int, float)) else math.nan
    return value if abs(value) <= MOST_TAKEN else None


def open_planes(file: BinaryIO, *, plane_bytes: int) -> PlaneFile:
    """Open a file, whose planes are read whole or not at all. Raises anything."""
    del plane_bytes
    return Nd2Planes(file)
