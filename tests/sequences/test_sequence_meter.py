"""FASTQ counted in the one read: as plain Python counts it, however the bytes come, and never past what is wrong."""

from __future__ import annotations

import random
import tracemalloc
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cisterna.adapters.fastq_bytes import TRACKED
from cisterna.adapters.gzip_stream import FREE_BYTES, MOST_RATIO
from cisterna.adapters.sequence_meter import SequenceMeter
from cisterna.ports.quality import Meter, Reading
from cisterna.testing.meter_contract import MeterContract
from cisterna.testing.reads import Read, fastq_of, long_reads, short_reads
from cisterna.testing.virtual_fastq import BGZF_END, packed
from tests.sequences.reference import by_cycle, expected

MIB = 1024 * 1024
METER = SequenceMeter()
MIXED = fastq_of([*short_reads(60, length=80, adapter_share=0.3, copies_share=0.2), *long_reads(8, typical_bases=900)])


def measured(body: bytes, path: str = "a.fastq", *, cuts: Sequence[int] = ()) -> Reading:
    place = METER.spool(path, size_bytes=len(body))
    assert place is not None
    with place as spool:
        for start, stop in pairwise([0, *sorted(cuts), len(body)]):
            spool.write(memoryview(body)[start:stop])
        return spool.read(keep_on=lambda: None)


def blocks(body: bytes, size: int) -> bytes:
    """Pack in BGZF blocks."""
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(packed(piece, is_bgzf=True).removesuffix(BGZF_END) for piece in pieces) + BGZF_END


class Contract(MeterContract):
    @pytest.fixture
    def meter(self) -> Meter:
        return METER


class TestPlain(Contract):
    @pytest.fixture
    def good(self) -> tuple[str, bytes]:
        return "a.fq", MIXED


class TestPacked(Contract):
    @pytest.fixture(params=["one", "members", "blocks"])
    def good(self, request: pytest.FixtureRequest) -> tuple[str, bytes]:
        ways = {
            "one": packed(MIXED),
            "members": packed(MIXED[:999]) + packed(MIXED[999:]),
            "blocks": blocks(MIXED, 700),
        }
        return "a/b.fastq.gz", ways[request.param]


def test_every_metric_is_what_plain_python_counts() -> None:
    odd = [Read("x", "acgtNuRy.T", "IIIII#####"), Read("y", "", ""), Read("z", "nn", "##")]
    body = MIXED + fastq_of(odd)

    found = measured(body)

    wanted = expected(body)
    assert found.problem is None
    names = [name for name in METER.names if not name.startswith("run_")]
    assert set(names) == {*wanted, "platform_code", "names_fingerprint"}
    assert {name: found.metrics[name] for name in wanted} == pytest.approx(wanted)


@pytest.mark.parametrize("lengths", [[5], [1, 2, 3, 4], [2, 2, 2, 3, 3, 4, 8, 8], [1000, 1023], [7, 7, 1]])
def test_lengths_up_to_1023_are_exact(lengths: list[int]) -> None:
    body = fastq_of(Read(f"r{number}", "A" * length, "F" * length) for number, length in enumerate(lengths))

    found = measured(body).metrics

    wanted = expected(body)
    for name in ("length_min_bases", "length_median_bases", "length_max_bases", "length_n50_bases"):
        assert found[name] == wanted[name]


