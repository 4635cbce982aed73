"""Planes of CZI files, through pylibCZIrw (libCZI, of ZEISS)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring
from numpy.typing import NDArray
from pylibCZIrw.czi import CziReader

from cisterna.adapters.plane_file import PLANES_MAX, CannotRead, PlaneFile, named
from cisterna.domain.plane_choice import PlacedPlane

_PIXELS = {
    "Gray8": (1, 1),
    "Gray16": (2, 1),
    "Gray32Float": (4, 1),
    "Bgr24": (1, 3),
    "Bgr48": (2, 3),
    "Bgr96Float": (4, 3),
}
"""Bytes of a number, and numbers of a pixel."""
_AXES = ("S", "T", "C", "Z", "R", "I", "H", "V", "B")
_OTHERS = {"R": "rotation", "I": "illumination", "H": "phase", "V": "view", "B": "block"}
_XML_MAX = 64 * 1024 * 1024


class CziPlanes:
    """Implements `PlaneFile`.

    A plane is placed where the file has at least one tile of it: the bounds that a file names for each axis are those
    of all its scenes together, and libCZI draws black what is not there.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._reader = CziReader(f"/proc/self/fd/{file.fileno()}")  # libCZI takes nothing but a path
        self._scenes: dict[int, tuple[int, int, int, int]] = {}

    def placed(self) -> Sequence[PlacedPlane]:
        """Place the planes that have tiles of full resolution."""
        tiles = self._tiles()
        names = self._channel_names()
        self._scenes = {scene: _around(tiles, scene) for scene in {key[0] for key in tiles}}
        axes = {axis for key in tiles for axis, place in zip(_AXES, key, strict=True) if place and axis in _OTHERS}
        found = []
        for key, (kind, *_) in sorted(tiles.items()):
            scene, t, channel, z, *others = key
            item_bytes, samples = _PIXELS.get(kind, (1, 1))
            _, _, width, height = self._scenes[scene]
            found.append(
                PlacedPlane(
                    key=key,
                    region=str(scene),
                    channel=names.get(channel, f"C{channel}"),
                    field=_field(others, axes),
                    z=z,
                    t=t,
                    height=height,
                    width=width,
                    samples=samples,
                    item_bytes=item_bytes,
                    fault=None if kind in _PIXELS else f"its pixels are of a type that is not measured ({kind})",
                )
            )
        return found

    def plane(self, placed: PlacedPlane) -> NDArray[Any]:
        """Read one scene of one plane, put together from its tiles; what no tile covers is black."""
        places = dict(zip(_AXES, placed.key, strict=True))
        scene = places.pop("S")
        pixels: NDArray[Any] = self._reader.read(roi=self._scenes[scene], plane=places, scene=self._named(scene))
        return pixels[..., 0] if placed.samples == 1 else pixels

    def _named(self, scene: int) -> int | None:
        """Name the scene to libCZI, unless the file has none at all."""
        return scene if self._has_scenes else None

    def _tiles(self) -> dict[tuple[int, ...], tuple[str, int, int, int, int]]:
        """Give, by plane, the pixel type and the bounds (left, top, right, bottom) of its tiles."""
        found: dict[tuple[int, ...], tuple[str, int, int, int, int]] = {}
        self._has_scenes = False

        def take(_: int, tile: Any) -> bool:
            place: Mapping[str, int] = tile.coordinate.to_dict()
            self._has_scenes = self._has_scenes or "S" in place
            key = tuple(place.get(axis, 0) for axis in _AXES)
            if abs(tile.get_zoom() - 1.0) > 1e-3:
                return True  # a smaller copy
            rect = tile.logicalRect
            kind, left, top, right, bottom = found.get(key, (tile.pixelType.name, rect.x, rect.y, rect.x, rect.y))
            found[key] = (
                kind,
                min(left, rect.x),
                min(top, rect.y),
                max(right, rect.x + rect.w),
                max(bottom, rect.y + rect.h),
            )
            return len(found) <= PLANES_MAX

        self._reader.enumerate_subblocks(take)
        if len(found) > PLANES_MAX:
            msg = f"it has more than {PLANES_MAX:,} planes"
            raise CannotRead(msg)
        return found

    def _channel_names(self) -> dict[int, str]:
        text = self._reader.raw_metadata
        if len(text) > _XML_MAX:
            return {}
        try:
            root = fromstring(text.encode())
        except (ParseError, DefusedXmlException, ValueError):
            return {}  # the profile tells what is wrong with the metadata; the planes are there all the same
        channels = root.findall("./Metadata/Information/Image/Dimensions/Channels/Channel")[:10_000]
        return {place: named(one.get("Name"), f"C{place}") for place, one in enumerate(channels)}


def _around(tiles: Mapping[tuple[int, ...], tuple[str, int, int, int, int]], scene: int) -> tuple[int, int, int, int]:
    bounds = [place[1:] for key, place in tiles.items() if key[0] == scene]
    left, top = min(one[0] for one in bounds), min(one[1] for one in bounds)
    return left, top, max(one[2] for one in bounds) - left, max(one[3] for one in bounds) - top


def _field(others: Sequence[int], axes: set[str]) -> str:
    told = zip(_OTHERS, others, strict=True)
    return " ".join(f"{_OTHERS[axis]} {place}" for axis, place in told if axis in axes) or "0"


def open_planes(file: BinaryIO) -> PlaneFile:
    """Open a file. Raises anything."""
    return CziPlanes(file)
