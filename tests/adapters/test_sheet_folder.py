"""A plate map that waits for its run is found by its name, in the folder of its project and nowhere else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cisterna.adapters.sheet_folder import SheetFolder
from cisterna.domain.errors import HostileInput, InvalidInput
from cisterna.ports.sample_sheet import SIZE_LIMIT_BYTES, WaitingSheet

RUN = "plate_7_2026-11-30_10-12-00.123456"


def put(folder: Path, *paths: str, body: bytes = b"Well,Compound\n") -> SheetFolder:
    for path in paths:
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(body)
    return SheetFolder(folder)


def test_the_sheet_whose_name_is_in_that_of_the_run_is_found(tmp_path: Path) -> None:
    shelf = put(tmp_path, "atlas/Plate 7.csv", "atlas/plate_70.csv", "atlas/plate.csv", "atlas/plate 7 2026.pdf")
    put(tmp_path, "atlas/~$Plate 7.xlsx", "atlas/._Plate 7.csv")  # beside it, by a spreadsheet and by a Macintosh

    assert shelf.find("atlas", run=RUN) == WaitingSheet("Plate 7.csv", b"Well,Compound\n")


def test_no_other_project_has_it(tmp_path: Path) -> None:
    shelf = put(tmp_path, "other/plate_7.csv", "plate_7.csv")

    assert shelf.find("atlas", run=RUN) is None
    assert shelf.find("other", run="plate_8") is None


def test_two_of_one_name_are_refused(tmp_path: Path) -> None:
    shelf = put(tmp_path, "atlas/plate_7.csv", "atlas/plate 7.xlsx")

    with pytest.raises(InvalidInput, match="several plate maps wait for a run of this name"):
        shelf.find("atlas", run=RUN)


def test_links_pipes_and_floods_are_not_read(tmp_path: Path) -> None:
    shelf, secret = put(tmp_path, "atlas/other.csv"), tmp_path / "secret"
    secret.write_text("secret")
    (tmp_path / "linked").symlink_to(tmp_path / "atlas")
    (tmp_path / "atlas" / "plate_7.csv").symlink_to(secret)
    os.mkfifo(tmp_path / "atlas" / "plate_8.csv")
    (tmp_path / "atlas" / "plate_9.csv").write_bytes(b"x" * (SIZE_LIMIT_BYTES + 1))

    with pytest.raises(InvalidInput, match="cannot be read"):
        shelf.find("atlas", run="plate_7")
    with pytest.raises(HostileInput, match="no regular file"):
        shelf.find("atlas", run="plate_8")
    with pytest.raises(HostileInput, match="more than 4,194,304 bytes"):
        shelf.find("atlas", run="plate_9")
    with pytest.raises(InvalidInput, match="cannot be looked at"):
        shelf.find("linked", run="other")
