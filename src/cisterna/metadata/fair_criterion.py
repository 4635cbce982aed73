"""What a criterion of the FAIR score is: what it asks, how much it weighs, on whom it rests, and how it is judged."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from cisterna.metadata.record import MetadataRecord


class Standing(StrEnum):
    """How a criterion stands."""

    MET = "met"
    PARTLY = "partly"
    NOT_MET = "not-met"
    NOT_ASSESSABLE = "not-assessable"


class Priority(StrEnum):
    """How much a criterion matters, in the words of RDA's FAIR Data Maturity Model."""

    ESSENTIAL = "essential"
    IMPORTANT = "important"
    USEFUL = "useful"

    @property
    def weight(self) -> int:
        """The points that it is worth."""
        return {Priority.ESSENTIAL: 4, Priority.IMPORTANT: 2, Priority.USEFUL: 1}[self]


class RestsOn(StrEnum):
    """On what it rests whether a criterion is met."""

    DESCRIPTION = "description"
    """What people say of the data: a steward can say it now."""
    DATA = "data"
    """What the instrument or the derivation left behind."""
    SITE = "site"
    """How the site is set up."""
    SOFTWARE = "software"
    """What Cisterna does for every dataset: counted apart, since nobody here has earned it."""


class FileBytes(NamedTuple):
    """How many bytes of data there are, and how many of them lie in files of a registered, open format."""

    open_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True)
class FairSubject:
    """What is judged: a described version and what would be public of it.

    Attributes:
        record: What is known of it.
        address: Of the landing page that it has, or would have.
        folder: Name of the folder that it was acquired in; as a title it says nothing.
        doi: Its DOI, where it has one.
        file_bytes: Of its data files; None where their list cannot be read.
        forms: Every form as it would be public, by its name; None for one that cannot be written.
    """

    record: MetadataRecord
    address: str
    folder: str | None = None
    doi: str | None = None
    file_bytes: FileBytes | None = None
    forms: Mapping[str, bytes | None] = field(default_factory=dict)

    @property
    def may_be_public(self) -> bool:
        """Whether anything of it may be shown to everybody."""
        return not self.record.is_restricted


class Judgement(NamedTuple):
    """How a criterion stands, and why.

    Attributes:
        field, remedy: To fill next and how, where these are others than the criterion's own.
    """

    standing: Standing
    why: str
    field: str | None = None
    remedy: str | None = None


class Criterion(NamedTuple):
    """One thing that makes data findable, accessible, interoperable or reusable.

    Attributes:
        key: Names it, for good.
        principle: The FAIR principle, such as `R1.1`.
        asks: What has to be so, in words.
        sources: Published indicators that ask for it: of RDA's FAIR Data Maturity Model, and of FAIRsFAIR (`FsF-...`).
        field: Of the description that answers it.
        remedy: How to say it: `FIELD=VALUE` of `cisterna metadata set` where there is a field, else in words.
    """

    key: str
    principle: str
    asks: str
    priority: Priority
    rests_on: RestsOn
    sources: tuple[str, ...]
    judge: Callable[[FairSubject], Judgement]
    field: str | None = None
    remedy: str = ""


def met(why: str) -> Judgement:
    """Say that it is so."""
    return Judgement(Standing.MET, why)


def partly(why: str, *, field: str | None = None, remedy: str | None = None) -> Judgement:
    """Say that some of it is so."""
    return Judgement(Standing.PARTLY, why, field, remedy)


def not_met(why: str, *, field: str | None = None) -> Judgement:
    """Say that it is not so."""
    return Judgement(Standing.NOT_MET, why, field)


def not_assessable(why: str) -> Judgement:
    """Say that nobody can tell, or that it does not apply; it counts neither way."""
    return Judgement(Standing.NOT_ASSESSABLE, why)


def by_count(count: int, *, enough: int, of: str) -> Judgement:
    """Judge by how many there are."""
    words = f"{count} {of}"
    return met(words) if count >= enough else partly(f"{words}; {enough} are wanted") if count else not_met(f"no {of}")


def is_placeholder(text: str) -> bool:
    """Tell whether a text holds the place of one that nobody has written: `test`, `untitled 2`, `xxx`, `-`."""
    words = _WORDS.findall(text.casefold())
    return all(word in _MEANINGLESS or (len(word) > 1 and len(set(word)) == 1) for word in words)


_WORDS = re.compile(r"[^\W\d_]+")
_MEANINGLESS = frozenset(
    [
        *("a", "acquisition", "admin", "administrator", "anonymous", "asdf", "bar", "baz", "blah", "data", "dataset"),
        *("demo", "description", "dummy", "example", "exp", "experiment", "file", "files", "folder", "foo", "guest"),
        *("image", "images", "ipsum", "keyword", "keywords", "lorem", "measurement", "my", "n", "na", "name", "new"),
        *("no", "nobody", "none", "not", "null", "of", "operator", "placeholder", "plate", "publisher", "qwerty"),
        *("root", "run", "sample", "samples", "scan", "set", "some", "somebody", "something", "tba", "tbc", "tbd"),
        *("test", "tester", "testing", "tests", "the", "title", "tmp", "todo", "unknown", "unnamed", "untitled"),
        *("user", "x", "y", "z"),
    ]
)
