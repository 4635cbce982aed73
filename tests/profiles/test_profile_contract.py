"""Every profile of ours keeps the contract that profiles of others are given."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cisterna.adapters.landing_folder import LandingFolder
from cisterna.ports.profile import Look, Profile
from cisterna.profiles.codex import Codex
from cisterna.profiles.czi import Czi
from cisterna.profiles.folder import Folder
from cisterna.profiles.lif import Lif
from cisterna.profiles.nd2 import Nd2
from cisterna.profiles.ome_tiff import OmeTiff
from cisterna.profiles.ome_zarr import OmeZarr
from cisterna.profiles.squid import Squid
from cisterna.services.look import FolderLook
from cisterna.testing.profile_contract import LookAt, ProfileContract
from cisterna.testing.virtual_codex import virtual_codex
from cisterna.testing.virtual_czi import virtual_czi
from cisterna.testing.virtual_lif import virtual_lif
from cisterna.testing.virtual_nd2 import virtual_nd2
from cisterna.testing.virtual_ome_tiff import virtual_ome_tiff
from cisterna.testing.virtual_ome_zarr import virtual_ome_zarr
from cisterna.testing.virtual_squid import VirtualSquid
from cisterna.testing.virtual_squid_modes import Saving, squid_control, squid_saved_as


def look(folder: Path) -> Look:
    zone = LandingFolder(str(folder.parent))
    return FolderLook(folder.name, zone.listing(folder.name), zone)


class OnDisk(ProfileContract):
    @pytest.fixture
    def look_at(self) -> LookAt:
        return look


class TestSquid(OnDisk):
    @pytest.fixture
    def profile(self) -> Profile:
        return Squid()

    @pytest.fixture
    def run(self, tmp_path: Path) -> Path:
        started = datetime(2026, 11, 22, 8, 30, 1, 250_000, tzinfo=UTC)
        return VirtualSquid(started=started, wells=("A1",), fovs=1, pause=lambda _: None).write(tmp_path / "zone")


class TestSquidOfPlates(OnDisk):
    @pytest.fixture
    def profile(self) -> Profile:
        return Squid()

    @pytest.fixture
    def run(self, tmp_path: Path) -> Path:
        return squid_saved_as(Saving.PLATE, wells=("A1",), z_levels=1).write(tmp_path / "zone")


class TestSquidControl(OnDisk):
    @pytest.fixture
    def profile(self) -> Profile:
        return Squid()

    @pytest.fixture
    def run(self, tmp_path: Path) -> Path:
        return squid_control().write(tmp_path / "zone")


class TestCodex(OnDisk):
    @pytest.fixture
    def profile(self) -> Profile:
        return Codex()

    @pytest.fixture
    def run(self, tmp_path: Path) -> Path:
        return virtual_codex(tiles=(1, 1)).write(tmp_path / "zone")


class TestOmeTiff(OnDisk):
    @pytest.fixture
    def profile(self) -> Profile:
        return OmeTiff()

    @pytest.fixture
    def run(self, tmp_path: Path) -> Path:
        return virtual_ome_tiff(is_set=True).write(tmp_path / "zone")


class TestOmeZarr(OnDisk):
    @pytest.fixture
    def profile(self) -> Profile:
        return OmeZarr()

    @pytest.fixture
    def run(self, tmp_path: Path) -> Path:
        return virtual_ome_zarr(("A/1",)).write(tmp_path / "zone")


class TestCzi(OnDisk):
    @pytest.fixture
    def profile(self) -> Profile:
        return Czi()

    @pytest.fixture
    def run(self, tmp_path: Path) -> Path:
        return virtual_czi().write(tmp_path / "zone")


class TestNd2(OnDisk):
    @pytest.fixture
    def profile(self) -> Profile:
        return Nd2()

    @pytest.fixture
    def run(self, tmp_path: Path) -> Path:
        return virtual_nd2().write(tmp_path / "zone")


class TestLif(OnDisk):
    @pytest.fixture
    def profile(self) -> Profile:
        return Lif()

    @pytest.fixture
    def run(self, tmp_path: Path) -> Path:
        return virtual_lif().write(tmp_path / "zone")


class TestFolder(OnDisk):
    @pytest.fixture
    def profile(self) -> Profile:
        return Folder()

    @pytest.fixture
    def run(self, tmp_path: Path) -> Path:
        folder = tmp_path / "zone" / "delivery"
        (folder / "sub").mkdir(parents=True)
        files = {"a.txt": b"alpha", "sub/b.bin": b"beta", "sub/c.bin": b"gamma"}
        for path, body in files.items():
            (folder / path).write_bytes(body)
        lines = (f"{hashlib.sha256(body).hexdigest()}  {path}\n" for path, body in files.items())
        (folder / "SHA256SUMS").write_text("".join(lines))
        (folder / "sub/c.bin.md5").write_text(hashlib.md5(b"gamma", usedforsecurity=False).hexdigest())
        return folder


class TestBag(OnDisk):
    @pytest.fixture
    def profile(self) -> Profile:
        return Folder()

    @pytest.fixture
    def run(self, tmp_path: Path) -> Path:
        folder = tmp_path / "zone" / "bag"
        (folder / "data").mkdir(parents=True)
        (folder / "data/a.txt").write_bytes(b"alpha")
        (folder / "bagit.txt").write_text("BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n")
        (folder / "manifest-sha512.txt").write_text(f"{hashlib.sha512(b'alpha').hexdigest()}  data/a.txt\n")
        return folder
