"""Mass spectra: mzML, imaging mzML with its `.ibd`, and what the makers' own software writes, kept as it is.

- mzML ends with its closing tag. The indexed kind tells just before it at which byte its index begins.
- imzML is two files: the XML names the UUID that the `.ibd` begins with, and often a digest of the whole `.ibd`.
- `.raw` of Thermo is one file; of Waters a folder. `.d` of Bruker and Agilent is a folder; Bruker's holds an SQLite
  file, beside which a journal lies as long as it is open. `.wiff` of SCIEX has its spectra in a `.wiff.scan`.

None of them has a marker: a run is trusted after ten minutes of silence, or when checksum files close the folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from itertools import pairwise

from pydantic import JsonValue

from cisterna.domain.acquisition import Evidence
from cisterna.domain.delivered import DIGITS, DeliveredDigests
from cisterna.domain.errors import InvalidInput, NotFound
from cisterna.domain.listing import SeenFile
from cisterna.domain.untrusted import plain_text
from cisterna.ports.profile import Described, Look, Plane
from cisterna.services.file_evidence import file_digests, file_evidence

_MZML, _IMZML, _IBD = (
    re.compile(r".+\.mzml(\.gz)?", re.IGNORECASE),
    re.compile(r".+\.imzml", re.IGNORECASE),
    re.compile(r".+\.ibd", re.IGNORECASE),
)
_D_HOLDS, _WATERS = re.compile(r"analysis\.(tdf|tsf)(_bin)?|analysis\.(baf|yep)|acqdata", re.IGNORECASE), "_"
_THERMO = b"\x01\xa1F\0i\0n\0n\0i\0g\0a\0n\0"
_SQLITE, _JOURNALS = b"SQLite format 3\0", ("-journal", "-wal")
_GZIP = b"\x1f\x8b\x08"
_INDEX_AT = re.compile(rb"<indexListOffset>\s*(\d{1,19})\s*</indexListOffset>")
_UUID = re.compile(r"[0-9a-f]{32}")
_IBD_UUID = b"IMS:1000080"
_IBD_DIGESTS = {b"IMS:1000090": "md5", b"IMS:1000091": "sha1", b"IMS:1000092": "sha256"}
_MODES = {b"IMS:1000030": "continuous", b"IMS:1000031": "processed"}
_HEAD_BYTES, _TAIL_BYTES = 64 * 1024, 16 * 1024


class Mzml:
    """Implements `ports.profile.Profile`."""

    name = "mzml"
    quiet_seconds = 600.0
    stalled_seconds = 24 * 3600.0

    def claims(self, look: Look) -> bool:
        """Tell spectra by the names of files and folders; a `.raw` file, which others write too, by its beginning."""
        paths = look.listing.paths
        if any(one.fullmatch(path) for path in paths for one in (_MZML, _IMZML)):
            return True
        units = {path: unit for path in paths if (unit := _unit(look, path)) is not None}
        plain = sorted(path for path in units if _is_raw_file(path))
        return len(plain) < len(units) or any(_begins(look, path, _THERMO) for path in plain[:20])

    def inspect(self, look: Look) -> Evidence:
        """Hold pairs, checksum files and each file's ends against what is there."""
        paths = look.listing.paths
        missing = [*_mates(paths), *_halves(paths)]
        notes = _lone_wiffs(paths)
        evidence = file_evidence(look, _files(look), _fault, missing=missing, notes=notes)
        try:
            _digests(look)
        except (InvalidInput, NotFound) as fault:
            return evidence.model_copy(update={"plan_fault": evidence.plan_fault or str(fault)[:1000]})
        return evidence

    def describe(self, look: Look) -> Described:
        """Read the start of the first mzML, and name the makers' files."""
        paths = sorted(look.listing.paths)
        first = next((path for path in paths if _MZML.fullmatch(path) or _IMZML.fullmatch(path)), None)
        head = _head(look, first) if first is not None else b""
        units = sorted({unit for path in paths if (unit := _unit(look, path)) is not None})
        found: dict[str, JsonValue | None] = {
            "experiment_id": plain_text(look.folder),
            "mzml_files": sum(_MZML.fullmatch(path) is not None for path in paths),
            "imaging_files": sum(_IMZML.fullmatch(path) is not None for path in paths),
            "imaging_mode": next((mode for accession, mode in _MODES.items() if accession in head), None),
            "raw_files": [text for unit in units[:100] if (text := plain_text(unit)) is not None],
            "source_file": _attribute(head, rb"<sourceFile\s[^<>]{0,2000}?\bname"),
            "instrument_serial": _value(head, b"MS:1000529"),
        }
        return Described(
            title=plain_text(look.folder) or "Mass spectra",
            data_type="mass_spectrometry",
            fields={name: value for name, value in found.items() if value not in (None, [], 0)},
            started_at=_moment(_attribute(head, rb"<run\s[^<>]{0,2000}?\bstartTimeStamp")),
        )

    def delivered(self, look: Look) -> DeliveredDigests:
        """Give the digests of the checksum files, and those that imzML files tell of their `.ibd`."""
        return _digests(look)

    def is_image(self, path: str) -> bool:
        """Measure nothing: an ion image is no micrograph."""
        del path
        return False

    def plane(self, path: str) -> Plane | None:
        """Place nothing."""
        del path
        return None


