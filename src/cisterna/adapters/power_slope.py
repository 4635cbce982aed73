"""How fast a plane's power falls with spatial frequency: a measure of blur that contrast and exposure do not change.

The definition, with its sources, is in `docs/reference/metrics.md`.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cisterna.adapters.image_pixels import fade_out, frozen

CROP = 256
"""Side of the central square that is looked at, in pixels; of a smaller plane the largest power of two that fits."""
LEAST = 64
"""Side of the smallest square that has a slope."""
_LOWEST, _HIGHEST = 1 / 32, 1 / 4  # cycles a pixel
_SMALLEST = 1e-12  # of the power of the darkest ring beside the brightest: below it there is rounding and no picture


class _Rings(NamedTuple):
    """Which ring around the origin each coefficient of a real Fourier transform lies in, of those in the band.

    Attributes:
        window: Hann, in one direction.
        across: How many frequencies across there are in the band, from 0 on.
        place: Of each coefficient, among those of these frequencies, flat.
        ring: Of each of them, counted from 0.
        weight: 2 for a coefficient whose mirror image the real transform leaves out, else 1.
        counts: Coefficients of each ring, mirror images too.
        log_radius: Of the rings, as deviations from their mean.
    """

    window: NDArray[np.float64]
    across: int
    place: NDArray[np.intp]
    ring: NDArray[np.intp]
    weight: NDArray[np.float64]
    counts: NDArray[np.float64]
    log_radius: NDArray[np.float64]


def power_slope(plane: NDArray[Any]) -> float | None:
    """Give the slope of log power over log frequency, both averaged over directions; None where there is none.

    Args:
        plane: Two dimensions, of numbers that are all finite.
    """
    side = min(CROP, 1 << (min(plane.shape).bit_length() - 1))
    if side < LEAST:
        return None
    top, left = ((size - side) // 2 for size in plane.shape)
    rings, square = _rings(side), np.empty((side, side))
    fade_out(frozen(plane), top, left, rings.window, square)
    # The transform in two dimensions, of which nothing is made that lies outside the band.
    spectrum = np.fft.fft(np.fft.rfft(square, axis=1)[:, : rings.across], axis=0).ravel()[rings.place]
    power = (spectrum.real**2 + spectrum.imag**2) * rings.weight
    means = np.bincount(rings.ring, weights=power, minlength=rings.counts.size) / rings.counts
    if not means.min() > _SMALLEST * means.max():
        return None
    return float(np.dot(rings.log_radius, np.log(means)) / np.dot(rings.log_radius, rings.log_radius))


@cache
def _rings(side: int) -> _Rings:
    first, last = round(side * _LOWEST), round(side * _HIGHEST)
    down = np.fft.fftfreq(side, 1 / side)[:, None]
    across = np.arange(last + 1)[None, :]
    radius = np.rint(np.hypot(down, across)).astype(np.intp).ravel()
    place = np.flatnonzero((radius >= first) & (radius <= last))
    ring = radius[place] - first
    weight = np.broadcast_to(np.where(across > 0, 2.0, 1.0), (side, last + 1)).ravel()[place]
    log_radius = np.log(np.arange(first, last + 1))
    return _Rings(
        window=0.5 - 0.5 * np.cos(2 * np.pi * np.arange(side) / side),
        across=last + 1,
        place=place,
        ring=ring,
        weight=weight,
        counts=np.bincount(ring, weights=weight).astype(np.float64),
        log_radius=log_radius - log_radius.mean(),
    )
