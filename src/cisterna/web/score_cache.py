"""The FAIR scores of versions, kept for a while: of what they are made of only the DOI changes once it is described."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

from cisterna.domain.dataset import Version
from cisterna.metadata.fair import FairScore
from cisterna.metadata.fair_criterion import Standing
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.quality import TableFile
from cisterna.services.fair import doi_of, score_version

_KEPT_SCORES = 256


class ScoreCache:
    """Keeps the scores that were made last, by what a decision is made on and the DOI, so none is ever out of date."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str, str], FairScore] = OrderedDict()
        self._lock = Lock()

    def of(
        self, version: Version, *, catalogue: Catalogue, store: ObjectStore, tables: TableFile, base_url: str
    ) -> FairScore:
        """Return a version's score; the caller has made sure that the person may see it. Raises `InvalidInput`."""
        doi = doi_of(version, catalogue=catalogue) or ""  # it comes later than the description
        key = (version.version_id, version.evidence_digest or "", doi)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        score = score_version(version, catalogue=catalogue, store=store, tables=tables, base_url=base_url)
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
