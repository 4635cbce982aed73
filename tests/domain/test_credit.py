"""People, money, subjects and references are read from a line or from fields, and written the same way again."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from cisterna.domain.credit import (
    Contributor,
    ContributorRole,
    Creator,
    Funding,
    Reference,
    ReferenceKind,
    Subject,
)
from tests.metadata.strategies import contributors, creators, fundings, references, subjects

ROR = "https://ror.org/05gq02987"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Holm, Ada", Creator(name="Holm, Ada")),
        ("Holm, Ada;0000-0002-1825-0097", Creator(name="Holm, Ada", orcid="0000-0002-1825-0097")),
        ("Holm, Ada; Université Paris 7", Creator(name="Holm, Ada", affiliation="Université Paris 7")),
        (
            f"Holm, Ada; https://orcid.org/0000-0002-1825-0097; Brown University; {ROR}",
            Creator(name="Holm, Ada", orcid="0000-0002-1825-0097", affiliation="Brown University", ror=ROR),
        ),
    ],
)
def test_a_creator_is_read_from_a_line(line: str, expected: Creator) -> None:
    assert Creator.model_validate(line) == expected


@pytest.mark.parametrize("line", ["", "A; 1234", "A; B; C", "A; https://ror.org/05gq02988", f"A; {ROR}; {ROR}"])
def test_a_line_that_is_no_creator_is_refused(line: str) -> None:
    with pytest.raises(ValidationError):
        Creator.model_validate(line)


def test_a_contributor_has_a_role_of_datacite() -> None:
    contributor = Contributor.model_validate("DataCollector: Ek, Bo; Farm")

    assert contributor == Contributor(role=ContributorRole.DATA_COLLECTOR, name="Ek, Bo", affiliation="Farm")
    assert not contributor.is_organisation
    assert Contributor.model_validate("HostingInstitution: Farm").is_organisation
    for line in ("Ek, Bo", "Cook: Ek, Bo", "datacollector: Ek, Bo"):
        with pytest.raises(ValidationError, match=r"role|Input should be"):
            Contributor.model_validate(line)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Research Council", Funding(funder="Research Council")),
        ("Research Council; 2026-01", Funding(funder="Research Council", award_number="2026-01")),
        ("Research Council; ; Cells", Funding(funder="Research Council", award_title="Cells")),
        (
            "Research Council; 2026-01; Cells; 10.13039/501100000781; https://example.org/7",
            Funding(
                funder="Research Council",
                funder_id="https://doi.org/10.13039/501100000781",
                award_number="2026-01",
                award_title="Cells",
                award_uri="https://example.org/7",
            ),
        ),
    ],
)
def test_funding_is_read_from_a_line(line: str, expected: Funding) -> None:
    assert Funding.model_validate(line) == expected


def test_the_registry_of_a_funder_is_told() -> None:
    assert Funding(funder="F").funder_id_type is None
    assert Funding(funder="F", funder_id=ROR).funder_id_type == "ROR"
    assert Funding(funder="F", funder_id="10.13039/501100000781").funder_id_type == "Crossref Funder ID"


@pytest.mark.parametrize(
    ("line", "label", "term"),
    [
        ("U2OS", "U2OS", None),
        ("Homo sapiens; NCBITaxon:9606", "Homo sapiens", "NCBITaxon:9606"),
        ("Homo sapiens; http://purl.obolibrary.org/obo/NCBITaxon_9606", "Homo sapiens", "NCBITaxon:9606"),
        ("DMSO; 24 h", "DMSO; 24 h", None),
        ("DMSO; 24 h; CHEBI:28262", "DMSO; 24 h", "CHEBI:28262"),
        ("2:1 mix", "2:1 mix", None),
    ],
)
def test_a_subject_is_words_and_perhaps_a_term(line: str, label: str, term: str | None) -> None:
    assert Subject.model_validate(line) == Subject(label=label, curie=term)


def test_a_term_that_is_mistyped_in_a_line_is_told() -> None:
    with pytest.raises(ValidationError, match="PREFIX:identifier"):
        Subject.model_validate("Homo sapiens; NCBITaxon: 9606")


def test_a_subject_leads_to_its_vocabulary() -> None:
    subject = Subject(label="Homo sapiens", curie="NCBITaxon:9606")

    assert (subject.scheme, subject.iri) == ("NCBITaxon", "http://purl.obolibrary.org/obo/NCBITaxon_9606")
    assert (Subject(label="x").scheme, Subject(label="x").iri) == (None, None)


@pytest.mark.parametrize("kind", ReferenceKind)
def test_every_kind_of_reference_has_a_relation_and_a_type_that_datacite_knows(kind: ReferenceKind) -> None:
    reference = Reference.model_validate(f"{kind.value}: https://doi.org/10.5555/ABC; A title")

    assert reference == Reference(kind=kind, identifier="10.5555/abc", title="A title")
    assert reference.identifier_type == "DOI"
    assert reference.identifier_value == "10.5555/abc"
    assert reference.url == "https://doi.org/10.5555/abc"
    assert reference.relation in {"IsSupplementTo", "IsDocumentedBy", "References", "IsCompiledBy"}
    assert reference.resource_type in {"JournalArticle", "OutputManagementPlan", "Text", "Software", "Dataset"}


def test_the_number_of_an_authority_leads_nowhere() -> None:
    reference = Reference(kind=ReferenceKind.ETHICS_APPROVAL, identifier="Dnr 2023-01234")

    assert (reference.identifier_type, reference.url) == (None, None)


@pytest.mark.parametrize("identifier", ["javascript:alert(1)", "doi:x", "https://a:b@c/", "\u202e", "x" * 1001, ""])
def test_a_reference_that_leads_astray_is_refused(identifier: str) -> None:
    with pytest.raises(ValidationError):
        Reference(kind=ReferenceKind.PAPER, identifier=identifier)


@settings(max_examples=30, deadline=None)
@given(creators, contributors, fundings, subjects, references)
def test_every_value_survives_its_own_json(
    creator: Creator, contributor: Contributor, funding: Funding, subject: Subject, reference: Reference
) -> None:
    for value in (creator, contributor, funding, subject, reference):
        assert type(value).model_validate(value.model_dump(mode="json")) == value


HARD = st.text(
    alphabet=st.sampled_from([";", " ", '"', "<", ">", ":", "a", "0", "-", "\N{LATIN SMALL LETTER E WITH ACUTE}"]),
    min_size=1,
    max_size=12,
)
PIECES = st.sampled_from(
    ["; ", '"', "a", "https://example.org/a;b", "https://ror.org/x", "10.13039/1", "0000-0002", "GO:1", "; GO:1", "x;"]
)
WORDS = st.one_of(HARD, st.lists(PIECES, min_size=1, max_size=4).map("".join)).filter(lambda text: bool(text.strip()))
ADDRESSES = st.sampled_from(["https://example.org/a;b", "https://ror.org/grants;1", "https://example.org/10.13039/7"])


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_what_is_shown_in_a_line_is_read_back_as_it_was(data: st.DataObject) -> None:
    def some(strategy: st.SearchStrategy[str]) -> str | None:
        return data.draw(st.none() | strategy)

    name, more = data.draw(WORDS), {"affiliation": some(WORDS), "orcid": some(st.just("0000-0002-1825-0097"))}
    values = [
        Creator(name=name, ror=some(st.just(ROR)), **more),
        Contributor(name=name, role=ContributorRole.OTHER, **more),
        Funding(
            funder=name,
            award_number=some(WORDS),
            award_title=some(WORDS),
            funder_id=some(st.just("https://doi.org/10.13039/501100000781")),
            award_uri=some(ADDRESSES),
        ),
        Subject(label=name, curie=some(st.sampled_from(["GO:1", "GO:1;2"]))),
        *_references(data.draw(WORDS), some(WORDS)),
    ]

    for value in values:
        assert type(value).model_validate(value.line) == value, value.line


def _references(identifier: str, title: str | None) -> list[Reference]:
    try:
        return [Reference(kind=ReferenceKind.AGREEMENT, identifier=identifier, title=title)]
    except ValidationError:  # an identifier that leads astray
        return []


def test_marks_that_do_not_stand_around_a_whole_part_belong_to_it() -> None:
    creator = Creator.model_validate('Ada "the first" Holm; "Farm" of Umeå')

    assert (creator.name, creator.affiliation) == ('Ada "the first" Holm', '"Farm" of Umeå')
    assert Creator.model_validate(creator.line) == creator


LINES = [
    (Creator, 'Ada Holm; "Farm; Umeå"'),
    (Funding, "Research Council; <https://example.org/a;b>"),
    (Subject, '"nuclei; DAPI"; NCBITaxon:9606'),
    (Reference, 'agreement: "Dnr 7; annex 2"; Terms; 2026'),
    (Creator, f"Holm, Ada; 0000-0002-1825-0097; Brown University; {ROR}"),
    (Contributor, "DataCollector: Ek, Bo; Farm"),
    (Funding, "Research Council; ; Cells; https://doi.org/10.13039/501100000781; https://example.org/7"),
    (Subject, "Homo sapiens; NCBITaxon:9606"),
    (Reference, "ethics-approval: Dnr 2026-01234; Approval"),
    (Reference, "paper: 10.5555/a;b"),
]


@pytest.mark.parametrize(("kind", "line"), LINES)
def test_a_value_writes_the_line_that_it_is_read_from(kind: type[Creator], line: str) -> None:
    assert kind.model_validate(line).line == line


def test_who_is_credited_has_a_name_that_can_be_shown() -> None:
    creator = Creator(name=" Eve \u202ekcirt\x00\n A ", affiliation="Brown\x07 Uni\u200bversity")

    assert creator.line == "Eve kcirt A; Brown University"
    for name in ("", " ", "\u200b\u202e", "x" * 1001):
        with pytest.raises(ValidationError):
            Creator(name=name)
