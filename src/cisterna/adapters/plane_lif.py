"""Planes of LIF files, through liffile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import product
from math import prod
from typing import Any, BinaryIO

from liffile import LifFile, LifFileType, LifImage
from numpy.typing import NDArray

from cisterna.adapters.plane_file import NOT_THERE, OUTSIDE, CannotRead, PlaneFile, named, require_few
from cisterna.domain.plane_choice import MOST_TAKEN, PlacedPlane

_PLANE_AXES = 2
_OWN_WORDS = ("T", "C", "Z")
_CHANNEL = "./Data/Image/ImageDescription/Channels/ChannelDescription"


class LifPlanes:
    """Implements `PlaneFile`. Two axes of an image make its planes; the others are `z`, `t`, `channel` or `field`."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = LifFile(file)
        if self._file.type is not LifFileType.LIF:
            msg = f"it is of the kind {self._file.type.name}, whose pixels lie in other files"
            raise CannotRead(msg)
        self._images = list(self._file.images)
        self._size_bytes = file.seek(0, 2)

    def placed(self) -> Sequence[PlacedPlane]:
        """Place the planes of every image."""
        counts = [prod(_outer(image).values()) for image in self._images if isinstance(image, LifImage)]
        require_few(sum(counts))
        return [plane for index, image in enumerate(self._images) for plane in self._of_image(index, image)]

    def plane(self, placed: PlacedPlane) -> NDArray[Any]:
        """Read one."""
        image, *places = placed.key
        frames = self._images[image].frames
        outer = _outer(self._images[image])
        read: NDArray[Any] = frames(**dict(zip(outer, places, strict=True)))[0]
        return read

    def _of_image(self, index: int, image: Any) -> Iterator[PlacedPlane]:
        region = named(image.path, f"image {index}")
        if not isinstance(image, LifImage):
            fault = "fluorescence lifetimes are not measured"
            yield PlacedPlane((index,), region, "C0", 1, 1, 1, fault=fault)
            return
        outer, inner = _outer(image), image.frames.frame_sizes
        if len(inner) < _PLANE_AXES:
            yield PlacedPlane((index,), region, "C0", 1, 1, 1, fault="its pixels do not lie plane by plane")
            return
        names = _channel_names(image)
        lack = self._fault(image)
        height, width, *samples = inner.values()
        times = _times(image, planes=prod(outer.values()))
        for number, places in enumerate(product(*map(range, outer.values()))):
            at = dict(zip(outer, places, strict=True))
            others = [f"{axis} {place}" for axis, place in at.items() if axis not in _OWN_WORDS]
            channel = at.get("C", 0)
            yield PlacedPlane(
                key=(index, *places),
                region=region,
                channel=names[channel] if channel < len(names) else f"C{channel}",
                field=" ".join(others) or "0",
                z=at.get("Z", 0),
                t=at.get("T", 0),
                height=height,
                width=width,
                samples=prod(samples),
                item_bytes=image.dtype.itemsize,
                fault=lack,
                taken=None if times is None else (None, None, None, times[number]),
            )

    def _fault(self, image: LifImage) -> str | None:
        """Say why the image's block cannot hold its pixels: liffile would read what lies behind it."""
        block = image.memory_block
        if block.frames or block.offset < 0 or block.size == 0:
            return NOT_THERE
        if block.offset + block.size > self._size_bytes:
            return OUTSIDE
        needed = prod(image.sizes.values()) * image.dtype.itemsize
        return f"its block holds {block.size:,} bytes and its planes need {needed:,}" if needed > block.size else None


def _outer(image: LifImage) -> dict[str, int]:
    """Give the axes along which an image has planes, with their lengths."""
    inner = image.frames.frame_sizes
    return {axis: size for axis, size in image.sizes.items() if axis not in inner}


def _times(image: LifImage, *, planes: int) -> list[float] | None:
    """Give when each plane was taken, in the order in which they lie; None unless the file has a time for every one."""
    with suppress(Exception):  # the package takes what the XML says at its word
        stamps = image.timestamps
        times = [] if stamps is None else [float(one) / 1000 for one in stamps.astype("int64")]
        if len(times) == planes and all(0 < one <= MOST_TAKEN for one in times):
            return times
    return None


def _channel_names(image: LifImage) -> list[str]:
    """Name channels by their dye, or else their look-up table; two of one name get their numbers."""
    told = [
        named(dye.get("Value") if (dye := _dye(one)) is not None else one.get("LUTName"), f"C{place}")
        for place, one in enumerate(image.xml_element.findall(_CHANNEL)[:10_000])
    ]
    return [name if told.count(name) == 1 else f"{name} {place}" for place, name in enumerate(told)]


def _dye(channel: Any) -> Any:
    found = {one.findtext("Key"): one.findtext("Value") for one in channel.iter("ChannelProperty")}
    name = found.get("DyeName")
    return {"Value": name} if name else None


def open_planes(file: BinaryIO, *, plane_bytes: int) -> PlaneFile:
    """Open a file, whose planes are read whole or not at all. Raises anything."""
    del plane_bytes
    return LifPlanes(file)
