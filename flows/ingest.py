"""Flow `ingest`: from a finished acquisition to a verified archive and the question who judges it."""

from __future__ import annotations

from prefect import flow

from cisterna.domain.dataset import ORDER, Stage, Version
from cisterna.domain.work import Work
from cisterna.ports.catalogue import Transaction
from cisterna.services.complete import open_version
from flows import held
from flows._policy import step
from flows.held import Held
from flows.parts import parts
from flows.steps import walk


@flow(name="ingest", persist_result=False, log_prints=False)
def ingest(work_id: str) -> str:
    """Carry an acquisition to where it rests, from wherever an earlier attempt left it.

    Args:
        work_id: A piece of work of kind `ingest`; its subject is the acquisition.
    """
    return held.carry_out(work_id, _ingest, parts)


@step
def complete(acquisition_id: str) -> Version:
    """List once more, freeze the listing, open the version. A second run finds the version that the first opened."""
    core = parts()
    with core.catalogue.begin() as tx:
        acquisition = tx.acquisitions.get(acquisition_id)
        instrument = tx.instruments.get(acquisition.instrument)
    return open_version(
        acquisition_id,
        lease=held.current().lease,
        zone=core.zone_of(instrument),
        profile=core.profile(acquisition.profile),
        catalogue=core.catalogue,
        clock=core.clock,
        arks=core.settings.identity.arks,
    )


def _ingest(mine: Held) -> str:
    with parts().catalogue.begin() as tx:
        version = version_of(mine.work, tx)
    if version is None or version.stage is Stage.DETECTED:
        mine.require()
        version = complete(mine.work.subject)
    return walk(version.version_id)


def version_of(work: Work, tx: Transaction) -> Version | None:
    """Find the version that earlier attempts at this work opened; None when there is none.

    It is the newest one that is still on its way, or that was opened since the work was asked for. One that is only
    `detected` is completed again all the same: the listing may have changed, and nothing of it was read.
    """
    newest: Version | None = None
    for dataset in tx.datasets.list(acquisition_id=work.subject):
        for version in tx.datasets.versions(dataset.dataset_id):
            if version.revision == 0 and (newest is None or version.created_at > newest.created_at):
                newest = version
    if newest is None:
        return None
    on_its_way = ORDER.index(newest.stage) <= ORDER.index(Stage.VERIFIED)
    return newest if on_its_way or newest.created_at >= work.created_at else None
