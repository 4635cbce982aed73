"""The meter of cytometry keeps the contract, and its metrics are what plain numpy finds in the same events."""

from __future__ import annotations

import binascii
import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cisterna.adapters import fcs_gather
from cisterna.adapters.fcs_meter import FcsMeter
from cisterna.adapters.fcs_time import rate_of, seconds_of
from cisterna.ports.quality import Meter, Reading
from cisterna.testing.meter_contract import MeterContract
from cisterna.testing.virtual_cells import PARAMETERS, TOP, cells
from cisterna.testing.virtual_cytometer import fcs, fcs_of, sample
from tests.quality import cytometry_reference as reference

METER = FcsMeter()


def read(body: bytes) -> Reading:
    return METER.read(memoryview(body), path="a.fcs")


def metric(body: bytes, name: str) -> float | None:
    reading = read(body)
    assert (reading.problem, reading.unmeasured) == (None, None)
    return reading.metrics[name]


class TestFcs(MeterContract):
    @pytest.fixture
    def meter(self) -> Meter:
        return METER

    @pytest.fixture
    def good(self) -> tuple[str, bytes]:
        return "a.fcs", sample()


def in_pieces(body: bytes, cuts: list[int]) -> Reading:
    with METER.spool("a.fcs", size_bytes=len(body)) as spool:
        for start, stop in itertools.pairwise([0, *sorted(cuts), len(body)]):
            spool.write(memoryview(body)[start:stop])
        return spool.read(keep_on=lambda: None)


TWO_SETS = fcs_of(cells(900), PARAMETERS, said={"$NEXTDATA": str(4096 + 900 * 24)}) + sample(cells(500, seed=1))
WITH_SUPPLEMENT = fcs_of(
    cells(300),
    PARAMETERS,
    said={"$BEGINSTEXT": str(4096 + 300 * 24), "$ENDSTEXT": str(4096 + 300 * 24 + 17)},
    tail=b"/$TIMESTEP/0.0200/00000000",
)
BODIES = {"one data set": sample(cells(3000)), "two": TWO_SETS, "a supplement": WITH_SUPPLEMENT}


@pytest.mark.parametrize("name", BODIES)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_it_does_not_matter_how_the_bytes_are_cut(name: str, data: st.DataObject) -> None:
    body = BODIES[name]

    cuts = data.draw(st.lists(st.integers(0, len(body)), max_size=20))

    assert in_pieces(body, cuts) == read(body)


def test_it_does_not_matter_that_each_byte_comes_alone() -> None:
    assert in_pieces(WITH_SUPPLEMENT, list(range(1, len(WITH_SUPPLEMENT)))) == read(WITH_SUPPLEMENT)


def test_blocks_and_samples_of_a_file_that_is_larger_than_both_are_the_same_however_it_is_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fcs_gather, "BLOCK_BYTES", 24 * 100)
    monkeypatch.setattr(fcs_gather, "SAMPLE_EVENTS", 1000)
    events = cells(5000, drift=0.5)
    body = sample(events)
    single = events.astype(np.float32).astype(np.float64)

    reading = read(body)

    assert reading == in_pieces(body, list(range(0, len(body), 777)))
    assert reading.metrics["sampled_events"] == 625  # every eighth
    assert reading.metrics["drift"] is None  # too few
    medians = next(curve.y for curve in reading.curves if curve.name == "median_by_parameter")
    assert medians == tuple(reference.quantile(column, 0.5) for column in single[::8].T)


SABOTAGED: dict[str, dict[str, float]] = {
    "good": {},
    "clogged": {"clog": 0.2},
    "surging": {"surge": 0.1},
    "drifting": {"drift": 0.5},
    "off scale": {"margin": 0.1},
    "clumped": {"doublets": 0.3},
}


@pytest.mark.parametrize("name", SABOTAGED)
def test_every_metric_is_that_of_plain_numpy(name: str) -> None:
    events = cells(6000, seed=3, **SABOTAGED[name])
    single = events.astype(np.float32).astype(np.float64)

    found = read(sample(events)).metrics

    expected = reference.metrics(single, PARAMETERS, [TOP] * 6)
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-12)
    rate = reference.rate(single[:, 0])
    assert rate is not None
    assert found["rate_variation"] == pytest.approx(rate[0], rel=0.2)  # bins of whole ticks are a little wider
    assert (found["slow_time_share"], found["fast_time_share"]) == pytest.approx(rate[1:], abs=0.03)
    assert found["acquisition_seconds"] == pytest.approx(np.ptp(single[:, 0]) / 100, abs=1e-9)
    assert found["event_rate_per_second"] == pytest.approx(6000 / 60, rel=0.01)


