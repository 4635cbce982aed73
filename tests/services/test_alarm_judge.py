"""The judge of alerts: the same images give the same failures, and what cannot be judged is named."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cisterna.domain.alert import PICTURE_LIMIT_BYTES, AlertKind, Place, picture_fault
from cisterna.domain.baseline import COUNTED, SAMPLED, RunBaseline, SeenImage, Tally
from cisterna.services.alarm_judge import (
    INCOMPLETE,
    NUMBERLESS,
    PICTURES_KEPT,
    UNCERTAIN,
    Judgement,
    judge_round,
)
from cisterna.services.image_limit import WARM_UP
from cisterna.testing.clock import START

PNG = b"\x89PNG\r\n\x1a\n"
TOP = 65_535.0


def image(
    number: int, *, well: str | None = None, z: int | None = 0, channel: str | None = "DAPI", **fields: Any
) -> SeenImage:
    """Make a good image of the well with a number, written a second after the one before it."""
    name = well or f"A{number + 1}"
    made: dict[str, Any] = {
        "path": f"0/{name}_0_{z}_{channel}.tiff",
        "modified": START + timedelta(seconds=number),
        "region": name,
        "field": "0",
        "channel": channel,
        "z": z,
        "t": 0,
        "focus": 0.6,
        "focus_error": 0.001,
        "snr": 60.0,
        "is_empty": False,
        "level": 3000.0,
        "bright": 20_000.0,
        "top": TOP,
        "saturated": 0.0,
        "nonfinite_share": 0.0,
    }
    return SeenImage(**{**made, **fields})


def plate(count: int, **odd: SeenImage) -> list[SeenImage]:
    """Make a plate of good wells, with others in the place of some, and a last one that shows that they are done."""
    changed = {int(name.removeprefix("well")): one for name, one in odd.items()}
    return [changed.get(number, image(number)) for number in range(count)]


def judge(images: Sequence[SeenImage], before: RunBaseline | None = None, **given: Any) -> Judgement:
    arguments: dict[str, Any] = {"pictures": {}, "limits": {}, **given}
    return judge_round(images, before or RunBaseline(), **arguments)


def found(judgement: Judgement) -> dict[str, list[str]]:
    return {kind.value: [one.image.path for one in some] for kind, some in judgement.failures.items()}


def dark(number: int, **fields: Any) -> SeenImage:
    return image(number, **{"focus": None, "is_empty": True, "snr": 3.9, "level": 102.0, "bright": 130.0, **fields})


def test_a_good_plate_raises_nothing() -> None:
    assert found(judge(plate(24))) == {}


@pytest.mark.parametrize(
    ("odd", "kind"),
    [
        pytest.param(dark(5), "dark", id="no-light"),
        pytest.param(image(5, level=400.0), "dark", id="much-darker-than-the-others"),
        pytest.param(image(5, level=7.0, bright=70.0, snr=6.3), "dark", id="no-light-but-something-to-be-seen"),
        pytest.param(dark(5, level=1000.0, bright=1100.0), "empty", id="light-and-nothing-there"),
        pytest.param(image(5, focus=0.01), "blurred", id="below-the-suite's-limit"),
        pytest.param(image(5, focus=0.1), "blurred", id="far-below-the-others"),
        pytest.param(image(5, saturated=0.05), "saturated", id="saturated"),
        pytest.param(image(5, problem="cut off", focus=None, is_empty=None), "unreadable", id="cut-off"),
        pytest.param(image(5, nonfinite_share=0.25, is_empty=None), "unreadable", id="not-a-number"),
        pytest.param(dark(5, level=0.0, bright=0.0, snr=None), "dark", id="constant-black"),
        pytest.param(dark(5, level=1500.0, bright=1500.0, snr=None, saturated=None), "empty", id="constant-grey"),
        pytest.param(image(5, level=TOP, saturated=1.0, focus=None), "saturated", id="constant-white"),
        pytest.param(dark(5, level=7.0, top=None, snr=None), "dark", id="one-pixel-of-a-float"),
    ],
)
def test_the_first_odd_well_is_named_with_its_kind(odd: SeenImage, kind: str) -> None:
    judgement = judge(plate(24, well5=odd))

    assert found(judgement) == {kind: [odd.path]}
    (failure,) = judgement.failures[AlertKind(kind)]
    assert failure.limit.origin
    assert math.isfinite(failure.observed)


def test_of_several_odd_wells_the_one_written_first_comes_first() -> None:
    judgement = judge(plate(24, well9=dark(9), well3=dark(3), well17=dark(17)))

    assert found(judgement) == {"dark": ["0/A4_0_0_DAPI.tiff", "0/A10_0_0_DAPI.tiff", "0/A18_0_0_DAPI.tiff"]}


def test_a_blurred_well_among_the_first_is_found_as_soon_as_there_are_others_to_compare() -> None:
    first = judge([image(0), image(1, focus=0.1), image(2)], pictures={"0/A2_0_0_DAPI.tiff": PNG})
    assert found(first) == {}

    later = judge([image(number) for number in range(3, WARM_UP + 1)], first.baseline)

    (failure,) = later.failures[AlertKind.BLURRED]
    assert failure.image.path == "0/A2_0_0_DAPI.tiff"
    assert failure.picture == PNG
    assert later.baseline.waiting == {}


def test_too_few_images_are_not_held_against_each_other() -> None:
    assert found(judge([image(0), image(1, focus=0.1, level=400.0), image(2)])) == {}


def test_a_run_of_one_image_is_not_passed_over_in_silence() -> None:
    judgement = judge([image(0, focus=0.01)])

    assert found(judgement) == {}
    assert [one.path for one in judgement.baseline.pending] == ["0/A1_0_0_DAPI.tiff"]


def test_a_file_whose_name_tells_no_place_is_judged_at_once() -> None:
    alone: dict[str, Any] = dict.fromkeys(("region", "field", "channel", "z", "t"))

    assert found(judge([image(0, focus=0.01, path="stack.tiff", **alone)])) == {"blurred": ["stack.tiff"]}


def test_a_stack_counts_by_its_sharpest_plane_however_its_planes_are_told() -> None:
    def stack(number: int, best: float) -> list[SeenImage]:
        focus = {0: 0.001, 1: best, 2: 0.001}
        return [image(number, z=z, focus=value) for z, value in focus.items()]

    stacks = [stack(number, 0.001 if number == 4 else 0.6) for number in range(12)]
    planes = [plane for one in stacks for plane in one]

    at_once = judge(planes)
    baseline, kinds = RunBaseline(), []
    for start in range(0, len(planes), 2):
        judgement = judge(planes[start : start + 2], baseline)
        baseline, kinds = judgement.baseline, [*kinds, *found(judgement)]

    assert len(at_once.failures[AlertKind.BLURRED]) == 1
    assert at_once.failures[AlertKind.BLURRED][0].image.region == "A5"
    assert kinds == ["blurred"]


def test_planes_that_come_layer_by_layer_are_named_as_not_judged() -> None:
    first = judge([image(number, z=0) for number in range(12)])

    second = judge(
        [image(12 + number, well=f"A{number + 1}", z=1, focus=0.001) for number in range(11)], first.baseline
    )

    assert found(second) == {}
    assert INCOMPLETE in second.baseline.unjudged


def test_what_has_no_focus_or_no_numbers_is_named_as_not_judged() -> None:
    odd = {"well2": image(2, focus=None), "well3": image(3, is_empty=None, focus=None, level=None, saturated=None)}

    judgement = judge(plate(12, **odd))

    assert found(judgement) == {}
    assert set(judgement.baseline.unjudged) == {UNCERTAIN, NUMBERLESS}


def test_a_focus_that_may_be_above_the_limit_is_not_called_blurred() -> None:
    judgement = judge(plate(12, well2=image(2, focus=0.17, focus_error=0.01)))

    assert found(judgement) == {}
    assert UNCERTAIN in judgement.baseline.unjudged


def test_the_suite_of_the_gate_gives_the_limits() -> None:
    limits = {"focus_min.DAPI": 0.7, "saturated_share_max": 0.5}

    judgement = judge([image(0), image(1, saturated=0.4)], limits=limits)

    failure, _second = judgement.failures[AlertKind.BLURRED]
    assert failure.limit.value == 0.7
    assert "focus_min.DAPI" in failure.limit.origin
    assert AlertKind.SATURATED not in judgement.failures


@pytest.mark.parametrize("pattern", ["A6", "a6", "A?", "*6"])
def test_a_well_that_is_meant_to_be_empty_is_left_out(pattern: str) -> None:
    for odd in (dark(5), dark(5, level=1000.0, bright=1100.0), image(5, focus=0.001)):
        assert found(judge(plate(9, well5=odd), left_out=[pattern])) == {}


def test_a_left_out_well_is_still_told_of_when_it_cannot_be_read() -> None:
    odd = image(5, problem="cut off", is_empty=None)

    assert found(judge(plate(9, well5=odd), left_out=["A6"])) == {"unreadable": [odd.path]}


def test_left_out_wells_do_not_change_what_is_usual() -> None:
    blanks = [dark(number, level=1000.0, bright=1100.0) for number in range(20)]
    cells = [image(20 + number) for number in range(WARM_UP)]

    judgement = judge([*blanks, *cells, image(40)], left_out=[f"A{number + 1}" for number in range(20)])

    spread = judgement.baseline.spread("DAPI", "level")
    assert spread is not None
    assert (spread.median, spread.count) == (3000.0, WARM_UP + 1)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_order_of_arrival_within_a_round_changes_nothing(data: st.DataObject) -> None:
    odd = {f"well{number}": dark(number) for number in data.draw(st.sets(st.integers(0, 30), max_size=4))}
    images = plate(31, **odd)
    shuffled = data.draw(st.permutations(images))

    assert judge(shuffled) == judge(images)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_an_image_that_is_told_again_changes_nothing(data: st.DataObject) -> None:
    odd = {f"well{number}": dark(number) for number in data.draw(st.sets(st.integers(0, 30), max_size=4))}
    images = plate(31, **odd)
    again = data.draw(st.lists(st.sampled_from(images), max_size=10))
    once = judge(images)

    assert judge([*images, *again]) == once
    repeated = judge(again, once.baseline)
    assert repeated.failures == {}
    assert repeated.baseline == once.baseline


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.builds(
            image,
            st.integers(0, 5),
            z=st.integers(0, 3),
            channel=st.sampled_from(["a", "b", ""]),
            focus=st.one_of(st.none(), st.floats(0, 1e9)),
            focus_error=st.one_of(st.none(), st.floats(0, 1e300)),
            level=st.one_of(st.none(), st.floats(-1e300, 1e300)),
            snr=st.one_of(st.none(), st.floats(0, 1e300)),
            bright=st.one_of(st.none(), st.floats(-1e300, 1e300)),
            is_empty=st.one_of(st.none(), st.booleans()),
            top=st.one_of(st.none(), st.just(TOP)),
            saturated=st.one_of(st.none(), st.floats(0, 1)),
            nonfinite_share=st.one_of(st.none(), st.floats(0, 1)),
            problem=st.one_of(st.none(), st.just("odd")),
        ),
        max_size=40,
    )
)
def test_no_numbers_however_odd_make_it_fail(images: list[SeenImage]) -> None:
    judgement = judge(images)

    assert all(math.isfinite(one.observed) for some in judgement.failures.values() for one in some)
    assert RunBaseline.model_validate_json(judgement.baseline.model_dump_json()) == judgement.baseline


def test_what_is_kept_of_a_run_stays_small() -> None:
    baseline = RunBaseline()
    for start in range(0, 3000, 500):
        some = [dark(number, well=f"R{number}", level=50.0) for number in range(start, start + 500)]
        baseline = judge(some, baseline, pictures={one.path: PNG for one in some}).baseline
    many = [image(4000 + number, channel=f"c{number}", well=f"A{number}") for number in range(100)]
    baseline = judge(many, baseline, pictures={one.path: PNG for one in many}).baseline

    assert len(baseline.samples["DAPI"]) == SAMPLED
    assert len(baseline.samples) <= 32
    assert baseline.failing["dark"] == Tally(keys=baseline.failing["dark"].keys, is_more=True)
    assert len(baseline.failing["dark"].keys) == COUNTED
    assert len(baseline.pictures) <= PICTURES_KEPT
    assert len(baseline.model_dump_json()) < 100_000


@pytest.mark.parametrize(
    ("picture", "fault"),
    [
        (None, "no picture"),
        (b"GIF89a", "no PNG"),
        (PNG + bytes(PICTURE_LIMIT_BYTES), "more than the"),
        (PNG + bytes(100), None),
    ],
)
def test_only_a_small_png_is_a_picture(picture: bytes | None, fault: str | None) -> None:
    said = picture_fault(picture)

    assert (said is None) if fault is None else (said is not None and fault in said)


def test_a_place_says_where_in_the_words_of_the_field_and_is_printable_whatever_a_file_is_called() -> None:
    assert Place.of("x", region="B3", field="2", channel="DAPI", t=4, z=0).words == (
        "well B3, field 2, channel DAPI, time point 4"
    )
    assert Place.of("x", region="left lung", field="2", channel="DAPI", t=4).words.startswith("region left lung")
    odd = Place.of("a\nb\u202e" + "x" * 1000, region=None)
    assert odd.words.isprintable()
    assert len(odd.words) < 520
