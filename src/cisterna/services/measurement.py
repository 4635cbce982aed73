"""Gathers what the one read measured into the tables kept with the data."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Sequence

from cisterna.domain.listing import Listing
from cisterna.ports.profile import Plane
from cisterna.ports.quality import ImageMeter, ImageReading, TableFile
from cisterna.services.one_read import ReadFile

METRICS_PATH = "quality/metrics.parquet"
PREVIEWS_PATH = "quality/previews.parquet"
EVEN_PREVIEWS = 96
WORST_PREVIEWS = 24
_PLANE = ("region", "field", "channel", "z", "t")
FOCUS = "focus"
"""What the names of focus metrics begin with; less is worse."""


class Measurement:
    """Takes results in any order and gives tables in the order of the listing.

    It keeps 120 previews at most, however many images there are: some spread evenly, and the worst by focus.
    """

    def __init__(
        self,
        listing: Listing,
        *,
        meter: ImageMeter,
        is_image: Callable[[str], bool],
        plane: Callable[[str], Plane | None],
    ) -> None:
        images = [index for index, file in enumerate(listing.files) if is_image(file.path)]
        self._names = meter.names
        self._plane = plane
        self._focus = next((name for name in meter.names if name.startswith(FOCUS)), None)
        self._even = set(images[:: max(1, -(-len(images) // EVEN_PREVIEWS))])
        self._files: list[ReadFile | None] = [None] * len(listing.files)
        self._previews: dict[int, bytes] = {}
        self._worst: list[tuple[float, int, bytes]] = []

    def take(self, index: int, result: ReadFile) -> None:
        """Take the result for one place of the listing."""
        reading = result.reading
        if reading is not None and reading.thumbnail is not None:
            self._take_preview(index, reading, reading.thumbnail)
            reading = reading.model_copy(update={"thumbnail": None})
        self._files[index] = ReadFile(result.entry, reading)

    def files(self) -> Sequence[ReadFile]:
        """Give every result, in the order of the listing."""
        return [file for file in self._files if file is not None]

    def metrics(self, *, tables: TableFile) -> bytes:
        """Encode `quality/metrics.parquet`: one row an image."""
        rows = [(file.entry.path, file.reading) for file in self.files() if file.reading is not None]
        planes = [self._plane(path) for path, _ in rows]
        columns: dict[str, Sequence[object]] = {"path": [path for path, _ in rows]}
        for name in _PLANE:
            columns[name] = [None if plane is None else getattr(plane, name) for plane in planes]
        columns["problem"] = [reading.problem for _, reading in rows]
        for name in self._names:
            columns[name] = [reading.metrics.get(name) for _, reading in rows]
        return tables.dump(columns)

    def previews(self, *, tables: TableFile) -> bytes:
        """Encode `quality/previews.parquet`: path and PNG."""
        chosen = self._previews | {-place: png for _, place, png in self._worst}
        paths = {index: file.entry.path for index, file in enumerate(self._files) if file is not None}
        order = sorted(chosen)
        return tables.dump({"path": [paths[index] for index in order], "png": [chosen[index] for index in order]})

    def _take_preview(self, index: int, reading: ImageReading, png: bytes) -> None:
        if index in self._even:
            self._previews[index] = png
        focus = reading.metrics.get(self._focus) if self._focus else None
        if focus is not None and math.isfinite(focus):
            # A heap of the worst with the best of them on top. Of equals the earlier file stays, whoever came first.
            heapq.heappush(self._worst, (-focus, -index, png))
            if len(self._worst) > WORST_PREVIEWS:
                heapq.heappop(self._worst)
