"""Datasets that are wrong in a known way, and the verdict that each must get from the real gate and our own suite."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cisterna.adapters.gx_gate import GxGate
from cisterna.domain.finding import Outcome, Verdict
from cisterna.ports.quality import GateReport, MetricTable
from cisterna.services.summary import Facts, number
from cisterna.services.summary_images import summarise_images
from cisterna.services.validate import reason_of
from cisterna.testing.specimen import frame
from tests.quality.dataset import CHANNELS, METER, Row, dataset, row, series, table, tiff

WHOLE = Facts(planned_missing_share=0.0)
PASSED, REVIEW, QUARANTINED, NOT_ASSESSED = (
    Verdict.PASSED,
    Verdict.REVIEW,
    Verdict.QUARANTINED,
    Verdict.NOT_ASSESSED,
)


def z_stack(kinds: tuple[str, ...]) -> list[Row]:
    return [
        row(well, "0", channel, kind=kind, z=z, seed=1)
        for well in ("A1", "A2", "A3", "A4")
        for channel in CHANNELS
        for z, kind in enumerate(kinds)
    ]


def without(rows: list[Row], *names: str) -> list[Row]:
    return [{key: (None if key in names else value) for key, value in one.items()} for one in rows]


def but(rows: list[Row], which: Callable[[Row], bool], **changes: Any) -> list[Row]:
    """Change the rows that are meant."""
    return [{**one, **changes} if which(one) else one for one in rows]


def left(rows: list[Row], which: Callable[[Row], bool]) -> list[Row]:
    """Leave out the rows that are meant."""
    return [one for one in rows if not which(one)]


def moved(rows: list[Row], **by: Callable[[Row], float]) -> list[Row]:
    """Add to numbers of each row."""
    return [{**one, **{name: one[name] + more(one) for name, more in by.items()}} for one in rows]


def whole_file(rows: list[Row], planes: int) -> list[Row]:
    """Make the rows the planes of one maker's file of so many."""
    return [{**one, "path": "run.czi", "planes_in_file": planes} for one in rows]


Case = tuple[Callable[[], list[Row]], Facts, Verdict, str]

