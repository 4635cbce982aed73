"""What erasures stand on: only here are keys opened that may delete versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from cisterna.bootstrap.stores import PUBLIC, Keys
from cisterna.ports.erasure import Eraser, Onlooker
from cisterna.services.erase_plan import ErasureSite, SurveySite
from cisterna.settings import LineageTransport

if TYPE_CHECKING:
    from cisterna.bootstrap.parts import Parts


def erasure_site(parts: Parts, *, keys: Mapping[str, Keys] | None = None) -> ErasureSite:
    """Give what erasures stand on.

    Args:
        parts: Of this process.
        keys: Of those who may delete versions, by store; a store that is not named is opened with its own.
    """
    given = keys or {}
    erasers: dict[str, Eraser] = {}

    def eraser_of(name: str) -> Eraser:
        if name not in erasers:
            erasers[name] = parts.stores.eraser(name, clock=parts.clock, keys=given.get(name))
        return erasers[name]

    return ErasureSite(
        catalogue=parts.catalogue,
        store=parts.archive_store,
        copies=parts.copy_stores,
        onlooker_of=eraser_of,
        eraser_of=eraser_of,
        public=parts.publisher,
        public_store=PUBLIC,
        clock=parts.clock,
        lineage=(_lineage_place(parts),),
        end_of_life=parts.end_of_life,
    )


def survey_site(parts: Parts) -> SurveySite:
    """Give what deciding on an erasure stands on, for the web process: it opens nothing that deletes."""
    onlookers: dict[str, Onlooker] = {}

    def onlooker_of(name: str) -> Onlooker:
        if name not in onlookers:
            onlookers[name] = parts.stores.onlooker(name, clock=parts.clock)
        return onlookers[name]

    return SurveySite(
        catalogue=parts.catalogue,
        store=parts.archive_store,
        copies=parts.stores.copies,
        onlooker_of=onlooker_of,
        public=parts.publisher,
        public_store=PUBLIC,
        clock=parts.clock,
        lineage=(_lineage_place(parts),),
        end_of_life=parts.end_of_life,
    )


def _lineage_place(parts: Parts) -> str:
    lineage = parts.settings.lineage
    return str(lineage.url) if lineage.transport is LineageTransport.HTTP else str(parts.home.lineage)
