"""Gathers what the one read measured into the tables kept with the data."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from cisterna.domain.listing import Listing
from cisterna.ports.profile import Plane, StagePlace
from cisterna.ports.quality import Meter, PlaneReading, Reading, TableFile
from cisterna.services.one_read import ReadFile

METRICS_PATH = "quality/metrics.parquet"
PREVIEWS_PATH = "quality/previews.parquet"
CURVES_PATH = "quality/curves.parquet"
CHANNELS_PATH = "quality/channels.parquet"
CHANNELS_OF_RUN = 100_000
"""Of a run with more channels of files - detectors, lanes - none is told apart: some of them would pass for all."""
FILES_WITH_CURVES = 200
"""Of more files with curves, so many or fewer are drawn, spread evenly."""
EVEN_PREVIEWS = 96
WORST_PREVIEWS = 24
PLACE = ("stage_x_um", "stage_y_um", "stage_z_um", "taken_seconds")
"""Columns: where the stage was, and when, in seconds from the run's first image; of instruments that record it."""
_PLANE = ("region", "field", "channel", "z", "t")
IN_FILE = "planes_in_file"
"""Column: how many planes the file has of which this row is one; empty for a file that is one image."""
UNMEASURED = "unmeasured"
"""Column: why nobody looked, where that says nothing against the file."""
FOCUS = "focus"
"""What the names of focus metrics begin with; less is worse."""


class _Row(NamedTuple):
    path: str
    plane: Plane | None
    planes_in_file: int | None
    reading: Reading | PlaneReading


