"""Reads what mzML and imzML say of their spectra while the bytes come, and peaks only where one tells no sum of them.

An mzML is a list of elements `spectrum`, each with terms of the PSI-MS vocabulary by their accessions: only those named
here are read. Of the arrays, which are nearly all of a file, not even the text is taken unless it is needed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from cisterna.adapters.spectra_index import SpectraIndex
from cisterna.adapters.spectra_tally import Spectrum, Tally, is_charge
from cisterna.adapters.spectrum_array import (
    DTYPES,
    NUMPRESS,
    TEXT_BYTES_MAX,
    UNPACKED,
    ZLIB,
    ArraySum,
    ArrayWrong,
    DeclaredArray,
)
from cisterna.adapters.xml_feed import Refused, XmlFeed

Attributes = dict[str, str]

_DEPTH_MAX = 64
_GROUPS_MAX = 1000
_TEXT_MAX = 64
_LEVEL_MOST = 20
_NUMBER_MOST = 1e30
_POINTS_MOST = 1 << 40
_PPM = "UO:0000169"
_SECONDS = {"UO:0000010": 1.0, "UO:0000031": 60.0, "UO:0000028": 0.001, "MS:1000038": 60.0}
_ERROR_NAME = re.compile(r"mass (error|accuracy|deviation)|ppm error|error.{0,20}ppm", re.IGNORECASE)
_TEXTS = frozenset({"offset", "indexListOffset", "fileChecksum"})
_READ_OF_TERMS = ("accession", "value", "unitAccession")
_BINARY_TAG_BYTES = len("<binary>")


class SpectraReader:
    """Takes the bytes of one file, and gives a tally of its spectra when all of them were there.

    Attributes:
        tally: Running sums.
        index: What the file says of its own bytes, held against them.
    """

    def __init__(self) -> None:
        self.tally = Tally()
        self.index = SpectraIndex()
        self._feed = XmlFeed(started=self._start, ended=self._end)
        self._depth = 0
        self._root: str | None = None
        self._has_mzml = False
        self._spectrum: Spectrum | None = None
        self._array: DeclaredArray | None = None
        self._groups: dict[str, dict[str, Attributes]] = {}
        self._group: dict[str, Attributes] | None = None
        self._ions = self._arrays = 0
        self._text: list[str] = []
        self._takers: dict[str, Callable[[Attributes], None]] = {
            "spectrum": self._start_spectrum,
            "spectrumList": self._start_list,
            "chromatogram": self._start_chromatogram,
            "referenceableParamGroup": self._start_group,
            "referenceableParamGroupRef": self._refer,
            "userParam": self._take_user_param,
            "selectedIon": self._start_ion,
            "binaryDataArray": self._start_array,
            "binary": self._start_binary,
            "indexList": self._start_index_list,
            "index": self.index.begin,
        }
        self._terms: dict[str, Callable[[Attributes], None]] = self._of_terms()

    def write(self, piece: bytes) -> None:
        """Take the next bytes. Raises `Refused`."""
        if self._root != "mzML":
            self.index.digest(piece)
        self._feed.write(piece)

    def close(self) -> None:
        """Say that there are no more bytes. Raises `Refused` when the file is not whole."""
        self._feed.close()
        if not self._has_mzml:
            raise Refused("it holds no element mzML")

    @property
    def _position(self) -> int:
        return self._feed.parser.CurrentByteIndex

    def _start(self, name: str, attributes: Attributes) -> None:
        self._depth += 1
        if name == "cvParam":
            take = self._terms.get(attributes.get("accession", ""))
            if take is not None and self._group is not None:
                self._keep(attributes)
            elif take is not None and (self._spectrum is not None or take == self._take_accuracy):
                take(attributes)
        elif (taker := self._takers.get(name)) is not None:
            taker(attributes)
        elif name in _TEXTS:
            self._text = []
            self._feed.parser.CharacterDataHandler = self._take_text
        elif self._root is None or name == "mzML":
            self._start_document(name)
        if self._depth > _DEPTH_MAX:
            raise Refused(f"its elements lie more than {_DEPTH_MAX} deep in one another")

    def _end(self, name: str) -> None:
        self._depth -= 1
        if name == "spectrum":
            self._end_spectrum()
        elif name == "binary":
            self._end_binary()
        elif name in _TEXTS:
            self._feed.parser.CharacterDataHandler = None
            self.index.take(name, "".join(self._text).strip())
        elif name == "referenceableParamGroup":
            self._group = None

    def _end_spectrum(self) -> None:
        spectrum, self._spectrum = self._spectrum, None
        if spectrum is None:
            return
        self.tally.wrong_arrays += bool(spectrum.points and not self._arrays)
        self.tally.take(spectrum)

    def _start_document(self, name: str) -> None:
        if self._root is None:
            if name not in {"mzML", "indexedmzML"}:
                raise Refused("it does not begin like mzML")
            self._root = name
            self.index.is_there = name == "indexedmzML"
        self._has_mzml = self._has_mzml or name == "mzML"

    def _start_list(self, attributes: Attributes) -> None:
        count = self._whole(attributes.get("count", ""), most=_POINTS_MOST)
        if count is not None:
            self.tally.declared = (self.tally.declared or 0) + count

    def _start_spectrum(self, attributes: Attributes) -> None:
        if self._spectrum is not None:
            raise Refused("a spectrum begins in it before the one before has ended")
        self.index.see("spectrum", self._position)
        points = self._whole(attributes.get("defaultArrayLength", ""), most=_POINTS_MOST)
        self._spectrum, self._ions, self._arrays = Spectrum(points=points or 0), 0, 0

    def _start_chromatogram(self, attributes: Attributes) -> None:
        del attributes
        self.index.see("chromatogram", self._position)
        self.tally.chromatograms += 1

    def _start_index_list(self, attributes: Attributes) -> None:
        del attributes
        self.index.begins_at = self._position

    def _start_group(self, attributes: Attributes) -> None:
        if len(self._groups) >= _GROUPS_MAX:
            raise Refused(f"it has more than {_GROUPS_MAX:,} groups of terms")
        self._group = self._groups.setdefault(attributes.get("id", "")[:1000], {})

    def _keep(self, attributes: Attributes) -> None:
        """Keep what is read of a term of a group, to be taken wherever the group is referred to."""
        if self._group is not None:
            kept = {name: attributes[name][: _TEXT_MAX + 1] for name in _READ_OF_TERMS if name in attributes}
            self._group[kept["accession"]] = kept

    def _refer(self, attributes: Attributes) -> None:
        if self._spectrum is None:
            return
        for accession, term in self._groups.get(attributes.get("ref", ""), {}).items():
            self._terms[accession](term)

    def _start_ion(self, attributes: Attributes) -> None:
        del attributes
        self._ions += 1
        if self._spectrum is not None:
            self._spectrum.has_precursor = True

    def _take_user_param(self, attributes: Attributes) -> None:
        """Take a mass error, for which there is no common term: by its name, and only in ppm."""
        name = attributes.get("name", "")[:200]
        is_ppm = attributes.get("unitAccession") == _PPM or "ppm" in name.lower()
        if is_ppm and self._spectrum is not None and _ERROR_NAME.search(name):
            self._take_error(attributes)

    def _start_array(self, attributes: Attributes) -> None:
        if self._spectrum is None:
            return
        own = attributes.get("arrayLength")
        points = self._spectrum.points if own is None else self._whole(own, most=_POINTS_MOST) or 0
        encoded = attributes.get("encodedLength", "")
        self._array = DeclaredArray(points, self._whole(encoded, most=_POINTS_MOST) if encoded else None)

    def _start_binary(self, attributes: Attributes) -> None:
        del attributes
        array = self._array
        if array is None or self._spectrum is None:
            return
        array.at = self._position
        is_wanted = array.is_intensity and self._spectrum.tic is None and not self._spectrum.is_light
        if is_wanted and array.can_be_decoded:
            array.text = self._text = []
            self._feed.parser.CharacterDataHandler = self._take_text

    def _take_text(self, text: str) -> None:
        self._text.append(text)
        if len(self._text) % 64 == 0:
            self._text[:] = ["".join(self._text)]
            if len(self._text[0]) > TEXT_BYTES_MAX:
                raise Refused(f"it holds one array or text of more than {TEXT_BYTES_MAX // 1024 // 1024} MiB")

    def _end_binary(self) -> None:
        array, spectrum, self._array = self._array, self._spectrum, None
        if array is None or spectrum is None:
            return
        if array.text is not None:
            self._feed.parser.CharacterDataHandler = None
        self._arrays += 1
        if array.is_external:
            self.tally.is_imaging = True
            spectrum.points = max(spectrum.points, array.points)
            return
        try:
            array.require_length(max(self._position - array.at - _BINARY_TAG_BYTES, 0))
            if array.text is not None:
                self._take_sum(array.add_up(), spectrum)
        except ArrayWrong:
            self.tally.wrong_arrays += 1

    def _take_sum(self, found: ArraySum, spectrum: Spectrum) -> None:
        if not 0 <= found.total < _NUMBER_MOST:
            self.tally.invalid += 1
            return
        spectrum.tic, spectrum.is_decoded = found.total, True
        if spectrum.base_peak is None:
            spectrum.base_peak = max(found.largest, 0.0)

    def _of_terms(self) -> dict[str, Callable[[Attributes], None]]:
        return {
            "MS:1000511": self._take_level,
            "MS:1000579": self._take_ms1,
            "MS:1000285": self._take_tic,
            "MS:1000505": self._take_base_peak,
            "MS:1000016": self._take_time,
            "MS:1000130": lambda _: self._set("is_positive", value=True),
            "MS:1000129": lambda _: self._set("is_positive", value=False),
            "MS:1000127": lambda _: self._set("is_centroid", value=True),
            "MS:1000128": lambda _: self._set("is_centroid", value=False),
            **dict.fromkeys(("MS:1000804", "MS:1000805", "MS:1000806"), lambda _: self._set("is_light", value=True)),
            "MS:1000041": self._take_charge,
            "MS:1000744": self._take_precursor,
            "MS:1000501": self._take_window,
            "MS:1000500": self._take_window,
            "MS:1000014": self._take_accuracy,
            "MS:4000072": self._take_error,
            "MS:1000515": lambda _: self._set_array("is_intensity", value=True),
            ZLIB: lambda _: self._set_array("is_zlib", value=True),
            UNPACKED: lambda _: self._set_array("is_zlib", value=False),
            **dict.fromkeys(NUMPRESS, lambda _: self._set_array("is_numpress", value=True)),
            **dict.fromkeys(DTYPES, lambda one: self._set_array("dtype", value=one["accession"])),
            "IMS:1000101": lambda _: self._set_array("is_external", value=True),
            "IMS:1000103": self._take_external_length,
        }

    def _set(self, name: str, *, value: bool) -> None:
        setattr(self._spectrum, name, value)

    def _set_array(self, name: str, *, value: bool | str) -> None:
        if self._array is not None:
            setattr(self._array, name, value)

    def _take_level(self, attributes: Attributes) -> None:
        level = self._whole(attributes.get("value", ""), least=1, most=_LEVEL_MOST)
        if self._spectrum is not None and level is not None:
            self._spectrum.level = level

    def _take_ms1(self, attributes: Attributes) -> None:
        del attributes
        if self._spectrum is not None and self._spectrum.level is None:
            self._spectrum.level = 1

    def _take_tic(self, attributes: Attributes) -> None:
        if self._spectrum is not None:
            self._spectrum.tic = self._number(attributes)

    def _take_base_peak(self, attributes: Attributes) -> None:
        if self._spectrum is not None:
            self._spectrum.base_peak = self._number(attributes)

    def _take_time(self, attributes: Attributes) -> None:
        """Take the time of the first scan of a spectrum, in a unit that is stated; no unit is guessed."""
        unit = _SECONDS.get(attributes.get("unitAccession", ""))
        if self._spectrum is not None and self._spectrum.seconds is None and unit is not None:
            value = self._number(attributes)
            self._spectrum.seconds = None if value is None else value * unit

    def _take_charge(self, attributes: Attributes) -> None:
        """Take the charge of the first ion, as a number of charges: some write a negative ion's with its sign."""
        charge = self._whole(attributes.get("value", "").strip().removeprefix("-"), most=_POINTS_MOST)
        if charge is not None and not is_charge(charge):
            self.tally.invalid += 1
        elif self._spectrum is not None and self._ions == 1 and charge is not None:
            self._spectrum.charge = charge

    def _take_precursor(self, attributes: Attributes) -> None:
        value = self._number(attributes)
        if self._ions == 1 and value is not None:
            self.tally.precursor_mz.take(value)

    def _take_window(self, attributes: Attributes) -> None:
        value = self._number(attributes)
        if value is not None:
            self.tally.mz.take(value)

    def _take_accuracy(self, attributes: Attributes) -> None:
        """Take the accuracy that is stated of the analyser; 0 is what writers put who do not know it."""
        value = self._number(attributes) if attributes.get("unitAccession") == _PPM else None
        if value:
            self.tally.accuracy_ppm = max(self.tally.accuracy_ppm or 0.0, value)

    def _take_error(self, attributes: Attributes) -> None:
        value = _float(attributes.get("value", ""))
        if value is None or not abs(value) < _NUMBER_MOST:
            self.tally.invalid += 1
        else:
            self.tally.take_error(value)

    def _take_external_length(self, attributes: Attributes) -> None:
        length = self._whole(attributes.get("value", ""), most=_POINTS_MOST)
        if self._array is not None and length is not None:
            self._array.points = length

    def _number(self, attributes: Attributes) -> float | None:
        """Read a number that cannot be below zero; one that is none is counted."""
        value = _float(attributes.get("value", ""))
        if value is None or not 0 <= value < _NUMBER_MOST:
            self.tally.invalid += 1
            return None
        return value

    def _whole(self, text: str, *, least: int = 0, most: int) -> int | None:
        value = _float(text)
        if value is None or not least <= value <= most or value != math.floor(value):
            self.tally.invalid += 1
            return None
        return int(value)


def _float(text: str) -> float | None:
    if len(text) > _TEXT_MAX or "_" in text:
        return None
    try:
        return float(text)
    except ValueError:
        return None
