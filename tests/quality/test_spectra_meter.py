"""What is measured of mzML and imzML: good files, in whatever pieces they come, and bad and hostile ones."""

from __future__ import annotations

import gzip
import itertools
import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cisterna.adapters import spectra_tally, spectrum_array, xml_feed
from cisterna.adapters.spectra_meter import SpectraMeter
from cisterna.adapters.spectra_reader import SpectraReader
from cisterna.ports.quality import CURVE_POINTS, Meter, Reading
from cisterna.testing.meter_contract import MeterContract
from cisterna.testing.spectra_files import (
    Scan,
    document,
    gradient,
    heights,
    indexed,
    pixel,
    plain,
    run_of,
    spectrum,
    term,
)

METER = SpectraMeter()
WHOLE = run_of(gradient(8))


def read(body: bytes, path: str = "a.mzML") -> Reading:
    return METER.read(memoryview(body), path=path)


def spooled(body: bytes, cuts: list[int], path: str = "a.mzML") -> Reading:
    with METER.spool(path, size_bytes=len(body)) as spool:
        for start, end in itertools.pairwise([0, *sorted(cuts), len(body)]):
            spool.write(memoryview(body)[start:end])
        return spool.read(keep_on=lambda: None)


def of(*scans: Scan) -> dict[str, float | None]:
    found = read(run_of(scans))
    assert (found.problem, found.unmeasured) == (None, None)
    return found.metrics


class TestMzml(MeterContract):
    @pytest.fixture
    def meter(self) -> Meter:
        return METER

    @pytest.fixture
    def good(self) -> tuple[str, bytes]:
        return "run/a.mzML", WHOLE


class TestGzip(TestMzml):
    @pytest.fixture
    def good(self) -> tuple[str, bytes]:
        return "run/a.mzML.gz", gzip.compress(WHOLE)


class TestImaging(TestMzml):
    @pytest.fixture
    def good(self) -> tuple[str, bytes]:
        return "run/a.imzML", plain(document(pixel(index) for index in range(20)))


@pytest.mark.parametrize(
    ("path", "taken"),
    [
        ("a.mzML", True),
        ("sub/A.MZML.GZ", True),
        ("a.imzML", True),
        ("a.ibd", False),
        ("a.raw", True),
        ("a.wiff", True),
        ("a.wiff.scan", False),
        ("a.d/analysis.tdf", True),
        ("a.d/analysis.tdf_bin", False),
        ("analysis.baf", True),
        ("a.d/AcqData/MSScan.bin", True),
        ("a.d/AcqData/MSPeak.bin", False),
        ("a.raw/_HEADER.TXT", True),
        ("a.raw/_FUNC001.DAT", False),
        ("notes.txt", False),
    ],
)
def test_spectra_and_one_file_of_each_thing_of_a_maker_are_taken(path: str, taken: bool) -> None:
    assert METER.takes(path, is_image=False) is taken


def test_a_makers_file_is_not_measured_and_says_so() -> None:
    found = read(b"\x01\xa1F\0i\0n", "run/a.raw")

    assert found.problem is None
    assert found.unmeasured == (
        "a.raw is of its maker's own format, which is kept as it is; convert it to mzML to have it measured"
    )


def test_what_a_run_is_made_of_is_counted() -> None:
    found = read(WHOLE).metrics

    assert (found["spectra"], found["spectra_declared"], found["ms1_spectra"], found["ms2_spectra"]) == (32, 32, 8, 24)
    assert (found["rt_first_seconds"], found["rt_last_seconds"]) == (0, pytest.approx(7.75))
    assert found["rt_gap_seconds"] == pytest.approx(0.25)
    assert (found["charge_2_share"], found["charge_3_share"]) == (pytest.approx(2 / 3), pytest.approx(1 / 3))
    assert (found["index_wrong"], found["checksum_wrong"], found["invalid_values"], found["wrong_arrays"]) == (0,) * 4
    assert found["mz_lowest"] == 300
    assert found["precursor_mz_highest"] == 431


