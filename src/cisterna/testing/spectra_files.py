"""Writes mzML and imzML as converters do: spectra with peaks, an index that leads to them, and a SHA-1 over all."""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

_HEAD = '<?xml version="1.0" encoding="utf-8"?>\n'
_STARTS = re.compile(rb"<(spectrum|chromatogram) [^<>]*?\bid=\"([^\"]*)\"")


_NAMES = {
    "MS:1000016": "scan start time",
    "MS:1000041": "charge state",
    "MS:1000127": "centroid spectrum",
    "MS:1000128": "profile spectrum",
    "MS:1000129": "negative scan",
    "MS:1000130": "positive scan",
    "MS:1000285": "total ion current",
    "MS:1000500": "scan window upper limit",
    "MS:1000501": "scan window lower limit",
    "MS:1000505": "base peak intensity",
    "MS:1000511": "ms level",
    "MS:1000514": "m/z array",
    "MS:1000515": "intensity array",
    "MS:1000521": "32-bit float",
    "MS:1000523": "64-bit float",
    "MS:1000574": "zlib compression",
    "MS:1000576": "no compression",
    "MS:1000579": "MS1 spectrum",
    "MS:1000744": "selected ion m/z",
    "UO:0000031": "minute",
    "UO:0000169": "parts per million",
}
"""Other readers go by the names of terms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """One spectrum to be written.

    Attributes:
        tic: What its peaks add up to; 0 gives peaks of no height.
        charge: Of the ion that an MS2 spectrum is of; None is not told.
        states_tic: Whether it tells its total ion current and base peak, or leaves them to whoever reads its peaks.
        more: Further elements, as text, behind its own terms.
    """

    level: int = 1
    seconds: float | None = 0.0
    tic: float = 1e7
    peaks: int = 20
    charge: int | None = None
    is_positive: bool = True
    is_centroid: bool = True
    states_tic: bool = True
    is_zlib: bool = True
    is_64_bit: bool = False
    more: str = ""


def heights(scan: Scan, seed: int) -> np.ndarray:
    """Give the heights of a scan's peaks as they are written, whose sum is its total ion current."""
    parts = np.random.default_rng(seed).exponential(size=scan.peaks)
    total = parts.sum() if scan.peaks else 1.0
    return (parts / total * scan.tic).astype("<f8" if scan.is_64_bit else "<f4")


def term(accession: str, value: object = "", *, unit: str = "") -> str:
    """Write a term of the vocabulary."""
    told = f' unitCvRef="{unit[:2]}" unitAccession="{unit}" unitName="{_NAMES.get(unit, "")}"' if unit else ""
    cv, name = accession.partition(":")[0], _NAMES.get(accession, "")
    return f'<cvParam cvRef="{cv}" accession="{accession}" name="{name}" value="{value}"{told}/>'


def gradient(cycles: int = 40, *, ms2: int = 3, tic: float = 1e7, charges: Sequence[int] = (2, 2, 3)) -> list[Scan]:
    """Give a run as data-dependent acquisition writes it: an MS1 spectrum each second, and MS2 spectra behind it."""
    scans = []
    for cycle in range(cycles):
        hill = 0.4 + 0.6 * np.exp(-(((cycle - cycles / 2) / (cycles / 4)) ** 2))
        scans.append(Scan(seconds=float(cycle), tic=tic * float(hill), peaks=60))
        scans += [
            Scan(level=2, seconds=cycle + (one + 1) / (ms2 + 1), tic=tic / 100, charge=charges[one % len(charges)])
            for one in range(ms2)
        ]
    return scans


def _array(numbers: np.ndarray, accession: str, *, is_zlib: bool) -> str:
    body = numbers.tobytes()
    text = base64.b64encode(zlib.compress(body, 1) if is_zlib else body).decode()
    width = "MS:1000523" if numbers.dtype.itemsize == 8 else "MS:1000521"
    terms = term(width) + term("MS:1000574" if is_zlib else "MS:1000576") + term(accession)
    return f'<binaryDataArray encodedLength="{len(text)}">{terms}<binary>{text}</binary></binaryDataArray>\n'


def spectrum(scan: Scan, index: int) -> str:
    """Write one spectrum."""
    found = heights(scan, index)
    masses = np.linspace(300, 1500, scan.peaks)
    own = [
        term("MS:1000511", scan.level),
        term("MS:1000130" if scan.is_positive else "MS:1000129"),
        term("MS:1000127" if scan.is_centroid else "MS:1000128"),
    ]
    if scan.states_tic:
        own += [term("MS:1000285", repr(scan.tic)), term("MS:1000505", repr(float(found.max(initial=0))))]
    start = "" if scan.seconds is None else term("MS:1000016", repr(scan.seconds / 60), unit="UO:0000031")
    window = term("MS:1000501", 300) + term("MS:1000500", 1500)
    precursor = ""
    if scan.level > 1:
        ion = term("MS:1000744", 400 + index % 100) + ("" if scan.charge is None else term("MS:1000041", scan.charge))
        precursor = (
            '<precursorList count="1"><precursor><selectedIonList count="1">'
            f"<selectedIon>{ion}</selectedIon></selectedIonList></precursor></precursorList>"
        )
    return (
        f'<spectrum index="{index}" id="scan={index + 1}" defaultArrayLength="{scan.peaks}">{"".join(own)}{scan.more}\n'
        f'<scanList count="1"><scan>{start}<scanWindowList count="1"><scanWindow>{window}</scanWindow></scanWindowList>'
        f'</scan></scanList>{precursor}\n<binaryDataArrayList count="2">\n'
        f"{_array(masses, 'MS:1000514', is_zlib=scan.is_zlib)}{_array(found, 'MS:1000515', is_zlib=scan.is_zlib)}"
        "</binaryDataArrayList></spectrum>\n"
    )