class Measurement:
    """Takes results in any order and gives tables in the order of the listing.

    It keeps 120 previews at most, however many images there are: some spread evenly, and the worst by focus.
    """

    def __init__(
        self,
        listing: Listing,
        *,
        meter: Meter,
        is_measured: Callable[[str], bool],
        plane: Callable[[str], Plane | None],
        places: Mapping[str, StagePlace] | None = None,
    ) -> None:
        measured = [index for index, file in enumerate(listing.files) if is_measured(file.path)]
        self._names, self._has_places = meter.names, meter.has_places
        self._plane = plane
        self._places = places or {}
        self._focus = next((name for name in meter.names if name.startswith(FOCUS)), None)
        self._even = set(measured[:: max(1, -(-len(measured) // EVEN_PREVIEWS))])
        self._files: list[ReadFile | None] = [None] * len(listing.files)
        self._previews: dict[int, bytes] = {}
        self._worst: list[tuple[float, int, bytes]] = []
        self._channels = 0

    def take(self, index: int, result: ReadFile) -> None:
        """Take the result for one place of the listing."""
        reading = result.reading
        if reading is not None and reading.thumbnail is not None:
            self._take_preview(index, reading, reading.thumbnail)
            reading = reading.model_copy(update={"thumbnail": None})
        if reading is not None and reading.channels:
            self._channels += len(reading.channels)
            if self._channels > CHANNELS_OF_RUN:
                reading = reading.model_copy(update={"channels": ()})
        self._files[index] = ReadFile(result.entry, reading)

    def files(self) -> Sequence[ReadFile]:
        """Give every result, in the order of the listing."""
        return [file for file in self._files if file is not None]

    def metrics(self, *, tables: TableFile) -> bytes:
        """Encode `quality/metrics.parquet`: one row a measured file, or a plane of a maker's file."""
        rows = [
            row
            for file in self.files()
            if file.reading is not None
            for row in self._rows(file.entry.path, file.reading)
        ]
        columns: dict[str, Sequence[object]] = {"path": [row.path for row in rows]}
        if self._has_places:
            for name in _PLANE:
                columns[name] = [None if row.plane is None else getattr(row.plane, name) for row in rows]
            columns[IN_FILE] = [row.planes_in_file for row in rows]
            columns.update(self._taken(rows))
        columns["problem"] = [row.reading.problem for row in rows]
        columns[UNMEASURED] = [row.reading.unmeasured for row in rows]
        for name in self._names:
            columns[name] = [row.reading.metrics.get(name) for row in rows]
        return tables.dump(columns)

    def _rows(self, path: str, reading: Reading) -> Iterator[_Row]:
        """Give one row for a file, or one for each of its planes where it holds many with places of their own."""
        for one in reading.planes:
            yield _Row(path, one.plane, reading.planes_in_file, one)
        if not reading.planes:
            yield _Row(path, self._plane(path), reading.planes_in_file, reading)

    def _taken(self, rows: Sequence[_Row]) -> dict[str, Sequence[object]]:
        """Give where and when each was taken, times from the first image on: of the run, or of a file that is its own.

        Nothing, where nothing of the run says it.
        """
        known = [self._place_of(row) for row in rows]
        if not self._places and not any(place is not None for place in known):
            return {}
        begun: dict[str | None, float] = {}
        said = [(None, place) for place in self._places.values()]
        for own, place in [*said, *((_own_run(row), place) for row, place in zip(rows, known, strict=True))]:
            if place is not None and place.seconds is not None:
                begun[own] = min(begun.get(own, math.inf), place.seconds)
        taken = [
            place if place.seconds is None else place._replace(seconds=round(place.seconds - begun[_own_run(row)], 6))
            for row, place in zip(rows, (place or StagePlace() for place in known), strict=True)
        ]
        return {name: [place[number] for place in taken] for number, name in enumerate(PLACE)} if taken else {}

    def _place_of(self, row: _Row) -> StagePlace | None:
        """Give where and when it was taken, as its file says or the run."""
        own = row.reading.taken if isinstance(row.reading, PlaneReading) else None
        return own if own is not None else self._places.get(row.path)

    def previews(self, *, tables: TableFile) -> bytes:
        """Encode `quality/previews.parquet`: path and PNG."""
        chosen = self._previews | {-place: png for _, place, png in self._worst}
        paths = {index: file.entry.path for index, file in enumerate(self._files) if file is not None}
        order = sorted(chosen)
        return tables.dump({"path": [paths[index] for index in order], "png": [chosen[index] for index in order]})

    def curves(self, *, tables: TableFile) -> bytes | None:
        """Encode `quality/curves.parquet`, one row a point; None when no file has any curve."""
        with_curves = [file for file in self.files() if file.reading is not None and file.reading.curves]
        if not with_curves:
            return None
        step = -(-len(with_curves) // FILES_WITH_CURVES)
        columns: dict[str, list[object]] = {name: [] for name in ("path", "curve", "x", "y")}
        for file in with_curves[::step]:
            for curve in file.reading.curves if file.reading else ():
                columns["path"] += [file.entry.path] * len(curve.x)
                columns["curve"] += [curve.name] * len(curve.x)
                columns["x"] += curve.x
                columns["y"] += curve.y
        return tables.dump(columns)

    def channels(self, *, tables: TableFile) -> bytes | None:
        """Encode `quality/channels.parquet`, one row a channel of a file; None where none is told apart."""
        found = [(file.entry.path, one) for file in self.files() if file.reading for one in file.reading.channels]
        if not found or self._channels > CHANNELS_OF_RUN:
            return None
        columns: dict[str, Sequence[object]] = {
            "path": [path for path, _ in found],
            "channel": [one.channel for _, one in found],
        }
        for name in sorted({name for _, one in found for name in one.metrics}):
            columns[name] = [one.metrics.get(name) for _, one in found]
        return tables.dump(columns)

    def _take_preview(self, index: int, reading: Reading, png: bytes) -> None:
        if index in self._even:
            self._previews[index] = png
        focus = self._focus_of(reading)
        if focus is not None and math.isfinite(focus):
            # A heap of the worst with the best of them on top. Of equals the earlier file stays, whoever came first.
            heapq.heappush(self._worst, (-focus, -index, png))
            if len(self._worst) > WORST_PREVIEWS:
                heapq.heappop(self._worst)

    def _focus_of(self, reading: Reading) -> float | None:
        """Give the focus of an image, and of a file of many that of the sharpest, which its preview shows."""
        if self._focus is None:
            return None
        metrics = [reading.metrics, *(one.metrics for one in reading.planes)]
        return max((value for one in metrics if (value := one.get(self._focus)) is not None), default=None)


def _own_run(row: _Row) -> str | None:
    """Name the file whose planes are a run of their own; None for what is part of the run."""
    return None if row.planes_in_file is None else row.path
