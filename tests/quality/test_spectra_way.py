"""A batch of mass spectra goes the whole way: read once, measured, judged, archived, and with its mzQC beside it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.gx_gate import GxGate
from cisterna.adapters.spectra_meter import SpectraMeter
from cisterna.domain.acquisition import AcquisitionState
from cisterna.domain.dataset import Stage, Version
from cisterna.domain.finding import Verdict
from cisterna.profiles.mzml import Mzml
from cisterna.services import one_read
from cisterna.services.field_export import MZQC_FILE
from cisterna.services.measurement import CURVES_PATH, METRICS_PATH, PREVIEWS_PATH
from cisterna.services.staging import read_staged
from cisterna.services.transition import advance
from cisterna.services.validate import SUMMARY_FILE, gate_version
from cisterna.testing.clock import SettableClock
from cisterna.testing.virtual_spectrometer import virtual_spectrometer
from tests.archive.facility import Facility

FILES = virtual_spectrometer().files
CONVERTED = {path: body for path, body in FILES.items() if path.startswith(("yeast", "tissue"))}


@pytest.fixture
def facility(catalogue: SqlCatalogue, clock: SettableClock, tmp_path: Path) -> Facility:
    """A facility with a mass spectrometer."""
    landing = tmp_path / "landing"
    landing.mkdir()
    return Facility(catalogue, clock, landing, meter=SpectraMeter(), profile=Mzml(), data_type="mass_spectrometry")


def measured(facility: Facility) -> str:
    version = facility.detect("batch 7").version_id
    with facility.catalogue.begin() as tx:
        dataset = tx.datasets.get(tx.datasets.get_version(version).dataset_id)
        acquisition = tx.acquisitions.get(dataset.acquisition_id or "")
        tx.acquisitions.save(acquisition.model_copy(update={"state": AcquisitionState.COMPLETE, "progress": 1.0}))
    facility.measure(version, facility.lease(version))
    return version


def judged(facility: Facility, version: str, gate: GxGate) -> Version:
    return gate_version(
        version,
        lease=facility.lease(version),
        catalogue=facility.catalogue,
        store=facility.store,
        gate=gate,
        tables=facility.tables,
        clock=facility.clock,
    )


def kept(facility: Facility, version: str, path: str) -> bytes:
    found = facility.version(version)
    with facility.catalogue.begin() as tx:
        dataset = tx.datasets.get(found.dataset_id)
    return read_staged(found, path, dataset=dataset, store=facility.store)


def archived(facility: Facility, version: str) -> None:
    lease = facility.lease(version)
    with facility.catalogue.begin() as tx:
        advance(tx, tx.datasets.get_version(version), Stage.DESCRIBED, clock=facility.clock)
    facility.archive(version, lease)
    facility.verify(version, lease)


def test_a_batch_is_measured_judged_archived_and_carries_its_mzqc(facility: Facility, gate: GxGate) -> None:
    facility.write("batch 7", CONVERTED)
    version = measured(facility)

    gated = judged(facility, version, gate)
    archived(facility, version)

    assert gated.verdict is Verdict.PASSED, gated.reason
    document: dict[str, Any] = json.loads(kept(facility, version, MZQC_FILE))
    labels = [one["metadata"]["label"] for one in document["mzQC"]["runQualities"]]
    assert labels == ["tissue.imzML", "yeast_01.mzML", "yeast_02.mzML"]
    assert document["mzQC"]["description"].startswith(
        "Verdict: passed. All 23 checks passed. Judged by the suite mass_"
    )
    summary = json.loads(kept(facility, version, SUMMARY_FILE))["summary"]
    assert (summary["files_measured"], summary["ms1_spectra"], summary["ms2_spectra"]) == (3, 24, 36)
    inventory = json.loads(facility.keys(version)["inventory.json"])
    logical = {path for paths in inventory["versions"]["v1"]["state"].values() for path in paths}
    assert {"quality/qc.mzqc", CURVES_PATH, METRICS_PATH, "data/yeast_01.raw", "data/tissue.ibd"} <= logical


def test_a_makers_file_that_nobody_converted_is_not_assessed_and_the_rest_is_in_the_mzqc(
    facility: Facility, gate: GxGate
) -> None:
    facility.write("batch 7", FILES)
    version = measured(facility)

    gated = judged(facility, version, gate)

    assert gated.verdict is Verdict.NOT_ASSESSED
    assert (gated.reason or "").startswith(
        "2 of 5 files were not looked at, such as of plasma.wiff: plasma.wiff is of its maker's own format, which is "
        "kept as it is; convert it to mzML to have it measured (and 1 other reasons)."
    )
    assert len(json.loads(kept(facility, version, MZQC_FILE))["mzQC"]["runQualities"]) == 3


def test_judging_again_later_gives_the_same_bytes(facility: Facility, gate: GxGate) -> None:
    """So that an attempt that died leaves nothing behind that the next one does not overwrite."""
    facility.write("batch 7", CONVERTED)
    version = measured(facility)
    before = facility.version(version)
    first = judged(facility, version, gate)
    with facility.catalogue.begin() as tx:
        found = tx.datasets.get_version(version)
        tx.datasets.save_version(found.model_copy(update={"stage": Stage.MEASURED, "stage_at": before.stage_at}))
    facility.clock.advance(3600)

    again = judged(facility, version, gate)

    assert again.staged[MZQC_FILE] == first.staged[MZQC_FILE]


@pytest.mark.parametrize("limit_bytes", [4096, 1 << 26], ids=["streamed", "whole"])
def test_each_byte_is_read_once_however_it_is_read(
    facility: Facility, monkeypatch: pytest.MonkeyPatch, limit_bytes: int
) -> None:
    facility.image_limit_bytes = limit_bytes
    facility.write("batch 7", FILES)
    counts: list[int] = []
    fill = one_read._fill
    monkeypatch.setattr(one_read, "_fill", lambda source, buffer: counts.append(fill(source, buffer)) or counts[-1])

    version = measured(facility)

    assert sum(counts) == sum(map(len, FILES.values()))
    metrics = facility.tables.load(kept(facility, version, METRICS_PATH))
    assert len(metrics["path"]) == 6
    spectra = dict(zip(metrics["path"], metrics["spectra"], strict=True))
    assert {path: count for path, count in spectra.items() if count} == {
        "tissue.imzML": 12,
        "yeast_01.mzML": 24,
        "yeast_02.mzML": 24,
    }
    keys = facility.keys(version)
    assert {hashlib.sha512(body).hexdigest() for body in FILES.values()} <= {
        hashlib.sha512(body).hexdigest() for body in keys.values()
    }
    curves = facility.tables.load(kept(facility, version, CURVES_PATH))
    assert set(curves["curve"]) == {"tic_counts_by_seconds", "base_peak_counts_by_seconds", "precursors_by_charge"}
    assert facility.tables.load(kept(facility, version, PREVIEWS_PATH))["path"] == []


def test_a_batch_that_holds_makers_files_alone_has_no_mzqc(facility: Facility, gate: GxGate) -> None:
    facility.write("batch 7", {"serum.d/analysis.tdf": FILES["serum.d/analysis.tdf"]})
    version = measured(facility)

    gated = judged(facility, version, gate)

    assert gated.verdict is Verdict.NOT_ASSESSED
    assert MZQC_FILE not in gated.staged
