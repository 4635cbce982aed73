"""Judges terms by the vocabularies that are here, and says so in words that help."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import assert_never

from cisterna.domain.credit import Subject
from cisterna.domain.errors import CisternaError
from cisterna.domain.text import shorten
from cisterna.metadata.spelling import folded, likeness
from cisterna.ports.vocabulary import Judgement, PrefixRegistry, SourceFacts, Standing, Term, TermShelf, Vocabulary

SUGGESTED = 3
"""Terms that are offered in place of a wrong one."""
_SHOWN = 80
_LONGEST, _COMPARED = 200, 10
"""Characters of a search, and synonyms of a term, that are compared."""
_TOLD = 20
"""Terms of a field that something is said of, and that others are looked for in place of."""


class Vocabularies:
    """Every source on the shelf, and the registry of prefixes, as one vocabulary."""

    def __init__(self, shelf: TermShelf, *, prefixes: PrefixRegistry) -> None:
        self._shelf = shelf
        self._prefixes = prefixes

    def look_up(self, curie: str) -> Term | None:
        """Return a term by its CURIE, from the first source that has it."""
        found = (source.find(curie) for source in self._shelf.sources())
        return next((term for term in found if term is not None), None)

    def judge(self, curie: str, label: str, *, suggest: bool = True) -> Judgement:
        """Say what is known of a term with the words beside it."""
        term = self.look_up(curie)
        if term is None:
            absent = self._judge_absent(curie, suggest=suggest)
            return self._with_suggestions(absent, label) if suggest and absent.standing.is_wrong else absent
        told = Judgement(curie=curie, standing=Standing.KNOWN, term=term, source=_source(term.source, term.released))
        if term.obsolete:
            instead = tuple(one for name in term.replaced_by if (one := self.look_up(name)) is not None)
            hint = "" if instead else ", ".join(term.replaced_by)
            return told.model_copy(update={"standing": Standing.OBSOLETE, "suggestions": instead, "hint": hint})
        if folded(label) in {folded(name) for name in (term.label, term.curie, *term.synonyms)}:
            return told
        meant = self._named(label, prefix=_prefix(curie))
        if meant:
            return told.model_copy(update={"standing": Standing.CONTRADICTED, "suggestions": meant})
        return told.model_copy(update={"standing": Standing.OTHER_LABEL})

    def named(self, name: str) -> Sequence[Term]:
        """Return the terms that are called so."""
        return self._named(name, prefix=None)

    def search(self, words: str, *, prefix: str | None = None, limit: int = 20) -> Sequence[Term]:
        """Return terms for words; one that several sources have is told once, and guesses come last."""
        wanted = folded(words[:_LONGEST])
        if not wanted:
            return ()
        found: dict[str, Term] = {}
        by_curie = self.look_up(words.strip()) if ":" in words else None
        for term in (*((by_curie,) if by_curie else ()), *self._named(words, prefix=prefix)):
            found.setdefault(term.curie.casefold(), term)
        each = [source.search(words, prefix=prefix, limit=limit) for source in self._shelf.sources()]
        for together in zip_longest(*each):  # in turn: no source may fill the list alone
            for one in filter(None, together):
                found.setdefault(one.curie.casefold(), one)
        return sorted(found.values(), key=lambda term: (term.obsolete, _unlike(wanted, term)))[:limit]

    def sources(self) -> Sequence[SourceFacts]:
        """Tell what there is to look in."""
        return [source.facts for source in self._shelf.sources()]

    def faults(self) -> Sequence[str]:
        """Say which files cannot be used, and why."""
        return self._shelf.faults()

    def _named(self, name: str, *, prefix: str | None) -> tuple[Term, ...]:
        found: dict[str, Term] = {}
        for source in self._shelf.sources():
            for term in source.named(name, prefix=prefix):
                if not term.obsolete:
                    found.setdefault(term.curie.casefold(), term)
        return tuple(found.values())[:SUGGESTED]

    def _judge_absent(self, curie: str, *, suggest: bool) -> Judgement:
        prefix, _, identifier = curie.partition(":")
        deciding = next((source.facts for source in self._shelf.sources() if source.decides(curie)), None)
        if deciding is not None:
            by = _source(deciding.name, deciding.released)
            return Judgement(curie=curie, standing=Standing.UNKNOWN, source=by)
        registered = self._prefixes.find(prefix)
        if registered and not self._prefixes.allows(prefix, identifier):
            hint = f"{registered.prefix}:{registered.example}" if registered.example else ""
            return Judgement(curie=curie, standing=Standing.MALFORMED, hint=hint)
        own = {one.casefold() for facts in self.sources() for one in facts.prefixes}
        if registered is None and prefix.casefold() not in own:
            near = self._prefixes.near(prefix)[:SUGGESTED] if suggest else ()
            return Judgement(curie=curie, standing=Standing.NO_PREFIX, hint=" or ".join(near))
        return Judgement(curie=curie, standing=Standing.UNCHECKED)

    def _with_suggestions(self, judgement: Judgement, label: str) -> Judgement:
        prefix = None if judgement.standing is Standing.NO_PREFIX else _prefix(judgement.curie)
        near = self.search(label, prefix=prefix, limit=SUGGESTED)
        if not near and prefix is not None:  # the words may be of another vocabulary than the prefix
            near = self.search(label, limit=SUGGESTED)
        return judgement.model_copy(update={"suggestions": tuple(term for term in near if not term.obsolete)})


def judged_words(judgement: Judgement, label: str) -> str:
    """Say what is amiss with a term, and what to write instead; empty where nothing is."""
    curie, hint, by = judgement.curie[:_SHOWN], judgement.hint, judgement.source
    named, called = f"'{judgement.term.label}'" if judgement.term else "", f"'{shorten(label, _SHOWN)}'"
    match judgement.standing:
        case Standing.KNOWN:
            return ""
        case Standing.UNCHECKED:
            return f"{curie} ({called}) is not checked: its vocabulary is not here, or not as new"
        case Standing.OTHER_LABEL:
            return f"{curie} is {named} in {by}, and is called {called} here; look whether that is what is meant"
        case Standing.CONTRADICTED:
            what = f"{curie} is {named} in {by}, and not {called}"
        case Standing.OBSOLETE:
            what = f"{curie} ({named}) is obsolete in {by}"
        case Standing.UNKNOWN:
            what = f"{curie} is no term in {by}"
        case Standing.MALFORMED:
            what = f"{curie} has not the form of that vocabulary's identifiers" + (f", such as {hint}" if hint else "")
        case Standing.NO_PREFIX:
            what = f"{curie} has a prefix of no vocabulary" + (f"; near is {hint}" if hint else "")
        case _:
            assert_never(judgement.standing)
    return f"{what}; {_instead(judgement)}"


class TermDesk:
    """Judges the terms of one record.

    Args:
        vocabulary: Knows of them.
        problems: Takes what is wrong, in words; a person has to look.
        notes: Takes what is worth knowing and bars nothing: what nobody could check, is obsolete, or has a term.
    """

    def __init__(self, vocabulary: Vocabulary, *, problems: list[str], notes: list[str]) -> None:
        self._vocabulary = vocabulary
        self._problems, self._notes = problems, notes

    def judged(self, terms: Iterable[Subject], *, place: str) -> tuple[Subject, ...]:
        """Take each term once, and of a wrong one the words alone: what is no term must not go out as one."""
        wrong: list[str] = []
        notes: list[str] = []
        kept = tuple(dict.fromkeys(self._judged(one, wrong, notes) for one in terms))
        self._problems += _first(f"{place}, not used as a term", wrong)
        self._notes += _first(place, notes)
        return kept

    def _judged(self, one: Subject, wrong: list[str], notes: list[str]) -> Subject:
        try:
            if one.curie is None:
                notes += self._offered(one.label)
                return one
            judgement = self._vocabulary.judge(one.curie, one.label, suggest=len(wrong) < _TOLD)
        except CisternaError:  # a vocabulary that is out of order keeps no data from the archive
            notes += [f"{one.curie} is not checked: a vocabulary here is out of order"] if one.curie else []
            return one
        words = judged_words(judgement, one.label)
        if judgement.standing.is_wrong:
            wrong.append(words)
            return Subject(label=one.label)
        notes += [words] if words else []
        return one

    def _offered(self, label: str) -> list[str]:
        """Offer the term of words that have one; it is never added by itself, since the words may mean another."""
        offered = " or ".join(f"'{term.line}'" for term in self._vocabulary.named(label))
        return [f"'{shorten(label, _SHOWN)}' has a term; to name it, say {offered}"] if offered else []


def _first(place: str, told: Sequence[str]) -> list[str]:
    """Give the first of what is told of a place; of a list of thousands nobody reads all."""
    more = [f"{place}: and {len(told) - _TOLD:,} more of these"] if len(told) > _TOLD else []
    return [*(f"{place}: {words}" for words in told[:_TOLD]), *more]


def _instead(judgement: Judgement) -> str:
    if judgement.suggestions:
        return "did you mean " + " or ".join(f"'{term.line}'" for term in judgement.suggestions) + "?"
    if judgement.standing is Standing.OBSOLETE and judgement.hint:
        return f"it names {judgement.hint} in its place"
    return "look it up with `cisterna vocabulary search`, or keep the words without a term"


def _unlike(wanted: str, term: Term) -> float:
    """Tell how far off a term's names are: not at all where one has all of the words, which says nothing of which."""
    names = [folded(name) for name in (term.label, *term.synonyms[:_COMPARED])]
    parts = wanted.split()
    for name in names:
        has = name.split()
        if all(any(word.startswith(part) for word in has) for part in parts):
            return 0.0
    return 0.0 if term.curie.casefold() == wanted else 1 - likeness(wanted, names)


def _prefix(curie: str) -> str:
    return curie.partition(":")[0]


def _source(name: str, released: str | None) -> str:
    return f"{name} ({released})" if released else name