@pytest.mark.parametrize(
    ("kind", "bits", "is_little", "version"),
    [
        ("F", 32, True, "FCS3.1"),
        ("F", 32, False, "FCS2.0"),
        ("D", 64, True, "FCS3.0"),
        ("D", 64, False, "FCS3.2"),
        ("I", 16, True, "FCS3.1"),
        ("I", 16, False, "FCS2.0"),
        ("I", 24, False, "FCS3.0"),
        ("I", 32, True, "FCS3.2"),
        ("I", 40, True, "FCS3.1"),
        ("I", 64, False, "FCS3.1"),
        ("I", [16, 32, 8], True, "FCS3.0"),
        ("I", [24, 8, 16], False, "FCS3.0"),
    ],
)
def test_numbers_of_every_kind_are_read(kind: str, bits: list[int] | int, is_little: bool, version: str) -> None:
    values = np.array([[0, 200, 9], [60_000, 3, 255], [7, 1000, 17]])

    reading = read(fcs_of(values, "abc", kind=kind, bits=bits, top=65_536, is_little=is_little, version=version))

    curves = {curve.name: curve.y for curve in reading.curves}
    narrow = {8: 256, 16: 65_536}
    widths = [bits] * 3 if isinstance(bits, int) else bits
    seen = np.array([values[:, place] % narrow.get(width, 2**40) for place, width in enumerate(widths)]).T
    assert curves["minimum_by_parameter"] == tuple(seen.min(axis=0))
    assert curves["median_by_parameter"] == tuple(np.sort(seen, axis=0)[1])
    assert curves["maximum_by_parameter"] == tuple(seen.max(axis=0))


def test_parameters_may_be_of_different_kinds_as_fcs_3_2_lets_them() -> None:
    rows = np.zeros(4, dtype=[("a", "<u2"), ("b", "<f4"), ("c", "<f8")])
    rows["a"], rows["b"], rows["c"] = [1, 2, 3, 4], [0.5, 1.5, 2.5, 3.5], [1e9, 2e9, 3e9, 4e9 + 1]
    said = {"$P1DATATYPE": "I", "$P1B": "16", "$P3DATATYPE": "D", "$P3B": "64", "$TOT": "4", "$ENDDATA": "4151"}
    body = fcs_of(np.zeros((4, 3)), "abc", said=said, version="FCS3.2").replace(b"    4143", b"    4151", 1)

    curves = {curve.name: curve.y for curve in read(body[:4096] + rows.tobytes()).curves}

    assert curves["maximum_by_parameter"] == (4.0, 3.5, 4e9 + 1)


def test_bits_above_the_range_are_none_of_the_value() -> None:
    values = np.array([[1024 + 5], [0xFC00 + 7]])

    reading = read(fcs_of(values, "a", kind="I", bits=16, top=1024))

    assert next(curve.y for curve in reading.curves if curve.name == "maximum_by_parameter") == (7,)


def test_values_that_are_no_number_are_counted_over_every_event() -> None:
    events = cells(4000)
    events[17, 4], events[18, 5], events[19, 5] = np.nan, np.inf, -np.inf

    found = read(sample(events)).metrics

    assert found["nonfinite_share"] == 2 / 4000
    assert found["drift"] is not None


def test_a_file_of_nothing_but_nan_has_no_metric_that_could_pass() -> None:
    found = read(sample(np.full((4000, 6), np.nan))).metrics

    assert found["nonfinite_share"] == 1
    for name in ("slow_time_share", "drift", "doublet_share", "fluorescence_range_used_share"):
        assert found[name] is None


def test_a_file_without_an_event_has_none_and_nothing_else() -> None:
    found = read(sample(cells(0))).metrics

    assert found["events"] == 0
    for name in ("fluorescence_margin_share", "nonfinite_share", "constant_detectors", "drift", "slow_time_share"):
        assert found[name] is None


