"""Of all profiles that are installed, a run's own is the first that claims it."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path

import pytest

from cisterna.bootstrap.profile_plug import installed_profiles
from cisterna.testing.scripted_run import ScriptedRun
from cisterna.testing.virtual_codex import virtual_codex
from cisterna.testing.virtual_cytometer import virtual_cytometer
from cisterna.testing.virtual_czi import virtual_czi
from cisterna.testing.virtual_fastq import Checksums, virtual_fastq
from cisterna.testing.virtual_illumina import Platform, virtual_aviti, virtual_illumina
from cisterna.testing.virtual_lif import virtual_lif
from cisterna.testing.virtual_nanopore import virtual_nanopore
from cisterna.testing.virtual_nd2 import virtual_nd2
from cisterna.testing.virtual_ome_tiff import virtual_ome_tiff
from cisterna.testing.virtual_ome_zarr import virtual_ome_zarr
from cisterna.testing.virtual_single_cell import virtual_single_cell
from cisterna.testing.virtual_spectrometer import virtual_spectrometer
from cisterna.testing.virtual_squid import VirtualSquid
from cisterna.testing.virtual_squid_modes import Saving, squid_control, squid_saved_as
from cisterna.testing.virtual_table import virtual_table
from tests.profiles.folder_look import look

RUNS = {
    "cytometry": (virtual_cytometer(), "fcs"),
    "sequences": (virtual_fastq(), "fastq"),
    "sequences with a list": (virtual_fastq(checksums=Checksums.LIST), "fastq"),
    "NovaSeq": (virtual_illumina(Platform.NOVASEQ), "illumina"),
    "AVITI": (virtual_aviti(), "illumina"),
    "nanopore": (virtual_nanopore(), "nanopore"),
    "an experiment of nanopore": (virtual_nanopore(within="pool7/yeast/"), "nanopore"),
    "single cells": (virtual_single_cell(), "h5ad"),
    "spectra": (virtual_spectrometer(), "mzml"),
    "tables": (virtual_table(), "table"),
    "Squid's OME-TIFF": (squid_saved_as(Saving.OME_TIFF), "squid"),
    "Squid's plate": (squid_saved_as(Saving.PLATE), "squid"),
    "squid-control": (squid_control(), "squid"),
    "CODEX": (virtual_codex(), "codex"),
    "OME-TIFF": (virtual_ome_tiff(), "ome-tiff"),
    "OME-Zarr": (virtual_ome_zarr(), "ome-zarr"),
    "CZI": (virtual_czi(), "czi"),
    "ND2": (virtual_nd2(), "nd2"),
    "LIF": (virtual_lif(), "lif"),
    "anything with a list": (ScriptedRun("any", {"a.bin": b"x", "SHA256SUMS": b""}), "folder"),
}


def first_to_claim(folder: Path) -> str | None:
    usable = installed_profiles(entry_points(group="cisterna.profiles")).usable
    return next((name for name, profile in usable.items() if profile.claims(look(folder))), None)


@pytest.mark.parametrize(("run", "profile"), list(RUNS.values()), ids=list(RUNS))
def test_a_runs_own_profile_is_the_first_to_claim_it(tmp_path: Path, run: ScriptedRun, profile: str) -> None:
    assert first_to_claim(run.write(tmp_path)) == profile


def test_a_run_of_a_microscope_is_no_folder_of_tables_at_any_step(tmp_path: Path) -> None:
    squid = VirtualSquid(wells=("A1",), fovs=1, pause=lambda _: None)

    claimed = {first_to_claim(next(tmp_path.iterdir())) for _ in squid.steps(tmp_path)}

    assert claimed == {"squid"}
