"""Reckons how the events of an FCS data set lie in its part DATA, and holds what it claims against the bytes there are.

The standards are named in `fcs_header`. Read are lists of events ($MODE L) of whole numbers of whole bytes (I) and
floating-point numbers (F, D), in little- or big-endian order; FCS 3.2 lets parameters differ ($PnDATATYPE).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from cisterna.domain.fcs_header import MOST_BYTES, MOST_EVENTS, Part, count_of
from cisterna.domain.untrusted import plain_text

MOST_PARAMETERS = 1000
_MOST_BITS = 64
_FLOAT_BITS = {"F": 32, "D": 64}


class FcsFault(Exception):
    """The file contradicts itself or the standard; the message says how, and follows the words `the file`."""


class FcsUnread(Exception):
    """The file may be right, and nobody here reads its kind; the message says which kind."""


class Kind(StrEnum):
    """What a parameter is of; `fluorescence` is every signal of a marker, in mass cytometry those of metals."""

    TIME = "time"
    SCATTER = "scatter"
    FLUORESCENCE = "fluorescence"
    OTHER = "other"


_TIME = frozenset({"TIME", "HDR-T"})  # HDR-T: what MACSQuant calls it in FCS 2.0 and 3.0
_SCATTER = re.compile(r"([A-Z]?[FSB]SC\d*|[FS]S)(?![A-Z])")
_OTHER = re.compile(
    r"(HDR-|EVENT|CELL_|WIDTH|LENGTH|CENTER|OFFSET|RESIDUAL|INDEX|CLASS|SORT|DOUBLET|TLSW|TMSW)|.*[- _](W|WIDTH)$"
)
_TYPES = {
    "TIME": Kind.TIME,
    "FORWARD SCATTER": Kind.SCATTER,
    "SIDE SCATTER": Kind.SCATTER,
    "RAW FLUORESCENCE": Kind.FLUORESCENCE,
    "UNMIXED FLUORESCENCE": Kind.FLUORESCENCE,
    "MASS": Kind.FLUORESCENCE,
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One column of the events.

    Attributes:
        number: From 1.
        name: $PnN, as it stands there; empty when there is none.
        code: `I`, `F` or `D`.
        top: $PnR, above which no value lies; None when it is not told.
    """

    number: int
    name: str
    kind: Kind
    code: str
    bits: int
    top: float | None

    @property
    def mask(self) -> int | None:
        """Give the bits of a whole number that count; None for all of them.

        The standards reserve $PnB bits for a value below $PnR, and let anything stand in the others.
        """
        if self.code != "I" or self.top is None or not 1 < self.top < 2**self.bits:
            return None
        used = (math.ceil(self.top) - 1).bit_length()
        return 2**used - 1 if used < self.bits else None


@dataclass(frozen=True, slots=True)
class Layout:
    """How the events lie.

    Attributes:
        begin: Of DATA, counted from the first byte of HEADER.
        undeclared_events: For how many more events than $TOT says DATA has bytes.
    """

    parameters: tuple[Parameter, ...]
    is_little: bool
    begin: int
    events: int
    undeclared_events: int

    @property
    def event_bytes(self) -> int:
        """How many one event takes."""
        return sum(one.bits for one in self.parameters) // 8

    @property
    def stop(self) -> int:
        """Where the declared events have ended."""
        return self.begin + self.events * self.event_bytes


