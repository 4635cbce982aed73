"""Brings to an end what an attempt at a publication left: a page that is public, and of which no record tells.

While an attempt is under way that is so for a moment. When the last attempt was killed there, nobody else would come:
nothing that narrows or withdraws what is public finds a page that the catalogue does not know.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from pydantic import JsonValue

from cisterna.domain.dataset import Stage, Version
from cisterna.domain.errors import NotFound
from cisterna.domain.work import Work, WorkKind, WorkState
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.ports.publisher import PublicRecord, Publisher
from cisterna.services.disclosure import access_now
from cisterna.services.publish import take_back_unrecorded
from cisterna.services.work_request import request_work

_LEFT: Mapping[str, JsonValue] = {"left": True}
"""Marks work that carries on with what was left."""


class LeftEnd(StrEnum):
    """What became of what was left."""

    CARRIED_ON = "carried-on"
    """Its publication was asked for once more, which confirms the page or takes it back."""
    TAKEN_BACK = "taken-back"
    """That failed too, or it may not be public: the page is a tombstone."""
    STANDS = "stands"
    """No attempt that this catalogue knows of left it: it was published, and an older catalogue restored since."""


class Left(NamedTuple):
    """A version whose page was left."""

    version_id: str
    end: LeftEnd


def end_left_publications(
    version_ids: Sequence[str], *, catalogue: Catalogue, publisher: Publisher, clock: Clock
) -> Iterator[Left]:
    """Carry on once with the publication of what is public and not recorded; take back what failed again.

    A second run finds the work under way, or the tombstone. What the catalogue does not know at all stays as it is, and
    so does what no attempt that it knows of has left, while access allows it: a person decides.

    Args:
        version_ids: Of public records of which the catalogue does not know that they are published.
        catalogue: Where the work is requested.
        publisher: The portal.
        clock: Dates it.

    Raises:
        StoreUnavailable: The public bucket did not answer; the next round tries again.
    """
    for version_id in version_ids:
        with catalogue.begin() as tx:
            try:
                version = tx.datasets.get_version(version_id)
            except NotFound:
                continue
            works = [one for one in tx.inbox.list(subject=version_id) if one.kind is WorkKind.PUBLISH]
            is_under_way = any(one.state in {WorkState.READY, WorkState.LEASED} for one in works)
            if is_under_way or version.stage in {Stage.PUBLISHED, Stage.WITHDRAWN}:
                continue
            end = _end_of(tx, version, works, publisher=publisher, clock=clock)
            if end is LeftEnd.TAKEN_BACK:
                take_back_unrecorded(tx, version_id, publisher=publisher, clock=clock)
            elif end is LeftEnd.CARRIED_ON:
                key = f"publish-left:{version_id}:{len(works) + 1}"
                request_work(tx, WorkKind.PUBLISH, version_id, key=key, parameters=_LEFT, clock=clock)
        yield Left(version_id, end)


def _end_of(tx: Transaction, version: Version, works: Sequence[Work], *, publisher: Publisher, clock: Clock) -> LeftEnd:
    dataset = tx.datasets.get(version.dataset_id)
    page = publisher.find(dataset.pid, version=version.label)
    if page is None or page.tombstone is not None:
        return LeftEnd.TAKEN_BACK  # somebody did so meanwhile
    if _is_left_here(tx, version, works, page):
        return LeftEnd.TAKEN_BACK if works[-1].parameters == _LEFT else LeftEnd.CARRIED_ON
    is_allowed = page.extent.is_within(access_now(tx, version, dataset, clock=clock).extent)
    return LeftEnd.STANDS if is_allowed else LeftEnd.TAKEN_BACK


def _is_left_here(tx: Transaction, version: Version, works: Sequence[Work], page: PublicRecord) -> bool:
    """Tell whether attempts that were given up made the page: not one before them, and not one after."""
    given_up = [one.occurred_at for one in tx.outbox.history([version.version_id]) if one.name == "publication.failed"]
    return bool(works and given_up) and works[0].created_at <= page.published_at <= max(given_up)
