"""What is measured on one plane; the definitions are in `docs/reference/metrics.md`."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cisterna.adapters.image_pixels import frozen, read_off, sweep
from cisterna.adapters.power_slope import power_slope

Metrics = dict[str, float | None]


class _Covariance(NamedTuple):
    """Of the two half images' Laplacians: itself, its standard error, and the geometric mean of their variances."""

    covariance: float
    error: float
    total: float


class _Bands(NamedTuple):
    """What the sweep gave.

    Attributes:
        laplacian_variance: At full resolution; None without an inner pixel.
        fine, fine_error: Covariance of the two half images' Laplacians at 2 pixels, and its standard error.
        fine_total: The half images' Laplacian variance, noise and all.
        broad, broad_error: The same at 8 pixels.
        coarse: The plane in sums of 8 x 8 pixels.
    """

    laplacian_variance: float | None
    fine: float
    fine_error: float
    fine_total: float
    broad: float
    broad_error: float
    coarse: NDArray[Any]


STRUCTURE_MIN = 4.0
"""Standard errors by which coarse structure must stand out before a focus is given."""
_CONVERTER_BITS = (8, 10, 12, 14)
_CLIP_NEIGHBOURS = 16
_BAND_SCALE = 256.0  # sums of 32 pixels against sums of 2, squared
_GRID = 4
_TILE_BLOCKS = 1024
_LARGEST = 1e30  # what is beyond counts as no number: its square would leave the range of double precision
_LAPLACIAN_GAIN = 40.0  # variance of the 4-neighbour Laplacian of 2-pixel sums of white noise: (4 + 4 * 4) * 2 sigma**2
_QUANTISATION_VARIANCE = 1 / 12  # of rounding to whole counts


class MeasuredPlane(NamedTuple):
    """What one pass over a plane gave.

    Attributes:
        metrics: By name.
        coarse: The plane in sums of 8 x 8 pixels, without what is left over at its ends; None where some are no number.
    """

    metrics: Metrics
    coarse: NDArray[Any] | None


def measure_plane(image: NDArray[Any]) -> MeasuredPlane:
    """Measure a plane of at least one pixel.

    Args:
        image: Two dimensions; bool, unsigned or signed integers, or floating-point numbers in native byte order.
    """
    plane = frozen(image)
    is_counted = plane.dtype in {np.dtype(np.uint8), np.dtype(np.uint16)}
    found, coarse = _measure_counts(plane) if is_counted else _measure_numbers(plane)
    top = _full_scale(image.dtype)
    return MeasuredPlane(found if top is None else found | {"full_scale_counts": top}, coarse)


def _full_scale(kind: np.dtype[Any]) -> float | None:
    """Give the largest value that a type holds; floating-point numbers have none that means anything."""
    if kind.kind == "b":
        return 1.0
    return float(np.iinfo(kind).max) if kind.kind in "iu" else None


def _measure_counts(image: NDArray[Any]) -> MeasuredPlane:
    histogram = np.zeros(np.iinfo(image.dtype).max + 1, np.uint32)
    bands = _sweep(image, histogram, np.dtype(np.int32))
    pixels, values = image.size, np.empty(5, np.int64)
    ranks = np.array([*(_rank(share, pixels) for share in (0.01, 0.05, 0.5, 0.99)), pixels])
    smallest, grey_levels, step, total = read_off(histogram, ranks, values)
    p1, p5, median, p99, largest = values.tolist()
    levels: Metrics = {
        "minimum_counts": float(smallest),
        "maximum_counts": float(largest),
        "mean_counts": total / pixels,
        "p1_counts": float(p1),
        "median_counts": float(median),
        "p99_counts": float(p99),
        "background_counts": float(p5),
        "grey_levels": float(grey_levels),
        "grey_step_counts": float(step) if step else None,
        "saturated_share": float(histogram[-1]) / pixels,
        "clipped_share": _clipped(histogram, largest) / pixels,
        "nonfinite_share": 0.0,
    }
    structure = _structure(bands, levels, noise_floor=_QUANTISATION_VARIANCE)
    return MeasuredPlane(levels | structure | {"power_slope": power_slope(image)}, bands.coarse)


def _measure_numbers(image: NDArray[Any]) -> MeasuredPlane:
    limits = np.iinfo(image.dtype) if image.dtype.kind in "iu" else None
    saturated = float(np.count_nonzero(image == limits.max)) / image.size if limits else None
    numbers = frozen(image.astype(np.float64))
    finite = numbers[(numbers > -_LARGEST) & (numbers < _LARGEST)]  # false for NaN
    outside = 1.0 - finite.size / numbers.size
    if finite.size == 0:
        return MeasuredPlane({"nonfinite_share": 1.0}, None)
    mean = float(finite.mean())
    ranks = [_rank(share, finite.size) - 1 for share in (0.01, 0.05, 0.5, 0.99)]
    finite.partition(ranks)  # in its place: of a large plane every copy counts
    p1, p5, median, p99 = (float(finite[rank]) for rank in ranks)
    levels: Metrics = {
        "minimum_counts": float(finite.min()),
        "maximum_counts": float(finite.max()),
        "mean_counts": mean,
        "p1_counts": p1,
        "median_counts": median,
        "p99_counts": p99,
        "background_counts": p5,
        "saturated_share": saturated,
        "clipped_share": None,
        "nonfinite_share": outside,
    }
    if outside:
        return MeasuredPlane(levels, None)
    bands = _sweep(numbers, np.zeros(0, np.uint32), np.dtype(np.float64))
    structure = _structure(bands, levels, noise_floor=0.0)
    return MeasuredPlane(levels | structure | {"power_slope": power_slope(numbers)}, bands.coarse)


