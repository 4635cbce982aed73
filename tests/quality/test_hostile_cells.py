"""Whatever is in a single-cell file, or becomes of its reader: a named reading, never a pass, an error or a hang."""

from __future__ import annotations

import gzip
import io
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cisterna.adapters.cell_meter import CellMeter
from cisterna.adapters.file_reader import FileChildren, FileReader
from cisterna.adapters.reader_child import ReaderChild
from cisterna.adapters.spool_folder import SpoolFolder
from cisterna.ports.quality import Reading
from cisterna.testing.cell_files import CELLS, GENES, counts, h5ad_of, tenx_of, text_of

Change = Callable[[h5py.File], None]
Read = Callable[..., Reading]


@pytest.fixture
def meter(readers: FileChildren, tmp_path: Path) -> CellMeter:
    return CellMeter(spools=SpoolFolder(tmp_path / "spool", limit_bytes=1 << 30, room=None), children=readers)


@pytest.fixture
def read(meter: CellMeter) -> Read:
    return lambda body, path="a.h5ad": meter.read(memoryview(body), path=path)


def replaced(name: str, **options: Any) -> Change:
    """Put another array in the place of one."""

    def change(file: h5py.File) -> None:
        del file[name]
        file.create_dataset(name, **options)

    return change


def link(name: str, target: Any) -> Change:
    def change(file: h5py.File) -> None:
        del file[name]
        file[name] = target

    return change


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((CELLS, GENES), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (CELLS, GENES))
    del file["X"]
    file.create_virtual_dataset("X", layout)


def external(file: h5py.File) -> None:
    del file["X"]
    file.create_dataset("X", (CELLS, GENES), "f4", external=[("/etc/passwd", 0, CELLS * GENES * 4)])


def huge_attribute(file: h5py.File) -> None:
    del file["X"].attrs["shape"]
    file["X"].attrs.create("shape", np.zeros(8000, "i8"))


def unknown_filter(file: h5py.File) -> None:
    data = file["X/data"][:]
    del file["X/data"]
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_chunk((1024,))
    plan.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, ())
    space = h5py.h5s.create_simple(data.shape)
    h5py.h5d.create(file["X"].id, b"data", h5py.h5t.NATIVE_FLOAT, space, plan)
    file["X/data"][:] = data


def entry_beyond(file: h5py.File) -> None:
    file["X/indices"][7] = GENES


def pointers_backwards(file: h5py.File) -> None:
    file["X/indptr"][3] = 1


def twice(file: h5py.File) -> None:
    file["X/indices"][1] = file["X/indices"][0]


def cycle(file: h5py.File) -> None:
    """Every part leads back to the root."""
    for name in ("layers", "obsm", "uns"):
        if name in file:
            del file[name]
        file[name] = file["/"]


LIES: dict[str, tuple[Change, str]] = {
    "virtual": (virtual, "put together from other files"),
    "external storage": (external, "keeps its values in another file"),
    "external link": (link("X", h5py.ExternalLink("/etc/passwd", "/")), "ExternalLink"),
    "soft link": (link("obs", h5py.SoftLink("/var")), "SoftLink"),
    "dangling": (link("var", h5py.SoftLink("/nowhere")), "SoftLink"),
    "a million millions": (replaced("X", shape=(10**6, 10**6), dtype="f4", chunks=(100, 100)), "claims 1,000,000 x"),
    "never written": (replaced("X", shape=(CELLS, GENES), dtype="f4", chunks=(10, 10)), "none were written"),
    "texts for numbers": (replaced("X", data=np.full((4, 4), b"7")), "where a matrix of numbers must be"),
    "three dimensions": (replaced("X", data=np.zeros((2, 2, 2))), "in 3 dimensions"),
    "no dimension": (replaced("X", data=7), "in 0 dimensions"),
    "numbers for names": (replaced("obs/_index", data=np.zeros(CELLS)), "where texts must be"),
    "no index": (lambda file: file["obs"].__delitem__("_index"), "has no index"),
    "an index elsewhere": (lambda file: file["obs"].attrs.__setitem__("_index", "../X/data"), "one of its own parts"),
    "huge attribute": (huge_attribute, "does not tell how large"),
    "entry beyond": (entry_beyond, "has an entry at 1,500"),
    "pointers backwards": (pointers_backwards, "do not fit"),
    "a thousand million cells": (
        lambda file: file["X"].attrs.__setitem__("shape", [10**9, GENES]),
        "do not fit its shape",
    ),
    "pointers too few": (replaced("X/indptr", data=np.array([0])), "do not fit"),
    "negative shape": (lambda file: file["X"].attrs.__setitem__("shape", [-5, 5]), "does not tell how large"),
    "an entry twice": (twice, "told of before"),
    "no data": (lambda file: file["X"].__delitem__("data"), "lacks its data"),
    "a type for itself": (lambda file: file["X"].attrs.__setitem__("encoding-type", "pickle"), "not known"),
    "no matrix": (lambda file: file.__delitem__("X"), "holds no matrix"),
    "nothing at all": (lambda file: [file.__delitem__(name) for name in list(file)], "neither an annotated"),
}


