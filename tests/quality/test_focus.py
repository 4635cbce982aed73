"""The focus tells sharp from blurred on a real image, whatever the exposure, the background and the noise."""

from __future__ import annotations

import importlib.metadata
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from cisterna.adapters.plane_metrics import measure_plane

LIMIT = 0.02


def nuclei() -> NDArray[np.float64]:
    """DSB2018 nuclei out of the stardist wheel, which is not imported."""
    files = importlib.metadata.files("stardist") or []
    found = next(file for file in files if str(file).endswith("data/images/img2d.tif"))
    image: NDArray[np.float64] = tifffile.imread(str(found.locate())).astype(np.float64)
    return image


def blurred(image: NDArray[Any], sigma: float) -> NDArray[Any]:
    down, across = np.fft.fftfreq(image.shape[0])[:, None], np.fft.rfftfreq(image.shape[1])[None, :]
    transfer = np.exp(-2 * (np.pi * sigma) ** 2 * (down**2 + across**2))
    return np.fft.irfft2(np.fft.rfft2(image) * transfer, s=image.shape)


def seen_by_camera(light: NDArray[Any], *, gain: float, offset: float, noise: float) -> NDArray[np.uint16]:
    """Photon noise, an offset and read noise, in 16 bit."""
    rng = np.random.default_rng(7)
    counts = rng.poisson(np.maximum(light * gain, 0)) + offset + rng.normal(0, noise, light.shape)
    return counts.clip(0, 65_535).round().astype(np.uint16)


CAMERAS = {
    "bright": {"gain": 100.0, "offset": 100.0, "noise": 5.0},
    "usual": {"gain": 10.0, "offset": 100.0, "noise": 5.0},
    "dim": {"gain": 1.0, "offset": 100.0, "noise": 5.0},
    "high offset": {"gain": 10.0, "offset": 20_000.0, "noise": 5.0},
}


@pytest.mark.parametrize("camera", CAMERAS, ids=list(CAMERAS))
@pytest.mark.parametrize("is_brightfield", [False, True], ids=["fluorescence", "brightfield"])
def test_a_sharp_real_image_is_in_focus_with_every_camera(camera: str, is_brightfield: bool) -> None:
    light = 300.0 - nuclei() if is_brightfield else nuclei()

    found = measure_plane(seen_by_camera(light, **CAMERAS[camera])).metrics

    assert found["focus"] is not None
    assert found["focus"] > LIMIT


@pytest.mark.parametrize("camera", CAMERAS, ids=list(CAMERAS))
@pytest.mark.parametrize("sigma", [3, 4, 6, 8])
def test_a_blurred_real_image_is_never_taken_for_sharp(camera: str, sigma: int) -> None:
    found = measure_plane(seen_by_camera(blurred(nuclei(), sigma), **CAMERAS[camera])).metrics

    assert found["focus"] is not None
    assert found["focus_error"] is not None
    assert found["focus"] < LIMIT or found["focus"] - 2 * found["focus_error"] < LIMIT


@pytest.mark.parametrize("camera", ["bright", "usual", "high offset"])
@pytest.mark.parametrize("sigma", [3, 4, 6, 8])
def test_a_blurred_real_image_is_known_to_be_blurred(camera: str, sigma: int) -> None:
    found = measure_plane(seen_by_camera(blurred(nuclei(), sigma), **CAMERAS[camera])).metrics

    assert found["focus"] is not None
    assert found["focus_error"] is not None
    assert found["focus"] + 2 * found["focus_error"] < LIMIT


@pytest.mark.parametrize("row", [0, 256])
@pytest.mark.parametrize("column", [0, 256])
@pytest.mark.parametrize("sigma", [0, 4])
def test_a_tile_of_256_pixels_is_judged_as_the_whole(row: int, column: int, sigma: int) -> None:
    light = blurred(nuclei(), sigma) if sigma else nuclei()

    found = measure_plane(seen_by_camera(light, **CAMERAS["usual"])[row : row + 256, column : column + 256]).metrics

    assert found["focus"] is not None
    assert (found["focus"] > LIMIT) == (sigma == 0)


def test_noise_alone_has_no_focus() -> None:
    found = measure_plane(seen_by_camera(np.zeros((512, 512)), **CAMERAS["usual"])).metrics

    assert found.get("focus") is None
