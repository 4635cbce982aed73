"""Good files that were flipped, cut, filled up, repeated and given other numbers: each ends in a reading or in words.

And in the same ones, in whatever pieces the bytes come. Run for long by hand: `MUTATIONS=5000 pytest ...`.
"""

from __future__ import annotations

import gzip
import io
import math
import os
import random
import re
import struct
from collections.abc import Callable

import numpy as np
import pytest
import tifffile

from cisterna.adapters.cell_meter import CellMeter
from cisterna.adapters.fcs_meter import FcsMeter
from cisterna.adapters.image_meter import TiffMeter
from cisterna.adapters.sequence_meter import SequenceMeter
from cisterna.adapters.spectra_meter import SpectraMeter
from cisterna.adapters.table_meter import TableMeter
from cisterna.ports.quality import CURVE_POINTS, Meter, Reading
from cisterna.testing.interop_files import BINS, q_metrics
from cisterna.testing.reads import fastq_of, long_reads, short_reads
from cisterna.testing.spectra_files import gradient, run_of
from cisterna.testing.virtual_cells import cells
from cisterna.testing.virtual_cytometer import sample
from cisterna.testing.virtual_single_cell import matrix

MUTATIONS = int(os.environ.get("MUTATIONS", "60"))
NUMBERS = (b"0", b"-1", b"4294967296", b"18446744073709551616", b"1e308", b"1e-320", b"nan", b"inf", b"+1", b"1_0", b"")
BYTES = bytes((0, 1, 10, 13, 32, 34, 44, 60, 62, 127, 128, 255))


def image() -> bytes:
    written = io.BytesIO()
    pixels = np.kron(np.random.default_rng(0).integers(0, 3000, (9, 9)), np.ones((6, 6))).astype(np.uint16)
    tifffile.imwrite(written, np.stack([pixels] * 3), photometric="minisblack", compression="zlib")
    return written.getvalue()


SEQUENCES, SPECTRA = SequenceMeter(), SpectraMeter()
TABLES = TableMeter(spools=None, children=None)  # type: ignore[arg-type]
MATRICES = CellMeter(spools=None, children=None)  # type: ignore[arg-type]
ROWS = b"id,name,dose,taken\n" + b"".join(
    b'%d,"a ""%d""",%d.5,2026-11-%02d\n' % (n, n, n, n % 28 + 1) for n in range(90)
)
GOOD: dict[str, tuple[Meter, str, Callable[[], bytes]]] = {
    "short reads": (SEQUENCES, "a.fastq", lambda: fastq_of(short_reads(30))),
    "packed long reads": (SEQUENCES, "a.fastq.gz", lambda: gzip.compress(fastq_of(long_reads(9)))),
    "qualities of a run": (
        SEQUENCES,
        "InterOp/QMetricsOut.bin",
        lambda: q_metrics({(1, 1101, cycle): [cycle + 3] * len(BINS) for cycle in range(1, 9)}),
    ),
    "spectra": (SPECTRA, "a.mzML", lambda: run_of(gradient(3))),
    "packed spectra": (SPECTRA, "a.mzML.gz", lambda: gzip.compress(run_of(gradient(3)))),
    "events": (FcsMeter(), "a.fcs", lambda: sample(cells(700))),
    "counts": (MATRICES, "matrix.mtx", lambda: matrix(60)),
    "rows": (TABLES, "a.csv", lambda: ROWS),
    "packed rows": (TABLES, "a.csv.gz", lambda: gzip.compress(ROWS[:999]) + gzip.compress(ROWS[999:])),
    "pixels": (TiffMeter(limit_bytes=16 << 20), "a.tif", image),
}


def mutated(body: bytes, chance: random.Random) -> bytes:
    """Change a file in some places, more often near its beginning, where claims stand."""
    changed = bytearray(body)
    for _ in range(chance.choice((1, 1, 2, 5, 20))):
        at = chance.randrange(min(len(changed), chance.choice((200, 10**9)))) if changed else 0
        length = chance.choice((1, 2, 4, 8, 100))
        match chance.randrange(7):
            case 0:
                changed[at : at + length] = chance.randbytes(length)
            case 1:
                del changed[at : at + length]
            case 2:
                changed[at:at] = changed[at : at + length] * chance.choice((1, 40))
            case 3:
                changed[at : at + length] = bytes([chance.choice(BYTES)]) * length
            case 4:
                changed[at : at + 4] = struct.pack("<I", chance.choice((0, 1, 2**31 - 1, 2**32 - 1, len(changed))))
            case 5 if chance.random() < 0.3:
                del changed[at:]
            case _:
                found = list(re.finditer(rb"\d[\d.e+-]*", changed[at : at + 2000]))
                if found:
                    one = chance.choice(found)
                    changed[at + one.start() : at + one.end()] = chance.choice(NUMBERS)
    return bytes(changed)


def in_pieces(meter: Meter, path: str, body: bytes, chance: random.Random) -> Reading:
    place = meter.spool(path, size_bytes=len(body))
    if place is None:
        return meter.read(memoryview(body), path=path)
    with place as spool:
        rest = memoryview(body)
        while rest:
            length = chance.randint(1, chance.choice((3, 500, 100_000)))
            spool.write(rest[:length])
            rest = rest[length:]
        return spool.read(keep_on=lambda: None)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", GOOD, ids=list(GOOD))
def test_a_changed_file_is_measured_or_told_of_in_words_and_alike_in_any_pieces(name: str) -> None:
    meter, path, make = GOOD[name]
    good = make()
    assert meter.read(memoryview(good), path=path).problem is None

    for seed in range(MUTATIONS):
        chance = random.Random(f"{name} {seed}")
        if path.endswith(".gz") and seed % 3:
            body = gzip.compress(mutated(gzip.decompress(good), chance))
        else:
            body = mutated(good, chance)
        reading = meter.read(memoryview(body), path=path)

        values = [value for value in reading.metrics.values() if value is not None]
        why = reading.problem or reading.unmeasured
        assert bool(why) != bool(values), seed
        assert (why or "told").isprintable(), seed
        assert all(map(math.isfinite, values)), seed
        for curve in reading.curves:
            assert 0 < len(curve.x) == len(curve.y) <= CURVE_POINTS, seed
            assert all(map(math.isfinite, curve.x)), seed
        assert repr(in_pieces(meter, path, body, chance)) == repr(reading), seed
