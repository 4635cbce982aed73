"""What is measured of mzML is what the field's own readers, pyteomics and pymzml, make of the same file."""

from __future__ import annotations

import gc
import gzip
import warnings
from collections import Counter
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from cisterna.adapters.spectra_meter import SpectraMeter
from cisterna.testing.spectra_files import Scan, gradient, run_of
from tests.samples import sample

METER = SpectraMeter()

pytestmark = [
    pytest.mark.filterwarnings("ignore::ImportWarning"),  # pymzml draws and decodes with more, where it is
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # both leave files open
]


@pytest.fixture(autouse=True)
def _tidied() -> Iterator[None]:
    """Let go of the files that the other readers leave open, before another test is blamed for them."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()


class Seen(NamedTuple):
    """One spectrum as another reader gives it."""

    level: int
    seconds: float
    intensities: np.ndarray
    charge: int | None
    precursor: float | None


def by_pyteomics(body: bytes) -> Iterator[Seen]:
    from pyteomics import mzml

    with mzml.MzML(BytesIO(body), use_index=False) as reader:
        for one in reader:
            scan = one["scanList"]["scan"][0]["scan start time"]
            precursors = one.get("precursorList", {}).get("precursor", [{}])
            ion = precursors[0].get("selectedIonList", {}).get("selectedIon", [{}])[0]
            yield Seen(
                one["ms level"],
                float(scan) * (60 if scan.unit_info == "minute" else 1),
                np.asarray(one["intensity array"], dtype=np.float64),
                ion.get("charge state"),
                ion.get("selected ion m/z"),
            )


def by_pymzml(body: bytes, folder: Path) -> Iterator[Seen]:
    import pymzml

    file = folder / "a.mzML"
    file.write_bytes(body)
    for one in pymzml.run.Reader(str(file)):
        ion: dict[str, Any] = (one.selected_precursors or [{}])[0]
        seconds = one.scan_time_in_minutes() * 60
        yield Seen(one.ms_level, seconds, np.asarray(one.i, dtype=np.float64), ion.get("charge"), ion.get("mz"))


def expected(spectra: list[Seen]) -> dict[str, float | None]:
    """Say by numpy what the definitions of the page come to."""
    levels = Counter(one.level for one in spectra)
    tics = [float(one.intensities.sum()) for one in spectra]
    ms1 = np.array([tic for tic, one in zip(tics, spectra, strict=True) if one.level == 1])
    times = [one.seconds for one in spectra]
    charges = Counter(one.charge or 0 for one in spectra if one.level == 2)
    known = charges.total() - charges[0]
    precursors = [one.precursor for one in spectra if one.precursor is not None]
    return {
        "spectra": len(spectra),
        "ms1_spectra": levels[1],
        "ms2_spectra": levels[2],
        "ms2_per_ms1": levels[2] / levels[1],
        "rt_first_seconds": min(times),
        "rt_last_seconds": max(times),
        "rt_span_seconds": max(times) - min(times),
        "rt_backward_spectra": int((np.diff(times) < 0).sum()),
        "tic_sum_counts": sum(tics),
        "tic_ms1_sum_counts": float(ms1.sum()),
        "tic_ms2_sum_counts": sum(tics) - float(ms1.sum()),
        "tic_maximum_counts": max(tics),
        "base_peak_maximum_counts": max(float(one.intensities.max()) for one in spectra),
        "tic_jumps": int((ms1[1:] > 10 * ms1[:-1]).sum()),
        "tic_falls": int((ms1[:-1] > 10 * ms1[1:]).sum()),
        "charge_2_share": charges[2] / charges.total(),
        "charge_3_share": charges[3] / charges.total(),
        "charge_unknown_share": charges[0] / charges.total(),
        "charge_mean": sum(charge * count for charge, count in charges.items()) / known,
        "precursor_mz_lowest": min(precursors),
        "precursor_mz_highest": max(precursors),
    }


def held_against(body: bytes, spectra: list[Seen]) -> None:
    found = METER.read(memoryview(body), path="a.mzML")

    assert found.problem is None
    for name, value in expected(spectra).items():
        assert found.metrics[name] == pytest.approx(value, rel=1e-6), name


@pytest.fixture(scope="module")
def bsa1() -> bytes:
    """An LTQ Orbitrap's run of digested serum albumin, cut to a thousand seconds."""
    return gzip.decompress(sample("pymzml", "tests/data/BSA1.mzML.gz"))


def test_a_real_run_is_measured_as_pyteomics_reads_it(bsa1: bytes) -> None:
    held_against(bsa1, list(by_pyteomics(bsa1)))


def test_a_real_run_is_measured_as_pymzml_reads_it(bsa1: bytes, tmp_path: Path) -> None:
    held_against(bsa1, list(by_pymzml(bsa1, tmp_path)))


def test_a_real_run_in_gzip_gives_the_same_and_knows_its_faults(bsa1: bytes) -> None:
    packed = sample("pymzml", "tests/data/BSA1.mzML.gz")

    found = METER.read(memoryview(packed), path="BSA1.mzML.gz")

    assert found == METER.read(memoryview(bsa1), path="BSA1.mzML")
    assert found.metrics["rt_backward_spectra"] == 1  # survey scans and fragments come from two files
    assert (found.metrics["invalid_values"], found.metrics["wrong_arrays"]) == (0, 0)


def test_a_real_file_that_somebody_shortened_by_hand_is_found_out() -> None:
    found = METER.read(memoryview(sample("pymzml", "tests/data/example.mzML")), path="example.mzML").metrics

    assert (found["spectra"], found["spectra_declared"]) == (11, 2918)
    assert (found["index_wrong"], found["checksum_wrong"]) == (1, 1)
    assert found["tic_stated_share"] == 1


@pytest.mark.parametrize("is_zlib", [True, False])
def test_what_we_write_ourselves_is_read_alike_by_others(is_zlib: bool, tmp_path: Path) -> None:
    scans = [
        Scan(level=one.level, seconds=one.seconds, tic=one.tic, charge=one.charge, states_tic=False, is_zlib=is_zlib)
        for one in gradient(12)
    ]
    body = run_of(scans)

    held_against(body, list(by_pyteomics(body)))
    held_against(body, list(by_pymzml(body, tmp_path)))
