"""Text that others wrote comes out readable, in one order and of bounded length, or is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cisterna.domain.errors import HostileInput
from cisterna.domain.text import LINE_LIMIT, PROSE_LIMIT, clean_line, clean_prose, cut_line, without_mail_addresses

HIDDEN = [chr(code) for code in (0, 7, 0x1B, 0x7F, 0x9F, 0x200B, 0x202E, 0x2066, 0xFEFF, 0xE0041, 0xFFFE)]


@pytest.mark.parametrize("mark", HIDDEN, ids=[f"U+{ord(mark):04X}" for mark in HIDDEN])
def test_marks_that_hide_or_reorder_text_are_taken_out(mark: str) -> None:
    assert clean_line(f"plate{mark} 7") == "plate 7"


@pytest.mark.parametrize(
    ("given_text", "expected"),
    [
        ("  two\tblanks \r\n and a line ", "two blanks and a line"),
        ("e\u0301", "\u00e9"),
        ("p<0.05 & q>0.1", "p<0.05 & q>0.1"),
        ("\u0646\u0645\u200c\u0648\u0646\u0647", "\u0646\u0645\u200c\u0648\u0646\u0647"),
        ("one\u2028two", "one two"),
    ],
    ids=["blanks", "composed", "signs stay", "joiners stay", "line separator"],
)
def test_a_line_is_one_line_of_plain_text(given_text: str, expected: str) -> None:
    assert clean_line(given_text) == expected


def test_prose_keeps_its_lines() -> None:
    assert clean_prose("first \r\nsecond\u202e\n\n third") == "first\nsecond\n\nthird"


@pytest.mark.parametrize("text", ["", " \n ", "\u202e\u200b", "a\ud800b", "x" * (LINE_LIMIT + 1), "x" * 100_000])
def test_text_that_cannot_be_mended_is_refused_with_words(text: str) -> None:
    with pytest.raises(HostileInput, match=r"text (is|has)"):
        clean_line(text)


def test_a_flood_is_refused_before_it_is_looked_at() -> None:
    with pytest.raises(HostileInput, match="100,000,000"):
        clean_prose("\u0301" * 100_000_000)


def test_a_text_that_only_accompanies_is_cut_instead_of_refused() -> None:
    assert cut_line("x" * 5000) == "x" * LINE_LIMIT
    assert cut_line("\u202e") is None


@given(st.text(max_size=300))
def test_cleaning_is_done_once_and_for_all(text: str) -> None:
    try:
        cleaned = clean_prose(text)
    except HostileInput:
        return

    assert clean_prose(cleaned) == cleaned
    assert 0 < len(cleaned) <= PROSE_LIMIT
    assert not any(mark in cleaned for mark in HIDDEN)
    assert cleaned.encode()


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("{'ada@example.org': (550, b'no such user')}", "{'(a mail address)': (550, b'no such user')}"),
        ("550 <a.b+c@x.example> unknown", "550 <(a mail address)> unknown"),
        ("to=ada@localhost; kept", "to=(a mail address); kept"),
        ("the server mail.example.org:25 is away", "the server mail.example.org:25 is away"),
        ("https://user:***@host/path", "https://user:***@host/path"),
        ("x" * 200_000, "x" * 200_000),
    ],
)
def test_mail_addresses_are_taken_out_of_what_many_read(said: str, shown: str) -> None:
    assert without_mail_addresses(said) == shown
