"""Measures the planes inside makers' files (CZI, ND2, LIF), which another process reads; other files go elsewhere."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from importlib.util import find_spec
from posixpath import splitext
from typing import BinaryIO

import numpy as np

from cisterna.adapters.image_meter import TiffMeter
from cisterna.adapters.maker_planes import MakerPlanes, place_of, taken_of
from cisterna.adapters.plane_child import PlaneChildren
from cisterna.adapters.plane_file import LIBRARIES
from cisterna.adapters.spool_folder import SpoolFolder
from cisterna.adapters.spooled import FileSpool, NoSpool
from cisterna.domain.plane_choice import PlacedPlane
from cisterna.ports.profile import FilePlanes
from cisterna.ports.quality import PlaneReading, Reading, Spool

_MIB = 1024 * 1024
_PLANE_SECONDS = 30.0


class MakerMeter:
    """Implements `ports.quality.Meter`; safe to share between threads.

    Args:
        inner: Measures planes, and every other kind of file.
        spools: Where a file's bytes lie while its planes are read.
        children: Read them.
        plane_bytes: No plane of more is measured.
        most_planes: So many of a file are, at most.
        plane_seconds: How long one may take to be read.
    """

    def __init__(
        self,
        inner: TiffMeter,
        *,
        spools: SpoolFolder,
        children: PlaneChildren,
        plane_bytes: int,
        most_planes: int,
        plane_seconds: float = _PLANE_SECONDS,
    ) -> None:
        self.names, self.has_places = inner.names, inner.has_places
        self._inner, self._spools, self._children = inner, spools, children
        self._plane_bytes, self._most_planes, self._plane_seconds = plane_bytes, most_planes, plane_seconds

    def warm(self) -> None:
        """Load what measures planes; a reader is started when the first file comes."""
        self._inner.warm()

    def of_planes(self, planes: Mapping[str, FilePlanes]) -> MakerMeter:
        """Measure the planes of these files apart; makers' files tell of theirs themselves."""
        return MakerMeter(
            self._inner.of_planes(planes),
            spools=self._spools,
            children=self._children,
            plane_bytes=self._plane_bytes,
            most_planes=self._most_planes,
            plane_seconds=self._plane_seconds,
        )

    def takes(self, path: str, *, is_image: bool) -> bool:
        """Measure what the profile says is an image."""
        return self._inner.takes(path, is_image=is_image)

    def read(self, body: memoryview, *, path: str) -> Reading:
        """Measure one file whose bytes are all here."""
        place = self.spool(path, size_bytes=len(body))
        if place is None:
            return self._inner.read(body, path=path)
        with place as spool:
            spool.write(body)
            return spool.read(keep_on=lambda: None)

    def spool(self, path: str, *, size_bytes: int) -> AbstractContextManager[Spool] | None:
        """Give a place for a maker's file; whatever it is short of is told by its reading."""
        kind = splitext(path)[1].lower().removeprefix(".")
        return self._spool(kind, size_bytes) if kind in LIBRARIES else None

    @contextmanager
    def _spool(self, kind: str, size_bytes: int) -> Iterator[Spool]:
        library = LIBRARIES[kind]
        if find_spec(library) is None:
            yield NoSpool(
                f"the package {library} is not installed, so its planes were not read; "
                "install cisterna[vendor] and reprocess the dataset"
            )
            return
        with self._spools.file(size_bytes) as file:
            yield NoSpool(file) if isinstance(file, str) else FileSpool(file, partial(self._measure, kind))

    def _measure(self, kind: str, file: BinaryIO, keep_on: Callable[[], None]) -> Reading:
        planes = MakerPlanes(file, kind, self._children, most=self._most_planes, plane_seconds=self._plane_seconds)
        with self._children.place(), contextlib.closing(planes):
            return planes.open() or self._measured(planes, keep_on)

    def _measured(self, planes: MakerPlanes, keep_on: Callable[[], None]) -> Reading:
        """Measure plane after plane: one is in memory, and for a picture a small copy of the sharpest so far."""
        readings: list[PlaneReading] = []
        best, thumbnail = -1.0, None
        for index, placed in enumerate(planes.placed):
            keep_on()
            pixels = self._too_large(placed) or planes.pixels(index)
            if isinstance(pixels, PlaneReading):
                readings.append(pixels)
                continue
            gathered = self._inner.gather(np.moveaxis(pixels, -1, 0) if pixels.ndim == 3 else (pixels,))
            if gathered is None:
                readings.append(PlaneReading(plane=place_of(placed), problem="the plane has no pixels"))
                continue
            focus = gathered.metrics.get("focus") or 0.0
            if focus > best:
                best, thumbnail = focus, gathered.thumbnail() or thumbnail
            readings.append(PlaneReading(plane=place_of(placed), taken=taken_of(placed), metrics=gathered.metrics))
        return Reading(planes=tuple(readings), planes_in_file=planes.in_file, thumbnail=thumbnail)

    def _too_large(self, placed: PlacedPlane) -> PlaneReading | None:
        if placed.fault is not None or placed.size_bytes <= self._plane_bytes:
            return None
        return PlaneReading(
            plane=place_of(placed),
            unmeasured=(
                f"not measured: too large, since it claims {placed.width:,} x {placed.height:,} pixels, "
                f"{placed.size_bytes / _MIB:,.0f} MiB, and at most {self._plane_bytes / _MIB:,.0f} are read "
                "(measure.image_limit_bytes)"
            ),
        )
