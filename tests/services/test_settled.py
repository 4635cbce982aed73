"""Which files have settled: those that the run itself says were left alone, and that two looks saw the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cisterna.domain.listing import Listing, SeenFile
from cisterna.ports.profile import Stretch
from cisterna.services.settled import in_batches, left_alone, unchanged


def one(name: str, *, marked: bool = False, later: int = 1, course: str = "") -> Stretch:
    return Stretch((name,), marked, later, course)


@pytest.mark.parametrize(
    ("stretches", "left"),
    [
        ([], set()),
        ([one("a")], set()),
        ([one("a", marked=True)], {"a"}),
        ([one("a"), one("b")], {"a"}),
        ([one("a", later=2), one("b", later=2)], set()),
        ([one("a", later=2), one("b", later=2), one("c", later=2)], {"a"}),
        ([one("a"), Stretch(())], set()),
        ([one("a", course="x"), one("b", course="y")], set()),
        ([one("a", course="x"), one("b", course="y"), one("c", course="x")], {"a"}),
        ([one("a"), one("b", marked=True)], {"a", "b"}),
    ],
)
def test_a_stretch_is_left_by_its_marker_or_by_what_came_later_in_its_course(
    stretches: list[Stretch], left: set[str]
) -> None:
    assert left_alone(stretches) == left


def seen(path: str, size: int = 1, mtime: int = 1, inode: int = 1) -> SeenFile:
    return SeenFile(path=path, size_bytes=size, mtime_ns=mtime, inode=inode)


@pytest.mark.parametrize("now", [seen("a", size=2), seen("a", mtime=2), seen("a", inode=2), seen("b")])
def test_what_differs_in_anything_that_a_look_shows_is_not_unchanged(now: SeenFile) -> None:
    assert unchanged(Listing(files=(seen("a"),)), Listing(files=(now,))) == frozenset()


def test_what_two_looks_saw_alike_is_unchanged() -> None:
    listing = Listing(files=(seen("a"), seen("b")))
    assert unchanged(listing, listing) == {"a", "b"}


@given(st.lists(st.integers(0, 50), max_size=60), st.integers(1, 7), st.integers(0, 100))
def test_batches_hold_every_file_once_and_are_bounded(sizes: list[int], most_files: int, most_bytes: int) -> None:
    files = [seen(f"f{place}", size=size) for place, size in enumerate(sizes)]

    batches = list(in_batches(files, most_files=most_files, most_bytes=most_bytes))

    assert [file for batch in batches for file in batch] == files
    assert all(len(batch) <= most_files for batch in batches)
    assert all(len(batch) == 1 or sum(file.size_bytes for file in batch) <= most_bytes for batch in batches)
