"""Takes in shares, in threads of the dispatcher beside its sweeps: slowly, and never in the way of a worker.

An inventory of weeks is many slices of seconds. All that is known of it is in the catalogue, so whoever is killed or
started anew goes on where the last slice was written down. Each share has two threads of its own, so that one which
hangs delays no other, and one that is being walked does not delay what goes into the archive.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import structlog

from cisterna.domain.adoption import Adoption, AdoptionState
from cisterna.domain.errors import SourceUnavailable
from cisterna.ports.share import Share
from cisterna.services.adopt_archive import archive_turn
from cisterna.services.adopt_contents import known_run
from cisterna.services.adopt_register import register_some
from cisterna.services.adopt_scan import AdoptSite, Halted, scan_slice
from flows.repeat import Repeat

if TYPE_CHECKING:
    from cisterna.bootstrap import Parts

TURN_SECONDS = 5.0
"""Between two turns when there is nothing to do at once."""

_log = structlog.get_logger("cisterna.adopt")


class Adopter:
    """Keeps threads for each share that is taken in.

    Args:
        parts: Catalogue, profiles and shares.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._stop = threading.Event()
        self._running: dict[str, tuple[Repeat, Repeat]] = {}
        self._told: dict[str, str] = {}
        self._site = AdoptSite(
            catalogue=parts.catalogue,
            clock=parts.clock,
            share_of=self._share,
            profiles=parts.profiles,
            tables=parts.booking_tables,
            keep_on=self._keep_on,
            wait=self._stop.wait,
        )

    def look(self) -> None:
        """Begin with what was newly asked for, and end what was ended. Raises `CatalogueUnavailable`."""
        with self._parts.catalogue.begin() as tx:
            wanted = {one.name for one in tx.adoptions.list() if one.state is not AdoptionState.ENDED}
        for name in self._running.keys() - wanted:
            for repeat in self._running.pop(name):
                repeat.stop()
        for name in wanted - self._running.keys():
            turns: tuple[tuple[str, Callable[[], object]], ...] = (
                ("scan", partial(self._scan, name)),
                ("carry", partial(self._carry, name)),
            )
            scan, carry = (Repeat(f"{what}-{name}", turn, every_seconds=TURN_SECONDS) for what, turn in turns)
            self._running[name] = (scan, carry)

    def stop(self) -> None:
        """End all of it, and wait a little; what was not written down is done again."""
        self._stop.set()
        for repeats in self._running.values():
            for repeat in repeats:
                repeat.stop()

    def _scan(self, name: str) -> None:
        while scan_slice(name, site=self._site) and not self._stop.is_set():
            pass

    def _carry(self, name: str) -> None:
        parts = self._parts
        archive_turn(name, catalogue=parts.catalogue, clock=parts.clock)
        known = partial(
            known_run,
            catalogue=parts.catalogue,
            zone_of=parts.zone_of,
            store=lambda: parts.archive_store,
            tables=parts.tables,
        )
        try:
            register_some(name, site=self._site, known=known)
        except Halted:
            return
        except SourceUnavailable as gone:
            if self._told.get(name) != str(gone):  # it may be away for days, and is looked for every few seconds
                _log.warning("share.away", adoption=name, reason=str(gone))
            self._told[name] = str(gone)
        else:
            self._told.pop(name, None)

    def _share(self, adoption: Adoption) -> Share:
        return self._parts.zones.share(adoption.path, declared=adoption.identity)

    def _keep_on(self) -> None:
        if self._stop.is_set():
            raise Halted
