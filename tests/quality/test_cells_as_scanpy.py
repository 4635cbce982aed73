"""Real cells, held against scanpy where it is installed; it brings 800 MiB along, so the plain tests do without it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse

from cisterna.adapters.cell_meter import CellMeter
from cisterna.adapters.file_reader import FileChildren
from cisterna.adapters.spool_folder import SpoolFolder
from cisterna.ports.quality import Reading

pytestmark = pytest.mark.filterwarnings("default")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    scanpy = pytest.importorskip("scanpy")
    anndata = pytest.importorskip("anndata")


@pytest.fixture
def read(readers: FileChildren, tmp_path: Path) -> Callable[[Path], Reading]:
    meter = CellMeter(spools=SpoolFolder(tmp_path / "spool", limit_bytes=1 << 30, room=None), children=readers)
    return lambda path: meter.read(memoryview(path.read_bytes()), path=path.name)


@pytest.fixture(scope="module")
def real() -> Any:
    """700 cells of 10x Genomics' 68k PBMCs: log-normalised per ten thousand, and scaled."""
    return scanpy.read_h5ad(Path(scanpy.__file__).parent / "datasets" / "10x_pbmc68k_reduced.h5ad")


def test_the_file_that_scanpy_ships_has_no_counts(read: Callable[[Path], Reading], real: Any) -> None:
    reading = read(Path(scanpy.__file__).parent / "datasets" / "10x_pbmc68k_reduced.h5ad")

    assert (reading.problem, reading.unmeasured) == (None, None)
    assert (reading.metrics["cells"], reading.metrics["genes"]) == real.shape == (700, 765)
    assert (reading.metrics["raw_counts"], reading.metrics["has_raw"]) == (0.0, 1.0)


@pytest.mark.parametrize("kept", ["csr", "csc", "dense"])
def test_real_cells_as_whole_numbers_give_what_scanpy_gives(
    read: Callable[[Path], Reading], real: Any, tmp_path: Path, kept: str
) -> None:
    cells = real.raw.to_adata()
    counts = np.rint(np.expm1(cells.X.toarray())).astype(np.float32)
    cells.X = counts if kept == "dense" else getattr(scipy.sparse, f"{kept}_matrix")(counts)
    cells.raw = None
    with anndata.settings.override(allow_write_nullable_strings=True):
        cells.write_h5ad(tmp_path / "real.h5ad", compression="gzip")

    metrics = read(tmp_path / "real.h5ad").metrics

    cells.var["mt"] = cells.var_names.str.startswith("MT-")
    scanpy.pp.calculate_qc_metrics(cells, qc_vars=["mt"], percent_top=[50], log1p=False, inplace=True)
    told = cells.obs
    for ours, theirs in {"counts_per_cell": told["total_counts"], "genes_per_cell": told["n_genes_by_counts"]}.items():
        for name, at in {"median": 50, "p5": 5, "p95": 95}.items():
            assert metrics[f"{ours}_{name}"] == pytest.approx(float(np.percentile(theirs, at)))
    assert cells.var["mt"].any()
    shares = {"mitochondrial_share": told["pct_counts_mt"], "top50_share": told["pct_counts_in_top_50_genes"]}
    for ours, theirs in shares.items():
        for name, at in {"median": 50, "p95": 95}.items():
            assert metrics[f"{ours}_{name}"] == pytest.approx(float(np.percentile(theirs, at)) / 100, rel=1e-5)
    assert metrics["unseen_genes"] == int((cells.var["n_cells_by_counts"] == 0).sum())
