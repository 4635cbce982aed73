"""The steps of a version, each one service call, and the walk from where a version stands to where it rests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from cisterna.bootstrap.checklist import review_desk
from cisterna.domain.dataset import Stage, Version
from cisterna.domain.errors import GateUnavailable, IllegalTransition
from cisterna.domain.work import Work
from cisterna.metadata.record import Given
from cisterna.ports.profile import Profile
from cisterna.ports.source import LandingZone
from cisterna.services.archive import archive_version
from cisterna.services.describe import describe_version
from cisterna.services.measure import measure_version
from cisterna.services.review import settle_version
from cisterna.services.validate import gate_version
from cisterna.services.verify import verify_version
from flows import held
from flows._policy import step
from flows.parts import parts
from flows.server_copy import copier_of

if TYPE_CHECKING:
    from cisterna.bootstrap import Parts


@step
def measure(version_id: str) -> Version | None:
    """Read every source byte once: digest, metrics, preview, upload; or a copy by the store where the source is there.

    A second run uploads to a staging folder of its own, and a version that is measured already is returned as it is.
    None: the bytes are those of the newest version, and nothing new is kept.
    """
    core = parts()
    source = source_of(version_id, core)
    if source is None:
        msg = f"{version_id} was derived and has no source to be read; ask for its model to be run again instead"
        raise IllegalTransition(msg, version_id=version_id)
    return measure_version(
        version_id,
        lease=held.current().lease,
        zone=source.zone,
        profile=source.profile,
        catalogue=core.catalogue,
        store=core.archive_store,
        meters=core.meters,
        tables=core.tables,
        clock=core.clock,
        image_limit_bytes=core.settings.measure.image_limit_bytes,
        readers=core.settings.measure.readers,
        digest=core.settings.archive.digest,
        room=core.room,
        copier=copier_of(source.zone, core.archive_store),
    )


@step
def gate(version_id: str) -> Version:
    """Judge the metrics by the suite of the data type. A second run replaces the findings with equal ones.

    When the gate is still away at the last allowed attempt the verdict is `not-assessed`: bytes are archived, and a
    steward sees why nobody judged them.
    """
    core, mine = parts(), held.current()
    judge = partial(
        gate_version,
        version_id,
        lease=mine.lease,
        catalogue=core.catalogue,
        store=core.archive_store,
        gate=core.gate,
        tables=core.tables,
        clock=core.clock,
    )
    try:
        return judge()
    except GateUnavailable:
        if mine.work.attempts < core.settings.dispatch.attempts:
            raise
        return judge(gate_lost=True)


@step
def describe(version_id: str) -> Version:
    """Write record, RO-Crate and README into staging. A second run writes the same bytes to keys made from them."""
    core = parts()
    with core.catalogue.begin() as tx:
        model = tx.datasets.get(tx.datasets.get_version(version_id).dataset_id).model
    source = source_of(version_id, core)
    return describe_version(
        version_id,
        lease=held.current().lease,
        catalogue=core.catalogue,
        store=core.archive_store,
        tables=core.tables,
        profile=source.profile if source else None,
        model=core.inference.card(model.partition("@")[0]) if model else None,
        clock=core.clock,
        edits=_edits(held.current().work),
        sheets=core.sheets.reader,
        waiting=core.sheets.waiting,
        vocabulary=core.vocabulary,
    )


def _edits(work: Work) -> Given | None:
    """Give what a steward said of the data, when this work is an edit of metadata."""
    said = work.parameters.get("edits")
    return Given.model_validate(said) if isinstance(said, dict) else None


@step
def archive(version_id: str) -> Version:
    """Commit the OCFL version. A second run finds the commit done, or rolls what it finds forward or back first."""
    core = parts()
    return archive_version(
        version_id,
        lease=held.current().lease,
        catalogue=core.catalogue,
        store=core.archive_store,
        tables=core.tables,
        clock=core.clock,
    )


@step
def verify(version_id: str) -> Version:
    """Re-read the archived copy in full. A second run reads again and issues the receipt that the first one owed."""
    core = parts()
    verify_version(
        version_id,
        lease=held.current().lease,
        catalogue=core.catalogue,
        store=core.archive_store,
        tables=core.tables,
        clock=core.clock,
    )
    with core.catalogue.begin() as tx:
        return tx.datasets.get_version(version_id)


@step
def settle(version_id: str) -> Version:
    """Accept by policy or lay before a steward. A second run finds the version past `verified` and changes nothing."""
    core = parts()
    return settle_version(
        version_id,
        lease=held.current().lease,
        desk=review_desk(core),
        catalogue=core.catalogue,
        clock=core.clock,
    )


_STEP_FROM: Mapping[Stage, Callable[[str], Version | None]] = {
    Stage.DETECTED: measure,
    Stage.MEASURED: gate,
    Stage.GATED: describe,
    Stage.DESCRIBED: archive,
    Stage.ARCHIVED: verify,
    Stage.VERIFIED: settle,
}
"""The step that leads on from each stage; from the others a person or another flow does."""


def walk(version_id: str) -> str:
    """Take a version on from its present stage until no step leads on; finished steps are not begun.

    Each step looks for itself where the version stands, so it does not matter who did the one before.
    """
    core, mine = parts(), held.current()
    with core.catalogue.begin() as tx:
        version = tx.datasets.get_version(version_id)
    while True:
        mine.require()
        next_step = _STEP_FROM.get(version.stage)
        if next_step is None:
            return f"{version_id} is {version.stage.value}"
        done = next_step(version_id)
        if done is None:
            return f"{version_id} holds the same bytes as the version before it; nothing new was kept"
        version = done


class Source(NamedTuple):
    """Where an acquisition lies and how it was written."""

    zone: LandingZone
    profile: Profile


def source_of(version_id: str, core: Parts) -> Source | None:
    """Find the source of a version; a derived dataset has none."""
    with core.catalogue.begin() as tx:
        dataset = tx.datasets.get(tx.datasets.get_version(version_id).dataset_id)
        if dataset.acquisition_id is None:
            return None
        acquisition = tx.acquisitions.get(dataset.acquisition_id)
        instrument = tx.instruments.get(acquisition.instrument)
    return Source(core.zone_of(instrument), core.profile(acquisition.profile))
