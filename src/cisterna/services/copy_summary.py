"""Sums up, for a row of a list, in how many stores an object lies and how it was found there."""

from __future__ import annotations

from collections.abc import Sequence

from cisterna.domain.fixity import Fixity
from cisterna.domain.stored_copy import worst_of
from cisterna.ports.roster import Entry


def copy_facts(entry: Entry, *, stores: Sequence[str]) -> dict[str, object]:
    """Give what an overview says of a dataset's copies; nothing before a version is archived.

    Of a version in parts a store has a copy when it has all of them, and the worst that was found of one is told.

    Args:
        entry: Of the dataset.
        stores: The registered ones.
    """
    newest = next((one for one in reversed(entry.versions) if one.is_archived), None)
    if newest is None:
        return {}
    objects = [("", newest.dataset_id, newest.version_id)]
    objects += [(f"part {one.number:04d}: ", one.dataset_id, one.version_id) for one in newest.parts]
    places = {dataset: where for where, dataset, _ in objects}
    known = [(places[copy.dataset_id], copy) for copy in entry.copies if copy.dataset_id in places]
    worst = worst_of([copy for _, copy in known])
    bad = [(where, one) for where, one in known if one.fixity is worst and worst is not Fixity.OK]
    proven = [entry.proven.get(version, frozenset()) for _, _, version in objects]
    return {
        "copies": len(proven[0].intersection(*proven[1:])),
        "copies_wanted": len(stores),
        "fixity": worst,
        "fixity_reason": "; ".join(f"{one.store}: {where}{one.reason}" for where, one in bad) or None,
    }
