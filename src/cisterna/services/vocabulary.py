"""Holds terms that a person types against the vocabularies, before anything is kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cisterna.domain.credit import Subject
from cisterna.domain.errors import CisternaError, InvalidInput
from cisterna.domain.project import MetadataDefaults
from cisterna.metadata.record import SAMPLE_KINDS, Given
from cisterna.metadata.vocabulary import judged_words
from cisterna.ports.vocabulary import Vocabulary

_TOLD = 10
"""Wrong terms that are told at once."""

Placed = tuple[str, Subject]
"""A term, and the field that it stands in."""


def given_terms(given: Given) -> Iterator[Placed]:
    """Give the terms of a statement."""
    for number, one in enumerate(given.subjects or ()):
        yield f"subjects.{number}", one
    if given.samples is not None:
        for kind in SAMPLE_KINDS:
            for number, one in enumerate(getattr(given.samples, kind)):
                yield f"samples.{kind}.{number}", one


def new_terms(defaults: MetadataDefaults, *, before: MetadataDefaults | None) -> Iterator[Placed]:
    """Give the terms of a project that it did not have before: what stands must not bar other changes."""
    known = set(before.subjects) if before else set()
    for number, one in enumerate(defaults.subjects):
        if one not in known:
            yield f"subjects.{number}", one


def require_terms(placed: Iterable[Placed], *, vocabulary: Vocabulary | None) -> None:
    """Refuse terms that certainly are none, or are others than their words say; what nobody can judge passes.

    Args:
        placed: Terms with their fields.
        vocabulary: Judges them; None judges none.

    Raises:
        InvalidInput: Some are wrong; the message names each field, what is wrong, and what may be meant.
    """
    if vocabulary is None:
        return
    faults: list[str] = []
    for place, one in placed:
        if one.curie is not None and (words := _fault(one.curie, one.label, vocabulary, suggest=len(faults) < _TOLD)):
            faults.append(f"{place}: {words}")
    if faults:
        more = f"; and {len(faults) - _TOLD} more" if len(faults) > _TOLD else ""
        msg = f"{'; '.join(faults[:_TOLD])}{more}"
        raise InvalidInput(msg, faults=faults[:_TOLD])


def _fault(curie: str, label: str, vocabulary: Vocabulary, *, suggest: bool) -> str:
    try:
        judgement = vocabulary.judge(curie, label, suggest=suggest)
    except CisternaError:  # a vocabulary that is out of order bars nobody; the description says that it was not asked
        return ""
    return judged_words(judgement, label) if judgement.standing.is_wrong else ""
