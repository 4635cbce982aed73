"""Takes a plate map or sample sheet after the run: a revision that holds it, byte for byte, and says what it says."""

from __future__ import annotations

from typing import NamedTuple

from cisterna.domain.errors import InvalidInput
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.clock import Clock
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.quality import TableFile
from cisterna.ports.sample_sheet import SheetReader
from cisterna.services.person import require_account, visible_version
from cisterna.services.reprocess import Reprocessing, request_reprocess, require_may_reprocess
from cisterna.services.samples import GivenSheet, KnownSamples, given_path, imaged_wells, understand


class SheetGiven(NamedTuple):
    """A sheet, as somebody hands it over."""

    name: str
    body: bytes


def look_at_samples(
    version: str,
    given: SheetGiven,
    *,
    person: str,
    catalogue: Catalogue,
    store: ObjectStore,
    tables: TableFile,
    sheets: SheetReader,
) -> KnownSamples:
    """Tell what a sheet would say of a version; nothing is written.

    Args:
        version: Id of an archived version of a run.
        given: The sheet, with the name of its file.
        person: Account name of somebody who may have the version described anew.
        catalogue: Says what the version is.
        store: The archive.
        tables: Reads what was measured.
        sheets: Reads the sheet.

    Raises:
        Forbidden, NotFound: The person may not do so, or not know of it.
        IllegalTransition: The version is not archived yet.
        InvalidInput: The sheet cannot be used, or the version is of no run.
    """
    with catalogue.begin() as tx:
        account = require_account(tx, person)
        found, dataset, project = visible_version(tx, version, account)
        require_may_reprocess(account, found, project)
        folder = tx.acquisitions.get(dataset.acquisition_id).folder if dataset.acquisition_id else None
    if folder is None:
        msg = f"{version} was made from other data; give the sheet to the run that those came from"
        raise InvalidInput(msg, version_id=version)
    sheet = GivenSheet(given_path(given.name), {given.name: given.body})
    imaged = imaged_wells(found, dataset, store=store, tables=tables)
    return understand(sheet, sheets, folder=folder.rpartition("/")[2], imaged=imaged)


def give_samples(
    version: str,
    given: SheetGiven,
    *,
    person: str,
    reason: str,
    catalogue: Catalogue,
    store: ObjectStore,
    tables: TableFile,
    sheets: SheetReader,
    clock: Clock,
) -> Reprocessing:
    """Open a revision that holds the sheet and is described by it.

    The revision and the work are written together and name the sheet before it is uploaded. After a kill in between,
    the work finds no sheet and is given up in the end, which frees the way for the same request again.

    Args:
        version: Id of an archived version of a run.
        given: The sheet, with the name of its file.
        person: As for `look_at_samples`; they are the revision's submitter.
        reason: In words; it becomes the revision's cause.
        catalogue: Where it is recorded.
        store: The archive.
        tables: Reads what was measured.
        sheets: Reads the sheet.
        clock: Dates it.

    Raises:
        Conflict: Another version of the dataset is on its way.
        StoreUnavailable: The sheet could not be kept; ask again when the store answers.
        Forbidden, NotFound, IllegalTransition, InvalidInput: As there; or there is no reason.
    """
    known = look_at_samples(
        version, given, person=person, catalogue=catalogue, store=store, tables=tables, sheets=sheets
    )
    asked = request_reprocess(
        version,
        sheet=(known.sheet.path, given.body),
        person=person,
        reason=reason,
        catalogue=catalogue,
        clock=clock,
    )
    with catalogue.begin() as tx:
        dataset = tx.datasets.get(asked.version.dataset_id)
    store.put(f"{dataset.object_root}/{asked.version.staged[known.sheet.path].content_path}", given.body)
    return asked
