"""Image files, good and hostile, become readings: never an exception, never more memory than is allowed."""

from __future__ import annotations

import io
import struct
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from cisterna.adapters.image_meter import TiffMeter
from cisterna.adapters.image_planes import planes
from cisterna.adapters.plane_metrics import measure_plane
from cisterna.adapters.thumbnail import draw
from cisterna.ports.quality import Reading

METER = TiffMeter()


def picture(dtype: str = "uint16", shape: tuple[int, ...] = (96, 80)) -> NDArray[Any]:
    rng = np.random.default_rng(3)
    return rng.integers(0, 200, shape).astype(dtype)


def tiff(image: NDArray[Any], **options: Any) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, image, **options)
    return file.getvalue()


def read(body: bytes, meter: TiffMeter = METER) -> Reading:
    return meter.read(memoryview(body), path="A1_0_0_BF.tiff")


def entry(tag: int, kind: int, count: int, value: int) -> bytes:
    return struct.pack("<HHI", tag, kind, count) + struct.pack("<I", value)


def lying_tiff(
    width: int, height: int, *, next_page: int = 0, compression: int = 1, extra: tuple[bytes, ...] = ()
) -> bytes:
    """One 16-bit page whose header says what it likes."""
    entries = [
        entry(256, 4, 1, width),
        entry(257, 4, 1, height),
        entry(258, 3, 1, 16),
        entry(259, 3, 1, compression),
        entry(262, 3, 1, 1),
        entry(273, 4, 1, 8),
        entry(277, 3, 1, 1),
        entry(278, 4, 1, height),
        entry(279, 4, 1, min(width * height * 2, 2**32 - 1)),
        *extra,
    ]
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + b"".join(entries) + struct.pack("<I", next_page)


def test_names_are_stable_and_every_reading_has_them_all() -> None:
    reading = read(tiff(picture()))

    assert tuple(reading.metrics) == METER.names
    assert METER.names == (
        "planes",
        "width_px",
        "height_px",
        "focus",
        "focus_error",
        "structure",
        "laplacian_variance_counts2",
        "laplacian_variance_relative",
        "power_slope",
        "saturated_share",
        "clipped_share",
        "nonfinite_share",
        "snr",
        "background_counts",
        "background_uniformity",
        "minimum_counts",
        "maximum_counts",
        "mean_counts",
        "p1_counts",
        "median_counts",
        "p99_counts",
        "full_scale_counts",
        "grey_levels",
        "grey_step_counts",
        "empty",
    )


WRITTEN = {
    "plain": {},
    "big-endian": {"byteorder": ">"},
    "BigTIFF": {"bigtiff": True},
    "deflate": {"compression": "zlib"},
    "deflate with predictor": {"compression": "zlib", "predictor": True},
    "LZW": {"compression": "lzw"},
    "tiled": {"tile": (32, 32)},
    "strips": {"rowsperstrip": 7},
    "OME": {"ome": True},
    "ImageJ": {"imagej": True, "byteorder": ">"},
}


@pytest.mark.parametrize("options", WRITTEN.values(), ids=list(WRITTEN))
def test_every_way_of_writing_the_same_pixels_gives_the_same_metrics(options: dict[str, Any]) -> None:
    image = picture()

    reading = read(tiff(image, **options))

    assert reading.problem is None
    assert (reading.shape, reading.dtype) == ((96, 80), "uint16")
    assert reading.metrics == read(tiff(image)).metrics


@pytest.mark.parametrize("dtype", ["bool", "uint8", "uint16", "uint32", "int16", "float16", "float32", "float64"])
def test_every_type_of_pixel_is_read(dtype: str) -> None:
    reading = read(tiff(picture(dtype)))

    assert reading.problem is None
    assert reading.dtype == dtype
    assert reading.metrics["maximum_counts"] == float(picture(dtype).max())


def test_a_stack_is_as_sharp_as_its_sharpest_plane_and_as_saturated_as_its_worst() -> None:
    sharp = np.kron(np.random.default_rng(0).integers(0, 2, (32, 32)), np.ones((5, 5))).astype(np.uint16) * 1000
    bright = np.full_like(sharp, 65_535)

    stack = read(tiff(np.stack([bright, sharp]), photometric="minisblack"))

    alone = read(tiff(sharp))
    assert stack.shape == (2, 160, 160)
    assert stack.metrics["planes"] == 2
    assert stack.metrics["focus"] == alone.metrics["focus"]
    assert stack.metrics["saturated_share"] == 1.0
    assert stack.thumbnail == alone.thumbnail


@pytest.mark.parametrize("layout", ["contig", "separate"])
def test_the_samples_of_a_colour_image_are_planes(layout: str) -> None:
    colours = picture("uint8", (96, 80, 3)) if layout == "contig" else picture("uint8", (3, 96, 80))

    reading = read(tiff(colours, photometric="rgb", planarconfig=layout))

    assert (reading.problem, reading.shape) == (None, (3, 96, 80))


