"""The FAIR score: what counts, what does not, and that saying what is missing always raises it."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cisterna.domain.credit import Subject
from cisterna.domain.project import Access, HumanData
from cisterna.metadata.described import Described
from cisterna.metadata.fair import FairScore, JudgedCriterion, fair_score, wanted_fields
from cisterna.metadata.fair_criteria import CRITERIA
from cisterna.metadata.fair_criterion import FairSubject, FileBytes, RestsOn, Standing, is_placeholder
from cisterna.metadata.forms import FORMS
from cisterna.metadata.given import read_given
from cisterna.metadata.record import Given, MetadataRecord, Origin, SampleFacts
from tests.metadata.described import a_derived_record, a_full_record, a_record
from tests.metadata.strategies import records

FOLDER = "2026-11-22_09-30-00.123456"
TEXT = "Nuclei of untreated U2OS cells, stained with DAPI and imaged on a Squid microscope, to train a model."
EMPTY: dict[str, Any] = {
    "title": None,
    "description": None,
    "creators": (),
    "contributors": (),
    "publisher_ror": None,
    "licence": None,
    "human_data": HumanData.UNANSWERED,
    "keywords": (),
    "subjects": (),
    "language": None,
    "funding": (),
    "references": (),
    "samples": None,
}
"""Fields of the description, and what they hold when nothing is said."""


def scored(record: MetadataRecord, **facts: Any) -> FairScore:
    told = {"folder": FOLDER, "file_bytes": FileBytes(100, 100), **facts}
    return fair_score(FairSubject(record, f"https://data.example/{record.pid}", **told))


def the(key: str, score: FairScore) -> JudgedCriterion:
    return next(one for one in (*score.criteria, *score.by_software) if one.key == key)


def changed(record: MetadataRecord, **fields: Any) -> MetadataRecord:
    """Let a steward say other values."""
    origins = record.origins | dict.fromkeys(fields, Origin.STEWARD)
    return record.model_copy(update={**fields, "origins": origins})


def said(record: MetadataRecord, remedy: str) -> MetadataRecord:
    """Say what a remedy proposes, as `cisterna metadata set` does."""
    name, _, value = remedy.partition("=")
    edits = read_given(f"{name}: {value}".encode())
    fields = {name: found for name in Given.model_fields if (found := getattr(edits, name)) is not None}
    if edits.samples:
        own = {name: found for name in SampleFacts.model_fields if (found := getattr(edits.samples, name))}
        fields["samples"] = (record.samples or SampleFacts()).model_copy(update=own)
    if edits.references:
        kinds = {one.kind for one in edits.references}
        fields["references"] = (*edits.references, *(one for one in record.references if one.kind not in kinds))
    return changed(record, **fields)


def a_fair_record() -> MetadataRecord:
    """Describe data of which nothing that is asked for is missing."""
    record = a_full_record()
    for remedy in (one.remedy for one in CRITERIA if one.field):
        record = said(record, remedy)
    return changed(record, embargo_until=None, pid=record.pid.replace("99999", "12345"))


@settings(max_examples=15, deadline=None)
@given(records())
def test_each_missing_point_once_said_as_proposed_raises_the_score(record: MetadataRecord) -> None:
    before = scored(record)

    for one in before.missing:
        if one.field:
            assert one.remedy is not None
            after = scored(said(record, one.remedy))
            assert after.points > before.points, one
            assert the(one.key, after).points > one.points, one


@settings(max_examples=20, deadline=None)
@given(records(), st.sampled_from(sorted(EMPTY)))
def test_saying_what_was_not_said_never_lowers_the_score(record: MetadataRecord, field: str) -> None:
    assume(getattr(record, field) != EMPTY[field])
    silent = record.model_copy(update={field: EMPTY[field]})

    assert scored(silent).points <= scored(record).points
    assert scored(silent).of == scored(record).of


@settings(max_examples=15, deadline=None)
@given(records())
def test_points_add_up_and_everything_that_lacks_is_named_with_a_reason(record: MetadataRecord) -> None:
    score = scored(record)

    assert score.points == sum(one.points for one in score.letters) == sum(one.points for one in score.criteria)
    assert score.of == sum(one.of for one in score.letters)
    assert {one.key for one in score.missing} == {one.key for one in score.criteria if one.points < one.of}
    assert all(one.why and (one.remedy or not one.lacks) for one in score.criteria)
    assert [one.lacks for one in score.missing] == sorted((one.lacks for one in score.missing), reverse=True)


def test_a_hundred_is_only_said_where_nothing_is_missing() -> None:
    record = a_fair_record()
    almost = record.model_copy(update={"language": None})

    assert (scored(record).percent, scored(record).missing) == (100.0, ())
    assert scored(almost).percent == pytest.approx(98.1)
    assert wanted_fields(scored(almost)) == ("language",)


def test_what_the_software_does_counts_nothing() -> None:
    record = a_record(project=None, instrument=None, described=None, planes=(), images=None)
    described = Described(record, base_url="https://data.example/x")
    forms = {form.name: form.write(described) for form in FORMS}

    bare, written = scored(record), scored(record, forms=forms)

    assert (written.points, written.of) == (bare.points, bare.of)
    assert written.percent is not None
    assert written.percent < 10
    assert the("identifier-in-forms", written).standing is Standing.MET
    assert all(one.rests_on is not RestsOn.SOFTWARE for one in written.criteria)


def test_what_the_software_does_is_looked_at_and_not_believed() -> None:
    record = a_record()
    described = Described(record, base_url="https://data.example/x")
    forms: dict[str, bytes | None] = {form.name: form.write(described) for form in FORMS}
    spoiled = {"dcat": None, "bibtex": b"@dataset{another}", "prov": b'{"entity": {}}'}

    score = scored(record, forms=forms | spoiled)

    assert the("identifier-in-forms", score).why == "not in dcat, prov, bibtex"
    assert the("graphs", score).standing is Standing.NOT_MET
    assert "activity" in the("provenance-form", score).why
    assert the("standards", score).standing is Standing.NOT_MET
    assert the("standards", scored(record, forms=forms)).standing is Standing.MET


@pytest.mark.parametrize(
    "title", ["test", "Test 2", "untitled", "-", "xxx", "New dataset", "plate 7", "exp_01", "run-A1_2026", FOLDER]
)
def test_a_placeholder_or_a_folders_name_is_no_title(title: str) -> None:
    assert the("title", scored(changed(a_record(), title=title))).standing is Standing.NOT_MET


@pytest.mark.parametrize(
    "title", ["Nuclei of U2OS cells", "细胞核图像", "Test of a new stain on nuclei", "Zellkerne (Test)"]
)
def test_a_title_that_says_what_the_data_are_counts(title: str) -> None:
    assert the("title", scored(changed(a_record(), title=title))).standing is Standing.MET


def test_a_title_that_no_person_said_counts_in_part() -> None:
    assert the("title", scored(a_record())).standing is Standing.PARTLY
    assert the("title", scored(a_derived_record())).standing is Standing.PARTLY


def test_a_sentence_of_counts_is_no_description() -> None:
    record = a_record()

    assert record.summary
    assert the("description", scored(record)).standing is Standing.NOT_MET
    assert the("description", scored(changed(record, description="Test data"))).standing is Standing.NOT_MET
    assert the("description", scored(changed(record, description="Nuclei of cells"))).standing is Standing.PARTLY
    assert the("description", scored(changed(record, description=TEXT))).standing is Standing.MET
    assert the("description", scored(changed(record, description=TEXT, title=TEXT))).standing is Standing.PARTLY


@pytest.mark.parametrize("licence", ["Do-What-You-Like-1.0", "CC-BY-5.0", "MIT+", "http://example.org/licence", "none"])
def test_a_made_up_licence_counts_as_none(licence: str) -> None:
    found = the("licence", scored(a_record().model_copy(update={"licence": licence})))

    assert (found.standing, found.field, found.remedy) == (Standing.NOT_MET, "licence", "licence=CC-BY-4.0")
    assert licence in found.why


def test_a_licence_that_was_renamed_counts_in_part() -> None:
    assert the("licence", scored(a_record().model_copy(update={"licence": "GPL-3.0"}))).standing is Standing.PARTLY
    assert the("licence", scored(a_record().model_copy(update={"licence": "GPL-3.0-only"}))).standing is Standing.MET


def test_missing_provenance_is_found() -> None:
    record = a_record()
    dates = record.dates.model_copy(update={"acquired_from": None, "acquired_to": None})

    assert the("origin", scored(record)).standing is Standing.MET
    assert the("origin", scored(record.model_copy(update={"dates": dates}))).standing is Standing.PARTLY
    lost = record.model_copy(update={"dates": dates, "instrument": None})
    assert the("origin", scored(lost)).standing is Standing.NOT_MET
    assert the("origin", scored(a_derived_record(related=()))).standing is Standing.NOT_MET
    assert the("origin", scored(a_derived_record())).standing is Standing.MET


def test_what_nobody_said_of_access_does_not_count_and_closed_is_an_answer() -> None:
    silent = a_record(project=None)
    endless = changed(a_record(), access=Access.EMBARGOED)

    assert the("access", scored(silent)).standing is Standing.NOT_MET
    assert the("access", scored(changed(silent, access=Access.CLOSED))).standing is Standing.MET
    assert the("access", scored(endless)).field == "embargo_until"
    assert the("access", scored(changed(endless, embargo_until=date(2027, 1, 1)))).standing is Standing.MET


def test_a_test_identifier_does_not_count_and_a_doi_does() -> None:
    assert the("identifier", scored(a_record())).standing is Standing.NOT_MET
    assert the("identifier", scored(a_record())).field is None
    assert the("identifier", scored(a_record(), doi="10.5555/x")).standing is Standing.MET


def test_creators_without_names_and_identifiers_of_theirs_are_counted() -> None:
    record = a_record()
    creator = record.creators[0]
    nobody = creator.model_copy(update={"name": "Test User", "orcid": None, "ror": None})

    both = scored(changed(record, creators=(creator, nobody)))
    alone = scored(changed(record, creators=(nobody,)))

    for key in ("creators", "creator-identifiers", "affiliations"):
        assert the(key, scored(record)).standing is Standing.MET
        assert the(key, both).standing is Standing.PARTLY
        assert the(key, alone).standing is Standing.NOT_MET


@pytest.mark.parametrize(
    ("found", "standing"),
    [
        (FileBytes(100, 100), Standing.MET),
        (FileBytes(995, 1000), Standing.MET),
        (FileBytes(1, 1000), Standing.PARTLY),
        (FileBytes(0, 1000), Standing.NOT_MET),
        (FileBytes(0, 0), Standing.NOT_ASSESSABLE),
        (None, Standing.NOT_ASSESSABLE),
    ],
)
def test_formats_are_judged_by_bytes(found: FileBytes | None, standing: Standing) -> None:
    judged = the("formats", scored(a_record(), file_bytes=found))

    assert judged.standing is standing
    assert (judged.of == 0) is (standing is Standing.NOT_ASSESSABLE)


def test_what_does_not_apply_counts_neither_way() -> None:
    table = a_record().model_copy(update={"data_type": "table", "imaging": None})

    assert the("imaging", scored(table)).of == 0
    assert the("imaging", scored(a_derived_record())).of == 0
    assert the("tool", scored(a_derived_record(model=None))).standing is Standing.MET
    assert the("tool", scored(a_derived_record(model=None, software=None))).standing is Standing.NOT_MET
    assert the("harvest", scored(changed(table, access=Access.CLOSED))).standing is Standing.NOT_ASSESSABLE


def test_every_criterion_has_a_key_of_its_own_and_published_indicators() -> None:
    indicator = re.compile(r"RDA-[FAIR][0-9](\.[0-9])?-[0-9]{2}[MD]|FsF-[FAIR][0-9](\.[0-9])?-[0-9]{2}(M|D|MD)")

    assert len({one.key for one in CRITERIA}) == len(CRITERIA)
    for one in CRITERIA:
        assert one.sources, one.key
        assert all(indicator.fullmatch(source) for source in one.sources), one.key
        assert (one.field is not None) is (one.rests_on is RestsOn.DESCRIPTION), one.key


@pytest.mark.parametrize("text", ["", "-", "7", "xxx", "TEST", "Untitled_3", "lorem ipsum", "n/a", "foo bar"])
def test_a_text_that_holds_a_place_is_known(text: str) -> None:
    assert is_placeholder(text)


@pytest.mark.parametrize("text", ["Ek, Bo", "DAPI", "nuclei", "Testis of the mouse", "李"])
def test_a_text_that_says_something_is_no_placeholder(text: str) -> None:
    assert not is_placeholder(text)


@pytest.mark.parametrize(
    ("organisms", "stains", "standings"),
    [
        ([("unknown", None)], [("n/a", None)], ("not-met", "not-met")),
        ([("Homo sapiens", "CL:0000000")], [("DAPI", None)], ("partly", "partly")),
        ([("Homo sapiens", "NCBITaxon:9606")], [("DAPI", None)], ("met", "partly")),
    ],
)
def test_a_word_that_says_nothing_and_a_term_of_another_vocabulary_earn_no_point(
    organisms: list[Any], stains: list[Any], standings: tuple[str, str]
) -> None:
    told = {"organisms": organisms, "stains": stains, "cell_lines": [("none", None)]}
    samples = SampleFacts(**{k: tuple(Subject(label=one, curie=term) for one, term in v) for k, v in told.items()})

    score = scored(changed(a_record(), samples=samples))

    assert (the("organisms", score).standing, the("preparation", score).standing) == standings
