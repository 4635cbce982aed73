"""Where the terms of vocabularies are looked up; all of it is on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

from cisterna.domain.base import Value


class Term(Value):
    """A term as its vocabulary has it.

    Attributes:
        curie: Spelled as the vocabulary does.
        obsolete: Whether the vocabulary has given it up.
        replaced_by: Terms that the vocabulary names in place of one that it gave up.
        source: The file or package it was found in.
        released: That source's own date or version.
    """

    curie: str
    label: str
    synonyms: tuple[str, ...] = ()
    obsolete: bool = False
    replaced_by: tuple[str, ...] = ()
    source: str = ""
    released: str | None = None

    @property
    def line(self) -> str:
        """As `metadata.yaml` and the project's page take it."""
        return f"{' '.join(self.label.replace(';', ',').split())}; {self.curie}"


class Standing(StrEnum):
    """What is known of a term that somebody wrote down."""

    KNOWN = "known"
    OTHER_LABEL = "other-label"
    """There is such a term, and no vocabulary calls it so: perhaps in another language, perhaps by mistake."""
    CONTRADICTED = "contradicted"
    """There is such a term, and the words beside it name another one of the same vocabulary."""
    OBSOLETE = "obsolete"
    UNKNOWN = "unknown"
    """The whole vocabulary is here and has no such term."""
    UNCHECKED = "unchecked"
    """Nobody here has the vocabulary, or the term is newer than what is here."""
    MALFORMED = "malformed"
    """The vocabulary gives no identifiers of that form."""
    NO_PREFIX = "no-prefix"
    """No vocabulary has that prefix."""

    @property
    def is_wrong(self) -> bool:
        """Whether the term certainly is not what was meant."""
        return self in {Standing.CONTRADICTED, Standing.UNKNOWN, Standing.MALFORMED, Standing.NO_PREFIX}


class Judgement(Value):
    """What is said of one term.

    Attributes:
        term: As its vocabulary has it; None where there is none.
        suggestions: Terms that may be meant instead, the nearest first.
        hint: What else helps: the prefix that is near, or an example of the form.
        source: What it was judged by, with its date; empty where nothing here could.
    """

    curie: str
    standing: Standing
    term: Term | None = None
    suggestions: tuple[Term, ...] = ()
    hint: str = ""
    source: str = ""


class SourceFacts(Value):
    """What a source holds.

    Attributes:
        name: Of the file or package.
        released: Its own date or version; None where it says none.
        prefixes: Of terms that it has any of.
        whole: Prefixes of which it has every term: what it has not, there is not.
        terms: How many; None where nobody counts.
        is_own: Whether the facility put it there.
    """

    name: str
    released: str | None = None
    prefixes: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()
    terms: int | None = None
    is_own: bool = False


class TermSource(Protocol):
    """Terms of one file or package."""

    @property
    def facts(self) -> SourceFacts:
        """What it holds."""

    def find(self, curie: str) -> Term | None:
        """Return a term by its CURIE, in any case of letters; None where it is not in here."""

    def decides(self, curie: str) -> bool:
        """Tell whether there is no such term if it is not in here: all of its vocabulary is, up to that term."""

    def named(self, name: str, *, prefix: str | None = None) -> Sequence[Term]:
        """Return the terms with that label or synonym, whatever the case of letters."""

    def search(self, words: str, *, prefix: str | None, limit: int) -> Sequence[Term]:
        """Return terms whose names are, begin with, hold or nearly are the words; the nearest first."""


class PrefixFacts(Value):
    """A prefix that is registered.

    Attributes:
        prefix: As it is preferred.
        name: Of the vocabulary.
        example: An identifier of it; None where nobody gives one.
    """

    prefix: str
    name: str
    example: str | None = None


class PrefixRegistry(Protocol):
    """Prefixes that anybody has registered, and the forms of their identifiers."""

    def find(self, prefix: str) -> PrefixFacts | None:
        """Return a prefix, in any case of letters and by any of its other names."""

    def allows(self, prefix: str, identifier: str) -> bool:
        """Tell whether an identifier has the form that its vocabulary gives; without a known form, any has."""

    def near(self, prefix: str) -> Sequence[str]:
        """Name the prefixes that are spelled nearly so."""


class TermShelf(Protocol):
    """The sources that are here now; the facility's own come first."""

    def sources(self) -> Sequence[TermSource]:
        """Give those that can be used."""

    def faults(self) -> Sequence[str]:
        """Say which cannot be used, and why, for whoever put them there."""


class Vocabulary(Protocol):
    """All vocabularies as one."""

    def look_up(self, curie: str) -> Term | None:
        """Return a term by its CURIE."""

    def judge(self, curie: str, label: str, *, suggest: bool = True) -> Judgement:
        """Say what is known of a term with the words beside it; never raises for what anybody may write.

        Args:
            curie: The term.
            label: The words beside it.
            suggest: Whether to look for what may be meant instead of a wrong one, which takes longer.
        """

    def named(self, name: str) -> Sequence[Term]:
        """Return the terms that are called so, the facility's own first; what is obsolete is left out."""

    def search(self, words: str, *, prefix: str | None = None, limit: int = 20) -> Sequence[Term]:
        """Return terms for words, the nearest first; what is obsolete comes last."""

    def sources(self) -> Sequence[SourceFacts]:
        """Tell what there is to look in."""

    def faults(self) -> Sequence[str]:
        """Say which files cannot be used, and why."""