@pytest.mark.parametrize("is_zlib", [True, False])
@pytest.mark.parametrize("is_64_bit", [True, False])
def test_a_current_that_is_not_stated_is_added_up_from_the_peaks(is_zlib: bool, is_64_bit: bool) -> None:
    scans = [Scan(seconds=float(one), states_tic=False, is_zlib=is_zlib, is_64_bit=is_64_bit) for one in range(5)]

    found = of(*scans)

    peaks = [heights(scan, index).astype("f8") for index, scan in enumerate(scans)]
    assert found["tic_sum_counts"] == pytest.approx(sum(one.sum() for one in peaks), rel=1e-12)
    assert found["base_peak_maximum_counts"] == max(one.max() for one in peaks)
    assert (found["tic_stated_share"], found["tic_decoded_share"], found["tic_unknown_share"]) == (0, 1, 0)


def test_peaks_are_not_decoded_where_the_current_is_stated() -> None:
    body = WHOLE.replace(b"<binary>", b"<binary>!!!!", 1)  # no base64; nobody looks

    assert read(body).metrics["tic_stated_share"] == 1


def test_a_compression_that_nothing_here_decodes_leaves_the_current_unknown() -> None:
    scan = Scan(states_tic=False)
    body = plain(document([spectrum(scan, 0).replace("MS:1000574", "MS:1002314")]))

    found = read(body).metrics

    assert (found["tic_unknown_share"], found["wrong_arrays"], found["tic_sum_counts"]) == (1, 0, None)


def test_the_chromatogram_is_that_of_the_survey_scans() -> None:
    scans = gradient(8)
    tic, base_peak, charges = read(WHOLE).curves

    assert (tic.name, base_peak.name, charges.name) == (
        "tic_counts_by_seconds",
        "base_peak_counts_by_seconds",
        "precursors_by_charge",
    )
    assert tic.x == pytest.approx([scan.seconds for scan in scans if scan.level == 1])
    assert tic.y == pytest.approx([scan.tic for scan in scans if scan.level == 1])
    assert (charges.x, charges.y) == ((2, 3), (16, 8))


def test_a_long_run_is_drawn_with_a_thousand_points_that_keep_its_mean() -> None:
    tally = spectra_tally.Tally()
    seconds = [one * 0.7 for one in range(50_000)]
    random.Random(1).shuffle(seconds)
    for one in seconds:
        tally.take(spectra_tally.Spectrum(points=5, level=1, tic=one, base_peak=one, seconds=one))

    tic, base_peak = tally.curves()

    assert CURVE_POINTS / 2 <= len(tic.x) <= CURVE_POINTS
    assert list(tic.x) == sorted(tic.x)
    assert tic.y == pytest.approx(tic.x)
    assert all(
        high is not None and mean is not None and high >= mean for high, mean in zip(base_peak.y, tic.y, strict=True)
    )


def test_a_silence_is_told_by_its_share_of_the_run() -> None:
    quiet = [scan for scan in gradient(100, ms2=1) if scan.seconds is None or not 40 < scan.seconds < 60]

    found = of(*quiet)

    assert found["rt_gap_seconds"] == pytest.approx(20)
    assert found["rt_gap_share"] == pytest.approx(20 / 99.5)
    assert of(*gradient(100))["rt_gap_share"] == 0


def test_times_that_go_backwards_leave_gaps_untold() -> None:
    scans = gradient(10)

    found = of(*scans[20:], *scans[:20])

    assert (found["rt_backward_spectra"], found["rt_gap_seconds"], found["rt_gap_share"]) == (1, None, None)
    assert (found["rt_first_seconds"], found["rt_last_seconds"]) == (0, pytest.approx(9.75))


def test_a_time_without_a_unit_is_not_guessed() -> None:
    inner = document(spectrum(scan, index) for index, scan in enumerate(gradient(4)))

    found = read(plain(inner.replace('unitAccession="UO:0000031"', ""))).metrics

    assert (found["rt_unknown_spectra"], found["rt_first_seconds"]) == (16, None)


def test_jumps_and_falls_of_the_survey_scans_are_counted() -> None:
    currents = [1e6, 1e6, 1e4, 1e6, 0, 1e6]

    found = of(*(Scan(seconds=float(one), tic=tic) for one, tic in enumerate(currents)))

    assert (found["tic_jumps"], found["tic_falls"], found["tic_jump_share"]) == (2, 2, 0.8)
    assert found["empty_ms1_spectra"] == 1


