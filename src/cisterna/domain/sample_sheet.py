"""What a plate map or a sample sheet says: one row a well or a sample, whatever the file it was read from.

A sheet speaks for a person and is held to that: two rows that tell different things of one well are a fault, and which
of them is right is nobody's to guess.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from cisterna.domain.credit import Subject
from cisterna.domain.errors import InvalidInput
from cisterna.domain.well import Well

_NAMED = 12
"""Wells that a message names."""


class SheetForm(StrEnum):
    """What kind of file it was read from."""

    TABLE = "table"
    PLATE_MAP = "plate map"
    MIHCSME = "MIHCSME"
    ISA_TAB = "ISA-Tab"


@dataclass(frozen=True, slots=True)
class Quantity:
    """A dose or a time, as it was written.

    Attributes:
        value: None where what was written is no number.
    """

    text: str
    value: float | None = None
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class Treatment:
    """What a well was treated with."""

    what: Subject
    dose: Quantity | None = None
    duration: Quantity | None = None


@dataclass(frozen=True, slots=True)
class Stain:
    """What makes something visible, and in which channel."""

    what: Subject
    channel: str | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """One row of a sheet.

    Attributes:
        row: Its number in the file, for people.
        sheet: Of a workbook, or the file of an ISA-Tab; empty where there is one alone.
        well: On the plate; None for what lies in no plate.
        name, file: By which it is known otherwise.
        control: What kind of control it is, as it was written.
        others: What else was said, by the column's own name.
    """

    row: int
    sheet: str = ""
    plate: str | None = None
    well: Well | None = None
    name: str | None = None
    file: str | None = None
    organisms: tuple[Subject, ...] = ()
    tissues: tuple[Subject, ...] = ()
    cell_lines: tuple[Subject, ...] = ()
    diseases: tuple[Subject, ...] = ()
    treatments: tuple[Treatment, ...] = ()
    stains: tuple[Stain, ...] = ()
    control: str | None = None
    replicate: str | None = None
    others: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> tuple[str | None, Well | None, str | None]:
        """What it is a statement about: a well of a plate, else the sample of a name, else a file."""
        return (self.plate, self.well, None if self.well else self.name or self.file)

    @property
    def place(self) -> str:
        """The same in words."""
        known = self.well.name if self.well else self.name or self.file or "a sample without a name"
        return f"{known} of plate {self.plate}" if self.plate and self.well else known

    def says_the_same(self, other: Sample) -> bool:
        """Tell whether both say the same of what they are about.

        A well may be told once for each of its files, and what else is told of the files is then each one's own.
        """
        is_of_one = (self.name, self.file) == (other.name, other.file)

        def bare(one: Sample) -> Sample:
            return replace(one, row=0, sheet="", name=None, file=None, others=one.others if is_of_one else ())

        return bare(self) == bare(other)


@dataclass(frozen=True, slots=True)
class SampleSheet:
    """A sheet that was read.

    Attributes:
        form: Of the file.
        samples: In the order of the file.
        remarks: What was read otherwise than it was written, in words.
    """

    form: SheetForm
    samples: tuple[Sample, ...]
    remarks: tuple[str, ...] = ()

    @property
    def wells(self) -> frozenset[Well]:
        """The wells it speaks of."""
        return frozenset(one.well for one in self.samples if one.well is not None)

    @property
    def plates(self) -> tuple[str, ...]:
        """The plates it names, in the order of the file."""
        return tuple(dict.fromkeys(one.plate for one in self.samples if one.plate is not None))

    def of_plate(self, folder: str) -> SampleSheet:
        """Give what it says of the plate that a run's folder is named for; all of it where it names one at most.

        Rows that name no plate are of that one as well.

        Raises:
            InvalidInput: It names several plates, and not exactly one of them is in the folder's name; or rows that
                name the plate and rows that name none say different things of a well.
        """
        if len(self.plates) < 2:
            return self._of_one(self.plates)
        chosen = named_in(folder, self.plates)
        if len(chosen) != 1:
            named = ", ".join(self.plates[:_NAMED])
            found = f"{' and '.join(chosen[:3])} are" if chosen else "none is"
            msg = (
                f"the sheet speaks of {len(self.plates):,} plates ({named}), and {found} in the name of the run"
                f" ('{folder[:100]}'); give a sheet of this plate alone, or call the plate as the run is called"
            )
            raise InvalidInput(msg)
        return self._of_one(tuple(chosen))

    def _of_one(self, plates: tuple[str, ...]) -> SampleSheet:
        """Keep the rows of one plate, if it names any, and take those without a plate for rows of it."""
        if not plates:
            return self
        rows = [one for one in self.samples if one.plate in {None, plates[0]}]
        kept = [one if one.well is None else replace(one, plate=plates[0]) for one in rows]
        once, faults = settled_samples(kept)
        if faults:
            raise InvalidInput(f"the sheet cannot be used: {'; '.join(faults[:_NAMED])}")
        return replace(self, samples=once)


def named_in(text: str, names: Iterable[str]) -> list[str]:
    """Give the names that stand in a text, word by word: of those the ones of most words."""
    words = _words(text)
    fitting = [name for name in names if _is_within(_words(name), words)]
    longest = max((len(_words(name)) for name in fitting), default=0)
    return [name for name in fitting if len(_words(name)) == longest]


def settled_samples(samples: Sequence[Sample]) -> tuple[tuple[Sample, ...], list[str]]:
    """Take what is said twice once, and tell in words where two rows say different things of one well or sample."""
    kept: dict[Sample, None] = {}
    first: dict[object, Sample] = {}
    faults: list[str] = []
    for one in samples:
        before = first.setdefault(one.key, one)
        if not before.says_the_same(one):
            faults.append(f"rows {before.row} and {one.row} say different things of {one.place}; keep the right one")
        kept.setdefault(replace(one, row=0, sheet=""), None)
    if faults or len(kept) == len(samples):
        return tuple(samples), faults
    seen: set[Sample] = set()
    once = []
    for one in samples:
        bare = replace(one, row=0, sheet="")
        if bare not in seen:
            once.append(one)
        seen.add(bare)
    return tuple(once), faults


@dataclass(frozen=True, slots=True)
class WellMatch:
    """How the wells of a sheet and those that were imaged compare.

    Attributes:
        not_imaged: In the sheet alone.
        not_described: Imaged, and not in the sheet.
    """

    not_imaged: tuple[Well, ...] = ()
    not_described: tuple[Well, ...] = ()


def match_wells(told: Collection[Well], imaged: Collection[Well]) -> WellMatch:
    """Compare, where there are wells on both sides."""
    if not told or not imaged:
        return WellMatch()
    return WellMatch(tuple(sorted(set(told) - set(imaged))), tuple(sorted(set(imaged) - set(told))))


def name_wells(wells: Sequence[Well]) -> str:
    """Write the first of some wells, and how many more there are."""
    more = len(wells) - _NAMED
    return ", ".join(one.name for one in wells[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")


TERM_KINDS = ("organisms", "tissues", "cell_lines", "diseases", "treatments", "stains")


def terms_of(samples: Iterable[Sample]) -> Mapping[str, tuple[Subject, ...]]:
    """Gather what the samples are, kind by kind, each by its words once: with a term, where any row has one."""
    found: dict[str, dict[str, Subject]] = defaultdict(dict)
    for one in samples:
        told = {kind: getattr(one, kind) for kind in TERM_KINDS}
        for kind, subjects in told.items():
            for said in subjects:
                subject = said if isinstance(said, Subject) else said.what
                before = found[kind].get(subject.label.casefold())
                if before is None or (before.curie is None and subject.curie is not None):
                    found[kind][subject.label.casefold()] = subject
    return {kind: tuple(found[kind].values()) for kind in TERM_KINDS}


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.casefold())


def _is_within(some: Sequence[str], words: Sequence[str]) -> bool:
    """Tell whether words follow each other within others."""
    count = len(some)
    return bool(count) and any(list(some) == list(words[at : at + count]) for at in range(len(words) - count + 1))
