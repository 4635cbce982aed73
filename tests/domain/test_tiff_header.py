"""A cut-off image is found by its first bytes."""

from __future__ import annotations

import io
import struct
import tracemalloc

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from cisterna.domain.tiff_header import PlainImage, description_at, directory_at, page_bytes, plain_image, tiff_fault


def tiff(**options: object) -> bytes:
    encoded = io.BytesIO()
    tifffile.imwrite(encoded, np.arange(64 * 64, dtype=np.uint16).reshape(64, 64), **options)
    return encoded.getvalue()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"byteorder": ">"},
        {"rowsperstrip": 8},
        {"compression": "zlib"},
        {"bigtiff": True},
        {"description": "x" * 999},
    ],
    ids=str,
)
def test_a_whole_file_has_no_fault(options: dict[str, object]) -> None:
    body = tiff(**options)

    assert tiff_fault(body[:512], size_bytes=len(body)) is None
    assert tiff_fault(body[:8], size_bytes=len(body)) is None


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.999])
def test_a_file_shorter_than_its_header_says_is_cut_off(kept: float) -> None:
    body = tiff()
    size = int(len(body) * kept)

    fault = tiff_fault(body[:size][:512], size_bytes=size)

    assert fault is not None
    assert str(size) in fault


def test_a_file_that_ends_before_its_directory_is_cut_off() -> None:
    assert "before its own directory at 5000" in str(tiff_fault(b"II*\0" + struct.pack("<I", 5000), size_bytes=400))


def test_a_file_of_122_bytes_that_claims_37_gib_is_found_out() -> None:
    entries = [(256, 4, 1, 141_421), (257, 4, 1, 141_421), (258, 3, 1, 16), (259, 3, 1, 1), (273, 4, 1, 8)]
    body = b"II*\0" + struct.pack("<IH", 8, len(entries)) + b"".join(struct.pack("<HHII", *one) for one in entries)
    body = body.ljust(122, b"\0")

    fault = tiff_fault(body, size_bytes=122)

    assert fault is not None
    assert "39999798482" in fault


@pytest.mark.parametrize("head", [b"", b"II", b"PNG.....", b"\0" * 512])
def test_what_is_no_tiff_is_told(head: bytes) -> None:
    assert tiff_fault(head, size_bytes=512) == "does not begin like a TIFF"


def test_an_empty_file_is_told() -> None:
    assert tiff_fault(b"", size_bytes=0) == "is empty"


@given(tail=st.binary(max_size=300), order=st.sampled_from([b"II*\0", b"MM\0*"]))
def test_no_bytes_raise_anything(tail: bytes, order: bytes) -> None:
    tiff_fault(order + tail, size_bytes=len(tail) + 4)


@pytest.mark.parametrize("options", [{}, {"byteorder": ">"}, {"bigtiff": True}], ids=str)
def test_both_kinds_of_tiff_tell_their_pixels_and_their_description(options: dict[str, object]) -> None:
    body = tiff(description="what it shows", metadata=None, **options)
    at = directory_at(body[:16])

    assert at is not None
    assert page_bytes(body[:1024]) == 64 * 64 * 2
    place = description_at(body[at : at + 4096], head=body[:16])
    assert place is not None
    assert body[place[0] : place[0] + place[1]].rstrip(b"\0") == b"what it shows"


def test_a_big_tiff_that_was_cut_off_is_found_out() -> None:
    body = tiff(bigtiff=True)

    assert "where its header tells of" in str(tiff_fault(body[:512], size_bytes=len(body) - 1))


def test_what_is_compressed_tells_no_size_of_its_pixels() -> None:
    assert page_bytes(tiff(compression="zlib")[:1024]) is None


@given(head=st.binary(max_size=64), directory=st.binary(max_size=200))
def test_no_directory_raises_anything(head: bytes, directory: bytes) -> None:
    for start in (b"II*\0", b"MM\0*", b"II+\0\x08\0\0\0", b""):
        directory_at(start + head)
        page_bytes(start + head)
        description_at(directory, head=start + head)


def pixels_of(body: bytes, plain: PlainImage) -> np.ndarray:
    kind = np.dtype(f"{plain.order}u{plain.bits // 8}")
    flat = np.frombuffer(body, kind, count=plain.height * plain.width, offset=plain.offset)
    return flat.reshape(plain.height, plain.width)


@pytest.mark.parametrize("options", [{}, {"byteorder": ">"}, {"bigtiff": True}, {"ome": True}, {"description": "x"}])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_plain_image_lies_where_a_reader_of_all_of_tiff_finds_it(dtype: type, options: dict[str, object]) -> None:
    encoded, pixels = io.BytesIO(), np.arange(48 * 64).reshape(48, 64).astype(dtype)
    tifffile.imwrite(encoded, pixels, **options)

    found = plain_image(memoryview(encoded.getvalue()))

    assert found is not None
    assert np.array_equal(pixels_of(encoded.getvalue(), found), pixels)


@pytest.mark.parametrize(
    "options",
    [
        {"rowsperstrip": 8},
        {"compression": "zlib"},
        {"tile": (32, 32)},
        {"subfiletype": 1},
        {"photometric": "palette", "colormap": np.zeros((3, 2**16), np.uint16)},
        {"extratags": [(65_000, 4, 1, 2, True)]},
    ],
    ids=str,
)
def test_what_is_not_plain_is_left_to_such_a_reader(options: dict[str, object]) -> None:
    assert plain_image(memoryview(tiff(**options))) is None


def test_several_pages_samples_of_colour_and_numbers_of_another_kind_are_not_plain() -> None:
    for pixels in (np.zeros((2, 64, 64), np.uint16), np.zeros((64, 64, 3), np.uint8), np.zeros((64, 64), np.int16)):
        encoded = io.BytesIO()
        tifffile.imwrite(encoded, pixels, photometric="rgb" if pixels.shape[-1] == 3 else "minisblack")

        assert plain_image(memoryview(encoded.getvalue())) is None


def test_a_file_without_all_its_bytes_is_not_plain() -> None:
    body = tiff()

    assert [size for size in range(0, len(body), 7) if plain_image(memoryview(body)[:size])] == []


def test_a_claim_of_more_entries_than_anybody_writes_costs_nothing() -> None:
    entry = struct.pack("<HHQQ", 256, 4, 1, 64)
    body = b"II+\0\x08\0\0\0" + struct.pack("<QQ", 16, 2**60) + entry * 200_000

    tracemalloc.start()
    found = plain_image(memoryview(body))
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert found is None
    assert peak_bytes < 500_000


def test_a_number_of_64_bits_in_a_file_of_32_bit_offsets_is_not_plain() -> None:
    body = bytearray(tiff())
    at = body.index(struct.pack("<HHI", 256, 4, 1))
    body[at : at + 8] = struct.pack("<HHI", 256, 16, 1)

    assert plain_image(memoryview(body)) is None


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_whatever_is_called_plain_a_reader_of_all_of_tiff_reads_alike(data: st.DataObject) -> None:
    body = bytearray(tiff())
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, 300))] = data.draw(st.integers(0, 255))

    found = plain_image(memoryview(body))

    if found is not None:
        with tifffile.TiffFile(io.BytesIO(body)) as file:
            (page,) = file.pages
            assert np.array_equal(pixels_of(bytes(body), found), page.asarray())
