"""Writes what is searched as PostgreSQL's vectors and queries, from words of our own making.

Neither its parsers nor its dictionaries see any text: what is found is the same on every server and in every language,
and nothing that somebody types can be an operator.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from cisterna.domain.public_entry import PublicContent, PublicEntry
from cisterna.domain.search_text import words_of

PREFIX_LEAST = 3
"""Characters from which on a word also stands for the words that begin with it."""
_TIMES = 4
"""How often a word counts in one field; PostgreSQL keeps 255 places a word in all."""
_APART = 50
"""Places between two fields, so that no two words of different ones are neighbours."""
_LAST_PLACE = 16_383


class Vector(NamedTuple):
    """What a dataset is found by.

    Attributes:
        words: With weights and places: title, then subjects, then people, then the rest.
        heads: Of title and subjects alone.
        present: The words.
    """

    words: str
    heads: str
    present: frozenset[str]


def vector_of(entry: PublicEntry) -> Vector:
    """Write the vectors of a dataset that is public."""
    fields = _fields(entry)
    places: dict[str, list[str]] = {}
    place = 0
    for weight, texts in fields:
        seen: dict[str, int] = {}
        for text in texts:
            for word in words_of(text):
                place = min(place + 1, _LAST_PLACE)
                seen[word] = seen.get(word, 0) + 1
                if seen[word] <= _TIMES:
                    places.setdefault(word, []).append(f"{place}{weight}")
        place += _APART
    words = " ".join(f"'{word}':{','.join(found)}" for word, found in places.items())
    heads = {word for weight, texts in fields if weight in "AB" for text in texts for word in words_of(text)}
    return Vector(words, " ".join(f"'{word}'" for word in sorted(heads)), frozenset(places))


def query_of(terms: Sequence[Iterable[str]]) -> str:
    """Write the query for all of these: each is one of several words, and longer ones also words that begin so.

    Args:
        terms: For each word that was asked for, those that stand for it.
    """
    return " & ".join(f"({' | '.join(map(_term, words))})" for words in terms)


def _term(word: str) -> str:
    return f"'{word}'" if len(word) < PREFIX_LEAST else f"'{word}':*"


def _fields(entry: PublicEntry) -> Sequence[tuple[str, Sequence[str]]]:
    content = entry.content or PublicContent(title="", year=0, file_count=0, total_bytes=0)
    named = (entry.data_type, content.instrument, content.licence, content.publisher)
    return (
        ("A", (content.title, entry.pid)),
        ("B", (*content.subjects, *content.organisms)),
        ("C", (*content.creators, *content.affiliations)),
        ("D", (*filter(None, named), *content.also, content.description)),
    )
