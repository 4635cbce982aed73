"""Terms of one source in a file of SQLite: read once, looked up by many processes, none of which holds them all."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from difflib import SequenceMatcher, get_close_matches
from pathlib import Path

from cisterna.domain.errors import NotReady
from cisterna.metadata.spelling import folded, is_comparable, one_mistake
from cisterna.ports.vocabulary import SourceFacts, Term

FORMAT = 5
"""Of the tables; another one is built anew."""
_SCHEMA = """
CREATE TABLE facts (body TEXT NOT NULL);
CREATE TABLE terms (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, prefix TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE names (name TEXT NOT NULL, term INTEGER NOT NULL, PRIMARY KEY (name, term)) WITHOUT ROWID;
CREATE TABLE words (word TEXT NOT NULL, term INTEGER NOT NULL, PRIMARY KEY (word, term)) WITHOUT ROWID;
CREATE TABLE spellings (word TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE highest (lead TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID;
"""
_NUMBERED = re.compile("(.*?)([0-9]{4,18})")
"""A CURIE that ends in a number as vocabularies give them out; a list of one's own counts from 1, and is never old."""
_LONGEST = 200
"""Characters of a search that are looked at."""
_NEAR = 0.72
"""How like two spellings have to be, of 1."""
_COMPARED = 300
"""Names that a misspelt one is held against letter by letter: of long names that takes milliseconds each."""

_LONG, _BEGIN = 8, 5
"""Letters of a word in which two mistakes are forgiven, and of its begin, which may have one of them."""
_NEAR_WORDS = 30
_SHOWN = 200
"""Terms that are looked at for one search, each way it is looked for."""
_ASKED = 500
"""Values of one question; an older SQLite takes no thousand."""
_ONE_OF = "SELECT word FROM spellings WHERE word IN ({})"
_RAREST = 3
"""Words of a search that are looked for together; a term's names are held against the others afterwards.

A word that half of a million names have costs as much as all the rest, and eight of them would cost it eight times.
"""
_COUNTED, _GATHERED = 20_000, 1_000
_HOW_MANY = "SELECT count(*) FROM (SELECT 1 FROM words WHERE word >= ? AND word < ? LIMIT ?)"
_BEGUN = "SELECT term FROM words WHERE word >= ? AND word < ?"
_FEW_BEGUN = "SELECT * FROM (SELECT term FROM words WHERE word >= ? AND word < ? LIMIT 200)"
_BEGUN_OR_ONE_OF = """SELECT * FROM (
    SELECT term FROM words WHERE word >= ? AND word < ? UNION SELECT term FROM words WHERE word IN ({})
)"""


def write_index(path: Path, facts: SourceFacts, terms: Iterable[Term]) -> None:
    """Write the terms of a source to a new file; of two terms of one CURIE the first stays.

    Args:
        path: Where nothing is yet.
        facts: Of the source; what is counted is filled in.
        terms: Read one after another, so that a source may be larger than memory.
    """
    with contextlib.closing(sqlite3.connect(path)) as base, base:
        base.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {_SCHEMA}")
        counted: dict[str, int] = {}
        highest: dict[str, int] = {}
        for number, term in enumerate(terms):
            prefix = term.curie.partition(":")[0]
            row = (number, term.curie.casefold(), prefix.casefold(), term.model_dump_json(exclude_defaults=True))
            if base.execute("INSERT OR IGNORE INTO terms VALUES (?, ?, ?, ?)", row).rowcount == 0:
                continue
            counted[prefix] = counted.get(prefix, 0) + 1
            if numbered := _NUMBERED.fullmatch(row[1]):
                highest[numbered[1]] = max(highest.get(numbered[1], 0), int(numbered[2]))
            names = {folded(name)[:_LONGEST] for name in (term.label, *term.synonyms)}
            base.executemany("INSERT OR IGNORE INTO names VALUES (?, ?)", [(name, number) for name in names])
            words = {word for name in names for word in name.split()}
            base.executemany("INSERT OR IGNORE INTO words VALUES (?, ?)", [(word, number) for word in words])
        base.execute("INSERT INTO spellings SELECT DISTINCT word FROM words")
        base.executemany("INSERT INTO highest VALUES (?, ?)", highest.items())
        told = facts.model_copy(update={"prefixes": tuple(sorted(counted)), "terms": sum(counted.values())})
        base.execute("INSERT INTO facts VALUES (?)", (told.model_dump_json(),))


class TermIndex:
    """An index that is read; several threads may ask at once. What it cannot answer raises `NotReady`."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._path = path
        self._base = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False)
        ((body,),) = self._base.execute("SELECT body FROM facts").fetchall()
        self._facts = SourceFacts.model_validate_json(body)
        self._whole = {prefix.casefold() for prefix in self._facts.whole}

    @property
    def facts(self) -> SourceFacts:
        """What the source holds."""
        return self._facts

    def find(self, curie: str) -> Term | None:
        """Return a term by its CURIE."""
        rows = self._ask("SELECT body FROM terms WHERE key = ?", curie.casefold())
        return self._term(rows[0][0]) if rows else None

    def decides(self, curie: str) -> bool:
        """Tell whether every term of its prefix is here; a number above all others is of a newer release."""
        if curie.partition(":")[0].casefold() not in self._whole:
            return False
        numbered = _NUMBERED.fullmatch(curie.casefold())
        rows = self._ask("SELECT number FROM highest WHERE lead = ?", numbered[1]) if numbered else []
        return numbered is None or not rows or int(numbered[2]) <= int(rows[0][0])

    def named(self, name: str, *, prefix: str | None = None) -> Sequence[Term]:
        """Return the terms with that label or synonym, those whose label it is first."""
        wanted = folded(name)[:_LONGEST]
        found = self._terms("SELECT term FROM names WHERE name = ? LIMIT 50", wanted, prefix=prefix)
        return sorted(found, key=lambda term: folded(term.label) != wanted)

    def search(self, words: str, *, prefix: str | None, limit: int) -> Sequence[Term]:
        """Return terms whose names are, begin with, hold or nearly are the words; the nearest first."""
        wanted = folded(words)[:_LONGEST]
        if not wanted:
            return ()
        found: dict[str, Term] = {}
        for terms in self._nearer_and_nearer(wanted, prefix):
            for term in terms:
                found.setdefault(term.curie, term)
            if len(found) >= limit:
                break
        return list(found.values())[:limit]

    def _nearer_and_nearer(self, wanted: str, prefix: str | None) -> Iterator[Sequence[Term]]:
        yield self.named(wanted, prefix=prefix)
        begun = "SELECT DISTINCT term FROM names WHERE name >= ? AND name < ? LIMIT 200"
        yield _shortest(self._terms(begun, *_range(wanted), prefix=prefix))
        parts = tuple(dict.fromkeys(wanted.split()[:8]))
        counted = {part: self._count(part) for part in parts}
        yield _shortest(self._having(dict.fromkeys(parts, ()), counted, prefix)) if all(counted.values()) else ()
        yield self._misspelt(wanted, counted, prefix)

    def _misspelt(self, wanted: str, counted: Mapping[str, int], prefix: str | None) -> Sequence[Term]:
        """Give the terms of a name that is nearly so, and then those that have each word, or one that is nearly it."""
        parts = list(counted)
        near = {part: self._near(part) if is_comparable(part) else () for part in parts}
        can_be = any(near.values()) and all(counted[part] or near[part] for part in parts)
        by_words = self._having(near, counted, prefix) if can_be else ()
        begins = sorted({part[:3] for part in parts if is_comparable(part)})
        query = " UNION ".join([_FEW_BEGUN] * len(begins))
        by_begin = self._terms(query, *(end for begin in begins for end in _range(begin)), prefix=prefix)
        return [*_nearly_called(wanted, [*by_words, *by_begin]), *_shortest(by_words)]

    def _having(
        self, wanted: Mapping[str, Sequence[str]], counted: Mapping[str, int], prefix: str | None
    ) -> Sequence[Term]:
        """Give terms that have each of some words, or one that is nearly it, as far as any are wanted."""
        rarest = sorted(wanted, key=lambda part: counted[part])[:_RAREST]
        query = " INTERSECT ".join(_BEGUN_OR_ONE_OF.format(", ".join("?" * len(wanted[part]))) for part in rarest)
        values = [value for part in rarest for value in (*_range(part), *wanted[part])]
        found = self._terms(f"{query} LIMIT {_GATHERED if len(wanted) > _RAREST else _SHOWN}", *values, prefix=prefix)
        others = [(part, frozenset(wanted[part])) for part in wanted if part not in rarest]
        return [term for term in found if all(_has_word(term, part, near) for part, near in others)][:_SHOWN]

    def _count(self, part: str) -> int:
        """Count the words that begin so, up to where it makes no difference any more."""
        ((count,),) = self._ask(_HOW_MANY, *_range(part), _COUNTED)
        return int(count)

    def _near(self, word: str) -> Sequence[str]:
        """Give the words that differ by one mistake; to a long one also those with one in its begin and more after."""
        typed = sorted(one_mistake(word))
        found: list[str] = []
        for at in range(0, len(typed), _ASKED):
            some = typed[at : at + _ASKED]
            found += [row[0] for row in self._ask(_ONE_OF.format(", ".join("?" * len(some))), *some)]
        if found or len(word) < _LONG:
            return found[:_NEAR_WORDS]
        begins = [word[:_BEGIN], *sorted(one_mistake(word[:_BEGIN]))]
        like = "SELECT word FROM spellings WHERE word >= ? AND word < ? AND length(word) BETWEEN ? AND ? LIMIT 200"
        perhaps = {
            row[0]
            for begin in begins
            if len(begin) >= _BEGIN - 1
            for row in self._ask(like, *_range(begin), len(word) - 2, len(word) + 2)
        }
        return get_close_matches(word, sorted(perhaps), n=_NEAR_WORDS, cutoff=_NEAR)

    def _terms(self, query: str, *values: str, prefix: str | None) -> list[Term]:
        body = f"SELECT body FROM terms WHERE id IN ({query})"  # noqa: S608 - every part of it is written above
        if prefix is None:
            return [self._term(row[0]) for row in self._ask(body, *values)]
        return [self._term(row[0]) for row in self._ask(f"{body} AND prefix = ?", *values, prefix.casefold())]

    def _ask(self, query: str, *values: str | int) -> list[tuple[str]]:
        # half a character pair is no text, and SQLite takes none
        usable = [one if isinstance(one, int) else one.encode("utf-8", "replace").decode() for one in values]
        try:
            with self._lock:
                return self._base.execute(query, usable).fetchall()
        except sqlite3.Error as error:
            msg = f"the terms of {self._facts.name} cannot be read ({error}); remove {self._path}, and it is made anew"
            raise NotReady(msg, part="vocabulary") from error

    def _term(self, body: str) -> Term:
        known = json.loads(body)
        return Term(**known, source=self._facts.name, released=self._facts.released)


def _range(begin: str) -> tuple[str, str]:
    """Give the bounds of all texts that begin so; a single letter is a word of its own, or it would be half of all."""
    return begin, begin + ("\U0010ffff" if len(begin) > 1 else "\0")


def _has_word(term: Term, begin: str, near: Collection[str]) -> bool:
    words = {word for name in (term.label, *term.synonyms) for word in folded(name)[:_LONGEST].split()}
    return any(word.startswith(begin) if len(begin) > 1 else word == begin for word in words) or not words.isdisjoint(
        near
    )


def _nearly_called(wanted: str, terms: Sequence[Term]) -> Sequence[Term]:
    matcher = SequenceMatcher(autojunk=False)
    matcher.set_seq2(wanted)
    perhaps: list[tuple[float, str, Term]] = []
    for term in terms:
        for name in (term.label, *term.synonyms[:10]):
            matcher.set_seq1(spelled := folded(name)[:_LONGEST])
            if matcher.real_quick_ratio() > _NEAR and (most := matcher.quick_ratio()) > _NEAR:
                perhaps.append((most, spelled, term))
    alike: dict[str, tuple[float, Term]] = {}
    for most, spelled, term in sorted(perhaps, key=lambda one: -one[0])[:_COMPARED]:
        best = alike[term.curie][0] if term.curie in alike else _NEAR
        matcher.set_seq1(spelled)
        if most > best and (score := matcher.ratio()) > best:
            alike[term.curie] = (score, term)
    return [term for _, term in sorted(alike.values(), key=lambda one: -one[0])]


def _shortest(terms: Sequence[Term]) -> Sequence[Term]:
    return sorted(terms, key=lambda term: (len(term.label), term.label))
