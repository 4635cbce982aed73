"""Planes of CZI, ND2 and LIF give what the same pixels give as a TIFF, each with its own place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from pylibCZIrw.czi import create_czi
from scipy.ndimage import gaussian_filter

from cisterna.adapters.maker_meter import MakerMeter
from cisterna.adapters.plane_child import PlaneChildren
from cisterna.adapters.plane_file import LIBRARIES
from cisterna.bootstrap.home import Home
from cisterna.bootstrap.meter import meter_choice, missing_readers
from cisterna.domain.plane_choice import MAKERS
from cisterna.ports.profile import Plane, StagePlace
from cisterna.ports.quality import Reading
from cisterna.settings import Settings
from cisterna.testing.nd2_planes import nd2_of
from cisterna.testing.virtual_lif import lif_of, time_stamps
from tests.planes.czi_by_hand import BGR24, GRAY_FLOAT, JPEG_XR, Tile, czi_of
from tests.planes.makers import Watched, cells, meter_of, metrics_as_tiff

Read = Callable[[bytes, str], Reading]


def written_czi(
    folder: Path, planes: dict[tuple[int, int, int, int], NDArray[Any]], *, compression: str | None = None
) -> bytes:
    """Write a real file with ZEISS's own library: pixels by scene, time, channel and z."""
    path = folder / "a.czi"
    with create_czi(str(path), exist_ok=True, compression_options=compression) as czi:
        for (scene, t, channel, z), pixels in planes.items():
            data = pixels if pixels.ndim == 3 else pixels[..., None]
            czi.write(data, plane={"T": t, "C": channel, "Z": z}, scene=scene, location=(1000 * scene, 0))
        czi.write_metadata("a", channel_names={0: "DAPI", 1: "GFP"}, scale_x=1e-7, scale_y=1e-7, scale_z=5e-7)
    return path.read_bytes()


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize(
    "compression", [None, "zstd0:ExplicitLevel=1", "zstd1:ExplicitLevel=2;PreProcess=HiLoByteUnpack"]
)
def test_a_czi_gives_the_metrics_of_the_same_pixels_as_a_tiff(
    read: Read, tmp_path: Path, kind: str, compression: str | None
) -> None:
    pixels = cells(kind)

    reading = read(written_czi(tmp_path, {(0, 0, 0, 0): pixels}, compression=compression), "a.czi")

    assert [one.problem or one.unmeasured for one in reading.planes] == [None]
    assert reading.planes[0].metrics == metrics_as_tiff(pixels)
    assert reading.planes[0].metrics["focus"] is not None


def test_a_colour_czi_gives_what_a_colour_tiff_gives(read: Read, tmp_path: Path) -> None:
    pixels = np.stack([cells("uint8", seed=seed) for seed in range(3)], axis=-1)

    reading = read(written_czi(tmp_path, {(0, 0, 0, 0): pixels}), "a.czi")

    (plane,) = reading.planes
    assert plane.metrics == metrics_as_tiff(pixels)
    assert plane.metrics["planes"] == 3


@pytest.mark.parametrize("kind", ["uint8", "uint16"])
def test_a_jpeg_xr_czi_gives_what_a_tiff_gives(read: Read, kind: str) -> None:
    pixels = cells(kind)
    body = imagecodecs.jpegxr_encode(pixels, level=1.0)
    tile = Tile(body, 128, 96, pixel_type=0 if kind == "uint8" else 1, compression=JPEG_XR)

    reading = read(czi_of(tile), "a.czi")

    assert reading.planes[0].metrics == metrics_as_tiff(pixels)


def test_each_plane_of_a_czi_has_its_scene_time_channel_and_level(read: Read, tmp_path: Path) -> None:
    places = [(scene, t, c, z) for scene in range(2) for t in range(2) for c in range(2) for z in range(3)]
    pixels = {place: cells("uint16", seed=number) for number, place in enumerate(places)}

    reading = read(written_czi(tmp_path, pixels), "a.czi")

    found = {(one.plane.region, one.plane.t, one.plane.channel, one.plane.z): one for one in reading.planes}
    assert len(found) == reading.planes_in_file == len(places)
    for (scene, t, c, z), image in pixels.items():
        assert (
            found[str(scene), t, ("DAPI", "GFP")[c], z].metrics["mean_counts"] == metrics_as_tiff(image)["mean_counts"]
        )


def test_smaller_copies_in_a_czi_are_no_planes(read: Read) -> None:
    full, copy = cells(), cells("uint16", (48, 64))
    small = Tile(copy.tobytes(), 128, 96, stored=(64, 48))

    reading = read(czi_of(Tile(full.tobytes(), 128, 96), small), "a.czi")

    assert len(reading.planes) == 1
    assert reading.planes[0].metrics == metrics_as_tiff(full)


