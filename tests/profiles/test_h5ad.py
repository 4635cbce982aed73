"""What the single-cell profile makes of matrices, good, bad and hostile."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cisterna.domain.acquisition import AcquisitionState
from cisterna.profiles.h5ad import H5ad
from cisterna.testing.cell_files import CELLS, GENES, counts
from cisterna.testing.scripted_run import Mishap
from cisterna.testing.virtual_single_cell import hdf5, matrix, virtual_single_cell
from tests.profiles.folder_look import Held, judged, look

H5AD = H5ad()
WITHIN = "filtered_feature_bc_matrix"


def test_a_pipelines_folder_is_complete_after_five_quiet_minutes(tmp_path: Path) -> None:
    folder = virtual_single_cell().write(tmp_path)

    fresh, quiet = (judged(H5AD, folder, quiet_for=seconds) for seconds in (299.0, 300.0))

    assert (fresh.state, quiet.state) == (AcquisitionState.WRITING, AcquisitionState.COMPLETE)


@pytest.mark.parametrize("name", ["matrix.mtx.gz", "barcodes.tsv.gz", "features.tsv.gz"])
def test_a_third_of_a_matrix_is_missing(tmp_path: Path, name: str) -> None:
    folder = virtual_single_cell(mishap=Mishap.MISSING, victim=f"{WITHIN}/{name}").write(tmp_path)

    assert H5AD.inspect(look(folder)).missing == (f"{WITHIN}/{name}",)
    assert judged(H5AD, folder).state is AcquisitionState.PARTIAL


def test_the_older_names_are_a_whole_matrix_as_well_and_a_table_of_genes_is_none() -> None:
    old = {"hg19/matrix.mtx": matrix(), "hg19/barcodes.tsv": b"A\n", "hg19/genes.tsv": b"g\n", "my/genes.tsv": b"g\n"}

    assert H5AD.claims(Held(old))
    assert H5AD.inspect(Held(old)).missing == ()
    assert not H5AD.claims(Held({"my/genes.tsv": b"g\n"}))


@pytest.mark.parametrize("victim", [f"{WITHIN}.h5", "annotated.h5ad"])
def test_an_hdf5_file_that_was_cut_off_is_told(tmp_path: Path, victim: str) -> None:
    run = virtual_single_cell(mishap=Mishap.TRUNCATED, victim=victim)
    end = len(run.files[victim])

    faults = H5AD.inspect(look(run.write(tmp_path))).faults

    assert faults == (f"{victim} holds {end * 3 // 5} bytes and says that it ends at {end}",)


@pytest.mark.parametrize("version", [0, 1, 2, 3])
def test_a_file_whose_end_is_where_it_says_has_no_fault(version: int) -> None:
    assert H5AD.inspect(Held({"a.h5ad": hdf5(version=version)})).faults == ()


CANNOT_BE_WHOLE = {
    "empty": ("a.h5ad", b"", "is empty"),
    "something else": ("a.h5ad", b"PK\3\4" * 99, "does not begin like HDF5"),
    "cut off in its first bytes": ("a.h5ad", hdf5()[:20], "does not begin like HDF5"),
    "cut off in its addresses": ("a.h5ad", hdf5()[:40], "does not tell where it ends"),
    "longer than it says": ("a.h5ad", hdf5(end=1000), "says that it ends at 1000"),
    "open": ("a.h5ad", hdf5(version=3, flags=1), "has it open for writing"),
    "of the future": ("a.h5ad", hdf5(version=9), "version 9, which is not known here"),
    "with offsets of three bytes": ("a.h5ad", hdf5()[:13] + b"\3" + hdf5()[14:], "does not tell where it ends"),
    "no gzip": (f"{WITHIN}/matrix.mtx.gz", matrix(), "does not begin like a gzip file"),
    "no matrix, packed": (f"{WITHIN}/matrix.mtx.gz", gzip.compress(b"a,b\n"), "does not begin like a matrix"),
    "no matrix": (f"{WITHIN}/matrix.mtx", b"a,b\n", "does not begin like a matrix"),
    "allocated": (f"{WITHIN}/matrix.mtx.gz", gzip.compress(matrix()) + bytes(99), "ends in zeros"),
}


@pytest.mark.parametrize(("name", "body", "says"), list(CANNOT_BE_WHOLE.values()), ids=list(CANNOT_BE_WHOLE))
def test_a_file_that_cannot_be_whole_is_told(name: str, body: bytes, says: str) -> None:
    packed = ".gz" if name.endswith(".gz") else ""
    table = gzip.compress(b"x\n") if packed else b"x\n"
    beside = {f"{WITHIN}/{one}.tsv{packed}": table for one in ("barcodes", "features")} if "matrix" in name else {}

    (fault,) = H5AD.inspect(Held({name: body, **beside})).faults

    assert fault.startswith(f"{name} ")
    assert says in fault


def test_what_lies_behind_other_data_in_its_file_is_not_reckoned() -> None:
    for body in (hdf5(base=512, end=7), b"notes".ljust(512) + hdf5(base=512)):
        assert H5AD.inspect(Held({"a.h5ad": body})).faults == ()


def test_the_folder_describes_itself(tmp_path: Path) -> None:
    described = H5AD.describe(look(virtual_single_cell().write(tmp_path)))

    assert (described.title, described.data_type) == ("pbmc", "single_cell")
    assert {name: described.fields[name] for name in ("features", "cells", "entries")} == {
        "features": GENES,
        "cells": CELLS,
        "entries": int((counts() > 0).sum()),
    }
    assert (described.fields["hdf5_files"], described.fields["matrices"]) == (2, 1)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=100), st.binary(max_size=100))
def test_no_content_raises_anything(first: bytes, second: bytes) -> None:
    held = Held(
        {
            "a.h5ad": b"\x89HDF\r\n\x1a\n" + first,
            f"{WITHIN}/matrix.mtx.gz": b"\x1f\x8b\x08" + second,
            f"{WITHIN}/barcodes.tsv.gz": first,
            f"{WITHIN}/features.tsv.gz": second,
            "x/matrix.mtx": second,
        }
    )

    assert H5AD.claims(held)
    H5AD.inspect(held)
    assert H5AD.describe(held).title
