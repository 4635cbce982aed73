"""Deliveries and runs of sequencers on their way: read once, measured, judged by the real gate, and archived."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from cisterna.adapters.gx_gate import GxGate
from cisterna.adapters.sequence_meter import SequenceMeter
from cisterna.adapters.shared_data import shared_folder
from cisterna.adapters.suite_file import read_suite
from cisterna.bootstrap.home import Home
from cisterna.bootstrap.meter import meter_choice
from cisterna.domain.acquisition import AcquisitionState
from cisterna.domain.dataset import Stage, Version
from cisterna.domain.finding import Verdict
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.profile import Profile
from cisterna.profiles.fastq import Fastq
from cisterna.profiles.illumina import Illumina
from cisterna.profiles.nanopore import Nanopore
from cisterna.services import one_read
from cisterna.services.measurement import CURVES_PATH, METRICS_PATH
from cisterna.services.staging import read_staged
from cisterna.services.validate import gate_version
from cisterna.settings import Settings
from cisterna.testing.clock import SettableClock
from cisterna.testing.reads import fastq_of, short_reads
from cisterna.testing.scripted_run import Mishap, ScriptedRun
from cisterna.testing.virtual_fastq import virtual_fastq
from cisterna.testing.virtual_illumina import Platform, virtual_illumina
from cisterna.testing.virtual_nanopore import virtual_nanopore
from tests.archive.facility import Facility
from tests.archive.long_run import LongRun
from tests.archive.test_measure import manifest_of, table_of
from tests.profiles.folder_look import judged, look


@dataclass
class Way:
    """From a folder that a sequencer wrote to a version that was judged and archived."""

    facility: Facility
    gate: GxGate

    def begin(self, run: ScriptedRun, profile: Profile) -> Version:
        """Detect a run as the profile has it, and take its word that it is complete."""
        folder = run.write(self.facility.landing)
        if run.mishap is Mishap.NONE:
            assert judged(profile, folder).state is AcquisitionState.COMPLETE
        self.facility.profile = profile
        self.facility.data_type = profile.describe(look(folder)).data_type
        version = self.facility.detect(run.name)
        self.whole(run.name)
        return version

    def whole(self, run: str) -> None:
        with self.facility.catalogue.begin() as tx:
            (found,) = [one for one in tx.acquisitions.list() if one.folder == run]
            tx.acquisitions.save(found.model_copy(update={"state": AcquisitionState.COMPLETE, "progress": 1.0}))

    def judged(self, version: Version) -> Version:
        place, lease = self.facility, self.facility.lease(version.version_id)
        place.measure(version.version_id, lease)
        return gate_version(
            version.version_id,
            lease=lease,
            catalogue=place.catalogue,
            store=place.store,
            gate=self.gate,
            tables=place.tables,
            clock=place.clock,
        )

    def table(self, version: Version, path: str = METRICS_PATH) -> dict[str, list[object]]:
        with self.facility.catalogue.begin() as tx:
            dataset = tx.datasets.get(version.dataset_id)
        return self.facility.tables.load(read_staged(version, path, dataset=dataset, store=self.facility.store))


@pytest.fixture
def way(catalogue: Catalogue, clock: SettableClock, tmp_path: Path, gate: GxGate) -> Way:
    """A facility that measures sequences; what is larger than 4 KiB is streamed."""
    landing = tmp_path / "landing"
    landing.mkdir()
    return Way(Facility(catalogue, clock, landing, meter=SequenceMeter()), gate)


LARGE = ScriptedRun(
    "delivery-9", {f"a_R{mate}.fastq": fastq_of(short_reads(300, seed=1, mate=mate)) for mate in (1, 2)}
)
DELIVERIES = {"packed": virtual_fastq(), "in blocks": virtual_fastq(is_bgzf=True), "streamed": LARGE}


@pytest.mark.parametrize("run", DELIVERIES.values(), ids=list(DELIVERIES))
def test_a_delivery_passes_and_every_file_is_measured_in_the_one_read(
    way: Way, run: ScriptedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: list[int] = []
    fill = one_read._fill
    monkeypatch.setattr(one_read, "_fill", lambda source, buffer: counts.append(fill(source, buffer)) or counts[-1])

    gated = way.judged(way.begin(run, Fastq()))

    assert (gated.verdict, gated.reason) == (Verdict.PASSED, "All 18 checks passed.")
    assert sum(counts) == sum(map(len, run.files.values()))
    table = way.table(gated)
    assert table["path"] == sorted(run.files)
    assert set(table["problem"]) == {None}
    assert "region" not in table
    assert len(set(table["names_fingerprint"])) == len(run.files) / 2
    assert set(way.table(gated, CURVES_PATH)["path"]) == set(run.files)


def test_a_delivery_with_a_file_that_was_cut_off_is_quarantined_and_archived_to_the_last_byte(way: Way) -> None:
    run = virtual_fastq(mishap=Mishap.TRUNCATED)
    version = way.begin(run, Fastq())

    gated = way.judged(version)

    assert gated.verdict is Verdict.QUARANTINED
    assert "damaged or no FASTQ: 1 file" in (gated.reason or "")
    (problem,) = {one for one in way.table(gated)["problem"] if one}
    assert "cut off" in str(problem)
    files = manifest_of(way.facility, version.version_id).files
    kept = {file.path: way.facility.keys(version.version_id)[file.content_path or ""] for file in files}
    assert kept == {
        path: body if path != run.victim else body[: len(body) * 3 // 5] for path, body in run.files.items()
    }


@pytest.mark.parametrize("platform", [Platform.NOVASEQ, Platform.MISEQ])
def test_a_run_folder_is_judged_by_what_its_sequencer_measured(way: Way, platform: Platform) -> None:
    gated = way.judged(way.begin(virtual_illumina(platform), Illumina()))

    assert gated.verdict is Verdict.PASSED, gated.reason
    table = way.table(gated)
    assert table["path"] == ["InterOp/QMetricsOut.bin", "InterOp/TileMetricsOut.bin"]
    assert (table["run_q30_share"], table["run_clusters"]) == ([0.9, None], [None, 2000.0])


def test_a_run_folder_without_metrics_goes_to_a_steward(way: Way) -> None:
    run = virtual_illumina()
    bare = ScriptedRun(run.name, {path: body for path, body in run.files.items() if not path.startswith("InterOp")})

    assert way.judged(way.begin(bare, Illumina())).verdict is Verdict.NOT_ASSESSED


def test_a_nanopore_run_is_judged_by_limits_of_its_own(way: Way) -> None:
    gated = way.judged(way.begin(virtual_nanopore(), Nanopore()))

    assert gated.verdict is Verdict.PASSED, gated.reason
    table = way.table(gated)
    assert set(table["platform_code"]) == {2.0}
    assert max(map(float, map(str, table["q30_share"]))) < 0.01  # which would quarantine a run of any other platform


def test_a_nanopore_run_without_called_reads_goes_to_a_steward(way: Way) -> None:
    run = virtual_nanopore(summary={"fastq_files_in_final_dest": 0})
    raw = ScriptedRun(run.name, {path: body for path, body in run.files.items() if "fastq" not in path})

    assert way.judged(way.begin(raw, Nanopore())).verdict is Verdict.NOT_ASSESSED


def test_what_was_read_ahead_of_a_nanopore_run_is_measured_by_then_and_judged_at_its_end(way: Way) -> None:
    files = dict(virtual_nanopore(batches=4).files)
    ending = {path: files.pop(path) for path in list(files) if "final_summary" in path}
    way.facility.data_type = "sequencing"
    run = LongRun(way.facility)
    way.facility.profile = Nanopore()
    run.begin()
    run.write(files)

    told = run.round()
    run.write(ending)
    version = run.complete()
    way.whole("run")
    gated = way.judged(version)

    assert "6 files" in told  # of each series all but the last, which may still grow
    assert gated.verdict is Verdict.PASSED, gated.reason
    called = sorted(path for path in files if path.endswith(".fastq.gz"))
    assert table_of(way.facility, gated.version_id, METRICS_PATH)["path"] == called
    assert set(way.table(gated, CURVES_PATH)["path"]) == set(called)
    assert gated.stage is Stage.GATED


@pytest.mark.parametrize("profile", [Fastq(), Illumina(), Nanopore()], ids=["fastq", "illumina", "nanopore"])
def test_a_stack_has_a_meter_and_a_suite_for_what_every_sequencer_writes(profile: Profile, tmp_path: Path) -> None:
    run = {"fastq": virtual_fastq, "illumina": virtual_illumina, "nanopore": virtual_nanopore}[profile.name]()
    data_type = profile.describe(look(run.write(tmp_path))).data_type

    with meter_choice(Settings(), Home(tmp_path / "home")) as choice:
        assert isinstance(choice.of(data_type), SequenceMeter)

    assert read_suite(shared_folder("expectations"), data_type)[0].expectations