def test_a_scene_is_put_together_from_its_tiles(read: Read) -> None:
    whole = cells("uint16", (96, 256))
    tiles = [Tile(np.ascontiguousarray(whole[:, x : x + 128]).tobytes(), 128, 96, left=x) for x in (0, 128)]

    reading = read(czi_of(*tiles), "a.czi")

    assert reading.planes[0].metrics == metrics_as_tiff(whole)


def test_a_plane_that_is_too_large_at_once_is_measured_by_squares(tmp_path: Path) -> None:
    whole = cells("uint16", (2100, 4200))
    limit = 12 * 1024 * 1024
    children = PlaneChildren(log=tmp_path / "log", plane_bytes=limit)
    meter = meter_of(children, tmp_path, plane_bytes=limit)

    reading = meter.read(memoryview(written_czi(tmp_path, {(0, 0, 0, 0): whole})), path="a.czi")
    children.close()

    found = {one.plane.field: one.metrics for one in reading.planes}
    assert reading.planes_in_file == len(found) == 6
    for y, x in np.ndindex(2, 3):
        square = whole[2048 * y : 2048 * (y + 1), 2048 * x : 2048 * (x + 1)]
        assert found[f"x {2048 * x}, y {2048 * y}"] == metrics_as_tiff(square)


def test_each_plane_of_an_nd2_has_its_position_time_channel_and_level(read: Read) -> None:
    pixels = np.stack([cells("uint16", seed=seed) for seed in range(2 * 3 * 2 * 2)]).reshape(2, 3, 2, 2, 96, 128)

    reading = read(nd2_of(pixels, channels=["DAPI", "GFP"]), "a.ND2")

    found = {(one.plane.t, int(one.plane.region), one.plane.z, one.plane.channel): one for one in reading.planes}
    assert len(found) == reading.planes_in_file == 24
    for t, position, z, c in np.ndindex(2, 3, 2, 2):
        wanted = metrics_as_tiff(pixels[t, position, z, c])
        assert found[t, position, z, ("DAPI", "GFP")[c]].metrics == wanted


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
def test_an_nd2_gives_the_metrics_of_the_same_pixels_as_a_tiff(read: Read, kind: str) -> None:
    pixels = cells(kind)

    reading = read(nd2_of(pixels[None, None, None, None]), "a.nd2")

    assert reading.planes[0].metrics == metrics_as_tiff(pixels)


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
def test_a_lif_gives_the_metrics_of_the_same_pixels_as_a_tiff(read: Read, kind: str) -> None:
    pixels = cells(kind)

    reading = read(lif_of({"Series001": pixels[None, None, None]}), "a.lif")

    assert reading.planes[0].plane == Plane(region="Series001", field="0", channel="Gray")
    assert reading.planes[0].metrics == metrics_as_tiff(pixels)


def test_each_plane_of_a_lif_has_its_image_time_channel_and_level(read: Read) -> None:
    pixels = np.stack([cells("uint16", seed=seed) for seed in range(12)]).reshape(2, 3, 2, 96, 128)

    reading = read(lif_of({"one": pixels, "two": pixels[:1]}), "a.lif")

    found = {(one.plane.region, one.plane.t, one.plane.z, one.plane.channel): one for one in reading.planes}
    assert len(found) == reading.planes_in_file == 18
    for t, z, c in np.ndindex(2, 3, 2):
        assert found["one", t, z, f"Gray {c}"].metrics == metrics_as_tiff(pixels[t, z, c])


def test_float_planes_with_what_is_no_number_say_so(read: Read) -> None:
    pixels = cells("float32")
    pixels[:48] = np.nan
    nothing = np.full_like(pixels, np.nan)

    some = read(czi_of(Tile(pixels.tobytes(), 128, 96, pixel_type=GRAY_FLOAT)), "a.czi").planes[0]
    none = read(czi_of(Tile(nothing.tobytes(), 128, 96, pixel_type=GRAY_FLOAT)), "a.czi").planes[0]

    assert some.metrics["nonfinite_share"] == 0.5
    assert some.metrics["focus"] is None
    assert none.metrics["nonfinite_share"] == 1.0
    assert none.metrics["mean_counts"] is None


def test_the_picture_of_a_file_is_of_its_sharpest_plane(read: Read, tmp_path: Path) -> None:
    sharp = cells()
    blurred = gaussian_filter(sharp, 6)

    both = read(written_czi(tmp_path, {(0, 0, 0, 0): blurred, (0, 0, 0, 1): sharp}), "a.czi")
    alone = read(written_czi(tmp_path, {(0, 0, 0, 0): sharp}), "a.czi")

    assert both.thumbnail == alone.thumbnail
    assert alone.thumbnail is not None
    assert alone.thumbnail.startswith(b"\x89PNG")


