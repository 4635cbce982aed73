"""Reads `.h5ad` files and 10x Genomics' matrices in HDF5, in blocks; runs in the process that opens such files."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from typing import Any, BinaryIO, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from cisterna.adapters.cell_metrics import CELL_METRICS, Metrics, no_metrics
from cisterna.adapters.cell_tally import CellTally, GeneMarks, marks_of, require_countable, unmarked
from cisterna.adapters.distinct import Distinct, hash_list
from cisterna.adapters.file_fault import Fault
from cisterna.adapters.hdf5_guard import GuardedFile, Node, numbers
from cisterna.domain.errors import InvalidInput
from cisterna.ports.quality import Reading

Numbers = NDArray[Any]
Work = Generator[None, None, Reading]
Tallying = Generator[None, None, CellTally]

_BLOCK = 1 << 20
_TILE = 1 << 24
_SYMBOLS = ("gene_symbols", "gene_symbol", "feature_name", "gene_name", "gene_names", "symbol")
"""Columns of `var` that hold the genes' names where its index holds other ones, such as Ensembl's."""
_NAMES_MAX = 2_000_000


class _Matrix(NamedTuple):
    """Where a matrix lies, cells by genes.

    Attributes:
        node: An array, or the group of a sparse one.
        is_by_cell: Of a sparse one: whether its pointers are those of cells.
    """

    node: Node
    cells: int
    genes: int
    is_by_cell: bool


class _Names(NamedTuple):
    """Of the cells or the genes: how many, how many of them twice, and what they say."""

    total: int
    repeated: int
    marks: GeneMarks | None


def open_cells(file: BinaryIO, asked: Mapping[str, object]) -> Generator[None, None, Reading]:
    """Open a file; what is given measures it step by step, and returns the reading. Nothing is asked of it.

    Raises:
        Fault: It is not what it must be.
        InvalidInput: It is not read here.
    """
    del asked
    return _measured(GuardedFile(file))


def _measured(file: GuardedFile) -> Work:
    root = file.root
    if isinstance(file.find(root, "mod"), h5py.Group) and file.find(root, "X") is None:
        raise InvalidInput("it holds several kinds of data (MuData), which are not measured yet")
    if file.find(root, "obs") is not None or file.find(root, "var") is not None:
        return (yield from _annotated(file))
    return (yield from _tenx(file))


def _annotated(file: GuardedFile) -> Work:
    root = file.root
    cells, genes = _names(file, root, "obs"), _names(file, root, "var", marks=True)
    matrix = _matrix(file, root, "X", cells.total, genes.total)
    outside, tally, nonfinite = 0.0, None, 0
    if matrix is not None:
        tally = yield from _tallied(file, matrix, genes)
        nonfinite = tally.nonfinite
    if tally is None or not tally.is_whole:
        for place, names in _elsewhere(file, cells.total, genes):
            other = yield from _tallied(file, place, names)
            if tally is None or other.is_whole:
                tally, outside, genes = other, 1.0, names
                nonfinite += other.nonfinite
                break
    if tally is None:
        raise Fault("it holds no matrix: neither X nor counts elsewhere")
    mismatches = (tally.cells != cells.total) + (tally.genes != genes.total) + _odd_layers(file, matrix)
    return _reading(
        tally,
        cells,
        genes,
        counts_outside_x=outside,
        nonfinite_values=float(nonfinite),
        layers=float(len(_layers(file))),
        has_raw=float(_raw(file) is not None),
        length_mismatches=float(mismatches),
    )


def _reading(tally: CellTally, cells: _Names, genes: _Names, **more: float) -> Reading:
    if tally.twice:
        raise Fault(f"its matrix tells {tally.twice:,} times of a gene in a cell that it told of before")
    found: Metrics = {
        **no_metrics(),
        "cells": float(tally.cells),
        "genes": float(tally.marks.counted.sum()),
        "features": float(tally.genes),
        "entries": float(tally.entries),
        **tally.metrics(),
        "duplicate_barcodes": float(cells.repeated),
        "duplicate_genes": float(genes.repeated),
        "raw_counts": float(tally.is_whole),
        "negative_values": float(tally.negative) if tally.is_whole else None,
        "nonfinite_values": float(tally.nonfinite),
        **more,
    }
    return Reading(metrics={name: found[name] for name in CELL_METRICS}, curves=tally.curves())


def _tenx(file: GuardedFile) -> Work:
    """Read 10x Genomics' own layout: features by barcodes, with the pointers of the barcodes."""
    group = file.find(file.root, "matrix")
    if group is None:  # Cell Ranger 2: one group a genome
        groups = [name for name in file.members(file.root) if isinstance(file.find(file.root, name), h5py.Group)]
        if len(groups) != 1:
            raise Fault("it is neither an annotated matrix (obs, var) nor one of 10x Genomics (matrix)")
        group = file.find(file.root, groups[0])
    if not isinstance(group, h5py.Group):
        raise Fault("its matrix is no group of 10x Genomics' layout")
    barcodes, shape = file.find(group, "barcodes"), file.find(group, "shape")
    if not isinstance(barcodes, h5py.Dataset) or not isinstance(shape, h5py.Dataset):
        raise Fault("its matrix has no barcodes or no shape")
    sides = numbers(shape, 0, 2).astype(np.int64).tolist()
    if len(sides) != 2 or min(sides) < 0:
        raise Fault("its shape is not that of a matrix")
    features = file.find(group, "features")
    ids, names, kinds = (
        (_listed(file, features, "id"), _listed(file, features, "name"), _listed(file, features, "feature_type"))
        if isinstance(features, h5py.Group)
        else (_listed(file, group, "genes"), _listed(file, group, "gene_names"), [])
    )
    cells = _counted(file.texts(barcodes))
    genes = _Names(len(ids), _counted(iter([ids])).repeated, marks_of(names, kinds))
    matrix = _Matrix(group, cells=sides[1], genes=sides[0], is_by_cell=True)
    tally = yield from _tallied(file, matrix, genes)
    mismatches = (sides[1] != cells.total) + (sides[0] != genes.total) + (len(names) != len(ids))
    more = {"counts_outside_x": 0.0, "layers": 0.0, "has_raw": 0.0, "length_mismatches": float(mismatches)}
    return _reading(tally, cells, genes, **more)