@pytest.mark.parametrize("name", LIES, ids=list(LIES))
def test_an_h5ad_that_lies_is_told_by_name(read: Read, name: str) -> None:
    change, words = LIES[name]

    reading = read(h5ad_of(change=change))

    assert words in (reading.problem or ""), reading
    assert not any(value is not None for value in reading.metrics.values())


def test_a_vast_attribute_is_not_read(read: Read) -> None:
    body = io.BytesIO()
    with h5py.File(body, "w", libver="latest") as file:  # the older kind of attribute has at most 64 KiB
        file["obs/names"] = file["var/names"] = np.array([b"a"])
        file["obs"].attrs["_index"] = np.zeros(20_000)

    assert "larger than 64 KiB" in (read(body.getvalue()).problem or "")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(unknown_filter, "HDF5 filter 32015", id="filter"),
        pytest.param(
            lambda file: file["X"].attrs.__setitem__("shape", [CELLS, 10**9]), "more than are counted", id="genes"
        ),
    ],
)
def test_what_is_only_not_read_here_says_nothing_against_the_file(read: Read, change: Change, words: str) -> None:
    reading = read(h5ad_of(change=change))

    assert (reading.problem, words in (reading.unmeasured or "")) == (None, True)


def test_parts_that_lead_back_to_the_root_end_in_a_reading(read: Read) -> None:
    reading = read(h5ad_of(change=cycle))

    assert reading.metrics["cells"] == CELLS or reading.problem


def test_nothing_beside_the_file_is_read_even_if_its_library_would(read: Read, tmp_path: Path) -> None:
    """The counts lie in another file, which a layer names: X is normalised, so they are sought."""
    (tmp_path / "other.h5").write_bytes(h5ad_of(kept="dense"))

    def change(file: h5py.File) -> None:
        layout = h5py.VirtualLayout((CELLS, GENES), "f4")
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "X", (CELLS, GENES))
        file["layers"].create_virtual_dataset("counts", layout)

    reading = read(h5ad_of(counts() / 3, change=change))

    assert "put together from other files" in (reading.problem or "")


@pytest.mark.timeout(120)
@pytest.mark.parametrize("kept", ["csr", "dense"])
def test_a_file_cut_off_anywhere_is_a_problem(read: Read, kept: str) -> None:
    whole = h5ad_of(kept=kept)

    for part in range(1, 20):
        assert read(whole[: len(whole) * part // 20]).problem


SMALL = h5ad_of(counts(20, 60))


@pytest.mark.timeout(120)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_file_with_damage_anywhere_ends_in_a_reading(readers: FileChildren, data: st.DataObject) -> None:
    body = bytearray(SMALL)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(body) - 9))
        body[at : at + 8] = data.draw(st.binary(min_size=8, max_size=8))
    meter = CellMeter(spools=SpoolFolder(Path("/nonexistent"), limit_bytes=1 << 30, room=None), children=readers)

    reading = meter.read(memoryview(bytes(body)), path="a.h5ad")

    assert reading.problem or reading.unmeasured or reading.metrics["cells"] is not None


