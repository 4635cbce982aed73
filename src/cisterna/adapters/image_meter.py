"""Measures image files: focus, saturation, signal to noise, background, and a thumbnail.

What each metric is, its unit and its source stand in `docs/reference/metrics.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import fmean, median
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cisterna.adapters.image_planes import NotRead, Unreadable, pages, planes
from cisterna.adapters.plane_metrics import STRUCTURE_MIN, MeasuredPlane, Metrics, measure_plane
from cisterna.adapters.thumbnail import draw
from cisterna.ports.profile import FilePlanes, TakenPlane
from cisterna.ports.quality import EMPTY_SNR, PlaneReading, Reading

_Sum = Callable[[Sequence[float]], float]

# How the planes of one file (a z-stack, RGB) become one number: a stack is as sharp as its sharpest plane, and as
# saturated as its worst.
_AGGREGATES: dict[str, _Sum] = {
    "focus": max,
    "focus_error": median,
    "structure": max,
    "laplacian_variance_counts2": max,
    "laplacian_variance_relative": max,
    "power_slope": max,
    "saturated_share": max,
    "clipped_share": max,
    "nonfinite_share": max,
    "snr": max,
    "background_counts": median,
    "background_uniformity": min,
    "minimum_counts": min,
    "maximum_counts": max,
    "mean_counts": fmean,
    "p1_counts": median,
    "median_counts": median,
    "p99_counts": median,
    "full_scale_counts": max,
    "grey_levels": max,
    "grey_step_counts": min,
}
_MOSTLY = 0.5


class Gathered(NamedTuple):
    """What planes that belong together gave.

    Attributes:
        sharpest: Of the planes.
        seen: What was measured of that one.
    """

    metrics: Metrics
    shape: tuple[int, ...]
    sharpest: NDArray[Any]
    seen: MeasuredPlane

    def thumbnail(self) -> bytes | None:
        """Draw the sharpest plane."""
        low, high = (self.seen.metrics.get(name) for name in ("p1_counts", "p99_counts"))
        if low is None or high is None:
            return None
        return draw(self.sharpest, low=low, high=high, coarse=self.seen.coarse)


class TiffMeter:
    """Implements `ports.quality.Meter` for TIFF, BMP and PNG; safe to share between threads.

    Args:
        limit_bytes: The most that the pixels of one file may take up; a file that claims more is a `problem`.
        told: What is known of the planes of files of one run, by path; each is measured for itself.
    """

    has_places = True
    names: tuple[str, ...] = ("planes", "width_px", "height_px", *_AGGREGATES, "empty")

    def __init__(self, *, limit_bytes: int = 1 << 30, told: Mapping[str, FilePlanes] | None = None) -> None:
        self._limit_bytes = limit_bytes
        self._told = told or {}

    def of_planes(self, planes: Mapping[str, FilePlanes]) -> TiffMeter:
        """Measure the planes of these files apart."""
        return TiffMeter(limit_bytes=self._limit_bytes, told=planes)

    def takes(self, path: str, *, is_image: bool) -> bool:
        """Measure what the profile says is an image."""
        del path
        return is_image

    def spool(self, path: str, *, size_bytes: int) -> None:
        """Need no place: each file is measured from memory."""

    def warm(self) -> None:
        """Load the compiled code for 8 and 16 bit, so that the first image does not wait for it."""
        for kind in (np.uint8, np.uint16):
            for side in (64, 2048):  # one that is drawn out of its pixels, and one out of the sums of blocks
                plane = np.arange(side * side).astype(kind).reshape(side, side)
                gathered = self.gather((plane,))
                if gathered is not None:
                    gathered.thumbnail()

    def read(self, body: memoryview, *, path: str) -> Reading:
        """Measure one file; whatever is wrong with it is a `problem` in words, with `path` in none of them.

        A file of several planes gives one number a metric, see `docs/reference/metrics.md` for which, unless of each
        page it is known which plane it is.
        """
        try:
            apart = self._apart(body, self._told[path]) if path in self._told else None
            if apart is not None:
                return apart
            gathered = self.gather(planes(body, limit_bytes=self._limit_bytes))
        except NotRead as why:
            return Reading(unmeasured=f"not measured: {why}", metrics=dict.fromkeys(self.names))
        except Unreadable as problem:
            return Reading(problem=str(problem), metrics=dict.fromkeys(self.names))
        if gathered is None:
            return Reading(problem="the file holds no image of full resolution", metrics=dict.fromkeys(self.names))
        return Reading(
            shape=gathered.shape,
            dtype=gathered.sharpest.dtype.name,
            metrics=gathered.metrics,
            thumbnail=gathered.thumbnail(),
        )

    def _apart(self, body: memoryview, told: FilePlanes) -> Reading | None:
        """Measure each page for itself; None for a file with a page of which nothing says what it is."""
        readings: list[PlaneReading] = []
        best, thumbnail, last = -1.0, None, -1
        for last, page in pages(body, limit_bytes=self._limit_bytes):
            one = told.pages[last] if last < len(told.pages) else None
            gathered = None if one is None else self.gather(page)
            if one is None or gathered is None:
                return None
            focus = gathered.metrics.get("focus") or 0.0
            if focus > best:
                best, thumbnail = focus, gathered.thumbnail() or thumbnail
            readings.append(PlaneReading(plane=one.plane, taken=one.taken, metrics=gathered.metrics))
        readings += [_lacking(one, page) for page, one in enumerate(told.pages) if page > last and one is not None]
        in_file = None if told.is_of_run else len(readings)
        return Reading(planes=tuple(readings), planes_in_file=in_file, thumbnail=thumbnail)

    def gather(self, planes: Iterable[NDArray[Any]]) -> Gathered | None:
        """Measure planes that belong together, such as a stack or the samples of a colour image; None without any."""
        measured: list[Metrics] = []
        sharpest: tuple[NDArray[Any], MeasuredPlane] | None = None
        best, first = -1.0, (0, 0)
        for plane in planes:
            seen = measure_plane(plane)
            measured.append(seen.metrics)
            focus = seen.metrics.get("focus") or 0.0
            if focus > best:
                sharpest, best = (plane, seen), focus
            if len(measured) == 1:
                first = (plane.shape[0], plane.shape[1])
        if sharpest is None:
            return None
        shape = first if len(measured) == 1 else (len(measured), *first)
        return Gathered(self._aggregate(measured, first), shape, *sharpest)

    def _aggregate(self, measured: list[Metrics], shape: tuple[int, int]) -> Metrics:
        found: Metrics = {"planes": float(len(measured)), "height_px": float(shape[0]), "width_px": float(shape[1])}
        for name, aggregate in _AGGREGATES.items():
            values = [value for metrics in measured if (value := metrics.get(name)) is not None]
            found[name] = float(aggregate(values)) if values else None
        found["empty"] = float(all(_is_empty(metrics) for metrics in measured))
        return {name: found[name] for name in self.names}


def _lacking(told: TakenPlane, page: int) -> PlaneReading:
    problem = f"the file speaks of this plane and has no page {page + 1}, where it must be"
    return PlaneReading(plane=told.plane, taken=told.taken, problem=problem)


def _is_empty(metrics: Metrics) -> bool:
    """Tell whether a plane shows nothing above its own noise; one that is all light is not empty."""
    if (metrics.get("saturated_share") or 0.0) > _MOSTLY:
        return False
    structure, snr = metrics.get("structure"), metrics.get("snr")
    if metrics.get("maximum_counts") == metrics.get("minimum_counts"):
        return True
    return (structure or 0.0) < STRUCTURE_MIN and (snr is None or snr < EMPTY_SNR)
