"""Persistent identifiers that a site gives."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from cisterna.domain.doi import doi_of
from cisterna.domain.identifier import TEST_ARKS, Ark, Arks, Shoulder, acquisition_id, ark, dataset_id
from cisterna.domain.ocfl import object_root

SAME = dataset_id(origin=acquisition_id(instrument="squid-1", folder="2026-11-30/plate-7"))


def test_two_sites_below_one_naan_give_names_apart_where_each_has_a_shoulder() -> None:
    """The same names of instrument and folder make the same id in both."""
    plain, one, other = (Arks("12345", shoulder).of(SAME) for shoulder in ("", "b5", "c5"))

    assert len({plain, one, other}) == 3
    assert len({doi_of(pid, "v1", prefix="10.1234") for pid in (plain, one, other)}) == 3
    assert len({object_root(pid) for pid in (plain, one, other)}) == 3
    for pid in (plain, one, other):
        assert TypeAdapter(Ark).validate_python(pid) == pid
    assert one == f"ark:/12345/b5{SAME.removeprefix('ds-')}"


def test_without_a_shoulder_identifiers_are_as_they_always_were() -> None:
    assert Arks("12345").of(SAME) == ark(SAME, naan="12345") == f"ark:/12345/{SAME.removeprefix('ds-')}"
    assert TEST_ARKS.of(SAME).startswith("ark:/99999/")


@pytest.mark.parametrize("shoulder", ["x5", "", "bcdfghjk9"])
def test_a_shoulder_ends_with_its_first_digit(shoulder: str) -> None:
    assert TypeAdapter(Shoulder).validate_python(shoulder) == shoulder


@pytest.mark.parametrize("shoulder", ["5", "x", "X5", "a5", "x55", "x5/", "l1", "x5\n", "bcdfghjkm9"])
def test_a_shoulder_that_could_be_read_otherwise_is_refused(shoulder: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Shoulder).validate_python(shoulder)
