"""A flow cytometer that exports FCS files, of cells or without any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cisterna.testing.scripted_run import Mishap, ScriptedRun
from cisterna.testing.virtual_cells import PARAMETERS, TIMESTEP, TOP, cells

_DATA_BEGINS = 4096


def fcs(
    events: int = 50,
    *,
    channels: tuple[str, ...] = ("FSC-A", "SSC-A", "FITC-A"),
    version: str = "FCS3.1",
    said: Mapping[str, str] | None = None,
    is_large: bool = False,
    mark: str = "/",
) -> bytes:
    """Write an FCS file with events of 32 bits that are all zero.

    Args:
        events: How many.
        channels: Their names.
        version: What it begins with.
        said: Keywords otherwise than they would be.
        is_large: Whether offsets are too long for its beginning, which then has zeros, and are told in TEXT.
        mark: The character between keywords.
    """
    nothing = np.zeros((events, len(channels)))
    return fcs_of(nothing, channels, top=1024, version=version, said=said, is_large=is_large, mark=mark)


def fcs_of(
    values: NDArray[Any],
    names: Sequence[str],
    *,
    kind: str = "F",
    bits: Sequence[int] | int = 32,
    top: float = TOP,
    is_little: bool = True,
    version: str = "FCS3.1",
    said: Mapping[str, str] | None = None,
    is_large: bool = False,
    mark: str = "/",
    tail: bytes = b"",
) -> bytes:
    """Write an FCS file.

    Args:
        values: One row an event, one column a parameter.
        names: Of the parameters.
        kind: $DATATYPE: I, F or D.
        bits: Of every parameter, or of each.
        top: $PnR of every parameter.
        is_little: Whether the bytes of a number come with the least one first.
        version: As `fcs` has it, and so the next three.
        said: Keywords otherwise than they would be.
        is_large: Whether offsets are told in TEXT alone.
        mark: The character between keywords.
        tail: What follows DATA, such as a checksum.
    """
    widths = [bits] * len(names) if isinstance(bits, int) else list(bits)
    data = b"" if not len(values) else _data(values, kind, widths, is_little=is_little)
    order = "1,2,3,4" if is_little else "4,3,2,1"
    words = {
        "$TOT": str(len(values)),
        "$PAR": str(len(names)),
        "$MODE": "L",
        "$DATATYPE": kind,
        "$BYTEORD": order,
        "$BEGINDATA": str(_DATA_BEGINS),
        "$ENDDATA": str(_DATA_BEGINS + len(data) - 1),
        "$NEXTDATA": "0",
        "$CYT": "Virtual/Cytometer",
        "$DATE": "22-NOV-2026",
    }
    for number, (name, width) in enumerate(zip(names, widths, strict=True), 1):
        words |= {f"$P{number}B": str(width), f"$P{number}N": name, f"$P{number}R": f"{top:g}"}
    words |= said or {}
    cells = (part.replace(mark, mark * 2) for pair in words.items() for part in pair)
    text = f"{mark}{mark.join(cells)}{mark}".encode()
    last = _DATA_BEGINS + len(data) - 1 if data else 0
    offsets = (58, 58 + len(text) - 1, *((0, 0) if is_large else (_DATA_BEGINS, last)), 0, 0)
    header = f"{version}    {''.join(f'{offset:8}' for offset in offsets)}".encode()
    return (header + text).ljust(_DATA_BEGINS, b" ") + data + tail


def _data(values: NDArray[Any], kind: str, widths: Sequence[int], *, is_little: bool) -> bytes:
    columns = []
    for column, width in zip(np.asarray(values).T, widths, strict=True):
        room = width if kind != "I" else next(one for one in (8, 16, 32, 64) if one >= width)
        code = f"<{'u' if kind == 'I' else 'f'}{room // 8}"
        raw = column.astype(code).view(np.uint8).reshape(len(column), -1)[:, : width // 8]
        columns.append(raw if is_little else raw[:, ::-1])
    return np.hstack(columns).tobytes()


def sample(events: NDArray[np.float64] | None = None, *, said: Mapping[str, str] | None = None) -> bytes:
    """Write a stained sample as a cytometer of today does, with its clock and a spillover matrix."""
    words = {
        "$TIMESTEP": f"{TIMESTEP}",
        "$BTIM": "10:00:00.00",
        "$ETIM": "10:01:00.00",
        "$SPILLOVER": "2,FITC-A,PE-A,1,0.15,0.02,1",
        **(said or {}),
    }
    return fcs_of(cells() if events is None else events, PARAMETERS, said=words)


def virtual_cytometer(
    *, wells: tuple[str, ...] = ("A01", "A02"), mishap: Mishap = Mishap.NONE, victim: str = "plate_A02.fcs"
) -> ScriptedRun:
    """Give an export of a file a well, without a cell in it."""
    files = {f"plate_{well}.fcs": fcs(50 + number) for number, well in enumerate(wells)}
    return ScriptedRun("plate 7", files, mishap=mishap, victim=victim)


def virtual_samples(**bodies: bytes) -> ScriptedRun:
    """Give an export of stained samples, of which some may be otherwise: by well, what its file holds."""
    whole = {well: sample(cells(seed=number)) for number, well in enumerate(("A01", "A02", "A03"))}
    return ScriptedRun("plate 8", {f"plate_{well}.fcs": body for well, body in {**whole, **bodies}.items()})
