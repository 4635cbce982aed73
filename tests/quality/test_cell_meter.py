"""Single cells are measured as scanpy would, whichever way their matrix is kept."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from cisterna.adapters import cell_hdf5
from cisterna.adapters.cell_meter import CellMeter
from cisterna.adapters.cell_tally import CellTally, marks_of, unmarked
from cisterna.adapters.file_reader import FileChildren
from cisterna.adapters.spool_folder import SpoolFolder
from cisterna.ports.quality import LooksAround, Meter, MeterChoice, Reading
from cisterna.testing.cell_files import CELLS, GENES, barcodes, counts, gene_names, h5ad_of, tenx_of, text_of
from cisterna.testing.meter_contract import MeterContract
from tests.profiles.folder_look import Held

WITHIN = "filtered_feature_bc_matrix"
Matrix = NDArray[Any]


def meter_of(readers: FileChildren, spool: Path, files: Mapping[str, bytes] | None = None) -> CellMeter:
    meter = CellMeter(spools=SpoolFolder(spool, limit_bytes=1 << 30, room=None), children=readers)
    return meter if files is None else meter.of_run(Held(dict(files)))


@pytest.fixture
def meter(readers: FileChildren, tmp_path: Path) -> CellMeter:
    return meter_of(readers, tmp_path)


@pytest.fixture
def read(meter: CellMeter) -> Callable[..., Reading]:
    return lambda body, path="a.h5ad": meter.read(memoryview(body), path=path)


def reference(matrix: Matrix, names: list[str]) -> dict[str, Matrix]:
    """What scanpy's `calculate_qc_metrics` gives, written down plainly."""
    total = matrix.sum(axis=1).astype(float)
    mitochondrial = np.array([name.upper().startswith("MT-") for name in names])
    top = np.sort(matrix, axis=1)[:, ::-1][:, :50].sum(axis=1)
    with np.errstate(invalid="ignore"):
        return {
            "counts": total,
            "genes": (matrix > 0).sum(axis=1),
            "mitochondrial": matrix[:, mitochondrial].sum(axis=1) / total,
            "top50": top / total,
        }


def expected(matrix: Matrix, names: list[str]) -> dict[str, float]:
    found = reference(matrix, names)
    return {
        "cells": float(matrix.shape[0]),
        "genes": float(matrix.shape[1]),
        "counts_per_cell_median": float(np.median(found["counts"])),
        "counts_per_cell_p5": float(np.percentile(found["counts"], 5)),
        "counts_per_cell_p95": float(np.percentile(found["counts"], 95)),
        "genes_per_cell_median": float(np.median(found["genes"])),
        "genes_per_cell_p5": float(np.percentile(found["genes"], 5)),
        "genes_per_cell_p95": float(np.percentile(found["genes"], 95)),
        "mitochondrial_share_median": float(np.nanmedian(found["mitochondrial"])),
        "mitochondrial_share_p95": float(np.nanpercentile(found["mitochondrial"], 95)),
        "top50_share_median": float(np.nanmedian(found["top50"])),
        "top50_share_p95": float(np.nanpercentile(found["top50"], 95)),
        "empty_cells": float((found["counts"] == 0).sum()),
        "unseen_genes": float((matrix.sum(axis=0) == 0).sum()),
    }


def some_empty() -> Matrix:
    """Counts with two cells and three genes that have none."""
    matrix = counts().copy()
    matrix[5], matrix[77] = 0, 0
    matrix[:, 200:203] = 0
    return matrix


FORMS: dict[str, tuple[str, Callable[[Matrix], bytes]]] = {
    "h5ad by cell": ("a.h5ad", lambda matrix: h5ad_of(matrix, kept="csr")),
    "h5ad by gene": ("a.h5ad", lambda matrix: h5ad_of(matrix, kept="csc")),
    "h5ad dense": ("a.h5ad", lambda matrix: h5ad_of(matrix, kept="dense")),
    "10x hdf5": (f"{WITHIN}.h5", tenx_of),
}