@pytest.mark.parametrize("length", [1024, 5_000, 123_456, 3_000_001])
def test_longer_lengths_are_right_to_a_five_hundredth_and_the_extremes_exact(length: int) -> None:
    found = measured(fastq_of([Read("r", "ACGT" * (length // 4) + "A" * (length % 4), "F" * length)])).metrics

    assert (found["length_min_bases"], found["length_max_bases"], found["bases"]) == (length, length, length)
    assert length * (1 - 1 / 500) <= (found["length_median_bases"] or 0) <= length


def test_the_curves_are_what_plain_python_counts() -> None:
    body = fastq_of(short_reads(50, length=60, uncalled_share=0.1))

    curves = {curve.name: curve for curve in measured(body).curves}

    quality, shares = by_cycle(body)
    assert curves["quality_phred_by_cycle"].x == tuple(range(1, 61))
    assert curves["quality_phred_by_cycle"].y == pytest.approx(quality)
    for base in "ACGTN":
        assert curves[f"{base.lower()}_share_by_cycle"].y == pytest.approx(shares[base])
    phreds = Counter(ord(char) - 33 for line in body.split(b"\n")[3::4] for char in line.decode())
    drawn = curves["bases_by_quality_phred"]
    assert {x: y for x, y in zip(drawn.x, drawn.y, strict=True) if y} == phreds
    assert (curves["reads_by_length_bases"].x, curves["reads_by_length_bases"].y) == ((60.0,), (50.0,))
    assert sum(y or 0 for y in curves["reads_by_gc_percent"].y) == 50
    assert sum(y or 0 for y in curves["reads_by_mean_quality_phred"].y) == 50


def test_the_curves_of_long_reads_lose_no_base_and_stay_short() -> None:
    body = fastq_of(long_reads(20, typical_bases=5_000))

    found = measured(body)

    lengths = next(curve for curve in found.curves if curve.name == "reads_by_length_bases")
    assert sum(y or 0 for y in lengths.y) == 20
    assert all(len(curve.x) <= 1000 for curve in found.curves)
    cycles = next(curve for curve in found.curves if curve.name == "quality_phred_by_cycle")
    assert cycles.x[:513] == (*range(1, 513), 513)
    assert cycles.x[513] == 577  # then eights of an octave


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(0, len(MIXED)), max_size=12))
def test_any_cutting_of_the_bytes_gives_the_same_reading(cuts: list[int]) -> None:
    assert measured(MIXED, cuts=cuts) == WHOLE


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_cutting_of_packed_bytes_gives_the_same_reading(data: st.DataObject) -> None:
    body = data.draw(st.sampled_from([packed(MIXED), packed(MIXED[:500]) + packed(MIXED[500:]), blocks(MIXED, 1000)]))
    cuts = data.draw(st.lists(st.integers(0, len(body)), max_size=12))

    assert measured(body, "a.fastq.gz", cuts=cuts) == WHOLE


WHOLE = measured(MIXED)
LINES = st.lists(
    st.sampled_from([b"@a", b"@", b"ACGT", b"acn", b"", b"+", b"+a", b"IIII", b"III", b"I", b"\r", b"#\x00"])
)


@settings(max_examples=300, deadline=None)
@given(LINES, st.sampled_from([b"\n", b"\r\n"]), st.lists(st.integers(0, 60), max_size=6), st.booleans())
def test_whatever_stands_in_it_any_cutting_finds_the_same(
    lines: list[bytes], end: bytes, cuts: list[int], is_packed: bool
) -> None:
    body = end.join(lines)
    body, path = (packed(body), "a.fastq.gz") if is_packed else (body, "a.fastq")

    found = measured(body, path, cuts=[min(cut, len(body)) for cut in cuts])

    assert found == measured(body, path)
    assert (found.problem is None) == (found.metrics["reads"] is not None)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(MIXED) - 1), st.integers(0, 255))
def test_a_byte_that_changed_is_counted_or_named_and_nothing_else(place: int, byte: int) -> None:
    changed = bytearray(MIXED)
    changed[place] = byte

    found = measured(bytes(changed))

    assert found.problem is not None or found.metrics["reads"] is not None


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([packed(MIXED), blocks(MIXED, 3000)]),
    st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), max_size=4),
    st.binary(max_size=3),
    st.lists(st.integers(0, 1 << 20), max_size=5),
)
def test_packed_bytes_that_changed_never_hang_raise_or_pass_for_others(
    body: bytes, changes: list[tuple[int, int]], more: bytes, cuts: list[int]
) -> None:
    changed = bytearray(body + more)
    for place, byte in changes:
        changed[place % len(changed)] = byte

    found = measured(bytes(changed), "a.fastq.gz", cuts=[cut % len(changed) for cut in cuts])

    assert found == measured(bytes(changed), "a.fastq.gz")
    assert found.problem is not None or found == WHOLE