CASES: dict[str, Case] = {
    "as it should be": (dataset, WHOLE, PASSED, ""),
    "one channel alone": (lambda: dataset()[::2], WHOLE, PASSED, ""),
    "a single image": (lambda: dataset()[1:2], WHOLE, PASSED, ""),
    "floating-point pixels": (lambda: dataset(one="float"), WHOLE, PASSED, ""),
    "a z-stack with its middle in focus": (lambda: z_stack(("blur 4", "sharp", "blur 4")), WHOLE, PASSED, ""),
    "all blurred, sigma 3": (lambda: dataset(all="blur 3"), WHOLE, QUARANTINED, "focus-lost"),
    "all blurred, sigma 5": (lambda: dataset(all="blur 5"), WHOLE, QUARANTINED, "focus-lost"),
    "all blurred, sigma 8": (lambda: dataset(all="blur 8"), WHOLE, QUARANTINED, "focus-lost"),
    "fluorescence blurred": (lambda: dataset(fluo="blur 3"), WHOLE, QUARANTINED, "focus-lost"),
    "brightfield blurred": (lambda: dataset(bf="blur 3"), WHOLE, QUARANTINED, "focus-lost"),
    "three of twelve blurred": (lambda: dataset(three="blur 4"), WHOLE, QUARANTINED, "focus-lost"),
    "one of twelve blurred": (lambda: dataset(one="blur 4"), WHOLE, REVIEW, "focus-some-lost"),
    "a z-stack blurred throughout": (lambda: z_stack(("blur 6", "blur 4", "blur 6")), WHOLE, QUARANTINED, "focus-lost"),
    "all saturated": (lambda: dataset(all="saturated"), WHOLE, QUARANTINED, "saturation-widespread"),
    "fluorescence saturated": (lambda: dataset(fluo="saturated"), WHOLE, QUARANTINED, "saturation-widespread"),
    "one image saturated": (lambda: dataset(one="saturated"), WHOLE, REVIEW, "saturation-worst"),
    "clipped at 12 bit": (lambda: dataset(fluo="clipped"), WHOLE, QUARANTINED, "saturation-widespread"),
    "one image clipped at 12 bit": (lambda: dataset(one="clipped"), WHOLE, REVIEW, "saturation-worst"),
    "the lamp off": (lambda: dataset(fluo="dark"), WHOLE, QUARANTINED, "dark-widespread"),
    "everything dark": (lambda: dataset(all="dark"), WHOLE, QUARANTINED, "dark-widespread"),
    "one dark image": (lambda: dataset(one="dark"), WHOLE, REVIEW, "dark-some"),
    "a dead camera": (lambda: dataset(all="constant"), WHOLE, QUARANTINED, "dark-widespread"),
    "hardly any light": (lambda: dataset(fluo="dim"), WHOLE, QUARANTINED, "light-lost"),
    "hardly any signal above a bright offset": (
        lambda: dataset(fluo="dim above an offset"),
        WHOLE,
        REVIEW,
        "signal-to-noise",
    ),
    "one well whose lamp did not shine, though its cells can be told": (
        lambda: dataset(well="unlit"),
        WHOLE,
        QUARANTINED,
        "light-lost",
    ),
    "one field whose lamp did not shine": (lambda: dataset(one="unlit"), WHOLE, REVIEW, "light-some-lost"),
    "one brightfield image with a tenth of the light": (
        lambda: [row("A1", "0", CHANNELS[0], kind="dimmed"), *dataset()[1:]],
        WHOLE,
        REVIEW,
        "light-some-lost",
    ),
    "one unlit well of ninety-six": (
        lambda: [
            row(f"{line}{column}", "0", CHANNELS[0], kind="unlit" if (line, column) == ("C", 7) else "sharp")
            for line in "ABCDEFGH"
            for column in range(1, 13)
        ],
        WHOLE,
        REVIEW,
        "light-some-lost",
    ),
    "a dark well that the instrument's settings leave out": (
        lambda: (
            left(dataset(), lambda one: one["region"] == "A2")
            + but(dataset(), lambda one: one["region"] == "A2", background_counts=9.0, p99_counts=20.0)[8:16]
        ),
        Facts(planned_missing_share=0.0, wells_left_out=("A2",)),
        PASSED,
        "",
    ),
    "every well left out": (
        dataset,
        Facts(planned_missing_share=0.0, wells_left_out=("*",)),
        NOT_ASSESSED,
        "light-lost",
    ),
    "no light level anywhere": (
        lambda: without(dataset(), "background_counts", "p99_counts"),
        WHOLE,
        NOT_ASSESSED,
        "light-lost",
    ),
    "a black camera": (lambda: dataset(all="black"), WHOLE, QUARANTINED, "light-lost"),
    "a white camera": (lambda: dataset(all="white"), WHOLE, QUARANTINED, "saturation-widespread"),
    "8 bits in 16": (lambda: dataset(fluo="8 bit"), WHOLE, REVIEW, "grey-range"),
    "8 bits stretched over 16": (lambda: dataset(bf="8 bit stretched"), WHOLE, REVIEW, "grey-range"),
    "images of one pixel": (lambda: dataset(all="one pixel"), WHOLE, QUARANTINED, "dark-widespread"),
    "images of one line": (lambda: dataset(all="one line"), WHOLE, QUARANTINED, "dark-widespread"),
    "complex numbers for pixels": (lambda: dataset(one="complex"), WHOLE, QUARANTINED, "images-readable"),
    "infinite pixels in one image": (lambda: dataset(one="infinite"), WHOLE, QUARANTINED, "numbers-finite"),
    "no number in any image": (lambda: dataset(all="all nan"), WHOLE, QUARANTINED, "numbers-finite"),
    "one file cut off after its header": (
        lambda: dataset(one="cut after its header"),
        WHOLE,
        QUARANTINED,
        "images-readable",
    ),
    "one file of no bytes": (lambda: dataset(one="nothing"), WHOLE, QUARANTINED, "images-readable"),
    "light from one side": (lambda: dataset(bf="vignette"), WHOLE, REVIEW, "illumination-even"),
    "one file cut off": (lambda: dataset(one="truncated"), WHOLE, QUARANTINED, "images-readable"),
    "one header that lies": (lambda: dataset(one="lying"), WHOLE, QUARANTINED, "images-readable"),
    "one file of text": (lambda: dataset(one="text"), WHOLE, QUARANTINED, "images-readable"),
    "no file that can be read": (lambda: dataset(all="truncated"), WHOLE, QUARANTINED, "images-readable"),
    "NaN in one image": (lambda: dataset(one="nan"), WHOLE, QUARANTINED, "numbers-finite"),
    "one image of another size": (lambda: dataset(one="small"), WHOLE, REVIEW, "image-sizes"),
    "a plane of one channel missing": (lambda: dataset()[:-1], WHOLE, QUARANTINED, "planes-complete"),
    "a channel that stopped half way": (
        lambda: dataset()[:12] + dataset()[12::2],
        WHOLE,
        QUARANTINED,
        "planes-complete",
    ),
    "a good time lapse": (series, WHOLE, PASSED, ""),
    "a good time lapse of stacks": (lambda: series(3, levels=3), WHOLE, PASSED, ""),
    "a time point missing": (lambda: left(series(), lambda one: one["t"] == 2), WHOLE, QUARANTINED, "time-complete"),
    "a well missing at one time point": (
        lambda: left(series(), lambda one: (one["t"], one["region"]) == (2, "A2")),
        WHOLE,
        QUARANTINED,
        "wells-complete",
    ),
    "a field missing at one time point": (
        lambda: left(series(), lambda one: (one["t"], one["region"], one["field"]) == (1, "B1", "1")),
        WHOLE,
        REVIEW,
        "fields-complete",
    ),
    "a field that one well of three lacks": (
        lambda: left(dataset(), lambda one: (one["region"], one["field"]) == ("B1", "3")),
        WHOLE,
        REVIEW,
        "fields-complete",
    ),
    "the middle plane of a stack missing in all channels": (
        lambda: left(series(3, levels=3), lambda one: (one["t"], one["region"], one["z"]) == (1, "A1", 1)),
        WHOLE,
        QUARANTINED,
        "stacks-complete",
    ),
    "the last plane of every second stack's channel missing": (
        lambda: left(series(3, levels=3), lambda one: (one["z"], one["channel"]) == (2, CHANNELS[0])),
        WHOLE,
        QUARANTINED,
        "planes-complete",
    ),
    "a stage that wanders": (
        lambda: moved(series(), stage_x_um=lambda one: 9.0 * one["t"]),
        WHOLE,
        REVIEW,
        "stage-steady",
    ),
    "one field that somebody moved": (
        lambda: moved(series(), stage_x_um=lambda one: 900.0 * (one["region"] == "A1") * (one["field"] == "0")),
        WHOLE,
        PASSED,
        "",
    ),
    "a focus that sinks": (
        lambda: moved(series(5), stage_z_um=lambda one: -6.0 * one["t"]),
        WHOLE,
        REVIEW,
        "focus-steady",
    ),
    "a sharpest plane that climbs through the stack": (
        lambda: [
            {**one, "focus": 0.05 if one["z"] == one["t"] else 0.03, "stage_z_um": 300.0 + 12.0 * one["z"]}
            for one in series(4, levels=4)
        ],
        WHOLE,
        REVIEW,
        "focus-steady",
    ),
    "a pause of an hour within a time point": (
        lambda: moved(series(), taken_seconds=lambda one: 3600.0 * (one["t"] == 3) * (one["region"] == "B1")),
        WHOLE,
        REVIEW,
        "no-time-gaps",
    ),
    "a time point that began half an hour late": (
        lambda: moved(series(5), taken_seconds=lambda one: 1800.0 * (one["t"] > 2)),
        WHOLE,
        REVIEW,
        "no-time-gaps",
    ),
    "channels in another order in one well": (
        lambda: moved(
            series(),
            taken_seconds=lambda one: 1.0 if (one["region"] == "A2") == (one["channel"] == CHANNELS[0]) else 0.0,
        ),
        WHOLE,
        REVIEW,
        "channel-order",
    ),
    "planes of a maker's file, all of them": (lambda: whole_file(series(), 48), WHOLE, PASSED, ""),
    "some planes of a maker's file": (lambda: whole_file(series(), 480), WHOLE, PASSED, ""),
    "a time point missing from a maker's file": (
        lambda: whole_file(left(series(), lambda one: one["t"] == 2), 36),
        WHOLE,
        QUARANTINED,
        "time-complete",
    ),
    "fewer files than planned": (dataset, Facts(planned_missing_share=0.25), QUARANTINED, "plan-fulfilled"),
    "nobody knows the plan": (dataset, Facts(), NOT_ASSESSED, "plan-fulfilled"),
    "no image at all": (list, WHOLE, QUARANTINED, "images-found"),
    "nothing was measured": (lambda: without(dataset(), "focus", "snr", "empty"), WHOLE, NOT_ASSESSED, "focus-lost"),
    "no focus anywhere": (lambda: without(dataset(), "focus", "focus_error"), WHOLE, NOT_ASSESSED, "focus-median"),
    "names that say nothing": (
        lambda: without(dataset(), "region", "field", "channel", "z", "t"),
        WHOLE,
        NOT_ASSESSED,
        "planes-complete",
    ),
}


