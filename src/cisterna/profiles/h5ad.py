"""Single cells: `.h5ad` files, and the matrices of 10x Genomics' pipelines, as HDF5 or as three text files.

An HDF5 file says in its first bytes where it ends, and is cut to that length when it is closed; one that is longer or
shorter was cut off, or is still open. A matrix in text is three files of one folder: the counts, the barcodes of the
cells, and the features. Nothing says which file is the last: silence closes the folder, or a checksum file.
"""

from __future__ import annotations

import re
import zlib
from collections import defaultdict

from pydantic import JsonValue

from cisterna.domain.acquisition import Evidence
from cisterna.domain.errors import InvalidInput, NotFound
from cisterna.domain.listing import SeenFile
from cisterna.domain.untrusted import plain_text
from cisterna.ports.profile import Described, Look
from cisterna.services.file_evidence import KeptAsTheyAre, file_evidence

_HDF5 = re.compile(r".+\.(h5ad|h5mu)|(.*/)?[^/]*((feature|gene)_bc_matri(x|ces)[^/]*|molecule_info)\.h5", re.IGNORECASE)
_TEXT = re.compile(r"(?P<folder>(?:.*/)?)(?P<what>matrix|barcodes|features|genes)\.(?:mtx|tsv)(?P<packed>\.gz)?")
_SIGNATURE, _GZIP, _ZEROS = b"\x89HDF\r\n\x1a\n", b"\x1f\x8b\x08", bytes(16)
_MATRIX = b"%%MatrixMarket matrix coordinate "
_SIZES = re.compile(rb"(?:^|\n)\s*(\d{1,12})[ \t]+(\d{1,12})[ \t]+(\d{1,15})[ \t\r]*\n")
_HEAD_BYTES, _UNPACKED_BYTES = 4096, 64 * 1024
_BEHIND = (512, 1024, 2048)
_OPEN_FOR_WRITING = 1


class H5ad(KeptAsTheyAre):
    """Implements `ports.profile.Profile`."""

    name = "h5ad"
    quiet_seconds = 300.0
    stalled_seconds = 24 * 3600.0

    def claims(self, look: Look) -> bool:
        """Tell single cells by the names that their programs give to files."""
        paths = look.listing.paths
        return any(_HDF5.fullmatch(path) for path in paths) or any(_is_matrix(path) for path in paths)

    def inspect(self, look: Look) -> Evidence:
        """Hold checksum files, the three files of each matrix and each file's ends against what is there."""
        return file_evidence(look, _files(look), _fault, missing=_lacking(look.listing.paths))

    def describe(self, look: Look) -> Described:
        """Count the files, and read how large the first matrix in text is."""
        files = _files(look)
        found: dict[str, JsonValue | None] = {
            "experiment_id": plain_text(look.folder),
            "hdf5_files": sum(_HDF5.fullmatch(file.path) is not None for file in files),
            "matrices": sum(_is_matrix(file.path) for file in files),
            **_matrix_sizes(look, files),
        }
        return Described(
            title=plain_text(look.folder) or "Single cells",
            data_type="single_cell",
            fields={name: value for name, value in found.items() if value not in (None, 0)},
        )


def _files(look: Look) -> list[SeenFile]:
    matrices = {found["folder"] for path in look.listing.paths if (found := _TEXT.fullmatch(path)) and _is_matrix(path)}
    return [
        file
        for file in look.listing.files
        if _HDF5.fullmatch(file.path) or ((found := _TEXT.fullmatch(file.path)) and found["folder"] in matrices)
    ]


def _is_matrix(path: str) -> bool:
    return path.rpartition("/")[2] in {"matrix.mtx", "matrix.mtx.gz"}


def _lacking(paths: frozenset[str]) -> list[str]:
    """Name what lacks of the three files of a matrix, packed as those that are there; features were once genes."""
    folders: dict[tuple[str, str], set[str]] = defaultdict(set)
    for path in paths:
        found = _TEXT.fullmatch(path)
        if found is not None:
            folders[found["folder"], found["packed"] or ""].add(found["what"])
    missing = []
    for (folder, packed), there in sorted(folders.items()):
        if "matrix" not in there and len(there) < 2:
            continue  # a list of barcodes or genes alone is somebody's table, and no half of a matrix
        rows = () if there & {"features", "genes"} else ("features.tsv",)
        wanted = ("matrix.mtx", "barcodes.tsv", *rows)
        missing += [f"{folder}{name}{packed}" for name in wanted if f"{folder}{name}{packed}" not in paths]
    return missing


def _fault(look: Look, file: SeenFile) -> str | None:
    if file.size_bytes == 0:
        return "is empty"
    head = look.head(file.path, limit_bytes=_HEAD_BYTES)
    if _HDF5.fullmatch(file.path):
        # Where something else lies before it, its addresses may count from either beginning, and nothing is reckoned.
        is_behind = any(head.startswith(_SIGNATURE, at) for at in _BEHIND)
        return None if is_behind else _hdf5_fault(head, size_bytes=file.size_bytes)
    if file.path.endswith(".gz"):
        if not head.startswith(_GZIP):
            return "does not begin like a gzip file"
        if look.tail(file.path, limit_bytes=len(_ZEROS)) == _ZEROS:
            return "ends in zeros, like a file that was allocated and not written"
        head = _unpacked(head)
    return "does not begin like a matrix" if _is_matrix(file.path) and not head.startswith(_MATRIX) else None


def _hdf5_fault(head: bytes, *, size_bytes: int) -> str | None:
    """Read where the file says that it ends (HDF5 File Format Specification 3.0, section II.A)."""
    if not head.startswith(_SIGNATURE) or len(head) < 24:
        return "does not begin like HDF5"
    version = head[8]
    if version > 3:
        return f"has a superblock of version {version}, which is not known here"
    width = head[13] if version < 2 else head[9]
    first = {0: 24, 1: 28}.get(version, 12)
    if width not in {4, 8} or len(head) < first + 3 * width:
        return "does not tell where it ends"
    base, _, end = (int.from_bytes(head[at : at + width], "little") for at in range(first, first + 3 * width, width))
    if version == 3 and head[11] & _OPEN_FOR_WRITING:
        return "says that a program has it open for writing"
    if base == 0 and end != size_bytes:
        return f"holds {size_bytes} bytes and says that it ends at {end}"
    return None


def _unpacked(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=31).decompress(head, _UNPACKED_BYTES)
    except zlib.error:
        return b""


def _matrix_sizes(look: Look, files: list[SeenFile]) -> dict[str, JsonValue]:
    path = next((file.path for file in files if _is_matrix(file.path)), None)
    if path is None:
        return {}
    try:
        head = look.head(path, limit_bytes=_HEAD_BYTES)
    except (InvalidInput, NotFound):
        return {}
    found = _SIZES.search(_unpacked(head) if path.endswith(".gz") else head)
    return dict(zip(("features", "cells", "entries"), map(int, found.groups()), strict=True)) if found else {}
