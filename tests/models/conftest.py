"""The real model process with the shipped model, started once."""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import tifffile

from cisterna.adapters.child import Child
from cisterna.adapters.model_package import admit_package
from cisterna.adapters.model_runner import ModelRunner
from cisterna.adapters.shared_data import shared_folder
from cisterna.domain.errors import InferenceUnavailable
from cisterna.testing import specimen

START_SECONDS = 120.0


class Running(NamedTuple):
    """A process, the folder of its socket, and who asks it."""

    child: Child
    folder: Path
    runner: ModelRunner


def start_models(folder: Path, models: Path, *, prefix: tuple[str, ...] = (), wait: bool = True) -> Running:
    """Start a process and wait until it is warm."""
    socket = folder / "m.sock"
    argv = [*prefix, sys.executable, "-m", "cisterna.adapters.model_process"]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    child = Child("model", [*argv, "--socket", str(socket), "--models", str(models)], log=folder / "model.log", env=env)
    running = Running(child, folder, ModelRunner(socket, models=models))

    def is_warm() -> bool:
        try:
            return running.runner.ping()
        except InferenceUnavailable:
            return False

    child.start()
    if wait:
        child.await_ready(is_warm, timeout_seconds=START_SECONDS)
    return running


@pytest.fixture(scope="session")
def shipped() -> Path:
    """The package that comes with Cisterna."""
    return shared_folder("models") / "nuclei-unet"


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory, shipped: Path) -> Path:
    """A folder of admitted models with the shipped one, as `nuclei`."""
    folder = tmp_path_factory.mktemp("models")
    admit_package(shipped, folder, name="nuclei")
    return folder


@pytest.fixture(scope="session")
def running(models: Path) -> Iterator[Running]:
    """The process on those models."""
    with tempfile.TemporaryDirectory(prefix="cm-") as folder:
        started = start_models(Path(folder), models)
        yield started
        started.child.stop()


@pytest.fixture(scope="session")
def real() -> tuple[np.ndarray, np.ndarray]:
    """DSB2018 nuclei, 512 x 512, and what people drew around them."""
    image = specimen.nuclei()
    from importlib.metadata import files

    mask = next(file for file in files("stardist") or [] if str(file).endswith("data/images/mask2d.tif"))
    with warnings.catch_warnings():
        return np.asarray(image), tifffile.imread(str(mask.locate())).astype(np.int64)
