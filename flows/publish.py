"""Flow `publish`: an accepted version becomes public here, and its DOI before; places outside follow by themselves."""

from __future__ import annotations

from prefect import flow

from cisterna.domain.publication import Publication
from cisterna.services.publish import publish_version
from flows import held
from flows._policy import step
from flows.held import Held
from flows.parts import parts
from flows.rounds import tell_lacking


@flow(name="publish", persist_result=False, log_prints=False)
def publish(work_id: str) -> str:
    """Make a version public.

    Args:
        work_id: A piece of work of kind `publish`; its subject is the version. Who agreed is on the version's record.
    """
    return held.carry_out(work_id, _publish, parts)


@step
def make_public(version_id: str) -> Publication:
    """Reserve its DOI, then write record and stage. A second run finds what was reserved, and the version published."""
    core = parts()
    return publish_version(
        version_id,
        lease=held.current().lease,
        catalogue=core.catalogue,
        store=core.archive_store,
        publisher=core.publisher,
        tables=core.tables,
        clock=core.clock,
        base_url=core.base_url,
        targets=core.targets,
    )


def _publish(mine: Held) -> str:
    mine.require()
    publication = make_public(mine.work.subject)
    if publication.lacking:
        tell_lacking(publication)
    without = f", without {', '.join(publication.lacking)}, which could not be written" if publication.lacking else ""
    return f"{publication.version_id} is public at {publication.url}{without}"
