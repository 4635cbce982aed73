"""What is measured agrees with plain numpy, and holds for every image there can be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from cisterna.adapters.plane_metrics import STRUCTURE_MIN, measure_plane

Plane = NDArray[Any]


def inner_laplacian(plane: Plane) -> Plane:
    """Sum of the four neighbours minus four times the pixel; the border has none."""
    return plane[:-2, 1:-1] + plane[2:, 1:-1] + plane[1:-1, :-2] + plane[1:-1, 2:] - 4 * plane[1:-1, 1:-1]


def halved(plane: Plane) -> Plane:
    rows, columns = plane.shape[0] // 2 * 2, plane.shape[1] // 2 * 2
    even = plane[:rows, :columns]
    summed: Plane = even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]
    return summed


def band(first: Plane, second: Plane) -> tuple[float, float, float]:
    """Covariance, its standard error, and the geometric mean of the variances."""
    a, b = inner_laplacian(first), inner_laplacian(second)
    if a.size == 0:
        return 0.0, 0.0, 0.0
    a, b = a - a.mean(), b - b.mean()
    total = np.sqrt((a * a).mean() * (b * b).mean())
    return float((a * b).mean()), float(total / np.sqrt(a.size)), float(total)


def reference(image: Plane) -> dict[str, float | None]:
    """The definitions of docs/reference/metrics.md, word for word."""
    plane = image.astype(np.float64)
    rows, columns = plane.shape[0] // 2 * 2, plane.shape[1] // 2 * 2
    even = plane[:rows, :columns]
    first, second = even[::2, ::2] + even[1::2, 1::2], even[::2, 1::2] + even[1::2, ::2]
    fine, fine_error, fine_total = band(first, second)
    for _ in range(2):
        first, second = halved(first), halved(second)
    broad, broad_error, _ = band(first, second)
    p1, p5, median, p99 = np.quantile(plane, [0.01, 0.05, 0.5, 0.99], method="inverted_cdf")
    edges = inner_laplacian(plane)
    floor = 1 / 12 if image.dtype.kind in "bu" and image.dtype.itemsize <= 2 else 0.0
    noise = max((fine_total - fine) / 40, floor)
    found: dict[str, float | None] = {
        "minimum_counts": plane.min(),
        "maximum_counts": plane.max(),
        "mean_counts": plane.mean(),
        "p1_counts": p1,
        "background_counts": p5,
        "median_counts": median,
        "p99_counts": p99,
        "laplacian_variance_counts2": edges.var() if edges.size else None,
        "structure": broad / broad_error if broad_error > 0 else 0.0,
        "snr": (p99 - p5) / np.sqrt(noise) if noise > 0 and fine_total > 0 else None,
    }
    if found["structure"] is not None and found["structure"] >= STRUCTURE_MIN:
        found["focus"] = max(fine, 0.0) * 256 / broad
        found["focus_error"] = fine_error * 256 / broad
    return found


def agrees(found: float | None, expected: float | None) -> bool:
    if expected is None:
        return found is None
    return bool(found == pytest.approx(expected, rel=1e-6, abs=1e-6))


def cells(dtype: str, *, shape: tuple[int, int] = (130, 97), seed: int = 1) -> Plane:
    """Bright squares of several sizes on a dim background, with noise."""
    rng = np.random.default_rng(seed)
    image = rng.normal(40.0, 2.0, shape)
    for _ in range(12):
        side = int(rng.integers(4, 20))
        row, column = rng.integers(0, shape[0] - side), rng.integers(0, shape[1] - side)
        image[row : row + side, column : column + side] += rng.uniform(20, 60)
    return image.clip(0, 127).astype(dtype)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int8", "int16", "uint32", "float32", "float64", ">u2", ">f4"])
def test_every_type_of_pixel_agrees_with_numpy(dtype: str) -> None:
    image = cells(dtype)

    found = measure_plane(image.astype(image.dtype.newbyteorder("="))).metrics

    for name, expected in reference(image).items():
        assert agrees(found.get(name), expected), name
    assert found["focus"] is not None


@settings(max_examples=120, deadline=None)
@given(
    hnp.arrays(
        st.sampled_from([np.uint8, np.uint16]),
        hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40),
        elements=st.integers(0, 255),
    )
)
def test_any_integer_image_agrees_with_numpy(image: Plane) -> None:
    found = measure_plane(image).metrics

    for name, expected in reference(image).items():
        assert agrees(found.get(name), expected), name


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(
        st.sampled_from([np.bool_, np.uint8, np.int16, np.uint32, np.float32, np.float64]),
        hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=24),
    )
)
def test_no_image_breaks_it_and_no_metric_is_outside_its_range(image: Plane) -> None:
    with np.errstate(all="ignore"):
        found = measure_plane(image).metrics

    for name in ("saturated_share", "clipped_share", "nonfinite_share", "background_uniformity"):
        value = found.get(name)
        assert value is None or 0 <= value <= 1, name
    focus = found.get("focus")
    assert focus is None or focus >= 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (2, 2), (3, 3), (7, 5)])
def test_an_image_too_small_for_structure_has_no_focus(shape: tuple[int, int]) -> None:
    found = measure_plane(np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)).metrics

    assert found.get("focus") is None
    assert found["maximum_counts"] == np.prod(shape) - 1


def test_a_constant_image_has_no_focus_and_no_noise() -> None:
    found = measure_plane(np.full((64, 64), 7, np.uint16)).metrics

    assert (found.get("focus"), found["snr"], found["laplacian_variance_counts2"]) == (None, None, 0.0)


def test_pixels_that_are_no_number_are_counted_and_left_out() -> None:
    image = np.full((64, 64), 5.0, np.float32)
    image[0, :32], image[1, 0] = np.nan, np.inf

    found = measure_plane(image).metrics

    assert found["nonfinite_share"] == pytest.approx(33 / 4096)
    assert (found["mean_counts"], found["maximum_counts"], found.get("focus")) == (5.0, 5.0, None)


def test_an_image_without_a_single_number_says_only_that() -> None:
    assert measure_plane(np.full((8, 8), np.nan)).metrics == {"nonfinite_share": 1.0}


@pytest.mark.parametrize(
    ("top", "expected"),
    [(65_535, 0.0), (4095, 0.25), (65_520, 0.25), (1023, 0.25), (16_383, 0.25), (4000, 0.0)],
    ids=["16 bit is saturation", "12 bit", "12 bit left-aligned", "10 bit", "14 bit", "no converter's limit"],
)
def test_a_pile_at_a_converters_full_scale_counts_as_clipped(top: int, expected: float) -> None:
    image = np.random.default_rng(0).integers(100, 900, (64, 64)).astype(np.uint16)
    image[:16] = top

    found = measure_plane(image).metrics

    assert found["clipped_share"] == expected
    assert found["saturated_share"] == (0.25 if top == 65_535 else 0.0)


def test_one_pixel_that_happens_to_be_4095_is_not_clipping() -> None:
    image = np.random.default_rng(0).integers(3900, 4095, (64, 64)).astype(np.uint16)
    image[5, 5] = 4095

    assert measure_plane(image).metrics["clipped_share"] == 0.0


def test_uneven_light_lowers_the_uniformity() -> None:
    falloff = np.linspace(1000, 250, 256)[None, :] * np.ones((256, 1))

    even = measure_plane(np.full((256, 256), 1000, np.uint16)).metrics["background_uniformity"]
    uneven = measure_plane(falloff.astype(np.uint16)).metrics["background_uniformity"]

    assert even == 1.0
    assert uneven == pytest.approx(0.35, abs=0.1)
