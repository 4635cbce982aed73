"""A flow cytometer that exports FCS files without a cell."""

from __future__ import annotations

from collections.abc import Mapping

from cisterna.testing.scripted_run import Mishap, ScriptedRun


def fcs(
    events: int = 50,
    *,
    channels: tuple[str, ...] = ("FSC-A", "SSC-A", "FITC-A"),
    version: str = "FCS3.1",
    said: Mapping[str, str] | None = None,
    is_large: bool = False,
    mark: str = "/",
) -> bytes:
    """Write an FCS file with events of 32 bits.

    Args:
        events: How many.
        channels: Their names.
        version: What it begins with.
        said: Keywords otherwise than they would be.
        is_large: Whether offsets are too long for its beginning, which then has zeros, and are told in TEXT.
        mark: The character between keywords.
    """
    data = bytes(4 * len(channels) * events)
    begin = 4096
    words = {
        "$TOT": str(events),
        "$PAR": str(len(channels)),
        "$MODE": "L",
        "$DATATYPE": "F",
        "$BYTEORD": "1,2,3,4",
        "$BEGINDATA": str(begin),
        "$ENDDATA": str(begin + len(data) - 1),
        "$NEXTDATA": "0",
        "$CYT": "Virtual/Cytometer",
        "$DATE": "22-NOV-2026",
    }
    for number, name in enumerate(channels, 1):
        words |= {f"$P{number}B": "32", f"$P{number}N": name, f"$P{number}R": "1024"}
    words |= said or {}
    cells = (part.replace(mark, mark * 2) for pair in words.items() for part in pair)
    text = f"{mark}{mark.join(cells)}{mark}".encode()
    last = begin + len(data) - 1 if data else 0
    offsets = (58, 58 + len(text) - 1, *((0, 0) if is_large else (begin, last)), 0, 0)
    header = f"{version}    {''.join(f'{offset:8}' for offset in offsets)}".encode()
    return (header + text).ljust(begin, b" ") + data


def virtual_cytometer(
    *, wells: tuple[str, ...] = ("A01", "A02"), mishap: Mishap = Mishap.NONE, victim: str = "plate_A02.fcs"
) -> ScriptedRun:
    """Give an export of a file a well."""
    files = {f"plate_{well}.fcs": fcs(50 + number) for number, well in enumerate(wells)}
    return ScriptedRun("plate 7", files, mishap=mishap, victim=victim)
