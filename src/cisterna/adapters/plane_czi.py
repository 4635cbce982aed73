"""Planes of CZI files, through pylibCZIrw (libCZI, of ZEISS)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO, NamedTuple

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring
from numpy.typing import NDArray
from pylibCZIrw.czi import CziReader

from cisterna.adapters.plane_file import PLANES_MAX, PlaneFile, named, require_few
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
_SAME_SIZE = 1e-3
SQUARE = 2048
"""Side of the squares, in pixels."""


class _Rect(NamedTuple):
    left: int
    top: int
    width: int
    height: int


class _Plane(NamedTuple):
    """A plane of a scene: the kind of its pixels, and where its tiles lie."""

    kind: str
    tiles: list[_Rect]


class CziPlanes:
    """Implements `PlaneFile`.

    A plane is placed where the file has at least one tile of it: the bounds that a file names for each axis are those
    of all its scenes together, and libCZI draws black what is not there. A plane that is larger than what may be read
    at once is placed square by square, each as a plane of its own.
    """

    def __init__(self, file: BinaryIO, *, plane_bytes: int) -> None:
        self._reader = CziReader(f"/proc/self/fd/{file.fileno()}")  # libCZI takes nothing but a path
        self._plane_bytes = plane_bytes
        self._has_scenes = False

    def placed(self) -> Sequence[PlacedPlane]:
        """Place the planes that have tiles of full resolution."""
        planes = self._planes()
        names = self._channel_names()
        used = {axis for key in planes for axis, place in zip(_AXES, key, strict=True) if place}
        around = {scene: _around(planes, scene) for scene in {key[0] for key in planes}}
        found: list[PlacedPlane] = []
        for key, plane in sorted(planes.items()):
            item_bytes, samples = _PIXELS.get(plane.kind, (1, 1))
            parts = self._parts(plane, around[key[0]], item_bytes * samples)
            require_few(len(found) + len(parts))
            found += (
                PlacedPlane(
                    key=(*key, *rect),
                    region=str(key[0]),
                    channel=names.get(key[2], f"C{key[2]}"),
                    field=_field(key, used, rect if len(parts) > 1 else None),
                    t=key[1],
                    z=key[3],
                    height=rect.height,
                    width=rect.width,
                    samples=samples,
                    item_bytes=item_bytes,
                    fault=None
                    if plane.kind in _PIXELS
                    else f"its pixels are of a type that is not read ({plane.kind})",
                )
                for rect in parts
            )
        return found

    def plane(self, placed: PlacedPlane) -> NDArray[Any]:
        """Read a plane, put together from its tiles; what no tile covers is black."""
        places = dict(zip(_AXES, placed.key, strict=False))
        scene = places.pop("S")
        roi = placed.key[len(_AXES) :]
        pixels: NDArray[Any] = self._reader.read(roi=roi, plane=places, scene=scene if self._has_scenes else None)
        return pixels[..., 0] if placed.samples == 1 else pixels

    def _planes(self) -> dict[tuple[int, ...], _Plane]:
        found: dict[tuple[int, ...], _Plane] = {}
        count = 0

        def take(_: int, tile: Any) -> bool:
            nonlocal count
            count += 1
            place: Mapping[str, int] = tile.coordinate.to_dict()
            self._has_scenes = self._has_scenes or "S" in place
            rect = tile.logicalRect
            if abs(tile.get_zoom() - 1.0) < _SAME_SIZE and rect.w > 0 and rect.h > 0:  # no smaller copy
                key = tuple(place.get(axis, 0) for axis in _AXES)
                plane = found.setdefault(key, _Plane(tile.pixelType.name, []))
                plane.tiles.append(_Rect(rect.x, rect.y, rect.w, rect.h))
            return count <= PLANES_MAX

        self._reader.enumerate_subblocks(take)
        require_few(count)
        return found

    def _parts(self, plane: _Plane, scene: _Rect, pixel_bytes: int) -> list[_Rect]:
        """Give the whole scene, or the squares of it in which the plane has pixels."""
        if scene.width * scene.height * pixel_bytes <= self._plane_bytes:
            return [scene]
        squares: dict[tuple[int, int], None] = {}
        for tile in plane.tiles:
            left, top = (tile.left - scene.left) // SQUARE, (tile.top - scene.top) // SQUARE
            right, bottom = (
                (tile.left - scene.left + tile.width - 1) // SQUARE,
                (tile.top - scene.top + tile.height - 1) // SQUARE,
            )
            require_few(len(squares) + (right - left + 1) * (bottom - top + 1))
            squares |= dict.fromkeys((x, y) for y in range(top, bottom + 1) for x in range(left, right + 1))
        return [
            _Rect(
                scene.left + x * SQUARE,
                scene.top + y * SQUARE,
                min(SQUARE, scene.width - x * SQUARE),
                min(SQUARE, scene.height - y * SQUARE),
            )
            for x, y in sorted(squares, key=lambda square: square[::-1])
        ]

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


def _around(planes: Mapping[tuple[int, ...], _Plane], scene: int) -> _Rect:
    tiles = [tile for key, plane in planes.items() if key[0] == scene for tile in plane.tiles]
    left, top = min(tile.left for tile in tiles), min(tile.top for tile in tiles)
    right, bottom = max(tile.left + tile.width for tile in tiles), max(tile.top + tile.height for tile in tiles)
    return _Rect(left, top, right - left, bottom - top)


def _field(key: Sequence[int], used: set[str], square: _Rect | None) -> str:
    told = [f"{_OTHERS[axis]} {place}" for axis, place in zip(_AXES, key, strict=True) if axis in used & _OTHERS.keys()]
    told += [f"x {square.left}, y {square.top}"] if square else []
    return ", ".join(told) or "0"


def open_planes(file: BinaryIO, *, plane_bytes: int) -> PlaneFile:
    """Open a file. Raises anything."""
    return CziPlanes(file, plane_bytes=plane_bytes)