def _tallied(file: GuardedFile, matrix: _Matrix, names: _Names) -> Tallying:
    if isinstance(matrix.node, h5py.Group):
        return (yield from _sparse(file, matrix, names))
    return (yield from _dense(matrix, matrix.node, names))


def _begun(matrix: _Matrix, names: _Names, *, by_cell: bool) -> CellTally:
    require_countable(matrix.cells, matrix.genes)
    marks = names.marks
    if marks is None or len(marks.counted) != matrix.genes:
        marks = unmarked(matrix.genes)
    return CellTally(matrix.cells, matrix.genes, marks=marks, by_cell=by_cell)


def _sparse(file: GuardedFile, matrix: _Matrix, names: _Names) -> Tallying:
    parts = [file.find(matrix.node, name) for name in ("data", "indices", "indptr")]
    if not all(isinstance(part, h5py.Dataset) and part.ndim == 1 for part in parts):
        raise Fault("its sparse matrix lacks its data, indices or pointers")
    data, indices, pointers = parts
    majors = matrix.cells if matrix.is_by_cell else matrix.genes
    minors = matrix.genes if matrix.is_by_cell else matrix.cells
    is_long = pointers.shape[0] == majors + 1
    ends = numbers(pointers, 0, majors + 1).astype(np.int64) if is_long else np.zeros(1, np.int64)
    if not is_long or ends[0] or not ends[-1] == data.shape[0] == indices.shape[0] or (np.diff(ends) < 0).any():
        raise Fault("the pointers of its sparse matrix do not fit its shape and its entries")
    tally = _begun(matrix, names, by_cell=matrix.is_by_cell)
    for start in range(0, data.shape[0], _BLOCK):
        stop = min(start + _BLOCK, data.shape[0])
        minor = numbers(indices, start, stop).astype(np.int64)
        if minor.min() < 0 or minor.max() >= minors:
            raise Fault(f"its sparse matrix has an entry at {minor.max():,} where only {minors:,} are")
        major = np.searchsorted(ends, np.arange(start, stop), side="right") - 1
        cells, genes = (major, minor) if matrix.is_by_cell else (minor, major)
        tally.add(numbers(data, start, stop), cells, genes)
        yield
    return tally


