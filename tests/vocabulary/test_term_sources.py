"""Sources of terms: the contract of each, and what is its own."""

from __future__ import annotations

import sqlite3
from difflib import SequenceMatcher
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest

from cisterna.adapters import term_index
from cisterna.adapters.term_index import TermIndex, write_index
from cisterna.adapters.term_taxa import Taxonomy, installed_taxonomy
from cisterna.domain.errors import NotReady
from cisterna.ports.vocabulary import SourceFacts, Term, TermSource
from cisterna.testing.memory_vocabulary import CONFOCAL, HUMAN, MOUSE, OLD_MOUSE, MemoryTerms
from cisterna.testing.term_source_contract import TermSourceContract

FACTS = SourceFacts(name="taxa.obo", released="2026-01-02", whole=("ncbitaxon",))


def an_index(folder: Path, *terms: Term, facts: SourceFacts = FACTS) -> TermIndex:
    file = folder / "terms.sqlite"
    write_index(file, facts, terms)
    return TermIndex(file)


class FewTaxa:
    """What taxoniq does, for taxa of which it is told; like it, it has its own error for a name that is lacking."""

    class NoValue(Exception):
        pass

    _KNOWN: ClassVar = {
        9605: ("Homo", None),
        10088: ("Mus", None),
        9606: ("Homo sapiens", "human"),
        10090: ("Mus musculus", "house mouse"),
    }

    def __call__(self, *, tax_id: int | None = None, scientific_name: str | None = None) -> object:
        numbers = {name: number for number, (name, _) in self._KNOWN.items()}
        number = tax_id if tax_id is not None else numbers[str(scientific_name)]
        name, common = self._KNOWN[number]
        no_value = self.NoValue

        class Taxon(SimpleNamespace):
            @property
            def common_name(self) -> str:
                if common is None:
                    raise no_value
                return common

        return Taxon(tax_id=number, scientific_name=name)


class TestMemoryTerms(TermSourceContract):
    @pytest.fixture
    def source(self) -> TermSource:
        return MemoryTerms(HUMAN, MOUSE, whole=("NCBITaxon",))


class TestTermIndex(TermSourceContract):
    @pytest.fixture
    def source(self, tmp_path: Path) -> TermSource:
        return an_index(tmp_path, HUMAN, MOUSE)


class TestTaxonomy(TermSourceContract):
    @pytest.fixture
    def source(self) -> TermSource:
        return Taxonomy(FewTaxa(), released="2024-09-09")  # type: ignore[arg-type]

    @pytest.mark.parametrize("name", ["", " ", "x" * 5000, "\x00", "human beings", "\ud800"])
    def test_what_nothing_is_called_gives_nothing(self, source: TermSource, name: str) -> None:
        assert list(source.named(name)) == []  # `Homo` is the name of a genus


class TestInstalledTaxonomy(TermSourceContract):
    """The real one, where the extra `taxonomy` is installed."""

    @pytest.fixture
    def source(self) -> TermSource:
        found = installed_taxonomy()
        if found is None:
            pytest.skip("the extra `taxonomy` is not installed")
        return found

    @pytest.mark.parametrize("name", ["", "no such organism", "x" * 5000, "\x00", "\ud800"])
    def test_what_nothing_is_called_gives_nothing(self, source: TermSource, name: str) -> None:
        assert list(source.named(name)) == []


def test_a_number_newer_than_the_taxonomy_is_not_judged() -> None:
    taxa = Taxonomy(FewTaxa(), released="2024-09-09")  # type: ignore[arg-type]

    assert taxa.decides("NCBITaxon:10089")
    assert not taxa.decides("NCBITaxon:10091")
    assert not taxa.decides("NCBITaxon:999999999")
    assert taxa.decides("NCBITaxon:human-like")
    assert not taxa.decides("NCBITaxon:species")


def test_a_misspelt_species_leads_to_its_genus() -> None:
    taxa = Taxonomy(FewTaxa(), released="2024-09-09")  # type: ignore[arg-type]

    assert [one.label for one in taxa.search("homo sapeins", prefix=None, limit=5)] == ["Homo"]


def test_the_nearest_term_comes_first(tmp_path: Path) -> None:
    labels = ("light microscopy", "microscopy", "microscopy assay", "electron microscopy", "Mikroskopie", "telescopy")
    index = an_index(tmp_path, *(Term(curie=f"X:{place}", label=label) for place, label in enumerate(labels)))

    def found(words: str) -> list[str]:
        return [one.label for one in index.search(words, prefix=None, limit=4)]

    assert found("microscopy")[:2] == ["microscopy", "microscopy assay"]
    assert found("ELECTRON  micro") == ["electron microscopy"]
    assert found("micros elect") == ["electron microscopy"]
    assert found("electron microscpy")[0] == "electron microscopy"
    assert found("zzzz") == []


def test_accents_do_not_hide_a_name(tmp_path: Path) -> None:
    index = an_index(tmp_path, Term(curie="X:1", label="Förster transfer"), Term(curie="X:2", label="cafe\u0301"))

    assert [one.curie for one in index.named("forster TRANSFER")] == ["X:1"]
    assert [one.curie for one in index.named("caf\u00e9")] == ["X:2"]


def test_of_two_terms_of_one_curie_the_first_stays(tmp_path: Path) -> None:
    index = an_index(tmp_path, CONFOCAL, CONFOCAL.model_copy(update={"label": "another"}), OLD_MOUSE)

    assert index.facts.terms == 2
    assert index.facts.prefixes == ("FBbi", "NCBITaxon")
    assert index.named("another") == []
    found = index.find("FBbi:00000251")
    assert found is not None
    assert found.label == "confocal microscopy"


def test_an_index_that_went_bad_says_what_to_remove(tmp_path: Path) -> None:
    index = an_index(tmp_path, HUMAN)
    with sqlite3.connect(tmp_path / "terms.sqlite") as base:
        base.execute("DROP TABLE terms")
    base.close()

    with pytest.raises(NotReady, match=r"cannot be read .*; remove .*terms\.sqlite, and it is made anew"):
        index.find("NCBITaxon:9606")


def test_a_number_above_all_others_is_of_a_newer_release_and_not_judged(tmp_path: Path) -> None:
    index = an_index(tmp_path, Term(curie="EFO:0000400", label="x"), facts=SourceFacts(name="efo.obo", whole=("EFO",)))

    assert index.decides("efo:0000399")
    assert not index.decides("EFO:0000401")
    assert index.decides("EFO:" + "9" * 30)
    assert index.decides("EFO:diabetes")


def test_long_names_that_are_nearly_alike_are_not_all_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"abcd {number:03} {'xyz ' * 30}" for number in range(200)]
    terms = (Term(curie=f"A:{at}", label=name, synonyms=tuple(names[:10])) for at, name in enumerate(names))
    index = an_index(tmp_path, *terms)
    compared = 0

    class Counting(SequenceMatcher):
        def ratio(self) -> float:
            nonlocal compared
            compared += 1
            return super().ratio()

    monkeypatch.setattr(term_index, "SequenceMatcher", Counting)

    assert index.search(f"abcd 12 {'xyz ' * 29}", prefix=None, limit=3)
    assert compared <= 300
