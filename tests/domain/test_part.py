"""Slices: every file in exactly one, in order, however many there are and whatever they are called."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cisterna.domain.dataset import Dataset, Relation
from cisterna.domain.listing import Listing, SeenFile
from cisterna.domain.manifest import FileEntry, Manifest
from cisterna.domain.part import Part, part_origin, part_pid, slices
from cisterna.testing.factory import make_dataset, make_sha512

WHOLE = "ark:/99999/0123456789abcdefghjkmnpqrs"
PART = Part(
    number=1,
    dataset_id=make_dataset("part").dataset_id,
    version_id=f"{make_dataset('part').dataset_id}:v1",
    pid=part_pid(WHOLE, 1),
    ocfl_version=1,
    algorithm="sha512",
    manifest_digest=make_sha512("part"),
    file_count=2,
    total_bytes=2,
    first="0/b.tiff",
    last="2/å.tiff",
)


def listing(names: list[str]) -> Listing:
    ordered = sorted(names, key=str.encode)
    return Listing(files=tuple(SeenFile(path=one, size_bytes=1, mtime_ns=1, inode=1) for one in ordered))


names = st.lists(st.from_regex(r"[a-zA-Z0-9åÅ日]{1,6}", fullmatch=True), unique=True, max_size=60)


@given(names, st.integers(1, 25))
def test_every_file_is_in_one_slice_and_slices_follow_each_other(found: list[str], most: int) -> None:
    whole = listing(found)

    cut = list(slices(whole, most_files=most))

    assert [file for one in cut for file in one.listing.files] == list(whole.files)
    assert [one.number for one in cut] == list(range(1, len(cut) + 1))
    assert all(len(one.listing.files) == most for one in cut[:-1])
    assert all(0 < len(one.listing.files) <= most for one in cut)


@given(names, st.integers(1, 25))
def test_the_lines_of_slices_one_after_another_are_those_of_the_whole(found: list[str], most: int) -> None:
    files = [FileEntry(path=one, size_bytes=1, sha512=make_sha512(one)) for one in found]
    whole = Manifest.of(files)

    cut = [Manifest(files=whole.files[start : start + most]) for start in range(0, len(files), most)]

    assert [line for one in cut for line in one.lines()] == list(whole.lines())


@pytest.mark.parametrize(
    ("path", "may"),
    [
        ("0/b.tiff", True),
        ("2/å.tiff", True),
        ("1/anything", True),
        ("0/a.tiff", False),
        ("2/日.tiff", False),
        ("2/å.tiff.txt", False),
        ("", False),
    ],
)
def test_a_part_may_hold_what_lies_between_its_first_and_last_file(path: str, may: bool) -> None:
    assert PART.may_hold(path) is may


@pytest.mark.parametrize(
    "fields",
    [
        {"number": 0},
        {"number": 10_000},
        {"pid": f"{WHOLE}/part-1"},
        {"pid": f"{WHOLE}/part-0001/part-0001"},
        {"pid": f"{WHOLE}/../part-0001"},
        {"pid": f"{WHOLE}/part-0001\n"},
        {"first": "/etc/passwd"},
        {"last": "a\x00b"},
        {"ocfl_version": 0},
        {"manifest_digest": "no digest"},
        {"algorithm": "md5"},
        {"file_count": 0},
        {"total_bytes": -1},
    ],
    ids=str,
)
def test_a_part_that_cannot_be_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises((ValidationError, ValueError)):
        Part.model_validate({**PART.model_dump(), **fields})


def test_a_dataset_knows_what_it_is_a_part_of() -> None:
    whole = make_dataset("whole")
    related = (
        Relation(kind="IsDerivedFrom", dataset_id=make_dataset("source").dataset_id, version="v1"),
        Relation(kind="IsPartOf", dataset_id=whole.dataset_id, version="v1"),
    )
    part: Dataset = make_dataset("part").model_copy(update={"relations": related})

    assert (whole.part_of, part.part_of) == (None, whole.dataset_id)
    assert part_origin(whole.dataset_id, 7) == f"part 0007 of {whole.dataset_id}"
