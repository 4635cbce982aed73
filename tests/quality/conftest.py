"""The real Great Expectations process, started once, and pictures made from a real one."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cisterna.adapters.child import Child
from cisterna.adapters.file_reader import FileChildren
from cisterna.adapters.gx_gate import GxGate
from cisterna.adapters.shared_data import shared_folder
from cisterna.domain.errors import GateUnavailable

START_SECONDS = 120.0


def start_gate(folder: Path, expectations: Path) -> tuple[Child, GxGate]:
    """Start a process and wait until it answers."""
    socket = folder / "gate.sock"
    argv = [sys.executable, "-m", "cisterna.adapters.gx_process", "--socket", str(socket)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    child = Child("gate", [*argv, "--expectations", str(expectations)], log=folder / "gate.log", env=env)
    gate = GxGate(socket, expectations=expectations)

    def answers() -> bool:
        try:
            return bool(gate.ping())
        except GateUnavailable:
            return False

    child.start()
    child.await_ready(answers, timeout_seconds=START_SECONDS)
    return child, gate


@pytest.fixture(scope="session")
def gate() -> Iterator[GxGate]:
    """The gate on our own suites."""
    with tempfile.TemporaryDirectory(prefix="cq-") as folder:
        child, gate = start_gate(Path(folder), shared_folder("expectations"))
        yield gate
        child.stop()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Expectations of a facility of its own, empty until a test writes a suite."""
    return tmp_path_factory.mktemp("expectations")


@pytest.fixture(scope="session")
def site_gate(site: Path) -> Iterator[GxGate]:
    """The gate on the facility's own suites."""
    with tempfile.TemporaryDirectory(prefix="cq-") as folder:
        child, gate = start_gate(Path(folder), site)
        yield gate
        child.stop()


@pytest.fixture(scope="session")
def readers() -> Iterator[FileChildren]:
    """The processes that measure HDF5 and Parquet files, started when the first one comes."""
    with tempfile.TemporaryDirectory(prefix="cf-") as folder:
        readers = FileChildren(log=Path(folder) / "files.log", most=1)
        yield readers
        readers.close()
