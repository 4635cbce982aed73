"""Files that real cytometers wrote, as fcsparser ships them, read as flowio and fcsparser read them."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import fcsparser
import flowio
import numpy as np
import pytest
from fcsparser.api import FCSParser
from numpy.typing import NDArray

from cisterna.adapters.fcs_events import EventReader
from cisterna.adapters.fcs_meter import FcsMeter
from cisterna.domain.fcs_header import HEADER_BYTES, keywords_of, parts_of
from cisterna.domain.fcs_layout import Layout, layout_of
from cisterna.ports.quality import Reading
from cisterna.testing.virtual_cells import PARAMETERS, cells
from cisterna.testing.virtual_cytometer import sample
from tests.quality import cytometry_reference as reference

FOLDER = Path(fcsparser.__file__).parent / "tests/data/FlowCytometers"
BROKEN = {
    "corrupted/corrupted.fcs": "it has 10 bytes of 58",
    "cytek-nl-2000/sample_header.fcs": "has 3931 bytes and says that DATA ends at 2165911",
}
ALL = sorted(str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*") if path.suffix.lower() in {".fcs", ".lmd"})
WHOLE = [name for name in ALL if name not in BROKEN]
LARGE, SAME_AS_LARGE = "fake_large_fcs/fake_large_fcs.fcs", "Fortessa/FCS_3.0_Fortessa_PBS_Specimen_001_A1_A01.fcs"
CYTEK = "Cytek_xP5/Cytek_xP5.fcs"
GUAVA = "GuavaMuse/Guava Muse.fcs"
ONE_DATA_SET = [name for name in WHOLE if name != GUAVA]


class Told(NamedTuple):
    """What flowio reads of one data set."""

    values: NDArray[Any]
    names: Sequence[str]
    tops: Sequence[float]
    text: Mapping[str, str]


@cache
def body(name: str) -> bytes:
    return (FOLDER / name).read_bytes()


def by_flowio(data: bytes, offset: int) -> flowio.FlowData:
    """Read one data set; flowio warns of the one byte by which some cytometers count the end of DATA too far."""
    options = {"ignore_offset_error": True, "ignore_offset_discrepancy": True}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return flowio.FlowData(io.BytesIO(data), nextdata_offset=offset, **options)


def three_bytes(data: bytes) -> list[int]:
    """Read the whole numbers of 24 bits, the larger byte first, of the one file that flowio does not read."""
    masks = [32_767, *[1023] * 7]
    starts = range(4096, 559_120, 3)
    return [int.from_bytes(data[at : at + 3], "big") & masks[place % 8] for place, at in enumerate(starts)]


@cache
def told(name: str) -> tuple[Told, ...]:
    """Give what flowio reads; it takes no blank offsets, so of the file with them it reads the twin without."""
    data = body(SAME_AS_LARGE if name == LARGE else name)
    sets, offset = [], 0
    while not sets or int(sets[-1].text.get("nextdata", "0")):
        offset += int(sets[-1].text["nextdata"]) if sets else 0
        sets.append(by_flowio(data, offset))
    return tuple(
        Told(
            np.asarray(three_bytes(data) if name == CYTEK else one.events, float).reshape(-1, one.channel_count),
            one.pnn_labels,
            [float(top) for top in one.pnr_values],
            one.text,
        )
        for one in sets
    )


@cache
def reading(name: str) -> Reading:
    return FcsMeter().read(memoryview(body(name)), path=name)


def events_of(data: bytes) -> tuple[Layout, NDArray[Any], int]:
    """Read all events of the first data set with our own reader, and tell where the next one begins."""
    parts = parts_of(data[:HEADER_BYTES])
    assert parts is not None
    begin, end = parts["TEXT"]
    said = keywords_of(data[begin : end + 1])
    layout = layout_of(said, parts, version=data[:6].decode(), room_bytes=len(data))
    reader = EventReader(layout)
    out = np.empty((layout.events, len(layout.parameters)), dtype=reader.kind)
    reader.read(memoryview(data)[layout.begin : layout.stop], out)
    return layout, out, int(said.get("$NEXTDATA", "0"))


def test_there_are_real_files_of_all_versions_but_the_newest() -> None:
    assert len(WHOLE) == 15
    assert {body(name)[:6] for name in WHOLE} == {b"FCS2.0", b"FCS3.0", b"FCS3.1"}


@pytest.mark.parametrize("name", WHOLE)
def test_every_value_of_every_event_is_what_flowio_reads(name: str) -> None:
    at = 0
    for theirs in told(name):
        layout, ours, further = events_of(body(name)[at:])
        at += further

        assert [one.name for one in layout.parameters] == [label.strip() for label in theirs.names]
        assert np.array_equal(ours, theirs.values)


@pytest.mark.parametrize("name", [name for name in ONE_DATA_SET if name != LARGE])
def test_every_value_is_what_fcsparser_reads_of_the_files_that_it_can_read(name: str) -> None:
    layout, ours, _ = events_of(body(name))
    if not layout.is_little:  # its release of today asks numpy 2 for what only numpy 1 had
        with pytest.raises(AttributeError, match="newbyteorder"):
            FCSParser.from_data(body(name))
        return

    theirs = FCSParser.from_data(body(name)).dataframe.to_numpy()

    assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("name", ONE_DATA_SET)
def test_the_metrics_are_those_of_the_values_that_flowio_reads(name: str) -> None:
    (theirs,) = told(name)

    found = reading(name)

    assert (found.problem, found.unmeasured) == (None, None)
    for metric, value in reference.metrics(theirs.values, theirs.names, theirs.tops).items():
        assert found.metrics[metric] == pytest.approx(value, abs=1e-9), metric


@pytest.mark.parametrize("name", ONE_DATA_SET)
def test_medians_and_ranges_by_parameter_are_those_of_flowio(name: str) -> None:
    (theirs,) = told(name)
    sampled = theirs.values[:: reference.step_of(len(theirs.values))]

    curves = {curve.name: curve.y for curve in reading(name).curves}

    assert np.array_equal(curves["minimum_by_parameter"], theirs.values.min(axis=0))
    assert np.array_equal(curves["maximum_by_parameter"], theirs.values.max(axis=0))
    assert curves["median_by_parameter"] == tuple(reference.quantile(column, 0.5) for column in sampled.T)


def test_a_file_of_several_data_sets_has_what_is_worst_in_any_of_them() -> None:
    sets = [reference.metrics(one.values, one.names, one.tops) for one in told(GUAVA)]

    found = reading(GUAVA).metrics

    assert (found["data_sets"], found["events"]) == (4, sum(one["events"] or 0 for one in sets))
    assert found["scatter_not_positive_share"] == pytest.approx(
        max(one["scatter_not_positive_share"] or 0 for one in sets)
    )
    assert found["time_backwards_share"] == pytest.approx(max(one["time_backwards_share"] or 0 for one in sets))


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        (CYTEK, 18.988),  # 13:22:33 to 13:22:52 on its clock
        (SAME_AS_LARGE, 9.919),  # 15:19:53 to 15:20:03
        ("FACSCaliburHTS/Sample_Well_A02.fcs", 5.0),  # no $TIMESTEP: 11:28:29 to 11:28:34
        ("cyflow_cube_8/cyflow_cube_8.fcs", 99.838),  # 09:42:05:509 to 09:43:46:219
        ("fake_bitmask_error/fcs1_cleaned.lmd", 126.0),  # no time of any event
    ],
)
def test_an_acquisition_took_as_long_as_the_clock_says(name: str, seconds: float) -> None:
    assert reading(name).metrics["acquisition_seconds"] == pytest.approx(seconds, abs=0.001)


def test_a_real_matrix_without_values_is_invalid_and_real_ones_with_them_are_not() -> None:
    found = {name: reading(name).metrics["spillover_invalid"] for name in WHOLE}
    channels = {name: reading(name).metrics["spillover_channels"] for name in WHOLE}

    # MACSQuant's $SPILLOVER names six parameters and gives no number
    assert {name for name, value in found.items() if value} == {
        name for name in WHOLE if "/EY_2013-07-19_PBS_FCS_3.1" in name
    }
    assert channels["FACS_Diva/facs_diva_test.fcs"] == 8
    assert channels["HTS_BD_LSR-II/HTS_BD_LSR_II_Mixed_Specimen_001_D6_D06.fcs"] == 4


@pytest.mark.parametrize(("name", "says"), list(BROKEN.items()), ids=list(BROKEN))
def test_a_real_file_that_is_broken_is_a_problem_in_words(name: str, says: str) -> None:
    problem = reading(name).problem

    assert problem is not None
    assert says in problem


def test_what_another_writer_writes_is_measured_as_what_ours_writes() -> None:
    events = cells(3000, clog=0.2)
    file = io.BytesIO()
    words = {
        "timestep": "0.01",
        "spillover": "2,FITC-A,PE-A,1,0.15,0.02,1",
        **{f"p{n}r": "262144" for n in range(1, 7)},
    }
    flowio.create_fcs(file, events.ravel().tolist(), list(PARAMETERS), metadata_dict=words)

    theirs, ours = (FcsMeter().read(memoryview(one), path="a.fcs") for one in (file.getvalue(), sample(events)))

    assert theirs.problem is None
    assert theirs.metrics == ours.metrics


def test_what_our_virtual_cytometer_writes_is_what_flowio_and_fcsparser_read() -> None:
    events = cells(500).astype(np.float32)
    body = sample(cells(500))

    by_others = [np.array(by_flowio(body, 0).events).reshape(-1, 6), FCSParser.from_data(body).dataframe.to_numpy()]

    for values in by_others:
        assert np.array_equal(values, events)
