"""Walks through an FCS file once, from its first byte to its last, as its bytes come by.

Nothing is looked at twice and nothing is waited for: a part that would have to be known before it comes (TEXT behind
DATA) is not read. Bounded are the bytes of a TEXT, the data sets of a file, and what the events of one are kept in.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass

from cisterna.adapters.fcs_gather import Gathered, Gatherer
from cisterna.domain.fcs_header import HEADER_BYTES, MOST_BYTES, VERSIONS, Part, count_of, keywords_of, parts_of
from cisterna.domain.fcs_layout import FcsFault, FcsUnread, Layout, layout_of

TEXT_BYTES = 4 * 1024 * 1024
MOST_DATA_SETS = 1024
KEPT_BYTES = 16 * 1024 * 1024
"""Of a file of at most so many bytes its checksum is checked where it has one, which hardly any has."""

_CRC_BYTES = 8
_CRC_STARTS = (0, 0xFFFF)


@dataclass(frozen=True, slots=True)
class DataSet:
    """One data set of the file.

    Attributes:
        said: Its keywords, those of a supplemental TEXT among them.
        crc_wrong: Whether its checksum is not that of its bytes; False without one, None for one nobody checked.
    """

    said: dict[str, str]
    layout: Layout
    gathered: Gathered
    crc_wrong: bool | None


@dataclass(slots=True)
class _Span:
    """Bytes that somebody waits for, by their place in the file."""

    begin: int
    stop: int
    take: Callable[[memoryview], object]
    done: Callable[[], None]


class FcsWalk:
    """Takes a file in pieces.

    Args:
        size_bytes: Of the whole file; no claim beyond it is believed.
        found: Called with each data set when it has passed, in the order of the file.
    """

    def __init__(self, size_bytes: int, *, found: Callable[[DataSet], None]) -> None:
        self._size_bytes, self._found = size_bytes, found
        self._at = 0
        self._spans: list[_Span] = []
        self._kept: bytearray | None = bytearray() if size_bytes <= KEPT_BYTES else None
        self._data_sets = 0
        self._base, self._next = 0, 0
        self._version = ""
        self._parts: dict[str, Part] = {}
        self._said: dict[str, str] = {}
        self._layout: Layout | None = None
        self._gatherer: Gatherer | None = None
        self._crc_wrong: bool | None = False
        self._begin_data_set(0)

    def feed(self, piece: memoryview) -> None:
        """Take the next bytes.

        Raises:
            FcsFault, FcsUnread: As said there; nothing more is to be fed then.
        """
        if self._kept is not None:
            self._kept += piece[: self._size_bytes - len(self._kept)]  # it may have grown since it was listed
        while piece and self._spans:
            span = self._spans[0]
            if self._at < span.begin:
                step = min(len(piece), span.begin - self._at)
            else:
                step = min(len(piece), span.stop - self._at)
                span.take(piece[:step])
            self._at += step
            piece = piece[step:]
            if self._at >= span.stop:
                self._spans.pop(0)
                span.done()
                if not self._spans:
                    self._end_data_set()

    def end(self) -> None:
        """Say that no more bytes come.

        Raises:
            FcsFault: Some are missing.
        """
        if self._spans:
            where = f"ends where its data set {self._data_sets} has not" if self._at else "is empty"
            raise FcsFault(f"{where}: it has {self._at} bytes of {self._spans[-1].stop}")

    def _begin_data_set(self, base: int) -> None:
        if self._data_sets >= MOST_DATA_SETS:
            raise FcsUnread(f"it holds more than {MOST_DATA_SETS} data sets")
        self._data_sets += 1
        self._base = base
        self._spans = [_held(base, base + HEADER_BYTES, self._read_header)]

    def _read_header(self, header: bytes) -> None:
        room = self._size_bytes - self._base
        where = f" (data set {self._data_sets})" if self._base else ""
        if header[:6] not in VERSIONS:
            raise FcsFault(f"does not begin like FCS 2.0 to 3.2{where}")
        parts = parts_of(header)
        if parts is None:
            raise FcsFault(f"does not tell in its first 58 bytes where its parts lie{where}")
        for name, (begin, end) in parts.items():
            if begin > end or begin < HEADER_BYTES:
                raise FcsFault(f"says that {name} begins at {begin} and ends at {end}{where}")
            if end >= room + (name != "TEXT"):  # some cytometers count the end of DATA as the byte after it
                raise FcsFault(f"has {room} bytes and says that {name} ends at {end}{where}")
        begin, end = parts["TEXT"]
        if end - begin >= TEXT_BYTES:
            raise FcsUnread(f"its TEXT has {end - begin + 1} bytes, and at most {TEXT_BYTES} are read")
        if "DATA" in parts and parts["DATA"][1] < begin:
            raise FcsUnread("its TEXT lies behind its DATA, and a file is read once, from the front")
        self._version, self._parts = header[:6].decode(), parts
        self._spans = [_held(self._base + begin, self._base + end + 1, self._read_text)]

    def _read_text(self, text: bytes) -> None:
        room = self._size_bytes - self._base
        self._said = keywords_of(text)
        layout = layout_of(self._said, self._parts, version=self._version, room_bytes=room)
        if layout.events and layout.begin <= self._parts["TEXT"][1]:
            raise FcsUnread("its TEXT lies behind its DATA, and a file is read once, from the front")
        self._layout, self._gatherer, self._crc_wrong = layout, Gatherer(layout), False
        supplement = self._supplement(layout, room_bytes=room)
        last = self._last(layout, supplement, room_bytes=room)
        self._next = self._next_of(last, room_bytes=room)
        self._spans = self._awaited(layout, supplement, last=last, mark=text[:1])

    def _awaited(self, layout: Layout, supplement: Part | None, *, last: int, mark: bytes) -> list[_Span]:
        """Say what of the data set is still to come, in the order in which it comes."""
        base, spans = self._base, []
        if layout.events and self._gatherer is not None:
            spans.append(_Span(base + layout.begin, base + layout.stop, self._gatherer.take, lambda: None))
        if supplement is not None:
            begin, end = supplement
            spans.append(_held(base + begin, base + end + 1, lambda more: self._read_supplement(more, mark=mark)))
        spans.sort(key=lambda span: span.begin)
        stop = base + self._next if self._next else self._size_bytes
        if self._version != "FCS2.0" and base + last + _CRC_BYTES <= stop:
            spans.append(_held(base + last, base + last + _CRC_BYTES, self._read_crc))
        return spans

    def _last(self, layout: Layout, supplement: Part | None, *, room_bytes: int) -> int:
        """Tell where the last part has ended; of DATA only the events count, unless there is room for more of them."""
        ends = [end + 1 for name, (_, end) in self._parts.items() if name != "DATA" or layout.undeclared_events]
        ends.append((count_of(self._said, "$ENDANALYSIS", most=room_bytes - 1) or -1) + 1)
        return max(layout.stop, supplement[1] + 1 if supplement else 0, *ends)

    def _supplement(self, layout: Layout, *, room_bytes: int) -> Part | None:
        """Tell where a supplemental TEXT lies that is still to come; the standards let none hold what DATA needs."""
        begin, end = (count_of(self._said, key, most=MOST_BYTES) or 0 for key in ("$BEGINSTEXT", "$ENDSTEXT"))
        if not (begin and end) or begin <= self._parts["TEXT"][1]:
            return None
        if begin > end or end >= room_bytes:
            raise FcsFault(f"has {room_bytes} bytes and says that its supplemental TEXT lies from {begin} to {end}")
        if layout.events and begin < layout.stop and layout.begin <= end:
            raise FcsFault(f"says that its supplemental TEXT lies from {begin} to {end}, where DATA is")
        return (begin, end) if end - begin < TEXT_BYTES else None

    def _next_of(self, last: int, *, room_bytes: int) -> int:
        found = count_of(self._said, "$NEXTDATA", most=MOST_BYTES) or 0
        if found and not last <= found < room_bytes:
            raise FcsFault(f"has {room_bytes} bytes, {last} of them here, and says that more data begin at {found}")
        return found

    def _read_supplement(self, text: bytes, *, mark: bytes) -> None:
        """Add what it says; some makers keep archives of other kinds there, which do not begin with the same mark."""
        if text[:1] == mark:
            self._said = {**keywords_of(text), **self._said}

    def _read_crc(self, word: bytes) -> None:
        """Hold the bytes against their checksum, where these eight characters can be one.

        It is the CCITT one of 16 bits. Since the standards do not say from what it starts and whether it is written as
        a decimal or a hexadecimal number, each of these is taken.
        """
        said = word.strip(b" \0")
        if not re.fullmatch(rb"[0-9A-Fa-f]+", said) or not said.strip(b"0"):
            return
        if self._kept is None:
            self._crc_wrong = None
            return
        with memoryview(self._kept) as kept:
            body = kept[self._base : self._at - _CRC_BYTES]
            found = {binascii.crc_hqx(body, start) for start in _CRC_STARTS}
            body.release()
        told = {int(said, 16)} | ({int(said)} if said.isdigit() else set())
        self._crc_wrong = not found & told

    def _end_data_set(self) -> None:
        if self._layout is None or self._gatherer is None:
            return
        self._found(DataSet(self._said, self._layout, self._gatherer.end(), self._crc_wrong))
        self._layout = self._gatherer = None
        if self._next:
            self._begin_data_set(self._base + self._next)


def _held(begin: int, stop: int, done: Callable[[bytes], None]) -> _Span:
    """Wait for bytes that are handed over together."""
    held: list[bytes] = []
    return _Span(begin, stop, lambda piece: held.append(bytes(piece)), lambda: done(b"".join(held)))
