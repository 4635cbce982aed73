"""The gate and the alarm say the same of light: one definition, the same limits, the same wells left out."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cisterna.domain.alert import AlertKind
from cisterna.domain.baseline import SAMPLED, RunBaseline
from cisterna.domain.manifest import FileEntry
from cisterna.ports.quality import MetricTable, Reading
from cisterna.profiles.squid import Squid
from cisterna.services.alarm import seen_image
from cisterna.services.alarm_judge import judge_round
from cisterna.services.image_limit import WARM_UP, is_left_out
from cisterna.services.one_read import ReadFile
from cisterna.services.summary import Facts
from cisterna.services.summary_images import summarise_images
from cisterna.testing.clock import START
from tests.quality.dataset import CHANNELS, Row, dataset, reading, row, table

Metrics = dict[str, float | None]
GOOD: Metrics = {
    "focus": 0.6,
    "focus_error": 0.001,
    "snr": 60.0,
    "empty": 0.0,
    "nonfinite_share": 0.0,
    "background_counts": 3000.0,
    "p99_counts": 20_000.0,
    "full_scale_counts": 65_535.0,
}


def dark_for_the_gate(images: dict[str, Metrics], *, left_out: tuple[str, ...] = ()) -> set[str]:
    profile = Squid()
    planes = [profile.plane(path) for path in images]
    columns: dict[str, list[str | float | int | None]] = {"path": list(images)}
    for name in ("region", "field", "channel", "z", "t"):
        columns[name] = [getattr(plane, name) for plane in planes]
    for name in GOOD:
        columns[name] = [metrics.get(name) for metrics in images.values()]
    found = summarise_images(MetricTable(columns=columns), Facts(wells_left_out=left_out))
    margins = found.table.columns["light_margin"]
    return {
        path.split("_")[0]
        for path, margin in zip(images, margins, strict=True)
        if isinstance(margin, float) and margin < 1
    }


def dark_for_the_alarm(images: dict[str, Metrics], *, left_out: tuple[str, ...] = ()) -> set[str]:
    files = [
        ReadFile(
            FileEntry(path=path, size_bytes=1, sha512="0" * 128, modified=START + timedelta(seconds=number)),
            Reading(metrics=metrics),
        )
        for number, (path, metrics) in enumerate(images.items())
    ]
    seen = [seen_image(file, Squid()) for file in files]
    judgement = judge_round(seen, RunBaseline(), pictures={}, limits={}, left_out=left_out)
    return {one.image.path.split("_")[0] for one in judgement.failures.get(AlertKind.DARK, ())}


STACK = st.fixed_dictionaries(
    {
        "background_counts": st.sampled_from([0.0, 5.0, 100.0, 800.0, 899.0, 901.0, 2500.0, 3000.0, 3500.0]),
        "p99_counts": st.sampled_from([0.0, 200.0, 327.0, 328.0, 5000.0, 20_000.0]),
        "snr": st.sampled_from([None, 3.9, 6.99, 7.0, 60.0]),
        "full_scale_counts": st.sampled_from([None, 255.0, 65_535.0]),
        "empty": st.sampled_from([None, 0.0, 1.0]),
        "nonfinite_share": st.sampled_from([None, 0.0, 0.5]),
    }
)


@settings(max_examples=150, deadline=None)
@given(st.lists(STACK, min_size=1, max_size=SAMPLED - 1), st.integers(1, 3), st.sampled_from([(), ("A3",), ("A1*",)]))
def test_gate_and_alarm_find_the_same_stacks_without_light(
    stacks: list[Metrics], levels: int, left_out: tuple[str, ...]
) -> None:
    images = {
        f"0/A{well}_0_{z}_DAPI.tiff": GOOD | stack | {"focus": 0.1 * z}
        for well, stack in enumerate([*stacks, GOOD])
        for z in range(levels)
    }

    assert dark_for_the_gate(images, left_out=left_out) == dark_for_the_alarm(images, left_out=left_out)


def test_a_real_unlit_well_is_found_by_both() -> None:
    images = {
        f"0/A{well}_0_0_{CHANNELS[0].replace(' ', '_')}.tiff": reading(
            "unlit" if well == 4 else "sharp", CHANNELS[0], 1
        ).metrics
        for well in range(1, 10)
    }

    assert dark_for_the_gate(images) == dark_for_the_alarm(images) == {"0/A4"}


def share(rows: list[Row], **facts: Any) -> dict[str, Any]:
    return summarise_images(table(rows), Facts(**facts)).row


def test_the_share_is_that_of_the_worst_channel_and_a_stack_counts_once() -> None:
    planes = [
        row(f"A{well}", "0", "BF", kind="unlit" if well == 1 else "sharp", z=z) for well in (1, 2) for z in (0, 1)
    ]

    found = share([*planes, row("A1", "0", "DAPI")])

    assert found["without_light_share"] == 0.5


def test_a_limit_of_the_suite_replaces_the_default() -> None:
    rows = dataset()

    assert summarise_images(table(rows), Facts(), limits={"dark_floor_share": 0.9}).row["without_light_share"] == 0.0
    dim = [{**one, "snr": 6.0} for one in rows]
    assert summarise_images(table(dim), Facts(), limits={"dark_floor_share": 0.9}).row["without_light_share"] == 1.0


def test_of_few_images_of_floating_point_nobody_can_tell_and_the_words_say_why() -> None:
    few = [row(f"A{well}", "0", "DAPI", kind="float") for well in range(WARM_UP - 1)]

    found = share(few)

    assert found["without_light_share"] is None
    assert "nothing is known of the largest value" in found["light_unknown"]
    assert share([*few, row("B1", "0", "DAPI", kind="float")])["without_light_share"] == 0.0


def test_levels_that_were_never_measured_are_no_reason_to_leave_light_out() -> None:
    rows = [{**one, "background_counts": None, "p99_counts": None} for one in dataset()]

    assert (share(rows)["without_light_share"], share(rows)["light_unknown"]) == (None, None)


@pytest.mark.parametrize(("patterns", "count"), [(("A1",), 8), (("a?",), 16), (("*",), 24)])
def test_wells_that_are_left_out_are_counted_and_have_no_margin(patterns: tuple[str, ...], count: int) -> None:
    rows = dataset()

    found = summarise_images(table(rows), Facts(wells_left_out=patterns))

    margins = found.table.columns["light_margin"]
    assert [margins[index] for index, one in enumerate(rows) if is_left_out(one["region"], patterns)] == [None] * count
    assert found.row["stacks_left_out"] == count
    assert (found.row["without_light_share"] is None) == (count == len(rows))
