"""Sums up reads, and runs of sequencers, in one row.

The columns are described in `docs/reference/metrics-sequencing.md`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import log10
from statistics import median
from typing import NamedTuple

from cisterna.ports.quality import MetricTable
from cisterna.services.measurement import UNMEASURED
from cisterna.services.summary import (
    NO_LIMITS,
    Cell,
    Facts,
    Summary,
    SummaryRow,
    is_said,
    known_values,
    maximum,
    number,
    split_rows,
)

PLATFORMS = {0: "unknown", 1: "illumina", 2: "nanopore", 3: "pacbio", 4: "mgi"}
"""What the column `platform_code` stands for."""
DEFAULT_LIMITS: Mapping[str, float] = {
    "q30_share_min": 0.7,
    "effective_quality_min_phred.nanopore": 8.0,
    "effective_quality_min_phred.pacbio": 20.0,
}
_LONG_READS = ("nanopore", "pacbio")
_MATE = re.compile(r"(?P<before>.+)_(?P<read>[RI]?[123])(?P<after>(?:_\d{3})?\.(?:fastq|fq)(?:\.gz)?)")
_FAILED = re.compile(r"(?:.+/)?fastq_(?:fail|skip)/.+")
_UNDETERMINED = re.compile(r"(?:.+/)?Undetermined_[^/]+")
_CHANNELS = re.compile(r".+?(?:_L0*(?P<lane>[1-9]\d?))?_(?P<read>[RI][123])(?:_\d{3})?\.(?:fastq|fq)(?:\.gz)?")
_OF_CHANNELS = (
    *("reads_total", "bases_total", "q30_share", "mean_quality_phred", "effective_quality_phred"),
    *("low_quality_files_share", "n_worst_share", "adapter_worst_share", "duplication_worst_share", "gc_share"),
    *("length_median_bases", "length_n50_bases"),
)
"""Columns of the summary that a read of the pair, and a lane, has of its own."""
_RUN_SUMS = ("run_base_calls", "run_clusters", "run_tiles")
_RUN_LOWEST = ("run_q30_share", "run_worst_cycle_q30_share", "run_passed_filter_share", "run_cycles")
_RUN_HIGHEST = ("run_lacking_calls_share", "run_silent_tiles_share", "run_error_share", "run_density_per_mm2")
_RUN_COLUMNS = (*_RUN_SUMS, *_RUN_LOWEST, *_RUN_HIGHEST)
_INDEX = re.compile(r".+_I[123](?:_\d{3})?\.(?:fastq|fq)(?:\.gz)?")

Numbers = Sequence[float | None]


class _Mates(NamedTuple):
    """For each file, whether its mate has other reads, or as many by other names; None where it has no mate."""

    uneven: list[float | None]
    renamed: list[float | None]


def summarise_sequences(table: MetricTable, facts: Facts, *, limits: Mapping[str, float] = NO_LIMITS) -> Summary:
    """Sum up files of reads in one row. Pure; nothing in it is rounded or guessed.

    What no file has a value for is None, which no check can pass. Reads that were set aside, because they failed the
    sequencer's own filter or belong to no sample, are counted, and not judged; index reads are not judged by what only
    reads of a library have.

    Args:
        table: One row a file, as `measure` wrote it.
        facts: What is known besides.
        limits: `q30_share_min`, and for a platform `q30_share_min.<platform>` or `effective_quality_min_phred.
            <platform>`; what is not given has the default of `expectations/sequencing/default.json`.
    """
    by = {**DEFAULT_LIMITS, **limits}
    files = _Files(table, by)
    mates, margins = files.mates(), files.margins()
    channels = split_rows(table, lambda row: _channels_of(str(table.columns["path"][row])))
    by_channel = {
        channel: known_values(_row_of_reads(of_channel, facts, mates=of_channel.mates()), _OF_CHANNELS)
        for channel, of_channel in ((name, _Files(rows, by)) for name, rows in channels.items())
    }
    added: dict[str, list[Cell]] = {
        "unreadable": list(files.unreadable),
        "quality_margin": list(margins),
        "n_judged_share": list(files.judged("n_share")),
        "adapter_judged_share": list(files.judged("adapter_share")),
        "duplication_judged_share": list(files.judged("duplication_share")),
        "mate_uneven": list(mates.uneven),
        "mate_renamed": list(mates.renamed),
    }
    return Summary(
        row=_row_of_reads(files, facts, mates=mates),
        table=MetricTable(columns={**table.columns, **added}),
        by_channel={channel: values for channel, values in by_channel.items() if values},
    )


def _channels_of(path: str) -> Iterator[str]:
    """Name the read of the pair, such as R1, and the lane, as demultiplexed files are called; others have neither."""
    found = _CHANNELS.fullmatch(path)
    if found is not None:
        yield found["read"]
        if found["lane"] is not None:
            yield f"lane {found['lane']}"


def _row_of_reads(files: _Files, facts: Facts, *, mates: _Mates) -> SummaryRow:
    return {
        "files_found": files.rows or None,
        "files_unreadable": files.unreadable_count,
        "planned_missing_share": facts.planned_missing_share,
        "platform": files.platform,
        "reads_total": _total(files.reads),
        "bases_total": _total(files.bases),
        "files_without_reads": _count(files.reads, lambda reads: reads == 0),
        "q30_share": files.pooled("q30_share", by=files.bases),
        "mean_quality_phred": files.pooled("mean_quality_phred", by=files.bases),
        "effective_quality_phred": files.effective_quality(),
        "low_quality_files_share": _share(files.margins(), lambda margin: margin < 1),
        "failed_reads_share": files.reads_share(_FAILED),
        "undetermined_reads_share": files.reads_share(_UNDETERMINED),
        "empty_reads_share": _part(files.numbers("empty_reads"), files.reads),
        "n_worst_share": maximum(files.judged("n_share")),
        "adapter_worst_share": maximum(files.judged("adapter_share")),
        "duplication_worst_share": maximum(files.judged("duplication_share")),
        "gc_share": files.pooled("gc_share", by=files.bases, of=files.libraries),
        "gc_range_share": _range(files.judged("gc_share")),
        "length_min_bases": min(_known(files.judged("length_min_bases")), default=None),
        "length_median_bases": _median(files.judged("length_median_bases")),
        "length_n50_bases": _median(files.judged("length_n50_bases")),
        "length_max_bases": maximum(files.judged("length_max_bases")),
        "mates_uneven": (_count(mates.uneven, bool) or 0) if files.any_read else None,
        "mates_renamed": (_count(mates.renamed, bool) or 0) if files.any_read else None,
        "crlf_files": _count(files.numbers("crlf"), bool),
    }


def summarise_run(table: MetricTable, facts: Facts, *, limits: Mapping[str, float] = NO_LIMITS) -> Summary:
    """Sum up the run folder of a sequencer: its own metrics, of which each file holds some, and any reads beside them.

    Where a folder holds several runs, counts are summed up and each share is that of the worst.
    """
    del limits
    lanes = _lanes(facts)
    by_channel = {
        lane: known_values(_row_of_run(_Files(rows, {}), facts), _RUN_COLUMNS) for lane, rows in lanes.items()
    }
    files = _Files(table, {})
    added: dict[str, list[Cell]] = {"unreadable": list(files.unreadable)}
    return Summary(
        row=_row_of_run(files, facts),
        table=MetricTable(columns={**table.columns, **added}),
        by_channel={lane: values for lane, values in by_channel.items() if values},
    )


def _lanes(facts: Facts) -> Mapping[str, MetricTable]:
    """Give what the sequencer's own files hold of each lane."""
    told = facts.channels
    if told is None:
        return {}
    return split_rows(told, lambda row: [str(told.columns["channel"][row])])


