"""The slope of the power spectrum agrees with plain numpy, follows blur, and does not follow contrast."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cisterna.adapters.plane_metrics import measure_plane
from tests.quality.test_focus import CAMERAS, blurred, nuclei, seen_by_camera

Plane = NDArray[Any]


def reference(image: Plane) -> float | None:
    """The definition of docs/reference/metrics.md, word for word, by the whole transform and a loop over rings."""
    side = next((one for one in (256, 128, 64) if one <= min(image.shape)), None)
    if side is None:
        return None
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    square = image[top : top + side, left : left + side].astype(np.float64)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(side) / side)
    power = np.abs(np.fft.fft2((square - square.mean()) * np.outer(hann, hann))) ** 2
    cycles = np.fft.fftfreq(side, 1 / side)
    radius = np.rint(np.sqrt(cycles[:, None] ** 2 + cycles[None, :] ** 2))
    rings = range(side // 32, side // 4 + 1)
    means = [power[radius == ring].mean() for ring in rings]
    return float(np.polyfit(np.log(list(rings)), np.log(means), 1)[0])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.uint32, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(64, 64), (130, 97), (256, 256), (300, 511)])
def test_any_type_and_shape_agrees_with_numpy(dtype: type, shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(3)
    image = (np.cumsum(rng.normal(0, 3, shape), axis=1) + 120).clip(0, 250).astype(dtype)

    assert measure_plane(image).metrics["power_slope"] == pytest.approx(reference(image), rel=1e-9)


@pytest.mark.parametrize("shape", [(63, 4000), (4000, 63), (1, 1)])
def test_an_image_of_less_than_64_pixels_a_side_has_none(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint16)

    assert measure_plane(image).metrics["power_slope"] is None


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_constant_image_has_none(dtype: type) -> None:
    assert measure_plane(np.full((256, 256), 7, dtype)).metrics["power_slope"] is None


def test_an_image_with_pixels_that_are_no_number_has_none() -> None:
    image = nuclei().astype(np.float32)
    image[250, 250] = np.nan

    assert measure_plane(image).metrics.get("power_slope") is None


def test_contrast_and_exposure_do_not_change_it() -> None:
    once = measure_plane(nuclei()).metrics["power_slope"]

    assert measure_plane(nuclei() * 1000.0 + 50_000.0).metrics["power_slope"] == pytest.approx(once, rel=1e-9)
    assert measure_plane(9000.0 - nuclei()).metrics["power_slope"] == pytest.approx(once, rel=1e-9)


@pytest.mark.parametrize("dtype", [np.float64, np.uint16])
def test_blur_makes_it_steeper(dtype: type) -> None:
    lights = [nuclei() * 100, *(blurred(nuclei(), sigma) * 100 for sigma in (1, 2))]

    slopes = [measure_plane(light.clip(0).astype(dtype)).metrics["power_slope"] or 0.0 for light in lights]

    assert slopes == sorted(slopes, reverse=True)
    assert slopes[0] > -3.5
    assert slopes[2] < -5.0


def test_noise_is_flat() -> None:
    found = measure_plane(seen_by_camera(np.zeros((512, 512)), **CAMERAS["usual"])).metrics["power_slope"]

    assert found == pytest.approx(0.0, abs=0.15)
