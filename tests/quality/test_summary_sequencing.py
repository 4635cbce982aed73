"""How files of reads and run folders are summed up, and that the reference page names all of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cisterna.adapters.sequence_meter import SequenceMeter
from cisterna.ports.quality import MetricTable
from cisterna.services.summary import Facts
from cisterna.services.summary_choice import SEQUENCING, SEQUENCING_RUN, summarise
from cisterna.services.summary_sequencing import DEFAULT_LIMITS, summarise_run, summarise_sequences

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference/metrics-sequencing.md").read_text("utf-8")
NO_FACTS = Facts()
EMPTY = MetricTable(columns={"path": []})
SUMMARIES = {kind: summarise(kind, EMPTY, NO_FACTS) for kind in (SEQUENCING, SEQUENCING_RUN)}


def table(**rows: dict[str, Any]) -> MetricTable:
    """One row a file; what is not given is as in a good file of ten reads."""
    zero = dict.fromkeys(("n_share", "adapter_share", "empty_reads", "crlf"), 0)
    usual = {"reads": 10, "bases": 1000, "q30_share": 0.9, "effective_quality_phred": 20, "gc_share": 0.5, **zero}
    usual |= {"duplication_share": 0.1, "platform_code": 1, "names_fingerprint": 5}
    full = [{"path": path.replace("__", "/") + ".fastq.gz", **usual, **row} for path, row in rows.items()]
    names = {name for row in full for name in row}
    return MetricTable(columns={name: [row.get(name) for row in full] for name in names})


def row_of(**rows: dict[str, Any]) -> dict[str, Any]:
    return summarise_sequences(table(**rows), NO_FACTS).row


def test_shares_are_pooled_with_the_weight_of_the_bases() -> None:
    row = row_of(a={"q30_share": 0.5, "bases": 3000, "gc_share": 0.4}, b={"q30_share": 0.9, "bases": 1000})

    assert (row["reads_total"], row["bases_total"]) == (20, 4000)
    assert row["q30_share"] == pytest.approx(0.6)
    assert row["gc_share"] == pytest.approx(0.425)
    assert row["gc_range_share"] == pytest.approx(0.1)


def test_the_effective_quality_is_pooled_by_errors_and_not_by_phred() -> None:
    row = row_of(a={"effective_quality_phred": 10}, b={"effective_quality_phred": 30})

    assert row["effective_quality_phred"] == pytest.approx(12.967, abs=0.001)  # of (0.1 + 0.001) / 2


def test_a_file_that_cannot_be_read_counts_as_such_and_in_nothing_else() -> None:
    row = row_of(a={}, b={"problem": "it is cut off", "reads": 999, "q30_share": 0.0})

    assert (row["files_found"], row["files_unreadable"], row["reads_total"]) == (2, 1, 10)
    assert row["low_quality_files_share"] == 0


@pytest.mark.parametrize(
    ("platform", "metrics", "limits", "is_low"),
    [
        (1, {"q30_share": 0.69}, {}, True),
        (1, {"q30_share": 0.7}, {}, False),
        (0, {"q30_share": 0.69}, {}, True),
        (1, {"q30_share": 0.69}, {"q30_share_min": 0.5}, False),
        (4, {"q30_share": 0.69}, {"q30_share_min.mgi": 0.5}, False),
        (2, {"q30_share": 0.0, "effective_quality_phred": 8.0}, {}, False),
        (2, {"q30_share": 0.9, "effective_quality_phred": 7.9}, {}, True),
        (2, {"effective_quality_phred": 7.9}, {"effective_quality_min_phred.nanopore": 7}, False),
        (3, {"effective_quality_phred": 19.9}, {}, True),
    ],
)
def test_each_file_is_held_against_the_limit_of_its_platform(
    platform: int, metrics: dict[str, float], limits: dict[str, float], is_low: bool
) -> None:
    summary = summarise_sequences(table(a={"platform_code": platform, **metrics}), NO_FACTS, limits=limits)

    assert summary.row["low_quality_files_share"] == float(is_low)
    (margin,) = summary.table.columns["quality_margin"]
    assert isinstance(margin, float)
    assert (margin < 1) is is_low


def test_reads_that_were_set_aside_are_counted_and_not_judged() -> None:
    bad = {"q30_share": 0.1, "n_share": 0.9, "duplication_share": 0.9, "gc_share": 0.9}

    row = row_of(
        a={}, fastq_fail__b={**bad, "reads": 5}, Undetermined_S0={**bad, "reads": 5}, run__fastq_skip__c={"reads": 0}
    )

    assert (row["failed_reads_share"], row["undetermined_reads_share"]) == (0.25, 0.25)
    assert (row["low_quality_files_share"], row["n_worst_share"], row["duplication_worst_share"]) == (0.0, 0.0, 0.1)
    assert (row["q30_share"], row["gc_share"]) == (0.9, 0.5)


def test_index_reads_are_not_judged_by_what_only_libraries_have() -> None:
    row = row_of(a_R1={}, a_I1={"duplication_share": 0.99, "gc_share": 0.9, "n_share": 0.3})

    assert (row["duplication_worst_share"], row["gc_share"], row["n_worst_share"]) == (0.1, 0.5, 0.3)


MATES = {
    "a pair": (["a_R1_001", "a_R2_001"], [10, 10], [5, 5], (0, 0)),
    "another count": (["a_R1_001", "a_R2_001"], [10, 9], [5, 6], (2, 0)),
    "other names": (["a_R1_001", "a_R2_001"], [10, 10], [5, 6], (0, 2)),
    "an index with other reads": (["a_R1", "a_R2", "a_I1"], [10, 10, 9], [5, 5, 6], (3, 0)),
    "two samples": (["a_R1", "b_R1"], [10, 9], [5, 6], (0, 0)),
    "one lane and another": (["a_L001_R1", "a_L002_R2"], [10, 9], [5, 6], (0, 0)),
    "numbered and alike": (["a_1", "a_2"], [10, 10], [5, 5], (0, 0)),
    "numbered and not alike": (["a_1", "a_2"], [10, 9], [5, 6], (0, 2)),
    "three that are numbered": (["a_1", "a_2", "a_3"], [10, 9, 8], [5, 6, 7], (0, 0)),
}


@pytest.mark.parametrize("case", MATES.values(), ids=list(MATES))
def test_mates_are_compared_by_counts_and_names(
    case: tuple[list[str], list[int], list[int], tuple[int, int]],
) -> None:
    paths, counts, names, wanted = case
    rows = {
        path: {"reads": count, "names_fingerprint": name}
        for path, count, name in zip(paths, counts, names, strict=True)
    }

    row = row_of(**rows)

    assert (row["mates_uneven"], row["mates_renamed"]) == wanted


def test_batches_of_nanopore_that_are_numbered_are_no_mates() -> None:
    row = row_of(P_1={"platform_code": 2, "reads": 4000}, P_2={"platform_code": 2, "names_fingerprint": 6})

    assert (row["mates_uneven"], row["mates_renamed"]) == (0, 0)


@pytest.mark.parametrize(
    ("codes", "platform"),
    [([1, 1], "illumina"), ([1, 2], "mixed"), ([None, 3], "pacbio"), ([9], "unknown"), ([], None)],
)
def test_the_platform_is_told(codes: list[int | None], platform: str | None) -> None:
    assert row_of(**{f"f{n}": {"platform_code": code} for n, code in enumerate(codes)}).get("platform") == platform


@pytest.mark.parametrize("kind", [SEQUENCING, SEQUENCING_RUN])
def test_of_nothing_nothing_is_known(kind: str) -> None:
    row = SUMMARIES[kind].row

    assert {name for name, value in row.items() if value is not None} <= {"files_unreadable"}


def test_a_run_is_summed_up_from_the_files_that_hold_some_of_it_each() -> None:
    cells: dict[str, list[Any]] = {
        "path": ["InterOp/QMetricsOut.bin", "InterOp/TileMetricsOut.bin", "b/InterOp/QMetricsOut.bin", "x.fastq"],
        "run_base_calls": [100.0, None, 50.0, None],
        "run_q30_share": [0.9, None, 0.8, None],
        "run_clusters": [None, 7.0, None, None],
        "run_silent_tiles_share": [None, 0.1, None, None],
        "reads": [None, None, None, 3.0],
        "bases": [None, None, None, 30.0],
    }

    row = summarise_run(MetricTable(columns=cells), Facts(planned_missing_share=0.0)).row

    assert row["metrics_files"] == 3
    assert (row["run_base_calls"], row["run_q30_share"], row["run_clusters"]) == (150, 0.8, 7)
    assert (row["run_silent_tiles_share"], row["reads_total"], row["run_error_share"]) == (0.1, 3, None)


@pytest.mark.parametrize(
    "name", sorted({*SequenceMeter.names, *SUMMARIES[SEQUENCING].row, *SUMMARIES[SEQUENCING_RUN].row, *DEFAULT_LIMITS})
)
def test_the_page_explains_every_metric_column_and_limit(name: str) -> None:
    assert f"`{name}`" in PAGE


@pytest.mark.parametrize("kind", [SEQUENCING, SEQUENCING_RUN])
def test_our_suites_use_columns_that_exist_and_the_page_names_their_checks(kind: str) -> None:
    suite = json.loads((ROOT / f"expectations/{kind}/default.json").read_text("utf-8"))
    rows, table = SUMMARIES[kind].row, {*SUMMARIES[kind].table.columns, *SequenceMeter.names}

    for rule in suite["expectations"]:
        assert rule["kwargs"]["column"] in rows
        assert "rows" not in rule or rule["rows"]["column"] in table
        assert f"`{rule['check']}`" in PAGE
    assert suite.get("limits", {}) == (DEFAULT_LIMITS if kind == SEQUENCING else {})


def test_a_file_of_nothing_but_q0_counts_in_the_effective_quality() -> None:
    row = row_of(a={"effective_quality_phred": -0.0}, b={"effective_quality_phred": 30})

    assert row["effective_quality_phred"] == pytest.approx(3.006, abs=0.001)  # of (1 + 0.001) / 2