def _unit(look: Look, path: str) -> str | None:
    """Name what a maker's software writes as one thing: a file, or a folder, which may be the run's own."""
    parts = [look.folder, *path.split("/")]
    for folder, within in pairwise(parts):
        is_bruker_or_agilent = _ends(folder, ".d") and _D_HOLDS.fullmatch(within) is not None
        if is_bruker_or_agilent or (_ends(folder, ".raw") and within.startswith(_WATERS)):
            return folder
    return parts[-1].removesuffix(".scan") if _is_raw_file(path) or _is_wiff(path) else None


def _is_raw_file(path: str) -> bool:
    return _ends(path, ".raw")


def _is_wiff(path: str) -> bool:
    return any(_ends(path, ending) for ending in (".wiff", ".wiff2", ".wiff.scan"))


def _files(look: Look) -> list[SeenFile]:
    return [
        file
        for file in look.listing.files
        if _MZML.fullmatch(file.path)
        or _IMZML.fullmatch(file.path)
        or _IBD.fullmatch(file.path)
        or _unit(look, file.path) is not None
    ]


def _mates(paths: Iterable[str]) -> list[str]:
    """Name the halves of imzML pairs that lack."""
    stems = {path[: -len(ending)]: ending for ending in (".imzml", ".ibd") for path in paths if _ends(path, ending)}
    lower = {path.lower() for path in paths}
    wanted = ((f"{stem}.imzML", f"{stem}.ibd") for stem in sorted(stems))
    return [path for pair in wanted for path in pair if path.lower() not in lower]


def _halves(paths: frozenset[str]) -> list[str]:
    """Name the spectra that lack beside Bruker's tables, and the other way round."""
    found = []
    for path in sorted(paths):
        folder, slash, name = path.rpartition("/")
        for kind in ("tdf", "tsf"):
            pair = {f"analysis.{kind}": f"analysis.{kind}_bin", f"analysis.{kind}_bin": f"analysis.{kind}"}
            if name in pair and folder + slash + pair[name] not in paths:
                found.append(folder + slash + pair[name])
    return found


def _lone_wiffs(paths: frozenset[str]) -> list[str]:
    lone = [path for path in sorted(paths) if _ends(path, ".wiff") and f"{path}.scan" not in paths]
    return [f"{len(lone)} .wiff files have no .wiff.scan beside them ({lone[0][:200]})"] if lone else []


def _ends(path: str, ending: str) -> bool:
    return path.lower().endswith(ending)


def _fault(look: Look, file: SeenFile) -> str | None:
    """Say what of a file's ends cannot be a whole file's; of what the makers' software writes only what is known."""
    path = file.path
    if path.rpartition("/")[2] in {"analysis.tdf", "analysis.tsf"}:
        return _sqlite_fault(look, file)
    is_one_file = any(one.fullmatch(path) for one in (_MZML, _IMZML, _IBD)) or _is_raw_file(path) or _is_wiff(path)
    if is_one_file and file.size_bytes == 0:
        return "is empty"
    if _is_raw_file(path):
        zeros = bytes(len(_THERMO))
        return "begins with zeros, like a file that was allocated" if _begins(look, path, zeros) else None
    if _ends(path, ".gz"):
        return None if _begins(look, path, _GZIP) else "does not begin like a gzip file"
    if _IMZML.fullmatch(path):
        return _imzml_fault(look, file)
    return _mzml_fault(look, file) if _MZML.fullmatch(path) else None


