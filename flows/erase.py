"""Flow `erase`: a decision that a dataset goes, which is on record, is carried out."""

from __future__ import annotations

from prefect import flow

from cisterna.bootstrap.erasure import erasure_site
from cisterna.domain.erasure import Erasure
from cisterna.domain.errors import InvalidInput
from cisterna.services.erase import execute_erasure
from flows import held
from flows._policy import step
from flows.held import Held
from flows.parts import parts


@flow(name="erase", persist_result=False, log_prints=False)
def erase(work_id: str) -> str:
    """Erase or dispose of a dataset.

    Args:
        work_id: A piece of work of kind `erase`; its subject is the erasure, its parameter `person` who asked for it.
    """
    return held.carry_out(work_id, _erase, parts)


@step
def erase_everywhere(erasure_id: str, person: str) -> Erasure:
    """Record, then delete. A second run passes over what is gone and finds an ended erasure as it is."""
    return execute_erasure(erasure_id, person=person, lease=held.current().lease, site=erasure_site(parts()))


def _erase(mine: Held) -> str:
    person = mine.work.parameters.get("person")
    if not isinstance(person, str):
        msg = f"work {mine.work.work_id} names nobody who asked for it; ask for it again"
        raise InvalidInput(msg, work_id=mine.work.work_id)
    mine.require()
    return erase_everywhere(mine.work.subject, person).words
