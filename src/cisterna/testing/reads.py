"""Reads that nobody sequenced, with names, lengths and qualities as sequencers give them."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

ADAPTER = "AGATCGGAAGAGCACACGTCTGAACTCCAGTCA"


@dataclass(frozen=True)
class Read:
    """One record of four lines."""

    name: str
    bases: str
    qualities: str

    @property
    def record(self) -> bytes:
        """Write it."""
        return f"@{self.name}\n{self.bases}\n+\n{self.qualities}\n".encode()


def short_reads(
    count: int,
    *,
    length: int = 100,
    seed: int = 0,
    mate: int = 1,
    good_share: float = 0.93,
    uncalled_share: float = 0.001,
    adapter_share: float = 0.0,
    copies_share: float = 0.0,
    gc_share: float = 0.45,
) -> Iterator[Read]:
    """Give reads as Illumina names them; those of both mates have the same names.

    Args:
        count: How many.
        length: Of each.
        seed: The same gives the same reads; mates of a sample have it in common.
        mate: 1 or 2.
        good_share: Of the bases, with Q37; the others have Q25, Q11 or Q2.
        uncalled_share: Of the bases, N.
        adapter_share: Of the reads, where an adapter begins within.
        copies_share: Of the reads, that repeat the first one.
        gc_share: Of the bases.
    """
    chance, first = random.Random(f"{seed} {mate}"), ""
    weights = [(1 - gc_share) / 2, gc_share / 2, gc_share / 2, (1 - gc_share) / 2]
    for number in range(count):
        bases = "".join(chance.choices("ACGT", weights, k=length))
        first = first or bases
        if chance.random() < copies_share:
            bases = first
        if chance.random() < adapter_share:
            start = chance.randrange(length // 2)
            bases = (bases[:start] + ADAPTER + bases)[:length]
        bases = "".join("N" if chance.random() < uncalled_share else base for base in bases)
        levels = chance.choices("F:,#", [good_share, *[(1 - good_share) / 3] * 3], k=length)
        name = f"A00291:576:HVHL5DMXY:1:{1101 + number // 1000}:{1000 + seed}:{1000 + number} {mate}:N:0:ACGT"
        yield Read(
            name, bases, "".join("#" if base == "N" else level for base, level in zip(bases, levels, strict=True))
        )


def long_reads(count: int, *, seed: int = 0, typical_bases: int = 400, quality_phred: int = 14) -> Iterator[Read]:
    """Give reads as MinKNOW names them, of lengths that differ by far and qualities around one."""
    chance = random.Random(f"long {seed}")
    for number in range(count):
        length = max(20, int(chance.lognormvariate(0, 0.7) * typical_bases))
        bases = "".join(chance.choices("ACGT", k=length))
        phred = (min(50, max(2, round(chance.gauss(quality_phred, 3)))) for _ in range(length))
        name = f"{uuid.UUID(int=chance.getrandbits(128))} runid=e05460c6 read={number} ch=12"
        yield Read(name, bases, "".join(chr(33 + one) for one in phred))


def fastq_of(reads: Iterable[Read]) -> bytes:
    """Write records one after the other."""
    return b"".join(read.record for read in reads)
