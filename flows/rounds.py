"""The dispatcher's rounds through the archive: often for what was interrupted, seldom for everything."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from cisterna.domain.errors import CisternaError
from cisterna.domain.protection import Standing
from cisterna.domain.publication import Publication
from cisterna.domain.recovery import ObjectNote, ObjectState
from cisterna.services.access_round import AccessSite, level_access
from cisterna.services.complete_forms import complete_public_forms
from cisterna.services.drop_ahead import collect_ahead
from cisterna.services.probe_left import collect_probes
from cisterna.services.protect import protect_all
from cisterna.services.public_index import level_public_index
from cisterna.services.publish_left import LeftEnd, end_left_publications
from cisterna.services.recovery_round import (
    RoundMemory,
    collect_copy_uploads,
    recover_interrupted,
    survey_archive,
)

if TYPE_CHECKING:
    from cisterna.bootstrap import Parts

LEVEL_SECONDS = 600.0
"""How late the index of what is public may see what was missed when it was published: each look lists the bucket."""

ACCESS_SECONDS = 60.0
"""How late an embargo may end after its day began, and how late what is restricted again may go."""

_log = structlog.get_logger("cisterna.archive")


class Rounds:
    """Takes a round when it is due; one that failed is due again at the next call.

    Args:
        parts: Archive, catalogue and settings.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._memory = RoundMemory()
        self._next_survey = 0.0
        self._next_level = 0.0
        self._next_forms = 0.0
        self._next_access = 0.0
        self._access_after: str | None = None

    def recover(self) -> None:
        """Bring interrupted objects to rest, and say what was done; remove what was read ahead and nobody came for."""
        parts = self._parts
        for note in recover_interrupted(
            catalogue=parts.catalogue, store=parts.archive_store, clock=parts.clock, memory=self._memory
        ):
            _tell(note)
        for ahead in collect_ahead(
            catalogue=parts.catalogue,
            store=parts.archive_store,
            clock=parts.clock,
            grace=timedelta(hours=parts.settings.archive.upload_grace_hours),
        ):
            _log.info("ahead.collected", acquisition_id=ahead.acquisition_id, files=ahead.files, bytes=ahead.bytes)

    def collect_probes(self) -> None:
        """Remove what killed probes left in any store; one that is away keeps no other one waiting."""
        parts = self._parts
        for store in (*parts.keeping_stores.values(), parts.public_store):
            try:
                left = collect_probes(store, clock=parts.clock)
            except CisternaError as refusal:
                _log.warning("probes.wait", store=store.name, code=refusal.code, reason=str(refusal))
                continue
            if left:
                _log.info("probes.collected", store=store.name, keys=len(left))

    def protect(self) -> None:
        """Have the stores keep what holds and rules ask of them, and say what stands otherwise than wanted."""
        parts = self._parts
        for one in protect_all(
            keepers=parts.object_keepers, stores=parts.keeping_stores, catalogue=parts.catalogue, clock=parts.clock
        ):
            for aspect in one.aspects:
                say = _log.info if aspect.standing is Standing.DONE else _log.warning
                say("archive.protection", dataset_id=one.dataset_id, store=one.store, reason=aspect.words)

    def survey(self) -> None:
        """Look at the whole archive, unless that was done not long ago, and collect what killed commands left."""
        parts, settings = self._parts, self._parts.settings.archive
        if parts.clock.monotonic() < self._next_survey:
            return
        models = parts.collect_unadmitted()
        found = survey_archive(
            catalogue=parts.catalogue,
            store=parts.archive_store,
            clock=parts.clock,
            upload_grace=timedelta(hours=settings.upload_grace_hours),
        )
        self._next_survey = parts.clock.monotonic() + settings.survey_hours * 3600
        for note in found.notes:
            _tell(note)
        uploads = len(found.uploads_collected) + self._survey_copies(timedelta(hours=settings.upload_grace_hours))
        _log.info("archive.surveyed", objects=found.objects, uploads_collected=uploads, models_collected=len(models))

    def level_access(self) -> None:
        """End embargoes that are over, and take from the public what access no longer allows."""
        parts = self._parts
        if parts.clock.monotonic() < self._next_access:
            return
        site = AccessSite(
            catalogue=parts.catalogue,
            store=parts.archive_store,
            publisher=parts.publisher,
            tables=parts.tables,
            clock=parts.clock,
            base_url=parts.base_url,
        )
        found = level_access(site, after=self._access_after)
        self._access_after = found.after
        self._next_access = parts.clock.monotonic() + ACCESS_SECONDS
        for version_id in found.requested:
            _log.info("embargo.ended", version_id=version_id)
        for version_id in found.changed:
            _log.info("publication.changed", version_id=version_id)
        for version_id, reason in found.failed:
            _log.warning("publication.not_changed", version_id=version_id, reason=reason)

    def level_index(self) -> None:
        """Bring the index of what is public to what the public bucket says, and to an end what is public by half."""
        parts = self._parts
        if parts.clock.monotonic() < self._next_level:
            return
        found = level_public_index(
            catalogue=parts.catalogue, shelf=parts.publisher, clock=parts.clock, base_url=parts.base_url
        )
        self._next_level = parts.clock.monotonic() + LEVEL_SECONDS
        if found.changed or found.unrecorded:
            _log.warning("public_index.levelled", **found.model_dump())
        for left in end_left_publications(
            found.unrecorded, catalogue=parts.catalogue, publisher=parts.publisher, clock=parts.clock
        ):
            if left.end is not LeftEnd.STANDS:  # those were told by name above
                _log.warning("publication.left", version_id=left.version_id, end=left.end.value)

    def complete_forms(self) -> None:
        """Write what the descriptions of published versions lack, as often as the index is looked at."""
        parts = self._parts
        if parts.clock.monotonic() < self._next_forms:
            return
        for one in complete_public_forms(
            catalogue=parts.catalogue,
            store=parts.archive_store,
            publisher=parts.publisher,
            tables=parts.tables,
            clock=parts.clock,
            base_url=parts.base_url,
        ):
            tell_lacking(one)
        self._next_forms = parts.clock.monotonic() + LEVEL_SECONDS

    def _survey_copies(self, grace: timedelta) -> int:
        """Collect abandoned uploads in every further store; one that is away is surveyed another day."""
        parts, collected = self._parts, 0
        for store in parts.copy_stores.values():
            try:
                collected += len(
                    collect_copy_uploads(store=store, catalogue=parts.catalogue, clock=parts.clock, upload_grace=grace)
                )
            except CisternaError as refusal:
                _log.warning("survey.waits", store=store.name, code=refusal.code, reason=str(refusal))
        return collected


def tell_lacking(publication: Publication) -> None:
    """Say which forms of a published version could not be written."""
    for form, reason in publication.lacking.items():
        _log.warning("public_form.lacking", version_id=publication.version_id, form=form, reason=reason)
    if not publication.lacking:
        _log.info("public_form.complete", version_id=publication.version_id)


def _tell(note: ObjectNote) -> None:
    say = _log.info if note.state is ObjectState.RECOVERED else _log.warning
    say(f"archive.{note.state}", object_root=note.object_root, dataset_id=note.dataset_id, reason=note.reason)