def _mzml_fault(look: Look, file: SeenFile) -> str | None:
    head = look.head(file.path)
    is_indexed = b"<indexedmzML" in head
    if not is_indexed and b"<mzML" not in head:
        return "does not begin like mzML"
    tail = look.tail(file.path, limit_bytes=_TAIL_BYTES)
    closing = b"</indexedmzML>" if is_indexed else b"</mzML>"
    if not tail.rstrip(b" \t\r\n").endswith(closing):
        return f"does not end with {closing.decode()}"
    return _index_fault(tail, size_bytes=file.size_bytes) if is_indexed else None


def _index_fault(tail: bytes, *, size_bytes: int) -> str | None:
    told = _INDEX_AT.search(tail)
    if told is None:
        return "does not tell where its index begins"
    at = int(told[1])
    if at >= size_bytes:
        return f"holds {size_bytes} bytes and says that its index begins at {at}"
    within = at - (size_bytes - len(tail))
    if within >= 0 and not tail[within:].lstrip(b" \t\r\n").startswith(b"<indexList"):
        return f"has no index at {at}, where it says that one begins"
    return None


def _imzml_fault(look: Look, file: SeenFile) -> str | None:
    fault = _mzml_fault(look, file)
    if fault is not None:
        return fault
    mate = _ibd_of(look, file.path)
    said = re.sub(r"[{}-]", "", (_value(look.head(file.path, limit_bytes=_HEAD_BYTES), _IBD_UUID) or "").lower())
    if not _UUID.fullmatch(said):
        return "does not tell the UUID of its .ibd"
    found = look.head(mate, limit_bytes=16).hex() if mate is not None else said
    return None if found == said else f"tells the UUID {said}, and its .ibd begins with {found}"


def _sqlite_fault(look: Look, file: SeenFile) -> str | None:
    """Hold an SQLite file's header against its size, and look for the journal of one that is still open."""
    left = [file.path + ending for ending in _JOURNALS if file.path + ending in look.listing.paths]
    if left:
        return f"was not closed: {left[0]} is there"
    head = look.head(file.path, limit_bytes=100)
    if not head.startswith(_SQLITE) or len(head) < 100:
        return "does not begin like SQLite"
    page = int.from_bytes(head[16:18], "big")
    is_counted = head[24:28] == head[92:96]  # else an old library wrote it last, and the count is stale
    needed = (65536 if page == 1 else page) * int.from_bytes(head[28:32], "big") if is_counted else 0
    if needed > file.size_bytes:
        return f"holds {file.size_bytes} bytes where its header tells of {needed}"
    return None


def _digests(look: Look) -> dict[str, dict[str, str]]:
    """Gather all digests. Raises `InvalidInput` when an imzML contradicts a checksum file, and as `file_digests`."""
    found = {path: dict(digests) for path, digests in file_digests(look).items()}
    for path in sorted(look.listing.paths):
        mate = _ibd_of(look, path) if _IMZML.fullmatch(path) else None
        if mate is None:
            continue
        head = _head(look, path)
        for accession, algorithm in _IBD_DIGESTS.items():
            digest = (_value(head, accession) or "").lower()
            if not re.fullmatch(rf"[0-9a-f]{{{DIGITS[algorithm]}}}", digest):
                continue
            if found.setdefault(mate, {}).setdefault(algorithm, digest) != digest:
                msg = f"{path} and a checksum file disagree about the {algorithm} of {mate}; look at them"
                raise InvalidInput(msg, path=mate)
    return found


def _ibd_of(look: Look, path: str) -> str | None:
    stem = path[: -len(".imzml")]
    names = (f"{stem}{ending}" for ending in (".ibd", ".IBD", ".Ibd"))
    return next((name for name in names if name in look.listing.paths), None)


def _begins(look: Look, path: str, magic: bytes) -> bool:
    try:
        return look.head(path, limit_bytes=len(magic)) == magic
    except (InvalidInput, NotFound):
        return False


def _head(look: Look, path: str) -> bytes:
    """Read the beginning of a file for what it tells; one that cannot be read tells nothing."""
    try:
        return look.head(path, limit_bytes=_HEAD_BYTES)
    except (InvalidInput, NotFound):
        return b""


def _value(head: bytes, accession: bytes) -> str | None:
    """Read the value of a `cvParam`."""
    found = re.search(rb'<cvParam\s[^<>]{0,1000}?"' + accession + rb'"[^<>]{0,1000}>', head)
    return _attribute(found[0], rb"\svalue") if found else None


def _attribute(text: bytes, before: bytes) -> str | None:
    found = re.search(before + rb'\s*=\s*"([^"<]{1,500})"', text)
    return plain_text(found[1].decode("utf-8", "replace")) if found else None


def _moment(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None
