"""What the columns of sample sheets mean, by the headers that people give them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from itertools import count
from typing import NamedTuple

from cisterna.domain.text import cut_line


class Meaning(StrEnum):
    """What a column tells."""

    WELL = "well"
    ROW = "row"
    COLUMN = "column"
    PLATE = "plate"
    SAMPLE = "sample"
    FILE = "file"
    ORGANISM = "organism"
    TISSUE = "tissue"
    CELL_LINE = "cell_line"
    DISEASE = "disease"
    TREATMENT = "treatment"
    DOSE = "dose"
    DOSE_UNIT = "dose_unit"
    DURATION = "duration"
    DURATION_UNIT = "duration_unit"
    STAIN = "stain"
    CHANNEL = "channel"
    CONTROL = "control"
    REPLICATE = "replicate"
    OTHER = "other"


KEYS = (Meaning.WELL, Meaning.SAMPLE, Meaning.FILE)
"""What a row can be known by."""
TERMS = (
    Meaning.ORGANISM,
    Meaning.TISSUE,
    Meaning.CELL_LINE,
    Meaning.DISEASE,
    Meaning.TREATMENT,
    Meaning.STAIN,
)
"""What a vocabulary may have a term for."""
_ONCE = (
    frozenset(Meaning)
    - {*TERMS, Meaning.DOSE, Meaning.DOSE_UNIT, Meaning.DURATION, Meaning.DURATION_UNIT}
    - {Meaning.CHANNEL}
)
"""What a row has one of: `replicate 2` is no second replicate, and `sample 2` no second sample."""
_SIDE_BY_SIDE = frozenset(TERMS) - {Meaning.TREATMENT}
"""What a row may have several of without saying which is which."""

_NAMES = {
    Meaning.WELL: "well, well id, well name, well position, wellid",
    Meaning.ROW: "row, well row, plate row",
    Meaning.COLUMN: "column, col, well column, well col, plate column",
    Meaning.PLATE: "plate, plate id, plate name, plate barcode, plateid",
    Meaning.SAMPLE: "sample, sample id, sample name, sampleid",
    Meaning.FILE: "file, file name, filename, image, image file, image name, raw data file, path",
    Meaning.ORGANISM: "organism, species, organism name, taxon",
    Meaning.TISSUE: "tissue, organ, organism part, tissue type",
    Meaning.CELL_LINE: "cell line, cellline, cell lines, cell line name",
    Meaning.DISEASE: "disease, disease state, diagnosis, condition of the donor",
    Meaning.TREATMENT: "treatment, treatment name, compound, compound name, drug, drug name, perturbation, perturbagen,"
    " agent, reagent, stimulus, chemical, inhibitor, sirna, sgrna, gene knockdown",
    Meaning.DOSE: "dose, concentration, conc, compound concentration, drug concentration, treatment concentration,"
    " treatment dose, compound dose, drug dose",
    Meaning.DOSE_UNIT: "dose unit, dose units, concentration unit, concentration units, conc unit, unit, units,"
    " compound concentration unit",
    Meaning.DURATION: "time, duration, treatment time, time treatment, treatment duration, incubation time,"
    " incubation, exp time, hours of treatment, time point of treatment",
    Meaning.DURATION_UNIT: "time unit, time units, duration unit, treatment time unit, time treatment unit",
    Meaning.STAIN: "stain, stains, staining, dye, antibody, marker, fluorophore",
    Meaning.CHANNEL: "stain channel, dye channel, antibody channel, marker channel, label channel",
    Meaning.CONTROL: "control, control type, well type, well role",
    Meaning.REPLICATE: "replicate, rep, rep id, replicate id, replicate number, biological replicate,"
    " technical replicate",
}
_BY_NAME = {name.strip(): meaning for meaning, names in _NAMES.items() for name in names.split(",")}
_TERM_END = re.compile(r"(.+?) (?:term|term id|term accession|term accession number|accession|curie|ontology id)")
_CHANNEL = re.compile(
    r"(?:channel|ch) ?([0-9]{1,2})(?: (?:stain|dye|marker|antibody|label|target|visuali[sz]ation method))?"
)
_HEADER_LIMIT = 200
_UNIT = re.compile(r"(.*?)\s*[(\[]\s*([^()\[\]]{1,30}?)\s*[)\]]\s*")


class Column(NamedTuple):
    """A column of a sheet.

    Attributes:
        header: As it was written.
        number: Which of several that mean the same: `compound 2` is the second treatment.
        unit: What the header says of its values, such as `Concentration (uM)`.
        place: Counted from 1.
        is_term: Whether it holds a vocabulary's term for what another column has in words.
        channel: For a stain, the channel that the header names.
    """

    header: str
    meaning: Meaning
    place: int
    number: int = 1
    unit: str | None = None
    is_term: bool = False
    channel: str | None = None


def read_header(header: str, place: int) -> Column:
    """Tell what a column means; one with an unknown name is kept under that name."""
    header = cut_line(header[:_HEADER_LIMIT]) or letters_of(place)
    bare, unit = header, None
    if found := _UNIT.fullmatch(header):
        bare, unit = found[1], found[2]
    words = _plain(bare) if (together := _small(bare)) not in _BY_NAME else together
    if found := _CHANNEL.fullmatch(words):
        return Column(header, Meaning.STAIN, place, int(found[1]) or 1, channel=header.split(":")[0][:100])
    number = 1
    if words not in _BY_NAME and (found := re.fullmatch(r"(.+?) ?([1-9][0-9]?)(| (?:unit|units|term|curie))", words)):
        words, number = found[1] + found[3], int(found[2])
    is_term = False
    if words not in _BY_NAME and (found := _TERM_END.fullmatch(words)):
        words, is_term = found[1], True
    meaning = _BY_NAME.get(words, Meaning.OTHER)
    if (is_term and meaning not in TERMS) or (number > 1 and meaning in _ONCE):
        return Column(header, Meaning.OTHER, place)
    if meaning is Meaning.OTHER:
        return Column(header, meaning, place)
    return Column(header, meaning, place, number, unit, is_term)


def told_apart(columns: Sequence[Column]) -> list[Column]:
    """Let columns that mean the same stand side by side where that can be: `dye` and `antibody` are two stains.

    Of what a row has one of, the first column tells it, and a second one, such as `sample name` beside `sample id`, is
    kept under its own name. Two treatments have to be numbered, since doses and times belong to one of them.
    """
    settled: list[Column] = []
    taken: set[tuple[Meaning, int, bool]] = set()
    for told in columns:
        column = told
        if (told.meaning, told.number, told.is_term) in taken:
            if told.meaning in _ONCE:
                column = Column(told.header, Meaning.OTHER, told.place)
            elif told.meaning in _SIDE_BY_SIDE and not told.is_term:
                free = next(number for number in count(2) if (told.meaning, number, False) not in taken)
                column = told._replace(number=free)
        settled.append(column)
        taken.add((column.meaning, column.number, column.is_term))
    return settled


def letters_of(place: int) -> str:
    """Name a column as spreadsheets do: 1 is `A`, 28 is `AB`."""
    name = ""
    while place > 0:
        place, rest = divmod(place - 1, 26)
        name = chr(ord("A") + rest) + name
    return name


def _plain(header: str) -> str:
    """Write a header in small words: `CellLine`, `cell_line` and `Cell line` are one; `siRNA` is a word by itself."""
    return _small(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", header))


def _small(header: str) -> str:
    return " ".join(re.findall(r"[^\W_]+", header.casefold()))