def test_time_that_steps_back_is_counted_across_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcs_gather, "BLOCK_BYTES", 24 * 10)
    events = cells(1000)
    events[[10, 555], 0] = -1.0

    assert metric(sample(events), "time_backwards_share") == 2 / 999


# ---------------------------------------------------------------- the clock


def test_a_file_that_tells_no_time_has_none_and_no_rate() -> None:
    found = read(fcs_of(cells(300)[:, 1:], PARAMETERS[1:])).metrics

    assert (found["acquisition_seconds"], found["event_rate_per_second"], found["time_backwards_share"]) == (None,) * 3


def test_a_coarse_clock_makes_no_gaps() -> None:
    times = np.repeat(np.arange(150.0), 40)  # 6,000 events, 150 ticks

    rate = rate_of(times)

    assert rate is not None
    assert (rate.slow, rate.fast, rate.variation) == (0, 0, 0)


def test_a_tick_that_fits_into_the_time_more_often_than_there_are_numbers_gives_no_rate_and_no_crash() -> None:
    times = np.repeat([0, 1e-300, *np.linspace(1, 1e30, 98)], 6)

    reading = read(fcs_of(np.stack([times, times], axis=1), ("Time", "FSC-A"), kind="D", bits=64))

    assert rate_of(times) is None
    assert (reading.problem, reading.metrics["events"], reading.metrics["slow_time_share"]) == (None, 600, None)


def test_one_time_far_away_is_a_gap_and_no_crash() -> None:
    times = np.append(np.linspace(0, 100, 5000), 1e29)

    rate = rate_of(times)

    assert rate is not None
    assert rate.slow > 0.9


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ({"$BTIM": "23:59:50", "$ETIM": "00:00:10"}, 20.0),
        ({"$BTIM": "10:00:00:00", "$ETIM": "10:00:01:30"}, 1.5),  # sixtieths
        ({"$BTIM": "10:00:00:000", "$ETIM": "10:00:01:250"}, 1.25),  # thousandths
        ({"$BTIM": "10:00:00.25", "$ETIM": "10:00:01.50"}, 1.25),
        ({"$BEGINDATETIME": "2026-11-30T10:00:00Z", "$ENDDATETIME": "2026-11-30T11:00:00+00:00"}, 3600.0),
        ({"$BTIM": "noon", "$ETIM": "10:00:01"}, None),
        ({"$ETIM": "10:00:01"}, None),
        ({"$BEGINDATETIME": "2026-11-30T10:00:00Z", "$ENDDATETIME": "2026-11-30T09:00:00Z"}, None),
        ({"$TIMESTEP": "0", "$BTIM": "10:00:00", "$ETIM": "10:00:05"}, 5.0),
        ({"$TIMESTEP": "0.5", "$BTIM": "10:00:00", "$ETIM": "10:00:05"}, 8.0),
    ],
)
def test_how_long_it_took_is_told_by_events_or_by_the_wall(said: dict[str, str], seconds: float | None) -> None:
    assert seconds_of(said, ticks=16.0) == seconds


# ---------------------------------------------------------------- the matrix

MATRICES: dict[str, tuple[str, float, float]] = {
    "none": ("0", 0, 0),
    "usable": ("2,FITC-A,PE-A,1,0.2,0.1,1", 2, 0),
    "singular": ("2,FITC-A,PE-A,1,0.5,2,1", 2, 1),
    "a name that is no parameter": ("2,FITC-A,APC-A,1,0,0,1", 2, 1),
    "a name twice": ("2,PE-A,PE-A,1,0,0,1", 2, 1),
    "too few values": ("2,FITC-A,PE-A,1,0,0", 2, 1),
    "too many values": ("2,FITC-A,PE-A,1,0,0,1,1", 2, 1),
    "words for values": ("2,FITC-A,PE-A,1,low,0,1", 2, 1),
    "not a number": ("2,FITC-A,PE-A,nan,0,0,1", 2, 1),
    "a size without end": ("999999999,FITC-A", 0, 1),
    "a size below nothing": ("-1,FITC-A", 0, 1),
}


@pytest.mark.parametrize("name", MATRICES)
def test_a_spillover_matrix_is_judged(name: str) -> None:
    text, channels, invalid = MATRICES[name]

    found = read(sample(cells(300), said={"$SPILLOVER": text})).metrics

    assert (found["spillover_channels"], found["spillover_invalid"]) == (channels, invalid)
    assert (found["spillover_condition"] is None) == (name != "usable")


