"""Reads, lanes, levels and detectors have values of their own, by the names that the summary has, and no others."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.fcs_meter import FcsMeter
from cisterna.adapters.interop_file import read_interop
from cisterna.adapters.table_parquet import ParquetTables
from cisterna.domain.dataset import Stage
from cisterna.domain.listing import Listing, SeenFile
from cisterna.domain.manifest import FileEntry
from cisterna.ports.quality import CHANNELS_OF_FILE, ChannelReading, Meter, MetricTable, Reading
from cisterna.services.measurement import CHANNELS_OF_RUN, CHANNELS_PATH, METRICS_PATH, Measurement
from cisterna.services.one_read import ReadFile
from cisterna.services.staging import read_staged, stage_files
from cisterna.services.summary import Facts, Summary
from cisterna.services.summary_choice import summarise
from cisterna.services.transition import advance
from cisterna.services.validate import SUMMARY_FILE, gate_version
from cisterna.testing.clock import SettableClock
from cisterna.testing.factory import (
    make_acquisition,
    make_dataset,
    make_instrument,
    make_project,
    make_version,
    make_work,
)
from cisterna.testing.interop_files import error_metrics, q_metrics, tile_metrics
from cisterna.testing.limit_gate import LimitGate
from cisterna.testing.memory_store import MemoryStore
from cisterna.testing.virtual_cytometer import sample
from tests.quality.test_summary_sequencing import table as reads

PAIR = {"a_S1_L001_R1_001": {"q30_share": 0.9}, "a_S1_L001_R2_001": {"q30_share": 0.5}}


def of(data_type: str, table: MetricTable, channels: MetricTable | None = None) -> Summary:
    return summarise(data_type, table, Facts(channels=channels))


def test_the_reads_of_a_pair_and_the_lanes_have_values_of_their_own() -> None:
    found = of("sequencing", reads(**PAIR, a_S1_L002_R1_001={"q30_share": 0.7, "bases": 3000})).by_channel

    assert set(found) == {"R1", "R2", "lane 1", "lane 2"}
    assert found["R1"]["q30_share"] == pytest.approx(0.75)
    assert (found["R2"]["q30_share"], found["lane 1"]["q30_share"]) == (0.5, pytest.approx(0.7))
    assert (found["lane 2"]["reads_total"], found["lane 2"]["bases_total"]) == (10.0, 3000.0)


def test_a_channel_of_all_files_has_what_the_row_has() -> None:
    summary = of("sequencing", reads(a_R1={"q30_share": 0.9}, b_R1={"q30_share": 0.5, "n_share": 0.2}))

    (values,) = summary.by_channel.values()
    assert values == {name: summary.row[name] for name in values}


@pytest.mark.parametrize("name", ["reads", "a_1", "a_R4_001", "R1", "a_L000_1", "_R1x"])
def test_a_file_whose_name_says_no_read_is_of_no_channel(name: str) -> None:
    assert of("sequencing", reads(**{name: {}})).by_channel == {}


def test_the_levels_of_mass_spectra_have_values_of_their_own() -> None:
    columns: dict[str, list[Any]] = {
        "path": ["a.mzML", "b.mzML", "c.mzML"],
        "problem": [None, None, "it is cut off"],
        "ms1_spectra": [10, 20, 7],
        "empty_ms1_spectra": [1, 0, 7],
        "ms2_spectra": [0, 0, 7],
        "empty_ms2_spectra": [0, 0, 7],
    }

    assert of("mass_spectrometry", MetricTable(columns=columns)).by_channel == {
        "MS1": {"spectra": 30.0, "empty_worst_share": 0.1}
    }


def table_of(*rows: tuple[str, str, dict[str, float | None]]) -> MetricTable:
    names = sorted({name for _, _, values in rows for name in values})
    columns: dict[str, list[Any]] = {"path": [path for path, _, _ in rows], "channel": [one for _, one, _ in rows]}
    return MetricTable(columns=columns | {name: [values.get(name) for _, _, values in rows] for name in names})


def test_a_detector_has_what_is_worst_of_it_in_any_file() -> None:
    channels = table_of(
        ("a.fcs", "FITC-A", {"fluorescence_margin_share": 0.01, "drift": 0.1}),
        ("b.fcs", "FITC-A", {"fluorescence_margin_share": 0.2, "drift": None}),
        ("a.fcs", "FSC-A", {"scatter_margin_share": 0.15}),
        ("b.fcs", "FSC-A", {"scatter_margin_share": 0.05}),
    )

    assert of("cytometry", MetricTable(columns={"path": ["a.fcs", "b.fcs"]}), channels).by_channel == {
        "FITC-A": {"fluorescence_margin_worst_share": 0.2, "drift_worst": 0.1},
        "FSC-A": {"files_with_scatter_margins": 1.0},
    }


def test_a_lane_of_a_run_has_what_is_lowest_and_highest_of_it() -> None:
    channels = table_of(
        ("Q", "lane 1", {"run_q30_share": 0.9, "run_base_calls": 100.0}),
        ("Tile", "lane 1", {"run_passed_filter_share": 0.8}),
        ("Q", "lane 2", {"run_q30_share": 0.4, "run_base_calls": 50.0}),
    )

    assert of("sequencing_run", MetricTable(columns={"path": ["Q", "Tile"]}), channels).by_channel == {
        "lane 1": {"run_q30_share": 0.9, "run_base_calls": 100.0, "run_passed_filter_share": 0.8},
        "lane 2": {"run_q30_share": 0.4, "run_base_calls": 50.0},
    }


@pytest.mark.parametrize("data_type", ["single_cell", "table", "labels", "ome-zarr"])
def test_types_without_such_a_unit_have_no_channels(data_type: str) -> None:
    table = MetricTable(columns={"path": ["a"], "cells": [10.0], "problem": [None]})

    assert of(data_type, table, table_of(("a", "x", {"cells": 1.0}))).by_channel == {}


# What the meters tell of channels.


def lanes(body: bytes, name: str) -> dict[str, dict[str, float | None]]:
    reading = read_interop(memoryview(body), path=f"InterOp/{name}MetricsOut.bin")
    assert reading.problem is None
    return {one.channel: one.metrics for one in reading.channels}


@pytest.mark.parametrize("version", [4, 5, 6, 7])
def test_the_lanes_of_a_run_are_told_apart_in_its_qualities(version: int) -> None:
    counts = {(1, 1101, 1): (0, 0, 0, 90), (1, 1102, 1): (10, 0, 0, 0), (3, 1101, 1): (40, 0, 0, 60)}

    found = lanes(q_metrics(counts, version=version), "Q")

    assert {lane: values["run_q30_share"] for lane, values in found.items()} == {"lane 1": 0.9, "lane 3": 0.6}
    assert found["lane 1"]["run_base_calls"] == 100.0


@pytest.mark.parametrize("version", [2, 3])
def test_the_lanes_of_a_run_are_told_apart_in_its_tiles(version: int) -> None:
    found = lanes(
        tile_metrics({(1, 1101): (100, 80), (1, 1102): (100, 0), (2, 1101): (10, 9)}, version=version), "Tile"
    )

    assert (found["lane 1"]["run_passed_filter_share"], found["lane 1"]["run_silent_tiles_share"]) == (0.4, 0.5)
    assert found["lane 2"]["run_density_per_mm2"] == pytest.approx(20.0)


def test_the_lanes_of_a_run_are_told_apart_in_its_errors() -> None:
    found = lanes(error_metrics({(1, 1101, 1): 1.0, (1, 1101, 2): 3.0, (2, 1101, 1): 0.5}), "Error")

    assert found["lane 1"]["run_error_share"] == pytest.approx(0.02)
    assert found["lane 2"]["run_error_share"] == pytest.approx(0.005)


def test_a_lane_without_base_calls_has_no_values_and_more_lanes_than_can_be_have_none() -> None:
    empty = {(1, 1101, 1): (0, 0, 0, 9), (2, 1101, 1): (0, 0, 0, 0)}
    many = {(lane, 1101, 1): (0, 0, 0, 1) for lane in range(1, CHANNELS_OF_FILE + 2)}

    assert set(lanes(q_metrics(empty), "Q")) == {"lane 1"}
    assert lanes(q_metrics(many), "Q") == {}


def test_each_detector_of_a_cytometer_is_measured_for_itself_and_the_worst_is_the_files() -> None:
    reading = FcsMeter().read(memoryview(sample()), path="a.fcs")

    assert reading.problem is None
    found = {one.channel: one.metrics for one in reading.channels}
    assert len(found) == reading.metrics["detectors"]
    for name in ("fluorescence_margin_share", "scatter_margin_share", "drift"):
        values = [value for one in found.values() if (value := one.get(name)) is not None]
        assert values
        assert max(values) == reading.metrics[name]


# The table of channels, and what becomes of it.


def measured(*readings: Reading) -> Measurement:
    files = tuple(SeenFile(path=f"{number}.fcs", size_bytes=1, mtime_ns=0, inode=1) for number in range(len(readings)))
    meter: Meter = FcsMeter()
    found = Measurement(Listing(files=files), meter=meter, is_measured=lambda _: True, plane=lambda _: None)
    for index, reading in enumerate(readings):
        entry = FileEntry(path=files[index].path, size_bytes=1, sha512="0" * 128)
        found.take(index, ReadFile(entry, reading))
    return found


def detectors(*names: str, **metrics: float) -> Reading:
    return Reading(channels=tuple(ChannelReading(channel=name, metrics=dict(metrics)) for name in names))


def test_channels_are_a_table_of_their_own_and_there_is_none_without_any() -> None:
    tables = ParquetTables()
    body = measured(detectors("FSC-A", drift=0.5), Reading(), detectors("FSC-A", "CD4", drift=0.1)).channels(
        tables=tables
    )

    assert body is not None
    assert tables.load(body) == {
        "path": ["0.fcs", "2.fcs", "2.fcs"],
        "channel": ["FSC-A", "FSC-A", "CD4"],
        "drift": [0.5, 0.1, 0.1],
    }
    assert measured(Reading(), Reading()).channels(tables=tables) is None


def test_of_more_channels_than_are_kept_none_is_told() -> None:
    many = detectors(*map(str, range(CHANNELS_OF_RUN // 2)))

    assert measured(many, many, detectors("one more")).channels(tables=ParquetTables()) is None


def test_channels_of_files_become_values_of_the_summary_and_of_the_instruments_trend(
    catalogue: SqlCatalogue, clock: SettableClock
) -> None:
    store, tables, found = MemoryStore(), ParquetTables(), measured(detectors("CD4", drift=0.25))
    acquisition = make_acquisition(project="cells")
    dataset = make_dataset(acquisition=acquisition, data_type="cytometry")
    channels = found.channels(tables=tables)
    assert channels is not None
    with catalogue.begin() as tx:
        tx.outbox.register(["log"])
        tx.instruments.add(make_instrument())
        tx.projects.add(make_project())
        tx.acquisitions.save(acquisition)
        tx.datasets.add(dataset)
        version = tx.datasets.add_version(make_version(dataset, staging="v1/content/attempt-1"))
        files = {METRICS_PATH: found.metrics(tables=tables), CHANNELS_PATH: channels}
        advance(tx, stage_files(version, files, dataset=dataset, store=store), Stage.MEASURED, clock=clock)
        tx.inbox.request(make_work("ingest", not_before=clock.now()))
        claim = tx.inbox.claim(owner="test", run_id=clock.new_id(), now=clock.now(), lease=timedelta(seconds=15))
    assert claim is not None

    gated = gate_version(
        version.version_id,
        lease=claim.attempt,
        catalogue=catalogue,
        store=store,
        gate=LimitGate({"cytometry": {"drift_worst": 0.5}}),
        tables=tables,
        clock=clock,
    )

    kept = json.loads(read_staged(gated, SUMMARY_FILE, dataset=dataset, store=store))
    assert kept["by_channel"] == {"CD4": {"drift_worst": 0.25}}
    with catalogue.begin() as tx:
        (point,) = tx.trends.of(instrument="squid-1", data_type="cytometry", metric="drift_worst", channel="CD4")
    assert point.value == 0.25


CELLS = st.none() | st.floats() | st.text(max_size=5) | st.integers()


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=5), CELLS, CELLS), max_size=12))
def test_whatever_a_table_of_channels_holds_values_are_finite_numbers(rows: list[tuple[str, str, Any, Any]]) -> None:
    columns: dict[str, list[Any]] = {
        "path": [row[0] for row in rows],
        "channel": [row[1] for row in rows],
        "drift": [row[2] for row in rows],
        "run_q30_share": [row[3] for row in rows],
    }
    channels = MetricTable.model_construct(columns=columns)

    for data_type in ("cytometry", "sequencing_run"):
        for values in of(data_type, MetricTable(columns={"path": []}), channels).by_channel.values():
            assert all(value is not None and abs(value) < float("inf") for value in values.values())
