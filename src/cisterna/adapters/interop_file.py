"""Reads what Illumina's sequencers measure of a run: `QMetricsOut.bin`, `TileMetricsOut.bin` and `ErrorMetricsOut.bin`.

By the layouts that Illumina publishes with its `interop` library, against which the tests hold this. The library itself
is native code that takes a file at its word: bytes made up at random end its process. Only counts and shares that a run
is judged by are read; a version that is not known here is `unmeasured`, and anything that cannot be is a `problem`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cisterna.ports.quality import CHANNELS_OF_FILE, CURVE_POINTS, ChannelReading, Curve, Reading

RUN_METRICS = (
    "run_base_calls",
    "run_q30_share",
    "run_cycles",
    "run_worst_cycle_q30_share",
    "run_lacking_calls_share",
    "run_clusters",
    "run_passed_filter_share",
    "run_density_per_mm2",
    "run_tiles",
    "run_silent_tiles_share",
    "run_error_share",
)
_FILE = re.compile(r"(?:.+/)?InterOp/(Q|Tile|Error)MetricsOut\.bin")
_Q30 = 30
_UNBINNED = 50
_LOT = 1 << 20
_RECORDS_MAX = 8_000_000
"""Ten thousand tiles in 400 cycles have four million; each takes a hundred bytes while they are told apart."""
_WITHIN_HEADER = "it ends within its header; copy it again"
_ERROR_ID_BYTES = {3: 30, 4: 12, 5: 16}
_DENSITY, _CLUSTERS, _PASSED = 100, 102, 103

Array = NDArray[Any]
Found = dict[str, float | None]
Lanes = dict[int, Found]


class _Wrong(Exception):
    """The file is not what it must be; the message says how."""


class _Unknown(Exception):
    """The file has a version that is not read here, or more in it than is."""


def is_interop(path: str) -> bool:
    """Tell a file that is read here by where it lies in a run folder."""
    return _FILE.fullmatch(path) is not None


def read_interop(body: memoryview, *, path: str) -> Reading:
    """Read one file; whatever is wrong with it is said in the reading."""
    match = _FILE.fullmatch(path)
    read = _READERS[match[1] if match else "Q"]
    try:
        found, curve, lanes = read(body)
    except _Wrong as wrong:
        return Reading(problem=str(wrong))
    except _Unknown as unknown:
        return Reading(unmeasured=str(unknown))
    channels = (ChannelReading(channel=f"lane {lane}", metrics=told) for lane, told in sorted(lanes.items()))
    return Reading(metrics=found, curves=() if curve is None else (curve,), channels=tuple(channels))


def _header(body: memoryview, *, versions: tuple[int, ...]) -> tuple[int, int]:
    """Give version and record size."""
    if len(body) == 0:
        raise _Wrong("the file is empty")
    if body[0] not in versions:
        raise _Unknown(f"version {body[0]} of this file is not read here, only {', '.join(map(str, versions))}")
    if len(body) < 2:
        raise _Wrong(_WITHIN_HEADER)
    return body[0], body[1]


def _records(body: memoryview, start: int, kind: np.dtype[Any], *, told: int) -> Array:
    """Take the records behind the header, of which the file tells the size."""
    if told != kind.itemsize:
        raise _Wrong(f"its header tells of records of {told} bytes, and they must have {kind.itemsize}")
    rest = len(body) - start
    if rest < 0:
        raise _Wrong(_WITHIN_HEADER)
    if rest % kind.itemsize:
        raise _Wrong(f"it ends within record {rest // kind.itemsize + 1:,}; copy it again")
    if rest // kind.itemsize > _RECORDS_MAX:
        raise _Unknown(f"it has {rest // kind.itemsize:,} records, and at most {_RECORDS_MAX:,} are read")
    return np.frombuffer(body, kind, offset=start)


def _some_records(body: memoryview, start: int, kind: np.dtype[Any], *, told: int) -> Array:
    """Take the records of a file that every run has some of."""
    records = _records(body, start, kind, told=told)
    if not len(records):
        raise _Wrong("it holds no record: nothing was measured of the run")
    return records


def _last_of(records: Array, last: str | None = None) -> Array:
    """Give the last record of each lane, tile, and cycle or code: what was written again counts once."""
    key = records["lane"].astype(np.uint64) << np.uint64(48) | records["tile"].astype(np.uint64) << np.uint64(16)
    if last is not None:
        key |= records[last].astype(np.uint64)
    _, places = np.unique(key[::-1], return_index=True)
    return records if len(places) == len(records) else records[len(records) - 1 - np.sort(places)[::-1]]


def _by_lane(lanes: Array, sum_up: Callable[[Array], Found | None]) -> Lanes:
    """Sum up each lane for itself, by its records; none of a file with more lanes than there can be."""
    numbers = np.unique(lanes)
    if len(numbers) > CHANNELS_OF_FILE:
        return {}
    found = ((int(lane), sum_up(lanes == lane)) for lane in numbers)
    return {lane: told for lane, told in found if told is not None}


def _q_metrics(body: memoryview) -> tuple[Found, Curve | None, Lanes]:
    """Sum up the qualities of the base calls of clusters that passed the filter, over all cycles and indices."""
    version, told = _header(body, versions=(4, 5, 6, 7))
    values, start = _bins(body, version)
    columns = _UNBINNED if version < 6 or values is None else len(values)
    kind = np.dtype([*_identity(version, since=7), ("counts", "<u4", (columns,))])
    records = _last_of(_some_records(body, start, kind, told=told), "cycle")
    qualities = np.arange(1, _UNBINNED + 1) if version < 6 or values is None else values
    summed = _qualities(records, qualities)
    if summed is None:
        raise _Wrong("it counts no base calls: nothing passed the filter")
    found, cycles, shares = summed

    def of_lane(chosen: Array) -> Found | None:
        told = _qualities(records[chosen], qualities)
        return None if told is None else told[0]

    return found, _by_cycle("run_q30_share_by_cycle", cycles, shares), _by_lane(records["lane"], of_lane)


def _qualities(records: Array, qualities: Array) -> tuple[Found, Array, Array] | None:
    """Sum up base calls, and give the share of good ones by cycle; None without any."""
    cycles, places = np.unique(records["cycle"], return_inverse=True)
    total, good = np.zeros(len(cycles), np.uint64), np.zeros(len(cycles), np.uint64)
    for first in range(0, len(records), _LOT):
        lot, where = records["counts"][first : first + _LOT], places[first : first + _LOT]
        np.add.at(total, where, lot.sum(axis=1, dtype=np.uint64))
        np.add.at(good, where, lot[:, qualities >= _Q30].sum(axis=1, dtype=np.uint64))
    calls = int(total.sum())
    if calls == 0:
        return None
    called = total > 0
    shares = good[called] / total[called]
    found: Found = {
        "run_base_calls": float(calls),
        "run_q30_share": float(good.sum()) / calls,
        "run_cycles": float(len(cycles)),
        "run_worst_cycle_q30_share": float(shares.min()),
        "run_lacking_calls_share": 1 - len(records) / (len(cycles) * len(_last_of(records))),
    }
    return found, cycles[called], shares


def _bins(body: memoryview, version: int) -> tuple[Array | None, int]:
    """Give the quality that each bin stands for, None for one bin a quality, and where the records begin."""
    if version == 4:
        return None, 2
    if len(body) < 4:
        raise _Wrong(_WITHIN_HEADER)
    if not body[2]:
        if version >= 7:
            raise _Wrong("its header tells of no bins of qualities")
        return None, 3
    count = body[3]
    told = np.frombuffer(body[4 : 4 + 3 * count], np.uint8)
    if not 0 < count <= _UNBINNED or len(told) < 3 * count:
        raise _Wrong(f"its header tells of {count} bins of qualities, and does not hold them")
    values = told[2::3] if version >= 7 else told[2 * count :]
    return values, 4 + 3 * count


def _identity(version: int, *, since: int) -> list[tuple[str, str]]:
    """Give what a record begins with; tiles have longer numbers since some version."""
    return [("lane", "<u2"), ("tile", "<u4" if version >= since else "<u2"), ("cycle", "<u2")]


def _tile_metrics(body: memoryview) -> tuple[Found, Curve | None, Lanes]:
    """Sum up clusters, and those that passed the filter, over all tiles."""
    version, told = _header(body, versions=(2, 3))
    clusters, passed, density, lanes = (_tiles_2 if version == 2 else _tiles_3)(body, told)
    for one in (clusters, passed, density):
        if np.isinf(one).any() or (one < 0).any():
            raise _Wrong("it counts clusters by numbers that no tile can have")
    clusters, passed = np.nan_to_num(clusters), np.nan_to_num(passed)
    total = float(clusters.sum())
    if total == 0:
        raise _Wrong("it counts no clusters on any tile")
    if float(passed.sum()) > total * (1 + 1e-6):
        raise _Wrong("it counts more clusters that passed the filter than there are")
    by_lane = _by_lane(lanes, lambda chosen: _tiles(clusters[chosen], passed[chosen], density[chosen]))
    return _tiles(clusters, passed, density), None, by_lane


def _tiles(clusters: Array, passed: Array, density: Array) -> Found:
    total = float(clusters.sum())
    measured = density[np.isfinite(density)]
    return {
        "run_clusters": float(passed.sum()),
        "run_passed_filter_share": min(1.0, float(passed.sum()) / total) if total else None,
        "run_density_per_mm2": float(measured.mean()) if measured.size else None,
        "run_tiles": float(len(clusters)),
        "run_silent_tiles_share": float((passed == 0).mean()),
    }


def _tiles_2(body: memoryview, told: int) -> tuple[Array, Array, Array, Array]:
    kind = np.dtype([("lane", "<u2"), ("tile", "<u2"), ("code", "<u2"), ("value", "<f4")])
    records = _last_of(_some_records(body, 2, kind, told=told), "code")
    key = records["lane"].astype(np.int64) << 16 | records["tile"]
    tiles = np.unique(key[np.isin(records["code"], (_CLUSTERS, _PASSED))])
    found = []
    for code in (_CLUSTERS, _PASSED, _DENSITY):
        column, chosen = np.full(len(tiles), np.nan), records["code"] == code
        there = np.isin(key[chosen], tiles)
        column[np.searchsorted(tiles, key[chosen][there])] = records["value"][chosen][there]
        found.append(column)
    return found[0], found[1], found[2], tiles >> 16


def _tiles_3(body: memoryview, told: int) -> tuple[Array, Array, Array, Array]:
    kind = np.dtype([("lane", "<u2"), ("tile", "<u4"), ("code", "u1"), ("first", "<f4"), ("second", "<f4")])
    records = _some_records(body, 6, kind, told=told)
    area = float(np.frombuffer(body[2:6], "<f4")[0])
    tiles = _last_of(records[records["code"] == ord("t")])
    clusters = tiles["first"].astype(float)
    density = clusters / area if np.isfinite(area) and area > 0 else np.full(len(tiles), np.nan)
    return clusters, tiles["second"].astype(float), density, tiles["lane"]


def _error_metrics(body: memoryview) -> tuple[Found, Curve | None, Lanes]:
    """Average the error rate of the PhiX control over lanes, tiles and cycles; a run without any has no rate."""
    version, told = _header(body, versions=(3, 4, 5, 6))
    start, size = 2, _ERROR_ID_BYTES.get(version, 0)
    if version == 6:
        if len(body) < 6:
            raise _Wrong(_WITHIN_HEADER)
        adapters, bases = np.frombuffer(body[2:6], "<u2")
        start, size = 6 + int(adapters) * int(bases), 12 + 4 * int(adapters)
    named = _identity(version, since=4)
    used = np.dtype([*named, ("error", "<f4")]).itemsize
    kind = np.dtype(
        [*named, ("error", "<f4"), ("rest", f"V{size - used}")] if size > used else [*named, ("error", "<f4")]
    )
    records = _last_of(_records(body, start, kind, told=told), "cycle")
    errors = records["error"].astype(float) / 100
    known = np.isfinite(errors)
    if not known.any():
        return {"run_error_share": None}, None, {}
    if (errors[known] < 0).any() or (errors[known] > 1).any():
        raise _Wrong("it holds error rates that are no share of the bases")
    cycles, places = np.unique(records["cycle"][known], return_inverse=True)
    means = np.bincount(places, weights=errors[known]) / np.bincount(places)
    lanes = records["lane"][known]
    by_lane = _by_lane(lanes, lambda chosen: {"run_error_share": float(errors[known][chosen].mean())})
    found: Found = {"run_error_share": float(errors[known].mean())}
    return found, _by_cycle("run_error_share_by_cycle", cycles, means), by_lane


def _by_cycle(name: str, cycles: Array, values: Array) -> Curve:
    step = -(-len(cycles) // CURVE_POINTS)
    return Curve(name=name, x=tuple(map(float, cycles[::step])), y=tuple(map(float, values[::step])))


_READERS: dict[str, Callable[[memoryview], tuple[Found, Curve | None, Lanes]]] = {
    "Q": _q_metrics,
    "Tile": _tile_metrics,
    "Error": _error_metrics,
}
