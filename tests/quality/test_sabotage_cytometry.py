"""Cytometry that is wrong in a known way, and the verdict that each must get from the real gate and our own suite."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
import pytest

from cisterna.adapters.fcs_meter import FcsMeter
from cisterna.adapters.gx_gate import GxGate
from cisterna.domain.finding import Outcome, Verdict
from cisterna.ports.quality import MetricTable
from cisterna.services.summary import Facts
from cisterna.services.summary_choice import summarise
from cisterna.services.validate import reason_of
from cisterna.testing.virtual_cells import PARAMETERS, TOP, cells
from cisterna.testing.virtual_cytometer import fcs_of, sample
from tests.quality.test_fcs_real import BROKEN, FOLDER

METER = FcsMeter()
WHOLE = Facts(planned_missing_share=0.0)
PASSED, REVIEW, QUARANTINED, NOT_ASSESSED = (
    Verdict.PASSED,
    Verdict.REVIEW,
    Verdict.QUARANTINED,
    Verdict.NOT_ASSESSED,
)
FILES = ("plate_A01.fcs", "plate_A02.fcs", "plate_A03.fcs")
BAD = FILES[1]


@cache
def good(seed: int = 0) -> bytes:
    return sample(cells(seed=seed))


def changed(column: int, values: Any) -> bytes:
    events = cells(seed=1)
    events[:, column] = values
    return sample(events)


def without_time() -> bytes:
    return fcs_of(cells(seed=1)[:, 1:], PARAMETERS[1:])


def mass() -> bytes:
    """Metals and a clock, as a mass cytometer gives: no scatter, no spillover."""
    events = cells(seed=1)
    return fcs_of(events[:, [0, 4, 5]], ("Time", "Ir191Di", "Nd142Di"), said={"$TIMESTEP": "0.01"})


def two_sets() -> bytes:
    """A good data set, and behind it one whose flow clogged."""
    first = sample(cells(seed=1), said={"$NEXTDATA": str(4096 + 4000 * 24)})
    return first + sample(cells(seed=2, clog=0.4))


def table(bodies: Mapping[str, bytes]) -> MetricTable:
    readings = {path: METER.read(memoryview(body), path=path) for path, body in bodies.items()}
    columns: dict[str, list[Any]] = {
        "path": list(readings),
        "problem": [one.problem for one in readings.values()],
        "unmeasured": [one.unmeasured for one in readings.values()],
    }
    for name in METER.names:
        columns[name] = [one.metrics.get(name) for one in readings.values()]
    return MetricTable(columns=columns)


def three(body: bytes | None = None) -> dict[str, bytes]:
    """Three files, of which the second may be otherwise."""
    found = {path: good(seed) for seed, path in enumerate(FILES)}
    return found if body is None else {**found, BAD: body}


def every(make: Callable[[int], bytes]) -> dict[str, bytes]:
    return {path: make(seed) for seed, path in enumerate(FILES)}


Case = tuple[Callable[[], Mapping[str, bytes]], Facts, Verdict, str]

CASES: dict[str, Case] = {
    "as it should be": (three, WHOLE, PASSED, ""),
    "a single file": (lambda: {BAD: good()}, WHOLE, PASSED, ""),
    "mass cytometry": (lambda: every(lambda _: mass()), WHOLE, PASSED, ""),
    "a brief hiccup": (lambda: three(sample(cells(seed=1, clog=0.03))), WHOLE, PASSED, ""),
    "a clog": (lambda: three(sample(cells(seed=1, clog=0.15))), WHOLE, REVIEW, "flow-interrupted"),
    "a clog for half of the time": (
        lambda: three(sample(cells(seed=1, clog=0.45))),
        WHOLE,
        QUARANTINED,
        "flow-clogged",
    ),
    "a clog in a second data set": (lambda: three(two_sets()), WHOLE, QUARANTINED, "flow-clogged"),
    "a surge": (lambda: three(sample(cells(seed=1, surge=0.1))), WHOLE, REVIEW, "flow-surges"),
    "a clock that jumps": (
        lambda: three(changed(0, np.append(np.arange(3999), 1e9))),
        WHOLE,
        QUARANTINED,
        "flow-clogged",
    ),
    "a clock that runs back": (lambda: three(changed(0, np.arange(4000)[::-1])), WHOLE, REVIEW, "time-forwards"),
    "no clock in any file": (lambda: every(lambda _: without_time()), WHOLE, NOT_ASSESSED, "flow-clogged"),
    "no clock in most files": (
        lambda: {**every(lambda _: without_time()), BAD: good()},
        WHOLE,
        REVIEW,
        "flow-known",
    ),
    "a signal that wanders": (lambda: three(sample(cells(seed=1, drift=0.4))), WHOLE, REVIEW, "signal-wanders"),
    "a laser that dies": (lambda: three(sample(cells(seed=1, drift=0.8))), WHOLE, QUARANTINED, "signal-drifts"),
    "bright cells off scale": (lambda: three(sample(cells(seed=1, margin=0.05))), WHOLE, REVIEW, "signal-margins"),
    "a detector off scale": (lambda: three(sample(cells(seed=1, margin=0.5))), WHOLE, QUARANTINED, "signal-off-scale"),
    "cells off the scatter's scale": (
        lambda: three(changed(1, np.where(np.arange(4000) % 4 == 0, TOP, cells(seed=1)[:, 1]))),
        WHOLE,
        REVIEW,
        "scatter-margins",
    ),
    "a clumped sample": (lambda: three(sample(cells(seed=1, doublets=0.3))), WHOLE, REVIEW, "doublets"),
    "a dead detector": (lambda: three(changed(4, 0.0)), WHOLE, REVIEW, "detectors-alive"),
    "nothing but zeros": (
        lambda: three(sample(np.column_stack([np.arange(4000), *[np.zeros(4000)] * 5]))),
        WHOLE,
        QUARANTINED,
        "detectors-dead",
    ),
    "a value that is no number": (
        lambda: three(changed(5, np.append(np.nan, cells(seed=1)[1:, 5]))),
        WHOLE,
        QUARANTINED,
        "numbers-finite",
    ),
    "no event": (lambda: three(sample(cells(0))), WHOLE, QUARANTINED, "events-there"),
    "no event anywhere": (lambda: every(lambda _: sample(cells(0))), WHOLE, QUARANTINED, "events-there"),
    "hardly any event": (lambda: three(sample(cells(80))), WHOLE, REVIEW, "events-enough"),
    "events that are not declared": (
        lambda: three(sample(cells(seed=1), said={"$TOT": "3900"})),
        WHOLE,
        REVIEW,
        "events-declared",
    ),
    "a matrix without an inverse": (
        lambda: three(sample(cells(seed=1), said={"$SPILLOVER": "2,FITC-A,PE-A,1,1,1,1"})),
        WHOLE,
        REVIEW,
        "spillover-usable",
    ),
    "a wrong checksum": (lambda: three(good() + b"0000BEEF"), WHOLE, REVIEW, "checksum-right"),
    "another panel": (lambda: three(without_time()), WHOLE, REVIEW, "panels-same"),
    "a file cut off": (lambda: three(good()[:-100]), WHOLE, QUARANTINED, "files-readable"),
    "a header that lies": (
        lambda: three(sample(cells(seed=1), said={"$TOT": "1000000000000"})),
        WHOLE,
        QUARANTINED,
        "files-readable",
    ),
    "a file of text": (lambda: three(b"the network share was full"), WHOLE, QUARANTINED, "files-readable"),
    "no file that can be read": (lambda: every(lambda _: good()[:3000]), WHOLE, QUARANTINED, "files-readable"),
    "a real header without its data": (
        lambda: three((FOLDER / "cytek-nl-2000/sample_header.fcs").read_bytes()),
        WHOLE,
        QUARANTINED,
        "files-readable",
    ),
    "a real file of zeros": (
        lambda: {"a.lmd": (FOLDER / "fake_bitmask_error/fcs1_cleaned.lmd").read_bytes()},
        WHOLE,
        QUARANTINED,
        "detectors-dead",
    ),
    "events that nobody reads": (
        lambda: every(lambda seed: sample(cells(seed=seed), said={"$DATATYPE": "A"})),
        WHOLE,
        NOT_ASSESSED,
        "files-readable",
    ),
    "fewer files than listed": (three, Facts(planned_missing_share=0.25), QUARANTINED, "plan-fulfilled"),
    "nobody knows the plan": (three, Facts(), NOT_ASSESSED, "plan-fulfilled"),
    "no file at all": (dict, WHOLE, QUARANTINED, "files-found"),
}


@pytest.mark.parametrize("name", CASES, ids=list(CASES))
def test_a_sabotaged_dataset_gets_the_verdict_it_must(gate: GxGate, name: str) -> None:
    make, facts, verdict, check = CASES[name]
    summary = summarise("cytometry", table(make()), facts, limits=gate.limits("cytometry"))

    report = gate.assess(data_type="cytometry", summary=summary.row, table=summary.table)

    reason = reason_of(report.findings)
    assert report.verdict is verdict, reason
    assert reason
    not_passed = {finding.check for finding in report.findings if finding.outcome is not Outcome.PASSED}
    assert check in not_passed or not check


@pytest.mark.parametrize(
    "name", ["a clog for half of the time", "a laser that dies", "a dead detector", "a file cut off", "no event"]
)
def test_the_file_behind_a_failure_is_named(gate: GxGate, name: str) -> None:
    summary = summarise("cytometry", table(CASES[name][0]()), WHOLE, limits=gate.limits("cytometry"))

    report = gate.assess(data_type="cytometry", summary=summary.row, table=summary.table)

    named = {file for finding in report.findings for file in finding.files}
    assert named == {BAD}


def test_no_column_that_lost_its_values_passes(gate: GxGate) -> None:
    """Every column of the suite is a check's own: without it that check is not assessed, and so the dataset."""
    row = dict(summarise("cytometry", table(three()), WHOLE, limits=gate.limits("cytometry")).row)

    for column in row:
        report = gate.assess(data_type="cytometry", summary={**row, column: None}, table=table(three()))
        looked_at = {"events_total", "rate_variation_worst"}
        assert (report.verdict is Verdict.PASSED) == (column in looked_at), column


REAL = sorted(str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*") if path.suffix.lower() in {".fcs", ".lmd"})


@pytest.mark.parametrize("name", [name for name in REAL if name not in BROKEN])
def test_a_real_file_is_quarantined_for_what_is_wrong_with_it_alone(gate: GxGate, name: str) -> None:
    """Of 15, one is: its makers overwrote its events with zeros."""
    body = (FOLDER / name).read_bytes()
    summary = summarise("cytometry", table({name: body}), WHOLE, limits=gate.limits("cytometry"))

    report = gate.assess(data_type="cytometry", summary=summary.row, table=summary.table)

    assert (report.verdict is Verdict.QUARANTINED) == ("fcs1_cleaned" in name), reason_of(report.findings)
