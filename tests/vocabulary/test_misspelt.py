"""A word with a slip in it leads to the term that was meant, wherever in the word the slip is."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cisterna.adapters.shared_data import shared_folder
from cisterna.adapters.term_index import TermIndex, write_index
from cisterna.adapters.term_prefix import Bioregistry
from cisterna.adapters.term_shelf import Shelf
from cisterna.metadata.spelling import is_comparable, likeness, one_mistake
from cisterna.metadata.vocabulary import Vocabularies
from cisterna.ports.vocabulary import SourceFacts, Standing, Term

MISSPELT = {
    "mose": "NCBITaxon:10090",
    "house mose": "NCBITaxon:10090",
    "humna": "NCBITaxon:9606",
    "zebrafsh": "NCBITaxon:7955",
    "drosphila": "NCBITaxon:7227",
    "Sacharomyces cerevisae": "NCBITaxon:4932",
    "arabidopsis taliana": "NCBITaxon:3702",
    "xenpous": "NCBITaxon:8355",
    "chiken": "NCBITaxon:9031",
    "C. elegens": "NCBITaxon:6239",
    "HELLA": "EFO:0001185",
    "HKE293": "EFO:0001182",
    "U20S": "EFO:0002869",
    "Jurkatt": "EFO:0002796",
    "SH-SY5": "EFO:0002717",
    "RNAsq": "EFO:0008896",
    "ATACseq": "EFO:0007045",
    "flourescnce": "FBbi:00000246",
    "confcal": "FBbi:00000251",
    "electon": "FBbi:00000256",
    "imunoblot": "OBI:0001978",
    "hoescht": "FBbi:00000052",
    "DAPPI": "FBbi:00000056",
    "phaloidin": "FBbi:00000100",
    "eosine": "FBbi:00000037",
    "hematoxilin": "FBbi:00000041",
    "propidum iodide": "FBbi:00000047",
    "mitotraker": "FBbi:00000054",
}


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Vocabularies:
    folder = tmp_path_factory.mktemp("shelf")
    shelf = Shelf(own=folder / "own", shipped=shared_folder("vocabularies"), indexes=folder / "indexes")
    return Vocabularies(shelf, prefixes=Bioregistry())


@pytest.mark.parametrize(("typed", "meant"), MISSPELT.items(), ids=MISSPELT)
def test_a_misspelt_word_leads_first_to_what_was_meant(vocabulary: Vocabularies, typed: str, meant: str) -> None:
    assert [one.curie for one in vocabulary.search(typed)][:1] == [meant]


def test_a_wrong_term_with_a_misspelt_word_is_answered_with_the_right_one(vocabulary: Vocabularies) -> None:
    judgement = vocabulary.judge("EDAM:format_0000", "mose")

    assert judgement.standing is Standing.UNKNOWN
    assert vocabulary.judge("MOUSE_TAXON:1", "mose").suggestions[0].curie == "NCBITaxon:10090"


def test_what_has_the_words_comes_before_what_is_spelled_nearly_so(vocabulary: Vocabularies) -> None:
    found = [one.curie for one in vocabulary.search("mouse")]

    assert found[:2] == ["NCBITaxon:10090", "EDAM:topic_3338"]


@pytest.mark.parametrize(
    ("typed", "meant"),
    {
        "\N{MICRO SIGN}M": "UO:0000064",
        "\N{GREEK SMALL LETTER MU}g": "UO:0000023",
        "E.coli": "NCBITaxon:562",
        "e.  coli": "NCBITaxon:562",
        "(STED)": "FBbi:00000334",
        "human (Homo sapiens)": "NCBITaxon:9606",
        "mouse, house": "NCBITaxon:10090",
    }.items(),
)
def test_signs_that_people_write_for_letters_and_between_words_lead_to_what_was_meant(
    vocabulary: Vocabularies, typed: str, meant: str
) -> None:
    assert meant in [one.curie for one in vocabulary.search(typed)][:2]


@pytest.mark.parametrize("curie", ["EFO:9606", "EDAM:9606", "UO:human"])
def test_a_term_of_a_wrong_vocabulary_is_answered_with_the_one_that_has_its_words(
    vocabulary: Vocabularies, curie: str
) -> None:
    judgement = vocabulary.judge(curie, "Homo sapiens")

    assert judgement.standing.is_wrong
    assert [one.curie for one in judgement.suggestions][:1] == ["NCBITaxon:9606"]


def test_nothing_is_guessed_for_words_that_are_like_none(vocabulary: Vocabularies) -> None:
    assert [list(vocabulary.search(words)) for words in ("qqqqqqqq", "zzz", "x" * 5000, "!!!!", "\ud800" * 50)] == [
        []
    ] * 5


def test_a_mistake_is_found_among_tens_of_thousands_that_begin_alike(tmp_path: Path) -> None:
    crowd = (Term(curie=f"X:{number}", label=f"mos{number:05} mou{number:05}") for number in range(20_000))
    write_index(tmp_path / "terms.sqlite", SourceFacts(name="crowd"), [*crowd, Term(curie="X:mouse", label="mouse")])

    found = TermIndex(tmp_path / "terms.sqlite").search("moues", prefix=None, limit=3)

    assert [one.curie for one in found] == ["X:mouse"]


def test_a_search_of_many_words_finds_what_has_each_of_them(tmp_path: Path) -> None:
    crowd = [Term(curie=f"X:{at}", label=f"uncultured soil bacterium clone {at} of strain a") for at in range(3000)]
    one = Term(curie="X:one", label="strain a of uncultured soil bacterium", synonyms=("clone nine thousand",))
    write_index(tmp_path / "terms.sqlite", SourceFacts(name="crowd"), [*crowd, one])
    index = TermIndex(tmp_path / "terms.sqlite")

    def found(words: str) -> list[str]:
        return [term.curie for term in index.search(words, prefix=None, limit=3)]

    assert found("thousand nine clone bacterium soil uncultured a strain") == ["X:one"]
    assert found("thousand nine clonne bacteriun soil uncultured a strain") == ["X:one"]
    assert found("uncultured bacterium clone 77 strain a")[:1] == ["X:77"]


@settings(max_examples=50, deadline=None)
@given(st.text("mouse", min_size=4, max_size=8), st.data())
def test_every_single_slip_is_one_mistake_and_may_be_taken_back(word: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(word) - 1))
    letter = data.draw(st.sampled_from("xyz0-"))

    slips = {
        word[:place] + word[place + 1 :],
        word[:place] + letter + word[place:],
        word[:place] + letter + word[place + 1 :],
    }

    assert slips <= one_mistake(word)
    assert all(word in one_mistake(slip) for slip in slips)
    assert word not in one_mistake(word)


def test_short_words_and_endless_ones_are_not_told_by_their_letters() -> None:
    assert [is_comparable(word) for word in ("rat", "mice", "x" * 40, "x" * 41)] == [False, True, True, False]


def test_likeness_is_of_the_nearest_name_and_prefers_what_says_little_else() -> None:
    assert likeness("mouse", ["house", "mouse"]) == 1
    assert likeness("electon", ["electron microscopy"]) > likeness("electon", ["electron microscopy imaging assay"])
    assert likeness("mouse", []) == likeness("", ["mouse"]) == 0
