"""Single cells and tables on their way into the archive: read once, measured, judged and kept, whatever is in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from cisterna.adapters.cell_meter import CellMeter
from cisterna.adapters.file_reader import FileChildren
from cisterna.adapters.gx_gate import GxGate
from cisterna.adapters.spool_folder import SpoolFolder
from cisterna.adapters.table_meter import TableMeter
from cisterna.bootstrap.home import Home
from cisterna.bootstrap.meter import meter_choice
from cisterna.domain.dataset import Stage, Version
from cisterna.domain.finding import Verdict
from cisterna.ports.catalogue import Catalogue
from cisterna.profiles.h5ad import H5ad
from cisterna.profiles.table import Table
from cisterna.services import one_read
from cisterna.services.measurement import CURVES_PATH, METRICS_PATH
from cisterna.services.validate import gate_version
from cisterna.settings import Settings
from cisterna.testing.cell_files import CELLS, h5ad_of
from cisterna.testing.clock import SettableClock
from cisterna.testing.scripted_run import Mishap, ScriptedRun
from cisterna.testing.virtual_single_cell import virtual_single_cell
from cisterna.testing.virtual_table import virtual_table
from tests.archive.facility import Facility
from tests.archive.test_measure import manifest_of, table_of

WITHIN = "filtered_feature_bc_matrix"


@pytest.fixture
def facility(catalogue: Catalogue, clock: SettableClock, tmp_path: Path) -> Facility:
    landing = tmp_path / "landing"
    landing.mkdir()
    return Facility(catalogue, clock, landing)


@pytest.fixture
def cells(facility: Facility, readers: FileChildren, tmp_path: Path) -> Facility:
    """A facility of single cells."""
    spools = SpoolFolder(tmp_path / "spool", limit_bytes=1 << 30, room=None)
    facility.profile, facility.data_type = H5ad(), "single_cell"
    facility.meter = CellMeter(spools=spools, children=readers)
    return facility


@pytest.fixture
def tables(facility: Facility, readers: FileChildren, tmp_path: Path) -> Facility:
    """A facility of tables."""
    spools = SpoolFolder(tmp_path / "spool", limit_bytes=1 << 30, room=None)
    facility.profile, facility.data_type = Table(), "table"
    facility.meter = TableMeter(spools=spools, children=readers)
    return facility


def judged(facility: Facility, run: ScriptedRun, gate: GxGate) -> Version:
    """Take a run as far as the gate does, and see that every byte of it is staged."""
    run.write(facility.landing)
    version = facility.detect(run.name).version_id
    lease = facility.lease(version)
    facility.measure(version, lease)
    keys = facility.keys(version)
    files = {file.path: keys[file.content_path or ""] for file in manifest_of(facility, version).files}
    assert files == {path: (facility.landing / run.name / path).read_bytes() for path in files}
    found = gate_version(
        version,
        lease=lease,
        catalogue=facility.catalogue,
        store=facility.store,
        gate=gate,
        tables=facility.tables,
        clock=facility.clock,
    )
    assert found.stage is Stage.GATED
    return found


@pytest.mark.parametrize("limit_bytes", [4096, 1 << 26], ids=["streamed", "whole"])
def test_a_pipelines_folder_is_measured_in_the_one_read(
    cells: Facility, gate: GxGate, monkeypatch: pytest.MonkeyPatch, limit_bytes: int
) -> None:
    cells.image_limit_bytes = limit_bytes
    run, counts = virtual_single_cell(), list[int]()
    fill = one_read._fill
    monkeypatch.setattr(one_read, "_fill", lambda source, buffer: counts.append(fill(source, buffer)) or counts[-1])

    gated = judged(cells, run, gate)

    assert sum(counts) == sum(map(len, run.files.values()))
    table = table_of(cells, gated.version_id, METRICS_PATH)
    assert set(table["problem"]) | set(table["unmeasured"]) == {None}
    measured = dict(zip(table["path"], table["cells"], strict=True))
    assert {path for path, count in measured.items() if count == CELLS} == {
        "annotated.h5ad",
        f"{WITHIN}.h5",
        f"{WITHIN}/matrix.mtx.gz",
    }
    assert len(set(table["mitochondrial_share_median"]) - {None}) == 1  # of the same counts in all three
    assert set(table_of(cells, gated.version_id, CURVES_PATH)["curve"]) >= {"cells_by_counts", "counts_by_barcode_rank"}


def test_a_matrix_that_was_cut_off_is_quarantined_and_archived_all_the_same(cells: Facility, gate: GxGate) -> None:
    gated = judged(cells, virtual_single_cell(mishap=Mishap.TRUNCATED, victim="annotated.h5ad"), gate)

    assert gated.verdict is Verdict.QUARANTINED
    assert "Files that cannot be read: 1 file" in (gated.reason or "")


@pytest.mark.parametrize("limit_bytes", [4096, 1 << 26], ids=["streamed", "whole"])
def test_a_folder_of_tables_is_measured_in_the_one_read(tables: Facility, gate: GxGate, limit_bytes: int) -> None:
    tables.image_limit_bytes = limit_bytes

    gated = judged(tables, virtual_table(), gate)

    table = table_of(tables, gated.version_id, METRICS_PATH)
    assert table["path"] == ["cells.parquet", "genes.tsv", "plates.csv"]
    assert (table["rows"], table["key_columns"]) == ([3.0, 1.0, 2.0], [1.0, 0.0, 0.0])
    assert set(table["problem"]) | set(table["unmeasured"]) == {None}
    assert "rows_by_dose_um" in table_of(tables, gated.version_id, CURVES_PATH)["curve"]


def test_a_schema_that_came_along_is_what_its_table_is_held_against(tables: Facility, gate: GxGate) -> None:
    schema = b'{"fields": [{"name": "well"}, {"name": "dose_um", "type": "integer"}]}'
    files = {"plates.csv": b"well,dose_um\nA1,0.5\nA2,1\n", "schema.json": schema}

    gated = judged(tables, ScriptedRun("plates", files), gate)

    assert gated.verdict is Verdict.QUARANTINED
    assert "Values that are not what the schema asks for: 1 value" in (gated.reason or "")


def test_a_stack_measures_single_cells_and_tables_below_its_home(tmp_path: Path) -> None:
    home = Home(tmp_path)

    with meter_choice(Settings(home=tmp_path), home) as meters:
        cells = meters.of("single_cell").read(memoryview(h5ad_of()), path="a.h5ad")
        table = meters.of("table").read(memoryview(b"a,b\n1,2\n"), path="a.csv")

    assert (cells.metrics["cells"], table.metrics["rows"]) == (CELLS, 1.0)