def test_charges_polarity_and_kind_are_shares_of_what_is_told() -> None:
    scans = [
        Scan(level=2, charge=charge, is_positive=charge != 1, is_centroid=charge != 2, seconds=float(index))
        for index, charge in enumerate([1, 2, 3, 4, 7, None, None, None])
    ]

    found = of(*scans)

    shares = [found[f"charge_{name}_share"] for name in ("1", "2", "3", "4_up", "unknown")]
    assert shares == [0.125, 0.125, 0.125, 0.25, 0.375]
    assert found["charge_mean"] == pytest.approx(17 / 5)
    assert (found["positive_share"], found["centroid_share"], found["profile_share"]) == (0.875, 0.875, 0.125)


def test_a_mass_error_is_taken_where_it_is_stated_and_nowhere_made() -> None:
    more = '<userParam name="Mass error (ppm)" value="{}"/><userParam name="mass error" value="99"/>'
    stated = of(Scan(more=more.format("-4")), Scan(seconds=1.0, more=more.format("2")))
    analyser = read(plain(document([spectrum(Scan(), 0)], accuracy_ppm=3))).metrics

    assert (stated["mass_error_mean_ppm"], stated["mass_error_worst_ppm"]) == (3, 4)
    assert stated["mass_accuracy_ppm"] is None
    assert (analyser["mass_accuracy_ppm"], analyser["mass_error_mean_ppm"]) == (3, None)


def test_an_imaging_file_takes_common_terms_from_groups_and_lengths_from_its_ibd() -> None:
    found = read(plain(document(pixel(index) for index in range(20))), "a.imzML").metrics

    assert (found["is_imaging"], found["ms1_spectra"], found["profile_share"], found["positive_share"]) == (1, 20, 1, 1)
    assert (found["empty_ms1_spectra"], found["wrong_arrays"], found["rt_first_seconds"]) == (0, 0, None)


def test_light_is_no_mass_spectrum() -> None:
    found = of(Scan(more=term("MS:1000804")), Scan(seconds=1.0))

    assert (found["spectra"], found["light_spectra"], found["ms1_spectra"]) == (2, 1, 1)


INNER = document((spectrum(scan, index) for index, scan in enumerate(gradient(4))), chromatograms=2)


def test_an_index_of_spectra_and_chromatograms_is_right() -> None:
    found = read(indexed(INNER)).metrics

    assert (found["index_wrong"], found["checksum_wrong"], found["chromatograms"]) == (0, 0, 2)


@pytest.mark.parametrize(
    "body",
    [
        indexed(INNER, shift=1),
        indexed(INNER).replace(b'<offset idRef="scan=2">', b'<offset idRef="scan=2">1', 1),
        indexed(INNER).replace(b'<offset idRef="scan=2">', b'<offset idRef="scan=2">x', 1),
        indexed(INNER).replace(b'<offset idRef="T1">', b'<offset idRef="T1">9', 1),
        indexed(INNER).replace(b"<indexListOffset>", b"<indexListOffset>1", 1),
        indexed(INNER).replace(b"indexListOffset>", b"noOffset>"),
        indexed(INNER).replace(b"<run id", b"<run  id"),
        plain(INNER).replace(b"<mzML", b"<indexedmzML><mzML", 1) + b"</indexedmzML>",
    ],
)
def test_an_index_that_leads_elsewhere_is_told_and_the_spectra_are_measured_all_the_same(body: bytes) -> None:
    found = read(body)

    assert found.problem is None
    assert (found.metrics["index_wrong"], found.metrics["spectra"]) == (1, 16)


@pytest.mark.parametrize(
    ("sha1", "wrong"), [(None, 0), ("0", None), ("0" * 40, None), ("f" * 40, 1), ("DemoFile", 1), ("", None)]
)
def test_a_checksum_is_held_against_the_bytes_where_a_writer_made_one(sha1: str | None, wrong: int | None) -> None:
    assert read(indexed(INNER, sha1=sha1)).metrics["checksum_wrong"] == wrong


def test_a_byte_that_changed_on_the_way_is_found_by_the_checksum() -> None:
    body = indexed(INNER).replace(b"yeast_01", b"yeast_02", 1)

    found = read(body).metrics

    assert (found["checksum_wrong"], found["index_wrong"]) == (1, 0)


@pytest.mark.parametrize("value", ["NaN", "inf", "-INF", "-5", "1e999", "1_000", "", "much", "9" * 70, "0x10"])
@pytest.mark.parametrize("accession", ["MS:1000285", "MS:1000016", "MS:1000511", "MS:1000500"])
def test_a_value_that_cannot_be_is_counted_and_taken_for_none(accession: str, value: str) -> None:
    unit = "UO:0000031" if accession == "MS:1000016" else ""
    scan = Scan(seconds=None, more=term(accession, value, unit=unit))

    found = of(scan, replace(scan, more=""))

    assert found["invalid_values"] == 1
    assert found["rt_first_seconds"] is None
    assert found["tic_maximum_counts"] == pytest.approx(1e7)


