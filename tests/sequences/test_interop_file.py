"""What Illumina's sequencers measure of a run, read as Illumina's own library reads it, never past what is wrong."""

from __future__ import annotations

import random
import struct
from math import isnan
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from interop import py_interop_comm, py_interop_metrics

from cisterna.adapters.sequence_meter import SequenceMeter
from cisterna.ports.quality import Meter, Reading
from cisterna.testing.interop_files import BINS, error_metrics, q_metrics, tile_metrics
from cisterna.testing.meter_contract import MeterContract

METER = SequenceMeter()
CHANCE = random.Random(3)
TILES = [(lane, tile) for lane in (1, 2) for tile in (1101, 1102, 2205)]
CALLS = {(*tile, cycle): [CHANCE.randrange(1000) for _ in BINS] for cycle in range(1, 30) for tile in TILES}
CLUSTERS = {tile: (1000.0 + number, 700.0 + number) for number, tile in enumerate(TILES)}
PERCENTS = {place: CHANCE.random() for place in CALLS}


def read(body: bytes, kind: str) -> Reading:
    return METER.read(memoryview(body), path=f"InterOp/{kind}MetricsOut.bin")


def by_illumina(body: bytes, metrics: Any) -> list[Any]:
    """Give the library's records, which live as long as `metrics`."""
    py_interop_comm.read_interop_from_buffer(np.frombuffer(body, np.uint8), metrics)
    return [metrics.at(index) for index in range(metrics.size())]


class Contract(MeterContract):
    @pytest.fixture
    def meter(self) -> Meter:
        return METER


class TestQualities(Contract):
    @pytest.fixture(params=[4, 5, 6])  # one of version 7 that is cut off after 40 bytes has a whole record
    def good(self, request: pytest.FixtureRequest) -> tuple[str, bytes]:
        return "run/InterOp/QMetricsOut.bin", q_metrics(CALLS, version=request.param)


class TestTiles(Contract):
    @pytest.fixture(params=[2, 3])
    def good(self, request: pytest.FixtureRequest) -> tuple[str, bytes]:
        return "InterOp/TileMetricsOut.bin", tile_metrics(CLUSTERS, version=request.param)


class TestErrors(Contract):
    @pytest.fixture(params=[3, 4, 5, 6])
    def good(self, request: pytest.FixtureRequest) -> tuple[str, bytes]:
        return "InterOp/ErrorMetricsOut.bin", error_metrics(PERCENTS, version=request.param)


@pytest.mark.parametrize("version", [5, 6, 7])
def test_qualities_are_what_illumina_reads(version: int) -> None:
    body = q_metrics(CALLS, version=version)

    found = read(body, "Q").metrics

    metrics = py_interop_metrics.base_q_metrics()
    tiles = by_illumina(body, metrics)
    values = [metrics.bin_at(index).value() for index in range(metrics.bin_count())]
    counts = [(one.cycle(), [one.qscore_hist(index) for index in range(len(values))]) for one in tiles]
    calls = sum(sum(count) for _, count in counts)
    good = sum(number for _, count in counts for value, number in zip(values, count, strict=True) if value >= 30)
    assert values == [value for _, _, value in BINS]
    assert (found["run_base_calls"], found["run_cycles"]) == (calls, 29)
    assert found["run_q30_share"] == pytest.approx(good / calls)
    shares = []
    for cycle in range(1, 30):
        of_cycle = [count for at, count in counts if at == cycle]
        shares.append(sum(count[-1] for count in of_cycle) / sum(map(sum, of_cycle)))
    assert found["run_worst_cycle_q30_share"] == pytest.approx(min(shares))
    (curve,) = read(body, "Q").curves
    assert (curve.name, curve.x) == ("run_q30_share_by_cycle", tuple(range(1, 30)))
    assert curve.y == pytest.approx(shares)


def test_every_version_of_a_file_of_qualities_says_the_same() -> None:
    found = [read(q_metrics(CALLS, version=version), "Q").metrics for version in (4, 5, 6, 7)]

    assert all(one == found[0] for one in found)


