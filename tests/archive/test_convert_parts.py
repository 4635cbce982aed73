"""Images that lie in parts are written as OME-Zarr, and a view of too many files for one object lies in parts too."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from cisterna.domain.dataset import Stage, Version
from cisterna.services.view_field import FOLDER
from cisterna.testing.memory_store import WRITES, MemoryStore
from tests.archive.facility import Facility
from tests.archive.test_convert import archived, convert, facility, run, written
from tests.archive.test_kill import Killed, KillingCatalogue
from tests.archive.test_parts import restore
from tests.archive.whole import require_no_strangers, require_whole
from tests.testing.zarr_reading import opened, require_plate

__all__ = ["facility"]

MOST = 24
REGIONS = ("A1", "A2", "B10")


def finished(facility: Facility, version: Version) -> Version:
    """Take the derived version into the archive."""
    lease = facility.lease(version.version_id)
    facility.describe(version.version_id, lease)
    facility.archive(version.version_id, lease)
    facility.verify(version.version_id, lease)
    return facility.version(version.version_id)


def require_all(facility: Facility, version: Version) -> None:
    for identifier in (version.version_id, *(part.version_id for part in version.parts)):
        require_whole(facility, identifier)
    require_no_strangers(facility)


def reference(facility: Facility, files: dict[str, bytes], folder: Path) -> dict[str, bytes]:
    """Give the files of the view of the same run in one object."""
    most, facility.most_files = facility.most_files, 100_000
    written(facility, convert(facility, archived(facility, "reference", files), facility.lease()), folder)
    facility.most_files = most
    return {str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*") if one.is_file()}


def test_a_view_of_images_in_parts_is_the_one_of_the_same_images_in_one_object(
    facility: Facility, tmp_path: Path
) -> None:
    wanted = reference(facility, run(REGIONS), tmp_path / "wanted")
    facility.most_files = 10
    source = archived(facility, files=run(REGIONS))
    assert len(source.parts) == 5

    version = convert(facility, source, facility.lease())

    folder = tmp_path / "out"
    written(facility, version, folder)
    assert {str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*") if one.is_file()} == wanted


@pytest.mark.parametrize("regions", [REGIONS, ("left", "right", "10")], ids=["plate", "series"])
def test_a_view_of_too_many_files_lies_in_parts_and_is_the_same(
    facility: Facility, tmp_path: Path, regions: tuple[str, ...]
) -> None:
    files = run(regions)
    wanted = reference(facility, files, tmp_path / "wanted")
    facility.most_files = 10
    source = archived(facility, files=files)

    version = finished(facility, convert(facility, source, facility.lease(), most_files=MOST))

    assert len(version.parts) > 1
    assert all(part.file_count <= MOST for part in version.parts)
    assert restore(facility, version, tmp_path / "out") == wanted
    if regions == REGIONS:
        require_plate(opened(tmp_path / "out" / "data" / FOLDER))
    require_all(facility, version)


def test_a_field_that_cannot_be_written_is_left_out_and_named_wherever_it_would_lie(
    facility: Facility, tmp_path: Path
) -> None:
    files = {path: b"bad" if path.endswith("A2_0_0_BF.tiff") else body for path, body in run(REGIONS).items()}
    wanted = reference(facility, files, tmp_path / "wanted")
    source = archived(facility, files=files)

    version = finished(facility, convert(facility, source, facility.lease(), most_files=MOST))

    assert len(version.parts) > 1
    assert restore(facility, version, tmp_path / "out") == wanted


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "after", [pytest.param(False, marks=pytest.mark.torture, id="before"), pytest.param(True, id="after")]
)
def test_a_second_worker_finishes_what_any_write_to_the_store_interrupted(
    facility: Facility, tmp_path: Path, *, after: bool
) -> None:
    files = run(("A1", "B10"))
    wanted = reference(facility, files, tmp_path / "wanted")
    facility.most_files = 10
    step, was_killed = 0, True
    while was_killed:
        step += 9
        facility.store = store = MemoryStore()
        source, lease = archived(facility, f"run-{step}", files), facility.lease()
        fault = store.fail_on(WRITES, nth=step, after=after, error=Killed())
        with suppress(Killed):
            convert(facility, source, lease, most_files=MOST)
        was_killed = fault.fired > 0
        store.heal()

        version = finished(facility, convert(facility, source, facility.lease(), most_files=MOST))

        assert version.stage is Stage.VERIFIED
        assert restore(facility, version, tmp_path / str(step)) == wanted, f"step {step}"
        require_all(facility, version)
    assert step > 50


@pytest.mark.timeout(300)
def test_a_second_worker_finishes_what_any_transaction_interrupted(facility: Facility, tmp_path: Path) -> None:
    files = run(("A1", "B10"))
    wanted = reference(facility, files, tmp_path / "wanted")
    killing, whole = KillingCatalogue(facility.catalogue), facility.catalogue
    step, was_killed = 0, True
    while was_killed:
        step += 5
        facility.store = MemoryStore()
        source, lease = archived(facility, f"run-{step}", files), facility.lease()
        facility.catalogue = killing  # type: ignore[assignment]
        killing.begun, killing.kill_at, killing.after = 0, step, True
        was_killed = False
        try:
            convert(facility, source, lease, most_files=MOST)
        except Killed:
            was_killed = True
        facility.catalogue = whole

        version = finished(facility, convert(facility, source, facility.lease(), most_files=MOST))

        assert restore(facility, version, tmp_path / str(step)) == wanted, f"step {step}"
        require_all(facility, version)
    assert step > 20