def test_peaks_that_are_no_number_are_counted() -> None:
    scan = Scan(states_tic=False, is_64_bit=True, is_zlib=False, tic=float("nan"))

    found = of(scan)

    assert (found["invalid_values"], found["tic_sum_counts"]) == (1, None)


@pytest.mark.parametrize(("count", "told"), [("1000000000", 1e9), ("99", 99), ("-1", None), ("many", None)])
def test_a_count_that_is_not_so_is_kept_beside_what_was_found(count: str, told: float | None) -> None:
    found = read(plain(document([spectrum(Scan(), 0)], count=count))).metrics

    assert (found["spectra"], found["spectra_declared"]) == (1, told)


def _with_length(points: str) -> bytes:
    scan = Scan(states_tic=False, is_zlib=False)
    return plain(document([spectrum(scan, 0).replace('Length="20"', f'Length="{points}"')]))


@pytest.mark.parametrize("points", ["19", "21", "0", "1000000000"])
def test_arrays_of_another_length_than_declared_are_counted(points: str) -> None:
    assert read(_with_length(points)).metrics["wrong_arrays"] == 2


@pytest.mark.parametrize("is_zlib", [True, False])
def test_arrays_that_were_cut_or_damaged_are_counted(is_zlib: bool) -> None:
    text = spectrum(Scan(states_tic=False, is_zlib=is_zlib), 0)
    at = text.rindex("</binary>")

    cut, damaged = text[: at - 8] + text[at:], text[: at - 60] + "A" * 40 + text[at - 20 :]

    assert read(plain(document([cut]))).metrics["wrong_arrays"] == 1
    found = read(plain(document([damaged]))).metrics
    assert found["wrong_arrays"] == (1 if is_zlib else 0)  # without compression other bytes are other numbers


def test_an_array_that_unpacks_to_more_than_declared_is_not_unpacked() -> None:
    bomb = spectrum(Scan(states_tic=False, peaks=1_000_000, tic=0), 0)

    found = read(plain(document([bomb.replace('Length="1000000"', 'Length="10"')]))).metrics

    assert found["wrong_arrays"] == 1


def test_a_spectrum_that_declares_points_and_has_no_array_is_counted() -> None:
    text = spectrum(Scan(), 0)
    bare = text[: text.index("<binaryDataArrayList")] + "</spectrum>"

    assert read(plain(document([bare]))).metrics["wrong_arrays"] == 1
    assert read(plain(document([bare.replace('Length="20"', 'Length="0"')]))).metrics["wrong_arrays"] == 0


def test_white_space_in_an_array_is_no_fault() -> None:
    text = spectrum(Scan(states_tic=False, is_zlib=False), 0).replace("<binary>", "<binary>\n  ")

    found = read(plain(document([text]))).metrics

    assert (found["wrong_arrays"], found["tic_sum_counts"]) == (0, pytest.approx(1e7))


