"""The virtual Squid writes what a Squid writes, with the faults it is told to have."""

from __future__ import annotations

import importlib.metadata
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import tifffile

from cisterna.domain.errors import NotReady
from cisterna.testing import specimen
from cisterna.testing.specimen import frame, nuclei
from cisterna.testing.virtual_squid import Fault, VirtualSquid, main
from cisterna.testing.writer_pattern import WriterPattern

STARTED = datetime(2026, 11, 22, 8, 30, 1, 250_000, tzinfo=UTC)


def squid(**changes: object) -> VirtualSquid:
    return VirtualSquid(**({"started": STARTED, "wells": ("A1", "B2"), "fovs": 2} | changes))  # type: ignore[arg-type]


def images(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/*.tiff"))


def test_a_run_has_the_files_of_a_squid_in_its_order(tmp_path: Path) -> None:
    one = squid(time_points=2, run_json=tmp_path / "state" / "run.json")

    touched = [path.relative_to(tmp_path / "zone").as_posix() for path in one.steps(tmp_path / "zone")]

    folder = "demo_2026-11-22_08-30-01.250000"
    assert touched[:5] == [
        folder,
        f"{folder}/acquisition_channels.yaml",
        f"{folder}/acquisition parameters.json",
        f"{folder}/coordinates.csv",
        f"{folder}/acquisition.yaml",
    ]
    assert touched[5] == f"{folder}/0/A1_0_0_BF_LED_matrix_full.tiff"
    assert touched[6] == f"{folder}/0/A1_0_0_Fluorescence_488_nm_Ex.tiff"
    assert touched[-3:] == [f"{folder}/1/coordinates.csv", f"{folder}/1/.done", f"{folder}/.done"]
    assert len([path for path in touched if path.endswith(".tiff")]) == one.image_count == 16
    assert json.loads((tmp_path / "state" / "run.json").read_text())["reason"] == "completed"


def test_images_are_uncompressed_16_bit_and_no_two_are_alike(tmp_path: Path) -> None:
    folder = squid().write(tmp_path)

    bodies = {path.read_bytes() for path in images(folder)}

    assert len(bodies) == 8
    with tifffile.TiffFile(images(folder)[0]) as file:
        page = file.pages[0]
        assert (page.shape, str(page.dtype), int(page.compression)) == ((512, 512), "uint16", 1)
    assert images(folder)[0].stat().st_size == 524_544


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    one, two = squid(seed=7).write(tmp_path / "a"), squid(seed=7).write(tmp_path / "b")
    other = squid(seed=8).write(tmp_path / "c")

    assert [path.read_bytes() for path in images(one)] == [path.read_bytes() for path in images(two)]
    assert images(one)[0].read_bytes() != images(other)[0].read_bytes()


@pytest.mark.parametrize(
    ("fault", "there", "reason", "has_marker"),
    [
        (Fault.NONE, 8, "completed", True),
        (Fault.ABORT, 4, "user_abort", True),
        (Fault.CRASH, 4, None, False),
        (Fault.MISSING, 5, "completed_with_errors", True),
        (Fault.LATE, 8, "completed", True),
        (Fault.GROWING, 8, "completed", True),
        (Fault.TRUNCATED, 8, "completed", True),
        (Fault.LOG_TAIL, 8, "completed", True),
    ],
)
def test_a_fault_leaves_what_it_leaves_at_a_squid(
    tmp_path: Path, fault: Fault, there: int, reason: str | None, has_marker: bool
) -> None:
    folder = squid(fault=fault, run_json=tmp_path / "run.json").write(tmp_path / "zone")

    assert len(images(folder)) == there
    assert (folder / ".done").exists() is has_marker
    assert json.loads((tmp_path / "run.json").read_text())["reason"] == reason


def test_a_truncated_image_is_shorter_than_the_others(tmp_path: Path) -> None:
    folder = squid(fault=Fault.TRUNCATED).write(tmp_path)

    assert sorted({path.stat().st_size for path in images(folder)}) == [314_726, 524_544]


@pytest.mark.parametrize("fault", [Fault.LATE, Fault.GROWING])
def test_a_late_image_is_whole_only_after_the_marker(tmp_path: Path, fault: Fault) -> None:
    steps = [path.name for path in squid(fault=fault).steps(tmp_path)]

    assert steps[-2:] == [".done", "B2_1_0_Fluorescence_488_nm_Ex.tiff"]


def test_faults_of_light_show_in_the_pixels() -> None:
    good, dark, burnt = frame(3), frame(3, gain=0.002), frame(3, gain=40.0)

    assert dark.mean() < good.mean() / 20
    assert (burnt == 65_535).mean() > 0.3
    assert not (good == 65_535).any()


def test_a_rate_is_kept_by_pausing_before_each_image(tmp_path: Path) -> None:
    pauses: list[float] = []

    squid(images_per_second=4.0, pause=pauses.append).write(tmp_path)

    assert pauses == [0.25] * 8


@pytest.mark.parametrize("pattern", list(WriterPattern))
def test_every_pattern_ends_with_the_same_bytes(tmp_path: Path, pattern: WriterPattern) -> None:
    steady = squid(seed=1).write(tmp_path / "a")
    other = squid(seed=1, pattern=pattern).write(tmp_path / "b")

    assert [path.read_bytes() for path in images(other)] == [path.read_bytes() for path in images(steady)]
    assert {path.name for path in (other / "0").iterdir()} == {path.name for path in (steady / "0").iterdir()}


def test_without_the_real_picture_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(_: str) -> None:
        raise importlib.metadata.PackageNotFoundError

    monkeypatch.setattr(specimen.importlib.metadata, "files", nothing)
    nuclei.cache_clear()

    with pytest.raises(NotReady, match=r"cisterna\[demo\]"):
        nuclei()

    nuclei.cache_clear()


def test_it_runs_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--to", str(tmp_path), "--fault", "abort", "--wells", "A1", "--fovs", "2", "--experiment", "my run"])

    folder = Path(capsys.readouterr().out.strip())
    assert code == 0
    assert folder.name.startswith("my_run_")
    assert len(images(folder)) == 2
