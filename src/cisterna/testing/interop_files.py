"""The metrics files of Illumina's run folders, written by the layouts that Illumina publishes."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping

BINS: tuple[tuple[int, int, int], ...] = ((0, 2, 2), (3, 14, 12), (15, 30, 23), (31, 40, 37))
"""Of a NovaSeq: lowest and highest quality, and the one that a bin stands for."""
Place = tuple[int, int, int]
"""Lane, tile and cycle."""


def q_metrics(counts: Mapping[Place, Iterable[int]], *, version: int = 7) -> bytes:
    """Write `QMetricsOut.bin`: base calls by quality, of `BINS`; in versions 4 and 5 of fifty single qualities."""
    columns = 50 if version < 6 else len(BINS)
    named = "<HIH" if version >= 7 else "<HHH"
    head = bytes([version, struct.calcsize(named) + 4 * columns])
    if version >= 5:
        by_kind = [bin_ for bins in zip(*BINS, strict=True) for bin_ in bins]
        in_turn = [number for bin_ in BINS for number in bin_]
        head += bytes([1, len(BINS), *(in_turn if version >= 7 else by_kind)])
    records = []
    for place, numbers in counts.items():
        row = list(numbers)
        if version < 6:
            spread = [0] * 50
            for (_, _, value), number in zip(BINS, row, strict=True):
                spread[value - 1] = number
            row = spread
        records.append(struct.pack(f"{named}{columns}I", *place, *row))
    return head + b"".join(records)


def tile_metrics(
    tiles: Mapping[tuple[int, int], tuple[float, float]], *, version: int = 3, area_mm2: float = 0.5
) -> bytes:
    """Write `TileMetricsOut.bin`: by lane and tile, clusters and those that passed the filter."""
    if version == 3:
        records = [struct.pack("<HIcff", *tile, b"t", *counts) for tile, counts in tiles.items()]
        aligned = [struct.pack("<HIcIf", *tile, b"r", 1, 1.5) for tile in tiles]
        return bytes([3, 15]) + struct.pack("<f", area_mm2) + b"".join(records + aligned)
    codes = [
        struct.pack("<HHHf", *tile, code, value)
        for tile, (clusters, passed) in tiles.items()
        for code, value in (
            (100, clusters / area_mm2),
            (101, passed / area_mm2),
            (102, clusters),
            (103, passed),
            (200, 0.002),
            (300, 1.5),
        )
    ]
    return bytes([2, 10]) + b"".join(codes)


def error_metrics(percents: Mapping[Place, float], *, version: int = 5) -> bytes:
    """Write `ErrorMetricsOut.bin`: by lane, tile and cycle, the percent of wrong bases of the control."""
    if version == 3:
        rows = [struct.pack("<HHHf5I", *place, value, 9, 0, 0, 0, 0) for place, value in percents.items()]
        return bytes([3, 30]) + b"".join(rows)
    rest = {4: b"", 5: struct.pack("<f", 0.0), 6: struct.pack("<2f", 0.0, 0.0)}[version]
    head = {4: bytes([4, 12]), 5: bytes([5, 16]), 6: bytes([6, 20]) + struct.pack("<HH", 2, 3) + b"ACGTTT"}[version]
    return head + b"".join(struct.pack("<HIHf", *place, value) + rest for place, value in percents.items())