BOMB = b'<!DOCTYPE mzML [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
HOSTILE = {
    "cut off": (WHOLE[: WHOLE.index(b"<indexList ")], "it ends in the middle (no element found, line"),
    "cut off in a tag": (WHOLE[: WHOLE.rindex(b"<indexListOffset") + 5], "it ends in the middle (unclosed token"),
    "no mzML": (b"<html></html>", "it does not begin like mzML"),
    "an indexed nothing": (b"<indexedmzML/>", "it holds no element mzML"),
    "something behind its end": (WHOLE + b"<more/>", "it is no well-formed XML (junk after document element"),
    "tags that do not match": (b"<mzML><run></mzML>", "it is no well-formed XML (mismatched tag, line 1, byte"),
    "entities": (WHOLE.replace(b"<indexedmzML", BOMB + b"<indexedmzML", 1), "it declares a document type"),
    "an entity of a file": (
        b'<!DOCTYPE mzML [<!ENTITY a SYSTEM "file:///etc/passwd">]><mzML>&a;</mzML>',
        "it declares a document type",
    ),
    "an entity of nobody": (b"<mzML>&a;</mzML>", "it is no well-formed XML (undefined entity"),
    "another encoding than it says": (
        plain(document([])).replace(b"yeast", b"h\xe9fe"),
        "it is no well-formed XML (not well-formed",
    ),
    "an encoding of nobody": (WHOLE.replace(b'"utf-8"', b'"klingon"', 1), "it is"),
    "an encoding that expat cannot read": (WHOLE.replace(b'"utf-8"', b'"utf-7"', 1), "it is"),
    "nested": (b"<mzML>" + b"<a>" * 100, "its elements lie more than 64 deep"),
    "a long attribute": (b'<mzML a="' + b"x" * 3_000_000, "it holds one tag or comment of more than 1,024 KiB"),
    "a long comment": (b"<mzML><!--" + b"x" * 3_000_000, "it holds one tag or comment of more than 1,024 KiB"),
    "many names": (
        b"<mzML>" + b"".join(b"<a%d/>" % one for one in range(20_000)),
        "it uses more than 4,000 names",
    ),
    "many attributes": (
        b"<mzML>" + b"".join(b'<a b%d=""/>' % one for one in range(20_000)),
        "it uses more than 4,000 names",
    ),
    "a spectrum in another": (b"<mzML><spectrum><spectrum/></spectrum></mzML>", "a spectrum begins in it before"),
    "many groups": (
        b"<mzML>" + b"".join(b'<referenceableParamGroup id="%d"/>' % one for one in range(2000)),
        "it has more than 1,000 groups",
    ),
    "empty": (b"", "it is empty"),
}


@pytest.mark.parametrize(("body", "says"), list(HOSTILE.values()), ids=list(HOSTILE))
def test_a_bad_file_is_a_problem_in_words_and_has_no_metric(body: bytes, says: str) -> None:
    found = read(body)

    assert (found.problem or "").startswith(says), found.problem
    assert set(found.metrics) == set(METER.names)
    assert set(found.metrics.values()) == {None}
    assert found.curves == ()


PACKED = gzip.compress(WHOLE)
BAD_GZIP: dict[str, tuple[Callable[[], bytes], str]] = {
    "cut off": (lambda: PACKED[:-100], "its packed data end in the middle: the file was cut off"),
    "without its checksum": (lambda: PACKED[:-8], "its packed data end in the middle"),
    "a bit turned": (
        lambda: PACKED[:2000] + bytes([PACKED[2000] ^ 1]) + PACKED[2001:],
        "its packed data are damaged, since ",
    ),
    "no gzip": (lambda: WHOLE, "it does not begin like a gzip file"),
    "zeros behind it": (lambda: PACKED + bytes(512), "zeros follow the end"),
    "something behind it": (lambda: PACKED + b"more", "bytes that are no gzip follow the end"),
    "a bomb": (lambda: gzip.compress(b"<mzML>" + b" " * 200_000_000, 9), "it unpacks to more than 200 times its size"),
}


@pytest.mark.parametrize(("body", "says"), list(BAD_GZIP.values()), ids=list(BAD_GZIP))
def test_bad_gzip_is_a_problem_in_words(body: Callable[[], bytes], says: str) -> None:
    assert (read(body(), "a.mzML.gz").problem or "").startswith(says)


def test_gzip_of_several_members_is_read_as_gunzip_does() -> None:
    body = gzip.compress(WHOLE[:999]) + gzip.compress(WHOLE[999:])

    assert read(body, "a.mzML.gz") == read(WHOLE)


def test_an_encoding_that_it_declares_is_read() -> None:
    text = WHOLE.decode().replace('"utf-8"', '"iso-8859-1"').replace("yeast", "häfe!")
    wide = plain(INNER).decode().replace('"utf-8"', '"utf-16"').encode("utf-16")

    assert read(text.encode("latin-1")).metrics["spectra"] == 32
    assert read(wide).metrics["spectra"] == 16


SMALL = indexed(
    document((spectrum(replace(scan, peaks=3), one) for one, scan in enumerate(gradient(3))), chromatograms=1)
)
LONG = run_of(gradient(30))
DAMAGED = bytearray(gzip.compress(LONG, 0))
DAMAGED[len(DAMAGED) * 2 // 3] ^= 1
BODIES = {
    "a.mzML": LONG,
    "a.mzML.gz": gzip.compress(LONG, 0),
    "b.mzML": LONG[:-700],
    "c.mzML.gz": gzip.compress(LONG, 0)[:-9],
    "d.mzML.gz": bytes(DAMAGED),
    "e.mzML.gz": gzip.compress(LONG.replace(b"<run", b" " * 700_000 + b"<run")),
}


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(sorted(BODIES)), st.lists(st.integers(0, 300_000), max_size=12))
def test_any_cutting_into_pieces_gives_the_same_reading(path: str, cuts: list[int]) -> None:
    body = BODIES[path]

    assert spooled(body, [min(cut, len(body)) for cut in cuts], path) == read(body, path)


