"""The plate reader's profile keeps the contract."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from plate_reader import PlateReader

from cisterna.adapters.landing_folder import LandingFolder
from cisterna.ports.profile import Profile
from cisterna.services.look import FolderLook
from cisterna.testing.profile_contract import LookAt, ProfileContract


def look(folder: Path) -> FolderLook:
    zone = LandingFolder(folder.parent)
    return FolderLook(folder.name, zone.listing(folder.name), zone)


class TestPlateReader(ProfileContract):
    @pytest.fixture
    def profile(self) -> Profile:
        return PlateReader()

    @pytest.fixture
    def look_at(self) -> LookAt:
        return look

    @pytest.fixture
    def run(self, tmp_path: Path) -> Path:
        folder = tmp_path / "zone" / "plate-7"
        folder.mkdir(parents=True)
        (folder / "plate.json").write_text(json.dumps({"barcode": "P7", "wells": ["A1", "A2"]}))
        for well in ("A1", "A2"):
            (folder / f"{well}.csv").write_text("s,od\n0,0.1\n")
        (folder / "finished.txt").touch()
        return folder
