"""Reads and run folders that are wrong in a known way, and the verdict that each must get from the real gate."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cisterna.adapters.gx_gate import GxGate
from cisterna.domain.finding import Outcome, Verdict
from cisterna.ports.quality import GateReport, MetricTable
from cisterna.services.plane_finding import told_of_planes
from cisterna.services.summary import Facts
from cisterna.services.summary_choice import SEQUENCING, SEQUENCING_RUN, summarise
from cisterna.services.validate import reason_of
from cisterna.testing.interop_files import q_metrics
from cisterna.testing.reads import Read, fastq_of, long_reads, short_reads
from cisterna.testing.virtual_fastq import packed
from tests.quality.deliveries import METER, Files, changed, delivery, name_of, nanopore, reads, run, table_of

WHOLE = Facts(planned_missing_share=0.0)
PASSED, REVIEW, QUARANTINED, NOT_ASSESSED = (
    Verdict.PASSED,
    Verdict.REVIEW,
    Verdict.QUARANTINED,
    Verdict.NOT_ASSESSED,
)
VICTIM = name_of(2, 2)
GOOD = delivery()
WHOLE_FILE = GOOD[VICTIM]


def hifi(quality: str) -> Files:
    return {
        "m1.fastq": fastq_of(
            Read(f"m64011_190830_220126/{n}/ccs", one.bases, quality * len(one.bases))
            for n, one in enumerate(long_reads(10))
        )
    }


def dark(count: int) -> Files:
    """Reads whose last two thirds hold no light, which sequencers with two dyes call G."""
    lit = (one.bases[:20] + "G" * 40 for one in short_reads(count, length=60))
    return {"a.fastq": fastq_of(Read(f"A1:1:F:1:1:1:{n}", bases, "F" * 60) for n, bases in enumerate(lit))}


Case = tuple[Callable[[], Files], Facts, Verdict, str]

READS: dict[str, Case] = {
    "as it should be": (delivery, WHOLE, PASSED, ""),
    "one file, not packed": (lambda: {"a.fastq": reads(1, 1)}, WHOLE, PASSED, ""),
    "with index reads": (
        lambda: {**GOOD, "s1_S1_L001_I1_001.fastq.gz": packed(reads(1, 1, length=8, copies_share=1.0))},
        WHOLE,
        PASSED,
        "",
    ),
    "with few reads that belong to no sample": (
        lambda: {**GOOD, "Undetermined_S0_L001_R1_001.fastq.gz": packed(reads(9, 1, count=60, good_share=0.2))},
        WHOLE,
        PASSED,
        "",
    ),
    "nanopore as it should be": (nanopore, WHOLE, PASSED, ""),
    "PacBio HiFi as it should be": (lambda: hifi("?"), WHOLE, PASSED, ""),
    "one file cut off": (lambda: changed(GOOD, VICTIM, WHOLE_FILE[:-200]), WHOLE, QUARANTINED, "files-readable"),
    "one file with a wrong sum": (
        lambda: changed(GOOD, VICTIM, WHOLE_FILE[:-8] + bytes(8)),
        WHOLE,
        QUARANTINED,
        "files-readable",
    ),
    "one file of zeros": (lambda: changed(GOOD, VICTIM, bytes(9000)), WHOLE, QUARANTINED, "files-readable"),
    "one empty file": (lambda: changed(GOOD, VICTIM, b""), WHOLE, QUARANTINED, "files-readable"),
    "one file of text": (
        lambda: changed(GOOD, VICTIM, packed(b"quota exceeded\n")),
        WHOLE,
        QUARANTINED,
        "files-readable",
    ),
    "garbage behind one file": (
        lambda: changed(GOOD, VICTIM, WHOLE_FILE + b"garbage"),
        WHOLE,
        QUARANTINED,
        "files-readable",
    ),
    "a record cut in the middle": (
        lambda: changed(GOOD, VICTIM, packed(reads(2, 2)[:-40])),
        WHOLE,
        QUARANTINED,
        "files-readable",
    ),
    "Phred+64": (
        lambda: changed(GOOD, VICTIM, packed(b"@a\nACGT\n+\nhhhB\n" * 9)),
        WHOLE,
        QUARANTINED,
        "files-readable",
    ),
    "a mate that lacks reads": (
        lambda: changed(GOOD, VICTIM, packed(reads(2, 2, count=140))),
        WHOLE,
        QUARANTINED,
        "mates-even",
    ),
    "a mate of another sample": (
        lambda: changed(GOOD, VICTIM, packed(reads(7, 2))),
        WHOLE,
        REVIEW,
        "mates-same-names",
    ),
    "one file of no reads": (
        lambda: {**GOOD, "s9_S9_L001_R1_001.fastq.gz": packed(b""), "s9_S9_L001_R2_001.fastq.gz": packed(b"")},
        WHOLE,
        REVIEW,
        "no-file-without-reads",
    ),
    "no reads at all": (lambda: dict.fromkeys(GOOD, packed(b"")), WHOLE, QUARANTINED, "reads-found"),
    "bad qualities everywhere": (
        lambda: (
            delivery(bad=4, good_share=0.3) | {name_of(n, 1): packed(reads(n, 1, good_share=0.3)) for n in range(1, 5)}
        ),
        WHOLE,
        QUARANTINED,
        "quality-lost",
    ),
    "bad qualities in one file": (lambda: delivery(bad=1, good_share=0.3), WHOLE, REVIEW, "quality-some-low"),
    "a third not called": (lambda: delivery(bad=1, uncalled_share=0.3), WHOLE, QUARANTINED, "uncalled-widespread"),
    "a tenth not called": (lambda: delivery(bad=1, uncalled_share=0.1), WHOLE, REVIEW, "uncalled-some"),
    "dark cycles called G": (lambda: dark(99), WHOLE, REVIEW, "gc-possible"),
    "adapters read through": (lambda: delivery(bad=1, adapter_share=0.4), WHOLE, REVIEW, "adapters"),
    "one molecule amplified": (lambda: delivery(bad=1, copies_share=0.8), WHOLE, REVIEW, "duplicates"),
    "a wrong sample sheet": (
        lambda: {**GOOD, "Undetermined_S0_L001_R1_001.fastq.gz": packed(reads(9, 1, count=600))},
        WHOLE,
        REVIEW,
        "undetermined-reads",
    ),
    "reads trimmed to nothing": (
        lambda: {"a.fastq": reads(3, 1) + b"@e\n\n+\n\n" * 30},
        WHOLE,
        REVIEW,
        "empty-reads",
    ),
    "line ends of Windows": (
        lambda: changed(GOOD, VICTIM, packed(reads(2, 2).replace(b"\n", b"\r\n"))),
        WHOLE,
        REVIEW,
        "line-ends",
    ),
    "nanopore below its own limit": (lambda: nanopore(quality_phred=6), WHOLE, QUARANTINED, "quality-lost"),
    "nanopore with half of its reads failed": (lambda: nanopore(failed=4), WHOLE, REVIEW, "failed-reads"),
    "PacBio below Q20": (lambda: hifi("/"), WHOLE, QUARANTINED, "quality-lost"),
    "fewer files than planned": (delivery, Facts(planned_missing_share=0.25), QUARANTINED, "plan-fulfilled"),
    "nobody knows the plan": (delivery, Facts(), NOT_ASSESSED, "plan-fulfilled"),
    "no file of reads": (dict, WHOLE, NOT_ASSESSED, "files-found"),
}
RUNS: dict[str, Case] = {
    "as it should be": (run, WHOLE, PASSED, ""),
    "with reads beside the metrics": (lambda: {**run(), **GOOD}, WHOLE, PASSED, ""),
    "half of the calls uncertain": (lambda: run(calls=(200, 200, 200, 400)), WHOLE, QUARANTINED, "q30-lost"),
    "fewer good calls than specified": (lambda: run(calls=(100, 100, 200, 600)), WHOLE, REVIEW, "q30-low"),
    "a bubble in one cycle": (lambda: run(worst=(500, 200, 200, 100)), WHOLE, REVIEW, "worst-cycle"),
    "metrics cut off between two records": (
        lambda: changed(run(), "InterOp/QMetricsOut.bin", run()["InterOp/QMetricsOut.bin"][: 16 + 24 * 390]),
        WHOLE,
        REVIEW,
        "calls-lacking",
    ),
    "overloaded": (lambda: run(clusters=(1250.0, 500.0)), WHOLE, REVIEW, "filter-low"),
    "badly overloaded": (lambda: run(clusters=(1250.0, 200.0)), WHOLE, QUARANTINED, "filter-lost"),
    "a dark lane": (lambda: run(silent=12), WHOLE, QUARANTINED, "tiles-lost"),
    "some dark tiles": (lambda: run(silent=3), WHOLE, REVIEW, "tiles-some-lost"),
    "nothing passed": (lambda: run(clusters=(1250.0, 0.0)), WHOLE, QUARANTINED, "clusters-found"),
    "metrics cut off": (
        lambda: changed(run(), "InterOp/QMetricsOut.bin", run()["InterOp/QMetricsOut.bin"][:-1]),
        WHOLE,
        QUARANTINED,
        "files-readable",
    ),
    "a damaged file of reads among them": (
        lambda: {**run(), "a_R1.fastq.gz": WHOLE_FILE[:-9]},
        WHOLE,
        QUARANTINED,
        "files-readable",
    ),
    "metrics of a version not known": (
        lambda: changed(run(), "InterOp/QMetricsOut.bin", b"\x09" + q_metrics({})),
        WHOLE,
        NOT_ASSESSED,
        "q30-lost",
    ),
    "no metrics": (lambda: {"RunInfo.xml": b""}, WHOLE, NOT_ASSESSED, "metrics-found"),
    "fewer files than planned": (run, Facts(planned_missing_share=0.1), QUARANTINED, "plan-fulfilled"),
}
CASES = [(SEQUENCING, name, case) for name, case in READS.items()]
CASES += [(SEQUENCING_RUN, name, case) for name, case in RUNS.items()]


def judged(gate: GxGate, data_type: str, table: MetricTable, facts: Facts = WHOLE) -> GateReport:
    summary = summarise(data_type, table, facts, limits=gate.limits(data_type))
    report = gate.assess(data_type=data_type, summary=summary.row, table=summary.table)
    return report.model_copy(update={"findings": told_of_planes(report.findings, summary.table)})


@pytest.mark.parametrize(
    ("data_type", "case"), [(kind, case) for kind, _, case in CASES], ids=[f"{kind}: {name}" for kind, name, _ in CASES]
)
def test_a_sabotaged_dataset_gets_the_verdict_it_must(gate: GxGate, data_type: str, case: Case) -> None:
    make, facts, verdict, check = case

    report = judged(gate, data_type, table_of(make()), facts)

    reason = reason_of(report.findings)
    assert report.verdict is verdict, reason
    assert reason
    not_passed = {finding.check for finding in report.findings if finding.outcome is not Outcome.PASSED}
    assert check in not_passed or not check


@pytest.mark.parametrize(
    "files",
    [
        changed(GOOD, VICTIM, WHOLE_FILE[:-9]),
        changed(GOOD, VICTIM, packed(reads(2, 2, good_share=0.2))),
        changed(GOOD, VICTIM, packed(reads(2, 2, adapter_share=0.5))),
        changed(GOOD, VICTIM, packed(reads(2, 2, copies_share=0.9))),
    ],
    ids=["cut off", "bad qualities", "adapters", "duplicates"],
)
def test_the_file_behind_a_failure_is_named(gate: GxGate, files: Files) -> None:
    report = judged(gate, SEQUENCING, table_of(files))

    assert {file for finding in report.findings for file in finding.files} == {VICTIM}


def test_both_files_of_an_uneven_pair_are_named(gate: GxGate) -> None:
    report = judged(gate, SEQUENCING, table_of(changed(GOOD, VICTIM, packed(reads(2, 2, count=9)))))

    (uneven,) = (finding for finding in report.findings if finding.check == "mates-even")
    assert set(uneven.files) == {name_of(2, 1), VICTIM}


TABLES = {SEQUENCING: table_of(GOOD), SEQUENCING_RUN: table_of(run())}
JUDGED = ("reads", "bases", "q30_share", "n_share", "gc_share", "adapter_share", "duplication_share", "run_q30_share")


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from([SEQUENCING, SEQUENCING_RUN]),
    st.sets(st.sampled_from([*JUDGED, "run_clusters", "run_passed_filter_share"]), min_size=1),
    st.sampled_from([None, float("nan"), float("inf"), "text"]),
)
def test_nothing_passes_by_what_is_not_there(
    gate: GxGate, data_type: str, lost: set[str], instead: float | str | None
) -> None:
    table = TABLES[data_type]
    used = [name for name in lost if name.startswith("run_") == (data_type == SEQUENCING_RUN)]
    columns = {name: [instead] * table.rows if name in used else cells for name, cells in table.columns.items()}

    report = judged(gate, data_type, MetricTable(columns=columns))

    assert (report.verdict is PASSED) == (not used)


def test_the_meter_names_no_column_twice() -> None:
    assert len(set(METER.names)) == len(METER.names)
