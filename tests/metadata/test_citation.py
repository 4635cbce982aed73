"""Citations come out of the programs that people cite with as they were written."""

import json
from typing import Any

import pytest
from citeproc import Citation, CitationItem, CitationStylesBibliography, CitationStylesStyle, formatter
from citeproc.source.json import CiteProcJSON

from cisterna.domain.credit import Creator
from cisterna.metadata.bibtex import bibtex_entry
from cisterna.metadata.csl import csl_document
from cisterna.metadata.described import Described
from cisterna.metadata.record import MetadataRecord
from cisterna.metadata.ris import ris_record
from tests.metadata.described import NOW, a_full_record, a_record

BASE = "https://data.facility.example/ark:/99999/abc"


def by(*names: str, **more: Any) -> MetadataRecord:
    return a_record().model_copy(update={"creators": tuple(Creator(name=name) for name in names), **more})


@pytest.mark.filterwarnings("ignore:The following arguments for Reference are unsupported")  # csl 1.0.2 has them
def test_a_citation_processor_divides_people_and_leaves_other_names_whole() -> None:
    organisation = Creator(name="Brown, University", ror="https://ror.org/05gq02987")
    record = by("Carberry, Josiah", "Ada Lovelace")
    record = record.model_copy(update={"creators": (*record.creators, organisation)})
    item = csl_document(Described(record, base_url=BASE, published_at=NOW, doi="10.5555/abc"))
    style = CitationStylesStyle("harvard-cite-them-right", validate=False)
    source = CiteProcJSON([item | {"id": "one"}])
    bibliography = CitationStylesBibliography(style, source, formatter.plain)
    bibliography.register(Citation([CitationItem("one")]))

    [text] = map(str, bibliography.bibliography())

    assert text == (
        "Carberry, J., Ada Lovelace and Brown, University (2026) “Nuclei, plate 7”. The Imaging Farm. "
        "Available at: https://doi.org/10.5555/abc."
    )


def test_bibtex_has_every_brace_closed_whatever_is_in_a_text() -> None:
    hostile = '}}} {{ \\{ " % @comment{x} # and $'
    body = bibtex_entry(Described(by(hostile, f"{hostile}, x", title=hostile, publisher=hostile, keywords=(hostile,))))
    depth = 0
    for character in body.decode():
        depth += {"{": 1, "}": -1}.get(character, 0)
        assert depth >= 0

    assert depth == 0
    assert body.decode().count("\n@") == 0


def test_names_that_bibtex_would_divide_are_kept_together() -> None:
    body = bibtex_entry(Described(by("Smith and Sons", "Dupont, Jean and Marie", "O'Neill, Ana-Lucía", "Ada Lovelace")))

    assert (
        "  author = {{Smith and Sons} and Dupont, {Jean and Marie} and O'Neill, Ana-Lucía and {Ada Lovelace}},\n"
        in (body.decode())
    )


def test_no_text_leaves_its_line_in_ris() -> None:
    hostile = "one\nER  - \r\nTY  - JOUR\u2028AU  - Nobody\x85\x00\x0b"
    body = ris_record(Described(by(hostile, title="T", description=hostile, publisher=hostile)))
    lines = body.decode().split("\r\n")

    assert body.decode().splitlines() == lines[:-1]
    assert [line[:6] for line in lines].count("TY  - ") == [line[:6] for line in lines].count("ER  - ") == 1
    assert all(line[2:6] == "  - " for line in lines[:-1])


@pytest.mark.parametrize("write", [bibtex_entry, ris_record, lambda one: json.dumps(csl_document(one)).encode()])
def test_a_citation_leads_to_the_doi_and_to_the_page(write: Any) -> None:
    body = write(Described(a_full_record(), base_url=BASE, published_at=NOW, doi="10.5555/a_b")).decode()

    assert BASE in body
    assert "10.5555/a_b" in body
    assert "osteosarcoma" in body
