"""How a run went is told from where and when images were taken, robustly, and only where that is known."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cisterna.services.run_course import Taken, joined_courses, run_course

UNKNOWN = ("stage_drift_unknown", "focus_drift_unknown", "time_gaps_unknown", "channel_orders_unknown")


def lapse(times: int = 5, **change: Callable[[Taken], float]) -> list[Taken]:
    """Make a time lapse of six fields and two channels; `change` adds to numbers."""
    made = []
    for t in range(times):
        for number in range(6):
            for order, channel in enumerate(("BF", "DAPI")):
                one: dict[str, Any] = {
                    "index": len(made),
                    "region": f"A{number // 2 + 1}",
                    "field": str(number % 2),
                    "channel": channel,
                    "z": 0,
                    "t": t,
                    "focus": 0.05,
                    "x_um": 100.0 * number,
                    "y_um": 50.0,
                    "z_um": 300.0,
                    "seconds": 600.0 * t + 4.0 * number + order,
                }
                plain = Taken(**one)
                made.append(Taken(**{**one, **{name: one[name] + more(plain) for name, more in change.items()}}))
    return made


def test_a_steady_run_has_neither_drift_nor_gaps_and_one_order() -> None:
    course = run_course(lapse())

    assert (course.row["stage_drift_um"], course.row["focus_drift_um"]) == (0.0, 0.0)
    assert (course.row["time_gaps"], course.row["channel_orders"]) == (0, 1)
    assert [course.row[name] for name in UNKNOWN] == [None] * 4
    assert course.late == {}


def test_stage_drift_is_the_largest_displacement_of_the_middle_field() -> None:
    there_and_back = lapse(x_um=lambda one: 3.0 * (one.t == 2), y_um=lambda one: 4.0 * (one.t == 2))

    assert run_course(there_and_back).row["stage_drift_um"] == pytest.approx(5.0)


def test_one_field_that_was_moved_is_no_drift() -> None:
    assert run_course(lapse(x_um=lambda one: 800.0 * (one.region == "A1" and one.field == "0" and one.t > 1))).row[
        "stage_drift_um"
    ] == pytest.approx(0.0)


def test_focus_drift_is_a_trend_over_the_whole_run_which_one_time_point_does_not_bend() -> None:
    sinking = lapse(z_um=lambda one: -2.0 * one.t + 90.0 * (one.t == 1))

    assert run_course(sinking).row["focus_drift_um"] == pytest.approx(8.0)


def test_focus_drift_follows_the_sharpest_plane_of_a_stack() -> None:
    stacks = [
        Taken(0, "A1", "0", "DAPI", z, t, focus=1.0 if z == t else 0.1, z_um=100.0 + 5.0 * z)
        for t in range(4)
        for z in range(4)
    ]

    assert run_course(stacks).row["focus_drift_um"] == pytest.approx(15.0)


def test_a_pause_within_a_time_point_is_a_gap_of_the_image_after_it() -> None:
    course = run_course(lapse(seconds=lambda one: 300.0 * (one.t == 1 and one.region == "A3")))

    assert course.row["time_gaps"] == 1
    (late,) = course.late.items()
    assert late == (20, pytest.approx(303.0))
    assert course.row["time_gap_longest_seconds"] == pytest.approx(303.0)


def test_a_time_point_that_began_late_is_a_gap_and_the_usual_wait_between_them_is_none() -> None:
    course = run_course(lapse(6, seconds=lambda one: 900.0 * (one.t >= 4)))

    assert course.late == {48: pytest.approx(1500.0)}


def test_channels_in_another_order_are_told() -> None:
    swapped = lapse(seconds=lambda one: 2.0 * (one.region == "A2" and one.channel == "BF"))

    assert run_course(swapped).row["channel_orders"] == 2


NOTHING_KNOWN: dict[str, tuple[list[Taken], dict[str, str]]] = {
    "nothing recorded": (
        [Taken(0, "A1", "0", "BF", 0, 0)],
        {
            "stage_drift_unknown": "does not say where",
            "focus_drift_unknown": "does not say where",
            "time_gaps_unknown": "does not say when",
            "channel_orders_unknown": "does not say when",
        },
    ),
    "no image at all": ([], {"stage_drift_unknown": "does not say where", "time_gaps_unknown": "does not say when"}),
    "one time point": (
        lapse(1),
        {"stage_drift_unknown": "fewer than 2 time points", "focus_drift_unknown": "fewer than 3 time points"},
    ),
    "one channel": (lapse()[::2], {"channel_orders_unknown": "one channel"}),
    "one time for all channels": (
        lapse(seconds=lambda one: -1.0 * (one.channel == "DAPI")),
        {"channel_orders_unknown": "one time for all channels"},
    ),
    "one time for all images": (
        lapse(seconds=lambda one: -(600.0 * one.t + 4.0 * (one.index % 12 // 2) + one.index % 2)),
        {"time_gaps_unknown": "1 different times"},
    ),
}


@pytest.mark.parametrize(("taken", "said"), NOTHING_KNOWN.values(), ids=list(NOTHING_KNOWN))
def test_what_cannot_be_known_is_none_and_says_why(taken: list[Taken], said: dict[str, str]) -> None:
    row = run_course(taken).row

    for name, words in said.items():
        assert words in str(row[name])
        value = name.replace("_unknown", "_um") if "drift" in name else name.removesuffix("_unknown")
        assert row[value] is None


NUMBERS = st.one_of(st.none(), st.floats(-1e9, 1e9))


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.builds(
            Taken,
            index=st.integers(0, 40),
            region=st.sampled_from(["A1", "B2"]),
            field=st.sampled_from(["0", "1"]),
            channel=st.sampled_from(["BF", "DAPI"]),
            z=st.integers(-3, 3),
            t=st.integers(-3, 5),
            focus=NUMBERS,
            x_um=NUMBERS,
            y_um=NUMBERS,
            z_um=NUMBERS,
            seconds=NUMBERS,
        ),
        max_size=40,
    )
)
def test_each_thing_is_a_finite_number_or_has_a_reason(taken: list[Taken]) -> None:
    row = run_course(taken).row

    for name in ("stage_drift_um", "focus_drift_um", "time_gaps", "channel_orders"):
        value, why = row[name], row[f"{name.removesuffix('_um')}_unknown"]
        assert (value is None) == bool(why)
        assert value is None or (isinstance(value, int | float) and math.isfinite(value) and value >= 0)


def test_of_several_runs_in_one_dataset_the_worst_counts_and_every_gap() -> None:
    still, moved = run_course(lapse()), run_course(lapse(x_um=lambda one: 3.0 * one.t))

    joined = joined_courses([still, moved, run_course([])])

    assert joined.row["stage_drift_um"] == moved.row["stage_drift_um"] == 12.0
    assert [joined.row[name] for name in UNKNOWN] == [None] * 4


def test_of_several_runs_that_tell_nothing_the_first_says_why() -> None:
    joined = joined_courses([run_course(lapse(times=1)), run_course([])])

    assert joined.row["stage_drift_unknown"] == "it has fewer than 2 time points of one field"
    assert joined_courses([]).row == run_course([]).row
