"""Both meters of ours keep the contract that meters of others would be given."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import tifffile

from cisterna.adapters.image_meter import TiffMeter
from cisterna.ports.quality import Meter
from cisterna.testing.meter_contract import ImageMeterContract
from cisterna.testing.nd2_planes import nd2_of
from cisterna.testing.virtual_lif import lif_of
from tests.planes.czi_by_hand import Tile, czi_of
from tests.planes.makers import Watched, cells, meter_of

PIXELS = cells()


class TestTiff(ImageMeterContract):
    @pytest.fixture
    def meter(self) -> Meter:
        return TiffMeter()

    @pytest.fixture
    def good(self) -> tuple[str, bytes]:
        file = io.BytesIO()
        tifffile.imwrite(file, PIXELS)
        return "a.tiff", file.getvalue()


class TestTiffAmongMakersFiles(TestTiff):
    @pytest.fixture
    def meter(self, children: Watched, tmp_path: Path) -> Meter:
        return meter_of(children, tmp_path)


class TestMakersFiles(ImageMeterContract):
    @pytest.fixture
    def meter(self, children: Watched, tmp_path: Path) -> Meter:
        return meter_of(children, tmp_path)

    @pytest.fixture(params=["czi", "nd2", "lif"])
    def good(self, request: pytest.FixtureRequest) -> tuple[str, bytes]:
        pixels = PIXELS[None, None, None]
        bodies = {
            "czi": czi_of(Tile(PIXELS.tobytes(), 128, 96)),
            "nd2": nd2_of(pixels[None]),
            "lif": lif_of({"one": pixels}),
        }
        return f"a.{request.param}", bodies[request.param]
