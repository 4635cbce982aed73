"""Datasets that are wrong in a known way, and the verdict that each must get from the real gate and our own suite."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cisterna.adapters.gx_gate import GxGate
from cisterna.domain.finding import Outcome, Verdict
from cisterna.services.summary import Facts
from cisterna.services.summary_images import summarise_images
from cisterna.services.validate import reason_of
from tests.quality.dataset import CHANNELS, Row, dataset, row, table

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
    "hardly any light": (lambda: dataset(fluo="dim"), WHOLE, REVIEW, "signal-to-noise"),
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
