"""Opens an image file's bytes and gives its planes, after its header's claims were held against the bytes there are."""

from __future__ import annotations

import io
import logging
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tifffile import TiffFile, TiffPage

from cisterna.adapters.tiff_directory import PAGES_MAX, directory_fault
from cisterna.domain.errors import InvalidInput
from cisterna.domain.tiff_header import plain_image

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what it warns of becomes the reading's problem

_BITMAPS = {b"BM": "BMP", b"\x89PNG\r\n\x1a\n": "PNG"}
_TIFF_MARKS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_UNCOMPRESSED = 1
_SINGLE = ("imagewidth", "imagelength", "imagedepth", "samplesperpixel", "bitspersample", "tilewidth", "tilelength")
_COMPRESSIONS = {_UNCOMPRESSED, 5, 8, 32_773, 32_946, 50_000}
"""None, LZW, deflate (two codes), PackBits and Zstandard: what these unpack fills a buffer of the size that the header
claims, and no more. Others, such as JPEG, tell of a size of their own in the middle of the pixels."""
_AS_IT_IS = {"is_lsm": False, "is_scanimage": False, "is_ndpi": False}
"""Page by page as the file lists them: of these kinds tifffile makes pages up from what it finds in the first."""


class Unreadable(InvalidInput):
    """The bytes are no image that can be measured; the message says why, for a technician."""

    code = "unreadable-image"


class NotRead(InvalidInput):
    """The bytes may be an image, of a kind whose pixels are not read here; the message says which."""


class _View(io.RawIOBase):
    """A file in memory that is read where it lies: `io.BytesIO` would copy all of it for a header of some bytes."""

    def __init__(self, body: memoryview) -> None:
        super().__init__()
        self._body = body
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        room = memoryview(buffer).cast("B")
        piece = self._body[self._at : self._at + len(room)]
        room[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: len(self._body)}[whence]
        if start + offset < 0:
            msg = f"there is no byte {start + offset}"
            raise ValueError(msg)
        self._at = start + offset
        return self._at

    def tell(self) -> int:
        return self._at


def planes(body: memoryview, *, limit_bytes: int) -> Iterator[NDArray[Any]]:
    """Give each two-dimensional plane of an image file, one at a time; arguments and errors are those of `pages`."""
    for _, page in pages(body, limit_bytes=limit_bytes):
        yield from page


def pages(body: memoryview, *, limit_bytes: int) -> Iterator[tuple[int, Sequence[NDArray[Any]]]]:
    """Give each page of an image file with its number, as the two-dimensional planes that it holds.

    TIFF and BigTIFF (a page's samples and depths are planes of their own; pages that are reduced copies are left out),
    BMP and PNG. No XML inside the file is ever parsed.

    Args:
        body: The whole file.
        limit_bytes: The most that all its pixels may take up.

    Raises:
        Unreadable: The header's claims do not fit the bytes there are or the limit, or the content cannot be decoded.
        NotRead: Its pixels are compressed in a way that is not read here.
    """
    if len(body) == 0:
        raise Unreadable("the file is empty")
    kind = next((kind for mark, kind in _BITMAPS.items() if bytes(body[: len(mark)]) == mark), None)
    if kind is None and bytes(body[:4]) not in _TIFF_MARKS:
        raise Unreadable("the file does not begin as a TIFF, BMP or PNG image does")
    try:
        yield from _bitmap(body, kind, limit_bytes) if kind else _tiff(body, limit_bytes)
    except (Unreadable, NotRead, GeneratorExit):
        raise
    except Exception as error:  # a parser of hostile bytes may fail in any way; all of them are the file's problem
        raise Unreadable(f"the image cannot be decoded ({type(error).__name__}: {str(error)[:200]})") from error


def _bitmap(body: memoryview, kind: str, limit_bytes: int) -> Iterator[tuple[int, Sequence[NDArray[Any]]]]:
    from PIL import Image

    with Image.open(io.BufferedReader(_View(body)), formats=(kind,)) as image:  # reads the header alone
        _require_fit(image.height, image.width, len(image.getbands()), 4, limit_bytes=limit_bytes)
        pixels = np.asarray(image)
    yield 0, tuple(pixels.transpose(2, 0, 1)) if pixels.ndim == 3 else (pixels,)


