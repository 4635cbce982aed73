"""Flow `retain`: an announced release is proven anew and carried out."""

from __future__ import annotations

from prefect import flow

from cisterna.domain.errors import InvalidInput
from cisterna.domain.release import Release
from cisterna.services.release import execute_release
from flows import held
from flows._policy import step
from flows.held import Held
from flows.parts import parts


@flow(name="retain", persist_result=False, log_prints=False)
def retain(work_id: str) -> str:
    """Release a source copy.

    Args:
        work_id: A piece of work of kind `retain`; its subject is the version that the archive keeps, its parameter
            `release_id` the release.
    """
    return held.carry_out(work_id, _retain, parts)


@step
def release_source(release_id: str) -> Release:
    """Prove, record, delete. A second run passes over what is gone and finds an ended release as it is."""
    return execute_release(release_id, lease=held.current().lease, site=parts().release_site)


def _retain(mine: Held) -> str:
    release_id = mine.work.parameters.get("release_id")
    if not isinstance(release_id, str):
        msg = f"work {mine.work.work_id} names no release; announce it again"
        raise InvalidInput(msg, work_id=mine.work.work_id)
    mine.require()
    release = release_source(release_id)
    return f"the release of {release.acquisition_id} is {release.state.value}"
