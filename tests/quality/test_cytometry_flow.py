"""A cytometer's export goes the whole way in one process: found, read once, measured, judged, archived, read back."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.fcs_meter import FcsMeter
from cisterna.adapters.gx_gate import GxGate
from cisterna.domain.acquisition import AcquisitionState
from cisterna.domain.dataset import Stage, Version
from cisterna.domain.finding import Verdict
from cisterna.domain.work import Attempt
from cisterna.profiles.fcs import Fcs
from cisterna.services.measurement import CURVES_PATH, METRICS_PATH, PREVIEWS_PATH
from cisterna.services.one_read import OWN_BUFFER_BYTES
from cisterna.services.staging import stage_files
from cisterna.services.transition import advance
from cisterna.services.validate import FINDINGS_FILE, SUMMARY_FILE, gate_version
from cisterna.testing.clock import SettableClock
from cisterna.testing.virtual_cells import cells
from cisterna.testing.virtual_cytometer import sample, virtual_samples
from tests.archive.facility import Facility
from tests.profiles.folder_look import judged
from tests.quality.test_fcs_real import FOLDER, WHOLE


@pytest.fixture
def facility(catalogue: SqlCatalogue, clock: SettableClock, tmp_path: Path) -> Facility:
    landing = tmp_path / "landing"
    landing.mkdir()
    return Facility(catalogue, clock, landing, meter=FcsMeter(), profile=Fcs(), data_type="cytometry")


def walked(facility: Facility, gate: GxGate, run: str) -> Version:
    """Take a folder the whole way, with the real gate."""
    version = facility.detect(run).version_id
    with facility.catalogue.begin() as tx:
        dataset = tx.datasets.get(facility.version(version).dataset_id)
        acquisition = tx.acquisitions.get(dataset.acquisition_id or "")
        tx.acquisitions.save(acquisition.model_copy(update={"state": AcquisitionState.COMPLETE, "progress": 1.0}))
    lease = facility.lease(version)
    assert facility.measure(version, lease) is not None
    gate_version(
        version,
        lease=lease,
        catalogue=facility.catalogue,
        store=facility.store,
        gate=gate,
        tables=facility.tables,
        clock=facility.clock,
    )
    describe(facility, version, lease)
    facility.archive(version, lease)
    facility.verify(version, lease)
    return facility.version(version)


def describe(facility: Facility, version: str, lease: Attempt) -> None:
    """Stand in for the description of a version that was judged."""
    gated = facility.version(version)
    with facility.catalogue.begin() as tx:
        dataset = tx.datasets.get(gated.dataset_id)
    staged = stage_files(gated, {"README.md": b"# Cells"}, dataset=dataset, store=facility.store)
    with facility.catalogue.begin() as tx:
        tx.inbox.require_lease(lease)
        advance(tx, staged, Stage.DESCRIBED, clock=facility.clock)


def kept(facility: Facility, version: Version, path: str) -> bytes:
    """Find a file of the object by its path, as its inventory has it."""
    keys = facility.keys(version.version_id)
    inventory = json.loads(keys["inventory.json"])
    state = inventory["versions"][inventory["head"]]["state"]
    digest = next(one for one, paths in state.items() if path in paths)
    return keys[inventory["manifest"][digest][0]]


def test_a_good_export_is_complete_measured_passed_and_archived(facility: Facility, gate: GxGate) -> None:
    folder = virtual_samples().write(facility.landing)
    assert judged(Fcs(), folder, quiet_for=600.0).state is AcquisitionState.COMPLETE

    version = walked(facility, gate, folder.name)

    assert (version.stage, version.verdict) == (Stage.VERIFIED, Verdict.PASSED), version.reason
    table = facility.tables.load(kept(facility, version, METRICS_PATH))
    assert table["path"] == ["plate_A01.fcs", "plate_A02.fcs", "plate_A03.fcs"]
    assert table["events"] == [4000.0] * 3
    assert not {"channel", "region"} & table.keys()
    curves = facility.tables.load(kept(facility, version, CURVES_PATH))
    assert {"event_rate_per_second_by_seconds", "events_by_asinh150 P5 FITC-A"} <= set(curves["curve"])
    assert facility.tables.load(kept(facility, version, PREVIEWS_PATH))["path"] == []
    summary = json.loads(kept(facility, version, SUMMARY_FILE))["summary"]
    assert (summary["files_found"], summary["events_total"], summary["flow_unknown_share"]) == (3, 12_000, 0)


def test_a_bad_tube_is_quarantined_by_name_and_archived_byte_for_byte(facility: Facility, gate: GxGate) -> None:
    bad = sample(cells(clog=0.5, drift=0.8))
    folder = virtual_samples(A02=bad, A03=b"the network share was full").write(facility.landing)

    version = walked(facility, gate, folder.name)

    assert (version.stage, version.verdict) == (Stage.VERIFIED, Verdict.QUARANTINED)
    findings = {one["check"]: one for one in json.loads(kept(facility, version, FINDINGS_FILE))["findings"]}
    for check in ("flow-clogged", "signal-drifts"):
        assert (findings[check]["outcome"], findings[check]["files"]) == ("failed", ["plate_A02.fcs"])
    assert findings["files-readable"]["files"] == ["plate_A03.fcs"]
    assert kept(facility, version, "data/plate_A02.fcs") == bad


def test_a_large_file_is_measured_as_it_passes_by_whatever_the_limit_for_images(
    facility: Facility, gate: GxGate
) -> None:
    large = sample(cells(800_000))
    assert len(large) > OWN_BUFFER_BYTES > facility.image_limit_bytes
    facility.write("run", {"large.fcs": large})

    version = walked(facility, gate, "run")

    table = facility.tables.load(kept(facility, version, METRICS_PATH))
    assert (table["problem"], table["events"]) == ([None], [800_000.0])
    assert version.verdict is Verdict.PASSED, version.reason


def test_real_files_go_the_whole_way(facility: Facility, gate: GxGate) -> None:
    bodies = {f"{number:02}.fcs": (FOLDER / name).read_bytes() for number, name in enumerate(WHOLE)}
    facility.write("run", bodies)

    version = walked(facility, gate, "run")

    table = facility.tables.load(kept(facility, version, METRICS_PATH))
    assert table["problem"] == [None] * len(WHOLE)
    read_back = [hashlib.sha512(kept(facility, version, f"data/{name}")).digest() for name in bodies]
    assert read_back == [hashlib.sha512(body).digest() for body in bodies.values()]