def test_single_qualities_count_from_one() -> None:
    """In a file without bins, the thirtieth count is that of Q30."""
    body = bytes([4, 206]) + struct.pack("<HHH50I", 1, 1101, 1, *[0] * 28, 3, 5, *[0] * 20)

    assert read(body, "Q").metrics["run_q30_share"] == 5 / 8


def test_a_file_of_qualities_that_ends_between_two_records_is_told() -> None:
    whole, lacking = q_metrics(CALLS), q_metrics(CALLS)[:-48]

    assert read(whole, "Q").metrics["run_lacking_calls_share"] == 0
    assert read(lacking, "Q").metrics["run_lacking_calls_share"] == pytest.approx(2 / len(CALLS))


@pytest.mark.parametrize("version", [2, 3])
def test_tiles_are_what_illumina_reads(version: int) -> None:
    body = tile_metrics({**CLUSTERS, (2, 2206): (900.0, 0.0)}, version=version)

    found = read(body, "Tile").metrics

    metrics = py_interop_metrics.base_tile_metrics()
    tiles = by_illumina(body, metrics)
    total = sum(one.cluster_count() for one in tiles)
    passed = sum(one.cluster_count_pf() for one in tiles)
    density = [one.cluster_density() for one in tiles]
    assert (found["run_clusters"], found["run_tiles"]) == (passed, len(tiles))
    assert found["run_passed_filter_share"] == pytest.approx(passed / total)
    assert found["run_density_per_mm2"] == pytest.approx(sum(density) / len(density))
    assert found["run_silent_tiles_share"] == pytest.approx(1 / 7)


def test_a_flow_cell_of_unknown_area_has_no_density() -> None:
    body = tile_metrics(CLUSTERS, area_mm2=float("nan"))

    found = read(body, "Tile").metrics

    metrics = py_interop_metrics.base_tile_metrics()
    tiles = by_illumina(body, metrics)
    assert all(isnan(one.cluster_density()) for one in tiles)
    assert found["run_density_per_mm2"] is None
    assert found["run_clusters"] == sum(passed for _, passed in CLUSTERS.values())


@pytest.mark.parametrize("version", [3, 4, 5, 6])
def test_errors_are_what_illumina_reads(version: int) -> None:
    body = error_metrics(PERCENTS, version=version)

    found = read(body, "Error")

    metrics = py_interop_metrics.base_error_metrics()
    rates = [one.error_rate() for one in by_illumina(body, metrics)]
    assert found.metrics["run_error_share"] == pytest.approx(sum(rates) / len(rates) / 100)
    assert found.curves[0].name == "run_error_share_by_cycle"


@pytest.mark.parametrize(
    ("body", "kind", "name"),
    [
        (q_metrics(CALLS) + q_metrics(CALLS)[16:], "Q", "run_base_calls"),
        (tile_metrics(CLUSTERS, version=2) + tile_metrics(CLUSTERS, version=2)[2:], "Tile", "run_clusters"),
        (tile_metrics(CLUSTERS) + tile_metrics(CLUSTERS)[6:], "Tile", "run_clusters"),
    ],
    ids=["qualities", "tiles of version 2", "tiles of version 3"],
)
def test_what_is_written_twice_counts_once(body: bytes, kind: str, name: str) -> None:
    once = {"Q": q_metrics(CALLS), "Tile": tile_metrics(CLUSTERS)}[kind]

    assert read(body, kind).metrics[name] == read(once, kind).metrics[name]


