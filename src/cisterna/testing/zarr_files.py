"""Small Zarr stores, file by file: as much of OME-Zarr 0.4 (Zarr v2) and 0.5 (Zarr v3) as instruments write."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import product
from math import prod
from typing import Any

import numpy as np

Files = dict[str, bytes]


def array_v3(
    path: str, shape: Sequence[int], chunks: Sequence[int], *, attributes: Mapping[str, Any] | None = None
) -> Files:
    """Write an array of 16 bits without compression, all chunks of it."""
    node = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(shape),
        "data_type": "uint16",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(chunks)}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0,
        "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
        "attributes": dict(attributes or {}),
    }
    return {f"{path}/zarr.json": _json(node)} | {
        f"{path}/c/{'/'.join(map(str, place))}": _chunk(number, chunks)
        for number, place in enumerate(_grid(shape, chunks))
    }


def array_v2(path: str, shape: Sequence[int], chunks: Sequence[int]) -> Files:
    """Write an array of 16 bits without compression, all chunks of it."""
    node = {
        "zarr_format": 2,
        "shape": list(shape),
        "chunks": list(chunks),
        "dtype": "<u2",
        "order": "C",
        "compressor": None,
        "filters": None,
        "fill_value": 0,
        "dimension_separator": "/",
    }
    return {f"{path}/.zarray": _json(node)} | {
        f"{path}/{'/'.join(map(str, place))}": _chunk(number, chunks)
        for number, place in enumerate(_grid(shape, chunks))
    }


def group_v3(path: str, attributes: Mapping[str, Any]) -> Files:
    """Write a group."""
    return {f"{path}/zarr.json": _json({"zarr_format": 3, "node_type": "group", "attributes": dict(attributes)})}


def group_v2(path: str, attributes: Mapping[str, Any]) -> Files:
    """Write a group."""
    return {f"{path}/.zgroup": _json({"zarr_format": 2}), f"{path}/.zattrs": _json(attributes)}


def multiscales(levels: Sequence[str], *, pixel_um: float = 0.5, name: str = "image") -> list[dict[str, Any]]:
    """Describe an image of axes t, c, z, y and x."""
    kinds = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}
    axes = [{"name": axis, "type": kind} for axis, kind in kinds.items()]
    for axis in axes[2:]:
        axis["unit"] = "micrometer"
    datasets = [
        {
            "path": level,
            "coordinateTransformations": [
                {"type": "scale", "scale": [1, 1, 1, pixel_um * 2**number, pixel_um * 2**number]}
            ],
        }
        for number, level in enumerate(levels)
    ]
    return [{"name": name, "axes": axes, "datasets": datasets, "version": "0.4"}]


def _grid(shape: Sequence[int], chunks: Sequence[int]) -> list[tuple[int, ...]]:
    return list(product(*(range(-(-size // chunk)) for size, chunk in zip(shape, chunks, strict=True))))


def _chunk(seed: int, chunks: Sequence[int]) -> bytes:
    return np.random.default_rng(seed).integers(1, 4096, prod(chunks), dtype="<u2").tobytes()


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content).encode()
