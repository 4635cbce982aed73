"""A folder of FASTQ files: a delivery of sequences, closed by checksum files when there are some, else by silence.

What is looked at, since whole files are read once and later: the beginning (gzip's magic, and what it unpacks to), the
end, and the names. A gzip file that was cut off cannot be told from its ends unless it is BGZF, which ends in a block
of its own; a plain FASTQ must end with a whole record. What lies between, only a checksum that came along can prove.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from pydantic import JsonValue

from cisterna.domain.acquisition import Evidence
from cisterna.domain.errors import InvalidInput, NotFound
from cisterna.domain.listing import SeenFile
from cisterna.domain.untrusted import plain_text
from cisterna.ports.profile import Described, Look
from cisterna.services.closing_list import closing_lists, sidecars
from cisterna.services.file_evidence import KeptAsTheyAre, file_evidence

_FASTQ = re.compile(r".+\.(fastq|fq)(\.gz)?")
_MATE = re.compile(r"(?P<before>.+)_(?P<read>[RI]?[123])(?P<after>(?:_\d{3})?\.(?:fastq|fq)(?:\.gz)?)")
_LANE = re.compile(r"(?P<sample>.+?)_(?:S\d+_)?L(?P<lane>\d{3})")
_OF_A_RUN = re.compile(r"RunInfo\.xml|RunParameters\.json|RunUploaded\.json|final_summary.*\.txt|sample_sheet_.*\.csv")
_GZIP = b"\x1f\x8b\x08"
_BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
_ZEROS = bytes(16)
_NAME = re.compile(rb"@([A-Za-z0-9-]+):(\d+):([A-Za-z0-9-]+):\d+:\d+:\d+:\d+")
_HEAD_BYTES, _TAIL_BYTES, _UNPACKED_BYTES = 4096, 64 * 1024, 2048


class _Mate(NamedTuple):
    """A file of reads, by what its name says."""

    path: str
    group: str
    """The same for the mates of a pair: folder, sample, lane and piece."""
    read: str
    before: str
    after: str


class Fastq(KeptAsTheyAre):
    """Implements `ports.profile.Profile`."""

    name = "fastq"
    quiet_seconds = 300.0
    stalled_seconds = 24 * 3600.0

    def claims(self, look: Look) -> bool:
        """Tell a delivery by its files' names; a sequencer's own run folder, which may hold such files, is none."""
        names = [path.rpartition("/")[2] for path in look.listing.paths]
        return any(map(_FASTQ.fullmatch, names)) and not any(map(_OF_A_RUN.fullmatch, names))

    def inspect(self, look: Look) -> Evidence:
        """Hold checksum files, pairs and each file's ends against what is there."""
        files = _files(look)
        missing, notes = _lacking(files, look.listing.paths)
        closed_singly = set(sidecars(look).values())
        if closed_singly and not closing_lists(look):
            missing += [f"{file.path}: its checksum file" for file in files if file.path not in closed_singly]
        elif not closed_singly and not closing_lists(look) and any(file.path.endswith(".gz") for file in files):
            notes.append("no checksums came with it, so of packed files only the beginning and the end were looked at")
        return file_evidence(look, files, _fault, missing=missing, notes=notes)

    def describe(self, look: Look) -> Described:
        """Read samples, lanes and reads from the names, and the sequencer from the first read."""
        files = _files(look)
        mates = list(_mates(files))
        lanes = [one for mate in mates if (one := _LANE.fullmatch(mate.before.rpartition("/")[2])) is not None]
        samples = sorted({plain_text(one["sample"]) or "" for one in lanes} - {""})
        reads = sorted({mate.read for mate in mates})
        found: dict[str, JsonValue | None] = {
            "experiment_id": plain_text(look.folder),
            "samples": list(samples[:100]),
            "lanes": len({one["lane"] for one in lanes}),
            "reads": list(reads),
            "paired": bool({"R1", "R2"} <= set(reads) or {"1", "2"} <= set(reads)) if reads else None,
            "files": len(files),
            **_first_read(look, files),
        }
        return Described(
            title=plain_text(look.folder) or "Sequences",
            data_type="sequencing",
            fields={name: value for name, value in found.items() if value not in (None, [], 0)},
        )


def _files(look: Look) -> list[SeenFile]:
    return [file for file in look.listing.files if _FASTQ.fullmatch(file.path)]


