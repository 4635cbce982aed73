"""Flow `copy`: an archived object is brought to a further store and read back there."""

from __future__ import annotations

from prefect import flow

from cisterna.domain.stored_copy import ARCHIVE
from cisterna.services.copy_object import copy_object
from flows import held
from flows._policy import step
from flows.held import Held
from flows.keeping import Keeping, settle
from flows.parts import parts


@flow(name="copy", persist_result=False, log_prints=False)
def copy(work_id: str) -> str:
    """Copy an object to one store.

    Args:
        work_id: A piece of work of kind `copy`; its subject is a version, and the whole object of it is copied; its
            parameter `store` names where to.
    """
    return held.carry_out(work_id, _copy, parts)


@step
def bring(version_id: str, store: str) -> str:
    """Copy, read back, issue receipts. A second run finds what the first one wrote and goes on from there."""
    core = parts()
    keeping = Keeping(core, version_id, store, lease=held.current().lease)
    target = core.copy_stores.get(store)
    if target is None:
        return keeping.not_configured()
    return settle(
        keeping,
        lambda: copy_object(
            keeping.dataset_id,
            source=core.keeping_stores[ARCHIVE],
            target=target,
            lease=held.current().lease,
            catalogue=core.catalogue,
            clock=core.clock,
            readers=core.settings.measure.readers,
            taken=core.keeping_pace,
        ),
    )


def _copy(mine: Held) -> str:
    mine.require()
    return bring(mine.work.subject, str(mine.work.parameters.get("store", "")))
