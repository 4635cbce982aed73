"""The profiles that are not microscopy keep the contract that profiles of others are given."""

from __future__ import annotations

from pathlib import Path

import pytest

from cisterna.ports.profile import Look, Profile
from cisterna.profiles.fastq import Fastq
from cisterna.profiles.fcs import Fcs
from cisterna.profiles.h5ad import H5ad
from cisterna.profiles.illumina import Illumina
from cisterna.profiles.mzml import Mzml
from cisterna.profiles.nanopore import Nanopore
from cisterna.profiles.table import Table
from cisterna.testing.profile_contract import LookAt, ProfileContract
from cisterna.testing.virtual_cytometer import virtual_cytometer
from cisterna.testing.virtual_fastq import Checksums, virtual_fastq
from cisterna.testing.virtual_illumina import Platform, virtual_aviti, virtual_illumina
from cisterna.testing.virtual_nanopore import virtual_nanopore
from cisterna.testing.virtual_single_cell import virtual_single_cell
from cisterna.testing.virtual_spectrometer import virtual_spectrometer
from cisterna.testing.virtual_table import virtual_table
from tests.profiles.folder_look import look


class OnDisk(ProfileContract):
    @pytest.fixture
    def look_at(self) -> LookAt:
        def at(folder: Path) -> Look:
            return look(folder)

        return at


class TestIllumina(OnDisk):
    @pytest.fixture
    def profile(self) -> Profile:
        return Illumina()

    @pytest.fixture
    def run(self, tmp_path: Path) -> Path:
        return virtual_illumina(Platform.NOVASEQ_X, reads=(2,), status="RunCompleted").write(tmp_path / "zone")


class TestIlluminaWithoutCopyMarker(OnDisk):
    @pytest.fixture
    def profile(self) -> Profile:
        return Illumina()

    @pytest.fixture
    def run(self, tmp_path: Path) -> Path:
        return virtual_illumina(Platform.NEXTSEQ_550, reads=(2,)).write(tmp_path / "zone")


class TestAviti(OnDisk):
    @pytest.fixture
    def profile(self) -> Profile:
        return Illumina()

    @pytest.fixture
    def run(self, tmp_path: Path) -> Path:
        return virtual_aviti().write(tmp_path / "zone")


class TestNanopore(OnDisk):
    @pytest.fixture
    def profile(self) -> Profile:
        return Nanopore()

    @pytest.fixture
    def run(self, tmp_path: Path) -> Path:
        return virtual_nanopore(hashes=True).write(tmp_path / "zone")


class TestFastq(OnDisk):
    @pytest.fixture
    def profile(self) -> Profile:
        return Fastq()

    @pytest.fixture
    def run(self, tmp_path: Path) -> Path:
        return virtual_fastq(checksums=Checksums.LIST).write(tmp_path / "zone")


class TestMzml(OnDisk):
    @pytest.fixture
    def profile(self) -> Profile:
        return Mzml()

    @pytest.fixture
    def run(self, tmp_path: Path) -> Path:
        return virtual_spectrometer().write(tmp_path / "zone")


class TestFcs(OnDisk):
    @pytest.fixture
    def profile(self) -> Profile:
        return Fcs()

    @pytest.fixture
    def run(self, tmp_path: Path) -> Path:
        return virtual_cytometer().write(tmp_path / "zone")


class TestH5ad(OnDisk):
    @pytest.fixture
    def profile(self) -> Profile:
        return H5ad()

    @pytest.fixture
    def run(self, tmp_path: Path) -> Path:
        return virtual_single_cell().write(tmp_path / "zone")


class TestTable(OnDisk):
    @pytest.fixture
    def profile(self) -> Profile:
        return Table()

    @pytest.fixture
    def run(self, tmp_path: Path) -> Path:
        return virtual_table().write(tmp_path / "zone")
