"""Files that real instruments wrote, or the makers' own libraries, from `cisterna ingest` to the archive's metrics."""

from __future__ import annotations

import gc
import io
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import pytest
import scipy.sparse
import tifffile
from numpy.typing import NDArray
from PIL import Image
from pylibCZIrw.czi import create_czi

from cisterna.adapters.table_parquet import ParquetTables
from cisterna.services.measurement import METRICS_PATH, PREVIEWS_PATH
from cisterna.testing.cell_files import h5ad_of
from cisterna.testing.nd2_planes import nd2_of
from cisterna.testing.specimen import nuclei
from cisterna.testing.virtual_lif import lif_of
from tests.quality import cytometry_reference
from tests.quality.test_fcs_real import FOLDER as CYTOMETERS
from tests.quality.test_fcs_real import by_flowio
from tests.quality.test_spectra_reference import by_pymzml
from tests.quality.test_spectra_reference import expected as expected_of_spectra
from tests.samples import sample
from tests.system.archived import inventory, logical, read_object
from tests.system.running import RunningStack, digests

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

WAITING = ("--wait", "--wait-seconds", "150")
AT_REST = {"in-review", "accepted", "published"}
"""Stages that a version reaches only after all of it was read back from the archive."""
Row = Mapping[str, Any]


class Archived(NamedTuple):
    """What became of a folder.

    Attributes:
        row: What the command printed.
        metrics: By path, the rows of the archive's own table.
        previews: By path, PNG.
    """

    row: dict[str, Any]
    metrics: dict[str, list[Row]]
    previews: dict[str, bytes]


def archived(stack: RunningStack, folder: Path, profile: str) -> Archived:
    """Bring a folder in by the command, see that all of it is in the archive, and read what was measured."""
    answer = stack.run("ingest", str(folder), "--profile", profile, *WAITING)

    row: dict[str, Any] = answer.document
    assert (row["state"], row["stage"] in AT_REST, row["held"]) == ("complete", True, None), answer.out
    assert answer.code == (0 if row["verdict"] == "passed" else 3)
    keys = read_object(stack, row["object_url"])
    kept = logical(keys)
    assert {path.removeprefix("data/"): one for path, one in kept.items() if path.startswith("data/")} == digests(
        folder
    )
    assert stack.ok("check", row["dataset_id"])["fixity"] == "ok"
    table, pictures = (
        ParquetTables().load(keys[inventory(keys)["manifest"][kept[path]][0]]) for path in (METRICS_PATH, PREVIEWS_PATH)
    )
    metrics: dict[str, list[Row]] = {}
    for values in zip(*table.values(), strict=True):
        found = dict(zip(table, values, strict=True))
        metrics.setdefault(str(found["path"]), []).append(found)
    assert set(table["problem"]) | set(table["unmeasured"]) == {None}
    return Archived(row, metrics, dict(zip(map(str, pictures["path"]), pictures["png"], strict=True)))  # type: ignore[arg-type]


def agrees(found: Row, expected: Mapping[str, float | None], *, rel: float = 1e-6) -> None:
    for name, value in expected.items():
        assert found[name] == (None if value is None else pytest.approx(value, rel=rel, abs=1e-9)), name


# Images


