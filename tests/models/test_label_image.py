"""From probabilities to labels: every object is one, is connected, and is written the same each time."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image
from scipy import ndimage

from cisterna.adapters.label_image import SMALLEST_OBJECT_PIXELS, draw_labels, encode_labels, label_objects

OME = "{http://www.openmicroscopy.org/Schemas/OME/2016-06}"
SHAPES = arrays.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40)
COARSE = st.sampled_from([0.0, 0.2, 0.5, 0.6, 1.0])


@st.composite
def probabilities(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Two channels, of noise or of drawn squares, so that objects touch, enclose and graze each other."""
    shape = draw(SHAPES)
    pair = [draw(arrays.arrays(np.float32, shape, elements=COARSE, fill=COARSE)) for _ in range(2)]
    for _ in range(draw(st.integers(0, 4))):
        top, left = draw(st.integers(0, shape[0] - 1)), draw(st.integers(0, shape[1] - 1))
        side = draw(st.integers(1, 14))
        pair[0][top : top + side, left : left + side] = 1.0
        pair[1][top + 2 : top + side - 2, left + 2 : left + side - 2] = 1.0
    return pair[0], pair[1]


@settings(max_examples=150, deadline=None)
@given(probabilities())
def test_objects_are_numbered_without_gaps_connected_and_inside_the_foreground(
    pair: tuple[np.ndarray, np.ndarray],
) -> None:
    foreground, interior = pair

    labels = label_objects(foreground, interior)

    numbers = np.unique(labels)
    assert labels.shape == foreground.shape
    assert labels.dtype == np.int32
    assert numbers[numbers > 0].tolist() == list(range(1, int(labels.max(initial=0)) + 1))
    assert not labels[foreground <= 0.5].any()
    for number in numbers[numbers > 0]:
        own = labels == number
        assert ndimage.label(own)[1] == 1
        assert own.sum() >= SMALLEST_OBJECT_PIXELS


@settings(max_examples=100, deadline=None)
@given(probabilities())
def test_an_object_holds_at_most_one_piece_of_interior(pair: tuple[np.ndarray, np.ndarray]) -> None:
    foreground, interior = pair
    seeds, _ = ndimage.label((interior > 0.5) & (foreground > 0.5))

    labels = label_objects(foreground, interior)

    for number in range(1, int(labels.max(initial=0)) + 1):
        held = np.unique(seeds[labels == number])
        assert len(held[held > 0]) <= 1
    for seed in range(1, int(seeds.max(initial=0)) + 1):
        assert len(np.unique(labels[seeds == seed])) == 1  # no piece of interior is divided


def test_touching_objects_are_told_apart_by_their_interiors() -> None:
    foreground, interior = np.zeros((2, 20, 40), np.float32)
    foreground[5:15, 5:35] = 1
    interior[8:12, 8:17] = 1
    interior[8:12, 23:32] = 1

    labels = label_objects(foreground, interior)

    assert labels.max() == 2
    assert labels[10, 18] == labels[10, 8]
    assert labels[10, 21] == labels[10, 30]


def test_a_near_seed_across_a_gap_takes_nothing_from_its_neighbour() -> None:
    foreground, interior = np.zeros((2, 30, 60), np.float32)
    foreground[2:8, 2:58] = 1  # a long object whose seed is far at its left
    interior[4:6, 4:8] = 1
    foreground[10:18, 44:56] = 1  # another one, whose seed is near the first one's right end
    interior[11:14, 46:54] = 1

    labels = label_objects(foreground, interior)

    assert labels.max() == 2
    assert set(np.unique(labels[2:8, 2:58])) == {labels[4, 4]}


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (40, 30)])
def test_all_foreground_without_interior_is_one_object_or_a_speck(shape: tuple[int, int]) -> None:
    labels = label_objects(np.ones(shape, np.float32), np.zeros(shape, np.float32))

    assert labels.max() == (1 if labels.size >= SMALLEST_OBJECT_PIXELS else 0)
    assert (labels == labels.max()).all()


def test_no_foreground_is_no_object() -> None:
    assert not label_objects(np.zeros((9, 9), np.float32), np.ones((9, 9), np.float32)).any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (33, 21)])
@pytest.mark.parametrize("largest", [0, 1, 65_535, 65_536])
def test_labels_are_written_the_same_each_time_and_read_back(shape: tuple[int, int], largest: int) -> None:
    labels = np.zeros(shape, np.int32)
    labels[-1, -1] = largest

    body = encode_labels(labels)

    assert body == encode_labels(labels.copy())
    with tifffile.TiffFile(io.BytesIO(body)) as file:
        assert file.is_ome
        image = file.asarray()
        description = ET.fromstring(file.ome_metadata or "")  # noqa: S314 - we wrote it just now
    pixels = description.find(f"{OME}Image/{OME}Pixels")
    assert pixels is not None
    assert image.reshape(shape).tolist() == labels.tolist()
    assert pixels.attrib["Type"] == ("uint16" if largest <= 65_535 else "uint32")
    assert (int(pixels.attrib["SizeY"]), int(pixels.attrib["SizeX"])) == shape
    assert description.attrib["UUID"].startswith("urn:uuid:")


def identity(labels: np.ndarray) -> str:
    with tifffile.TiffFile(io.BytesIO(encode_labels(labels))) as file:
        return str(ET.fromstring(file.ome_metadata or "").attrib["UUID"])  # noqa: S314 - we wrote it just now


def test_other_labels_have_another_identity() -> None:
    one, other = np.zeros((2, 8, 8), np.int32)
    other[0, 0] = 1

    assert identity(one) == identity(one.copy())
    assert identity(one) != identity(other)


@pytest.mark.parametrize("shape", [(1, 1), (300, 2000), (1200, 900)])
def test_the_picture_is_small_and_black_where_nothing_is(shape: tuple[int, int]) -> None:
    labels = np.zeros(shape, np.int32)
    labels[: shape[0] // 2, :] = 7

    with Image.open(io.BytesIO(draw_labels(labels))) as picture:
        pixels = np.asarray(picture)

    assert max(pixels.shape[:2]) <= 256
    assert not pixels[-1].any()
    assert shape[0] == 1 or pixels[0].all()


def test_what_is_torn_off_an_object_is_filled_without_tearing_another() -> None:
    foreground, interior = np.full((8, 26), 0.6, np.float32), np.zeros((8, 26), np.float32)
    foreground[3, 25] = 0.0
    interior[4, 20], interior[7, 15:25] = 0.6, 1.0

    labels = label_objects(foreground, interior)

    assert [ndimage.label(labels == number)[1] for number in np.unique(labels[labels > 0])] == [1, 1]
    assert ((labels > 0) == (foreground > 0.5)).all()