GOOD = fastq_of(short_reads(3, length=20))
PACKED = packed(GOOD)
WRONG: dict[str, tuple[str, bytes, str]] = {
    "nothing at all": ("a.fastq", b"", "the file is empty"),
    "nothing at all, packed": ("a.fastq.gz", b"", "the file is empty"),
    "only empty lines": ("a.fastq", b"\n\n\r\n", "it holds no record"),
    "cut off in a name": ("a.fastq", GOOD + b"@abc", "it ends within record 4, in its name"),
    "cut off in the bases": ("a.fastq", GOOD + b"@abc\nACG", "it ends within record 4, in its bases"),
    "cut off before the plus": ("a.fastq", GOOD + b"@abc\nACG\n", "it ends within record 4, before its third line"),
    "cut off in the qualities": ("a.fastq", GOOD[:-5], "it ends within record 3, in its qualities"),
    "fewer qualities than bases": ("a.fastq", GOOD + b"@a\nACGT\n+\nIII\n" + GOOD, "record 4 has 4 bases and 3 qual"),
    "more qualities than bases": ("a.fastq", b"@a\nACGT\n+\nIIIII\n", "record 1 has 4 bases and more qualities"),
    "no name": ("a.fastq", GOOD + b"ACGT\n", "record 4 begins with 'A' where @ must be"),
    "a line of bases twice": ("a.fastq", b"@a\nAC\nAC\n+\nIIII\n", "record 1 has 'A' where the + of its third line"),
    "FASTA": ("a.fastq", b">a\nACGT\n", "record 1 begins with '>'"),
    "digits among the bases": ("a.fastq", b"@a\nA1\n+\nII\n", "record 1 holds '1' among its bases"),
    "a blank among the qualities": ("a.fastq", b"@a\nAA\n+\nI \n", "the byte 32 among its qualities"),
    "Phred+64": ("a.fastq", b"@a\nACGT\n+\nhhhB\n", "look like Phred+64"),
    "an empty line between records": ("a.fastq", GOOD + b"\n" + GOOD, "record 4 follows an empty line"),
    "a carriage return in the middle": ("a.fastq", b"@a\nA\rC\n+\nII\n", "a carriage return within a line"),
    "zeros": ("a.fastq", bytes(5000), "record 1 begins with the byte 0"),
    "zeros behind the reads": ("a.fastq", GOOD + bytes(10), "record 4 begins with the byte 0"),
    "junk": ("a.fastq", random.Random(1).randbytes(9000), "record 1 begins with"),
    "junk in a name": ("a.fastq", b"@a\x00b\nA\n+\nI\n", "binary or damaged data"),
    "junk behind the plus": ("a.fastq", b"@a\nA\n+\x01\nI\n", "binary or damaged data"),
    "packed by its content alone": ("a.fastq", PACKED, "it is a gzip file, though its name"),
    "packed by its name alone": ("a.fastq.gz", GOOD, "it does not begin like a gzip file"),
    "gzip cut off": ("a.fastq.gz", PACKED[:-20], "cut off"),
    "gzip cut off in its sums": ("a.fastq.gz", PACKED[:-1], "cut off"),
    "gzip cut off in the second member": ("a.fastq.gz", PACKED + PACKED[:30], "cut off"),
    "gzip of one byte": ("a.fastq.gz", PACKED[:1], "cut off"),
    "a wrong sum": ("a.fastq.gz", PACKED[:-8] + bytes(4) + PACKED[-4:], "their checksum does not fit"),
    "a wrong length": ("a.fastq.gz", PACKED[:-4] + bytes(4), "their checksum does not fit"),
    "a wrong sum behind a faulty record": (
        "a.fastq.gz",
        (one := packed(b"junk\n" + GOOD))[:-8] + bytes(4) + one[-4:],
        "their checksum does not fit",
    ),
    "garbage behind the last member": ("a.fastq.gz", PACKED + b"garbage", "bytes that are no gzip follow the end"),
    "zeros behind the last member": ("a.fastq.gz", PACKED + bytes(512), "zeros follow the end"),
    "a record that is wrong, packed": ("a.fastq.gz", packed(GOOD[:-5]), "it ends within record 3"),
}