@pytest.mark.parametrize("name", CASES, ids=list(CASES))
def test_a_sabotaged_dataset_gets_the_verdict_it_must(gate: GxGate, name: str) -> None:
    make, facts, verdict, check = CASES[name]
    summary = summarise_images(table(make()), facts, limits=gate.limits("microscopy"))

    report = gate.assess(data_type="microscopy", summary=summary.row, table=summary.table)

    reason = reason_of(report.findings)
    assert report.verdict is verdict, reason
    assert reason
    not_passed = {finding.check for finding in report.findings if finding.outcome is not Outcome.PASSED}
    assert check in not_passed or not check


def test_one_dark_well_of_the_virtual_squid_goes_to_review_and_its_images_are_named(gate: GxGate) -> None:
    rows = [
        {
            **row(f"A{well}", str(field), channel),
            **METER.read(memoryview(tiff(frame(10 * well + field, is_brightfield=bf, gain=gain))), path="x").metrics,
        }
        for well, gain in enumerate((1.0, 1.0, 0.002, 1.0, 1.0, 1.0), start=1)
        for field in range(2)
        for bf, channel in zip((True, False), CHANNELS, strict=True)
    ]

    report = judged(gate, table(rows))

    assert report.verdict is Verdict.REVIEW, reason_of(report.findings)
    (light,) = (one for one in report.findings if one.check == "light-some-lost")
    assert light.outcome is Outcome.WARNING
    assert set(light.files) == {one["path"] for one in rows if one["region"] == "A3"}


