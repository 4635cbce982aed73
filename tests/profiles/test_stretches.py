"""What profiles tell of runs that are still written: only what the run itself shows, and nothing of files that lie."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from cisterna.domain.listing import Listing, SeenFile
from cisterna.ports.profile import Profile, TellsStretches
from cisterna.profiles.codex import Codex
from cisterna.profiles.fastq import Fastq
from cisterna.profiles.folder import Folder
from cisterna.profiles.illumina import Illumina
from cisterna.profiles.nanopore import Nanopore
from cisterna.profiles.ome_tiff import OmeTiff
from cisterna.profiles.ome_zarr import OmeZarr
from cisterna.profiles.squid import Squid
from cisterna.services.look import FolderLook
from cisterna.services.settled import left_alone
from cisterna.testing.memory_zone import MemoryZone
from cisterna.testing.virtual_squid import VirtualSquid
from tests.profiles.folder_look import look

CHANNEL = "BF_LED_matrix_full"


def listed(*paths: str) -> FolderLook:
    files = tuple(SeenFile(path=path, size_bytes=1, mtime_ns=1, inode=1) for path in sorted(paths))
    return FolderLook("run", Listing(files=files), MemoryZone())


@pytest.fixture
def half(tmp_path: Path) -> Path:
    """Write a Squid's run up to the second field of its second time point."""
    squid = VirtualSquid(
        wells=("A1", "B_1"),
        fovs=2,
        channels=("BF LED matrix full",),
        time_points=3,
        started=datetime(2026, 11, 23, tzinfo=UTC),
    )
    for touched in squid.steps(tmp_path):
        if str(touched).endswith(f"1/A1_1_0_{CHANNEL}.tiff"):
            break
    (folder,) = tmp_path.iterdir()
    return folder


def test_of_a_squid_ended_time_points_and_fields_two_behind_are_left(half: Path) -> None:
    (half / "1" / f"B_1_0_0_{CHANNEL}.tiff").write_bytes(b"begun")

    left = left_alone(Squid().stretches(look(half)))

    assert {path for path in left if path.startswith("0/")} == {
        "0/.done",
        "0/coordinates.csv",
        *(f"0/{well}_{field}_0_{CHANNEL}.tiff" for well in ("A1", "B_1") for field in range(2)),
    }
    assert {path for path in left if path.startswith("1/")} == {f"1/A1_0_0_{CHANNEL}.tiff"}


def test_a_squid_without_a_plan_that_can_be_read_tells_nothing(half: Path) -> None:
    (half / "coordinates.csv").write_text("no plan", "utf-8")

    assert Squid().stretches(look(half)) == ()


@pytest.mark.parametrize(
    "path", ["ome_tiff/A1_0.ome.tiff", "plate.ome.zarr/A/1/0/0/c/0", "zarr/A1/acquisition.zarr/c/0"]
)
def test_of_files_that_squid_lays_out_first_and_fills_later_nothing_is_told(half: Path, path: str) -> None:
    file = half / path
    file.parent.mkdir(parents=True)
    file.write_bytes(b"laid out")

    assert Squid().stretches(look(half)) == ()


def test_of_an_older_squid_a_time_point_is_left_when_its_coordinates_are_written_or_the_next_begins() -> None:
    sides = ("configurations.xml", "acquisition parameters.json")
    images = [f"{time}/A1_0_0_0_BF.bmp" for time in range(3)]

    assert left_alone(Squid().stretches(listed(*sides, *images))) == {images[0], images[1]}
    marked = left_alone(Squid().stretches(listed(*sides, *images, "2/coordinates.csv")))
    assert marked == {*images, "2/coordinates.csv"}


def test_of_codex_a_region_is_left_when_the_next_or_the_next_cycle_begins() -> None:
    tiles = [
        f"src_1/cyc{cycle:03}_reg{region:03}_x/{region}_00001_Z001_CH{channel}.tif"
        for cycle, region in ((1, 1), (1, 2), (2, 1))
        for channel in (1, 2)
    ]

    left = left_alone(Codex().stretches(listed("experiment.json", *tiles)))

    assert left == set(tiles[:4])


def test_of_nanopore_a_file_of_reads_is_left_when_the_next_of_its_series_is_there() -> None:
    series = [f"fastq_pass/barcode01/FAX_pass_{number}.fastq.gz" for number in (0, 1, 2, 10)]
    other = "pod5/FAX_0.pod5"

    left = left_alone(Nanopore().stretches(listed(*series, other, "sequencing_summary_FAX.txt")))

    assert left == set(series[:3])
    assert Nanopore().later_digests == {"sha256"}


@pytest.mark.parametrize("profile", [OmeTiff(), OmeZarr(), Fastq(), Folder(), Illumina()], ids=lambda one: one.name)
def test_profiles_that_cannot_tell_do_not(profile: Profile) -> None:
    assert not isinstance(profile, TellsStretches)