@pytest.mark.parametrize("kind", ["BMP", "PNG"])
def test_bitmaps_of_older_instruments_are_read(kind: str) -> None:
    file = io.BytesIO()
    Image.fromarray(picture("uint8")).save(file, kind)

    assert read(file.getvalue()).metrics["mean_counts"] == pytest.approx(picture("uint8").mean())


def many_entries(*, texts: int) -> bytes:
    """An image of one pixel that names one text of a MiB many times as its description."""
    entries = [entry(256, 4, 1, 1), entry(257, 4, 1, 1), entry(258, 3, 1, 8), entry(273, 4, 1, 8), entry(279, 4, 1, 1)]
    entries += [entry(270, 2, 1 << 20, 8)] * texts
    directory = struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
    return b"II*\0" + struct.pack("<I", 8 + (1 << 20)) + b"x" * (1 << 20) + directory


def many_pages(count: int, *, strips: int = 20_000) -> bytes:
    """Pages of one column, each of which names the same strips."""
    lists = struct.pack(f"<{strips}I", *[8] * strips) + struct.pack(f"<{strips}I", *[1] * strips)
    body = b"II*\0" + struct.pack("<I", 8 + len(lists)) + lists
    for page in range(count):
        entries = [entry(256, 4, 1, 1), entry(257, 4, 1, strips), entry(258, 3, 1, 8), entry(262, 3, 1, 1)]
        entries += [entry(273, 4, strips, 8), entry(278, 4, 1, 1), entry(279, 4, strips, 8 + 4 * strips)]
        directory = struct.pack("<H", len(entries)) + b"".join(entries)
        is_last = page == count - 1
        body += directory + struct.pack("<I", 0 if is_last else len(body) + len(directory) + 4)
    return body


LOOP = bytearray(lying_tiff(4, 4, next_page=8) + b"\0" * 64)
ENTITIES = (
    '<?xml version="1.0"?><!DOCTYPE o [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="&b;"/></OME>'
)

HOSTILE = {
    "empty": (b"", "empty"),
    "text": (b"hello, I am no image at all", "does not begin as"),
    "header alone": (b"II*\0", "cannot be decoded"),
    "header without a page": (b"II*\0\0\0\0\0", "no image"),
    "page beyond the end": (b"II*\0\xff\xff\0\0", "no image"),
    "37 GiB in 122 bytes": (lying_tiff(141_000, 141_000), "claims"),
    "4 GiB in one plane": (lying_tiff(46_341, 46_341), "claims"),
    "4e9 x 4e9": (lying_tiff(2**32 - 1, 2**32 - 1), "claims"),
    "no width": (lying_tiff(0, 4), ""),
    "more than is there": (lying_tiff(2000, 2000), "ends early"),
    "compressed, claims 37 GiB": (lying_tiff(141_000, 141_000, compression=8), "claims"),
    "a list of pages in a circle": (bytes(LOOP), "circle"),
    "1e9 strips": (lying_tiff(64, 64).replace(entry(273, 4, 1, 8), entry(273, 4, 10**9, 8)), ""),
    "a text of a MiB, 200 times": (many_entries(texts=200), "asks for more values than"),
    "a list of strips for each of 100 pages": (many_pages(100), "asks for more values than"),
    "half a file": (tiff(picture())[: 96 * 80], "ends early"),
    "half a compressed file": (tiff(picture(), compression="zlib")[:2000], ""),
    "deflate that is none": (tiff(picture(), compression="zlib").replace(b"\x78", b"\x00"), ""),
    "complex numbers": (tiff(picture().astype(np.complex64)), "not measured"),
    "half a PNG": (b"\x89PNG\r\n\x1a\n\0\0\0", "cannot be decoded"),
    "a BMP of 2e9 pixels": (
        b"BM" + struct.pack("<IHHIIiiHH", 54, 0, 0, 54, 40, 46_000, 46_000, 1, 24) + b"\0" * 24,
        "",
    ),
    "nothing but NaN": (tiff(np.full((16, 16), np.nan, np.float32)), None),
    "OME-XML with entities": (tiff(picture(), description=ENTITIES, metadata=None), None),
}


@pytest.mark.parametrize(("body", "words"), HOSTILE.values(), ids=list(HOSTILE))
def test_a_bad_file_is_a_problem_in_words_and_costs_no_memory(body: bytes, words: str | None) -> None:
    read(tiff(picture()))  # what is loaded once is not counted
    tracemalloc.start()

    reading = read(body)

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 32 * 2**20
    if words is None:
        assert reading.problem is None
    else:
        assert reading.problem is not None
        assert words in reading.problem
        assert reading.metrics == dict.fromkeys(METER.names)
        assert reading.thumbnail is None


def test_the_pixels_of_a_file_in_memory_are_measured_where_they_lie() -> None:
    body = memoryview(bytearray(tiff(np.zeros((4096, 4096), np.uint8))))
    tracemalloc.start()
    try:
        (plane,) = planes(body, limit_bytes=1 << 30)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert plane.nbytes == 1 << 24
    assert peak < 1 << 20


