"""What is said of a term that somebody wrote down."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cisterna.domain.credit import Subject
from cisterna.domain.errors import InvalidInput
from cisterna.domain.project import MetadataDefaults
from cisterna.metadata.record import Given
from cisterna.metadata.spelling import folded
from cisterna.metadata.vocabulary import TermDesk, Vocabularies, judged_words
from cisterna.ports.vocabulary import Standing
from cisterna.services.vocabulary import given_terms, new_terms, require_terms
from cisterna.testing.memory_vocabulary import (
    CONFOCAL,
    HUMAN,
    MOUSE,
    MemoryPrefixes,
    MemoryShelf,
    MemoryTerms,
    small_vocabulary,
)

VOCABULARY = small_vocabulary()


IN, MEANT = "in taxa (2026-01)", "did you mean 'Mus musculus; NCBITaxon:10090'?"
OR_CONFOCAL = "did you mean 'confocal microscopy; FBbi:00000251'?"
OR_WORDS = "look it up with `cisterna vocabulary search`, or keep the words without a term"
ABSENT = "is not checked: its vocabulary is not here, or not as new"
LOOK = "look whether that is what is meant"
JUDGED = [
    ("NCBITaxon:9606", "Homo sapiens", Standing.KNOWN, ""),
    ("NCBITaxon:9606", "HOMO  SAPIENS", Standing.KNOWN, ""),
    ("NCBITaxon:9606", "human", Standing.KNOWN, ""),
    ("NCBITaxon:9606", "Mensch", Standing.OTHER_LABEL, f"is 'Homo sapiens' {IN}, and is called 'Mensch' here; {LOOK}"),
    ("NCBITaxon:9606", "Mouse", Standing.CONTRADICTED, f"is 'Homo sapiens' {IN}, and not 'Mouse'; {MEANT}"),
    ("NCBITaxon:10091", "Mus domesticus", Standing.OBSOLETE, f"('Mus domesticus') is obsolete {IN}; {MEANT}"),
    ("NCBITaxon:10009", "mouse", Standing.UNKNOWN, f"is no term {IN}; {MEANT}"),
    ("NCBITaxon:1", "unheard of", Standing.UNKNOWN, f"is no term {IN}; {OR_WORDS}"),
    (
        "FBbi:251a",
        "confocal",
        Standing.MALFORMED,
        f"has not the form of that vocabulary's identifiers, such as FBbi:00000251; {OR_CONFOCAL}",
    ),
    ("UBERN:0000955", "confocal", Standing.NO_PREFIX, f"has a prefix of no vocabulary; near is UBERON; {OR_CONFOCAL}"),
    ("FBbi:00000246", "fluorescence", Standing.UNCHECKED, f"('fluorescence') {ABSENT}"),
    ("UBERON:0000955", "brain", Standing.UNCHECKED, f"('brain') {ABSENT}"),
]


@pytest.mark.parametrize(("curie", "label", "standing", "words"), JUDGED)
def test_a_term_is_judged_and_what_is_amiss_is_said(curie: str, label: str, standing: Standing, words: str) -> None:
    judgement = VOCABULARY.judge(curie, label)

    assert judgement.standing is standing
    assert judged_words(judgement, label) == (f"{curie} {words}" if words else "")


def test_a_prefix_of_the_facilitys_own_is_a_prefix() -> None:
    own = MemoryTerms(CONFOCAL.model_copy(update={"curie": "FARM:1"}))

    assert Vocabularies(MemoryShelf(own), prefixes=MemoryPrefixes()).judge("farm:2", "x").standing is Standing.UNCHECKED


def test_the_facilitys_own_word_on_a_term_comes_first() -> None:
    own = MemoryTerms(HUMAN.model_copy(update={"label": "Person"}), name="own")
    found = Vocabularies(MemoryShelf(own, MemoryTerms(HUMAN)), prefixes=MemoryPrefixes()).look_up("NCBITaxon:9606")

    assert found is not None
    assert (found.label, found.source) == ("Person", "own")


def test_no_source_fills_a_search_alone_and_what_is_obsolete_comes_last() -> None:
    many = [MOUSE.model_copy(update={"curie": f"A:{place}", "label": f"mouse {place}"}) for place in range(50)]
    old = MOUSE.model_copy(update={"curie": "A:99", "label": "mouse", "obsolete": True})
    shelf = MemoryShelf(MemoryTerms(old, *many), MemoryTerms(MOUSE.model_copy(update={"label": "mouse mouse"})))

    found = Vocabularies(shelf, prefixes=MemoryPrefixes()).search("mouse", limit=100)

    assert "NCBITaxon:10090" in [one.curie for one in found[:6]]
    assert found[-1].curie == "A:99"
    assert len({one.curie for one in found}) == len(found) == 52


def test_a_search_takes_a_terms_own_curie() -> None:
    assert [one.curie for one in VOCABULARY.search("ncbitaxon:9606")][:1] == ["NCBITaxon:9606"]
    assert list(VOCABULARY.search(" ")) == []


def a_desk(vocabulary: Vocabularies = VOCABULARY) -> tuple[TermDesk, list[str], list[str]]:
    problems: list[str] = []
    notes: list[str] = []
    return TermDesk(vocabulary, problems=problems, notes=notes), problems, notes


def test_of_a_wrong_term_only_the_words_go_on_and_a_person_is_told() -> None:
    desk, problems, notes = a_desk()

    kept = desk.judged([Subject(label="mouse", curie="NCBITaxon:10009"), Subject(label="mouse")], place="subjects")

    assert kept == (Subject(label="mouse"),)
    assert problems == [f"subjects, not used as a term: NCBITaxon:10009 is no term {IN}; {MEANT}"]
    assert notes == ["subjects: 'mouse' has a term; to name it, say 'Mus musculus; NCBITaxon:10090'"]


@pytest.mark.parametrize(
    ("subject", "note"),
    [
        (Subject(label="brain", curie="UBERON:0000955"), "is not checked"),
        (Subject(label="Mensch", curie="NCBITaxon:9606"), "look whether that is what is meant"),
        (Subject(label="Mus domesticus", curie="NCBITaxon:10091"), "is obsolete"),
        (Subject(label="Human"), "has a term; to name it, say 'Homo sapiens; NCBITaxon:9606'"),
    ],
    ids=["unchecked", "another-language", "obsolete", "no-term"],
)
def test_what_may_be_meant_stays_as_it_is_and_bars_nothing(subject: Subject, note: str) -> None:
    desk, problems, notes = a_desk()

    assert desk.judged([subject], place="subjects") == (subject,)
    assert problems == []
    assert note in notes[0]


def test_a_vocabulary_that_is_out_of_order_keeps_no_data_back() -> None:
    source = MemoryTerms(HUMAN, whole=("NCBITaxon",))
    source.fail()
    desk, problems, notes = a_desk(Vocabularies(MemoryShelf(source), prefixes=MemoryPrefixes()))
    said = [Subject(label="mouse", curie="NCBITaxon:10009"), Subject(label="words")]

    assert desk.judged(said, place="subjects") == tuple(said)
    assert problems == []
    assert notes == ["subjects: NCBITaxon:10009 is not checked: a vocabulary here is out of order"]
    require_terms([("subjects.0", said[0])], vocabulary=Vocabularies(MemoryShelf(source), prefixes=MemoryPrefixes()))


def test_a_typed_term_that_is_none_is_refused_with_its_field_and_what_may_be_meant() -> None:
    given = Given.model_validate(
        {
            "subjects": ["confocal; FBbi:00000251", "mice; NCBITaxon:0"],
            "samples": {"organisms": ["Mouse; NCBITaxon:9606"], "tissues": ["brain; UBERON:0000955"], "wells": "3"},
        }
    )

    with pytest.raises(InvalidInput) as refused:
        require_terms(given_terms(given), vocabulary=VOCABULARY)

    first, second = str(refused.value).split("; samples.")
    assert first.startswith("subjects.1: NCBITaxon:0 is no term")
    assert second.startswith("organisms.0: NCBITaxon:9606 is 'Homo sapiens'")
    assert second.endswith("did you mean 'Mus musculus; NCBITaxon:10090'?")


def test_what_nobody_can_judge_may_be_typed() -> None:
    said = Given.model_validate({"subjects": ["brain; UBERON:0000955", "words", "Mensch; NCBITaxon:9606"]})

    require_terms(given_terms(said), vocabulary=VOCABULARY)
    require_terms(given_terms(Given.model_validate({"subjects": ["x; NCBITaxon:0"]})), vocabulary=None)


def test_of_a_project_only_new_terms_are_judged() -> None:
    wrong = Subject(label="x", curie="NCBITaxon:0")
    before, after = MetadataDefaults(subjects=(wrong,)), MetadataDefaults(subjects=(wrong, Subject(label="y")))

    assert list(new_terms(after, before=before)) == [("subjects.1", Subject(label="y"))]
    assert list(new_terms(before, before=None)) == [("subjects.0", wrong)]


def test_hundreds_of_wrong_terms_are_told_in_few_words() -> None:
    said = Given(subjects=tuple(Subject(label="x", curie=f"NCBITaxon:{place}") for place in range(500)))

    with pytest.raises(InvalidInput, match=r"and 490 more$") as refused:
        require_terms(given_terms(said), vocabulary=VOCABULARY)

    assert len(str(refused.value)) < 3000


@settings(max_examples=30, deadline=None)  # a prefix that nobody has is held against all that there are
@given(label=st.text(min_size=1, max_size=50), identifier=st.text(max_size=50), prefix=st.text(max_size=10))
def test_judging_never_raises(label: str, identifier: str, prefix: str) -> None:
    judgement = VOCABULARY.judge(f"{prefix}:{identifier}", label)

    assert bool(judged_words(judgement, label)) is (judgement.standing is not Standing.KNOWN)


@given(st.text(max_size=60))
def test_folding_twice_changes_nothing_more(text: str) -> None:
    assert folded(folded(text)) == folded(text)
