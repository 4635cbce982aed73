"""Flow `check`: an object is read back from one store, and repaired from another."""

from __future__ import annotations

from prefect import flow

from cisterna.services.keep_object import Kept, keep_object
from flows import held
from flows._policy import step
from flows.held import Held
from flows.keeping import Keeping, settle
from flows.parts import parts


@flow(name="check", persist_result=False, log_prints=False)
def check(work_id: str) -> str:
    """Check an object in one store.

    Args:
        work_id: A piece of work of kind `check`; its subject is a version, and the whole object of it is read; its
            parameter `store` names where.
    """
    return held.carry_out(work_id, _check, parts)


@step
def read_back(version_id: str, store: str) -> str:
    """Read all of it, write down what was found, repair. A second run reads again and finds what is left to be done."""
    core = parts()
    keeping = Keeping(core, version_id, store, lease=held.current().lease)
    if store not in core.keeping_stores:
        return keeping.not_configured()

    def act() -> Kept:
        keeping.require_distinct()
        keeping.carry_records()
        return keep_object(
            keeping.dataset_id,
            store=core.keeping_stores[store],
            others=[other for name, other in core.keeping_stores.items() if name != store],
            is_copy=store in core.copy_stores,
            repair=core.settings.archive.repair,
            lease=held.current().lease,
            catalogue=core.catalogue,
            clock=core.clock,
            readers=core.settings.measure.readers,
            taken=core.keeping_pace,
        )

    return settle(keeping, act)


def _check(mine: Held) -> str:
    mine.require()
    return read_back(mine.work.subject, str(mine.work.parameters.get("store", "")))
