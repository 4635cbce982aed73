"""Deliveries of sequences that nobody sequenced: FASTQ files, packed or not, with their checksums or without."""

from __future__ import annotations

import gzip
import hashlib
from enum import StrEnum

from cisterna.testing.reads import fastq_of, short_reads
from cisterna.testing.scripted_run import Mishap, ScriptedRun

BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


class Checksums(StrEnum):
    """How digests come along."""

    NONE = "none"
    LIST = "list"
    SIDECARS = "sidecars"


def fastq(reads: int = 3, *, length: int = 30) -> bytes:
    """Write records of four lines."""
    names = (f"@A00291:576:HVHL5DMXY:1:1101:{number}:1000 1:N:0:ACGT" for number in range(reads))
    bases = ("ACGTN"[number % 5] * length for number in range(reads))
    return "".join(f"{name}\n{base}\n+\n{'F' * length}\n" for name, base in zip(names, bases, strict=True)).encode()


def packed(body: bytes, *, is_bgzf: bool = False) -> bytes:
    """Pack as gzip, or as a BGZF file of one block."""
    if not is_bgzf:
        return gzip.compress(body, mtime=0)
    plain = gzip.compress(body, mtime=0)
    size = len(plain) + 8 - 1
    block = b"\x1f\x8b\x08\x04" + plain[4:10] + b"\x06\0BC\2\0" + size.to_bytes(2, "little") + plain[10:]
    return block + BGZF_END


def virtual_fastq(
    samples: tuple[str, ...] = ("yeast", "fly"),
    *,
    reads: tuple[str, ...] = ("R1", "R2"),
    checksums: Checksums = Checksums.NONE,
    is_bgzf: bool = False,
    mishap: Mishap = Mishap.NONE,
    victim: str | None = None,
) -> ScriptedRun:
    """Give a delivery.

    Args:
        samples: Their names.
        reads: As the names of the files have them.
        checksums: Of the files: a list at the end, one beside each file, or none.
        is_bgzf: Whether they are packed in blocks.
        mishap: What goes wrong.
        victim: With which file; else with the last.
    """
    calls = {
        f"{sample}_S{number}_L001_{read}_001.fastq.gz": packed(
            fastq_of(short_reads(40 + number, seed=number, mate=mate)), is_bgzf=is_bgzf
        )
        for number, sample in enumerate(samples, 1)
        for mate, read in enumerate(reads, 1)
    }
    files: dict[str, bytes] = {}
    for path, body in calls.items():
        files[path] = body
        if checksums is Checksums.SIDECARS:
            files[f"{path}.md5"] = f"{_md5(body)}  {path}\n".encode()
    if checksums is Checksums.LIST:
        files["md5sum.txt"] = "".join(f"{_md5(body)}  {path}\n" for path, body in calls.items()).encode()
    return ScriptedRun("delivery-41", files, mishap=mishap, victim=victim or list(calls)[-1])


def _md5(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()