@pytest.mark.parametrize("form", FORMS, ids=list(FORMS))
def test_every_form_gives_what_the_definitions_say(read: Callable[..., Reading], form: str) -> None:
    path, write = FORMS[form]
    matrix = some_empty()

    reading = read(write(matrix), path)

    assert reading.problem is None
    wanted = expected(matrix, gene_names())
    assert {name: reading.metrics[name] for name in wanted} == pytest.approx(wanted, rel=1e-6)
    assert (reading.metrics["raw_counts"], reading.metrics["mitochondrial_genes"]) == (1.0, 13.0)


@pytest.mark.parametrize("packed", [True, False], ids=["packed", "plain"])
def test_a_matrix_in_text_gives_the_same_with_the_names_that_lie_beside_it(
    readers: FileChildren, tmp_path: Path, *, packed: bool
) -> None:
    matrix = some_empty()
    files = {f"{WITHIN}/{name}": body for name, body in text_of(matrix, packed=packed).items()}
    meter = meter_of(readers, tmp_path, files)

    found = {path: meter.read(memoryview(body), path=path) for path, body in files.items()}

    end = ".gz" if packed else ""
    wanted = expected(matrix, gene_names())
    metrics = found[f"{WITHIN}/matrix.mtx{end}"].metrics
    assert {name: metrics[name] for name in wanted} == pytest.approx(wanted, rel=1e-6)
    assert found[f"{WITHIN}/barcodes.tsv{end}"].metrics["barcodes_listed"] == CELLS
    assert found[f"{WITHIN}/features.tsv{end}"].metrics["features_listed"] == GENES


