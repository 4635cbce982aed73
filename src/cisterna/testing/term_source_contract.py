"""What every source of terms has to do, as tests that each adapter's tests inherit."""

from __future__ import annotations

import pytest

from cisterna.ports.vocabulary import Term, TermSource

HUMAN, MOUSE = "NCBITaxon:9606", "NCBITaxon:10090"


class TermSourceContract:
    """Give `source` as a fixture: it holds `Homo sapiens` (also `human`) and `Mus musculus`, and all of NCBITaxon."""

    def test_a_term_is_found_by_its_curie_in_any_case(self, source: TermSource) -> None:
        """A CURIE is found, with its source and date."""
        found = source.find(HUMAN.upper())

        assert found is not None
        assert (found.curie, found.label, found.obsolete) == (HUMAN, "Homo sapiens", False)
        assert "human" in found.synonyms
        assert (found.source, found.released) == (source.facts.name, source.facts.released)

    @pytest.mark.parametrize("curie", ["NCBITaxon:", "NCBITaxon:x", "NCBITaxon:9606x", ":", "", "OTHER:9606"])
    def test_what_is_no_term_of_it_is_not_found(self, source: TermSource, curie: str) -> None:
        """Nothing else is."""
        assert source.find(curie) is None

    def test_it_decides_about_its_own_vocabulary_and_about_no_other(self, source: TermSource) -> None:
        """It knows what it has all of."""
        assert source.decides("ncbitaxon:9605")
        assert not source.decides("OTHER:1")

    @pytest.mark.parametrize("name", ["Homo sapiens", "homo  SAPIENS", "homo_sapiens"])
    def test_a_name_is_compared_without_case_and_doubled_blanks(self, source: TermSource, name: str) -> None:
        """Names are compared as people mean them."""
        assert [one.curie for one in source.named(name)] == [HUMAN]
        assert [one.curie for one in source.named(name, prefix="ncbitaxon")] == [HUMAN]
        assert list(source.named(name, prefix="OTHER")) == []

    @pytest.mark.parametrize("name", ["", " ", "Homo", "x" * 5000, "\x00", "'; DROP TABLE terms; --", "%", "\ud800"])
    def test_what_nothing_is_called_gives_nothing(self, source: TermSource, name: str) -> None:
        """A name is a whole name."""
        assert list(source.named(name)) == []

    @pytest.mark.parametrize("words", ["mus musculus", "Mus musclus"])
    def test_a_search_finds_the_term_itself_or_one_that_is_near(self, source: TermSource, words: str) -> None:
        """A search forgives."""
        found = source.search(words, prefix=None, limit=5)

        assert found
        assert found[0].label.startswith("Mus")

    def test_a_search_keeps_to_its_limit_and_prefix(self, source: TermSource) -> None:
        """A search is bounded."""
        assert len(source.search("m", prefix=None, limit=1)) <= 1
        assert list(source.search("mus musculus", prefix="OTHER", limit=5)) == []

    @pytest.mark.parametrize("words", ["", " ", "\x00", "(" * 5000, "\ud800", "a" * 100_000])
    def test_a_search_for_anything_answers(self, source: TermSource, words: str) -> None:
        """Nothing that is searched for raises."""
        found = source.search(words, prefix=None, limit=5)

        assert all(isinstance(one, Term) for one in found)
