"""Scores a described version: reads what is archived of it, writes what would be public, and judges both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cisterna.domain.dataset import Dataset, Version
from cisterna.domain.errors import CisternaError, InvalidInput
from cisterna.metadata.described import Described
from cisterna.metadata.fair import FairScore, fair_score
from cisterna.metadata.fair_criterion import FairSubject, FileBytes
from cisterna.metadata.forms import FORMS, Form
from cisterna.metadata.listing import PLAIN_BYTES, media_type
from cisterna.metadata.record import read_record
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.quality import TableFile
from cisterna.services.data_manifest import MANIFEST_PATH
from cisterna.services.deposit_wish import reserved_doi
from cisterna.services.disclosure import project_of
from cisterna.services.part_table import HeldPart, held_parts
from cisterna.services.public_files import read_verified

_ZARR = ".zarr/"
"""Of a path in an array whose files have no extensions of their own; the array's format is an open one."""


_FAULTS = (CisternaError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What writing a form may end in: a fault of ours keeps nobody from the page that shows the score."""


def score_version(
    version: Version, *, catalogue: Catalogue, store: ObjectStore, tables: TableFile, base_url: str
) -> FairScore:
    """Score a version as it would be public now; the caller has made sure that the person may see it.

    Args:
        version: A described version.
        catalogue: Knows its dataset.
        store: The archive, which has the lists of its files.
        tables: Reads them.
        base_url: Address of the site.

    Raises:
        InvalidInput: It is not described yet, or by a schema that is not known here.
    """
    subject = described_subject(version, catalogue=catalogue, base_url=base_url)
    with catalogue.begin() as tx:
        dataset, parts = tx.datasets.get(version.dataset_id), held_parts(tx, version)
    described = Described(subject.record, base_url=subject.address, doi=subject.doi)
    subject = replace(
        subject,
        file_bytes=_file_bytes(version, dataset, parts, store=store, tables=tables),
        forms={form.name: _written(form, described) for form in FORMS},
    )
    return fair_score(subject)


def described_subject(version: Version, *, catalogue: Catalogue, base_url: str) -> FairSubject:
    """Give what the description of a version says to the criteria, without its files and forms.

    Args:
        version: A described version.
        catalogue: Knows its dataset.
        base_url: Address of the site.

    Raises:
        InvalidInput: It is not described yet, or by a schema that is not known here.
    """
    if version.metadata is None:
        msg = f"{version.version_id} is {version.stage.value} and not described yet, so there is nothing to score"
        raise InvalidInput(msg, version_id=version.version_id)
    record = read_record(version.metadata)
    with catalogue.begin() as tx:
        dataset = tx.datasets.get(version.dataset_id)
        acquired = tx.acquisitions.find(dataset.acquisition_id) if dataset.acquisition_id else None
    return FairSubject(
        record,
        f"{base_url.rstrip('/')}/{record.pid}",
        doi=doi_of(version, catalogue=catalogue),
        folder=acquired.folder.rpartition("/")[2] if acquired else None,
    )


def doi_of(version: Version, *, catalogue: Catalogue) -> str | None:
    """Give the DOI that a target of its project has reserved for a version, if one has."""
    with catalogue.begin() as tx:
        project = project_of(tx, tx.datasets.get(version.dataset_id))
        return reserved_doi(tx, version, project.policy.targets) if project else None


def _written(form: Form, described: Described) -> bytes | None:
    try:
        return form.write(described)
    except _FAULTS:  # a criterion says which form it is, and publishing would say why
        return None


def _file_bytes(
    version: Version, dataset: Dataset, parts: Sequence[HeldPart], *, store: ObjectStore, tables: TableFile
) -> FileBytes | None:
    """Add up the data files by their names; None where their list cannot be read, which `cisterna check` is for.

    The first of several parts speaks for all: a page does not wait for the names of a million files.
    """
    one, whose = (parts[0].version, parts[0].dataset) if parts else (version, dataset)
    try:
        table = tables.load(read_verified(one, MANIFEST_PATH, dataset=whose, store=store))
        sizes = [(str(path), int(str(size))) for path, size in zip(table["path"], table["size_bytes"], strict=True)]
    except (CisternaError, KeyError, ValueError):
        return None
    return FileBytes(sum(size for path, size in sizes if _is_open(path)), sum(size for _, size in sizes))


def _is_open(path: str) -> bool:
    return media_type(path) != PLAIN_BYTES or _ZARR in path.lower()