def test_an_array_kept_by_genes_is_read_in_tiles_and_gives_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whole rows of it would unpack all of its pieces once for each of them."""
    matrix = some_empty()

    def in_columns(file: h5py.File) -> None:
        del file["X"]
        file.create_dataset("X", data=matrix.astype(np.float32), chunks=(CELLS, 7), compression="gzip")

    monkeypatch.setattr(cell_hdf5, "_TILE", 10_000)
    monkeypatch.setattr(cell_hdf5, "_BLOCK", 5_000)
    (tmp_path / "a.h5ad").write_bytes(h5ad_of(kept="dense", change=in_columns))

    with (tmp_path / "a.h5ad").open("rb") as file:
        metrics = finished(cell_hdf5.open_cells(file, {})).metrics

    wanted = expected(matrix, gene_names())
    assert {name: metrics[name] for name in wanted} == pytest.approx(wanted, rel=1e-6)


def finished(work: Generator[None, None, Reading]) -> Reading:
    while True:
        try:
            next(work)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]


def test_a_matrix_whose_genes_nobody_can_name_has_no_mitochondrial_share(read: Callable[..., Reading]) -> None:
    reading = read(text_of()["matrix.mtx.gz"], "x/matrix.mtx.gz")

    assert reading.metrics["counts_per_cell_median"] is not None
    assert (reading.metrics["mitochondrial_share_median"], reading.metrics["mitochondrial_genes"]) == (None, None)


def test_antibodies_and_guides_are_no_genes(
    readers: FileChildren, tmp_path: Path, read: Callable[..., Reading]
) -> None:
    kinds = ["Gene Expression"] * (GENES - 100) + ["Antibody Capture"] * 100
    files = {f"{WITHIN}/{name}": body for name, body in text_of(kinds=kinds).items()}
    path = f"{WITHIN}/matrix.mtx.gz"

    text = meter_of(readers, tmp_path, files).read(memoryview(files[path]), path=path)
    hdf5 = read(tenx_of(kinds=kinds), f"{WITHIN}.h5")

    wanted = expected(counts()[:, : GENES - 100], gene_names()[: GENES - 100])
    for reading in (text, hdf5):
        assert {name: reading.metrics[name] for name in wanted} == pytest.approx(wanted, rel=1e-6)
        assert reading.metrics["features"] == GENES


def test_names_beside_other_identifiers_are_found(read: Callable[..., Reading]) -> None:
    def describe(file: h5py.File) -> None:
        names = file["var"].create_group("feature_name")
        known = sorted(set(gene_names()))
        names.create_dataset("categories", data=known, dtype=h5py.string_dtype())
        names["codes"] = np.array([known.index(name) for name in gene_names()], np.int16)

    reading = read(h5ad_of(var=[f"ENSG{number:011}" for number in range(GENES)], change=describe))

    wanted = expected(counts(), gene_names())["mitochondrial_share_median"]
    assert reading.metrics["mitochondrial_share_median"] == pytest.approx(wanted)


def test_an_older_h5ad_keeps_its_tables_as_records(read: Callable[..., Reading]) -> None:
    def age(file: h5py.File) -> None:
        for name, values in (("obs", barcodes()), ("var", gene_names())):
            del file[name]
            file[name] = np.array([(value.encode(), 1.0) for value in values], [("index", "S20"), ("n", "f8")])
        del file["X"].attrs["encoding-type"], file["X"].attrs["shape"]
        file["X"].attrs["h5sparse_format"] = "csr"
        file["X"].attrs["h5sparse_shape"] = np.array([CELLS, GENES])

    reading = read(h5ad_of(change=age))

    wanted = expected(counts(), gene_names())
    assert {name: reading.metrics[name] for name in wanted} == pytest.approx(wanted, rel=1e-6)


NORMALISED = np.log1p(counts() / 3.0).astype(np.float32)


def test_normalised_values_have_no_counts_and_say_so(read: Callable[..., Reading]) -> None:
    metrics = read(h5ad_of(NORMALISED)).metrics

    assert metrics["raw_counts"] == 0.0
    of_counts = [name for name in metrics if "per_cell" in name or "share" in name or name == "empty_cells"]
    assert {metrics[name] for name in of_counts} == {None}


@pytest.mark.parametrize("place", ["layers", "raw"])
def test_counts_beside_normalised_values_are_found_where_they_are_kept(
    read: Callable[..., Reading], place: str
) -> None:
    body = h5ad_of(NORMALISED, layers={"counts": counts()}) if place == "layers" else h5ad_of(NORMALISED, raw=counts())

    metrics = read(body).metrics

    assert (metrics["raw_counts"], metrics["counts_outside_x"]) == (1.0, 1.0)
    assert metrics["counts_per_cell_median"] == float(np.median(counts().sum(axis=1)))


def test_what_is_odd_is_counted(read: Callable[..., Reading]) -> None:
    matrix = counts().astype(np.float32)
    matrix[0, :3], matrix[1, :2] = -1.0, np.nan
    names = gene_names()
    names[50] = names[51] = names[52]

    metrics = read(h5ad_of(matrix, obs=[*barcodes()[:-2], barcodes()[0], "x", "y"], var=names)).metrics

    assert (metrics["negative_values"], metrics["nonfinite_values"]) == (3.0, 2.0)
    assert (metrics["duplicate_barcodes"], metrics["duplicate_genes"]) == (1.0, 2.0)
    assert metrics["length_mismatches"] == 1.0  # one cell too many


def test_the_matrix_of_all_barcodes_is_told_by_its_name(read: Callable[..., Reading]) -> None:
    found = [read(tenx_of(), f"{name}_feature_bc_matrix.h5").metrics["unfiltered"] for name in ("raw", "filtered")]

    assert found == [1.0, 0.0]


def test_the_curves_hold_every_cell_once(read: Callable[..., Reading]) -> None:
    matrix = some_empty()

    curves = {curve.name: curve for curve in read(h5ad_of(matrix)).curves}

    assert sum(y or 0 for y in curves["cells_by_counts"].y) == CELLS - 2
    assert sum(y or 0 for y in curves["cells_by_genes"].y) == CELLS
    assert sum(y or 0 for y in curves["cells_by_mitochondrial_share"].y) == CELLS - 2
    knee = curves["counts_by_barcode_rank"]
    assert (knee.y[0], knee.y[-1]) == (matrix.sum(axis=1).max(), 0)
    assert sorted(knee.y, key=lambda y: -(y or 0)) == list(knee.y)


@settings(max_examples=60, deadline=None)
@given(
    matrix=arrays.arrays(np.int32, st.tuples(st.integers(1, 8), st.integers(1, 70)), elements=st.integers(0, 5)),
    is_by_cell=st.booleans(),
)
def test_any_counts_in_either_order_give_the_definitions(matrix: Matrix, *, is_by_cell: bool) -> None:
    names = gene_names(matrix.shape[1])
    tally = CellTally(*matrix.shape, marks=marks_of([name.encode() for name in names]), by_cell=is_by_cell)
    rows, columns = np.nonzero(matrix)
    order = np.arange(rows.size) if is_by_cell else np.lexsort((rows, columns))
    for part in np.array_split(order, 3):
        tally.add(matrix[rows, columns][part], rows[part], columns[part])

    found = reference(matrix, names)
    assert tally.totals.tolist() == found["counts"].tolist()
    assert tally.genes_per_cell.tolist() == found["genes"].tolist()
    np.testing.assert_allclose(tally.mitochondrial_shares, found["mitochondrial"])
    tops = tally.top_shares
    assert tops is not None
    np.testing.assert_allclose(tops, found["top50"])


def test_sums_beyond_every_number_are_in_no_curve() -> None:
    tally = CellTally(2, 2, marks=unmarked(2), by_cell=True)

    tally.add(np.array([1e308, 1e308, 7.0]), np.array([0, 0, 1]), np.array([0, 1, 0]))

    assert all(np.isfinite([*curve.x, *curve.y]).all() for curve in tally.curves())
    assert tally.metrics()["counts_per_cell_median"] == 7.0


def test_cells_out_of_order_have_no_share_of_the_largest_genes() -> None:
    tally = CellTally(3, 2, marks=unmarked(2), by_cell=True)

    tally.add(np.ones(4), np.array([0, 2, 1, 1]), np.array([0, 0, 0, 1]))

    assert (tally.top_shares, tally.totals.tolist()) == (None, [1.0, 2.0, 1.0])


def test_a_run_is_looked_around_in_before_it_is_measured(meter: CellMeter) -> None:
    files = {"a/matrix.mtx": b"", "a/genes.tsv": b"", "my/genes.tsv": b"", "b.h5ad": b"", "c.txt": b""}

    of_run = MeterChoice(meter, {"single_cell": meter}).of_run("single_cell", Held(files))

    assert isinstance(meter, LooksAround)
    assert [path for path in files if of_run.takes(path, is_image=False)] == ["a/matrix.mtx", "a/genes.tsv", "b.h5ad"]


class TestH5ad(MeterContract):
    @pytest.fixture
    def meter(self, readers: FileChildren, tmp_path: Path) -> Meter:
        return meter_of(readers, tmp_path)

    @pytest.fixture(params=["h5ad", "10x"])
    def good(self, request: pytest.FixtureRequest) -> tuple[str, bytes]:
        return ("a.h5ad", h5ad_of()) if request.param == "h5ad" else (f"{WITHIN}.h5", tenx_of())


class TestText(TestH5ad):
    @pytest.fixture(params=["matrix.mtx.gz", "barcodes.tsv.gz", "features.tsv.gz"])
    def good(self, request: pytest.FixtureRequest) -> tuple[str, bytes]:
        return request.param, text_of()[request.param]


def test_several_members_are_gzip_as_well(read: Callable[..., Reading]) -> None:
    whole = gzip.decompress(text_of()["barcodes.tsv.gz"])
    body = gzip.compress(whole[:500]) + gzip.compress(whole[500:])

    assert read(body, "x/barcodes.tsv.gz").metrics["barcodes_listed"] == CELLS