@pytest.mark.parametrize("name", WRONG, ids=list(WRONG))
def test_what_is_wrong_is_a_problem_in_words_and_gives_no_metric(name: str) -> None:
    path, body, words = WRONG[name]

    found = METER.read(memoryview(body), path=path)

    assert found.problem is not None
    assert words in found.problem
    assert not any(value is not None for value in found.metrics.values())
    assert found.curves == ()


FINE: dict[str, tuple[str, bytes, dict[str, float | None]]] = {
    "no newline at the end": ("a.fastq", GOOD[:-1], {"reads": 3, "crlf": 0}),
    "empty lines at the end": ("a.fastq", GOOD + b"\n\n", {"reads": 3}),
    "line ends of Windows": ("a.fastq", GOOD.replace(b"\n", b"\r\n"), {"reads": 3, "bases": 60, "crlf": 1}),
    "a return and no newline at the end": ("a.fastq", GOOD[:-1] + b"\r", {"reads": 3, "crlf": 1}),
    "a read without bases": ("a.fastq", b"@a\n\n+\n\n", {"reads": 1, "bases": 0, "empty_reads": 1, "q30_share": None}),
    "a read without bases at the end": ("a.fastq", GOOD + b"@a\n\n+\n", {"reads": 4, "empty_reads": 1}),
    "lower case": ("a.fastq", b"@a\nacgt\n+\nIIII\n", {"gc_share": 0.5, "lower_case_share": 1.0}),
    "qualities that begin like a record": ("a.fastq", b"@a\nACGT\n+\n@@@@\n", {"reads": 1}),
    "PacBio of nothing but Q93": ("a.fastq", b"@m64011_190830_220126/1/ccs\nACGT\n+\n~~~~\n", {"reads": 1}),
    "a packed file without reads": ("a.fastq.gz", packed(b""), {"reads": 0, "bases": 0, "gc_share": None}),
    "many members": ("a.fastq.gz", PACKED * 5, {"reads": 15}),
}


@pytest.mark.parametrize("name", FINE, ids=list(FINE))
def test_what_is_odd_and_allowed_is_measured(name: str) -> None:
    path, body, metrics = FINE[name]

    found = METER.read(memoryview(body), path=path)

    assert found.problem is None
    assert {key: found.metrics[key] for key in metrics} == metrics


NAMES = {
    "A00291:576:HVHL5DMXY:1:1101:1000:1000 1:N:0:ACGT": 1,
    "M00903:1:000000000-ABCDE:1:1101:15589:1332": 1,
    "00000000-0000-4000-8000-0123456789ab runid=1": 2,
    "m64011_190830_220126/101320387/ccs": 3,
    "V300056266L1C001R0010000005/1": 4,
    "SRR001666.1 071112": 0,
}


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name[:12])
def test_the_first_name_tells_the_platform(name: str) -> None:
    assert measured(fastq_of([Read(name, "A", "F")])).metrics["platform_code"] == NAMES[name]


def fingerprint(*names: str) -> float | None:
    return measured(fastq_of(Read(name, "A", "F") for name in names)).metrics["names_fingerprint"]