def pixel(index: int, *, points: int = 16) -> str:
    """Write one spectrum of an imaging pair: its arrays lie in the `.ibd`, and what is common in a group of terms."""
    arrays = "".join(
        f'<binaryDataArray encodedLength="0"><referenceableParamGroupRef ref="{kind}"/>{term("IMS:1000103", points)}'
        f"{term('IMS:1000102', 16)}<binary/></binaryDataArray>"
        for kind in ("mz", "heights")
    )
    place = term("IMS:1000050", index % 10 + 1) + term("IMS:1000051", index // 10 + 1)
    return (
        f'<spectrum index="{index}" id="pixel={index + 1}" defaultArrayLength="0">'
        '<referenceableParamGroupRef ref="one"/>'
        f'{term("MS:1000285", 1000 + index)}<scanList count="1"><scan>{place}</scan></scanList>'
        f'<binaryDataArrayList count="2">{arrays}</binaryDataArrayList></spectrum>\n'
    )


GROUPS = (
    '<referenceableParamGroupList count="3">'
    f'<referenceableParamGroup id="mz">{term("MS:1000514")}{term("MS:1000523")}{term("IMS:1000101", "true")}'
    "</referenceableParamGroup>"
    f'<referenceableParamGroup id="heights">{term("MS:1000515")}{term("MS:1000521")}{term("IMS:1000101", "true")}'
    "</referenceableParamGroup>"
    f'<referenceableParamGroup id="one">{term("MS:1000579")}{term("MS:1000511", 1)}{term("MS:1000130")}'
    f"{term('MS:1000128')}</referenceableParamGroup></referenceableParamGroupList>"
)


def document(
    spectra: Iterable[str],
    *,
    source: str = "yeast_01.raw",
    content: str = "",
    count: int | str | None = None,
    accuracy_ppm: float = 0,
    chromatograms: int = 0,
) -> str:
    """Write the element mzML; `count` is how many spectra it declares, if not those that it has."""
    body = list(spectra)
    traces = "".join(
        f'<chromatogram index="{one}" id="T{one}" defaultArrayLength="0"/>\n' for one in range(chromatograms)
    )
    return (
        f'<mzML xmlns="http://psi.hupo.org/ms/mzml" version="1.1.0">\n'
        f'<fileDescription><fileContent>{content}</fileContent><sourceFileList count="1">'
        f'<sourceFile id="s" name="{source}" location="file:///"/></sourceFileList></fileDescription>\n{GROUPS}\n'
        '<instrumentConfigurationList count="1"><instrumentConfiguration id="i">'
        '<cvParam cvRef="MS" accession="MS:1000529" name="serial" value="Exactive 7"/><componentList count="1">'
        f'<analyzer order="2">{term("MS:1000014", accuracy_ppm, unit="UO:0000169")}</analyzer></componentList>'
        "</instrumentConfiguration></instrumentConfigurationList>\n"
        '<run id="r" startTimeStamp="2026-03-01T10:00:00Z">\n'
        f'<spectrumList count="{len(body) if count is None else count}">\n{"".join(body)}</spectrumList>\n'
        f"{f'<chromatogramList count={chr(34)}{chromatograms}{chr(34)}>{traces}</chromatogramList>' if traces else ''}"
        "</run>\n</mzML>\n"
    )


def plain(inner: str) -> bytes:
    """Write mzML without an index."""
    return f"{_HEAD}{inner}".encode()


def indexed(inner: str, *, shift: int = 0, sha1: str | None = None) -> bytes:
    """Write mzML with an index; `shift` lets it lead elsewhere, and `sha1` be another than its own."""
    before = f'{_HEAD}<indexedmzML xmlns="http://psi.hupo.org/ms/mzml">\n{inner}'.encode()
    places: dict[bytes, list[tuple[bytes, int]]] = {b"spectrum": [], b"chromatogram": []}
    for found in _STARTS.finditer(before):
        places[found[1]].append((found[2], found.start() + shift))
    indexes = b"".join(
        b'<index name="%s">\n%s</index>\n'
        % (kind, b"".join(b'<offset idRef="%s">%d</offset>\n' % one for one in places[kind]))
        for kind in places
        if kind == b"spectrum" or places[kind]
    )
    index = b'<indexList count="1">%s</indexList>\n<indexListOffset>%d</indexListOffset>\n' % (indexes, len(before))
    whole = before + index + b"<fileChecksum>"
    digest = hashlib.sha1(whole, usedforsecurity=False).hexdigest() if sha1 is None else sha1
    return whole + f"{digest}</fileChecksum>\n</indexedmzML>\n".encode()


def run_of(scans: Sequence[Scan], *, source: str = "yeast_01.raw", is_indexed: bool = True) -> bytes:
    """Write a run of scans."""
    inner = document((spectrum(scan, index) for index, scan in enumerate(scans)), source=source)
    return indexed(inner) if is_indexed else plain(inner)