def _sweep(image: NDArray[Any], histogram: NDArray[Any], number: np.dtype[Any]) -> _Bands:
    height, width = image.shape
    half, quarter = np.empty((2, 4, width >> 1), number), np.empty((2, 2, width >> 2), number)
    eighth = np.empty((2, height >> 3, width >> 3), number)
    fine, broad = np.zeros(5), np.zeros(5)
    total, squares = sweep(image, histogram, (half, quarter, eighth), (fine, broad))
    inner = _inner(height, width)
    at_two = _covariance(fine, _inner(height >> 1, width >> 1))
    at_eight = _covariance(broad, _inner(height >> 3, width >> 3))
    return _Bands(
        laplacian_variance=max(squares / inner - (total / inner) ** 2, 0.0) if inner else None,
        fine=at_two.covariance,
        fine_error=at_two.error,
        fine_total=at_two.total,
        broad=at_eight.covariance,
        broad_error=at_eight.error,
        coarse=eighth[0] + eighth[1],
    )


def _inner(height: int, width: int) -> int:
    """Count the pixels that have four neighbours."""
    return max(height - 2, 0) * max(width - 2, 0)


def _covariance(sums: NDArray[np.float64], count: int) -> _Covariance:
    if count == 0:
        return _Covariance(0.0, 0.0, 0.0)
    mean_a, mean_b, product, square_a, square_b = (float(one) / count for one in sums)
    total = math.sqrt(max(square_a - mean_a**2, 0.0) * max(square_b - mean_b**2, 0.0))
    return _Covariance(product - mean_a * mean_b, total / math.sqrt(count), total)


def _structure(bands: _Bands, levels: Metrics, *, noise_floor: float) -> Metrics:
    """Judge details against noise; `levels` has the grey values.

    The noise floor is the variance that rounding alone makes, so that an image without noise has a ratio at all.
    """
    square, variance = (levels["mean_counts"] or 0.0) ** 2, bands.laplacian_variance
    structure = bands.broad / bands.broad_error if bands.broad_error > 0 else 0.0
    noise = max((bands.fine_total - bands.fine) / _LAPLACIAN_GAIN, noise_floor)
    extent = (levels["p99_counts"] or 0.0) - (levels["background_counts"] or 0.0)
    found: Metrics = {
        "laplacian_variance_counts2": variance,
        "laplacian_variance_relative": variance / square if variance is not None and square > 0 else None,
        "structure": structure,
        "snr": extent / math.sqrt(noise) if noise > 0 and bands.fine_total > 0 else None,
        "background_uniformity": _uniformity(bands.coarse),
    }
    if structure >= STRUCTURE_MIN:
        found["focus"] = max(bands.fine, 0.0) * _BAND_SCALE / bands.broad
        found["focus_error"] = bands.fine_error * _BAND_SCALE / bands.broad
    return found


def _uniformity(coarse: NDArray[Any]) -> float | None:
    step = math.isqrt(coarse.size // (_GRID * _GRID * _TILE_BLOCKS)) or 1  # enough blocks for a percentile
    coarse = coarse[::step, ::step]
    height, width = (size // _GRID for size in coarse.shape)
    if height < _GRID or width < _GRID:
        return None
    blocks = coarse[: height * _GRID, : width * _GRID].reshape(_GRID, height, _GRID, width)
    tiles = blocks.transpose(0, 2, 1, 3).reshape(_GRID * _GRID, height * width)
    rank = _rank(0.1, height * width) - 1
    backgrounds = np.partition(tiles, rank, axis=1)[:, rank]
    low, high = float(backgrounds.min()), float(backgrounds.max())
    return low / high if low >= 0 and high > 0 else None


def _clipped(histogram: NDArray[Any], top: int) -> int:
    """Count the pixels piled up at the full scale of a converter of fewer bits than the data type has."""
    width = (histogram.size - 1).bit_length()
    codes = {
        code << shift
        for bits in _CONVERTER_BITS
        if bits < width
        for code in [2**bits - 1]
        for shift in (0, width - bits)
    }
    piled = int(histogram[top])
    below = histogram[max(top - _CLIP_NEIGHBOURS * _step(top, codes, width), 0) : top]
    is_pile = piled > 1 and piled > int(below.sum()) / _CLIP_NEIGHBOURS
    return piled if top in codes and is_pile else 0


def _step(top: int, codes: set[int], width: int) -> int:
    """Give the distance between neighbouring codes: more than 1 for data shifted to the top of their type."""
    if top not in codes:
        return 1
    return top & -top if top.bit_length() == width else 1


def _rank(share: float, pixels: int) -> int:
    """Give the rank, from 1, of the smallest value that at least this share of the pixels does not exceed."""
    return max(math.ceil(share * pixels), 1)
