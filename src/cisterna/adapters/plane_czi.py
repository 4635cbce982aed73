"""Planes of CZI files, through pylibCZIrw (libCZI, of ZEISS)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring
from numpy.typing import NDArray
from pylibCZIrw.czi import CziReader

from cisterna.adapters.czi_directory import PIXELS, Block, Rect, block_fault, blocks
from cisterna.adapters.plane_file import CannotRead, PlaneFile, named, require_few
from cisterna.domain.plane_choice import PlacedPlane

_AXES = ("S", "T", "C", "Z", "R", "I", "H", "V", "B")
_OTHERS = {"R": "rotation", "I": "illumination", "H": "phase", "V": "view", "B": "block"}
_XML_MAX = 64 * 1024 * 1024
SQUARE = 2048
"""Side of the squares, in pixels."""


class CziPlanes:
    """Implements `PlaneFile`.

    A plane is placed where the file has at least one tile of it: the bounds that a file names for each axis are those
    of all its scenes together, and libCZI draws black what is not there. A plane that is larger than what may be read
    at once is placed square by square, each as a plane of its own.
    """

    def __init__(self, file: BinaryIO, *, plane_bytes: int) -> None:
        self._reader = CziReader(f"/proc/self/fd/{file.fileno()}")  # libCZI takes nothing but a path
        self._plane_bytes = plane_bytes
        self._file = file
        self._has_scenes = False
        self._tiles: dict[tuple[int, ...], list[Block]] = {}

    def placed(self) -> Sequence[PlacedPlane]:
        """Place the planes that have tiles of full resolution."""
        planes = self._tiles = self._planes()
        names = self._channel_names()
        used = {axis for key in planes for axis, place in zip(_AXES, key, strict=True) if place}
        around = {scene: _around(planes, scene) for scene in {key[0] for key in planes}}
        found: list[PlacedPlane] = []
        for key, tiles in sorted(planes.items()):
            kind = tiles[0].kind
            item_bytes, samples = PIXELS.get(kind, (1, 1))
            parts = self._parts(tiles, around[key[0]], item_bytes * samples)
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
                    fault=None if kind in PIXELS else f"its pixels are of a type that is not read ({kind})",
                )
                for rect in parts
            )
        return found

    def plane(self, placed: PlacedPlane) -> NDArray[Any]:
        """Read a plane, put together from its tiles; what no tile covers is black."""
        key, roi = placed.key[: len(_AXES)], Rect(*placed.key[len(_AXES) :])
        for tile in self._tiles[key]:
            if _meet(tile.rect, roi) and (fault := block_fault(self._file, tile)) is not None:
                raise CannotRead(fault)
        places = dict(zip(_AXES, key, strict=True))
        scene = places.pop("S")
        pixels: NDArray[Any] = self._reader.read(roi=roi, plane=places, scene=scene if self._has_scenes else None)
        return pixels[..., 0] if placed.samples == 1 else pixels

    def _planes(self) -> dict[tuple[int, ...], list[Block]]:
        found: dict[tuple[int, ...], list[Block]] = {}
        for block in blocks(self._file):
            self._has_scenes = self._has_scenes or "S" in block.places
            if block.is_full:
                found.setdefault(tuple(block.places.get(axis, 0) for axis in _AXES), []).append(block)
        return found

    def _parts(self, tiles: Sequence[Block], scene: Rect, pixel_bytes: int) -> list[Rect]:
        """Give the whole scene, or the squares of it in which the plane has pixels."""
        if scene.width * scene.height * pixel_bytes <= self._plane_bytes:
            return [scene]
        squares: dict[tuple[int, int], None] = {}
        for left, top, width, height in (tile.rect for tile in tiles):
            columns = range((left - scene.left) // SQUARE, (left - scene.left + width - 1) // SQUARE + 1)
            rows = range((top - scene.top) // SQUARE, (top - scene.top + height - 1) // SQUARE + 1)
            require_few(len(squares) + len(rows) * len(columns))
            squares |= dict.fromkeys((y, x) for y in rows for x in columns)
        return [
            Rect(
                scene.left + x * SQUARE,
                scene.top + y * SQUARE,
                min(SQUARE, scene.width - x * SQUARE),
                min(SQUARE, scene.height - y * SQUARE),
            )
            for y, x in sorted(squares)
        ]

    def _channel_names(self) -> dict[int, str]:
        try:
            text = self._reader.raw_metadata
            root = fromstring(text.encode()) if len(text) <= _XML_MAX else None
        except (ParseError, DefusedXmlException, ValueError, RuntimeError):
            root = None  # the profile tells what is wrong with the metadata; the planes are there all the same
        if root is None:
            return {}
        channels = root.findall("./Metadata/Information/Image/Dimensions/Channels/Channel")[:10_000]
        return {place: named(one.get("Name"), f"C{place}") for place, one in enumerate(channels)}


def _around(planes: Mapping[tuple[int, ...], list[Block]], scene: int) -> Rect:
    tiles = [tile.rect for key, plane in planes.items() if key[0] == scene for tile in plane]
    left, top = min(tile.left for tile in tiles), min(tile.top for tile in tiles)
    right, bottom = max(tile.left + tile.width for tile in tiles), max(tile.top + tile.height for tile in tiles)
    return Rect(left, top, right - left, bottom - top)


def _meet(tile: Rect, roi: Rect) -> bool:
    return (
        tile.left < roi.left + roi.width
        and roi.left < tile.left + tile.width
        and tile.top < roi.top + roi.height
        and roi.top < tile.top + tile.height
    )


def _field(key: Sequence[int], used: set[str], square: Rect | None) -> str:
    told = [f"{_OTHERS[axis]} {place}" for axis, place in zip(_AXES, key, strict=True) if axis in used & _OTHERS.keys()]
    told += [f"x {square.left}, y {square.top}"] if square else []
    return ", ".join(told) or "0"


def open_planes(file: BinaryIO, *, plane_bytes: int) -> PlaneFile:
    """Open a file. Raises anything."""
    return CziPlanes(file, plane_bytes=plane_bytes)