MATRIX = text_of(counts(20, 60), packed=False)["matrix.mtx"]
HEAD = b"%%MatrixMarket matrix coordinate integer general\n"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        pytest.param(MATRIX[: MATRIX.rindex(b"\n", 0, -1) + 1], "entries and holds", id="cut off"),
        pytest.param(text_of(counts(20, 60), packed=False, told=10**9)["matrix.mtx"], "in a matrix of", id="claims"),
        pytest.param(HEAD, "ends before it tells", id="head alone"),
        pytest.param(HEAD + b"2 9000000 1\n1 1 5\n", "which next to none of them has", id="empty barcodes"),
        pytest.param(HEAD.replace(b"integer", b"pattern") + b"1 1 1\n1 1\n", "does not begin", id="pattern"),
        pytest.param(HEAD + b"a b c\n", "does not tell how large", id="sizes"),
        pytest.param(HEAD + b"2 2 1\n3 1 5\n", "outside its 2 features", id="feature"),
        pytest.param(HEAD + b"2 2 1\n0 1 5\n", "outside its 2 features", id="zero"),
        pytest.param(HEAD + b"2 2 1\n1 1 five\n", "not feature, barcode and count", id="word"),
        pytest.param(HEAD + b"2 2 1\n1 1\n", "not feature, barcode and count", id="two cells"),
        pytest.param(HEAD + b"2 2 2\n1 1 5\n1 1 6\n", "told of before", id="twice"),
        pytest.param(HEAD + b"12 12 1\n1_0 1 5\n", "not feature, barcode and count", id="a line drawn through a place"),
        pytest.param(HEAD + b"12 12 1\n1 1 1_0\n", "not feature, barcode and count", id="a line drawn through a count"),
        pytest.param(HEAD + b"2 2 1\n" + b"1" * 2_000_000, "more than 1 MiB", id="endless line"),
    ],
)
def test_a_matrix_in_text_that_lies_is_told_by_name(read: Read, body: bytes, words: str) -> None:
    reading = read(body, "x/matrix.mtx")

    assert words in (reading.problem or ""), reading


def test_a_matrix_in_text_of_more_features_than_there_can_be_is_left(read: Read) -> None:
    reading = read(HEAD + b"900000000000 2 1\n1 1 5\n", "x/matrix.mtx")

    assert (reading.problem, "more than are counted" in (reading.unmeasured or "")) == (None, True)


def test_other_blanks_between_the_numbers_are_read_as_well(read: Read) -> None:
    reading = read(HEAD + b"2 2 2\n1\t1  5\n2 2 1\n", "x/matrix.mtx")

    assert reading.metrics["counts_per_cell_p95"] == pytest.approx(4.8)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        pytest.param(gzip.compress(MATRIX)[:-9], "cut off", id="truncated"),
        pytest.param(gzip.compress(MATRIX) + b"more", "bytes that are no gzip follow", id="more behind it"),
        pytest.param(gzip.compress(MATRIX) + bytes(512), "zeros follow the end", id="zeros behind it"),
        pytest.param(MATRIX, "does not begin like a gzip file", id="not packed"),
        pytest.param(gzip.compress(b""), "ends before it tells", id="nothing inside"),
    ],
)
def test_gzip_that_is_none_is_told(read: Read, body: bytes, words: str) -> None:
    assert words in (read(body, "x/matrix.mtx.gz").problem or "")


def test_a_reader_that_dies_costs_the_measuring_of_one_file_and_no_more(
    read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = ReaderChild.ask

    def shot(self: ReaderChild, content: dict[str, Any], **options: Any) -> Any:
        if content["op"] == "more":
            os.kill(self.pid or 0, signal.SIGSEGV)
        return ask(self, content, **options)

    with monkeypatch.context() as patched:
        patched.setattr(ReaderChild, "ask", shot)
        lost = read(h5ad_of())

    assert lost.unmeasured == "its reader ended by signal 11 while the file was measured"
    assert read(h5ad_of()).metrics["cells"] == CELLS


@pytest.mark.parametrize(
    "answer",
    [
        {"metrics": {"cells": 1.0}},
        {"metrics": "all"},
        {"metrics": {}, "shape": "x"},
        7,
    ],
)
def test_what_is_no_reading_is_not_believed(readers: FileChildren, answer: Any) -> None:
    reader = FileReader(readers, kind="cells", names=("cells", "genes"))

    assert reader._believed(answer).unmeasured == "its reader gave what is no reading"


def test_a_matrix_that_takes_too_long_is_given_up(readers: FileChildren, tmp_path: Path) -> None:
    reader = FileReader(readers, kind="cells", names=("cells",), file_seconds=0.0)
    (tmp_path / "a.h5ad").write_bytes(tenx_of())

    with (tmp_path / "a.h5ad").open("rb") as file:
        reading = reader.measure(file, lambda: None)

    assert "had not finished after 0 s" in (reading.unmeasured or "")