def test_byte_by_byte_gives_the_same_reading() -> None:
    assert spooled(SMALL, list(range(1, len(SMALL)))) == read(SMALL)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_content_raises_anything(data: st.DataObject) -> None:
    body = bytearray(SMALL)
    for at, value in data.draw(st.lists(st.tuples(st.integers(0, len(SMALL) - 1), st.integers(0, 255)), max_size=6)):
        body[at] = value

    found = read(bytes(body))

    assert found.problem or found.metrics["spectra"] is not None


values = st.text(max_size=8) | st.sampled_from(["1", "-1", "NaN", "1e400", "MS:1000285", "ppm"])
names = st.sampled_from(["mzML", "cvParam", "spectrum", "offset", "indexListOffset", *SpectraReader()._takers])
keys = st.sampled_from(["accession", "value", "name", "unitAccession", "count", "encodedLength", "id", "ref"])
accessions = st.sampled_from(sorted(SpectraReader()._terms))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(names, st.dictionaries(keys, values | accessions, max_size=4), st.integers(0, 2)), max_size=30)
)
def test_elements_in_any_order_raise_nothing(elements: list[tuple[str, dict[str, str], int]]) -> None:
    from xml.sax.saxutils import quoteattr

    text, opened = "", []
    for name, attributes, ends in elements:
        shown = "".join(f" {key}={quoteattr(value)}" for key, value in attributes.items())
        text += f"<{name}{shown}>"
        opened.append(name)
        for _ in range(min(ends, len(opened))):
            text += f"</{opened.pop()}>"
    text += "".join(f"</{name}>" for name in reversed(opened))

    found = read(f"<mzML>{text}</mzML>".encode("utf-8", "replace"))

    assert set(found.metrics) == set(METER.names)


def test_memory_does_not_grow_with_the_number_of_spectra() -> None:
    import tracemalloc

    one = "".join(spectrum(scan, index) for index, scan in enumerate(gradient(20, ms2=0)))
    whole = plain(document([one] * 50, count=1000))
    tracemalloc.start()
    with METER.spool("a.mzML", size_bytes=len(whole)) as spool:
        for start in range(0, len(whole), 1 << 16):
            spool.write(memoryview(whole)[start : start + (1 << 16)])
        assert spool.read(keep_on=lambda: None).metrics["spectra"] == 1000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 2_000_000


def test_a_text_without_an_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cisterna.adapters.spectra_reader.TEXT_BYTES_MAX", 1 << 20)
    body = b"<mzML><fileChecksum>" + b"x" * 12_000_000 + b"</fileChecksum></mzML>"

    assert "it holds one array or text of more than 1 MiB" in (read(body).problem or "")
    assert spectrum_array.TEXT_BYTES_MAX > xml_feed._TOKEN_BYTES


def test_what_a_term_of_a_group_has_besides_is_not_what_is_read_of_it() -> None:
    more = " ".join(f'a{number}="1"' for number in range(9))
    group = f'<referenceableParamGroup id="g"><cvParam {more} {term("MS:1000511", 2)[9:]}</referenceableParamGroup>'
    one = spectrum(Scan(), 0).replace(term("MS:1000511", 1), '<referenceableParamGroupRef ref="g"/>')

    reading = read(plain(document([one]).replace("<run", f"{group}<run", 1)))

    assert (reading.problem, reading.metrics["ms2_spectra"]) == (None, 1)


def test_a_number_of_a_group_that_is_too_long_to_be_one_is_not_cut_to_another() -> None:
    group = f'<referenceableParamGroup id="g">{term("MS:1000285", "12." + "0" * 99)}</referenceableParamGroup>'
    one = spectrum(Scan(), 0).replace(
        "<binaryDataArrayList", '<referenceableParamGroupRef ref="g"/><binaryDataArrayList', 1
    )

    found = read(plain(document([one]).replace("<run", f"{group}<run", 1))).metrics

    assert (found["invalid_values"], found["tic_stated_share"]) == (1, 0.0)
