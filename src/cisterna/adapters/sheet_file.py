"""Reads plate maps and sample sheets by the kinds of their files."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace

from cisterna.adapters.sheet_mihcsme import is_mihcsme, read_mihcsme
from cisterna.adapters.sheet_workbook import read_workbook, require_bearable
from cisterna.domain.errors import HostileInput, InvalidInput
from cisterna.domain.sample_sheet import SampleSheet
from cisterna.domain.text import cut_line
from cisterna.metadata.sheet_grid import read_grids
from cisterna.metadata.sheet_isa import is_isa_file, is_study, read_isa
from cisterna.metadata.sheet_text import read_text_grid
from cisterna.ports.sample_sheet import SIZE_LIMIT_BYTES

_PACKED = b"PK\x03\x04"
_OLD_WORKBOOK = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


class SheetFiles:
    """Implements `ports.sample_sheet.SheetReader` for CSV, TSV, XLSX, MIHCSME workbooks and ISA-Tab."""

    def read(self, files: Mapping[str, bytes]) -> SampleSheet:
        """Read a sheet; what kind it is of is told by its bytes, and only then by its name."""
        size = sum(map(len, files.values()))
        if size > SIZE_LIMIT_BYTES:
            msg = f"the sheet has {size:,} bytes and at most {SIZE_LIMIT_BYTES:,} are read; give the wells of one run"
            raise HostileInput(msg, size_bytes=size)
        if len(files) != 1 or all(map(is_isa_file, files)):
            return read_isa({name: body for name, body in files.items() if is_isa_file(name)})
        name, body = next(iter(files.items()))
        what = cut_line(name.rpartition("/")[2]) or "the sheet"
        if body.startswith(_OLD_WORKBOOK):
            raise InvalidInput(f"{what} is an old XLS workbook, or one with a password; save it as XLSX without one")
        if body.startswith(_PACKED):
            return _read_packed(body, what)
        if name.lower().endswith((".xlsx", ".xlsm", ".zip")):
            raise InvalidInput(f"{what} is not what its name says: no packed file; save it anew")
        if is_study(body):
            return read_isa(files)
        delimiter = "\t" if name.lower().endswith(".tsv") else None
        return read_grids([read_text_grid(body, what, delimiter=delimiter)], what)


def _read_packed(body: bytes, what: str) -> SampleSheet:
    require_bearable(body, what)
    isa = _isa_within(body, what)
    if isa:
        return read_isa(isa)
    grids = read_workbook(body, what)
    sheet = read_mihcsme(body, grids, what) if is_mihcsme(grids) else read_grids(grids, what)
    return replace(sheet, remarks=(*sheet.remarks, *(remark for grid in grids for remark in grid.remarks)))


def _isa_within(body: bytes, what: str) -> dict[str, bytes]:
    """Take the files of an ISA-Tab out of an archive; empty for an archive of anything else."""
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as packed:
            members = [one for one in packed.infolist() if is_isa_file(one.filename)]
            _require_small(members, what)
            names = [one.filename for one in members]
            found = {name: packed.read(name) for name in names}
    except HostileInput:
        raise
    except Exception as error:  # of zipfile and what it unpacks with: each raises errors of its own
        raise InvalidInput(
            f"{what} cannot be unpacked; pack the files of the ISA-Tab anew, without a password"
        ) from error
    if len({name.rpartition("/")[2] for name in names}) != len(names):
        raise InvalidInput(f"{what} holds two files of one name; pack one ISA-Tab")
    return found


def _require_small(members: Sequence[zipfile.ZipInfo], what: str) -> None:
    size = sum(one.file_size for one in members)
    if size > SIZE_LIMIT_BYTES:
        msg = (
            f"the ISA-Tab in {what} has {size:,} bytes and at most {SIZE_LIMIT_BYTES:,} are read; give that of one run"
        )
        raise HostileInput(msg)
