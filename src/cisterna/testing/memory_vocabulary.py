"""Vocabularies in memory: a few terms and prefixes, for tests that need no files."""

from __future__ import annotations

from collections.abc import Sequence

from cisterna.domain.errors import NotReady
from cisterna.metadata.spelling import folded
from cisterna.metadata.vocabulary import Vocabularies
from cisterna.ports.vocabulary import PrefixFacts, SourceFacts, Term, TermSource

HUMAN = Term(curie="NCBITaxon:9606", label="Homo sapiens", synonyms=("human", "man"))
MOUSE = Term(curie="NCBITaxon:10090", label="Mus musculus", synonyms=("house mouse", "mouse"))
OLD_MOUSE = Term(curie="NCBITaxon:10091", label="Mus domesticus", obsolete=True, replaced_by=("NCBITaxon:10090",))
CONFOCAL = Term(curie="FBbi:00000251", label="confocal microscopy", synonyms=("confocal",))


class MemoryTerms:
    """A source that holds what it is given; `fail` makes it answer no more."""

    def __init__(
        self, *terms: Term, whole: Sequence[str] = (), name: str = "memory", released: str = "2026-01"
    ) -> None:
        told = [one.model_copy(update={"source": name, "released": released}) for one in terms]
        self._terms = {one.curie.casefold(): one for one in told}
        self._whole = {prefix.casefold() for prefix in whole}
        prefixes = tuple(sorted({one.curie.partition(":")[0] for one in terms}))
        self._facts = SourceFacts(
            name=name, released=released, prefixes=prefixes, whole=tuple(whole), terms=len(self._terms)
        )
        self._is_out = False

    @property
    def facts(self) -> SourceFacts:
        """What it holds."""
        return self._facts

    def fail(self) -> None:
        """Raise from now on, as a file does that went bad."""
        self._is_out = True

    def find(self, curie: str) -> Term | None:
        """Return a term by its CURIE."""
        return self._answering().get(curie.casefold())

    def decides(self, curie: str) -> bool:
        """Tell whether it was said to hold the whole vocabulary."""
        return curie.partition(":")[0].casefold() in self._whole

    def named(self, name: str, *, prefix: str | None = None) -> Sequence[Term]:
        """Return the terms that are called so."""
        found = [one for one in self._of(prefix) if folded(name) in map(folded, (one.label, *one.synonyms))]
        return sorted(found, key=lambda one: folded(one.label) != folded(name))

    def search(self, words: str, *, prefix: str | None, limit: int) -> Sequence[Term]:
        """Return terms with a name in which the words stand, or the first letters of the first of them."""
        begin = folded(words)[:3]
        near = [one for one in self._of(prefix) if any(begin in folded(name) for name in (one.label, *one.synonyms))]
        return [*dict.fromkeys([*self.named(words, prefix=prefix), *near])][:limit] if begin else []

    def _of(self, prefix: str | None) -> list[Term]:
        wanted = prefix.casefold() if prefix else None
        return [one for one in self._answering().values() if wanted in {None, one.curie.partition(":")[0].casefold()}]

    def _answering(self) -> dict[str, Term]:
        if self._is_out:
            msg = "the terms of memory cannot be read; they were made to fail"
            raise NotReady(msg, part="vocabulary")
        return self._terms


class MemoryPrefixes:
    """A registry of four vocabularies, whose identifiers are digits."""

    def find(self, prefix: str) -> PrefixFacts | None:
        """Return one of the four."""
        known = {one.prefix.casefold(): one for one in _PREFIXES}
        return known.get(prefix.casefold())

    def allows(self, prefix: str, identifier: str) -> bool:
        """Tell whether the identifier is digits."""
        return self.find(prefix) is None or (identifier.isascii() and identifier.isdigit())

    def near(self, prefix: str) -> Sequence[str]:
        """Name the one that begins with the same letter."""
        return [one.prefix for one in _PREFIXES if len(prefix) > 2 and one.prefix.startswith(prefix[:2])]


_PREFIXES = tuple(
    PrefixFacts(prefix=prefix, name=prefix, example=example)
    for prefix, example in (
        ("NCBITaxon", "9606"),
        ("FBbi", "00000251"),
        ("UBERON", "0000955"),
        ("UO", "0000017"),
    )
)


class MemoryShelf:
    """A shelf of what it is given."""

    def __init__(self, *sources: TermSource, faults: Sequence[str] = ()) -> None:
        self._sources, self._faults = sources, faults

    def sources(self) -> Sequence[TermSource]:
        """Give all of them."""
        return self._sources

    def faults(self) -> Sequence[str]:
        """Say what it was told to."""
        return self._faults


def small_vocabulary(*, faults: Sequence[str] = ()) -> Vocabularies:
    """Make a vocabulary of two whole lists: some mice and people, and one way to take pictures in part."""
    taxa = MemoryTerms(HUMAN, MOUSE, OLD_MOUSE, whole=("NCBITaxon",), name="taxa")
    return Vocabularies(MemoryShelf(taxa, MemoryTerms(CONFOCAL), faults=faults), prefixes=MemoryPrefixes())
