"""The choice by an Accept header: as RFC 9110 has it, with profiles, and as others make it where they can."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from cisterna.web.negotiation import choose_media_type, read_media_type, read_wishes

HTML = "text/html"
LD = "application/ld+json"
CRATE = 'application/ld+json;profile="https://w3id.org/ro/crate"'
TURTLE = "text/turtle"
OFFERED = (HTML, LD, TURTLE, CRATE)


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        pytest.param(None, HTML, id="nothing-said"),
        pytest.param("", HTML, id="an-empty-header"),
        pytest.param("garbage;;;q=x,,/", HTML, id="nothing-readable"),
        pytest.param("*/*", HTML, id="anything"),
        pytest.param(LD, LD, id="by-name"),
        pytest.param("Application/LD+JSON", LD, id="whatever-the-case"),
        pytest.param("text/html, application/ld+json;q=0.5", HTML, id="the-better-liked"),
        pytest.param("text/html;q=0.5, application/ld+json", LD, id="the-better-liked-though-later"),
        pytest.param("text/*;q=0.9, application/ld+json;q=0.8", HTML, id="a-range-that-is-liked-better"),
        pytest.param("text/html;q=0.9, text/turtle;q=0.9", HTML, id="of-equals-the-first-offered"),
        pytest.param("*/*, application/ld+json", LD, id="of-equals-the-narrower"),
        pytest.param("text/*, text/html;q=0", TURTLE, id="narrower-refusal-over-wider-wish"),
        pytest.param("*/*;q=0.1, text/*;q=0", LD, id="a-whole-kind-refused"),
        pytest.param(CRATE, CRATE, id="by-profile"),
        pytest.param('application/ld+json; profile = "https://w3id.org/ro/crate" ; q=0.4', CRATE, id="with-spaces"),
        pytest.param("application/ld+json;profile=https://w3id.org/ro/crate", CRATE, id="unquoted-as-many-write-it"),
        pytest.param(f"{LD};q=0.5, {CRATE}", CRATE, id="a-profile-liked-better"),
        pytest.param(f"{LD}, {CRATE};q=0.5", LD, id="a-profile-liked-less"),
        pytest.param(f"{LD}, {CRATE};q=0", LD, id="a-profile-refused"),
        pytest.param('application/ld+json;profile="https://other.example/p, q"', None, id="another-profile"),
        pytest.param("text/html;charset=utf-8", HTML, id="in-the-charset-of-all-text"),
        pytest.param("text/html;charset=latin-1", None, id="in-another-charset"),
        pytest.param("image/png", None, id="nothing-fits"),
        pytest.param("text/html;q=0", None, id="the-only-one-refused"),
        pytest.param("application/ld+json;q=0.000", None, id="refused-with-decimals"),
        pytest.param("application/ld+json;q=1.5, text/turtle;q=0.1", TURTLE, id="a-quality-that-is-none"),
        pytest.param('text/turtle;x="a,b;q=0.1", application/ld+json;q=0.2', LD, id="marks-within-quotes"),
    ],
)
def test_the_form_that_is_liked_best_is_chosen(accept: str | None, chosen: str | None) -> None:
    assert choose_media_type(accept, OFFERED) == chosen


def test_a_profile_that_is_one_of_several_is_enough() -> None:
    both = 'application/ld+json;profile="http://www.w3.org/ns/json-ld#flattened https://w3id.org/ro/crate"'

    assert choose_media_type(CRATE, [HTML, both]) == both
    assert choose_media_type(both, OFFERED) is None


def test_where_nothing_is_offered_nothing_is_chosen() -> None:
    assert choose_media_type(None, []) is None
    assert choose_media_type("*/*", []) is None


TYPES = ("text/html", "text/turtle", "application/xml", "application/ld+json", "image/png")
RANGES = st.sampled_from([*TYPES, "*/*", "text/*", "application/*", "audio/*", "TEXT/html"])
QUALITIES = st.sampled_from(["", ";q=0", ";q=0.001", ";q=0.5", "; q=0.9", ";q=1.000", ";q=2", ";q=a"])


@given(
    wishes=st.lists(st.tuples(RANGES, QUALITIES), min_size=1, max_size=6),
    offered=st.lists(st.sampled_from(TYPES), min_size=1, max_size=5, unique=True),
)
def test_without_parameters_the_choice_is_that_of_werkzeug(wishes: list[tuple[str, str]], offered: list[str]) -> None:
    header = ", ".join(range_ + quality for range_, quality in wishes)
    theirs = parse_accept_header(header, MIMEAccept)

    expected = theirs.best_match(offered) if len(theirs) else offered[0]

    assert choose_media_type(header, offered) == expected


@given(accept=st.text(max_size=200))
def test_no_header_breaks_the_choice(accept: str) -> None:
    assert choose_media_type(accept, OFFERED) in {None, *OFFERED}


@given(
    accept=st.text(st.sampled_from('ab/*;,=q"\\ 01.'), max_size=60),
)
def test_nothing_that_nearly_is_a_header_breaks_the_choice(accept: str) -> None:
    for wish in read_wishes(accept):
        assert 0 <= wish.quality <= 1


def test_a_flood_of_ranges_is_read_to_a_limit() -> None:
    assert len(list(read_wishes("text/html," * 10_000))) == 100
    assert choose_media_type('"' * 60_000, OFFERED) == HTML
    assert choose_media_type("a/b" + ";" * 60_000, OFFERED) is None


def test_what_is_no_media_type_is_none() -> None:
    for text in ("", "text", "text/", "/html", "te xt/html", "*/html", ";q=1"):
        assert read_media_type(text) is None
