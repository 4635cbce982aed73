"""`metadata.yaml` is read as text, within bounds, and its faults are named."""

import contextlib
import re
from pathlib import Path

import pytest
from hypothesis import given as forall
from hypothesis import strategies as st

from cisterna.domain.errors import HostileInput, InvalidInput
from cisterna.domain.project import Access, HumanData
from cisterna.metadata.given import SIZE_LIMIT_BYTES, read_given
from cisterna.metadata.record import Given

WHOLE = b"""\
title: "Nuclei: plate 7"
description: |
  First line.
  Second line.
creators:
  - name: Carberry, Josiah
    orcid: 0000-0002-1825-0097
    affiliation: Brown University
publisher: The Imaging Farm
licence: cc-by-4.0
access: restricted
human_data: no
keywords: [nuclei, 2026-11-22, yes]
"""


def test_every_field_can_be_said() -> None:
    said = read_given(WHOLE)

    assert said.title == "Nuclei: plate 7"
    assert said.description == "First line.\nSecond line."
    assert said.creators is not None
    assert said.creators[0].orcid == "0000-0002-1825-0097"
    assert said.licence == "CC-BY-4.0"
    assert said.access is Access.RESTRICTED


def test_no_means_the_word_no_and_a_date_stays_as_written() -> None:
    said = read_given(WHOLE)

    assert said.human_data is HumanData.NO
    assert said.keywords == ("nuclei", "2026-11-22", "yes")


def test_the_example_of_the_manual_is_one_that_is_read() -> None:
    manual = Path(__file__).parents[2] / "docs" / "how-to" / "describe-data-beside-it.md"
    example = re.search(r"```yaml\n(.*?)```", manual.read_text("utf-8"), re.DOTALL)
    assert example is not None

    said = read_given(example[1].encode())

    assert all(getattr(said, name) is not None for name in Given.model_fields)


@pytest.mark.parametrize("body", [b"", b"# nothing\n", b"{}", b"title:\n", b"title: ~\n"])
def test_a_file_that_says_nothing_says_nothing(body: bytes) -> None:
    assert read_given(body).title is None


BOMB = b"a: &a [x,x,x,x]\nb: &b [*a,*a,*a,*a]\ntitle: *b\n"