def layout_of(said: Mapping[str, str], parts: Mapping[str, Part], *, version: str, room_bytes: int) -> Layout:
    """Reckon the layout from the keywords.

    Args:
        said: The keywords.
        parts: As HEADER has them.
        version: Such as `FCS3.1`.
        room_bytes: From the first byte of HEADER to the end of the file.

    Raises:
        FcsFault, FcsUnread: As said there.
    """
    mode = said.get("$MODE", "L").upper()
    if mode != "L":
        raise FcsUnread(f"its data are histograms ($MODE {_shown(mode)}), where only lists of events are read")
    parameters = _parameters(said)
    begin, end = _data(said, parts, version=version)
    if end >= room_bytes + 1:  # some cytometers count the end of DATA as the byte after it
        raise FcsFault(f"has {room_bytes} bytes here and says that DATA ends at {end}")
    text_begin, text_end = parts["TEXT"]
    if begin <= text_end and text_begin <= end:
        raise FcsFault(f"says that DATA begins at {begin}, where TEXT ends at {text_end}")
    event_bytes = sum(one.bits for one in parameters) // 8
    length = end - begin + 1 if end else 0
    events = _events(said, version=version, there=length // event_bytes)
    if begin + events * event_bytes > room_bytes or events * event_bytes > length:
        needed = f"{events} events of {len(parameters)} parameters need {events * event_bytes}"
        raise FcsFault(f"has {min(length, max(0, room_bytes - begin))} bytes of DATA where {needed}")
    is_little = _is_little(said, parameters)
    return Layout(parameters, is_little, begin, events, length // event_bytes - events)


def _data(said: Mapping[str, str], parts: Mapping[str, Part], *, version: str) -> Part:
    """Tell where DATA lies: by HEADER, or by TEXT where that is silent; 0 and 0 when there is no event."""
    told_begin, told_end = (count_of(said, key, most=MOST_BYTES) or 0 for key in ("$BEGINDATA", "$ENDDATA"))
    found = parts.get("DATA") or (told_begin, told_end)
    if version != "FCS2.0" and told_begin not in {0, found[0]}:
        raise FcsFault(f"says in HEADER that DATA begins at {found[0]}, and in TEXT at {told_begin}")
    if found[0] == found[1] + 1:
        return (0, 0)  # how some write that there is no event
    if found[0] > found[1]:
        raise FcsFault(f"says that DATA begins at {found[0]} and ends at {found[1]}")
    return found


def _events(said: Mapping[str, str], *, version: str, there: int) -> int:
    declared = count_of(said, "$TOT", most=MOST_EVENTS)
    if declared is not None:
        return declared
    if version == "FCS2.0" and "$TOT" not in said:
        return there  # there it may be left out
    raise FcsFault(f"does not tell in TEXT how many events it holds ($TOT {_shown(said.get('$TOT'))})")


def _parameters(said: Mapping[str, str]) -> tuple[Parameter, ...]:
    count = count_of(said, "$PAR", most=10**9)
    if not count:
        raise FcsFault(f"does not tell in TEXT how many parameters an event has ($PAR {_shown(said.get('$PAR'))})")
    if count > MOST_PARAMETERS:
        raise FcsUnread(f"its events have {count} parameters, and at most {MOST_PARAMETERS} are read")
    shared = said.get("$DATATYPE", "").upper()
    return tuple(_parameter(said, number, shared) for number in range(1, count + 1))


def _parameter(said: Mapping[str, str], number: int, shared: str) -> Parameter:
    code = said.get(f"$P{number}DATATYPE", shared).upper()
    bits = said.get(f"$P{number}B", "")
    if code == "A" or bits == "*":
        raise FcsUnread("its events are written as text ($DATATYPE A), which no cytometer does any more")
    if code not in ("I", *_FLOAT_BITS):
        raise FcsFault(f"does not tell in TEXT what the numbers of parameter {number} are ($DATATYPE {_shown(code)})")
    width = count_of(said, f"$P{number}B", most=10**9)
    if not width or width > _MOST_BITS or width != _FLOAT_BITS.get(code, width):
        raise FcsFault(f"says that parameter {number} has {_shown(bits)} bits, which no number of type {code} has")
    if width % 8:
        raise FcsUnread(f"parameter {number} has {width} bits, and only whole bytes are read")
    name = plain_text(said.get(f"$P{number}N")) or ""
    return Parameter(number, name, _kind(name, said.get(f"$P{number}TYPE")), code, width, _top(said, number))


def _kind(name: str, told: str | None) -> Kind:
    if told is not None and told.strip():
        return _TYPES.get(told.strip().upper(), Kind.OTHER)
    upper = name.upper()
    if upper in _TIME:
        return Kind.TIME
    if _OTHER.match(upper):
        return Kind.OTHER
    return Kind.SCATTER if _SCATTER.match(upper) else Kind.FLUORESCENCE


def _top(said: Mapping[str, str], number: int) -> float | None:
    top = number_of(said.get(f"$P{number}R"))
    return top if top is not None and top > 0 else None


def _is_little(said: Mapping[str, str], parameters: tuple[Parameter, ...]) -> bool:
    order = [cell.strip() for cell in said.get("$BYTEORD", "").split(",")]
    rising = [str(place) for place in range(1, len(order) + 1)]
    if order in (rising, rising[::-1]):
        return order == rising
    if all(one.bits == 8 for one in parameters):
        return True
    shown = _shown(said.get("$BYTEORD"))
    if sorted(order) == sorted(rising):
        raise FcsUnread(f"the order of its bytes is {shown}, where only little and big endian are read")
    raise FcsFault(f"does not tell in TEXT how the bytes of its numbers are ordered ($BYTEORD {shown})")


def number_of(text: str | None) -> float | None:
    """Give the finite number that a text is, as TEXT writes them."""
    if text is None or not re.fullmatch(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d{1,3})?\s*", text[:80]):
        return None
    number = float(text[:80])
    return number if math.isfinite(number) else None


def _shown(text: str | None) -> str:
    return "is not there" if text is None else f"'{plain_text(text[:40]) or ''}'"
