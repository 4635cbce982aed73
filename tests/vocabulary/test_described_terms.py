"""Terms are judged when data are described: what is wrong is told, is in no form, and keeps nothing back."""

from __future__ import annotations

from typing import Any

import pytest

from cisterna.domain.credit import Subject
from cisterna.metadata.described import Described
from cisterna.metadata.forms import FORMS
from cisterna.metadata.record import Given, MetadataRecord, Origin, missing
from cisterna.metadata.vocabulary import Vocabularies
from cisterna.ports.vocabulary import Judgement
from cisterna.testing.memory_vocabulary import HUMAN, MemoryPrefixes, MemoryShelf, MemoryTerms, small_vocabulary
from tests.metadata.described import a_derived_record, a_project, a_record

VOCABULARY = small_vocabulary()


def described(**given: Any) -> MetadataRecord:
    return a_record(given=Given.model_validate(given), vocabulary=VOCABULARY)


def test_a_term_that_is_none_is_told_with_field_source_and_what_may_be_meant() -> None:
    record = described(subjects=["mouse; NCBITaxon:10009", "human; NCBITaxon:9606"])

    assert record.subjects == (Subject(label="mouse"), Subject(label="human", curie="NCBITaxon:9606"))
    assert record.origins["subjects"] is Origin.FILE
    (problem,) = record.problems
    assert problem == (
        "subjects from metadata.yaml, not used as a term: NCBITaxon:10009 is no term in taxa (2026-01); did you mean "
        "'Mus musculus; NCBITaxon:10090'?"
    )
    assert missing(record) == ("problems",)


def test_a_term_that_is_none_is_in_no_form() -> None:
    samples = {"organisms": ["mouse; NCBITaxon:10009", "Mouse; NCBITaxon:9606"], "stains": ["x; NOBODY:31337"]}

    record = described(subjects=["mice; NCBITaxon:10008"], samples=samples)

    assert len(record.problems) == 4
    for form in FORMS:
        text = form.write(Described(record, files=())).decode()
        for wrong in ("10008", "10009", "9606", "31337"):
            assert wrong not in text, form.name


@pytest.mark.parametrize("field", ["organisms", "tissues", "cell_lines", "diseases", "treatments", "stains"])
def test_terms_of_every_kind_of_sample_are_judged(field: str) -> None:
    record = described(samples={field: ["mouse; NCBITaxon:10009"]})

    assert record.problems[0].startswith(f"samples.{field} from metadata.yaml, not used as a term: NCBITaxon:10009")
    assert record.samples is not None
    assert getattr(record.samples, field) == (Subject(label="mouse"),)


def test_what_nobody_here_can_judge_stays_and_is_said_to_be_unchecked() -> None:
    record = described(subjects=["brain; UBERON:0000955"])

    assert record.subjects == (Subject(label="brain", curie="UBERON:0000955"),)
    (note,) = record.notes
    assert note.startswith("subjects from metadata.yaml: UBERON:0000955 ('brain') is not checked: its vocabulary")
    assert (record.problems, missing(record)) == ((), ())


def test_words_that_have_a_term_are_offered_it_and_it_is_not_added() -> None:
    record = described(samples={"organisms": ["human"]})

    assert record.samples is not None
    assert record.samples.organisms == (Subject(label="human"),)
    assert record.notes == (
        "samples.organisms from metadata.yaml: 'human' has a term; to name it, say 'Homo sapiens; NCBITaxon:9606'",
    )


def test_terms_of_project_and_source_are_judged_like_others() -> None:
    wrong = {"subjects": ("mouse; NCBITaxon:10009",)}

    of_project = a_record(project=a_project(**wrong), vocabulary=VOCABULARY)
    derived = a_derived_record(sources=[a_record(project=a_project(**wrong))], vocabulary=VOCABULARY)

    assert "subjects from project, not used" in of_project.problems[0]
    assert "subjects from source, not used" in derived.problems[0]
    assert of_project.subjects == derived.subjects == (Subject(label="mouse"),)


def test_without_a_vocabulary_nothing_is_judged() -> None:
    record = a_record(given=Given.model_validate({"subjects": ["mouse; NCBITaxon:10009"]}))

    assert record.subjects[0].curie == "NCBITaxon:10009"
    assert (record.problems, record.notes) == ((), ())


def test_hundreds_of_wrong_terms_are_described_all_the_same() -> None:
    kinds = ("organisms", "tissues", "cell_lines", "diseases", "treatments", "stains")
    terms = [f"x{place}; NCBITaxon:{10**6 + place}" for place in range(200)]
    asked: list[bool] = []

    class Watched(Vocabularies):
        def judge(self, curie: str, label: str, *, suggest: bool = True) -> Judgement:
            asked.append(suggest)
            return super().judge(curie, label, suggest=suggest)

    given = Given.model_validate(
        {"samples": dict.fromkeys(kinds, terms), "subjects": [f"y; UO:{n}" for n in range(99)]}
    )
    record = a_record(
        given=given,
        vocabulary=Watched(MemoryShelf(MemoryTerms(HUMAN, whole=("NCBITaxon",))), prefixes=MemoryPrefixes()),
    )

    assert len(record.problems) == 6 * 21
    assert record.problems[20] == "samples.organisms from metadata.yaml, not used as a term: and 180 more of these"
    assert len(record.notes) == 21
    assert len(record.subjects) == 99
    assert (asked[99:].count(True), len(asked)) == (6 * 20, 99 + 6 * 200)  # to look for others takes long
