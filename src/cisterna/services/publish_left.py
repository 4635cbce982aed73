"""Brings to an end what an attempt at a publication left: a page that is public, and of which no record tells.

While an attempt is under way that is so for a moment. When the last attempt was killed there, nobody else would come:
nothing that narrows or withdraws what is public finds a page that the catalogue does not know.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from pydantic import JsonValue

from cisterna.domain.dataset import Stage
from cisterna.domain.errors import NotFound
from cisterna.domain.work import WorkKind, WorkState
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.clock import Clock
from cisterna.ports.publisher import Publisher
from cisterna.services.publish import take_back_unrecorded
from cisterna.services.work_request import request_work

_LEFT: Mapping[str, JsonValue] = {"left": True}
"""Marks work that carries on with what was left."""


class LeftEnd(StrEnum):
    """What became of what was left."""

    CARRIED_ON = "carried-on"
    """Its publication was asked for once more, which confirms the page or takes it back."""
    TAKEN_BACK = "taken-back"
    """That failed too: the page is a tombstone."""


class Left(NamedTuple):
    """A version whose page was left."""

    version_id: str
    end: LeftEnd


def end_left_publications(
    version_ids: Sequence[str], *, catalogue: Catalogue, publisher: Publisher, clock: Clock
) -> Iterator[Left]:
    """Carry on once with the publication of what is public and not recorded; take back what failed again.

    A second run finds the work under way, or the tombstone. What the catalogue does not know at all stays as it is.

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
            if works and works[-1].parameters == _LEFT:
                take_back_unrecorded(tx, version_id, publisher=publisher, clock=clock)
                end = LeftEnd.TAKEN_BACK
            else:
                key = f"publish-left:{version_id}:{len(works) + 1}"
                request_work(tx, WorkKind.PUBLISH, version_id, key=key, parameters=_LEFT, clock=clock)
                end = LeftEnd.CARRIED_ON
        yield Left(version_id, end)
