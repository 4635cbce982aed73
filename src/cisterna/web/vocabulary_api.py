"""The API of vocabularies: find terms, and ask what is known of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query

from cisterna.domain.errors import InvalidInput
from cisterna.domain.outside_identifier import curie as spelled
from cisterna.metadata.vocabulary import judged_words
from cisterna.ports.vocabulary import Judgement, SourceFacts, Term
from cisterna.web.signed import ApiPerson, Parts

router = APIRouter(prefix="/api/v1/vocabulary", tags=["v1"])

Words = Annotated[str, Query(min_length=1, max_length=200)]
Prefix = Annotated[str | None, Query(max_length=32)]


class TermAnswer(Judgement):
    """What is known of a term, and in words what is amiss with it; empty where nothing is."""

    words: str


@router.get("/terms")
def find_terms(
    parts: Parts,
    _person: ApiPerson,
    words: Words,
    prefix: Prefix = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 20,
) -> Sequence[Term]:
    """Find terms by words, the beginning of one, or a term's own CURIE; the nearest first."""
    return parts.vocabulary.search(words, prefix=prefix, limit=limit)


@router.get("/sources")
def list_vocabularies(parts: Parts, _person: ApiPerson) -> Sequence[SourceFacts]:
    """List the vocabularies that are here."""
    return parts.vocabulary.sources()


@router.get("/terms/{curie:path}")
def judge_term(
    parts: Parts, _person: ApiPerson, curie: str, label: Annotated[str, Query(max_length=1000)] = ""
) -> TermAnswer:
    """Say what is known of a term, and whether it goes with the words beside it."""
    try:
        term = spelled(curie[:1000])
    except ValueError as refusal:
        raise InvalidInput(str(refusal), curie=curie[:100]) from refusal
    known = parts.vocabulary.look_up(term)
    called = label or (known.label if known else "")
    judgement = parts.vocabulary.judge(term, called)
    return TermAnswer(**dict(judgement), words=judged_words(judgement, called or term))
