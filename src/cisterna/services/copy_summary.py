"""Sums up, for a row of a list, in how many stores an object lies and how it was found there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from cisterna.domain.dataset import Version
from cisterna.domain.fixity import Fixity
from cisterna.domain.stored_copy import StoredCopy, worst_of
from cisterna.ports.catalogue import Transaction


class CopySummary:
    """What the catalogue knows of the copies of some datasets, read once.

    Args:
        tx: Read only.
        versions: Of the datasets that are asked about.
        dataset_id: The one dataset that is; None for all.
    """

    def __init__(self, tx: Transaction, versions: Iterable[Version], *, dataset_id: str | None = None) -> None:
        self._stores = tx.copies.stores()
        self._proven = tx.copies.proven(dataset_id)
        self._known: dict[str, list[StoredCopy]] = defaultdict(list)
        for copy in tx.copies.of(dataset_id) if dataset_id else tx.copies.list():
            self._known[copy.dataset_id].append(copy)
        self._newest: dict[str, Version] = {}
        for version in versions:
            known = self._newest.get(version.dataset_id)
            if version.is_archived and (known is None or _order(version) > _order(known)):
                self._newest[version.dataset_id] = version

    def facts(self, dataset_id: str | None) -> dict[str, object]:
        """Give what an overview says of a dataset's copies; nothing before a version is archived."""
        newest = self._newest.get(dataset_id or "")
        if newest is None:
            return {}
        known = self._known[newest.dataset_id]
        worst = worst_of(known)
        bad = [one for one in known if one.fixity is worst and worst is not Fixity.OK]
        return {
            "copies": len(self._proven.get(newest.version_id, ())),
            "copies_wanted": len(self._stores),
            "fixity": worst,
            "fixity_reason": "; ".join(f"{one.store}: {one.reason}" for one in bad) or None,
        }


def _order(version: Version) -> tuple[int, int]:
    return version.number, version.revision