def _tiff(body: memoryview, limit_bytes: int) -> Iterator[tuple[int, Sequence[NDArray[Any]]]]:
    plain = plain_image(body)
    if plain is not None and plain.height * plain.width * plain.bits // 8 <= limit_bytes:
        kind = np.dtype(f"{plain.order}u{plain.bits // 8}")
        flat = np.frombuffer(body, kind, count=plain.height * plain.width, offset=plain.offset)
        yield 0, tuple(_planes_of(flat.reshape(plain.height, plain.width)))
        return
    fault = directory_fault(body)
    if fault is not None:
        raise Unreadable(fault)
    with TiffFile(_View(body), **_AS_IT_IS) as tiff:
        left, number = limit_bytes, 0
        for page in _pages(tiff):
            number += 1
            if page.is_reduced:
                continue
            left -= _require_honest(page, len(body), left)
            yield number - 1, tuple(_planes_of(_pixels(page, body)))
        if number == 0:
            raise Unreadable("the file has a TIFF header and no image in it")


def _pages(tiff: TiffFile) -> Iterator[TiffPage]:
    for index in range(PAGES_MAX):
        try:
            page = tiff.pages[index]
        except IndexError:
            return
        if not isinstance(page, TiffPage):
            raise Unreadable(f"its page {index + 1:,} has no directory of its own")
        yield page


def _require_honest(page: TiffPage, available: int, limit_bytes: int) -> int:
    """Hold a page's claims against the bytes there are; return what its pixels take up."""
    if page.dtype is None or page.dtype.kind not in "biuf":
        raise Unreadable(f"its pixels are of a type that is not measured ({page.bitspersample} bits)")
    if not all(isinstance(getattr(page, name), int) for name in _SINGLE):
        raise Unreadable("its header gives several numbers where one belongs")  # to multiply a list makes it longer
    if page.compression not in _COMPRESSIONS:
        how = getattr(page.compression, "name", page.compression)
        raise NotRead(f"its pixels are compressed in a way that is not read here ({how})")
    claimed = _require_fit(*page.shape, page.dtype.itemsize, limit_bytes=limit_bytes)
    segments = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    if not segments or any(count <= 0 for _, count in segments):
        raise Unreadable("its header names no bytes for some of its pixels")
    end = max(offset + count for offset, count in segments)
    if end > available:
        raise Unreadable(f"the file ends early: it has {available:,} bytes and its header asks for {end:,}")
    if page.compression == _UNCOMPRESSED:
        row_bits = page.imagewidth * page.bitspersample * page.samplesperpixel
        needed = math.ceil(row_bits / 8) * page.imagelength * page.imagedepth
        held = sum(count for _, count in segments)
        if held < needed:
            raise Unreadable(f"its pixels take {needed:,} bytes and only {held:,} are there")
    _require_fit(*page.chunks, page.dtype.itemsize, limit_bytes=max(limit_bytes, 4 * claimed))
    return claimed


def _require_fit(*claims: int, limit_bytes: int) -> int:
    size = math.prod(claims)
    if min(claims) <= 0:
        raise Unreadable(f"its header claims an image of {' x '.join(map(str, claims[:-1]))} pixels")
    if size > limit_bytes:
        shape = " x ".join(map(str, claims[:-1]))
        raise Unreadable(
            f"its header claims {shape} pixels, {size / 2**20:,.0f} MiB; at most {limit_bytes / 2**20:,.0f} are read"
        )
    return size


def _pixels(page: TiffPage, body: memoryview) -> NDArray[Any]:
    """Give the page's pixels, without a copy where they lie in one piece."""
    if page.compression == _UNCOMPRESSED and page.is_contiguous and page.predictor == 1 and not page.is_subsampled:
        kind = page.dtype.newbyteorder(page.parent.byteorder) if page.dtype else np.dtype(np.uint8)
        if page.bitspersample == kind.itemsize * 8 and page.fillorder == 1:
            count = math.prod(page.shape)
            flat = np.frombuffer(body, kind, count=count, offset=page.dataoffsets[0])
            return flat.reshape(page.shape)
    decoded: NDArray[Any] = page.asarray()
    return decoded


def _planes_of(pixels: NDArray[Any]) -> Iterator[NDArray[Any]]:
    if not pixels.dtype.isnative:
        pixels = pixels.astype(pixels.dtype.newbyteorder("="))
    if pixels.ndim == 2:
        yield pixels
        return
    if pixels.ndim == 3 and pixels.shape[-1] <= 4 < pixels.shape[0]:
        pixels = np.moveaxis(pixels, -1, 0)  # samples interleaved: Y X S
    for part in pixels:
        yield from _planes_of(part)
