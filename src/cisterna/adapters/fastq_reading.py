"""What the counts over a FASTQ file come to: its metrics, its curves, and what is wrong with it in words."""

from __future__ import annotations

import re
from math import exp, lgamma, log10, sqrt

import numpy as np

from cisterna.adapters.fastq_bytes import (
    FIRST_QUALITY,
    LENGTH_EDGES,
    PLACE_EDGES,
    QUALITIES,
    TRACKED,
    Array,
    At,
    Fault,
    Hash,
    Phase,
    Tally,
)
from cisterna.ports.quality import Curve

FASTQ_METRICS = (
    "reads",
    "bases",
    "empty_reads",
    "q30_share",
    "mean_quality_phred",
    "effective_quality_phred",
    "n_share",
    "gc_share",
    "gc_spread_share",
    "lower_case_share",
    "length_min_bases",
    "length_median_bases",
    "length_max_bases",
    "length_n50_bases",
    "duplication_share",
    "adapter_share",
    "adapter_truseq_share",
    "adapter_nextera_share",
    "adapter_small_rna_share",
    "crlf",
    "platform_code",
    "names_fingerprint",
)
_PLATFORMS = (
    (1, re.compile(rb"@[\w-]+:\d+:[\w-]+:\d+:\d+:-?\d+:-?\d+\b")),
    (2, re.compile(rb"@[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")),
    (3, re.compile(rb"@m\d+\w*/\d+/")),
    (4, re.compile(rb"@\w+L\d+C\d+R\d+")),
)
_Q30 = 30
_OFFSET_64 = (59, 90)
"""A file whose qualities all lie at or above the first of these bytes, and some at or above the second, is no Phred+33:
read as such, no base of it were worse than Q26, and some better than Q56."""
_NEVER_64 = (2, 3)
"""Platforms that never wrote Phred+64, and whose good reads may have qualities up to Q93."""
_LENGTHS_SHOWN = 200
_PLACES = {
    Phase.NAME: "in its name",
    Phase.AFTER_NAME: "in its name",
    Phase.BASES: "in its bases",
    Phase.PLUS: "before its third line",
    Phase.AFTER_PLUS: "in its third line",
    Phase.QUALITIES: "in its qualities",
}
_WORDS = {
    Fault.NO_NAME: "begins with {byte} where @ must be, so it is no FASTQ of four lines a record",
    Fault.NO_PLUS: "has {byte} where the + of its third line must be",
    Fault.BINARY: "holds {byte} where text must be: binary or damaged data",
    Fault.BASE: "holds {byte} among its bases",
    Fault.QUALITY: "holds {byte} among its qualities, which Phred+33 does not have",
    Fault.TOO_FEW: "has {bases:,} bases and {place:,} qualities",
    Fault.TOO_MANY: "has {bases:,} bases and more qualities than that",
    Fault.BLANK: "follows an empty line, which only the end of a file may have",
    Fault.RETURN: "has a carriage return within a line",
}


def lacks_newline(tally: Tally) -> bool:
    """Tell whether the last record is whole but for the end of its last line, which need not be there."""
    state = tally.state
    return bool(state[At.PHASE] == Phase.QUALITIES and state[At.PLACE] == state[At.BASES])


def fault_of(tally: Tally, *, head: bytes) -> str | None:
    """Say what is wrong with the first record that is not as it must be, or with the file as a whole."""
    state = tally.state
    number, fault = int(state[At.READS]) + 1, Fault(int(state[At.FAULT]))
    if fault is not Fault.NONE:
        return f"record {number:,} {_in_words(fault, tally)}"
    if state[At.PHASE] != Phase.RECORD:
        return f"it ends within record {number:,}, {_PLACES[Phase(int(state[At.PHASE]))]}; copy it again"
    used = np.flatnonzero(tally.quality.sum(axis=0)) + FIRST_QUALITY
    if platform_code(head) in _NEVER_64:
        return None
    if used.size and used[0] >= _OFFSET_64[0] and used[-1] >= _OFFSET_64[1]:
        return "its qualities are no Phred+33 but look like Phred+64, as before 2011; convert the file"
    return None


def _in_words(fault: Fault, tally: Tally) -> str:
    bases, byte, place = (int(tally.state[at]) for at in (At.BASES, At.BYTE, At.PLACE))
    return _WORDS[fault].format(bases=bases, byte=_shown(byte), place=place)


def _shown(byte: int) -> str:
    if byte in (10, 13):
        return "the end of the line"
    return f"'{chr(byte)}'" if 32 < byte < 127 else f"the byte {byte}"


def platform_code(head: bytes) -> float:
    """Tell who named the first read: 1 Illumina or AVITI, 2 Nanopore, 3 PacBio, 4 MGI, 0 somebody else."""
    name = head.split(b"\n", 1)[0]
    return float(next((code for code, pattern in _PLATFORMS if pattern.match(name)), 0))


