"""How alike two spellings are: what finds the name that was meant when one was mistyped."""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Iterable
from difflib import SequenceMatcher

MOST_LETTERS = 40
"""Of a word that is looked for by its mistakes; longer ones are no words."""
_FEWEST_LETTERS = 4
"""Of three letters half of all others are one mistake away."""
_WORDS_OF_NAME = 40
_FOR_WORDS = 0.9
"""How much counts that the words are there; the rest is for how little else is."""
_TYPED = string.ascii_lowercase + string.digits + "-"


_ABBREVIATED = re.compile(r"(?<=\b[^\W\d_]\.)(?=[^\W\d_]{2})")
"""After the point of a single letter before a word, as in `E.coli`."""


def folded(text: str) -> str:
    """Give a name as names are compared: without case, accents and doubled blanks, underscores as blanks.

    The sign for a millionth is a letter u, as vocabularies of units write it.
    """
    plain = unicodedata.normalize("NFKD", text.replace("_", " ")).casefold().replace("\N{GREEK SMALL LETTER MU}", "u")
    bare = "".join(one for one in plain if not unicodedata.combining(one))
    return " ".join(_ABBREVIATED.sub(" ", bare).split())


def one_mistake(text: str) -> set[str]:
    """Give every text that is typed as this one by a single mistake: a letter lost, doubled, other or swapped."""
    letters = sorted({*_TYPED, *text})
    halves = [(text[:place], text[place:]) for place in range(len(text) + 1)]
    more = {left + right[1:] for left, right in halves if right}
    swapped = {left + right[1] + right[0] + right[2:] for left, right in halves if len(right) > 1}
    other = {left + letter + right[1:] for left, right in halves if right for letter in letters}
    lost = {left + letter + right for left, right in halves for letter in letters}
    return (more | swapped | other | lost) - {text, ""}


def is_comparable(word: str) -> bool:
    """Tell whether a word is long enough to tell by its letters what was meant, and no longer than words are."""
    return _FEWEST_LETTERS <= len(word) <= MOST_LETTERS


def likeness(words: str, names: Iterable[str]) -> float:
    """Say how like some words the nearest of some names is, of 1; all are folded.

    A name that has words like them among others is nearly as like: who looks for a microscope does not type the whole
    name of a kind of it. Of several such names the shortest is the nearest.
    """
    parts = words.split()[:8]
    matcher = SequenceMatcher(autojunk=False)
    matcher.set_seq2(words)
    best = 0.0
    for name in names:
        matcher.set_seq1(name)
        whole = matcher.ratio()
        best = max(best, whole, _FOR_WORDS * _by_words(parts, name) + (1 - _FOR_WORDS) * whole)
    return best


def _by_words(parts: list[str], name: str) -> float:
    """Say how like the words that are most like each part are, on average."""
    return sum(_nearest(part, name.split()[:_WORDS_OF_NAME]) for part in parts) / len(parts) if parts else 0.0


def _nearest(part: str, words: Iterable[str]) -> float:
    matcher = SequenceMatcher(autojunk=False)
    matcher.set_seq2(part)
    best = 0.0
    for word in words:
        matcher.set_seq1(word[:MOST_LETTERS])
        if matcher.real_quick_ratio() > best and matcher.quick_ratio() > best:
            best = max(best, matcher.ratio())
    return best
