"""Which folder of a share is a run: the one that its profile means, at its own depth, and no folder above it."""

from __future__ import annotations

from pathlib import Path

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.domain.adoption import FindKind, Sureness
from cisterna.profiles.czi import Czi
from cisterna.testing.clock import SettableClock
from tests.adopt.share import Taken, lay, squid_run
from tests.profiles.test_claims import RUNS


@pytest.fixture
def taken(quick_path: Path, catalogue: SqlCatalogue, clock: SettableClock) -> Taken:
    (quick_path / "share").mkdir()
    return Taken(quick_path / "share", catalogue, clock)


def test_every_kind_of_run_is_found_where_it_lies_and_not_above(taken: Taken) -> None:
    for number, (run, _) in enumerate(RUNS.values()):
        run.write(taken.top / f"group/year/{number}")
    taken.begin()

    taken.scan()

    found: dict[str, set[str | None]] = {name: set() for name in RUNS}
    for path, find in taken.finds.items():
        number = path.split("/")[2] if path.count("/") >= 2 else ""
        assert number, f"{path!r} lies above the runs: {find}"
        found[list(RUNS)[int(number)]].add(find.profile.value)
    assert {name: profiles - {None} for name, profiles in found.items()} == {
        name: {profile} for name, (_, profile) in RUNS.items()
    }


def test_a_microscopes_run_is_one_run_whatever_images_lie_in_it(taken: Taken) -> None:
    run = squid_run(taken.top)
    lay(run, "exports/big.czi", "exports/deep/er/other.nd2", "0/plate.ome.tiff")
    taken.begin()

    taken.scan()

    assert set(taken.finds) == {run.name}


def test_a_stray_file_above_runs_does_not_swallow_them(taken: Taken) -> None:
    runs = [squid_run(taken.top / "rosa", hour=hour) for hour in range(3)]
    lay(taken.top, "rosa/stray.czi", "rosa/table.csv")
    taken.begin()

    taken.scan()

    found = taken.finds
    assert {path for path, find in found.items() if find.kind is FindKind.RUN} == {f"rosa/{run.name}" for run in runs}
    assert (found["rosa"].kind, found["rosa"].file_count) == (FindKind.LOOSE, 2)
    assert "belong to no run" in found["rosa"].profile.reason


def test_files_of_a_kind_are_a_run_only_where_nothing_deeper_stands_for_itself(taken: Taken) -> None:
    lay(taken.top, "flat/one.czi", "flat/two.czi", "flat/notes/read.me")
    lay(taken.top, "years/loose.czi", "years/2019/june/one.czi", "years/2020/may/two.czi")
    taken.begin()

    taken.scan()

    kinds = {path: (find.kind, find.profile.value) for path, find in taken.finds.items()}
    assert kinds == {
        "flat": (FindKind.RUN, "czi"),
        "years": (FindKind.LOOSE, None),
        "years/2019/june": (FindKind.RUN, "czi"),
        "years/2020/may": (FindKind.RUN, "czi"),
    }
    assert taken.finds["flat"].profile.sure is Sureness.UNSURE


def test_the_names_that_tell_a_run_are_seen_beside_very_many_images(taken: Taken) -> None:
    run = squid_run(taken.top)
    for number in range(1500):
        (run / f"A1_{number}_0_x.tiff").touch()
    taken.begin()

    taken.scan()

    assert taken.finds[run.name].profile.value == "squid"


def test_a_profile_that_fails_stops_nobody_and_is_named(taken: Taken, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> bool:
        raise ZeroDivisionError("no tiles")

    run = squid_run(taken.top)
    lay(taken.top, "flat/one.nd2")
    monkeypatch.setattr(Czi, "claims", failing)
    taken.begin()

    taken.scan()

    assert {path: find.profile.value for path, find in taken.finds.items()} == {run.name: "squid", "flat": "nd2"}
    assert "'czi' could not be asked: it failed with ZeroDivisionError: no tiles" in taken.finds["flat"].profile.reason


def test_the_same_share_gives_the_same_finds(taken: Taken) -> None:
    for number, (run, _) in enumerate(list(RUNS.values())[:6]):
        run.write(taken.top / f"{number}")
    taken.begin()
    taken.scan()
    first = taken.finds

    taken.begin(again=True)
    taken.scan()

    since = {path: find.settled_since for path, find in first.items()}
    again = {
        path: find.model_copy(update={"round": 1, "settled_since": since[path]}) for path, find in taken.finds.items()
    }
    assert again == first