def by_scikit_image(plane: NDArray[Any]) -> dict[str, float | None]:
    """Say by scikit-image what the definitions of docs/reference/metrics.md come to."""
    from skimage.exposure import histogram
    from skimage.filters import laplace
    from skimage.measure import block_reduce

    counts, values = histogram(plane, source_range="dtype")
    shares = np.cumsum(counts) / plane.size
    p1, p5, median, p99 = (float(values[np.searchsorted(shares, share)]) for share in (0.01, 0.05, 0.5, 0.99))
    image = plane[: plane.shape[0] // 2 * 2, : plane.shape[1] // 2 * 2].astype(np.float64)
    halves = [image[::2, ::2] + image[1::2, 1::2], image[::2, 1::2] + image[1::2, ::2]]
    covariances = []
    for factor in (1, 4):
        whole = [half[: half.shape[0] // factor * factor, : half.shape[1] // factor * factor] for half in halves]
        edges = [laplace(block_reduce(half, factor, np.sum))[1:-1, 1:-1].ravel() for half in whole]
        covariances.append(np.cov(*edges, bias=True))
    (first, fine), (_, second) = covariances[0]
    noise = max((np.sqrt(first * second) - fine) / 40, 1 / 12)
    return {
        "height_px": plane.shape[0],
        "width_px": plane.shape[1],
        "mean_counts": float(plane.mean()),
        "minimum_counts": float(plane.min()),
        "maximum_counts": float(plane.max()),
        "p1_counts": p1,
        "background_counts": p5,
        "median_counts": median,
        "p99_counts": p99,
        "saturated_share": float(counts[-1]) / plane.size,
        "grey_levels": int((counts > 0).sum()),
        "laplacian_variance_counts2": float(laplace(plane.astype(np.float64))[1:-1, 1:-1].var()),
        "focus": fine * 256 / covariances[1][0, 1],
        "snr": (p99 - p5) / np.sqrt(noise),
    }


def planes() -> NDArray[np.uint16]:
    """Two levels of two channels: real nuclei, and a real cell of another microscope that scikit-image carries."""
    from skimage.data import cell

    other = cell()[:512, :512].astype(np.uint16) * 200
    return np.stack([nuclei() * 100, other, np.rot90(nuclei() * 100), np.flipud(other)]).reshape(2, 2, 512, 512)


def as_ome_tiff(folder: Path, pixels: NDArray[np.uint16]) -> None:
    for z, channel in np.ndindex(2, 2):
        tifffile.imwrite(folder / f"z{z}_c{channel}.ome.tiff", pixels[z, channel], ome=True, compression="zlib")


def as_czi(folder: Path, pixels: NDArray[np.uint16]) -> None:
    with create_czi(str(folder / "a.czi"), compression_options="zstd1:ExplicitLevel=1") as czi:
        for z, channel in np.ndindex(2, 2):
            czi.write(pixels[z, channel][..., None], plane={"T": 0, "C": channel, "Z": z})
        czi.write_metadata("a", channel_names={0: "DAPI", 1: "BF"}, scale_x=1e-7, scale_y=1e-7, scale_z=5e-7)


def as_nd2(folder: Path, pixels: NDArray[np.uint16]) -> None:
    (folder / "a.nd2").write_bytes(nd2_of(pixels[None, None], channels=["DAPI", "BF"]))


def as_lif(folder: Path, pixels: NDArray[np.uint16]) -> None:
    (folder / "a.lif").write_bytes(lif_of({"Series001": pixels[None]}))


@pytest.mark.parametrize(
    ("profile", "write"), [("ome-tiff", as_ome_tiff), ("czi", as_czi), ("nd2", as_nd2), ("lif", as_lif)]
)
def test_real_pictures_are_measured_as_scikit_image_does_whatever_microscope_they_come_from(
    stack: RunningStack, tmp_path: Path, profile: str, write: Callable[[Path, NDArray[np.uint16]], None]
) -> None:
    folder, pixels = tmp_path / f"real {profile}", planes()
    folder.mkdir()
    write(folder, pixels)

    found = archived(stack, folder, profile)

    rows = [row for path in sorted(found.metrics) for row in found.metrics[path]]
    seen = sorted(rows, key=lambda row: row["mean_counts"])
    wanted = sorted(map(by_scikit_image, pixels.reshape(4, 512, 512)), key=lambda one: one["mean_counts"] or 0.0)
    assert len(seen) == 4
    for row, one in zip(seen, wanted, strict=True):
        agrees(row, one)
    assert len(found.previews) == len(found.metrics)
    for png in found.previews.values():
        with Image.open(io.BytesIO(png)) as picture:
            assert picture.size == (256, 256)


# Cytometry

TUBES = (
    "cyflow_cube_8/cyflow_cube_8.fcs",
    "FACSCaliburHTS/Sample_Well_A02.fcs",
    "Fortessa/FCS_3.0_Fortessa_PBS_Specimen_001_A1_A01.fcs",
    "MiltenyiBiotec/FCS3.1/SG_2014-09-26_Duplicate_Names.fcs",
)
"""Of FCS 2.0, 3.0 and 3.1, of four makers, in both orders of bytes."""


def test_real_tubes_of_four_makers_are_measured_as_flowio_and_fcsparser_read_them(
    stack: RunningStack, tmp_path: Path
) -> None:
    from fcsparser.api import FCSParser

    folder = tmp_path / "real tubes"
    folder.mkdir()
    bodies = {name.rpartition("/")[2]: (CYTOMETERS / name).read_bytes() for name in TUBES}
    for name, body in bodies.items():
        (folder / name).write_bytes(body)

    found = archived(stack, folder, "fcs")

    for name, body in bodies.items():
        (row,), theirs = found.metrics[name], by_flowio(body, 0)
        events = np.asarray(theirs.events, float).reshape(-1, theirs.channel_count)
        tops = [float(top) for top in theirs.pnr_values]
        agrees(row, cytometry_reference.metrics(events, theirs.pnn_labels, tops), rel=1e-9)
    for name in ("cyflow_cube_8.fcs", "SG_2014-09-26_Duplicate_Names.fcs"):
        frame = FCSParser.from_data(bodies[name]).dataframe
        assert (found.metrics[name][0]["events"], found.metrics[name][0]["parameters"]) == frame.shape


# Mass spectra


@pytest.mark.filterwarnings("ignore::ImportWarning")  # pymzml draws and decodes with more, where it is
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # it leaves files open
def test_a_real_run_of_a_mass_spectrometer_is_measured_as_pymzml_reads_it(stack: RunningStack, tmp_path: Path) -> None:
    import gzip

    folder, packed = tmp_path / "real spectra", sample("pymzml", "tests/data/BSA1.mzML.gz")
    folder.mkdir()
    (folder / "BSA1.mzML.gz").write_bytes(packed)

    found = archived(stack, folder, "mzml")

    (row,) = found.metrics["BSA1.mzML.gz"]
    agrees(row, expected_of_spectra(list(by_pymzml(gzip.decompress(packed), tmp_path))))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()  # lets go of the files that the other reader left open, before another test is blamed for them


# Single cells

SCANPY = {
    "cells": 700,
    "genes": 765,
    "counts_per_cell_median": 2013.0,
    "counts_per_cell_p5": 1322.9,
    "counts_per_cell_p95": 2552.1,
    "genes_per_cell_median": 243.0,
    "genes_per_cell_p5": 209.0,
    "genes_per_cell_p95": 308.0,
    "mitochondrial_genes": 1,
    "mitochondrial_share_median": 0.0,
    "mitochondrial_share_p95": 0.002361976,
    "ribosomal_share_median": 0.01590667,
    "top50_share_median": 0.58824734,
    "top50_share_p95": 0.70085782,
    "unseen_genes": 0,
    "empty_cells": 0,
}
"""What `calculate_qc_metrics` of scanpy 1.11.5 gives of these counts; `tests/quality` asks it where it is installed."""


def real_counts(body: bytes) -> tuple[NDArray[Any], list[str], list[str]]:
    """Undo the normalisation of the file's raw values, log(1 + counts); they are whole numbers only nearly."""
    with h5py.File(io.BytesIO(body)) as file:
        raw = file["raw.X"]
        parts = (raw["data"][:], raw["indices"][:], raw["indptr"][:])
        matrix = scipy.sparse.csr_matrix(parts, shape=tuple(raw.attrs["h5sparse_shape"])).toarray()
        names = [[one.decode() for one in file[place]["index"]] for place in ("obs", "raw.var")]
    return np.rint(np.expm1(matrix)).astype(np.float32), *names


def test_real_cells_are_measured_as_scanpy_does_and_normalised_ones_are_not_passed(
    stack: RunningStack, tmp_path: Path
) -> None:
    folder, body = tmp_path / "real cells", sample("scanpy", "datasets/10x_pbmc68k_reduced.h5ad")
    folder.mkdir()
    (folder / "reduced.h5ad").write_bytes(body)
    counts, cells, genes = real_counts(body)
    (folder / "counts.h5ad").write_bytes(h5ad_of(counts, obs=cells, var=genes))

    found = archived(stack, folder, "h5ad")

    (reduced,), (counted,) = found.metrics["reduced.h5ad"], found.metrics["counts.h5ad"]
    agrees(reduced, {"cells": 700, "genes": 765, "raw_counts": 0, "has_raw": 1, "counts_per_cell_median": None})
    agrees(counted, SCANPY, rel=1e-5)
    assert found.row["verdict"] != "passed"
