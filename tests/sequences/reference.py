"""Plain Python versions of what is counted, on records that dnaio read, and slow."""

from __future__ import annotations

import io
import math
from collections import Counter
from itertools import accumulate
from statistics import fmean, pstdev

import dnaio

TRUSEQ, NEXTERA = "AGATCGGAAGAG", "CTGTCTCTTATA"
SMALL_RNA = ("TGGAATTCTCGG", "GATCGTCGGACT")


def expected(body: bytes) -> dict[str, float | None]:
    """Measure unpacked FASTQ, every metric but the fingerprint of its names."""
    with dnaio.open(io.BytesIO(body), fileformat="fastq") as records:
        pairs = [(str(one.sequence), [ord(quality) - 33 for quality in str(one.qualities)]) for one in records]
    bases = "".join(sequence for sequence, _ in pairs).upper().replace("U", "T")
    phreds = [quality for _, qualities in pairs for quality in qualities]
    lengths = sorted(len(sequence) for sequence, _ in pairs)
    full = [sequence.upper() for sequence, _ in pairs if sequence]
    gc = [(one.count("G") + one.count("C")) / known for one in full if (known := sum(map(one.count, "ACGTU")))]
    errors = fmean(10 ** (-phred / 10) for phred in phreds)
    return {
        "reads": len(pairs),
        "bases": len(bases),
        "empty_reads": len(pairs) - len(full),
        "q30_share": sum(phred >= 30 for phred in phreds) / len(phreds),
        "mean_quality_phred": fmean(phreds),
        "effective_quality_phred": -10 * math.log10(errors),
        "n_share": sum(base not in "ACGT" for base in bases) / len(bases),
        "gc_share": (bases.count("G") + bases.count("C")) / sum(map(bases.count, "ACGT")),
        "gc_spread_share": pstdev(gc),
        "lower_case_share": sum(map(str.islower, "".join(sequence for sequence, _ in pairs))) / len(bases),
        "length_min_bases": lengths[0],
        "length_median_bases": lengths[(len(lengths) - 1) // 2],
        "length_max_bases": lengths[-1],
        "length_n50_bases": n50(lengths),
        "duplication_share": 1 - len({one[:50] for one in full}) / len(full),
        "adapter_share": holding(full, TRUSEQ, NEXTERA, *SMALL_RNA),
        "adapter_truseq_share": holding(full, TRUSEQ),
        "adapter_nextera_share": holding(full, NEXTERA),
        "adapter_small_rna_share": holding(full, *SMALL_RNA),
        "crlf": float(b"\r\n" in body),
    }


def n50(lengths: list[int]) -> int:
    """The length of the read with which the longest ones hold half of all bases."""
    longest = sorted(lengths, reverse=True)
    return next(length for length, held in zip(longest, accumulate(longest), strict=True) if 2 * held >= sum(longest))


def holding(sequences: list[str], *adapters: str) -> float:
    return sum(any(adapter in one for adapter in adapters) for one in sequences) / len(sequences)


def by_cycle(body: bytes) -> tuple[list[float], dict[str, list[float]]]:
    """Mean quality of each cycle, and the shares of its bases."""
    with dnaio.open(io.BytesIO(body), fileformat="fastq") as records:
        pairs = [(str(one.sequence), str(one.qualities)) for one in records]
    longest = max(len(sequence) for sequence, _ in pairs)
    columns = [[(s[i], ord(q[i]) - 33) for s, q in pairs if i < len(s)] for i in range(longest)]
    counts = [Counter(base for base, _ in column) for column in columns]
    shares = {
        base: [count[base] / len(column) for count, column in zip(counts, columns, strict=True)] for base in "ACGTN"
    }
    return [fmean(quality for _, quality in column) for column in columns], shares
