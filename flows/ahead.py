"""Flow `ahead`: what has settled of an acquisition that is still written is read and brought into staging."""

from __future__ import annotations

from prefect import flow

from cisterna.domain.errors import CisternaError, LeaseLost
from cisterna.domain.ocfl import MOST_FILES
from cisterna.domain.work import SPARE, WorkKind
from cisterna.services.attempt import error_words
from cisterna.services.read_ahead import AheadMeans, read_ahead
from flows import held
from flows._policy import step
from flows.held import Held
from flows.parts import parts


@flow(name="ahead", persist_result=False, log_prints=False)
def ahead(work_id: str) -> str:
    """Read ahead for a minute at most, and give way to any other work.

    Args:
        work_id: A piece of work of kind `ahead`; its subject is the acquisition.
    """
    return held.carry_out(work_id, _ahead, parts)


@step
def read_settled(acquisition_id: str) -> str:
    """Read what settled. A second run finds what the first one put on record, and reads the rest."""
    core = parts()
    with core.catalogue.begin() as tx:
        acquisition = tx.acquisitions.get(acquisition_id)
        instrument = tx.instruments.get(acquisition.instrument)
    means = AheadMeans(
        zone=core.zone_of(instrument),
        profile=core.profile(acquisition.profile),
        catalogue=core.catalogue,
        store=core.archive_store,
        meters=core.meters,
        tables=core.tables,
        clock=core.clock,
        image_limit_bytes=core.settings.measure.image_limit_bytes,
        readers=core.settings.measure.readers,
        digest=core.settings.archive.digest,
        most_files=MOST_FILES,
        room=core.room,
        arks=core.settings.identity.arks,
        measured=core.alarm,
        gives_way=_others_wait,
    )
    return read_ahead(acquisition_id, lease=held.current().lease, means=means)


def _others_wait() -> bool:
    """Tell whether work waits that a worker like this one would do first; a pool's process does nothing else."""
    core = parts()
    if not core.settings.dispatch.runs_beside_ingest(WorkKind.AHEAD):
        return False
    inline = [kind for kind in set(WorkKind) - SPARE if core.settings.dispatch.runs_beside_ingest(kind)]
    with core.catalogue.begin() as tx:
        return tx.inbox.is_waiting(kinds=inline, now=core.clock.now())


def _ahead(mine: Held) -> str:
    mine.require()
    try:
        return read_settled(mine.work.subject)
    except CisternaError as refusal:
        if refusal.retryable or isinstance(refusal, LeaseLost):
            raise
        return f"nothing more is read ahead now, and no person is needed: {error_words(refusal)}"
