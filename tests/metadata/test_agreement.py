"""Whatever a record says, every form says the same: read back by parsers that are not ours."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cisterna.domain.credit import Creator
from cisterna.metadata.described import Described
from cisterna.metadata.forms import FORMS, Form
from cisterna.metadata.listing import ListedFile, iri_path, uri_path
from cisterna.metadata.readme import readme_text
from cisterna.metadata.record import MetadataRecord
from tests.metadata.described import NOW, a_record
from tests.metadata.form_reading import READERS, expected
from tests.metadata.strategies import records

BASE = "https://f.example/ark:/99999/abc"
NAMES = (
    "Smith,John",
    "von der Heide, A. and B.",
    "Brown, University, of",
    "and",
    "{",
    "a,",
    ", b",
    "J~r",
    "O'Neill--X, `q''",
)
moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
paths = st.lists(
    st.text(st.characters(min_codepoint=33, exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20).filter(
        lambda name: "/" not in name and name not in {".", ".."}
    ),
    min_size=1,
    max_size=5,
    unique=True,
)


def titled(title: str, *names: str) -> MetadataRecord:
    creators = tuple(Creator(name=name) for name in names)
    return a_record().model_copy(update={"title": title, "creators": creators})


def test_every_form_is_read_back() -> None:
    assert {form.name for form in FORMS} == set(READERS)


@settings(max_examples=40, deadline=None)
@given(record=records(), published_at=moments, doi=st.sampled_from([None, "10.5555/x_y"]))
@example(record=titled("A1", *NAMES), published_at=NOW, doi=None)
@example(
    record=titled("<i>a</i> & \"b\" {c}} \\d ~e^ %f $g$ #h_i -- ``j'' ?` <<k>> @article{l, T2 - m", "x"),
    published_at=NOW,
    doi=None,
)
def test_pid_title_creators_licence_dates_sizes_and_digest_are_equal_in_every_form(
    record: MetadataRecord, published_at: datetime, doi: str | None
) -> None:
    described = Described(record, base_url=BASE, published_at=published_at, doi=doi)
    facts = expected(described)

    for form in FORMS:
        said = READERS[form.name](form.write(described))
        if form.archived_as:  # written before anybody knew when it would be published
            said = said._replace(issued=facts.issued)
        assert said == facts, form.name


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_every_form_that_is_written_at_publication_names_the_doi_where_there_is_one(form: Form) -> None:
    doi = "10.5555/abc.v1"
    described = Described(a_record(), base_url=BASE, published_at=NOW)

    without, named = (form.write(replace(described, doi=one)).decode() for one in (None, doi))

    assert "doi" not in without.lower()
    assert (doi in named) is (form.archived_as is None)


@settings(max_examples=15, deadline=None)
@given(record=records())
def test_what_is_not_public_is_said_alike_too(record: MetadataRecord) -> None:
    described = Described(record)

    assert {form.name: READERS[form.name](form.write(described)) for form in FORMS} == {
        form.name: expected(described) for form in FORMS
    }


@settings(max_examples=15, deadline=None)
@given(names=paths)
def test_sizes_and_digests_of_files_are_equal_wherever_they_are_named(names: list[str]) -> None:
    files = [
        ListedFile(path=f"data/{name}", size_bytes=number, sha512=f"{number:0128x}")
        for number, name in enumerate(names)
    ]
    described = Described(a_record(), files, base_url=BASE)
    crate = {one["@id"]: one for one in json.loads(form("crate").write(described))["@graph"]}
    page = json.loads(form("json-ld").write(described))

    assert [(one["contentSize"], one["sha512"]) for one in page["distribution"]] == [
        (str(file.size_bytes), file.sha512) for file in files
    ]
    for file, download in zip(files, page["distribution"], strict=True):
        entity = crate[iri_path(file.path)]
        assert (entity["contentSize"], entity["sha512"]) == (str(file.size_bytes), file.sha512)
        assert download["contentUrl"] == f"{BASE}/v1/files/{uri_path(file.path)}"


def test_the_readme_says_it_too() -> None:
    record = a_record()
    text = readme_text(record)

    for words in (record.pid, f"{record.total_bytes:,} bytes", record.manifest_digest, "Carberry, Josiah", "CC-BY-4.0"):
        assert words in text


def form(name: str) -> Form:
    return next(one for one in FORMS if one.name == name)
