"""Writes OME-Zarr 0.5 images with tensorstore, in memory: which bytes go where is the caller's business."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cisterna.adapters.image_planes import planes
from cisterna.domain.errors import InvalidInput
from cisterna.metadata import ngff
from cisterna.ports.view import Block, FieldOfView, PlaneKind

if TYPE_CHECKING:
    import tensorstore

Stack = NDArray[Any]

_CHUNK_PIXELS = 512
"""Rows and columns of a chunk: what a viewer fetches at once, a quarter of a screen."""
_SMALLEST_PIXELS = 256
"""No further resolution is made of an image of this size."""
_BLOCK_BYTES = 256 * 1024 * 1024
"""Of one shard at full resolution."""
_TYPES = frozenset({"uint8", "uint16", "uint32", "int8", "int16", "int32", "float32", "float64"})


class ZarrViews:
    """Implements `ports.view.ViewWriter`.

    Args:
        image_limit_bytes: The most that one image's pixels may take up.
    """

    version = "1"

    def __init__(self, *, image_limit_bytes: int = 256 * 1024 * 1024) -> None:
        self._limit_bytes = image_limit_bytes

    def look(self, body: bytes) -> PlaneKind:
        """Tell what an image file holds."""
        plane = self._plane(body)
        return PlaneKind(height=plane.shape[0], width=plane.shape[1], dtype=plane.dtype.name)

    def begin(self, field: FieldOfView) -> ZarrView:
        """Begin a field of view."""
        return ZarrView(field, self._plane)

    def _plane(self, body: bytes) -> Stack:
        found = list(planes(memoryview(body), limit_bytes=self._limit_bytes))
        if len(found) != 1:
            msg = f"it holds {len(found)} planes; one is expected in a file of one channel, level and time"
            raise InvalidInput(msg)
        if found[0].dtype.name not in _TYPES:
            msg = f"its pixels are {found[0].dtype.name}, which OME-Zarr viewers do not read"
            raise InvalidInput(msg)
        return found[0]


class ZarrView:
    """Implements `ports.view.ImageView`."""

    def __init__(self, field: FieldOfView, decode: Callable[[bytes], Stack]) -> None:
        self._field = field
        self._decode = decode
        kind = field.plane
        plane_bytes = kind.height * kind.width * np.dtype(kind.dtype).itemsize
        self._depth = max(1, min(field.z_planes, _BLOCK_BYTES // plane_bytes))
        self._sizes = list(_sizes(kind.height, kind.width))
        self._least = [np.inf] * len(field.channels)
        self._most = [-np.inf] * len(field.channels)

    @property
    def blocks(self) -> Sequence[Block]:
        """One shard each."""
        field = self._field
        return [
            Block(t=t, c=c, z_start=z, z_stop=min(z + self._depth, field.z_planes))
            for t in range(field.timepoints)
            for c in range(len(field.channels))
            for z in range(0, field.z_planes, self._depth)
        ]

    def write(self, block: Block, bodies: Sequence[bytes]) -> Mapping[str, bytes]:
        """Give the shards of a block, one a resolution."""
        stack = self._stack(block, bodies)
        finite = stack[np.isfinite(stack)] if stack.dtype.kind == "f" else stack
        if finite.size:
            self._least[block.c] = min(self._least[block.c], float(finite.min()))
            self._most[block.c] = max(self._most[block.c], float(finite.max()))
        files: dict[str, bytes] = {}
        for level in range(len(self._sizes)):
            if level:
                stack = halved(stack)
            array, memory = self._open(level)
            array[self._where(block)] = stack
            key = self._key(level, block)
            files[key] = memory.read(key).result().value
        return files

    def differing(self, block: Block, bodies: Sequence[bytes], stored: Mapping[str, bytes]) -> int | None:
        """Compare the stored shard of full resolution with the images."""
        array, memory = self._open(0)
        key = self._key(0, block)
        memory.write(key, stored[key]).result()
        found = array[self._where(block)].read().result()
        for z, (kept, wanted) in enumerate(zip(found, self._stack(block, bodies), strict=True), block.z_start):
            if not np.array_equal(kept.view(np.uint8), wanted.view(np.uint8)):  # as bytes: NaN equals itself
                return z
        return None

    def documents(self) -> Mapping[str, bytes]:
        """Give the `zarr.json` of the image and of each resolution."""
        windows = [
            (low, high) if low <= high else (0.0, 0.0) for low, high in zip(self._least, self._most, strict=True)
        ]
        files = {"zarr.json": _json(ngff.image(self._field, levels=len(self._sizes), windows=windows))}
        for level in range(len(self._sizes)):
            files[f"{level}/zarr.json"] = _json(self._array(level))
        return files

    def _stack(self, block: Block, bodies: Sequence[bytes]) -> Stack:
        kind = self._field.plane
        stack = np.empty((block.z_stop - block.z_start, kind.height, kind.width), kind.dtype)
        for z, body in enumerate(bodies):
            named = f"the image of channel {self._field.channels[block.c]}, plane {block.z_start + z}, time {block.t}"
            try:
                plane = self._decode(body)
            except InvalidInput as refusal:
                raise InvalidInput(f"{named}: {refusal}") from refusal
            if (*plane.shape, plane.dtype.name) != (kind.height, kind.width, kind.dtype):
                msg = (
                    f"{named} is {plane.shape[0]} x {plane.shape[1]} {plane.dtype.name}, and the first one is "
                    f"{kind.height} x {kind.width} {kind.dtype}"
                )
                raise InvalidInput(msg)
            stack[z] = plane
        return stack

    def _array(self, level: int) -> dict[str, Any]:
        """Describe the array of a level: shards of all z of one time and channel, chunks of one plane."""
        height, width = self._sizes[level]
        rows, columns = min(height, _CHUNK_PIXELS), min(width, _CHUNK_PIXELS)
        shard = [1, 1, self._depth, -(-height // rows) * rows, -(-width // columns) * columns]
        item = np.dtype(self._field.plane.dtype).itemsize
        little = {"name": "bytes", "configuration": {"endian": "little"}}
        packed = {"cname": "zstd", "clevel": 1, "shuffle": "bitshuffle", "typesize": item, "blocksize": 0}
        inner = {
            "chunk_shape": [1, 1, 1, rows, columns],
            "codecs": [little if item > 1 else {"name": "bytes"}, {"name": "blosc", "configuration": packed}],
            "index_codecs": [little, {"name": "crc32c"}],
            "index_location": "end",
        }
        return {
            "zarr_format": 3,
            "node_type": "array",
            "shape": [self._field.timepoints, len(self._field.channels), self._field.z_planes, height, width],
            "data_type": self._field.plane.dtype,
            "fill_value": 0,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": shard}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "codecs": [{"name": "sharding_indexed", "configuration": inner}],
            "dimension_names": ["t", "c", "z", "y", "x"],
            "attributes": {},
        }

    def _open(self, level: int) -> tuple[tensorstore.TensorStore, tensorstore.KvStore]:
        """Open a level's array on a memory of its own, so that only what is asked for is ever held."""
        import tensorstore

        context = tensorstore.Context()
        memory = tensorstore.KvStore.open("memory://", context=context).result()
        memory.write(f"{level}/zarr.json", _json(self._array(level))).result()
        array = tensorstore.open(
            {"driver": "zarr3", "kvstore": f"memory://{level}/", "store_data_equal_to_fill_value": True},
            open=True,
            context=context,
        ).result()
        return array, memory

    def _key(self, level: int, block: Block) -> str:
        return f"{level}/c/{block.t}/{block.c}/{block.z_start // self._depth}/0/0"

    @staticmethod
    def _where(block: Block) -> Any:
        return (block.t, block.c, slice(block.z_start, block.z_stop))


