"""A mass spectrometer that writes its files without a mass: mzML, imaging pairs, and the shapes of the makers' own."""

from __future__ import annotations

import hashlib
import uuid

from cisterna.testing.scripted_run import Mishap, ScriptedRun
from cisterna.testing.spectra_files import document, gradient, pixel, plain, run_of

THERMO = b"\x01\xa1F\0i\0n\0n\0i\0g\0a\0n\0" + bytes(100)
_UUID = uuid.UUID("12345678-1234-4678-9234-567812345678")


def mzml(*, is_indexed: bool = True, cycles: int = 6, source: str = "yeast_01.raw") -> bytes:
    """Write mzML with spectra, with an index that leads to them or without."""
    return run_of(gradient(cycles), source=source, is_indexed=is_indexed)


def imzml(ibd: bytes, *, identity: uuid.UUID = _UUID) -> bytes:
    """Write the XML of an imaging pair, with the digest of its `.ibd`."""
    sha1 = hashlib.sha1(ibd, usedforsecurity=False).hexdigest()
    content = (
        f'<cvParam cvRef="IMS" accession="IMS:1000080" name="universally unique identifier" value="{{{identity}}}"/>'
        f'<cvParam cvRef="IMS" accession="IMS:1000091" name="ibd SHA-1" value="{sha1.upper()}"/>'
        '<cvParam cvRef="IMS" accession="IMS:1000030" name="continuous" value=""/>'
    )
    return plain(document((pixel(index) for index in range(12)), content=content))


def tdf(pages: int = 2) -> bytes:
    """Make the table of a Bruker run: an SQLite file by its header."""
    return (
        b"SQLite format 3\0"
        + (4096).to_bytes(2, "big")
        + bytes(10)
        + pages.to_bytes(4, "big")
        + bytes(4096 * pages - 32)
    )


def virtual_spectrometer(*, mishap: Mishap = Mishap.NONE, victim: str = "tissue.ibd") -> ScriptedRun:
    """Give a folder with a run of each kind: indexed mzML, plain mzML, an imaging pair, and three makers' files."""
    ibd = _UUID.bytes + bytes(64)
    files = {
        "yeast_01.raw": THERMO,
        "yeast_01.mzML": mzml(),
        "yeast_02.mzML": mzml(is_indexed=False, source="yeast_02.raw"),
        "tissue.imzML": imzml(ibd),
        "tissue.ibd": ibd,
        "serum.d/analysis.tdf": tdf(),
        "serum.d/analysis.tdf_bin": b"\1" * 40,
        "plasma.wiff": b"\xd0\xcf\x11\xe0",
        "plasma.wiff.scan": b"\2" * 40,
    }
    return ScriptedRun("batch 7", files, mishap=mishap, victim=victim)
