"""OME-Zarr as others read it: every pixel, every resolution, and the documents by the models of OME-NGFF."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cisterna.adapters import view_zarr
from cisterna.adapters.view_zarr import ZarrViews, halved
from cisterna.domain.errors import InvalidInput
from cisterna.ports.view import FieldOfView, ImageView, PlaneKind
from tests.testing.zarr_reading import opened, require_image

TYPES = ["uint8", "uint16", "uint32", "int16", "float32"]
Images = dict[tuple[int, int, int], NDArray[Any]]


def tiff(pixels: NDArray[Any], **options: Any) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, **options)
    return file.getvalue()


def images(dtype: str, *, shape: tuple[int, int] = (301, 517), t: int = 2, c: int = 2, z: int = 3) -> Images:
    chance = np.random.default_rng(7)
    whole = [(i, j, k) for i in range(t) for j in range(c) for k in range(z)]
    return {place: (chance.random(shape) * 200).astype(dtype) for place in whole}


def begin(dtype: str, made: Images, **facts: Any) -> ImageView:
    height, width = made[0, 0, 0].shape
    times, channels, planes = (1 + max(place[axis] for place in made) for axis in range(3))
    names = tuple(f"C{number}" for number in range(channels))
    kind = PlaneKind(height=height, width=width, dtype=dtype)
    return ZarrViews().begin(FieldOfView(plane=kind, channels=names, timepoints=times, z_planes=planes, **facts))


def write(view: ImageView, made: Images, folder: Path) -> None:
    for block in view.blocks:
        bodies = [tiff(made[block.t, block.c, z]) for z in range(block.z_start, block.z_stop)]
        files = view.write(block, bodies)
        assert view.differing(block, bodies, files) is None
        for path, body in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(body)
    for path, body in view.documents().items():
        (folder / path).write_bytes(body)


@pytest.mark.parametrize("dtype", TYPES)
def test_another_reader_finds_every_pixel_and_the_stated_resolutions(tmp_path: Path, dtype: str) -> None:
    made = images(dtype)
    view = begin(dtype, made, pixel_size_um=0.5, z_step_um=2.0)
    write(view, made, tmp_path)

    group = opened(tmp_path)
    require_image(group)
    assert sorted(group.array_keys()) == ["0", "1", "2"]
    for (t, c, z), pixels in made.items():
        assert np.array_equal(group["0"][t, c, z], pixels)
    stack = np.stack([made[1, 1, z] for z in range(3)])
    assert np.array_equal(group["1"][1, 1], halved(stack))
    assert np.array_equal(group["2"][1, 1], halved(halved(stack)))
    assert group["2"].shape == (2, 2, 3, 76, 130)
    scales = [level["coordinateTransformations"] for level in group.attrs["ome"]["multiscales"][0]["datasets"]]
    assert scales[0] == [{"type": "scale", "scale": [1.0, 1.0, 2.0, 0.5, 0.5]}]
    assert scales[2][0] == {"type": "scale", "scale": [1.0, 1.0, 2.0, 2.0, 2.0]}
    assert scales[2][1] == {"type": "translation", "translation": [0.0, 0.0, 0.0, 0.75, 0.75]}


def test_a_stack_that_is_larger_than_a_block_is_written_in_several(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view_zarr, "_BLOCK_BYTES", 2 * 301 * 517)  # two planes of a byte a pixel
    made = images("uint8", t=1, c=1, z=5)
    view = begin("uint8", made)
    assert [(block.z_start, block.z_stop) for block in view.blocks] == [(0, 2), (2, 4), (4, 5)]
    write(view, made, tmp_path)

    for (t, c, z), pixels in made.items():
        assert np.array_equal(opened(tmp_path)["0"][t, c, z], pixels)


def test_an_image_of_nothing_but_zeros_is_written_all_the_same(tmp_path: Path) -> None:
    """Most writers leave out what equals the fill value; then a lost file would look like darkness."""
    made = {(0, 0, 0): np.zeros((64, 64), np.uint16)}
    write(begin("uint16", made), made, tmp_path)

    assert (tmp_path / "0/c/0/0/0/0/0").is_file()


def test_the_same_images_give_the_same_bytes() -> None:
    made = images("uint16", t=1, c=1)
    block = begin("uint16", made).blocks[0]
    bodies = [tiff(made[0, 0, z]) for z in range(3)]

    assert begin("uint16", made).write(block, bodies) == begin("uint16", made).write(block, bodies)


def test_one_changed_pixel_is_found_and_its_plane_named() -> None:
    made = images("uint16", t=1, c=1)
    view = begin("uint16", made)
    block = view.blocks[0]
    files = view.write(block, [tiff(made[0, 0, z]) for z in range(3)])
    changed = made[0, 0, 1].copy()
    changed[300, 516] ^= 1

    assert view.differing(block, [tiff(made[0, 0, 0]), tiff(changed), tiff(made[0, 0, 2])], files) == 1


def test_pixels_that_are_no_number_are_kept_and_equal_themselves(tmp_path: Path) -> None:
    pixels = np.full((64, 64), 2.5, np.float32)
    pixels[0, 0], pixels[0, 1] = np.nan, np.inf
    made = {(0, 0, 0): pixels}
    view = begin("float32", made)
    write(view, made, tmp_path)

    group = opened(tmp_path)
    assert np.array_equal(group["0"][0, 0, 0], pixels, equal_nan=True)
    assert group.attrs["ome"]["omero"]["channels"][0]["window"] == {"min": 2.5, "max": 2.5, "start": 2.5, "end": 2.5}


@pytest.mark.parametrize(
    ("body", "why"),
    [
        pytest.param(b"", "empty", id="empty"),
        pytest.param(b"II*\0 a header and no image", "no image in it", id="no image"),
        pytest.param(tiff(np.zeros((5, 64, 64), np.uint16), photometric="minisblack"), "5 planes", id="a stack"),
        pytest.param(tiff(np.zeros((64, 64), np.float16)), "float16", id="half floats"),
    ],
)
def test_what_is_not_one_plane_is_refused_in_words(body: bytes, why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        ZarrViews().look(body)


def test_an_image_unlike_the_others_of_its_field_is_named() -> None:
    made = images("uint16", t=1, c=1)
    view = begin("uint16", made)
    bodies = [tiff(made[0, 0, 0]), tiff(np.zeros((9, 9), np.uint16)), tiff(made[0, 0, 2])]

    with pytest.raises(InvalidInput, match="channel C0, plane 1, time 0 is 9 x 9 uint16"):
        view.write(view.blocks[0], bodies)


@settings(max_examples=60, deadline=None)
@given(height=st.integers(1, 9), width=st.integers(1, 9), dtype=st.sampled_from(TYPES), seed=st.integers(0, 2**32 - 1))
def test_each_pixel_of_the_next_resolution_is_the_mean_of_four(height: int, width: int, dtype: str, seed: int) -> None:
    """Against the definition, in whole numbers of any size, pixel by pixel."""
    kind = np.dtype(dtype)
    chance = np.random.default_rng(seed)
    if kind.kind == "f":
        stack = chance.random((2, height, width)).astype(kind)
    else:
        low, high = np.iinfo(kind).min, np.iinfo(kind).max
        stack = chance.integers(low, high, (2, height, width), dtype=kind, endpoint=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = halved(stack)

    assert (found.shape, found.dtype) == ((2, (height + 1) // 2, (width + 1) // 2), kind)
    for z, y, x in np.ndindex(found.shape):
        rows, columns = (2 * y, min(2 * y + 1, height - 1)), (2 * x, min(2 * x + 1, width - 1))
        four = [stack[z, row, column].item() for row in rows for column in columns]
        if kind.kind == "f":
            assert found[z, y, x] == pytest.approx(sum(four) / 4, rel=1e-6)
        else:
            assert found[z, y, x].item() == (sum(four) + 2) // 4
