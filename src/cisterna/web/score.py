"""The FAIR score of a version for its page and for programs, kept for a while: what it is made of never changes."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from cisterna.domain.dataset import Version
from cisterna.domain.errors import InvalidInput
from cisterna.metadata.fair import FairScore, wanted_fields
from cisterna.metadata.fair_criterion import Standing
from cisterna.services.fair import score_version

if TYPE_CHECKING:
    from cisterna.web.parts import WebParts

_KEPT_SCORES = 256


class ScoreCache:
    """Keeps the scores that were made last; the key is what a decision is made on, so none is ever out of date."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], FairScore] = OrderedDict()
        self._lock = Lock()

    def of(self, version: Version, parts: WebParts) -> FairScore:
        """Return a version's score; the caller has made sure that the person may see it. Raises `InvalidInput`."""
        key = (version.version_id, version.evidence_digest or "")
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        score = score_version(
            version, catalogue=parts.catalogue, store=parts.store, tables=parts.tables, base_url=parts.base_url
        )
        if version.evidence_digest is None or _lacks_its_files(score):
            return score
        with self._lock:
            self._kept[key] = score
            while len(self._kept) > _KEPT_SCORES:
                self._kept.popitem(last=False)
        return score


def _lacks_its_files(score: FairScore) -> bool:
    """Tell whether the list of files could not be read; it may be readable the next time."""
    return any(one.key == "formats" and one.standing is Standing.NOT_ASSESSABLE for one in score.criteria)


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
        return parts.scores.of(version, parts)
    except InvalidInput:  # described by a schema that is not known here; the rest of the page is shown
        return None
