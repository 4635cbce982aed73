"""A version that is described in one year and published in the next is cited by the year of its publication."""

from datetime import UTC, datetime

from cisterna.metadata.bibtex import bibtex_entry
from cisterna.metadata.described import Described
from cisterna.services.public_entry import entry_of
from cisterna.web.landing_page import citation
from tests.metadata.described import a_record
from tests.services.test_public_index import record

LATER = datetime(2027, 1, 3, 9, 30, tzinfo=UTC)


def test_page_index_and_forms_cite_the_same_year() -> None:
    described = a_record()
    public = record(metadata=described.model_dump(mode="json"), published_at=LATER)

    assert described.publication_year == 2026
    assert b"year = {2027}" in bibtex_entry(Described(described, published_at=LATER))
    assert "2027" in citation(public, "https://data.facility.example/a")
    assert "2026" not in citation(public, "https://data.facility.example/a")
    content = entry_of(public, base_url="https://data.facility.example").content
    assert content is not None
    assert content.year == 2027
