"""Mass spectra that are wrong in a known way, and the verdict that each must get from the real gate and our suite."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache

import pytest

from cisterna.adapters.gx_gate import GxGate
from cisterna.adapters.spectra_meter import SpectraMeter
from cisterna.domain.finding import Finding, Outcome, Verdict, verdict_of
from cisterna.ports.quality import MetricTable
from cisterna.services.plane_finding import told_of_planes
from cisterna.services.summary import Facts
from cisterna.services.summary_spectra import summarise_spectra
from cisterna.services.validate import reason_of
from cisterna.testing.spectra_files import Scan, document, gradient, indexed, pixel, plain, run_of, spectrum, term

METER = SpectraMeter()
WHOLE = Facts(planned_missing_share=0.0)
PASSED, REVIEW, QUARANTINED, NOT_ASSESSED = (
    Verdict.PASSED,
    Verdict.REVIEW,
    Verdict.QUARANTINED,
    Verdict.NOT_ASSESSED,
)

Scans = list[Scan]


@cache
def good() -> bytes:
    return run_of(gradient(40))


def inner(scans: Scans, **fields: int | str) -> str:
    return document((spectrum(scan, index) for index, scan in enumerate(scans)), **fields)  # type: ignore[arg-type]


def each(change: Callable[[int, Scan], Scan]) -> bytes:
    return run_of([change(index, scan) for index, scan in enumerate(gradient(40))])


def first(scan: Scan, more: str) -> bytes:
    return run_of([replace(scan, more=more), *gradient(40)[1:]])


def imaging(*, tic: str = "MS:1000285") -> bytes:
    return plain(document(pixel(index).replace("MS:1000285", tic) for index in range(30)))


Files = Mapping[str, bytes]
Case = tuple[Callable[[], Files], Verdict, str]


def beside(body: Callable[[], bytes], name: str = "b.mzML") -> Callable[[], Files]:
    return lambda: {"a.mzML": good(), name: body(), "c.mzML": good()}


CASES: dict[str, Case] = {
    "as it should be": (beside(good), PASSED, ""),
    "in gzip": (lambda: {"a.mzML.gz": gzip.compress(good())}, PASSED, ""),
    "without an index": (lambda: {"a.mzML": plain(inner(gradient(40)))}, PASSED, ""),
    "profile spectra whose current is added up": (
        lambda: {"a.mzML": each(lambda _, one: replace(one, states_tic=False, is_centroid=False))},
        PASSED,
        "",
    ),
    "windows without charges, as data-independent acquisition has": (
        lambda: {"a.mzML": each(lambda _, one: replace(one, charge=None))},
        PASSED,
        "",
    ),
    "both polarities in turn": (
        lambda: {"a.mzML": each(lambda index, one: replace(one, is_positive=index % 8 < 4))},
        PASSED,
        "",
    ),
    "an imaging pair": (lambda: {"a.imzML": imaging()}, PASSED, ""),
    "a maker's file beside what was converted from it": (
        lambda: {"a.raw": b"\x01\xa1F\0", "a.mzML": good(), "s.d/analysis.tdf": b"SQLite", "s.mzML": good()},
        PASSED,
        "",
    ),
    "a maker's file alone": (lambda: {"a.raw": b"\x01\xa1F\0"}, NOT_ASSESSED, "files-measured"),
    "a maker's file that nobody converted": (
        lambda: {"a.mzML": good(), "b.raw": b"\x01\xa1F\0"},
        NOT_ASSESSED,
        "files-measured",
    ),
    "a maker's file whose conversion was cut off": (
        lambda: {"a.raw": b"\x01\xa1F\0", "a.mzML": good()[:5000]},
        QUARANTINED,
        "files-readable",
    ),
    "no file": (dict, QUARANTINED, "files-found"),
    "one file cut off": (beside(lambda: good()[:9000]), QUARANTINED, "files-readable"),
    "one gzip cut off": (beside(lambda: gzip.compress(good())[:-20], "b.mzML.gz"), QUARANTINED, "files-readable"),
    "one file of text": (beside(lambda: b"the network share was full"), QUARANTINED, "files-readable"),
    "one file with entities": (
        beside(lambda: b'<!DOCTYPE mzML [<!ENTITY a "a">]>' + plain(inner([]))[39:]),
        QUARANTINED,
        "files-readable",
    ),
    "nothing in one file": (beside(lambda: run_of([])), QUARANTINED, "files-not-blank"),
    "nothing in any file": (lambda: {"a.mzML": run_of([])}, QUARANTINED, "files-not-blank"),
    "chromatograms alone": (
        lambda: {"a.mzML": indexed(document([], chromatograms=3))},
        NOT_ASSESSED,
        "spectra-found",
    ),
    "fewer spectra than declared": (
        beside(lambda: indexed(inner(gradient(40), count=170))),
        QUARANTINED,
        "spectra-as-declared",
    ),
    "a thousand million spectra declared": (
        beside(lambda: indexed(inner(gradient(40), count=10**9))),
        QUARANTINED,
        "spectra-as-declared",
    ),
    "a byte changed after it was written": (
        beside(lambda: good().replace(b"Exactive 7", b"Exactive 8")),
        QUARANTINED,
        "checksum-right",
    ),
    "an index that leads elsewhere": (beside(lambda: indexed(inner(gradient(40)), shift=7)), REVIEW, "index-right"),
    "a current that is no number": (
        beside(lambda: first(Scan(), term("MS:1000285", "NaN"))),
        QUARANTINED,
        "values-valid",
    ),
    "an infinite time": (
        beside(lambda: first(Scan(seconds=None), term("MS:1000016", "INF", unit="UO:0000031"))),
        QUARANTINED,
        "values-valid",
    ),
    "a negative current": (
        beside(lambda: first(Scan(), term("MS:1000285", "-3e5"))),
        QUARANTINED,
        "values-valid",
    ),
    "peaks lost from an array": (
        beside(lambda: plain(re.sub("<binary>.{8}", "<binary>", inner(gradient(40)), count=1))),
        QUARANTINED,
        "arrays-whole",
    ),
    "no signal from end to end": (
        beside(lambda: each(lambda _, one: replace(one, tic=0.0))),
        QUARANTINED,
        "signal-lost",
    ),
    "no peaks from end to end": (
        beside(lambda: each(lambda _, one: replace(one, peaks=0, tic=0.0, states_tic=False))),
        QUARANTINED,
        "signal-lost",
    ),
    "no signal for the second half": (
        beside(lambda: each(lambda index, one: replace(one, tic=0.0) if index >= 70 else one)),
        QUARANTINED,
        "empty-widespread",
    ),
    "no signal for a fifth of the run": (
        beside(lambda: each(lambda index, one: replace(one, tic=0.0) if index >= 128 else one)),
        REVIEW,
        "empty-some",
    ),
    "a spray that spits": (
        beside(lambda: each(lambda index, one: replace(one, tic=one.tic / 50) if index % 32 == 0 else one)),
        REVIEW,
        "spray-stable",
    ),
    "a current that nobody tells": (
        beside(lambda: plain(inner([replace(one, states_tic=False) for one in gradient(40)])
                             .replace("MS:1000574", "MS:1002314"))),
        REVIEW,
        "signal-known",
    ),
    "an imaging pair without currents": (
        lambda: {"a.imzML": imaging(tic="MS:9999999")},
        REVIEW,
        "signal-known",
    ),
    "no times": (beside(lambda: each(lambda _, one: replace(one, seconds=None))), REVIEW, "times-known"),
    "two runs in one file": (
        beside(lambda: run_of([*gradient(20), *gradient(20)])),
        REVIEW,
        "times-in-order",
    ),
    "a pause of half a minute": (
        beside(lambda: each(lambda index, one: replace(one, seconds=(one.seconds or 0) + 30 * (index > 80)))),
        REVIEW,
        "no-gap",
    ),
    "a run that ended early": (beside(lambda: run_of(gradient(12))), REVIEW, "run-length"),
    "no survey scans": (
        beside(lambda: run_of([one for one in gradient(40) if one.level == 2])),
        REVIEW,
        "ms1-present",
    ),
    "nothing fragmented": (
        beside(lambda: run_of([one for one in gradient(40) if one.level == 1])),
        REVIEW,
        "fragmentation-present",
    ),
    "levels that nobody tells": (
        beside(lambda: plain(inner(gradient(40)).replace("MS:1000511", "MS:9999999", 3))),
        REVIEW,
        "levels-known",
    ),
    "a mass error of 30 ppm": (
        beside(lambda: first(Scan(), '<userParam name="mass error" value="-30" unitAccession="UO:0000169"/>')),
        REVIEW,
        "mass-error",
    ),
}  # fmt: skip


def table(files: Files) -> MetricTable:
    readings = {path: METER.read(memoryview(body), path=path) for path, body in files.items()}
    columns: dict[str, list[str | float | int | None]] = {
        "path": list(readings),
        "problem": [one.problem for one in readings.values()],
        "unmeasured": [one.unmeasured for one in readings.values()],
    }
    return MetricTable(
        columns=columns | {name: [one.metrics[name] for one in readings.values()] for name in METER.names}
    )


def judged(gate: GxGate, files: Files, facts: Facts = WHOLE) -> tuple[Finding, ...]:
    summary = summarise_spectra(table(files), facts, limits=gate.limits("mass_spectrometry"))
    report = gate.assess(data_type="mass_spectrometry", summary=summary.row, table=summary.table)
    return told_of_planes(report.findings, summary.table)


@pytest.mark.parametrize("name", CASES, ids=list(CASES))
def test_a_sabotaged_dataset_gets_the_verdict_it_must(gate: GxGate, name: str) -> None:
    make, verdict, check = CASES[name]

    findings = judged(gate, make())

    assert verdict_of(findings) is verdict, reason_of(findings)
    not_passed = {finding.check for finding in findings if finding.outcome is not Outcome.PASSED}
    assert check in not_passed or not check
    if len(make()) == 3 and check:
        assert {finding.files for finding in findings if finding.check == check} == {(list(make())[1],)}


def test_fewer_files_than_planned_are_quarantined(gate: GxGate) -> None:
    assert verdict_of(judged(gate, {"a.mzML": good()}, Facts(planned_missing_share=0.5))) is QUARANTINED


@pytest.mark.parametrize("lost", METER.names)
def test_a_metric_that_is_missing_everywhere_never_makes_a_bad_run_pass(gate: GxGate, lost: str) -> None:
    whole = table({"a.mzML": run_of([replace(one, tic=0.0) for one in gradient(10)])})
    blind = MetricTable(columns={**whole.columns, lost: [None]})

    summary = summarise_spectra(blind, WHOLE, limits=gate.limits("mass_spectrometry"))

    assert gate.assess(data_type="mass_spectrometry", summary=summary.row, table=summary.table).verdict is not PASSED


def test_a_table_of_nothing_but_empty_cells_is_not_assessed(gate: GxGate) -> None:
    blind = MetricTable(columns={"path": ["a.mzML"], **{name: [None] for name in METER.names}})

    summary = summarise_spectra(blind, WHOLE, limits=gate.limits("mass_spectrometry"))
    report = gate.assess(data_type="mass_spectrometry", summary=summary.row, table=summary.table)

    assert report.verdict is not PASSED
    assert any(one.outcome is Outcome.NOT_ASSESSED for one in report.findings)