@pytest.mark.parametrize(
    "body",
    [
        BOMB,
        b"title: !!python/object/apply:os.system ['id']\n",
        b"title: !!str x\n",
        b"[" * 100_000,
        b"keywords: [" + b"a," * 30_000 + b"]",
        b"title: " + b"x" * SIZE_LIMIT_BYTES,
        b"? " * 5000,
    ],
    ids=["bomb", "object", "tag", "deep", "many", "large", "keys in keys"],
)
def test_a_hostile_file_is_refused_before_anything_is_built(body: bytes) -> None:
    with pytest.raises(HostileInput):
        read_given(body)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"title: [unclosed\n", "line"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"- a list\n", "fields"),
        (b"just text", "fields"),
        (b"title: a\ntitle: b\n", "twice"),
        (b"titel: a\n", "titel"),
        (b"licence: CC-BY-9.9\n", "SPDX"),
        (b"licence: LicenseRef-mine\n", "SPDX"),
        (b"human_data: perhaps\n", "human_data"),
        (b"creators: [{name: A, orcid: 0000-0002-1825-0098}]\n", "creators.0.orcid"),
        (b"title: a\n---\ntitle: b\n", "more than one document"),
        ("title: \u202e\n".encode(), "title"),
        (b"title: " + b"x" * 100_000 + b"\n", "title"),
        (b"title: \x07\n", "YAML"),
    ],
)
def test_a_fault_is_named_for_who_wrote_the_file(body: bytes, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        read_given(body)


FAULTS = [
    (b"titel: a\n", "titel: there is no such field; did you mean title\\?"),
    (b"contributors: [{name: A}]\n", "contributors.0.role: is needed"),
    (
        b"contributors: [{name: A, role: Cook}]\n",
        "contributors.0.role: 'Cook' is not one of 'ContactPerson', ",
    ),
    (b"contributors: [A]\n", "contributors.0: 'A' names no role"),
    (b"contributors: A\n", "contributors: must be a list"),
    (b"contributors: [{name: A, rolle: Other}]\n", "rolle: there is no such field; did you mean role"),
    (
        b"creators: [{name: A, affiliation: B, ror: https://ror.org/05gq02988}]\n",
        "creators.0.ror: .* wrong check",
    ),
    (b"creators: [[A]]\n", "creators.0: must be fields"),
    (b"publisher_ror: Brown\n", "publisher_ror: 'Brown' is not a ROR id; copy it"),
    (b"funding: [{award_number: 7}]\n", "funding.0.funder: is needed"),
    (b"funding: [{funder: A, funder_id: 10.5555/1}]\n", "funding.0.funder_id: .* is not a ROR id"),
    (b"funding: [{funder: A, award_uri: 'http://a.example'}]\n", "award_uri: .* does not begin with https"),
    (b"subjects: [{label: Human, curie: human}]\n", "subjects.0.curie: 'human' is not a term; write it as PREFIX"),
    (b"subjects: [{curie: 'NCBITaxon:9606'}]\n", "subjects.0.label: is needed"),
    (b"samples: {organism: [x]}\n", "samples.organism: there is no such field; did you mean organisms"),
    (b"samples: {organisms: [{name: x}]}\n", "samples.organisms.0.name: there is no such field, only curie, label"),
    (b"samples: {wells: many}\n", "samples.wells: 'many' is not a whole number"),
    (b"samples: [x]\n", "samples: must be fields"),
    (
        b"references: [{kind: book, identifier: x}]\n",
        "references.0.kind: 'book' is not one of 'paper', ",
    ),
    (b"references: ['paper: doi:10.1']\n", "references.0.identifier: .* begins as doi and is none"),
    (b"references: [{kind: paper, identifier: 'javascript:alert(1)'}]\n", "is not an address that others can follow"),
    (b"references: [{kind: lab-notebook, identifier: 'https://u:p@e.example'}]\n", "without a password"),
    (b"language: english\n", "language: 'english' is not a language tag"),
    (b"embargo_until: 0000-00-00\n", "embargo_until: '0000-00-00' is no day of the calendar; write it as"),
    (b"embargo_until: 2027-02-29\n", "embargo_until: '2027-02-29' is no day"),
    (b"access: open\nembargo_until: 2027-01-01\n", "embargo_until goes with access: embargoed, and access is open"),
    (b"keywords: [" + b"a, " * 300 + b"b]\n", "keywords: has 301 entries and at most 200 are taken"),
    (b"subjects: [" + b"a, " * 1200 + b"b]\n", "subjects: has .* entries and at most 1000"),
    (b"funding: [{funder: " + b"x" * 100_000 + b"}]\n", "funding.0.funder: a text has 100,000 characters"),
    ("references: [{kind: paper, identifier: \u202e}]\n".encode(), "references.0.identifier: a text is empty"),
    (b"a1: x\nb1: x\n" + b"".join(b"c%d: x\n" % number for number in range(20)), "and 12 more"),
]


@pytest.mark.parametrize(("body", "words"), FAULTS, ids=[words[:30] for _, words in FAULTS])
def test_a_fault_says_which_field_what_and_how_to_mend_it(body: bytes, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        read_given(body)


def test_an_entry_may_be_a_line() -> None:
    said = read_given(
        b"""\
creators: ["Carberry, Josiah; 0000-0002-1825-0097"]
contributors: ["DataCollector: Ek, Bo"]
funding: [Research Council; 2026-01]
subjects: [Homo sapiens; NCBITaxon:9606]
references: ["paper: https://doi.org/10.5555/ABC; Cells"]
samples: {treatments: [DMSO, staurosporine; CHEBI:15738]}
"""
    )

    assert [one.line for one in said.creators or ()] == ["Carberry, Josiah; 0000-0002-1825-0097"]
    assert [one.line for one in said.contributors or ()] == ["DataCollector: Ek, Bo"]
    assert [one.line for one in said.funding or ()] == ["Research Council; 2026-01"]
    assert [one.line for one in said.subjects or ()] == ["Homo sapiens; NCBITaxon:9606"]
    assert [one.line for one in said.references or ()] == ["paper: 10.5555/abc; Cells"]
    assert said.samples is not None
    assert [one.curie for one in said.samples.treatments] == [None, "CHEBI:15738"]


def test_markup_and_hidden_marks_are_text_and_nothing_else() -> None:
    said = read_given(
        "subjects: [{label: '<script>alert(1)</script>\u202e'}]\nfunding: [{funder: \"A\\x07B\\u2028C\"}]\n".encode()
    )

    assert said.subjects is not None
    assert said.subjects[0].label == "<script>alert(1)</script>"
    assert said.funding is not None
    assert said.funding[0].funder == "AB C"


def test_an_instrument_can_say_the_same_of_every_run_in_the_size_that_is_read() -> None:
    said = read_given(b"subjects: [" + b", ".join(b"{label: s%d}" % number for number in range(1000)) + b"]")

    assert len(said.subjects or ()) == 1000


@pytest.mark.parametrize(
    "body",
    [
        rb'title: "\UFFFFFFFF"',
        rb'title: "\U00110000"',
        b"%YAML 1." + b"9" * 5000 + b"\n---\ntitle: x\n",
        *(
            rb'%s: "\ud800"' % name
            for name in (b"title", b"publisher_ror", b"licence", b"language", b"access", b"embargo_until")
        ),
        rb'creators: ["A; b\ud800; c\ud800"]',
        rb'contributors: ["\ud800"]',
        rb'funding: ["a; b; c; d\ud800"]',
        rb'subjects: ["a; NCBITaxon\ud800:1"]',
        rb'references: ["\ud800"]',
        rb'"\ud800": x',
        rb'samples: {"\ud800": x}',
    ],
)
def test_what_the_parser_or_a_refusal_would_stumble_over_is_refused_too(body: bytes) -> None:
    with pytest.raises(InvalidInput, match=r"not valid YAML|not valid Unicode"):
        read_given(body)


@forall(st.binary(max_size=400))
def test_no_bytes_raise_anything_but_a_refusal(body: bytes) -> None:
    with contextlib.suppress(InvalidInput):
        read_given(body)
