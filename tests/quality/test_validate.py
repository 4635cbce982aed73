"""The stage `gated`, on the real catalogue and the real engine."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.gx_gate import GxGate
from cisterna.adapters.shared_data import shared_folder
from cisterna.adapters.suite_file import load_suite
from cisterna.adapters.table_parquet import ParquetTables
from cisterna.domain.acquisition import INCOMPLETE, AcquisitionState
from cisterna.domain.dataset import Stage, Version
from cisterna.domain.errors import GateUnavailable, IllegalTransition, InvalidInput, LeaseLost
from cisterna.domain.finding import Finding, Outcome, Verdict
from cisterna.domain.work import Attempt
from cisterna.ports.quality import MetricTable
from cisterna.services.measurement import METRICS_PATH
from cisterna.services.staging import read_staged, stage_files
from cisterna.services.summary import Facts
from cisterna.services.summary_derived import summarise_labels
from cisterna.services.summary_images import summarise_images
from cisterna.services.transition import advance
from cisterna.services.validate import FINDINGS_FILE, FINDINGS_TABLE, SUITE_FILE, SUMMARY_FILE, gate_version
from cisterna.testing.clock import START, SettableClock
from cisterna.testing.factory import keep_version, make_sample, make_work
from cisterna.testing.memory_store import MemoryStore
from tests.quality.dataset import CHANNELS, Row, dataset, row, table

LIMITS = {"focus_min": 0.02, "focus_relative_min": 0.3, "saturated_share_max": 0.01}


class JsonTables:
    """Implements `ports.quality.TableFile` with JSON: what is dumped is loaded."""

    def dump(self, columns: Mapping[str, Sequence[object]], *, metadata: Mapping[str, str] | None = None) -> bytes:
        del metadata
        return json.dumps({name: list(column) for name, column in columns.items()}).encode()

    def load(self, body: bytes) -> dict[str, list[object]]:
        try:
            loaded: dict[str, list[object]] = json.loads(body)
        except ValueError as error:
            raise InvalidInput("the table cannot be read") from error
        return loaded


class Bench:
    """A measured version in a real catalogue, with a lease on it."""

    def __init__(self, catalogue: SqlCatalogue, clock: SettableClock, gate: GxGate) -> None:
        self.catalogue, self.clock, self.gate = catalogue, clock, gate
        self.store = MemoryStore()
        self.tables: JsonTables | ParquetTables = JsonTables()

    def measured(self, rows: list[Row], *, body: bytes | None = None, progress: float | None = 1.0) -> Version:
        version = keep_version(self.catalogue, staging="v1/content/attempt-1")
        with self.catalogue.begin() as tx:
            dataset = tx.datasets.get(version.dataset_id)
            assert dataset.acquisition_id is not None
            acquisition = tx.acquisitions.get(dataset.acquisition_id)
            update = {"state": AcquisitionState.COMPLETE, "progress": progress}
            tx.acquisitions.save(acquisition.model_copy(update=update))
            metrics = self.tables.dump(table(rows).columns) if body is None else body
            staged = stage_files(version, {METRICS_PATH: metrics}, dataset=dataset, store=self.store)
            return advance(tx, staged, Stage.MEASURED, clock=self.clock)

    def lease(self) -> Attempt:
        with self.catalogue.begin() as tx:
            tx.inbox.request(make_work("ingest", not_before=self.clock.now()))
            claim = tx.inbox.claim(
                owner="test", run_id=self.clock.new_id(), now=self.clock.now(), lease=timedelta(seconds=15)
            )
        assert claim is not None
        return claim.attempt

    def judge(self, version: Version, *, lease: Attempt | None = None, gate_lost: bool = False) -> Version:
        return gate_version(
            version.version_id,
            lease=lease or self.lease(),
            catalogue=self.catalogue,
            store=self.store,
            gate=self.gate,
            tables=self.tables,
            clock=self.clock,
            gate_lost=gate_lost,
        )

    def findings(self, version: Version) -> Sequence[Finding]:
        with self.catalogue.begin() as tx:
            return tx.datasets.findings(version.version_id)

    def bytes_of(self, version: Version, path: str) -> bytes:
        with self.catalogue.begin() as tx:
            dataset = tx.datasets.get(version.dataset_id)
        return read_staged(version, path, dataset=dataset, store=self.store)

    def kept(self, version: Version, path: str) -> object:
        return json.loads(self.bytes_of(version, path))


@pytest.fixture
def bench(catalogue: SqlCatalogue, clock: SettableClock, gate: GxGate) -> Bench:
    """A place to judge versions at."""
    return Bench(catalogue, clock, gate)


def test_a_good_version_is_gated_as_passed_with_what_proves_it(bench: Bench) -> None:
    version = bench.measured(dataset())

    gated = bench.judge(version)

    assert (gated.stage, gated.verdict) == (Stage.GATED, Verdict.PASSED)
    assert gated.reason == "All 16 checks passed. 3 more ask what is usual and are not applied yet."
    findings = bench.kept(gated, FINDINGS_FILE)
    assert isinstance(findings, dict)
    assert findings["verdict"] == "passed"
    assert len(findings["suite_sha512"]) == 128
    assert findings["engine"].startswith("great_expectations ")
    assert len(findings["findings"]) == 19
    assert load_suite(shared_folder("expectations"), "microscopy").text.encode() == bench.bytes_of(gated, SUITE_FILE)
    summary = bench.kept(gated, SUMMARY_FILE)
    assert isinstance(summary, dict)
    assert summary["summary"]["images_found"] == 24
    assert summary["limits"] == LIMITS


def test_a_blurred_version_is_quarantined_and_goes_on_all_the_same(bench: Bench) -> None:
    gated = bench.judge(bench.measured(dataset(all="blur 4")))

    assert (gated.stage, gated.verdict) == (Stage.GATED, Verdict.QUARANTINED)
    assert gated.reason is not None
    assert "out of focus" in gated.reason
    with bench.catalogue.begin() as tx:
        failed = [one for one in tx.datasets.findings(gated.version_id) if one.outcome is Outcome.FAILED]
        events = tx.outbox.history([gated.version_id])
    assert failed[0].files
    assert events[-1].data["verdict"] == "quarantined"
    assert events[-1].data["suite"] == "microscopy/default"


def test_findings_are_kept_as_a_table_too_with_suite_and_engine(bench: Bench) -> None:
    bench.tables = ParquetTables()
    gated = bench.judge(bench.measured(dataset(all="blur 4")))

    body = bench.bytes_of(gated, FINDINGS_TABLE)
    kept = ParquetTables().load(body)
    told = bench.kept(gated, FINDINGS_FILE)
    assert isinstance(told, dict)
    assert kept["check"] == [one["check"] for one in told["findings"]]
    assert kept["outcome"] == [one["outcome"] for one in told["findings"]]
    observed = [None if one is None else json.loads(str(one)) for one in kept["observed"]]
    assert observed == [one["observed"] for one in told["findings"]]
    for proof in (told["suite_sha512"], told["engine"], "great_expectations ", ", cisterna ", "quarantined"):
        assert proof.encode() in body


def earlier(bench: Bench, count: int, *, instrument: str = "squid-1", **values: float) -> None:
    """Keep datasets that passed, a day apart, before the one that is judged."""
    for day in range(count):
        version = keep_version(bench.catalogue, f"earlier {day}", instrument=instrument, stage=Stage.ACCEPTED)
        samples = [
            make_sample(version, instrument=instrument, channel=channel, metric=metric, value=value)
            for channel in (None, *CHANNELS)
            for metric, value in values.items()
        ]
        with bench.catalogue.begin() as tx:
            tx.trends.add([one.model_copy(update={"at": START - timedelta(days=1 + day)}) for one in samples])


def test_worse_than_this_microscope_lately_is_a_finding_that_says_so(bench: Bench) -> None:
    earlier(bench, 20, focus_median=0.5, snr_median=1.0, background_uniformity_median=0.1)

    gated = bench.judge(bench.measured(dataset()))

    assert gated.verdict is Verdict.REVIEW
    found = {one.check: one for one in bench.findings(gated)}
    worse = found["focus-usual"]
    assert worse.outcome is Outcome.WARNING
    for words in ("worse than squid-1 in the last 90 days", "20 datasets from 20", "usually 0.5", "limit 0.494"):
        assert words in worse.message
    assert found["signal-usual"].outcome is Outcome.PASSED
    assert "as usual for squid-1" in found["signal-usual"].message


def test_another_instruments_datasets_say_nothing_of_this_one(bench: Bench) -> None:
    earlier(bench, 20, instrument="squid-2", focus_median=0.5)

    gated = bench.judge(bench.measured(dataset()))

    assert gated.verdict is Verdict.PASSED
    found = {one.check: one for one in bench.findings(gated)}
    assert found["focus-usual"].outcome is Outcome.NOT_APPLIED
    assert "not applied yet; 0 datasets of squid-1 that passed or were accepted" in found["focus-usual"].message


def test_what_was_judged_is_a_sample_in_the_instruments_trend_by_channel(bench: Bench) -> None:
    gated = bench.judge(bench.measured(dataset(fluo="blur 4")))

    with bench.catalogue.begin() as tx:
        known = tx.trends.metrics(instrument="squid-1")
        (sharp,) = tx.trends.of(
            instrument="squid-1", data_type="microscopy", metric="out_of_focus_share", channel="BF LED matrix full"
        )
        (whole,) = tx.trends.of(instrument="squid-1", data_type="microscopy", metric="out_of_focus_share", channel=None)
    assert (sharp.value, whole.value) == (0.0, 1.0)
    assert (sharp.version_id, sharp.verdict, sharp.at) == (gated.version_id, Verdict.QUARANTINED, gated.created_at)
    assert ("microscopy", "images_found", None) in known
    kept = bench.kept(gated, SUMMARY_FILE)
    assert isinstance(kept, dict)
    assert kept["by_channel"]["BF LED matrix full"]["out_of_focus_share"] == 0.0


def test_judging_twice_changes_nothing(bench: Bench) -> None:
    version = bench.measured(dataset())
    lease = bench.lease()

    first = bench.judge(version, lease=lease)
    second = bench.judge(version, lease=lease)

    assert second == first
    with bench.catalogue.begin() as tx:
        assert [event.data["stage"] for event in tx.outbox.history([version.version_id])] == ["measured", "gated"]


def test_a_run_that_died_before_its_transaction_is_repeated_with_the_same_files(bench: Bench) -> None:
    version = bench.measured(dataset())
    with pytest.raises(LeaseLost):
        bench.judge(version, lease=lost_lease(bench))
    before = {one.key for one in bench.store.list("")}

    gated = bench.judge(version)

    assert gated.stage is Stage.GATED
    assert {one.key for one in bench.store.list("")} == before


def lost_lease(bench: Bench) -> Attempt:
    lease = bench.lease()
    bench.clock.advance(60)
    with bench.catalogue.begin() as tx:
        tx.inbox.expired(now=bench.clock.now())
    return lease


def test_nothing_is_written_after_the_lease_is_lost(bench: Bench) -> None:
    version = bench.measured(dataset())

    with pytest.raises(LeaseLost):
        bench.judge(version, lease=lost_lease(bench))

    with bench.catalogue.begin() as tx:
        assert tx.datasets.get_version(version.version_id) == version
        assert tx.datasets.findings(version.version_id) == []


def test_a_gate_that_does_not_answer_is_tried_again_and_leaves_the_version_as_it_was(
    bench: Bench, tmp_path: Path
) -> None:
    version = bench.measured(dataset())
    bench.gate = GxGate(tmp_path / "nobody.sock")

    with pytest.raises(GateUnavailable) as refusal:
        bench.judge(version)

    assert refusal.value.retryable
    with bench.catalogue.begin() as tx:
        assert tx.datasets.get_version(version.version_id) == version


def test_a_gate_that_is_lost_never_blocks_the_archive_and_never_passes(bench: Bench, tmp_path: Path) -> None:
    version = bench.measured(dataset())
    bench.gate = GxGate(tmp_path / "nobody.sock")

    gated = bench.judge(version, gate_lost=True)

    assert (gated.stage, gated.verdict) == (Stage.GATED, Verdict.NOT_ASSESSED)
    assert gated.reason is not None
    assert "could not be reached" in gated.reason


BAD_TABLES = {
    "no table": b"\xff\xff",
    "no path": b'{"focus": [1.0]}',
    "lengths": b'{"path": ["a"], "focus": [1.0, 2.0]}',
}


@pytest.mark.parametrize("body", BAD_TABLES.values(), ids=list(BAD_TABLES))
def test_a_table_that_cannot_be_read_is_said_and_never_passes(bench: Bench, body: bytes) -> None:
    gated = bench.judge(bench.measured([], body=body))

    assert gated.verdict in {Verdict.NOT_ASSESSED, Verdict.QUARANTINED}
    with bench.catalogue.begin() as tx:
        assert tx.datasets.findings(gated.version_id)[0].check == "metrics"


def test_files_missing_from_the_plan_are_seen_from_the_acquisition(bench: Bench) -> None:
    gated = bench.judge(bench.measured(dataset(), progress=0.9))

    assert gated.verdict is Verdict.QUARANTINED
    assert gated.reason is not None
    assert "10 %" in gated.reason


@pytest.mark.parametrize("state", sorted(INCOMPLETE))
def test_a_run_that_is_not_whole_is_labelled_and_never_passes_however_good_its_images(
    bench: Bench, state: AcquisitionState
) -> None:
    version = bench.measured(dataset())
    with bench.catalogue.begin() as tx:
        version = tx.datasets.save_version(version.model_copy(update={"incomplete": state}))

    gated = bench.judge(version)

    assert gated.verdict is Verdict.REVIEW
    assert (gated.reason or "").startswith(f"The run is {state.value} and not whole")
    with bench.catalogue.begin() as tx:
        assert tx.datasets.findings(gated.version_id)[-1].check == "whole-run"


def test_a_run_that_is_not_whole_and_badly_taken_is_quarantined_and_labelled_all_the_same(bench: Bench) -> None:
    version = bench.measured(dataset(all="blur 4"), progress=0.5)
    with bench.catalogue.begin() as tx:
        version = tx.datasets.save_version(version.model_copy(update={"incomplete": AcquisitionState.PARTIAL}))

    gated = bench.judge(version)

    assert gated.verdict is Verdict.QUARANTINED
    assert "The run is partial and not whole" in (gated.reason or "")


def test_a_version_that_was_not_measured_cannot_be_judged(bench: Bench) -> None:
    version = keep_version(bench.catalogue)

    with pytest.raises(IllegalTransition):
        bench.judge(version)


def test_a_channel_may_have_a_focus_limit_of_its_own() -> None:
    rows = dataset()

    strict = summarise_images(table(rows), Facts(), limits={**LIMITS, "focus_min.BF LED matrix full": 0.9})

    assert summarise_images(table(rows), Facts(), limits=LIMITS).row["out_of_focus_share"] == 0.0
    assert strict.row["out_of_focus_share"] == 1.0


def test_a_blurred_image_among_sharper_ones_is_found_by_what_its_channel_is_used_to() -> None:
    rows = [{**one, "focus": 2.0, "focus_error": 0.01} for one in dataset()]
    rows[0] = {**rows[0], "focus": 0.1}

    found = summarise_images(table(rows), Facts(), limits=LIMITS)

    assert found.row["out_of_focus_share"] == pytest.approx(1 / 12)
    assert found.table.columns["focus_margin"][0] == pytest.approx(0.1 / 0.6)


def test_a_focus_within_its_error_of_the_limit_is_unknown_and_not_bad() -> None:
    rows = [{**one, "focus": 0.015, "focus_error": 0.004} for one in dataset()]

    found = summarise_images(table(rows), Facts(), limits=LIMITS).row

    assert (found["out_of_focus_share"], found["focus_unknown_share"]) == (0.0, 1.0)


def test_a_stack_counts_once_and_all_its_planes_are_named() -> None:
    rows = [row("A1", "0", "DAPI", kind=kind, z=z) for z, kind in enumerate(("blur 4", "blur 6"))]

    found = summarise_images(table(rows), Facts(), limits=LIMITS)

    assert found.row["out_of_focus_share"] == 1.0
    assert all(isinstance(one, float) and one < 1 for one in found.table.columns["focus_margin"])


def test_what_no_image_has_is_none_and_not_nought() -> None:
    found = summarise_images(MetricTable(columns={"path": ["a.tiff"]}), Facts(), limits={}).row

    assert {name for name, value in found.items() if value is None} == {
        "planned_missing_share",
        "planes_missing",
        "focus_median",
        "out_of_focus_share",
        "saturated_images_share",
        "saturated_worst_share",
        "empty_share",
        "snr_median",
        "background_uniformity_median",
        "nonfinite_worst_share",
        "image_sizes",
    }


def test_hostile_cells_are_no_numbers() -> None:
    rows = [{**one, "focus": float("nan"), "snr": float("inf"), "empty": "x", "channel": 7} for one in dataset()]

    found = summarise_images(table(rows), Facts(), limits=LIMITS).row

    assert (found["focus_median"], found["snr_median"], found["empty_share"]) == (None, None, None)


LABELS = {
    "all there": ([("a", 12, None), ("b", 0, None)], 2, Verdict.PASSED),
    "one image without labels": ([("a", 12, None)], 2, Verdict.QUARANTINED),
    "a label image with a problem": ([("a", 12, None), ("b", None, "labels skip a number")], 2, Verdict.QUARANTINED),
    "nothing found": ([("a", 0, None), ("b", 0, None)], 2, Verdict.REVIEW),
    "nothing there": ([], 0, Verdict.NOT_ASSESSED),
}


@pytest.mark.parametrize(("rows", "images_in", "verdict"), LABELS.values(), ids=list(LABELS))
def test_label_images_are_judged_by_a_suite_of_their_own(
    gate: GxGate, rows: list[tuple[str, int | None, str | None]], images_in: int, verdict: Verdict
) -> None:
    paths, counts, problems = zip(*rows, strict=True) if rows else ((), (), ())
    columns = {"path": list(paths), "object_count": list(counts), "problem": list(problems)}

    summary = summarise_labels(MetricTable(columns=columns), Facts(images_in=images_in))
    report = gate.assess(data_type="labels", summary=summary.row, table=summary.table)

    assert report.verdict is verdict
