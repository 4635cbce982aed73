"""The virtual Squid's faults, measured by the real meter, raise the right alert, and a good plate none."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from cisterna.adapters.image_meter import TiffMeter
from cisterna.adapters.shared_data import shared_folder
from cisterna.adapters.suite_file import read_suite
from cisterna.domain.alert import picture_fault
from cisterna.domain.baseline import RunBaseline, SeenImage
from cisterna.domain.manifest import FileEntry
from cisterna.profiles.squid import Squid
from cisterna.services.alarm import seen_image
from cisterna.services.alarm_judge import judge_round
from cisterna.services.one_read import ReadFile
from cisterna.testing.factory import make_sha512
from cisterna.testing.virtual_squid import Fault, VirtualSquid

METER = TiffMeter()
LIMITS = read_suite(shared_folder("expectations"), "microscopy")[0].limits
WELLS = tuple(f"A{column}" for column in range(1, 10))


def measured(folder: Path, **squid: object) -> tuple[list[SeenImage], dict[str, bytes]]:
    """Write a run and measure its images, in the order in which they were written."""
    made: dict[str, object] = {"wells": WELLS, "fovs": 1, "pause": lambda _: None, **squid}
    run = VirtualSquid(**made).write(folder)  # type: ignore[arg-type]
    seen, pictures = [], {}
    for number, path in enumerate(sorted(run.rglob("*.tiff"), key=lambda one: one.stat().st_mtime_ns)):
        name, body = str(path.relative_to(run)), path.read_bytes()
        reading = METER.read(memoryview(body), path=name)
        modified = datetime.fromtimestamp(path.stat().st_mtime_ns / 1e9, UTC)
        entry = FileEntry(
            path=name, size_bytes=len(body), sha512=make_sha512(name), modified=modified, content_path=f"c/{number}"
        )
        seen.append(seen_image(ReadFile(entry, reading), Squid()))
        pictures[name] = reading.thumbnail or b""
    return seen, pictures


@pytest.mark.parametrize("seed", [1, 2])
def test_a_good_plate_raises_no_alert(tmp_path: Path, seed: int) -> None:
    seen, _ = measured(tmp_path, seed=seed)

    judgement = judge_round(seen, RunBaseline(), pictures={}, limits=LIMITS)

    assert judgement.failures == {}
    assert judgement.baseline.unjudged == {}


@pytest.mark.parametrize(
    ("fault", "kind"),
    [(Fault.DARK_WELL, "dark"), (Fault.EMPTY_WELL, "empty"), (Fault.BLURRED_WELL, "blurred")],
)
@pytest.mark.parametrize("odd", [0, 4])
def test_one_bad_well_raises_the_alert_of_its_kind_with_its_picture(
    tmp_path: Path, fault: Fault, kind: str, odd: int
) -> None:
    seen, pictures = measured(tmp_path, seed=3, fault=fault, odd_well=odd)

    judgement = judge_round(seen, RunBaseline(), pictures=pictures, limits=LIMITS)

    assert [one.value for one in judgement.failures] == [kind]
    (failures,) = judgement.failures.values()
    assert {one.image.region for one in failures} == {WELLS[odd]}
    assert failures[0].picture == pictures[failures[0].image.path]
    assert picture_fault(failures[0].picture) is None


def test_the_first_two_wells_are_enough_to_tell_that_the_first_is_bad(tmp_path: Path) -> None:
    for fault, kind in ((Fault.DARK_WELL, "dark"), (Fault.EMPTY_WELL, "empty"), (Fault.BLURRED_WELL, "blurred")):
        seen, _ = measured(tmp_path / kind, wells=("A1", "A2"), fault=fault)

        assert [one.value for one in judge_round(seen, RunBaseline(), pictures={}, limits=LIMITS).failures] == [kind]


@pytest.mark.parametrize(
    ("fault", "kind"), [(Fault.DARK, "dark"), (Fault.BLUR, "blurred"), (Fault.SATURATION, "saturated")]
)
def test_a_plate_that_is_bad_from_the_start_is_told_of_at_once(tmp_path: Path, fault: Fault, kind: str) -> None:
    seen, _ = measured(tmp_path, wells=("A1", "A2"), fault=fault)

    assert kind in [one.value for one in judge_round(seen, RunBaseline(), pictures={}, limits=LIMITS).failures]


def test_a_file_that_was_cut_off_is_told_of(tmp_path: Path) -> None:
    seen, _ = measured(tmp_path, wells=("A1", "A2"), fault=Fault.TRUNCATED)

    assert [one.value for one in judge_round(seen, RunBaseline(), pictures={}, limits=LIMITS).failures] == [
        "unreadable"
    ]
