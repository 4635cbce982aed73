"""The network on images of every size: blocks, padding and threads change nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from cisterna.adapters.model_engine import Engine
from cisterna.adapters.model_package import admit_package, find_package, read_package
from cisterna.domain.errors import InferenceFailed, InvalidInput
from cisterna.testing.inference_contract import as_tiff, field_of_discs
from cisterna.testing.specimen import frame

pytestmark = [
    pytest.mark.timeout(240),  # loads bioimageio.core, on a busy machine
    pytest.mark.filterwarnings("ignore::Warning:bioimageio"),
    pytest.mark.filterwarnings("ignore::Warning:onnxruntime"),
]


@pytest.fixture(scope="module")
def engine(models: Path) -> Engine:
    return Engine(models)


def drawn(shape: tuple[int, int]) -> np.ndarray:
    rng = np.random.default_rng(shape[0] * 7919 + shape[1])
    return ndimage.gaussian_filter(rng.random(shape) * 60_000, 2.0).astype(np.uint16)


@pytest.mark.parametrize("shape", [(300, 300), (301, 517), (256, 1000), (1000, 130)])
def test_blocks_give_what_the_whole_image_gives(engine: Engine, shipped: Path, shape: tuple[int, int]) -> None:
    """The halo is as wide as the network sees, and blocks begin on its grid of pooled pixels."""
    image = drawn(shape)
    vendor = engine._vendor

    in_blocks = vendor.ModelSession(shipped, threads=1, block_side=256).predict(image)
    as_one = vendor.ModelSession(shipped, threads=1, block_side=4096).predict(image)

    assert in_blocks.shape == (1, 2, *shape)
    np.testing.assert_allclose(in_blocks, as_one, atol=1e-5)


def test_a_halo_that_is_too_small_would_be_seen(engine: Engine, shipped: Path, tmp_path: Path) -> None:
    """So the test above can fail."""
    admit_package(shipped, tmp_path, name="nuclei")
    rdf = tmp_path / "nuclei" / "rdf.yaml"
    rdf.write_text(rdf.read_text("utf-8").replace("halo: 56", "halo: 8"), "utf-8")
    image = drawn((300, 300))

    in_blocks = engine._vendor.ModelSession(tmp_path / "nuclei", threads=1, block_side=256).predict(image)
    as_one = engine._vendor.ModelSession(tmp_path / "nuclei", threads=1, block_side=4096).predict(image)

    assert np.abs(in_blocks - as_one).max() > 1e-3


@pytest.mark.parametrize("shape", [(1, 1), (2, 300), (64, 64), (97, 101), (512, 513)])
def test_images_of_any_size_give_probabilities_of_that_size(
    engine: Engine, shipped: Path, shape: tuple[int, int]
) -> None:
    result = engine._vendor.ModelSession(shipped, threads=1).predict(drawn(shape))

    assert result.shape == (1, 2, *shape)
    assert np.isfinite(result).all()
    assert result.min() >= 0
    assert result.max() <= 1


def test_two_threads_find_what_one_finds(engine: Engine, shipped: Path) -> None:
    image = frame(3)

    one, two = (engine._vendor.ModelSession(shipped, threads=n).predict(image) for n in (1, 2))

    np.testing.assert_allclose(one, two, atol=1e-5)


def test_a_package_whose_weights_are_damaged_is_no_fault_of_an_image(
    engine: Engine, shipped: Path, tmp_path: Path
) -> None:
    """Otherwise every image of a dataset would be archived as odd."""
    admit_package(shipped, tmp_path, name="broken")
    (tmp_path / "broken" / "weights.onnx").write_bytes(b"no weights")

    with pytest.raises(InvalidInput, match="cannot be loaded"):
        engine.segment(find_package(tmp_path, "broken"), as_tiff(field_of_discs()), path="a.tiff")


def test_weights_of_other_kinds_are_never_opened(engine: Engine, shipped: Path, tmp_path: Path) -> None:
    admit_package(shipped, tmp_path, name="mixed")
    rdf = tmp_path / "mixed" / "rdf.yaml"
    code = "  torchscript:\n    source: code.pt\n    pytorch_version: 2.0.0\n    sha256: '" + "0" * 64 + "'\nconfig:"
    rdf.write_text(rdf.read_text("utf-8").replace("config:", code), "utf-8")
    (tmp_path / "mixed" / "code.pt").write_bytes(b"import os; os.abort()")

    answer = engine.segment(find_package(tmp_path, "mixed"), as_tiff(field_of_discs()), path="a.tiff")

    assert answer.content["object_count"] == 3


def test_an_image_beyond_the_limit_is_refused_before_it_is_allocated(engine: Engine, shipped: Path) -> None:
    header = as_tiff(np.zeros((4, 4), np.uint16)).replace(
        b"\x04\x00\x00\x00", b"\x00\x00\x02\x00"
    )  # 131,072 pixels a side

    with pytest.raises(InferenceFailed, match=r"a\.tiff"):
        engine.segment(read_package(shipped, name="nuclei"), header, path="a.tiff")


def test_the_client_loads_nothing_that_runs_models() -> None:
    script = (
        "import sys, cisterna.adapters.model_runner, cisterna.services.infer;"
        "print([name for name in ('bioimageio', 'onnxruntime', 'numba', 'scipy') if name in sys.modules])"
    )

    found = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        check=True,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )

    assert found.stdout.strip() == "[]"
