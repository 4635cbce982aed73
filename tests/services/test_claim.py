"""Folders that somebody brings by hand, and folders that are only explained."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.landing_folder import LandingFolder, read_outside
from cisterna.domain.acquisition import Acquisition, AcquisitionState
from cisterna.domain.errors import Conflict, NotFound, UnclaimedFolder
from cisterna.profiles.squid import Squid
from cisterna.services.claim import claim_folder, explain
from cisterna.testing.clock import SettableClock
from cisterna.testing.factory import make_instrument, make_project
from cisterna.testing.virtual_squid import Fault, VirtualSquid

Claiming = Callable[..., Acquisition]


def write(tmp_path: Path, fault: Fault = Fault.NONE) -> Path:
    started = datetime(2026, 11, 22, 8, 30, tzinfo=UTC)
    return VirtualSquid(started=started, wells=("A1",), fovs=2, fault=fault).write(tmp_path / "brought")


@pytest.fixture
def claiming(tmp_path: Path, catalogue: SqlCatalogue, clock: SettableClock) -> Claiming:
    """Claim a folder that lies in `brought`."""
    with catalogue.begin() as tx:
        tx.projects.add(make_project())

    def run(
        folder: Path, project: str | None = "cells", *, bound: str | None = None, fallback: str | None = None
    ) -> Acquisition:
        return claim_folder(
            folder.name,
            path=str(folder.parent),
            zone=LandingFolder(str(folder.parent)),
            profile=Squid(),
            submitter="ada",
            resolve_project=lambda _acquisition, _described: bound,
            project=project,
            fallback=fallback,
            catalogue=catalogue,
            clock=clock,
            outside=read_outside,
        )

    return run


def requests(catalogue: SqlCatalogue) -> int:
    with catalogue.begin() as tx:
        return len(tx.inbox.list())


def test_a_whole_folder_is_on_its_way_at_once(tmp_path: Path, catalogue: SqlCatalogue, claiming: Claiming) -> None:
    one = claiming(write(tmp_path))

    assert (one.state, one.held, one.project, one.submitter) == (AcquisitionState.COMPLETE, None, "cells", "ada")
    assert requests(catalogue) == 1
    with catalogue.begin() as tx:
        instrument = tx.instruments.get(one.instrument)
    assert (instrument.watched, instrument.path) == (False, str(tmp_path / "brought"))


def test_the_same_folder_again_asks_for_nothing_new(
    tmp_path: Path, catalogue: SqlCatalogue, claiming: Claiming
) -> None:
    folder = write(tmp_path)

    first, second = claiming(folder), claiming(folder)

    assert second == first
    assert requests(catalogue) == 1


def test_a_folder_whose_ingest_failed_stays_held_with_the_reason_until_it_changes(
    tmp_path: Path, catalogue: SqlCatalogue, claiming: Claiming
) -> None:
    folder = write(tmp_path)
    first = claiming(folder)
    with catalogue.begin() as tx:
        tx.acquisitions.save(first.model_copy(update={"held": "a.tiff has another MD5"}))

    again = claiming(folder)
    (folder / "md5sum.txt").write_text("mended")
    mended = claiming(folder)

    assert again.held == "a.tiff has another MD5"
    assert (mended.held, requests(catalogue)) == (None, 2)


@pytest.mark.parametrize(
    ("fault", "says"), [(Fault.MISSING, "2 of 4 planned files are missing"), (Fault.TRUNCATED, "cannot be whole")]
)
def test_a_folder_that_is_not_whole_is_held_although_somebody_says_that_it_is(
    tmp_path: Path, catalogue: SqlCatalogue, claiming: Claiming, fault: Fault, says: str
) -> None:
    one = claiming(write(tmp_path, fault))

    assert one.state is AcquisitionState.PARTIAL
    assert says in (one.held or "")
    assert requests(catalogue) == 0


def test_a_missing_marker_stops_nobody_who_says_that_it_is_finished(tmp_path: Path, claiming: Claiming) -> None:
    folder = write(tmp_path)
    (folder / ".done").unlink()

    one = claiming(folder)

    assert one.state is AcquisitionState.COMPLETE
    assert "its end marker is not there" in one.reason


def test_a_link_in_it_holds_it(tmp_path: Path, claiming: Claiming) -> None:
    folder = write(tmp_path)
    (folder / "link").symlink_to("/etc/passwd")

    assert "'link': is a link" in (claiming(folder).held or "")


def test_without_a_project_it_waits_unclaimed(tmp_path: Path, claiming: Claiming) -> None:
    one = claiming(write(tmp_path), project=None)

    assert "unclaimed" in (one.held or "")


def test_what_binds_to_none_goes_to_the_fallback(tmp_path: Path, claiming: Claiming) -> None:
    assert claiming(write(tmp_path), project=None, fallback="cells").project == "cells"


def test_a_bound_run_goes_where_it_is_bound_and_never_to_the_fallback(
    tmp_path: Path, catalogue: SqlCatalogue, claiming: Claiming
) -> None:
    with catalogue.begin() as tx:
        tx.projects.add(make_project(slug="clinic"))
    folder = write(tmp_path)

    assert claiming(folder, project=None, bound="clinic", fallback="cells").project == "clinic"
    assert claiming(folder, project=None, bound=None, fallback="cells").project == "clinic"


def test_a_bound_run_is_not_moved_to_another_project(
    tmp_path: Path, catalogue: SqlCatalogue, claiming: Claiming
) -> None:
    with catalogue.begin() as tx:
        tx.projects.add(make_project(slug="clinic"))

    with pytest.raises(Conflict, match="clinic"):
        claiming(write(tmp_path), project="cells", bound="clinic")

    assert requests(catalogue) == 0


def test_an_instrument_declared_after_a_folder_was_brought_by_hand_keeps_its_runs(
    tmp_path: Path, catalogue: SqlCatalogue, claiming: Claiming
) -> None:
    folder = write(tmp_path)
    claiming(folder)
    with catalogue.begin() as tx:
        tx.instruments.add(make_instrument(path=str(folder.parent)))

    assert claiming(folder).instrument == "squid-1"


def test_a_project_that_is_not_there_is_named(tmp_path: Path, claiming: Claiming) -> None:
    with pytest.raises(NotFound, match="no-such"):
        claiming(write(tmp_path), project="no-such")


def test_a_folder_of_another_kind_is_refused_and_leaves_no_trace(
    tmp_path: Path, catalogue: SqlCatalogue, claiming: Claiming
) -> None:
    other = tmp_path / "brought" / "holiday"
    other.mkdir(parents=True)
    (other / "beach.jpg").write_bytes(b"x")

    with pytest.raises(UnclaimedFolder, match="no run of the profile 'squid'"):
        claiming(other)

    with catalogue.begin() as tx:
        assert list(tx.acquisitions.list()) == []
        assert list(tx.instruments.list()) == []


def test_a_run_of_a_declared_instrument_stays_its_own(
    tmp_path: Path, catalogue: SqlCatalogue, claiming: Claiming
) -> None:
    folder = write(tmp_path)
    with catalogue.begin() as tx:
        tx.instruments.add(make_instrument(path=str(folder.parent)))

    assert claiming(folder).instrument == "squid-1"


def test_an_explanation_tells_every_piece_of_evidence(tmp_path: Path) -> None:
    folder = write(tmp_path, Fault.MISSING)

    told = explain(folder.name, zone=LandingFolder(str(folder.parent)), profile=Squid(), outside=read_outside)

    assert (told.is_claimed, told.evidence.missing_files, told.evidence.expected_files) == (True, 2, 4)
    assert told.is_complete is False
    assert (told.now.state, told.when_quiet.state) == (AcquisitionState.WRITING, AcquisitionState.PARTIAL)
    assert told.described is not None
    assert told.described.title == "demo"


def test_an_explanation_of_a_folder_nobody_knows_says_so(tmp_path: Path) -> None:
    (tmp_path / "zone" / "x").mkdir(parents=True)

    told = explain("x", zone=LandingFolder(str(tmp_path / "zone")), profile=Squid())

    assert (told.is_claimed, told.described) == (False, None)
    assert "does not recognise" in told.when_quiet.reason
