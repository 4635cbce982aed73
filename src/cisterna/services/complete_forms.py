"""Writes the forms that published versions lack: those that could not be written when they became public."""

from __future__ import annotations

from collections.abc import Iterator

from cisterna.domain.access import Extent
from cisterna.domain.errors import CisternaError
from cisterna.domain.publication import Publication
from cisterna.metadata.forms import form_of
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.clock import Clock
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.publisher import Publisher
from cisterna.ports.quality import TableFile
from cisterna.services.disclosure import access_now
from cisterna.services.public_entry import entry_of
from cisterna.services.public_record import public_record, standing, what_is_said

_AT_ONCE = 100


def complete_public_forms(
    *,
    catalogue: Catalogue,
    store: ObjectStore,
    publisher: Publisher,
    tables: TableFile,
    clock: Clock,
    base_url: str,
) -> Iterator[Publication]:
    """Try again what could not be written, and give each publication as it is then.

    What stands in a record stays; a second run finds nothing lacking. What is withdrawn meanwhile stays withdrawn.

    Args:
        catalogue: Says which publications lack a form.
        store: The archive.
        publisher: The target.
        tables: Reads the objects' tables.
        clock: Dates what harvesters are told.
        base_url: Address of the site.
    """
    with catalogue.begin() as tx:
        waiting = tx.datasets.lacking_publications(limit=_AT_ONCE)
    for publication in waiting:
        try:
            completed = _complete(
                publication, catalogue, store, publisher, tables=tables, clock=clock, base_url=base_url
            )
        except CisternaError as refusal:
            if refusal.retryable:
                raise
            completed = publication.model_copy(update={"lacking": dict.fromkeys(publication.lacking, str(refusal))})
        if completed is not None:
            yield completed


def _complete(
    publication: Publication,
    catalogue: Catalogue,
    store: ObjectStore,
    publisher: Publisher,
    *,
    tables: TableFile,
    clock: Clock,
    base_url: str,
) -> Publication | None:
    with catalogue.begin() as tx:
        version = tx.datasets.get_version(publication.version_id)
        dataset = tx.datasets.get(version.dataset_id)
        said = what_is_said(tx, version, dataset, access=access_now(tx, version, dataset, clock=clock))
    if said.access.extent is not publication.extent or said.access.extent is Extent.NOTHING:
        return None  # what access allows is brought about first, and with it every form that belongs to it
    shown = publisher.find(dataset.pid, version=version.label)
    made, lacking = public_record(
        said,
        store=store,
        tables=tables,
        base_url=base_url,
        published_at=publication.published_at,
        doi=shown.doi if shown else None,
    )
    forms = [form for name in publication.lacking if (form := form_of(name)) is not None]
    further = {one.media_type: made.documents[one.media_type] for one in forms if one.media_type in made.documents}
    still = {name: reason for name, reason in lacking.items() if name in publication.lacking}
    with catalogue.begin() as tx:
        tx.datasets.lock(dataset.dataset_id)  # who withdraws it waits, or is seen
        now = standing(tx.datasets.publications(version.version_id))
        found = publisher.find(dataset.pid, version=version.label)
        if now is None or found is None or (now.extent, found.extent) != (made.extent, made.extent):
            return None
        completed = now.model_copy(update={"lacking": still})
        tx.datasets.put_publication(completed)
        if further:
            record = found.model_copy(update={"documents": {**found.documents, **further}})
            publisher.publish(record)
            tx.public_index.put([entry_of(record, base_url=base_url)], clock=clock)
    return completed
