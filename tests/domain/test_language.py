"""A language is a tag of BCP 47 in its usual case, and nothing that only looks like one."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cisterna.domain.language import TWO_AND_THREE, language_tag
from cisterna.domain.language_code import THREE_LETTERS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("en", "en"),
        ("EN", "en"),
        ("en_GB", "en-GB"),
        ("zh-hant-tw", "zh-Hant-TW"),
        ("es-419", "es-419"),
        ("sl-rozaj-biske", "sl-rozaj-biske"),
        ("de-CH-1901", "de-CH-1901"),
        ("gsw", "gsw"),
        ("SWE", "sv"),
        ("eng-GB", "en-GB"),
        ("smj", "smj"),
        ("qaa-x-lab", "qaa-x-lab"),
        ("zh-yue", "zh-yue"),
        ("en-a-bbb-x-a", "en-a-bbb-x-a"),
        (" sv ", "sv"),
    ],
)
def test_a_tag_is_written_in_the_usual_case(text: str, expected: str) -> None:
    assert language_tag(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "english",
        "xx",
        "xyz",
        "zzz",
        "ger",
        "qb",
        "e",
        "",
        "en-",
        "en--GB",
        "en-GB-GB-x",
        "\u0435n",
        "<b>",
        "en" + "-abcde" * 100_000,
    ],
)
def test_what_is_no_tag_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="write en for English"):
        language_tag(text)


def test_every_code_of_three_letters_is_one_and_none_has_two_letters_as_well() -> None:
    assert len(THREE_LETTERS) > 8_000
    assert all(len(code) == 3 and code.isascii() and code.islower() for code in THREE_LETTERS)
    assert not THREE_LETTERS & set(TWO_AND_THREE.values())
    assert {"cmn", "yue", "sgn", "mul", "und", "fit", "sma"} <= THREE_LETTERS


@given(st.from_regex(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{1,8}){0,4}", fullmatch=True))
def test_a_tag_is_read_the_same_twice_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        once = language_tag(text)
        assert language_tag(once) == once