def _row_of_run(files: _Files, facts: Facts) -> SummaryRow:
    row: SummaryRow = {
        "metrics_files": _count(files.firsts("run_base_calls", "run_clusters", "run_error_share"), bool),
        "files_unreadable": files.unreadable_count,
        "planned_missing_share": facts.planned_missing_share,
        "reads_total": _total(files.reads),
        "bases_total": _total(files.bases),
    }
    row |= {name: _total(files.numbers(name)) for name in _RUN_SUMS}
    row |= {name: min(_known(files.numbers(name)), default=None) for name in _RUN_LOWEST}
    row |= {name: maximum(files.numbers(name)) for name in _RUN_HIGHEST}
    return row


class _Files:
    """The table, column by column."""

    def __init__(self, table: MetricTable, limits: Mapping[str, float]) -> None:
        self._table, self._limits = table, limits
        self.rows = table.rows
        self.unreadable = [is_said(cell) for cell in self._column("problem")]
        self._unmeasured = [is_said(cell) for cell in self._column(UNMEASURED)]
        self._paths = [str(cell) for cell in self._column("path")]
        self.reads, self.bases = self.numbers("reads"), self.numbers("bases")
        self.any_read = any(reads is not None for reads in self.reads)
        self._platforms = [
            None if code is None else PLATFORMS.get(int(code), PLATFORMS[0]) for code in self.numbers("platform_code")
        ]
        self._meant = [not (_FAILED.fullmatch(path) or _UNDETERMINED.fullmatch(path)) for path in self._paths]
        self.libraries = [
            is_meant and not _INDEX.fullmatch(path) for path, is_meant in zip(self._paths, self._meant, strict=True)
        ]

    def _column(self, name: str) -> list[Cell]:
        return self._table.columns.get(name, [None] * self._table.rows)

    def numbers(self, name: str) -> list[float | None]:
        """A column as finite numbers; None for anything else, and for files that could not be read."""
        left_out = zip(self._column(name), self.unreadable, self._unmeasured, strict=True)
        return [None if bad or unseen else number(cell) for cell, bad, unseen in left_out]

    @property
    def unreadable_count(self) -> int | None:
        """How many files have a problem; None where nobody looked at any."""
        return None if all(self._unmeasured) else sum(self.unreadable)

    @property
    def platform(self) -> str | None:
        """What sequenced the reads, `mixed` where it is not the same for all."""
        found = {platform for platform in self._platforms if platform is not None}
        return "mixed" if len(found) > 1 else next(iter(found), None)

    def judged(self, name: str) -> list[float | None]:
        """A column for files of libraries; every file is asked for what it did not call."""
        meant = self._meant if name == "n_share" else self.libraries
        return [value if is_meant else None for value, is_meant in zip(self.numbers(name), meant, strict=True)]

    def firsts(self, *names: str) -> list[float | None]:
        """Of several columns, 1 where a file has any value."""
        columns = [self.numbers(name) for name in names]
        return [1.0 if any(value is not None for value in cells) else None for cells in zip(*columns, strict=True)]

    def pooled(self, name: str, *, by: Numbers, of: Sequence[bool] | None = None) -> float | None:
        """Average a column, each file with the weight of its bases."""
        chosen = of if of is not None else self._meant
        pairs = [
            (value, weight)
            for value, weight, is_chosen in zip(self.numbers(name), by, chosen, strict=True)
            if is_chosen and value is not None and weight
        ]
        total = sum(weight for _, weight in pairs)
        return sum(value * weight for value, weight in pairs) / total if total else None

    def effective_quality(self) -> float | None:
        """Give the quality of the mean probability of an error over all bases."""
        column = zip(self.numbers("effective_quality_phred"), self.bases, self._meant, strict=True)
        pairs = [
            (10 ** (-value / 10), weight)
            for value, weight, is_meant in column
            if is_meant and value is not None and weight
        ]
        errors, total = sum(error * weight for error, weight in pairs), sum(weight for _, weight in pairs)
        return -10 * log10(errors / total) if errors and total else None

    def margins(self) -> list[float | None]:
        """Hold each file's quality against its platform's limit: below 1 it is too low."""
        q30, effective = self.numbers("q30_share"), self.numbers("effective_quality_phred")
        found: list[float | None] = []
        for platform, share, phred, is_meant in zip(self._platforms, q30, effective, self._meant, strict=True):
            by_phred = self._limits.get(f"effective_quality_min_phred.{platform}")
            by_share = self._limits.get(f"q30_share_min.{platform}", self._limits.get("q30_share_min"))
            value, limit = (phred, by_phred) if by_phred is not None else (share, by_share)
            found.append(None if not is_meant or value is None or not limit else value / limit)
        return found

    def reads_share(self, pattern: re.Pattern[str]) -> float | None:
        """Share of the reads that lie in files of such names; index reads are counted with neither."""
        chosen = [bool(pattern.fullmatch(path)) for path in self._paths]
        reads = [None if _INDEX.fullmatch(path) else one for path, one in zip(self._paths, self.reads, strict=True)]
        return _part([one if is_chosen else 0.0 for one, is_chosen in zip(reads, chosen, strict=True)], reads)

    def mates(self) -> _Mates:
        """Compare the files of a sample, lane and piece, which must have the same reads in the same order.

        Where files are only numbered, `_1` and `_2`, the numbers may count samples, so what differs is only told as
        other names; long reads have no mates.
        """
        groups: dict[str, dict[str, int]] = defaultdict(dict)
        for index, (path, platform) in enumerate(zip(self._paths, self._platforms, strict=True)):
            found = _MATE.fullmatch(path)
            if found is not None and platform not in _LONG_READS and self.reads[index] is not None:
                groups[found["before"] + found["after"]][found["read"]] = index
        mates = _Mates([None] * self._table.rows, [None] * self._table.rows)
        names = self.numbers("names_fingerprint")
        for group in groups.values():
            is_numbered = all(read.isdecimal() for read in group)
            if len(group) < 2 or (is_numbered and group.keys() != {"1", "2"}):
                continue
            are_uneven = len({self.reads[index] for index in group.values()}) > 1
            are_renamed = len({names[index] for index in group.values()}) > 1
            for index in group.values():
                mates.uneven[index] = float(are_uneven and not is_numbered)
                mates.renamed[index] = float(are_renamed and (is_numbered or not are_uneven))
        return mates


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _total(values: Numbers) -> int | None:
    known = _known(values)
    return int(sum(known)) if known else None


def _count(values: Numbers, is_so: Callable[[float], bool]) -> int | None:
    """Count values; None where there is none to count among."""
    known = _known(values)
    return sum(is_so(value) for value in known) if known else None


def _share(values: Numbers, is_so: Callable[[float], bool]) -> float | None:
    known = _known(values)
    return sum(is_so(value) for value in known) / len(known) if known else None


def _part(parts: Numbers, wholes: Numbers) -> float | None:
    pairs = [(part, whole) for part, whole in zip(parts, wholes, strict=True) if part is not None and whole is not None]
    total = sum(whole for _, whole in pairs)
    return sum(part for part, _ in pairs) / total if total else None


def _range(values: Numbers) -> float | None:
    known = _known(values)
    return max(known) - min(known) if known else None


def _median(values: Numbers) -> float | None:
    known = _known(values)
    return median(known) if known else None
