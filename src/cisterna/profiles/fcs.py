"""Flow cytometry: folders of FCS 2.0, 3.0, 3.1 and 3.2 files, as cytometers export them one by one.

An FCS file tells in its first 58 bytes where its parts lie, and in the part TEXT how many events of how many bits the
part DATA holds; so a file that was cut off contradicts itself. Nothing says which file is the last: silence closes the
folder, or a checksum file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydantic import JsonValue

from cisterna.domain.acquisition import Evidence
from cisterna.domain.errors import InvalidInput, NotFound
from cisterna.domain.fcs_header import HEADER_BYTES, MOST_BYTES, MOST_EVENTS, VERSIONS, count_of, keywords_of, parts_of
from cisterna.domain.listing import SeenFile
from cisterna.domain.untrusted import plain_text
from cisterna.ports.profile import Described, Look
from cisterna.services.file_evidence import KeptAsTheyAre, file_evidence

_FILE = re.compile(r".+\.(fcs|lmd)", re.IGNORECASE)
_TEXT_BYTES = 1024 * 1024
_MOST_CHANNELS, _MOST_BITS = 10_000, 1024
_COUNTS = {"$TOT": MOST_EVENTS, "$PAR": _MOST_CHANNELS}


class Fcs(KeptAsTheyAre):
    """Implements `ports.profile.Profile`."""

    name = "fcs"
    quiet_seconds = 600.0
    stalled_seconds = 24 * 3600.0

    def claims(self, look: Look) -> bool:
        """Tell cytometry by the names of its files."""
        return any(map(_FILE.fullmatch, look.listing.paths))

    def inspect(self, look: Look) -> Evidence:
        """Hold checksum files, and what each file says of itself, against what is there."""
        return file_evidence(look, _files(look), _fault)

    def describe(self, look: Look) -> Described:
        """Read cytometer and channels from the first file that tells them."""
        said = _first_text(look)
        channels = [_named(said, number) for number in range(1, (count_of(said, "$PAR", most=200) or 0) + 1)]
        found: dict[str, JsonValue | None] = {
            "experiment_id": plain_text(said.get("EXPERIMENT NAME")) or plain_text(look.folder),
            "files": len(_files(look)),
            "channels": [name for name in channels if name is not None],
            "events": count_of(said, "$TOT", most=MOST_EVENTS),
            "instrument_serial": plain_text(said.get("$CYTSN")),
            "software": plain_text(said.get("CREATOR")) or plain_text(said.get("$SYS")),
            "acquired_on": plain_text(said.get("$DATE")),  # a day without a zone names no moment
        }
        return Described(
            title=plain_text(look.folder) or "Flow cytometry",
            data_type="cytometry",
            fields={name: value for name, value in found.items() if value not in (None, [], 0)},
            instrument_model=plain_text(said.get("$CYT")),
        )


def _files(look: Look) -> list[SeenFile]:
    return [file for file in look.listing.files if _FILE.fullmatch(file.path)]


def _fault(look: Look, file: SeenFile) -> str | None:
    size = file.size_bytes
    if size == 0:
        return "is empty"
    header = look.head(file.path, limit_bytes=HEADER_BYTES)
    if header[:6] not in VERSIONS:
        return "does not begin like FCS 2.0 to 3.2"
    parts = parts_of(header)
    if parts is None:
        return "does not tell in its first 58 bytes where its parts lie"
    beyond = _beyond(parts, size_bytes=size)
    if beyond is not None:
        return beyond
    begin, end = parts["TEXT"]
    if end >= _TEXT_BYTES:
        return None  # so much about one file is not read for a look
    said = keywords_of(look.head(file.path, limit_bytes=end + 1)[begin:])
    return _data_fault(said, parts.get("DATA"), size_bytes=size)


def _beyond(parts: Mapping[str, tuple[int, int]], *, size_bytes: int) -> str | None:
    for name, (begin, end) in parts.items():
        if end >= size_bytes + (name != "TEXT"):  # some cytometers count the end of DATA as the byte after it
            return f"holds {size_bytes} bytes and says that {name} ends at {end}"
        if begin > end:
            return f"says that {name} begins at {begin} and ends at {end}"
    return None


def _data_fault(said: Mapping[str, str], data: tuple[int, int] | None, *, size_bytes: int) -> str | None:
    """Reckon how long DATA must be, and where it must end."""
    begin = count_of(said, "$BEGINDATA", most=MOST_BYTES) if data is None else data[0]
    events, channels = (count_of(said, name, most=most) for name, most in _COUNTS.items())
    if events is None or channels is None:
        return "does not tell in TEXT how many events of how many channels it holds ($TOT, $PAR)"
    further = count_of(said, "$NEXTDATA", most=MOST_BYTES) or 0
    if further >= size_bytes:
        return f"holds {size_bytes} bytes and says that more data begin at {further}"
    if said.get("$MODE", "L").upper() != "L" or not begin:
        return None
    bits = [count_of(said, f"$P{number}B", most=_MOST_BITS) for number in range(1, channels + 1)]
    known = [one for one in bits if one is not None]
    if len(known) < channels:
        return None  # events written as text, whose length nothing tells
    needed = (events * sum(known) + 7) // 8
    if begin + needed > size_bytes:
        return f"holds {size_bytes} bytes where {events} events of {channels} channels need {begin + needed}"
    return None


def _named(said: Mapping[str, str], number: int) -> str | None:
    name, marker = (plain_text(said.get(f"$P{number}{which}")) for which in "NS")
    return f"{name} ({marker})" if name and marker else name


def _first_text(look: Look) -> dict[str, str]:
    for file in _files(look)[:3]:
        try:
            parts = parts_of(look.head(file.path, limit_bytes=HEADER_BYTES))
            if parts is not None and parts["TEXT"][1] < _TEXT_BYTES:
                begin, end = parts["TEXT"]
                return keywords_of(look.head(file.path, limit_bytes=end + 1)[begin:])
        except (InvalidInput, NotFound):
            continue
    return {}