def _mates(files: list[SeenFile]) -> Iterator[_Mate]:
    for file in files:
        found = _MATE.fullmatch(file.path)
        if found is not None:
            yield _Mate(file.path, found["before"] + found["after"], found["read"], found["before"], found["after"])


def _lacking(files: list[SeenFile], paths: frozenset[str]) -> tuple[list[str], list[str]]:
    """Name the mates that lack, and say what is only odd.

    In each folder those reads are expected that half of its groups have; when they are only numbered (`_1`, `_2`),
    more than half, since such numbers may count samples. A second read without its first is always a lack.
    """
    folders: dict[tuple[str, bool], dict[str, dict[str, _Mate]]] = defaultdict(lambda: defaultdict(dict))
    for mate in _mates(files):
        folder = mate.path.rpartition("/")[0]
        folders[folder, mate.read.isdecimal()][mate.group][mate.read] = mate
    missing, odd = [], 0
    for (_, is_numbered), groups in folders.items():
        counts = Counter(read for mates in groups.values() for read in mates)
        least = len(groups) / 2
        usual = {read for read, count in counts.items() if count > least or (count == least and not is_numbered)}
        for mates in groups.values():
            wanted = usual | ({"R1"} if "R2" in mates else set())
            one = next(iter(mates.values()))
            lacks = [f"{one.before}_{read}{one.after}" for read in sorted(wanted - mates.keys())]
            missing += [path for path in lacks if path not in paths]
            odd += bool(mates.keys() - usual)
    return missing, [f"{odd} samples have reads that most others do not have"] if odd else []


def _fault(look: Look, file: SeenFile) -> str | None:
    """Say what of the beginning or the end cannot be a whole file's; an empty plain file holds no reads, and may."""
    is_packed = file.path.endswith(".gz")
    if file.size_bytes == 0:
        return "is empty, and no packed file is" if is_packed else None
    head = look.head(file.path, limit_bytes=_HEAD_BYTES)
    if not is_packed:
        return _plain_fault(head, look.tail(file.path, limit_bytes=_TAIL_BYTES))
    if not head.startswith(_GZIP):
        return "does not begin like a gzip file"
    tail = look.tail(file.path, limit_bytes=len(_BGZF_END))
    if head[12:16] == b"BC\2\0" and head[3] & 4 and tail != _BGZF_END:
        return "does not end with the last block of a BGZF file"
    if tail.endswith(_ZEROS):
        return "ends in zeros, like a file that was allocated and not written"
    text = _unpacked(head)
    return "does not unpack to FASTQ" if text is None or text[:1] not in {b"@", b""} else None


def _plain_fault(head: bytes, tail: bytes) -> str | None:
    if not head.startswith(b"@"):
        return "does not begin like FASTQ"
    if tail.endswith(b"\0"):
        return "ends in zeros, like a file that was allocated and not written"
    first = head.split(b"\n", 3)
    if len(first) < 4 or not first[2].startswith(b"+"):
        return None  # its lines are long or broken, and then no line tells where a record ends
    last = tail.removesuffix(b"\n").split(b"\n")[-5:]
    if len(last) < 5 and len(tail) == _TAIL_BYTES:
        return None
    record = last[-4:]
    is_whole = (
        len(record) == 4
        and record[0].startswith(b"@")
        and record[2].startswith(b"+")
        and len(record[1].rstrip()) == len(record[3].rstrip())
    )
    return None if is_whole else "does not end with a whole record"


def _unpacked(head: bytes) -> bytes | None:
    """Unpack what a gzip file begins with, a little of it; None when it is no gzip."""
    try:
        return zlib.decompressobj(wbits=31).decompress(head, _UNPACKED_BYTES)
    except zlib.error:
        return None


def _first_read(look: Look, files: list[SeenFile]) -> dict[str, JsonValue]:
    """Read sequencer, run and flow cell from the name of the first read, where it is Illumina's."""
    for file in files[:1]:
        try:
            head = look.head(file.path, limit_bytes=_HEAD_BYTES)
        except (InvalidInput, NotFound):
            continue
        text = _unpacked(head) if file.path.endswith(".gz") else head
        if text is not None and (found := _NAME.match(text)) is not None:
            serial, run, flow_cell = (part.decode()[:100] for part in found.groups())
            return {"instrument_serial": serial, "run_number": run, "flow_cell": flow_cell}
    return {}