@pytest.mark.parametrize("kind", ["blur 4", "saturated", "dark", "truncated"])
def test_the_file_behind_a_failure_is_named(gate: GxGate, kind: str) -> None:
    rows = dataset(one=kind)
    summary = summarise_images(table(rows), WHOLE, limits=gate.limits("microscopy"))

    report = gate.assess(data_type="microscopy", summary=summary.row, table=summary.table)

    named = {file for finding in report.findings for file in finding.files}
    assert named == {rows[1]["path"]}


def test_the_gravest_finding_comes_first_and_an_error_is_not_told_twice(gate: GxGate) -> None:
    summary = summarise_images(table(dataset(fluo="blur 4")), WHOLE, limits=gate.limits("microscopy"))

    reason = reason_of(gate.assess(data_type="microscopy", summary=summary.row, table=summary.table).findings)

    assert reason.startswith("Images out of focus in the worst channel: 100 % (expected at most 20 %).")
    assert reason.count("Images out of focus") == 1


NEEDED: dict[str, tuple[str, ...]] = {
    "focus": ("focus",),
    "signal to noise": ("snr",),
    "emptiness": ("empty",),
    "saturation": ("saturated_share", "clipped_share"),
    "light": ("background_counts", "p99_counts"),
    "evenness": ("background_uniformity",),
    "numbers": ("nonfinite_share",),
    "sizes": ("width_px", "height_px"),
    "regions": ("region",),
    "channels": ("channel",),
    "times": ("t",),
    "everything": METER.names,
}
"""What the suite cannot judge a dataset without."""


