"""FCS files that lie, were cut off or hold anything at all: a finding in words, never a crash or a pass."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cisterna.adapters import fcs_walk
from cisterna.adapters.fcs_meter import FcsMeter
from cisterna.ports.quality import Reading
from cisterna.testing.virtual_cells import PARAMETERS, cells
from cisterna.testing.virtual_cytometer import fcs, fcs_of, sample

METER = FcsMeter()
EVENTS = cells(200)
WHOLE = sample(EVENTS)
DATA_END = f"{4096 + 200 * 24 - 1:8}".encode()


def read(body: bytes) -> Reading:
    return METER.read(memoryview(body), path="a.fcs")


def offsets(*, data: str = "", text: str = "") -> Callable[[], bytes]:
    """Write other offsets into HEADER: of TEXT, of DATA, each of sixteen characters."""

    def make() -> bytes:
        body = bytearray(WHOLE)
        if text:
            body[10:26] = text.encode()
        if data:
            body[26:42] = data.encode()
        return bytes(body)

    return make


def said(**words: str) -> Callable[[], bytes]:
    return lambda: sample(EVENTS, said={f"${key}": value for key, value in words.items()})


PROBLEMS: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "the file is empty"),
    "nine bytes": (lambda: WHOLE[:9], "it has 9 bytes of 58"),
    "something else": (lambda: b"RIFF" * 100, "does not begin like FCS 2.0 to 3.2"),
    "a version of tomorrow": (lambda: b"FCS4.0" + WHOLE[6:], "does not begin like FCS 2.0 to 3.2"),
    "words for offsets": (lambda: b"FCS3.1    " + b"anywhere" * 6 + bytes(100), "where its parts lie"),
    "TEXT at a negative place": (offsets(text="     -58     400"), "where its parts lie"),
    "DATA at a negative place": (offsets(data="   -4096    8000"), "where its parts lie"),
    "TEXT beyond the file": (offsets(text="      58   99999"), "bytes and says that TEXT ends at 99999"),
    "TEXT that ends before it begins": (offsets(text="     500      58"), "TEXT begins at 500 and ends at 58"),
    "TEXT inside HEADER": (offsets(text="       5     400"), "says that TEXT begins at 5"),
    "DATA beyond the file": (offsets(data="    409699999999"), "says that DATA ends at 99999999"),
    "DATA over TEXT": (
        lambda: sample(EVENTS, said={"$BEGINDATA": "100"}).replace(b"    4096", b"     100", 1),
        "says that DATA begins at 100, where TEXT ends at",
    ),
    "two places for DATA": (said(BEGINDATA="4100"), "DATA begins at 4096, and in TEXT at 4100"),
    "TEXT of blanks": (lambda: WHOLE[:58] + b" " * 4038 + WHOLE[4096:], "how many parameters"),
    "no parameter": (said(PAR="0"), "how many parameters an event has ($PAR '0')"),
    "parameters below nothing": (said(PAR="-6"), "($PAR '-6')"),
    "a parameter more than described": (said(PAR="7"), "parameter 7 has '' bits"),
    "1e12 events": (said(TOT="1000000000000"), "1000000000000 events of 6 parameters need 24000000000000"),
    "more events than can be counted": (said(TOT="9" * 30), "how many events it holds"),
    "events below nothing": (said(TOT="-1"), "($TOT '-1')"),
    "an event more than there are bytes": (said(TOT="201"), "has 4800 bytes of DATA where 201 events"),
    "no word of events": (lambda: WHOLE.replace(b"$TOT", b"$TOO"), "($TOT is not there)"),
    "1024 bits": (said(P3B="1024"), "parameter 3 has '1024' bits, which no number of type F has"),
    "no bits": (said(P3B="0"), "parameter 3 has '0' bits"),
    "F of 16 bits": (said(P2B="16"), "parameter 2 has '16' bits, which no number of type F has"),
    "numbers of no kind": (said(DATATYPE="Q"), "what the numbers of parameter 1 are ($DATATYPE 'Q')"),
    "bytes in no order": (said(BYTEORD="1,1,1,1"), "how the bytes of its numbers are ordered"),
    "more data beyond the file": (said(NEXTDATA="999999"), "says that more data begin at 999999"),
    "more data inside these": (said(NEXTDATA="4200"), "says that more data begin at 4200"),
    "more data that are none": (
        lambda: sample(EVENTS, said={"$NEXTDATA": "8896"}) + b"x" * 200,
        "does not begin like FCS 2.0 to 3.2 (data set 2)",
    ),
    "a supplement beyond the file": (said(BEGINSTEXT="8896", ENDSTEXT="99999"), "its supplemental TEXT lies from 8896"),
    "a supplement inside DATA": (said(BEGINSTEXT="5000", ENDSTEXT="5100"), "from 5000 to 5100, where DATA is"),
    "cut off in its data": (lambda: WHOLE[:-1], "has 4799 bytes of DATA where 200 events"),
    "cut off before its data": (lambda: WHOLE[:4096], "says that DATA ends at 8895"),
    "cut off in TEXT": (lambda: WHOLE[:100], "says that TEXT ends at"),
}

UNREAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "events as text": (said(DATATYPE="A"), "written as text"),
    "a width that depends": (said(P1B="*"), "written as text"),
    "a histogram": (said(MODE="U"), "histograms ($MODE 'U')"),
    "7 bits": (lambda: fcs_of(np.ones((100, 1)), "a", kind="I", bits=8, said={"$P1B": "7"}), "parameter 1 has 7 bits"),
    "the byte order of a PDP-11": (said(BYTEORD="3,4,1,2"), "only little and big endian"),
    "2000 parameters": (said(PAR="2000"), "at most 1000 are read"),
    "TEXT of 90 MB": (
        lambda: b"FCS3.1    " + b"      5890000000" + b" " * 32 + bytes(90_000_100),
        "its TEXT has 89999943 bytes",
    ),
    "TEXT behind DATA": (
        lambda: b"FCS3.1    " + b"    9000    9100" + b"     100    4899" + b" " * 16 + bytes(9100),
        "its TEXT lies behind its DATA",
    ),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_what_is_wrong_is_a_problem_in_words(name: str) -> None:
    make, says = PROBLEMS[name]

    reading = read(make())

    assert reading.problem is not None
    assert reading.problem.startswith("the file ")
    assert says in reading.problem
    assert set(reading.metrics.values()) == {None}
    assert reading.curves == ()


@pytest.mark.parametrize("name", UNREAD)
def test_what_nobody_reads_is_unmeasured_and_says_nothing_against_the_file(name: str) -> None:
    make, says = UNREAD[name]

    reading = read(make())

    assert reading.problem is None
    assert reading.unmeasured is not None
    assert says in reading.unmeasured
    assert set(reading.metrics.values()) == {None}


def test_more_data_sets_than_anybody_writes_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcs_walk, "MOST_DATA_SETS", 3)
    one = fcs(1, said={"$NEXTDATA": "4108"})

    assert read(one * 2 + fcs(1)).metrics["data_sets"] == 3
    assert read(one * 3 + fcs(1)).unmeasured == "not measured: it holds more than 3 data sets"


def test_fewer_bytes_than_were_listed_are_a_problem() -> None:
    with METER.spool("a.fcs", size_bytes=len(WHOLE)) as spool:
        spool.write(memoryview(WHOLE)[:-1])
        reading = spool.read(keep_on=lambda: None)

    assert reading.problem == "the file ends where its data set 1 has not: it has 8895 bytes of 8896"


def test_more_bytes_than_were_listed_are_not_kept() -> None:
    with METER.spool("a.fcs", size_bytes=len(WHOLE)) as spool:
        spool.write(memoryview(WHOLE + b"00000000"))
        reading = spool.read(keep_on=lambda: None)

    assert reading == read(WHOLE)


def test_writing_on_after_a_problem_changes_nothing() -> None:
    with METER.spool("a.fcs", size_bytes=400) as spool:
        for _ in range(4):
            spool.write(memoryview(b"x" * 100))
        reading = spool.read(keep_on=lambda: None)

    assert reading.problem == "the file does not begin like FCS 2.0 to 3.2"


# ---------------------------------------------------------------- TEXT


@pytest.mark.parametrize("mark", ["/", "|", "\x0c", "\\", "!", "\x1e"])
def test_a_mark_that_is_doubled_stands_for_itself(mark: str) -> None:
    name = f"CD4{mark}CD8{mark}"

    reading = read(fcs_of(cells(300)[:, :2], ["Time", name], mark=mark))

    assert reading.problem is None
    histograms = [curve.name for curve in reading.curves if curve.name.startswith("events_by")]
    assert histograms == [f"events_by_asinh150 P2 {name}"] or mark in "\x0c\x1e"


def test_a_value_left_empty_costs_its_own_key_and_no_other() -> None:
    reading = read(sample(EVENTS, said={"$OP": "", "$CYT": ""}))

    assert reading.problem is None
    assert reading.metrics["events"] == 200


def test_keys_are_the_same_in_capitals_or_not() -> None:
    assert read(WHOLE.replace(b"$PAR", b"$par").replace(b"$TOT", b"$Tot")).metrics == read(WHOLE).metrics


def test_a_name_that_is_hostile_stays_out_of_curves() -> None:
    reading = read(fcs_of(cells(300)[:, :2], ["Time", "a\x1b[2Jb\u202e" + "x" * 5000]))

    assert all(len(curve.name) < 100 and curve.name.isprintable() for curve in reading.curves)


def test_an_offset_counted_one_too_far_is_what_some_cytometers_write() -> None:
    body = WHOLE.replace(DATA_END, f"{int(DATA_END) + 1:8}".encode(), 1)

    assert read(body).metrics == read(WHOLE).metrics
    assert read(body + b"00000000").metrics == read(WHOLE).metrics


@pytest.mark.parametrize("version", ["FCS2.0", "FCS3.0", "FCS3.2"])
def test_offsets_of_large_files_stand_in_text_alone(version: str) -> None:
    large = fcs_of(EVENTS, PARAMETERS, is_large=True, version=version)

    assert read(large).metrics == read(fcs_of(EVENTS, PARAMETERS)).metrics
    assert read(large).problem is None


def test_fcs_2_may_leave_out_how_many_events_there_are() -> None:
    assert read(fcs_of(EVENTS, PARAMETERS, version="FCS2.0").replace(b"$TOT", b"$TOO")).metrics["events"] == 200


def test_events_that_are_not_declared_are_counted() -> None:
    assert read(sample(EVENTS, said={"$TOT": "190"})).metrics["undeclared_events"] == 10


# ---------------------------------------------------------------- anything at all


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(WHOLE)))
def test_a_file_cut_off_anywhere_is_a_problem(keep: int) -> None:
    reading = read(WHOLE[:keep])

    assert (reading.problem is None) == (keep == len(WHOLE))


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 1500), st.binary(max_size=40), st.integers(0, len(WHOLE) + 100))
def test_any_bytes_anywhere_give_a_reading_and_no_crash(at: int, patch: bytes, keep: int) -> None:
    body = (WHOLE[:at] + patch + WHOLE[at + len(patch) :])[:keep]

    reading = read(body)

    assert reading.problem or reading.unmeasured or reading.metrics["events"] is not None


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=3000))
def test_random_bytes_after_a_valid_header_give_a_reading_and_no_crash(rest: bytes) -> None:
    reading = read(WHOLE[:58] + rest)

    assert reading.problem or reading.unmeasured


@settings(max_examples=200, deadline=None)
@given(st.binary(min_size=1, max_size=120))
def test_any_events_at_all_give_finite_metrics_or_none(repeated: bytes) -> None:
    reading = read(WHOLE[:4096] + (repeated * 4800)[:4800])

    assert reading.problem is None
    assert all(value is None or np.isfinite(value) for value in reading.metrics.values())
    for curve in reading.curves:
        assert all(value is None or np.isfinite(value) for value in (*curve.x, *curve.y))


KEYS = st.sampled_from(
    ["$TOT", "$PAR", "$P1B", "$P2R", "$DATATYPE", "$BYTEORD", "$NEXTDATA", "$TIMESTEP", "$SPILLOVER"]
)
WORDS = st.one_of(
    st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=20),
    st.integers(-(10**20), 10**20).map(str),
    st.floats().map(str),
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(KEYS, WORDS, max_size=4))
def test_any_keywords_give_a_reading_and_no_crash(words: dict[str, str]) -> None:
    reading = read(sample(EVENTS, said=words))

    assert reading.problem or reading.unmeasured or reading.metrics["events"] is not None
    assert all(value is None or np.isfinite(value) for value in reading.metrics.values())


@pytest.mark.parametrize(
    "words",
    [
        {"$TIMESTEP": "1e300"},
        {"$TIMESTEP": "1e-320"},
        {"$P5R": "1e300", "$P4R": "1e-300"},
        {"$SPILLOVER": "2,FITC-A,PE-A,1e308,-1e308,1e308,1e308"},
        {"$SPILLOVER": "2,FITC-A,PE-A,0,0,0,0"},
    ],
    ids=str,
)
def test_numbers_without_measure_stay_out_of_the_metrics(words: dict[str, str]) -> None:
    reading = read(sample(cells(3000), said=words))

    assert reading.problem is None
    assert all(value is None or abs(value) <= 1e30 for value in reading.metrics.values())
    for curve in reading.curves:
        assert all(value is None or np.isfinite(value) for value in (*curve.x, *curve.y))


# ---------------------------------------------------------------- memory


def peak_bytes(size_bytes: int, pieces: list[memoryview]) -> tuple[int, Reading]:
    tracemalloc.start()
    try:
        with METER.spool("a.fcs", size_bytes=size_bytes) as spool:
            for piece in pieces:
                spool.write(piece)
            reading = spool.read(keep_on=lambda: None)
        return tracemalloc.get_traced_memory()[1], reading
    finally:
        tracemalloc.stop()


def test_a_file_of_4_gib_is_measured_in_32_mib() -> None:
    """It comes in pieces of 8 MiB that are always the same ones, so nothing but the meter holds anything."""
    block = memoryview(cells(349_525, seed=5).astype("<f4").tobytes())
    count = 512
    end = 4096 + count * len(block)
    head = sample(EVENTS, said={"$TOT": str(count * 349_525), "$BEGINDATA": "4096", "$ENDDATA": str(end - 1)})[:4096]
    head = head[:26] + b"       0       0" + head[42:]

    peak, reading = peak_bytes(end, [memoryview(head), *[block] * count])

    assert reading.metrics["events"] == 512 * 349_525
    assert reading.metrics["sampled_events"] == 43_691
    assert peak < 32 * 1024 * 1024


def test_claims_cost_no_memory() -> None:
    body = sample(EVENTS, said={"$TOT": "999999999999", "$PAR": "1000"})

    peak, reading = peak_bytes(len(body), [memoryview(body)])

    assert reading.problem
    assert peak < 2 * 1024 * 1024


def test_the_widest_file_that_is_read_stays_within_its_bounds() -> None:
    """1,000 parameters in double precision: the sample shrinks, so that it stays within its 32 MiB."""
    values = np.random.default_rng(0).random((20_000, 1000))
    words = {f"$P{number}B": "64" for number in range(1, 1001)}
    names = [f"D{number}" for number in range(1000)]
    text = fcs_of(np.zeros((0, 1000)), names, kind="D", bits=64, said=words)
    head, data = _with_offsets(text, values.astype("<f8").tobytes(), events=20_000)

    peak, reading = peak_bytes(len(head) + len(data), [memoryview(head), memoryview(data)])

    assert reading.problem is None
    assert reading.metrics["sampled_events"] == 2500
    assert peak < 120 * 1024 * 1024


def _with_offsets(text: bytes, data: bytes, *, events: int) -> tuple[bytes, bytes]:
    begin = 200_000
    said = text.rstrip(b" ") + f"$TOT/{events}/$BEGINDATA/{begin}/$ENDDATA/{begin + len(data) - 1}/".encode()
    header = said[:10] + f"{58:8}{len(said) - 1:8}{0:8}{0:8}{0:8}{0:8}".encode()
    return (header + said[58:]).ljust(begin, b" "), data
