"""The inventory of a share: everything counted once, nothing touched, whatever happens meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.domain.adoption import FindKind, Sureness
from cisterna.testing.clock import SettableClock
from tests.adopt.share import Taken, lay, squid_run


@pytest.fixture
def taken(quick_path: Path, catalogue: SqlCatalogue, clock: SettableClock) -> Taken:
    (quick_path / "share").mkdir()
    return Taken(quick_path / "share", catalogue, clock)


def test_runs_are_found_at_any_depth_and_counted_with_all_below_them(taken: Taken) -> None:
    run = squid_run(taken.top / "rosa/2021")
    lay(taken.top, "README.txt", "rosa/2021/notes.txt", "odd/a.bin", "odd/b.bin")
    taken.begin()

    walk = taken.scan()

    found = taken.finds
    path = f"rosa/2021/{run.name}"
    everything = [one for one in run.rglob("*") if one.is_file()]
    assert walk.ended_at is not None
    assert walk.files == len(everything) + 4
    assert found[path].kind is FindKind.RUN
    assert (found[path].profile.value, found[path].profile.sure) == ("squid", Sureness.CERTAIN)
    assert found[path].file_count == len(everything)
    assert found[path].total_bytes == sum(one.stat().st_size for one in everything)
    assert {one: found[one].kind for one in found if one != path} == {
        "": FindKind.LOOSE,
        "rosa/2021": FindKind.LOOSE,
        "odd": FindKind.UNIT,
    }