def test_mates_have_one_fingerprint_and_other_reads_another() -> None:
    first, second = (fastq_of(short_reads(30, seed=1, mate=mate)) for mate in (1, 2))

    assert measured(first).metrics["names_fingerprint"] == measured(second).metrics["names_fingerprint"]
    assert fingerprint("a/1", "b/1") == fingerprint("a/2", "b/2") == fingerprint("a 1:N:0", "b\t2:N:0")
    others = [fingerprint("a", "b"), fingerprint("b", "a"), fingerprint("a"), fingerprint("ab"), fingerprint("a", "c")]
    assert len(set(others)) == 5


def test_duplicates_are_estimated_to_two_percent_points_when_not_all_sequences_are_tracked() -> None:
    """Half of 1.5 times as many sequences as are tracked come once, the others three times, in any order."""
    chance = random.Random(7)
    sequences = ["".join(chance.choices("ACGT", k=30)) for _ in range(TRACKED * 3 // 2)]
    reads = sequences + [one for one in sequences[: len(sequences) // 2] for _ in range(2)]
    chance.shuffle(reads)
    true_share = 1 - len(sequences) / len(reads)

    found = measured(b"".join(f"@r\n{one}\n+\n{'F' * 30}\n".encode() for one in reads)).metrics["duplication_share"]

    assert found == pytest.approx(true_share, abs=0.02)


def test_one_sequence_that_fills_a_third_of_the_reads_is_seen_among_more_than_are_tracked() -> None:
    chance = random.Random(8)
    reads = ["".join(chance.choices("ACGT", k=30)) for _ in range(TRACKED * 2)] + ["G" * 30] * TRACKED
    chance.shuffle(reads)

    found = measured(b"".join(f"@r\n{one}\n+\n{'F' * 30}\n".encode() for one in reads)).metrics["duplication_share"]

    assert found == pytest.approx(1 / 3, abs=0.02)


@contextmanager
def little_memory() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 16 * MIB


LONG_LINES = {
    "a name": (b"@", b"a", "in its name"),
    "bases": (b"@a\n", b"ACGT", "in its bases"),
    "qualities": (b"@a\nACGT\n+\n", b"I", "more qualities"),
    "no newline anywhere": (b"", b"x", "begins with 'x'"),
}


@pytest.mark.parametrize("name", LONG_LINES, ids=list(LONG_LINES))
def test_a_line_without_end_takes_no_memory(name: str) -> None:
    begin, piece, words = LONG_LINES[name]
    block = memoryview(piece * (4 * MIB // len(piece)))

    with little_memory():
        place = METER.spool("a.fastq", size_bytes=1) or pytest.fail("a spool")
        with place as spool:
            spool.write(memoryview(begin))
            for _ in range(64):
                spool.write(block)
            found = spool.read(keep_on=lambda: None)

    assert words in (found.problem or "")


def test_a_bomb_is_given_up_and_takes_no_memory() -> None:
    packer = zlib.compressobj(9, wbits=31)
    bomb = packer.compress(b"@a\n") + b"".join(packer.compress(b"A" * MIB) for _ in range(96)) + packer.flush()
    assert len(bomb) * MOST_RATIO + FREE_BYTES < 96 * MIB

    with little_memory():
        found = METER.read(memoryview(bomb), path="a.fastq.gz")

    assert found.problem == "it unpacks to more than 200 times its size; it was not read on"


@pytest.mark.parametrize(
    ("path", "is_taken"),
    [
        ("a.fastq", True),
        ("run/a.fq.gz", True),
        ("InterOp/QMetricsOut.bin", True),
        ("run/InterOp/TileMetricsOut.bin", True),
        ("InterOp/C1.1/QMetricsOut.bin", False),
        ("InterOp/EventMetricsOut.bin", False),
        ("a.fastq.gz.md5", False),
        ("image.tiff", False),
    ],
)
def test_reads_and_run_metrics_are_taken_whatever_the_profile_says_of_images(path: str, is_taken: bool) -> None:
    assert METER.takes(path, is_image=False) is METER.takes(path, is_image=True) is is_taken