def test_pages_that_share_their_pixels_cannot_use_more_than_the_limit() -> None:
    body = tiff(np.zeros((40, 512, 512), np.uint16), photometric="minisblack", compression="zlib")

    reading = read(body, TiffMeter(limit_bytes=8 * 2**20))

    assert reading.problem is not None
    assert "MiB" in reading.problem


@pytest.mark.parametrize("tag", [256, 257, 277, 32997], ids=["width", "length", "samples", "depth"])
def test_a_header_that_gives_many_numbers_where_one_belongs_takes_no_memory(tag: int) -> None:
    body = bytearray(tiff(picture(shape=(64, 64))))
    (at,) = struct.unpack_from("<I", body, 4)
    (count,) = struct.unpack_from("<H", body, at)
    entries = {struct.unpack_from("<H", body, place)[0]: place for place in range(at + 2, at + 2 + 12 * count, 12)}
    struct.pack_into("<HHII", body, entries[277], 277, 4, 1, 4000)  # samples of a pixel
    struct.pack_into("<HHII", body, entries.get(tag, entries[305]), tag, 4, 100, 256)  # 305: the software's name

    tracemalloc.start()
    reading = read(bytes(body), TiffMeter(limit_bytes=64 * 2**20))
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert reading.problem
    assert peak_bytes < 16 * 2**20


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_damage_to_a_file_is_an_exception(data: st.DataObject) -> None:
    body = bytearray(tiff(picture(shape=(40, 40)), compression=data.draw(st.sampled_from([None, "zlib"]))))
    for _ in range(data.draw(st.integers(1, 6))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))

    reading = read(bytes(body), TiffMeter(limit_bytes=64 * 2**20))

    assert reading.problem or reading.unmeasured or reading.thumbnail or reading.metrics["nonfinite_share"] == 1.0


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (900, 1), (255, 257), (512, 512), (2048, 1000)])
def test_a_thumbnail_is_a_png_of_at_most_256_pixels_that_shows_the_block_means(shape: tuple[int, int]) -> None:
    image = picture(shape=shape)

    reading = read(tiff(image))

    assert reading.thumbnail is not None
    with Image.open(io.BytesIO(reading.thumbnail)) as seen:
        pixels = np.asarray(seen)
    factor = -(-max(shape) // 256)
    assert pixels.shape == tuple(-(-size // factor) for size in shape)
    low, high = reading.metrics["p1_counts"], reading.metrics["p99_counts"]
    assert low is not None
    assert high is not None
    if high > low:
        first = image[:factor, :factor].mean()
        assert pixels[0, 0] == int(np.clip((first - low) * 255 / (high - low), 0, 255))


@pytest.mark.parametrize("kind", ["uint8", "uint16"])
@pytest.mark.parametrize("shape", [(2048, 264), (264, 1800), (3848, 128), (2304, 96)])
def test_a_picture_out_of_sums_that_are_there_is_the_one_out_of_the_pixels(shape: tuple[int, int], kind: str) -> None:
    image = picture(kind, shape)

    coarse = measure_plane(image).coarse

    assert draw(image, low=20, high=180, coarse=coarse) == draw(image, low=20, high=180)


def test_many_threads_give_what_one_gives() -> None:
    bodies = [tiff(picture(shape=(64 + 8 * size, 96))) for size in range(12)]
    alone = [read(body) for body in bodies]

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(read, bodies))

    assert together == alone


@pytest.mark.parametrize("compression", ["jpeg", "lzma"])
def test_what_is_compressed_in_a_way_that_is_not_read_says_nothing_against_the_image(compression: str) -> None:
    reading = read(tiff(picture("uint8"), compression=compression))

    assert reading.problem is None
    assert "compressed in a way that is not read here" in (reading.unmeasured or "")
    assert reading.metrics == dict.fromkeys(METER.names)


def test_every_page_of_a_file_that_scanimage_wrote_is_measured() -> None:
    """Of such a file tifffile makes up all pages but the first, which then have no directory of their own."""
    pages, body = 6, b"II*\0" + struct.pack("<I", 8)
    for page in range(pages):
        start, pixels = len(body), bytes([page]) * 16
        entries = [entry(256, 4, 1, 4), entry(257, 4, 1, 4), entry(258, 3, 1, 8), entry(259, 3, 1, 1)]
        entries += [entry(262, 3, 1, 1), entry(270, 2, 6, start + 134), entry(273, 4, 1, start + 140)]
        entries += [entry(277, 3, 1, 1), entry(278, 4, 1, 4), entry(279, 4, 1, 16)]
        following = start + 156 if page < pages - 1 else 0
        directory = struct.pack("<H", len(entries)) + b"".join(entries) + struct.pack("<I", following)
        body += directory.ljust(134, b"\0") + b"state." + pixels

    reading = read(body)

    assert (reading.problem, reading.metrics["planes"], reading.metrics["maximum_counts"]) == (None, 6, 5)
