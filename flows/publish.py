"""Flow `publish`: an accepted version becomes public here, and its DOI before; places outside follow by themselves."""

from __future__ import annotations

from prefect import flow

from cisterna.domain.errors import InvalidInput
from cisterna.domain.publication import Publication
from cisterna.services.publish import publish_version
from flows import held
from flows._policy import step
from flows.held import Held
from flows.parts import parts


@flow(name="publish", persist_result=False, log_prints=False)
def publish(work_id: str) -> str:
    """Make a version public.

    Args:
        work_id: A piece of work of kind `publish`; its subject is the version, its parameter `consent` names who
            agreed, if anybody was asked.
    """
    return held.carry_out(work_id, _publish, parts)


@step
def make_public(version_id: str, consent: str | None) -> Publication:
    """Reserve its DOI, then write record and stage. A second run finds what was reserved, and the version published."""
    core = parts()
    return publish_version(
        version_id,
        lease=held.current().lease,
        consent=consent,
        catalogue=core.catalogue,
        store=core.archive_store,
        publisher=core.publisher,
        tables=core.tables,
        clock=core.clock,
        base_url=core.base_url,
        targets=core.targets,
    )


def _publish(mine: Held) -> str:
    consent = mine.work.parameters.get("consent")
    if consent is not None and not isinstance(consent, str):
        msg = f"work {mine.work.work_id} names no person as consent; ask for the publication again"
        raise InvalidInput(msg, work_id=mine.work.work_id)
    mine.require()
    publication = make_public(mine.work.subject, consent)
    return f"{publication.version_id} is public at {publication.url}"