def metrics_of(tally: Tally, *, head: bytes) -> dict[str, float | None]:
    """Give every metric of a whole file; what needs a read or a base and has none is None."""
    state = tally.state
    reads, bases = int(state[At.READS]), int(tally.called.sum())
    with_bases = reads - int(state[At.EMPTY])
    by_quality = tally.quality.sum(axis=0)
    a, c, g, t, other = (int(number) for number in tally.called.sum(axis=0))
    lengths, bases_by_length = tally.lengths
    found: dict[str, float | None] = {
        "reads": float(reads),
        "bases": float(bases),
        "empty_reads": float(state[At.EMPTY]),
        "q30_share": _share(by_quality[_Q30:].sum(), bases),
        "mean_quality_phred": _share((by_quality * np.arange(QUALITIES)).sum(), bases),
        "effective_quality_phred": _effective(by_quality),
        "n_share": _share(other, bases),
        "gc_share": _share(c + g, a + c + g + t),
        "gc_spread_share": _spread(tally),
        "lower_case_share": _share(state[At.LOWER_CASE], bases),
        "length_min_bases": float(state[At.SHORTEST]) if reads else None,
        "length_median_bases": _edge(np.cumsum(lengths), reads - reads // 2),
        "length_max_bases": float(state[At.LONGEST]) if reads else None,
        "length_n50_bases": _edge(np.cumsum(bases_by_length), bases // 2 + 1 if bases else 0),
        "duplication_share": duplication_share(tally),
        "adapter_share": _share(state[At.ADAPTER], with_bases),
        "adapter_truseq_share": _share(state[At.TRUSEQ], with_bases),
        "adapter_nextera_share": _share(state[At.NEXTERA], with_bases),
        "adapter_small_rna_share": _share(state[At.SMALL_RNA], with_bases),
        "crlf": float(state[At.RETURNS] > 0) if reads else None,
        "platform_code": platform_code(head) if reads else None,
        "names_fingerprint": float(int(tally.hashes[Hash.NAMES]) >> 11) if reads else None,
    }
    return {name: found[name] for name in FASTQ_METRICS}


def _share(part: float, whole: float) -> float | None:
    return float(part) / float(whole) if whole else None


def _effective(by_quality: Array) -> float | None:
    """Give the quality of the mean probability of an error, which few bad bases bring down."""
    bases = int(by_quality.sum())
    if not bases:
        return None
    errors = float((by_quality * 10.0 ** (-np.arange(QUALITIES) / 10)).sum())
    return -10 * log10(errors / bases)


def _spread(tally: Tally) -> float | None:
    reads = int(tally.state[At.GC_READS])
    if not reads:
        return None
    mean = float(tally.sums[0]) / reads
    return sqrt(max(0.0, float(tally.sums[1]) / reads - mean * mean))


def _edge(running: Array, rank: int) -> float | None:
    """Give the length of the read at a rank, to the lower edge of its group."""
    return float(LENGTH_EDGES[int(np.searchsorted(running, rank))]) if rank else None


def duplication_share(tally: Tally) -> float | None:
    """Estimate the share of the reads that repeat another one's first bases.

    Exact as long as all sequences are tracked. Beyond that, a sequence that came `c` times among `t` reads was one of
    those seen first unless none of the `c` was among the first `n` reads, so each stands for 1 / (1 - that chance).
    """
    state = tally.state
    total, first = int(state[At.READS] - state[At.EMPTY]), int(state[At.READS_AT_LIMIT])
    if not total:
        return None
    if state[At.DISTINCT] < TRACKED:
        return 1.0 - float(state[At.DISTINCT]) / total
    seen = tally.tracked[:, 1]
    levels, counts = np.unique(seen[seen > 0], return_counts=True)
    distinct = reads = 0.0
    for level, count in zip(levels.tolist(), counts.tolist(), strict=True):
        stands_for = count / (1.0 - _unseen(total, first, level))
        distinct += stands_for
        reads += stands_for * level
    return 1.0 - distinct / reads


def _unseen(total: int, first: int, level: int) -> float:
    """Give the chance that none of `level` reads among `total` is one of the first."""
    if total - level < first:
        return 0.0
    ways = lgamma(total - level + 1) + lgamma(total - first + 1) - lgamma(total - level - first + 1) - lgamma(total + 1)
    return min(exp(ways), 1.0 - first / total)


def curves_of(tally: Tally) -> tuple[Curve, ...]:
    """Give what a report is drawn with; a file without bases has no curves."""
    if not tally.called.any():
        return ()
    by_cycle = tally.called.sum(axis=1)
    cycles = np.flatnonzero(by_cycle)
    x = tuple(float(PLACE_EDGES[cycle]) + 1 for cycle in cycles)
    quality = (tally.quality[cycles] * np.arange(QUALITIES)).sum(axis=1) / by_cycle[cycles]
    drawn = [Curve(name="quality_phred_by_cycle", x=x, y=tuple(quality.tolist()))]
    for number, base in enumerate(("a", "c", "g", "t", "n")):
        shares = tally.called[cycles, number] / by_cycle[cycles]
        drawn.append(Curve(name=f"{base}_share_by_cycle", x=x, y=tuple(shares.tolist())))
    return (
        *drawn,
        _histogram("bases_by_quality_phred", tally.quality.sum(axis=0)),
        _histogram("reads_by_mean_quality_phred", tally.means),
        _histogram("reads_by_gc_percent", tally.gc),
        _lengths(tally),
    )


def _histogram(name: str, counts: Array) -> Curve:
    upto = int(np.flatnonzero(counts)[-1]) + 1 if counts.any() else 1
    return Curve(name=name, x=tuple(map(float, range(upto))), y=tuple(map(float, counts[:upto])))


def _lengths(tally: Tally) -> Curve:
    """Draw the lengths that there are in groups, of the same share of a length where they are long."""
    counts = tally.lengths[0]
    used = np.flatnonzero(counts)
    first, last = int(used[0]), int(used[-1]) + 1
    starts = np.arange(first, last, -(-(last - first) // _LENGTHS_SHOWN))
    y = np.add.reduceat(counts[:last], starts)
    return Curve(name="reads_by_length_bases", x=tuple(map(float, LENGTH_EDGES[starts])), y=tuple(map(float, y)))
