"""Flow `reprocess`: a revision that somebody asked for goes through the stages that are to be done again."""

from __future__ import annotations

from prefect import flow

from flows import held
from flows.held import Held
from flows.parts import parts
from flows.steps import walk


@flow(name="reprocess", persist_result=False, log_prints=False)
def reprocess(work_id: str) -> str:
    """Take a revision on from the stage at which it was opened; earlier versions stay as they are.

    Args:
        work_id: A piece of work of kind `reprocess`; its subject is the revision.
    """
    return held.carry_out(work_id, _reprocess, parts)


def _reprocess(mine: Held) -> str:
    return walk(mine.work.subject)
