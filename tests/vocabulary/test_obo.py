"""OBO files as facilities drop them in: what is read, and what is said of those that cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cisterna.adapters import term_obo
from cisterna.adapters.term_index import TermIndex, write_index
from cisterna.adapters.term_obo import OboFile
from cisterna.domain.errors import HostileInput, InvalidInput
from cisterna.ports.vocabulary import SourceFacts, Term

HEAD = "format-version: 1.4\ndata-version: releases/2026-05-08\nontology: farm\n"


def an_obo(folder: Path, body: str | bytes, *, head: str = HEAD) -> OboFile:
    file = folder / "farm.obo"
    file.write_bytes(head.encode() + (body if isinstance(body, bytes) else body.encode()))
    return OboFile(file, is_own=True)


def terms(folder: Path, body: str, *, head: str = HEAD) -> list[Term]:
    return list(an_obo(folder, body, head=head).terms())


def test_a_term_is_read_with_its_synonyms_and_what_has_become_of_others(tmp_path: Path) -> None:
    body = (
        '\n[Term]\nid: FARM:1\nname: barn owl\nsynonym: "Tyto alba" EXACT []\nsynonym: "owl" BROAD []\n'
        'synonym: "screech" RELATED []\nalt_id: FARM:7\n'
        "\n[Term]\nid: FARM:2\nname: old owl\nis_obsolete: true\nreplaced_by: FARM:1\nconsider: FARM:3\n"
        "\n[Typedef]\nid: part_of\nname: part of\n"
    )

    assert terms(tmp_path, body) == [
        Term(curie="FARM:1", label="barn owl", synonyms=("Tyto alba", "screech")),
        Term(curie="FARM:2", label="old owl", obsolete=True, replaced_by=("FARM:1", "FARM:3")),
        Term(curie="FARM:7", label="barn owl", obsolete=True, replaced_by=("FARM:1",)),
    ]


def test_a_term_without_a_name_is_a_term_all_the_same(tmp_path: Path) -> None:
    body = "\n[Term]\nid: FARM:1\nis_a: FARM:2\n\n[Term]\nid: FARM:3\nis_obsolete: true\nreplaced_by: FARM:1\n"

    assert terms(tmp_path, body) == [
        Term(curie="FARM:1", label="FARM:1"),
        Term(curie="FARM:3", label="FARM:3", obsolete=True, replaced_by=("FARM:1",)),
    ]


def test_what_is_told_of_a_term_itself_comes_before_what_another_says_has_become_of_it(tmp_path: Path) -> None:
    body = "\n[Term]\nid: FARM:1\nname: owl\nalt_id: FARM:2\n\n[Term]\nid: FARM:2\nname: duck\n"
    write_index(tmp_path / "terms.sqlite", SourceFacts(name="farm"), an_obo(tmp_path, body).terms())

    found = TermIndex(tmp_path / "terms.sqlite").find("FARM:2")

    assert found is not None
    assert (found.label, found.obsolete) == ("duck", False)


def test_a_file_that_says_it_is_whole_has_all_of_the_vocabulary_that_its_header_names(tmp_path: Path) -> None:
    facts = an_obo(tmp_path, "", head=f"{HEAD}remark: of our house\nremark: Whole \n").facts

    assert (facts.name, facts.released, facts.whole, facts.is_own) == ("farm.obo", "2026-05-08", ("farm",), True)


@pytest.mark.parametrize(
    "head",
    [
        HEAD,
        f"{HEAD}remark: the whole of farm but for geese\n",
        "format-version: 1.2\nremark: whole\n",
        "ontology: cisterna/fbbi\nremark: whole\n",
        "ontology: go/subsets/slim\nremark: whole\n",
    ],
    ids=["says-nothing", "other-words", "names-none", "ours", "slim"],
)
def test_a_part_of_a_vocabulary_and_what_does_not_say_it_is_whole_decide_about_none(tmp_path: Path, head: str) -> None:
    assert an_obo(tmp_path, "", head=head).facts.whole == ()


def test_an_identifier_without_a_prefix_is_of_the_vocabulary_of_the_file(tmp_path: Path) -> None:
    found = terms(tmp_path, "\n[Term]\nid: CVCL_0030\nname: HeLa\n", head="ontology: cellosaurus\n")

    assert [one.curie for one in found] == ["cellosaurus:CVCL_0030"]


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("remark", ["! made by hand", "!", "  ! by hand", "!" * 200_000, "! caf\u00e9"])
def test_lines_of_remarks_may_stand_anywhere_and_the_last_line_may_have_no_end(
    tmp_path: Path, remark: str, line_end: str
) -> None:
    lines = (remark, "", "[Term]", "id: FARM:1", remark, "name: owl", remark, "", remark, "[Term]", "id: FARM:2")
    body = line_end.join((*lines, "name: duck ! not a goose"))

    found = terms(tmp_path, body, head=HEAD.replace("\n", line_end))

    assert [(one.curie, one.label) for one in found] == [("FARM:1", "owl"), ("FARM:2", "duck")]


def test_a_line_at_fault_is_told_by_its_number_whatever_remarks_are_above(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"no OBO in line 9"):
        terms(tmp_path, "\n[Term]\n! one\n! two\nid: FARM:1\nnome: owl\n")


def test_a_file_that_the_parser_dies_of_is_refused_like_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(term_obo, "_WithoutRemarks", lambda file: file)

    with pytest.raises(InvalidInput, match=r"farm\.obo holds what its parser dies of; mend it"):
        terms(tmp_path, "\n[Term]\nid: FARM:1\n! by hand\nname: owl\n")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("\n[Term]\nid: FARM:1\nname: \n", r"no OBO in line 7"),
        ("\n[Term]\nname: nobody\n", r"no OBO in line 6"),
        ('\n[Term]\nid: FARM:1\nsynonym: "open\n', r"no OBO in line 7"),
        ("\n[Term]\nid: FARM:1\nname: ok\n\n<html>", r"no OBO in line 9"),
        (b"\n[Term]\nid: FARM:1\nname: caf\xe9\n", r"not UTF-8 text"),
        (b"remark: caf\xe9\n", r"not UTF-8 text"),
        ("\x00\x01\x02", r"no OBO in line 4"),
        ("[" * 10_000, r"no OBO in line 4"),
    ],
    ids=["no-name", "no-id", "open-quote", "html", "latin-1", "latin-1-head", "binary", "brackets"],
)
def test_what_is_no_obo_is_refused_with_file_and_line(tmp_path: Path, body: str | bytes, why: str) -> None:
    with pytest.raises(InvalidInput, match=rf"farm\.obo.*{why}") as refused:
        list(an_obo(tmp_path, body).terms())

    assert len(str(refused.value)) < 500 + len(str(tmp_path))
    assert str(refused.value).isprintable()


def test_hostile_names_are_cleaned_or_left_out(tmp_path: Path) -> None:
    evil = "\u202eeslaf\u200b <script>"
    body = f'\n[Term]\nid: FARM:1\nname: {evil}\nsynonym: "{"y" * 9000}" EXACT []\n\n[Term]\nid: FARM:2\nname: \u200b\n'
    body += "".join(f"\n[Term]\nid: http://example.org/{place}\nname: n\n" for place in range(3))

    found = terms(tmp_path, body)

    assert [(one.curie, one.label) for one in found] == [("FARM:1", "eslaf <script>")]
    assert [len(one) for one in found[0].synonyms] == [1000]


def test_a_file_larger_than_any_vocabulary_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(term_obo, "LARGEST_BYTES", 10)

    with pytest.raises(HostileInput, match="at most 10 are read"):
        an_obo(tmp_path, "")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.one_of(st.binary(max_size=300), st.text(max_size=300).map(lambda text: text.encode("utf-8", "replace"))))
def test_no_file_is_a_riddle(tmp_path: Path, body: bytes) -> None:
    file = tmp_path / "any.obo"
    file.write_bytes(b"\n[Term]\nid: A:1\nname: x\n" + body)

    found: list[Term] = []
    told = "any.obo"
    try:
        found += OboFile(file, is_own=True).terms()
    except InvalidInput as refusal:
        told = str(refusal)

    assert "any.obo" in told
    assert all(one.curie and one.label for one in found)
