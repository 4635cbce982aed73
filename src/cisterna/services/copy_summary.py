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
        self._proven = dict(tx.copies.proven(dataset_id))
        self._known: dict[str, list[StoredCopy]] = defaultdict(list)
        for copy in tx.copies.of(dataset_id) if dataset_id else tx.copies.list():
            self._known[copy.dataset_id].append(copy)
        self._newest: dict[str, Version] = {}
        for version in versions:
            known = self._newest.get(version.dataset_id)
            if version.is_archived and (known is None or _order(version) > _order(known)):
                self._newest[version.dataset_id] = version
        shown = self._newest.get(dataset_id or "")
        for part in shown.parts if shown else ():
            self._proven |= tx.copies.proven(part.dataset_id)
            self._known[part.dataset_id] += tx.copies.of(part.dataset_id)

    def facts(self, dataset_id: str | None) -> dict[str, object]:
        """Give what an overview says of a dataset's copies; nothing before a version is archived.

        Of a version in parts a store has a copy when it has all of them, and the worst that was found of one is told.
        """
        newest = self._newest.get(dataset_id or "")
        if newest is None:
            return {}
        objects = [("", newest.dataset_id, newest.version_id)]
        objects += [(f"part {one.number:04d}: ", one.dataset_id, one.version_id) for one in newest.parts]
        known = [(where, copy) for where, dataset, _ in objects for copy in self._known.get(dataset, ())]
        worst = worst_of([copy for _, copy in known])
        bad = [(where, one) for where, one in known if one.fixity is worst and worst is not Fixity.OK]
        proven = [self._proven.get(version, frozenset()) for _, _, version in objects]
        return {
            "copies": len(proven[0].intersection(*proven[1:])),
            "copies_wanted": len(self._stores),
            "fixity": worst,
            "fixity_reason": "; ".join(f"{one.store}: {where}{one.reason}" for where, one in bad) or None,
        }


def _order(version: Version) -> tuple[int, int]:
    return version.number, version.revision