def _dense(matrix: _Matrix, node: h5py.Dataset, names: _Names) -> Tallying:
    """Read an array in tiles that follow its pieces: whole rows where those are not too many values."""
    high, wide = node.chunks or (1, max(1, matrix.genes))
    is_by_cell = high * matrix.genes <= _TILE
    rows = high * max(1, _BLOCK // max(1, high * matrix.genes)) if is_by_cell else high
    columns = matrix.genes if is_by_cell else wide * max(1, _BLOCK // max(1, high * wide))
    tally = _begun(matrix, names, by_cell=is_by_cell)
    for top in range(0, matrix.cells, rows):
        for left in range(0, matrix.genes, max(1, columns)):
            tile = np.asarray(node[top : top + rows, left : left + columns])
            cells, genes = np.nonzero(tile)
            tally.add(tile[cells, genes], cells + top, genes + left)
            yield
    return tally


def _matrix(file: GuardedFile, group: h5py.Group, name: str, cells: int, genes: int) -> _Matrix | None:
    """Find a matrix, whichever way it is kept; None where there is none."""
    node = file.find(group, name)
    if node is None or file.attribute(node, "encoding-type") == "null":
        return None
    if isinstance(node, h5py.Dataset):
        if node.ndim == 1 and node.shape[0] == cells and genes == 1:
            raise InvalidInput(f"its {name} is kept without its second dimension, which is not read here")
        if node.ndim != 2 or node.dtype.kind not in "biuf":
            raise Fault(f"its {name} holds {node.dtype} in {node.ndim} dimensions where a matrix of numbers must be")
        return _Matrix(node, node.shape[0], node.shape[1], is_by_cell=True)
    kind = file.attribute(node, "encoding-type") or file.attribute(node, "h5sparse_format")
    shape = file.attribute(node, "shape")
    sides = np.ravel(file.attribute(node, "h5sparse_shape") if shape is None else shape)
    if kind not in {"csr_matrix", "csc_matrix", "csr", "csc"}:
        raise Fault(f"its {name} is kept in a way that is not known")
    if len(sides) != 2 or sides.dtype.kind not in "iu" or min(sides) < 0:
        raise Fault(f"its {name} does not tell how large it is")
    return _Matrix(node, int(sides[0]), int(sides[1]), is_by_cell=str(kind).startswith("csr"))


def _elsewhere(file: GuardedFile, cells: int, genes: _Names) -> Iterator[tuple[_Matrix, _Names]]:
    """Give the places where counts are kept by convention when X is normalised."""
    layers = file.find(file.root, "layers")
    if isinstance(layers, h5py.Group):
        matrix = _matrix(file, layers, "counts", cells, genes.total)
        if matrix is not None:
            yield matrix, genes
    raw = _raw(file)
    if raw is not None:
        group, matrix_name, names = raw
        matrix = _matrix(file, group, matrix_name, cells, genes.total)
        if matrix is not None:
            yield matrix, _names(file, group, names, marks=True)


def _raw(file: GuardedFile) -> tuple[h5py.Group, str, str] | None:
    group = file.find(file.root, "raw")
    if isinstance(group, h5py.Group):
        return group, "X", "var"
    return (file.root, "raw.X", "raw.var") if file.find(file.root, "raw.X") is not None else None


def _layers(file: GuardedFile) -> list[str]:
    group = file.find(file.root, "layers")
    return file.members(group) if isinstance(group, h5py.Group) else []


def _odd_layers(file: GuardedFile, matrix: _Matrix | None) -> int:
    """Count the layers that are not as large as X."""
    group = file.find(file.root, "layers")
    if matrix is None or not isinstance(group, h5py.Group):
        return 0
    found = [_matrix(file, group, name, matrix.cells, matrix.genes) for name in file.members(group)]
    return sum(one is not None and one[1:3] != matrix[1:3] for one in found)


def _names(file: GuardedFile, group: h5py.Group, name: str, *, marks: bool = False) -> _Names:
    """Read the names of cells or genes: of a table's index, which lies in a group, or once in an array of records."""
    table = file.find(group, name)
    if isinstance(table, h5py.Dataset):
        fields = table.dtype.names or ()
        field = next((one for one in ("index", "_index") if one in fields), None)
        if field is None:
            raise Fault(f"its {name} has no index")
        return _counted(file.texts(table, field=field), marks=marks)
    if table is None:
        raise Fault(f"it has no {name}")
    index = file.attribute(table, "_index")
    found = file.find(table, index if isinstance(index, str) else "_index")
    if isinstance(found, h5py.Group):  # anndata's array of texts of which some may be missing: values, and a mask
        found = file.find(found, "values")
    if not isinstance(found, h5py.Dataset):
        raise Fault(f"its {name} has no index")
    counted = _counted(file.texts(found), marks=marks)
    if counted.marks is None or counted.marks.mitochondrial.any():
        return counted
    for column in _SYMBOLS:
        symbols = _listed(file, table, column)
        if len(symbols) == counted.total and (better := marks_of(symbols)).mitochondrial.any():
            return counted._replace(marks=better)
    return counted


def _counted(blocks: Iterator[list[bytes]], *, marks: bool = False) -> _Names:
    distinct, count, kept = Distinct(), 0, list[bytes]()
    for block in blocks:
        distinct.add(hash_list(block))
        count += len(block)
        if marks and count <= _NAMES_MAX:
            kept += block
    return _Names(count, distinct.repeated, marks_of(kept) if marks and len(kept) == count else None)


def _listed(file: GuardedFile, group: h5py.Group, name: str) -> list[bytes]:
    """Read a column of texts whole, also one that is kept as categories; none where there is none."""
    node = file.find(group, name)
    if isinstance(node, h5py.Group):
        codes, categories = file.find(node, "codes"), file.find(node, "categories")
        if not isinstance(codes, h5py.Dataset) or not isinstance(categories, h5py.Dataset):
            return []
        known = [text for block in file.texts(categories) for text in block]
        places = numbers(codes, 0, _NAMES_MAX).astype(np.int64)
        return [known[place] if 0 <= place < len(known) else b"" for place in places.tolist()]
    if node is None or not h5py.check_string_dtype(node.dtype) or node.size > _NAMES_MAX:
        return []
    return [text for block in file.texts(node) for text in block]