def test_of_many_planes_some_are_measured_and_all_are_counted(children: Watched, tmp_path: Path) -> None:
    pixels = np.stack([cells("uint8", (16, 16), seed) for seed in range(40)]).reshape(10, 1, 2, 2, 16, 16)
    meter = meter_of(children, tmp_path, most_planes=13)

    reading = meter.read(memoryview(nd2_of(pixels)), path="a.nd2")

    assert reading.planes_in_file == 40
    assert [one.plane.t for one in reading.planes] == [1, 1, 1, 1, 5, 5, 5, 5, 8, 8, 8, 8]
    assert reading == meter.read(memoryview(nd2_of(pixels)), path="a.nd2")


def test_other_files_are_measured_as_ever(meter: MakerMeter) -> None:
    assert meter.spool("a.ome.tiff", size_bytes=10) is None
    assert meter.read(memoryview(b"no image"), path="a.tiff").problem is not None


def test_bgr_is_known_by_hand_too(read: Read) -> None:
    pixels = np.stack([cells("uint8", seed=seed) for seed in range(3)], axis=-1)

    reading = read(czi_of(Tile(pixels.tobytes(), 128, 96, pixel_type=BGR24)), "a.czi")

    assert reading.planes[0].metrics == metrics_as_tiff(pixels)


def test_a_stack_measures_makers_files_below_its_home(tmp_path: Path) -> None:
    home = Home(tmp_path)
    body = czi_of(Tile(cells("uint16", (2500, 4000)).tobytes(), 4000, 2500))  # more than is kept in memory

    with meter_choice(Settings(home=tmp_path), home) as meters:
        reading = meters.of("microscopy").read(memoryview(body), path="a.czi")

    assert [one.problem or one.unmeasured for one in reading.planes] == [None]
    assert list(home.spool.iterdir()) == []
    assert (home.logs / "planes.log").exists()


def test_what_is_not_installed_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    assert missing_readers() == {}

    monkeypatch.setattr("cisterna.bootstrap.meter.find_spec", lambda name: None if name == "nd2" else name)

    assert missing_readers() == {"nd2": "nd2"}


FRAMES = np.stack([cells(seed=seed) for seed in range(4)])


def taken(reading: Reading) -> list[StagePlace | None]:
    assert [one.problem or one.unmeasured for one in reading.planes] == [None] * len(reading.planes)
    return [one.taken for one in reading.planes]


def test_a_lif_tells_when_each_plane_was_taken_where_it_has_a_time_for_each(read: Read) -> None:
    pixels = FRAMES.reshape(2, 1, 2, 96, 128)
    moments = (1_700_000_000.0, 1_700_000_000.5, 1_700_000_300.0, 1_700_000_300.5)

    reading = read(lif_of({"one": pixels}, stamps={"one": time_stamps(*moments)}), "a.lif")

    assert taken(reading) == [StagePlace(seconds=moment) for moment in moments]
    assert [(one.plane.t, one.plane.channel) for one in reading.planes][1] == (0, "Gray 1")


@pytest.mark.parametrize(
    "stamps",
    [
        *(time_stamps(1.0), time_stamps(1, 2, 3, 4, 5), "", "zz zz zz zz", "f" * 40 + " 1 2 3", "-1 -2 -3 -4"),
        *("0 0 0 0", "1 2 3 4", " ".join(["f" * 16] * 4)),
    ],
)
def test_times_of_a_lif_that_are_not_one_a_plane_tell_nothing(read: Read, stamps: str) -> None:
    reading = read(lif_of({"one": FRAMES.reshape(2, 1, 2, 96, 128)}, stamps={"one": stamps}), "a.lif")

    assert taken(reading) == [None] * 4


def test_an_nd2_tells_where_and_when_each_frame_was_recorded_and_not_where_it_was_planned(read: Read) -> None:
    pixels = FRAMES.reshape(2, 1, 1, 2, 96, 128)
    recorded = {"X": [10.0, 12.5], "Y": [20.0, 20.0], "Z": [5.0, 5.5], "T": [0.0, 1500.0]}

    told = taken(read(nd2_of(pixels, recorded=recorded), "a.nd2"))
    planned = taken(read(nd2_of(FRAMES.reshape(1, 2, 1, 2, 96, 128)), "a.nd2"))

    first, second = StagePlace(10.0, 20.0, 5.0, 0.0), StagePlace(12.5, 20.0, 5.5, 1.5)
    assert told == [first, first, second, second]
    assert planned == [None] * 4


@pytest.mark.parametrize(
    "recorded", [{"X": [float("nan"), float("inf")]}, {"X": [1e300, -1e300]}, {"T": []}, {"X": []}]
)
def test_records_of_an_nd2_that_are_no_numbers_or_not_there_tell_nothing(
    read: Read, recorded: dict[str, list[float]]
) -> None:
    told = taken(read(nd2_of(FRAMES.reshape(2, 1, 1, 2, 96, 128), recorded=recorded), "a.nd2"))

    assert told == [None] * 4


def test_what_is_called_a_makers_file_is_what_a_makers_reader_reads() -> None:
    assert {f".{kind}" for kind in LIBRARIES} == MAKERS
