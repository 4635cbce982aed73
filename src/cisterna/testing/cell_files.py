"""Writes single-cell matrices as anndata and 10x Genomics' pipelines do, with counts that look like those of cells."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

Counts = NDArray[Any]

CELLS, GENES = 120, 1500
_MITOCHONDRIAL, _RIBOSOMAL = 13, 40


@cache
def counts(cells: int = CELLS, genes: int = GENES, *, depth: float = 1.0, mitochondria: float = 1.0) -> Counts:
    """Draw counts: cells of different size, and genes of which few are common.

    Args:
        cells: How many.
        genes: How many.
        depth: How many counts a cell has, against about three thousand.
        mitochondria: How many of them are mitochondrial, against a few in a hundred.
    """
    rng = np.random.default_rng(7)
    means = rng.lognormal(0.0, 1.2, genes)
    means[:_MITOCHONDRIAL] = 10.0 * mitochondria
    sizes = rng.lognormal(0.0, 0.3, cells)
    drawn = rng.poisson(depth * sizes[:, None] * means[None, :]).astype(np.int32)
    drawn.setflags(write=False)
    return drawn


def gene_names(genes: int = GENES) -> list[str]:
    """Name genes: the first are mitochondrial, and some of those after them ribosomal."""
    names = [f"MT-{number}" for number in range(_MITOCHONDRIAL)]
    names += [f"RP{'SL'[number % 2]}{number}" for number in range(_RIBOSOMAL)]
    return (names + [f"GENE{number}" for number in range(genes)])[:genes]


def barcodes(cells: int = CELLS) -> list[str]:
    """Name cells."""
    return ["".join("ACGT"[number >> 2 * place & 3] for place in range(8)) + "-1" for number in range(cells)]


def h5ad_of(
    matrix: Counts | None = None,
    *,
    kept: str = "csr",
    obs: Sequence[str] | None = None,
    var: Sequence[str] | None = None,
    layers: Mapping[str, Counts] | None = None,
    raw: Counts | None = None,
    change: Callable[[h5py.File], None] | None = None,
) -> bytes:
    """Write an `.h5ad`.

    Args:
        matrix: Of cells by genes; else one that was drawn.
        kept: `csr`, `csc` or `dense`.
        obs: Names of the cells, where they are not as many as the matrix has.
        var: The same of the genes.
        layers: Other matrices, by name.
        raw: One more.
        change: What a test does to the file before it is closed.
    """
    matrix = counts() if matrix is None else matrix
    names = gene_names(matrix.shape[1]) if var is None else var
    body = io.BytesIO()
    with h5py.File(body, "w") as file:
        file.attrs["encoding-type"], file.attrs["encoding-version"] = "anndata", "0.1.0"
        _put(file, "X", matrix, kept)
        _put_names(file, "obs", barcodes(matrix.shape[0]) if obs is None else obs)
        _put_names(file, "var", names)
        within = file.create_group("layers")
        within.attrs["encoding-type"], within.attrs["encoding-version"] = "dict", "0.1.0"
        for name, layer in (layers or {}).items():
            _put(within, name, layer, kept)
        if raw is not None:
            group = file.create_group("raw")
            _put(group, "X", raw, kept)
            _put_names(group, "var", gene_names(raw.shape[1]))
        if change is not None:
            change(file)
    return body.getvalue()


def tenx_of(
    matrix: Counts | None = None,
    *,
    listed: int | None = None,
    kinds: Sequence[str] | None = None,
    change: Callable[[h5py.File], None] | None = None,
) -> bytes:
    """Write Cell Ranger's HDF5, features by barcodes; `listed` barcodes, where these are not as many as cells."""
    matrix = counts() if matrix is None else matrix
    cells, genes = matrix.shape
    body = io.BytesIO()
    with h5py.File(body, "w") as file:
        group = file.create_group("matrix")
        _put_parts(group, matrix)
        group["shape"] = np.array([genes, cells], np.int32)
        group["barcodes"] = np.array(barcodes(cells if listed is None else listed), "S18")
        features = group.create_group("features")
        features["id"] = np.array([f"ENSG{number:011}" for number in range(genes)], "S15")
        features["name"] = np.array(gene_names(genes), "S24")
        features["feature_type"] = np.array(list(kinds or ["Gene Expression"] * genes), "S24")
        if change is not None:
            change(file)
    return body.getvalue()


def text_of(
    matrix: Counts | None = None, *, packed: bool = True, told: int | None = None, kinds: Sequence[str] | None = None
) -> dict[str, bytes]:
    """Write the three text files by name; `told` entries, where these are not as many as there are."""
    matrix = counts() if matrix is None else matrix
    cells, genes = matrix.shape
    rows, columns = np.nonzero(matrix)
    lines = b"".join(b"%d %d %d\n" % entry for entry in zip(columns + 1, rows + 1, matrix[rows, columns], strict=True))
    sizes = b"%d %d %d\n" % (genes, cells, len(rows) if told is None else told)
    kinds = kinds or ["Gene Expression"] * genes
    features = (
        f"ENSG{n:011}\t{name}\t{kind}\n" for n, (name, kind) in enumerate(zip(gene_names(genes), kinds, strict=True))
    )
    files = {
        "barcodes.tsv": "".join(f"{name}\n" for name in barcodes(cells)).encode(),
        "features.tsv": "".join(features).encode(),
        "matrix.mtx": b"%%MatrixMarket matrix coordinate integer general\n%\n" + sizes + lines,
    }
    return {f"{name}.gz": gzip.compress(body, 1, mtime=0) for name, body in files.items()} if packed else files


def _put(group: h5py.Group, name: str, matrix: Counts, kept: str) -> None:
    if kept == "dense":
        group.create_dataset(name, data=matrix.astype(np.float32), compression="gzip", compression_opts=1)
        return
    within = group.create_group(name)
    within.attrs["encoding-type"], within.attrs["encoding-version"] = f"{kept}_matrix", "0.1.0"
    within.attrs["shape"] = np.array(matrix.shape)
    _put_parts(within, matrix.astype(np.float32) if kept == "csr" else matrix.T.astype(np.float32))


def _put_parts(group: h5py.Group, matrix: Counts) -> None:
    """Write a sparse matrix, row by row."""
    rows, columns = np.nonzero(matrix)
    ends = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=matrix.shape[0]))])
    parts = {"data": matrix[rows, columns], "indices": columns.astype(np.int32), "indptr": ends.astype(np.int64)}
    for name, part in parts.items():
        group.create_dataset(name, data=part, compression="gzip" if part.size else None)


def _put_names(group: h5py.Group, name: str, names: Sequence[str]) -> None:
    table = group.create_group(name)
    table.attrs["_index"], table.attrs["column-order"] = "_index", np.zeros(0, "S1")
    table.attrs["encoding-type"], table.attrs["encoding-version"] = "dataframe", "0.2.0"
    table.create_dataset("_index", data=list(names), dtype=h5py.string_dtype())