def test_the_condition_is_that_of_numpy() -> None:
    condition = metric(sample(cells(300)), "spillover_condition")

    assert condition == pytest.approx(np.linalg.cond(np.array([[1, 0.15], [0.02, 1]])))


# ---------------------------------------------------------------- checksums


def with_crc(word: str) -> bytes:
    return sample(cells(200)) + word.encode()


CRC = binascii.crc_hqx(sample(cells(200)), 0xFFFF)


@pytest.mark.parametrize(
    ("word", "wrong"),
    [
        ("00000000", 0),
        ("", 0),
        ("\0" * 8, 0),
        ("not one!", 0),
        (f"{CRC:8d}", 0),
        (f"{CRC:08X}", 0),
        (f"{binascii.crc_hqx(sample(cells(200)), 0):08d}", 0),
        (f"{CRC ^ 1:08d}", 1),
        ("deadbeef", 1),
    ],
)
def test_a_checksum_at_the_end_is_held_against_the_bytes(word: str, wrong: float) -> None:
    assert metric(with_crc(word), "crc_wrong") == wrong


def test_the_checksum_of_a_file_too_large_to_keep_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cisterna.adapters.fcs_walk.KEPT_BYTES", 1000)

    assert metric(with_crc("00000000"), "crc_wrong") == 0
    assert metric(with_crc(f"{CRC:08d}"), "crc_wrong") is None


def test_a_checksum_stands_behind_an_analysis_that_text_alone_tells_of() -> None:
    body = sample(cells(200), said={"$BEGINANALYSIS": "8896", "$ENDANALYSIS": "8910"}) + b"/GATE/12345678/"

    crc = binascii.crc_hqx(body, 0xFFFF)

    assert metric(body + f"{crc:08d}".encode(), "crc_wrong") == 0
    assert metric(body + f"{crc ^ 1:08d}".encode(), "crc_wrong") == 1


def test_one_checksum_that_nobody_checked_is_not_made_right_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    first = sample(cells(200), said={"$NEXTDATA": str(4096 + 200 * 24 + 8)})
    unchecked = first + b"0000BEEF" + with_crc("00000000")

    assert metric(unchecked, "crc_wrong") == 1
    monkeypatch.setattr("cisterna.adapters.fcs_walk.KEPT_BYTES", 1000)
    assert metric(unchecked, "crc_wrong") is None


# ---------------------------------------------------------------- curves


def curve(reading: Reading, begins: str) -> tuple[NDArray[Any], NDArray[Any]]:
    found = next(one for one in reading.curves if one.name.startswith(begins))
    return np.array(found.x), np.array(found.y)


def test_the_rate_over_time_shows_the_clog() -> None:
    seconds, rates = curve(read(sample(cells(6000, clog=0.3))), "event_rate_per_second_by_seconds")

    assert seconds[-1] == pytest.approx(60, abs=2)
    usual, clogged = (rates[(seconds > low) & (seconds < high)].mean() for low, high in ((0, 29), (31, 47)))
    assert clogged / usual == pytest.approx(0.1, abs=0.05)


def test_a_histogram_holds_every_sampled_event_of_a_detector_and_none_is_drawn_of_the_time() -> None:
    reading = read(sample(cells(4000)))

    names = [one.name for one in reading.curves if one.name.startswith("events_by_asinh150")]
    values, counts = curve(reading, "events_by_asinh150 P5 FITC-A")

    assert names == [f"events_by_asinh150 P{place} {name}" for place, name in enumerate(PARAMETERS[1:], 2)]
    assert (len(values), counts.sum()) == (128, 4000)
    assert values[np.argmax(counts)] == pytest.approx(np.arcsinh(250 / 150), abs=0.4)


def test_at_most_32_histograms_are_drawn() -> None:
    names = [f"D{number}" for number in range(60)]

    reading = read(fcs_of(np.random.default_rng(0).random((100, 60)), names))

    assert sum(one.name.startswith("events_by") for one in reading.curves) == 32


def test_files_are_taken_by_their_names() -> None:
    assert [METER.takes(path, is_image=False) for path in ("a.fcs", "B/C.LMD", "a.fcs.txt")] == [True, True, False]
    assert read(fcs()).metrics["events"] == 50
