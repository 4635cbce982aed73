"""The same planes are chosen each time, spread over the file, with channels and stacks left together."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cisterna.domain.plane_choice import PlacedPlane, chosen_planes


def planes(*, scenes: int = 1, times: int = 1, levels: int = 1, channels: int = 1) -> list[PlacedPlane]:
    return [
        PlacedPlane((s, t, z, c), f"s{s}", f"c{c}", 8, 8, 2, z=z, t=t)
        for s in range(scenes)
        for t in range(times)
        for z in range(levels)
        for c in range(channels)
    ]


def test_all_are_chosen_where_there_are_few_enough() -> None:
    every = planes(scenes=2, times=3, levels=4, channels=2)

    assert chosen_planes(every, most=48) == every


def test_whole_stacks_with_all_channels_are_chosen_evenly() -> None:
    chosen = chosen_planes(planes(scenes=4, times=25, levels=5, channels=2), most=100)

    stacks = Counter((plane.region, plane.t) for plane in chosen)
    assert set(stacks.values()) == {10}
    assert Counter(region for region, _ in stacks) == {"s0": 2, "s1": 3, "s2": 2, "s3": 3}
    assert sorted(t for region, t in stacks if region == "s0") == [5, 15]


def test_a_stack_that_alone_is_too_many_is_thinned_with_all_its_channels() -> None:
    chosen = chosen_planes(planes(levels=1000, channels=3), most=90)

    assert Counter(plane.channel for plane in chosen) == {"c0": 30, "c1": 30, "c2": 30}
    levels = sorted({plane.z for plane in chosen})
    assert levels[0] < 34
    assert levels[-1] > 966
    assert {after - before for before, after in pairwise(levels)} <= {33, 34}


def test_every_scene_is_looked_at_where_each_alone_is_too_many() -> None:
    chosen = chosen_planes(planes(scenes=10, levels=1000), most=100)

    assert set(Counter(plane.region for plane in chosen).values()) == {10}


def test_more_channels_than_are_looked_at_are_thinned_too() -> None:
    assert len(chosen_planes(planes(channels=1000, levels=2), most=7)) == 7


@pytest.mark.parametrize("most", [1, 2, 10])
def test_one_plane_at_least_is_chosen(most: int) -> None:
    assert chosen_planes(planes(scenes=3, times=7, levels=5, channels=4), most=most)


@given(
    scenes=st.integers(1, 6),
    times=st.integers(1, 6),
    levels=st.integers(1, 9),
    channels=st.integers(1, 5),
    most=st.integers(1, 60),
)
def test_the_choice_is_a_part_of_the_file_within_the_limit(
    *, scenes: int, times: int, levels: int, channels: int, most: int
) -> None:
    every = planes(scenes=scenes, times=times, levels=levels, channels=channels)

    chosen = chosen_planes(every, most=most)

    assert 1 <= len(chosen) <= most or len(every) <= most
    assert len(set(chosen)) == len(chosen)
    assert set(chosen) <= set(every)
    assert chosen == chosen_planes(every, most=most)