def halved(stack: Stack) -> Stack:
    """Halve rows and columns by the mean of 2 x 2 pixels.

    Args:
        stack: z y x. A row or column that is left over counts twice.

    Returns:
        z, (y + 1) // 2, (x + 1) // 2, of the same type. Halves of whole numbers are rounded up, so that nothing
        depends on the machine; floats are averaged in float64.
    """
    odd = ((0, 0), (0, stack.shape[1] % 2), (0, stack.shape[2] % 2))
    even = np.pad(stack, odd, mode="edge") if stack.shape[1] % 2 or stack.shape[2] % 2 else stack
    parts = [even[:, row::2, column::2] for row in (0, 1) for column in (0, 1)]
    if stack.dtype.kind == "f":
        return np.asarray(np.mean(parts, axis=0, dtype=np.float64)).astype(stack.dtype)
    total = np.asarray(np.sum(parts, axis=0, dtype=np.int64 if stack.dtype.itemsize > 2 else np.int32))
    return np.asarray(np.right_shift(total + 2, 2)).astype(stack.dtype)


def _sizes(height: int, width: int) -> Iterator[tuple[int, int]]:
    yield height, width
    while max(height, width) > _SMALLEST_PIXELS:
        height, width = (height + 1) // 2, (width + 1) // 2
        yield height, width


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, indent=1, allow_nan=False).encode() + b"\n"
