"""Words as the index of what is public knows them: every language alike, whatever the case and the accents."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

WORD_LIMIT = 64
"""Characters of a word that count; what is longer is no word that somebody types."""
QUERY_WORDS = 12
QUERY_CHARACTERS = 1000

_WORD = re.compile(r"[^\W_]+")


def words_of(text: str) -> Iterator[str]:
    """Give the words of a text in their order: letters and digits, without case and accents.

    The database is given words and never text, so that what is found depends neither on its locale nor on its parser.
    """
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    bare = "".join(character for character in plain if not unicodedata.combining(character))
    for found in _WORD.finditer(bare):
        yield found[0][:WORD_LIMIT]


def query_words(text: str) -> tuple[str, ...]:
    """Give the words that are searched: each once, and of what is too long its beginning. Nothing is an operator."""
    return tuple(dict.fromkeys(words_of(text[:QUERY_CHARACTERS])))[:QUERY_WORDS]
