"""Pixels for virtual instruments: a real picture of nuclei, never twice the same."""

from __future__ import annotations

import importlib.metadata
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tifffile

from cisterna.domain.errors import NotReady

Pixels = npt.NDArray[np.uint16]

SIDE = 512
_PACKAGE, _FILE = "stardist", "data/images/img2d.tif"
_NOISE_COUNTS = 24
_CAMERA_TOP = 65_535
_MEDIUM = 900.0  # what a well without cells glows
_BRIGHTNESS = 160.0  # the real picture has 236 grey levels; a 16-bit camera shows them spread out


@cache
def nuclei() -> Pixels:
    """Return the real picture: DSB2018 nuclei, 512 x 512 uint16, out of the stardist wheel, which is not imported.

    Raises:
        NotReady: The wheel is not installed.
    """
    try:
        files = importlib.metadata.files(_PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    found = next((file for file in files if str(file).endswith(_FILE)), None)
    if found is None or not Path(str(found.locate())).is_file():
        msg = "the virtual Squid writes a real picture that is not installed; run `pip install 'cisterna[demo]'`"
        raise NotReady(msg, package=_PACKAGE)
    picture: Pixels = tifffile.imread(str(found.locate())).astype(np.uint16)
    picture.setflags(write=False)
    return picture


def frame(
    seed: int,
    *,
    is_brightfield: bool = False,
    blur_pixels: float = 0.0,
    gain: float = 1.0,
    specimen: float = 1.0,
) -> Pixels:
    """Return one image of 512 x 512 uint16 that is like no other: shifted, flipped and turned by its seed, with noise.

    Args:
        seed: The same seed gives the same pixels.
        is_brightfield: Show the nuclei as shadows on a bright field.
        blur_pixels: Standard deviation of a Gaussian; about 8 looks out of focus.
        specimen: 0 leaves the light of the medium and nothing in it.
        gain: 0.02 looks like a lamp that is off, 40 saturates.
    """
    rng = np.random.default_rng(seed)
    picture = np.roll(nuclei(), tuple(rng.integers(0, SIDE, 2)), axis=(0, 1))
    picture = np.rot90(picture, int(rng.integers(0, 4)))
    if rng.integers(0, 2):
        picture = picture[:, ::-1]
    light = picture.astype(np.float32) * np.float32(_BRIGHTNESS * specimen) + np.float32(_MEDIUM * (1.0 - specimen))
    if is_brightfield:
        light = 42_000.0 - 0.5 * light
    if blur_pixels > 0:
        light = _blurred(light, blur_pixels)
    light = light * np.float32(gain) + rng.integers(0, _NOISE_COUNTS, light.shape, dtype=np.uint16)
    seen: Pixels = np.clip(light, 0, _CAMERA_TOP).astype(np.uint16)
    return seen


def _blurred(light: npt.NDArray[np.float32], sigma: float) -> npt.NDArray[np.float32]:
    """Blur by a Gaussian, wrapping around: its Fourier transform is exp(-2 pi^2 sigma^2 f^2)."""
    down = np.fft.fftfreq(light.shape[0])[:, None]
    across = np.fft.rfftfreq(light.shape[1])[None, :]
    transfer = np.exp(-2.0 * (np.pi * sigma) ** 2 * (down**2 + across**2))
    blurred: npt.NDArray[np.float32] = np.fft.irfft2(np.fft.rfft2(light) * transfer, s=light.shape).astype(np.float32)
    return blurred
