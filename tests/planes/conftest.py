"""The real reader of makers' files, started once, and what is measured with it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cisterna.adapters.maker_meter import MakerMeter
from cisterna.ports.quality import Reading
from tests.planes.makers import PLANE_BYTES, Watched, meter_of


@pytest.fixture(scope="session")
def children() -> Iterator[Watched]:
    with tempfile.TemporaryDirectory(prefix="cp-") as folder:
        children = Watched(log=Path(folder) / "planes.log", plane_bytes=PLANE_BYTES)
        yield children
        children.close()


@pytest.fixture
def meter(children: Watched, tmp_path: Path) -> MakerMeter:
    return meter_of(children, tmp_path / "spool")


@pytest.fixture
def read(meter: MakerMeter) -> Callable[[bytes, str], Reading]:
    return lambda body, path: meter.read(memoryview(body), path=path)