ONE = {(1, 1101, 1): [1, 2, 3, 4]}
WRONG: dict[str, tuple[str, bytes, str]] = {
    "empty": ("Q", b"", "the file is empty"),
    "one byte": ("Q", b"\x07", "within its header"),
    "no bins": ("Q", b"\x07\x08\x00\x00", "tells of no bins"),
    "bins that are not there": ("Q", b"\x07\x18\x01\x04\x00", "tells of 4 bins"),
    "no record": ("Q", q_metrics({}), "it holds no record"),
    "cut off": ("Q", q_metrics(CALLS)[:-3], "it ends within record 174"),
    "a wrong size of records": ("Q", b"\x07\x63" + q_metrics(CALLS)[2:], "records of 99 bytes"),
    "no calls": ("Q", q_metrics({(1, 1101, 1): [0, 0, 0, 0]}), "it counts no base calls"),
    "tiles cut off": ("Tile", tile_metrics(CLUSTERS)[:-1], "it ends within record"),
    "tiles cut off in the header": ("Tile", b"\x03\x0f\x00", "within its header"),
    "tiles without clusters": ("Tile", tile_metrics({(1, 1101): (0.0, 0.0)}), "counts no clusters"),
    "infinite clusters": ("Tile", tile_metrics({(1, 1101): (float("inf"), 1.0)}), "no tile can have"),
    "fewer than none": ("Tile", tile_metrics({(1, 1101): (9.0, -1.0)}, version=2), "no tile can have"),
    "no numbers": ("Tile", tile_metrics({(1, 1101): (float("nan"), float("nan"))}), "counts no clusters"),
    "more passed than there are": ("Tile", tile_metrics({(1, 1101): (5.0, 6.0)}), "more clusters that passed"),
    "errors beyond all bases": ("Error", error_metrics({(1, 1101, 1): 101.0}), "no share of the bases"),
    "errors cut off": ("Error", error_metrics(PERCENTS, version=6)[:4], "within its header"),
}


@pytest.mark.parametrize("name", WRONG, ids=list(WRONG))
def test_what_is_wrong_is_a_problem_in_words(name: str) -> None:
    kind, body, words = WRONG[name]

    found = read(body, kind)

    assert words in (found.problem or "")
    assert not any(value is not None for value in found.metrics.values())


@pytest.mark.parametrize("percents", [{}, {(1, 1101, 1): float("nan")}], ids=["no record", "no number"])
@pytest.mark.parametrize("version", [3, 4, 5, 6])
def test_a_run_without_a_control_has_no_error_rate_and_no_problem(
    version: int, percents: dict[tuple[int, int, int], float]
) -> None:
    found = read(error_metrics(percents, version=version), "Error")

    assert (found.problem, found.unmeasured, found.metrics["run_error_share"]) == (None, None, None)


@pytest.mark.parametrize(("kind", "version"), [("Q", 8), ("Q", 3), ("Tile", 4), ("Error", 7)])
def test_a_version_that_is_not_known_is_not_measured_and_not_held_against_the_run(kind: str, version: int) -> None:
    found = read(bytes([version, 16]) + bytes(160), kind)

    assert found.problem is None
    assert f"version {version} of this file is not read here" in (found.unmeasured or "")


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["Q", "Tile", "Error"]),
    st.sampled_from(
        [q_metrics(ONE), tile_metrics(CLUSTERS), tile_metrics(CLUSTERS, version=2), error_metrics(PERCENTS)]
    ),
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 255)), max_size=5),
    st.integers(0, 200),
)
def test_no_bytes_raise_anything(kind: str, body: bytes, changes: list[tuple[int, int]], stop: int) -> None:
    changed = bytearray(body)
    for place, byte in changes:
        changed[place % len(changed)] = byte

    found = read(bytes(changed[:stop]), kind)

    measured = [value for value in found.metrics.values() if value is not None]
    assert not (measured and (found.problem or found.unmeasured))
    assert measured or found.problem or found.unmeasured or kind == "Error"
    assert np.isfinite(measured).all()


def test_more_records_than_any_flow_cell_has_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cisterna.adapters.interop_file._RECORDS_MAX", 3)
    body = tile_metrics({(1, tile): (1000.0, 800.0) for tile in range(1101, 1105)})

    reading = read(body, "Tile")

    assert reading.problem is None
    assert "records, and at most 3 are read" in (reading.unmeasured or "")
