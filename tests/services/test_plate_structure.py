"""What a run lacks is told from the rest of it, once, and by name."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cisterna.services.plate_structure import COLUMNS, Placed, plate_structure

CHANNELS = ("BF", "DAPI")


def plate(wells: str = "A1 A2 B1", fields: int = 2, levels: int = 3, times: int = 3) -> list[Placed]:
    places = product(wells.split(), range(fields), CHANNELS, range(levels), range(times))
    return [Placed(well, str(field), channel, z, t) for well, field, channel, z, t in places]


def without(which: Callable[[Placed], bool]) -> list[Placed]:
    return [one for one in plate() if not which(one)]


def missing(placed: list[Placed]) -> dict[str, int]:
    row = plate_structure(placed)
    counts = {name: row[f"{name}_missing"] for name in COLUMNS}
    return {name: count for name, count in counts.items() if isinstance(count, int) and count}


def test_a_whole_run_lacks_nothing_and_names_nothing() -> None:
    row = plate_structure(plate())

    assert [row[f"{name}_missing"] for name in COLUMNS] == [0] * 5
    assert [row[f"{name}_missing_names"] for name in COLUMNS] == [None] * 5


LACKS: dict[str, tuple[Callable[[Placed], bool], dict[str, int], str]] = {
    "a time point": (lambda one: one.t == 1, {"time_points": 1}, "time point 1"),
    "a well at a time": (lambda one: (one.region, one.t) == ("A2", 1), {"wells": 1}, "A2 at time point 1"),
    "a field at a time": (
        lambda one: (one.region, one.field, one.t) == ("B1", "1", 0),
        {"fields": 1},
        "B1 field 1 at time point 0",
    ),
    "a field of one well, always": (lambda one: (one.region, one.field) == ("B1", "1"), {"fields": 3}, "B1 field 1"),
    "a channel at a field": (
        lambda one: (one.region, one.field, one.t, one.channel) == ("A1", "0", 2, "DAPI"),
        {"channels": 1},
        "DAPI of A1 field 0 at time point 2",
    ),
    "the last plane of a stack": (
        lambda one: (one.region, one.field, one.t, one.channel, one.z) == ("A1", "0", 2, "DAPI", 2),
        {"z_planes": 1},
        "plane 2 of DAPI, A1 field 0, time point 2",
    ),
    "the middle plane of every stack": (lambda one: one.z == 1, {"z_planes": 36}, "plane 1 of BF"),
}


@pytest.mark.parametrize(("which", "counts", "name"), LACKS.values(), ids=list(LACKS))
def test_what_is_missing_is_counted_once_and_named(
    which: Callable[[Placed], bool], counts: dict[str, int], name: str
) -> None:
    placed = without(which)

    assert missing(placed) == counts
    (thing,) = counts
    assert str(plate_structure(placed)[f"{thing}_missing_names"]).startswith(f"Missing: {name}")


def test_the_first_five_are_named_and_the_others_counted() -> None:
    names = plate_structure(without(lambda one: one.z == 1))["z_planes_missing_names"]

    assert str(names).count("plane 1") == 5
    assert str(names).endswith("and 31 more")


def test_a_channel_that_has_fewer_planes_by_design_lacks_none() -> None:
    assert missing(without(lambda one: one.channel == "BF" and one.z != 1)) == {}


def test_wells_with_different_numbers_of_fields_lack_none() -> None:
    tissue = [
        Placed(well, str(field), "DAPI", 0, 0) for number, well in enumerate("ABCDE") for field in range(number + 3)
    ]

    assert missing(tissue) == {}


def test_a_well_with_more_fields_than_others_lacks_none() -> None:
    assert missing([*plate(times=1, levels=1), Placed("A1", "7", "BF", 0, 0), Placed("A1", "7", "DAPI", 0, 0)]) == {}


def test_each_makers_file_is_a_run_of_its_own() -> None:
    one = [Placed("scene", "0", "DAPI", 0, t, "one.czi") for t in (0, 1, 3)]
    other = [Placed("scene", "0", "DAPI", 0, t, "two.czi") for t in range(9)]

    assert missing([*one, *other]) == {"time_points": 1}
    assert plate_structure([*one, *other])["time_points_missing_names"] == "Missing: time point 2 of one.czi"


def test_what_one_makers_file_has_is_not_missing_from_another() -> None:
    small = [Placed("scene", "0", "DAPI", z, 0, "small.czi") for z in range(3)]
    large = [
        Placed(region, field, channel, z, 0, f"large-{number}.czi")
        for number, region, field, channel, z in product(range(4), "ABC", "01", CHANNELS, range(9))
    ]

    assert missing([*small, *large]) == {}


def test_no_place_at_all_is_none_and_not_nought() -> None:
    assert set(plate_structure([]).values()) == {None}


def test_numbers_that_lie_far_apart_are_names() -> None:
    assert missing([Placed("A1", "0", "DAPI", z, t) for z in (0, 10**9) for t in (0, 10**12)]) == {}


@settings(max_examples=60, deadline=None)
@given(st.sets(st.integers(0, 107), max_size=107))
def test_planes_that_are_there_are_never_missing_and_counts_are_bounded(holes: set[int]) -> None:
    whole = plate()
    placed = [one for number, one in enumerate(whole) if number not in holes]

    counts = missing(placed)

    assert all(count > 0 for count in counts.values())
    assert sum(counts.values()) <= len(holes)
    assert counts == missing(placed[::-1])


HERD = 50_000
STRANGE: dict[str, tuple[Callable[[int], Placed], dict[str, int]]] = {
    "each image in a channel of its own": (
        lambda one: Placed("A1", str(one), f"c{one}", 0, 0),
        {"channels": HERD * (HERD - 1)},
    ),
    "stacks of a first and a last plane": (
        lambda one: Placed("A1", str(one // 2), "BF", one % 2 * 100_000, 0),
        {"z_planes": HERD // 2 * 99_999},
    ),
    "each image in a well and at a time of its own": (
        lambda one: Placed(f"A{one}", "0", "BF", 0, one),
        {"wells": HERD * (HERD - 1)},
    ),
    "each image in a field and at a time of its own": (
        lambda one: Placed("A1", str(one), "BF", 0, one),
        {"fields": HERD * (HERD - 1)},
    ),
    "files of a first and a last time": (
        lambda one: Placed("A1", "0", "BF", 0, one % 2 * 100_000, f"{one // 2}.nd2"),
        {"time_points": HERD // 2 * 99_999},
    ),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", STRANGE, ids=list(STRANGE))
def test_what_is_missing_is_reckoned_however_much_it_is(name: str) -> None:
    """One by one, it would take hours."""
    make, expected = STRANGE[name]

    assert missing([make(one) for one in range(HERD)]) == expected
