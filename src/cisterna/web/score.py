"""What the page of a version shows of its FAIR score."""

from __future__ import annotations

from typing import NamedTuple

from cisterna.domain.dataset import Version
from cisterna.domain.errors import InvalidInput
from cisterna.metadata.fair import FairScore, wanted_fields
from cisterna.web.parts import WebParts


class ShownScore(NamedTuple):
    """What a page shows of a score.

    Attributes:
        score: None of a version that is not described.
        wanted: Fields that would bring points.
        remedies: How to say each.
    """

    score: FairScore | None
    wanted: tuple[str, ...]
    remedies: dict[str, str | None]


def shown_score(parts: WebParts, version: Version | None) -> ShownScore:
    """Score the version of a page; whoever made the page has made sure that the person may see it."""
    score = _score(parts, version)
    if score is None:
        return ShownScore(None, (), {})
    return ShownScore(score, wanted_fields(score), {one.field: one.remedy for one in score.missing if one.field})


def _score(parts: WebParts, version: Version | None) -> FairScore | None:
    if version is None or version.metadata is None:
        return None
    try:
        return parts.score_of(version)
    except InvalidInput:  # described by a schema that is not known here; the rest of the page is shown
        return None