def judged(gate: GxGate, columns: MetricTable, facts: Facts = WHOLE) -> GateReport:
    summary = summarise_images(columns, facts, limits=gate.limits("microscopy"))
    return gate.assess(data_type="microscopy", summary=summary.row, table=summary.table)


WORDS = ("regions", "channels")
"""What any word or number names, so that only its absence can be told."""
SPOILT = [
    pytest.param(names, how, id=f"{what}: {how}")
    for what, names in NEEDED.items()
    for how in (None, *(() if what in WORDS else (float("nan"), float("inf"), "text")))
]


@pytest.mark.parametrize(("names", "how"), SPOILT)
def test_a_good_dataset_without_a_needed_column_never_passes(
    gate: GxGate, names: tuple[str, ...], how: float | str | None
) -> None:
    report = judged(gate, table([{**one, **dict.fromkeys(names, how)} for one in dataset()]))

    assert report.verdict is Verdict.NOT_ASSESSED, reason_of(report.findings)


def test_only_what_nobody_can_know_is_left_out_and_it_is_named_in_the_reason(gate: GxGate) -> None:
    report = judged(gate, table(dataset()))

    left_out = {one.check for one in report.findings if one.outcome is Outcome.LEFT_OUT}
    assert left_out == {
        *("stage-steady", "focus-steady", "no-time-gaps", "channel-order"),
        *("focus-usual", "signal-usual", "evenness-usual"),
    }
    assert reason_of(report.findings) == (
        "All 23 checks passed, 7 left out: channel-order, evenness-usual, focus-steady, focus-usual, no-time-gaps, "
        "signal-usual, stage-steady."
    )


CELLS = st.one_of(
    st.none(), st.floats(), st.integers(-(10**6), 10**6), st.sampled_from(["", "A1", "nonsense", "\0", "é" * 50])
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_table_whatever_is_in_it_passes_vacuously(gate: GxGate, data: st.DataObject) -> None:
    rows = data.draw(st.integers(0, 6), label="rows")
    good = table(dataset()).columns
    strange = data.draw(st.lists(st.text(max_size=8), max_size=3), label="columns that nobody knows")
    names = data.draw(st.lists(st.sampled_from([*good, *strange]), unique=True), label="columns")
    columns: dict[str, list[str | float | int | None]] = {"path": [f"{number}.tiff" for number in range(rows)]}
    for name in names:
        kept = good[name][:rows] if name in good else [None] * rows
        is_kept = name == "path" or data.draw(st.booleans(), label=f"{name} is as it should be")
        columns[name] = kept if is_kept else data.draw(st.lists(CELLS, min_size=rows, max_size=rows), label=name)
    facts = Facts(planned_missing_share=data.draw(st.sampled_from([None, 0.0, 1.0])))

    report = judged(gate, MetricTable(columns=columns), facts)

    assert report.findings
    for one in report.findings:
        assert one.outcome is not Outcome.PASSED or one.observed is not None, one
    if report.verdict is Verdict.PASSED:
        assert rows > 0
        assert facts.planned_missing_share == 0.0
        for needed in NEEDED.values():
            assert any(number(cell) is not None or cell for name in needed for cell in columns.get(name, []))
