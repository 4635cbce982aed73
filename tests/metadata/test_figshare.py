"""What Figshare is given fits it, whatever a record holds."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings

from cisterna.domain.credit import Creator
from cisterna.metadata.described import Described
from cisterna.metadata.figshare import DESCRIPTION_MOST, TITLE_MOST, figshare_article, is_licence, version_address
from cisterna.metadata.record import MetadataRecord
from tests.metadata.described import NOW, a_description, a_full_record, a_record, listed
from tests.metadata.strategies import records

BASE = "https://data.facility.example/ark:/99999/abc"


def article(record: MetadataRecord, *, has_all_files: bool = True, doi: str | None = None) -> Any:
    described = Described(record, [listed("data/a.tiff")], base_url=BASE, published_at=NOW, doi=doi)
    return figshare_article(described, address=BASE, has_all_files=has_all_files)


class Text(HTMLParser):
    """What a browser shows of HTML, a line for each paragraph."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.shown = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002
        self.shown += "\n"

    def handle_data(self, data: str) -> None:
        self.shown += data


def shown(html: str) -> str:
    page = Text()
    page.feed(html)
    assert page.tags == {"p"}
    return page.shown


@settings(max_examples=15, deadline=None)
@given(record=records())
def test_every_article_fits_and_names_its_version_first(record: MetadataRecord) -> None:
    made = article(record)

    assert json.loads(json.dumps(made)) == made
    assert 3 <= len(made["title"]) <= TITLE_MOST
    assert len(made["description"]) <= DESCRIPTION_MOST
    assert record.pid in shown(made["description"])
    assert made["authors"]
    assert 1 <= len(made["keywords"]) <= 100
    assert len(set(made["keywords"])) == len(made["keywords"])
    assert made["related_materials"][0]["identifier"] == version_address(BASE, record.version)


def test_a_description_reads_as_it_was_written_and_leads_back() -> None:
    hostile = "a < b & c\n<script>alert(1)</script>\n&lt;i&gt;"
    record = a_record().model_copy(update={"description": hostile})

    text = shown(article(record)["description"]).strip()

    assert text == f"{hostile}\n{record.pid}, version {record.version}: {BASE}/{record.version}"


@pytest.mark.parametrize("text", ["&" * 30_000, "\n".join(["<b>" * 40] * 300), "x" * 20_000], ids=["&", "<b>", "x"])
def test_a_description_without_end_is_cut_between_characters_and_still_leads_back(text: str) -> None:
    record = a_record().model_copy(update={"description": text})

    html = article(record)["description"]

    assert DESCRIPTION_MOST - 300 < len(html) <= DESCRIPTION_MOST
    assert set(shown(html).split("\n")[0]) <= {*text, "\N{HORIZONTAL ELLIPSIS}"}
    assert html.endswith(f"{BASE}/{record.version}</p>")


@pytest.mark.parametrize(
    ("title", "expected"), [("A1", "A1 (ark:"), ("t" * 5000, "t" * 999 + "\N{HORIZONTAL ELLIPSIS}")]
)
def test_a_title_is_neither_too_short_nor_too_long(title: str, expected: str) -> None:
    record = a_record(described=a_description(title="A1")).model_copy(update={"title": title})

    assert article(record)["title"].startswith(expected)


def test_people_are_named_as_they_are_read_and_with_their_orcid() -> None:
    creators = (Creator(name="Holm, Ada", orcid="0000-0002-1825-0097"), Creator(name="Brown University"))

    made = article(a_record().model_copy(update={"creators": creators}))

    assert made["authors"] == [{"name": "Ada Holm", "orcid_id": "0000-0002-1825-0097"}, {"name": "Brown University"}]


def test_relations_are_in_words_that_figshare_has() -> None:
    made = article(a_full_record(), has_all_files=False, doi="10.5555/abc")["related_materials"]

    assert {one["relation"] for one in made[:3]} == {"IsMetadataFor"}
    assert [one["identifier_type"] for one in made[:3]] == ["URL", "ARK", "DOI"]
    assert "IsCollectedBy" not in {one["relation"] for one in made}
    assert [one["is_linkout"] for one in made] == [True] + [False] * (len(made) - 1)


@pytest.mark.parametrize(
    ("identifier", "address", "expected"),
    [
        ("CC-BY-4.0", "https://creativecommons.org/licenses/by/4.0/", True),
        ("CC-BY-4.0", "http://creativecommons.org/licenses/by/4.0", True),
        ("CC-BY-4.0", "https://creativecommons.org/licenses/by-nc/4.0/", False),
        ("CC-BY-4.0", "https://creativecommons.org/licenses/by/3.0/", False),
        ("CC-BY-NC-ND-4.0", "https://creativecommons.org/licenses/by-nc-nd/4.0/legalcode", True),
        ("CC0-1.0", "https://creativecommons.org/publicdomain/zero/1.0/", True),
        ("MIT", "https://opensource.org/licenses/MIT", True),
        ("Apache-2.0", "https://www.apache.org/licenses/LICENSE-2.0.html", True),
        ("CC-BY-4.0", "https://evil.example/creativecommons.org/licenses/by/4.0", False),
        ("Zlib", "", False),
    ],
)
def test_a_licence_is_recognised_by_where_its_text_is(identifier: str, address: str, expected: bool) -> None:
    assert is_licence(identifier, address) is expected
