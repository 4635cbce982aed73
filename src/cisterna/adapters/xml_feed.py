"""Feeds XML that others wrote to expat piece by piece, with bounds on all that expat would keep."""

from __future__ import annotations

from collections.abc import Callable
from xml.parsers import expat

_SLICE_BYTES = 64 * 1024
_TOKEN_BYTES = 2 * 1024 * 1024
"""Most that expat may hold of one tag, comment or the like, of which it reports nothing until it is whole."""
_NAMES_MAX = 4000
"""Most different names of elements and attributes: expat keeps each of them for good."""
_CUT_OFF = frozenset(
    {
        expat.errors.codes[expat.errors.XML_ERROR_NO_ELEMENTS],
        expat.errors.codes[expat.errors.XML_ERROR_UNCLOSED_TOKEN],
        expat.errors.codes[expat.errors.XML_ERROR_PARTIAL_CHAR],
        expat.errors.codes[expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION],
    }
)


class Refused(Exception):
    """The file is not what it should be; the message says why, in words, with no path in them."""


class XmlFeed:
    """Gives the elements of a document to two functions as its bytes come.

    Nothing that a document type can declare is taken: there are no entities but the five of XML, so nothing grows. How
    deeply elements may lie in one another is for `started` to bound, which is called for each of them.

    Args:
        started: Called with the name and the attributes of an element.
        ended: Called with its name.

    Attributes:
        parser: Its `CurrentByteIndex` is where the element of a call begins; its `CharacterDataHandler` may be set.
    """

    def __init__(self, *, started: Callable[[str, dict[str, str]], None], ended: Callable[[str], None]) -> None:
        self._names: dict[str, str] = {}
        self._fed = 0
        self.parser = expat.ParserCreate(intern=self._names)
        self.parser.buffer_text, self.parser.buffer_size = True, _SLICE_BYTES
        self.parser.StartElementHandler = started
        self.parser.EndElementHandler = ended
        self.parser.StartDoctypeDeclHandler = _refuse_doctype

    def write(self, piece: bytes) -> None:
        """Take the next bytes. Raises `Refused`, and what the two functions raise."""
        for start in range(0, len(piece), _SLICE_BYTES):
            part = piece[start : start + _SLICE_BYTES]
            self._parse(part, is_last=False)
            self._fed += len(part)
            if self._fed - max(self.parser.CurrentByteIndex, 0) > _TOKEN_BYTES:
                raise Refused(f"it holds one tag or comment of more than {_TOKEN_BYTES // 2 // 1024:,} KiB")
            if len(self._names) > _NAMES_MAX:
                raise Refused(f"it uses more than {_NAMES_MAX:,} names of elements and attributes")

    def close(self) -> None:
        """Say that there are no more bytes. Raises `Refused` when the document is not whole."""
        self._parse(b"", is_last=True)

    def _parse(self, part: bytes, *, is_last: bool) -> None:
        try:
            self.parser.Parse(part, is_last)
        except expat.ExpatError as error:
            said = expat.ErrorString(error.code)
            if is_last and error.code in _CUT_OFF:
                msg = f"it ends in the middle ({said}, line {error.lineno:,}): it was cut off"
            else:
                msg = f"it is no well-formed XML ({said}, line {error.lineno:,}, byte {error.offset:,})"
            raise Refused(msg) from error
        except (LookupError, ValueError) as error:
            raise Refused(f"it is written in an encoding that cannot be read ({error})") from error


def _refuse_doctype(*_: object) -> None:
    raise Refused("it declares a document type, through which entities could come")
