"""Builds what the public may see of a version, from the archived object and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from cisterna.domain.dataset import Dataset, Version
from cisterna.domain.errors import PublicationRefused
from cisterna.domain.publication import Publication
from cisterna.domain.text import cut_line, shorten
from cisterna.metadata.described import Described
from cisterna.metadata.forms import FORMS, Form
from cisterna.metadata.listing import ListedFile
from cisterna.metadata.record import read_record
from cisterna.ports.catalogue import Transaction
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.publisher import PublicRecord
from cisterna.ports.quality import TableFile
from cisterna.services.data_manifest import DATA
from cisterna.services.part_table import HeldPart
from cisterna.services.public_files import NAMED_FILES, proven_manifests, read_verified, version_files

PREVIEWS = "quality/previews.parquet"
_REASON_CHARACTERS = 500


class Written(NamedTuple):
    """What the public may see of a version.

    Attributes:
        lacking: Why a form could not be written, by its name.
    """

    record: PublicRecord
    lacking: dict[str, str]


def public_record(
    version: Version,
    dataset: Dataset,
    parts: Sequence[HeldPart],
    *,
    store: ObjectStore,
    tables: TableFile,
    related: dict[str, str],
    published_at: datetime,
    address: str,
) -> Written:
    """Read what a version is from its archived object, and of its parts what files they hold.

    A form that cannot be written, which is a fault of ours, is left out; one that nothing is public without stops it.

    Args:
        version: An archived version.
        dataset: Of the version.
        parts: That the version names.
        store: The archive.
        tables: Reads the objects' tables.
        related: ARKs of public datasets it is related to, with the relation in words of DataCite.
        published_at: When it became public for the first time.
        address: Of its landing page.

    Raises:
        ChecksumMismatch, ObjectInvalid: A file of the object, or the manifest of a part, is not what was archived.
        ObjectNotFound: An object lacks its manifest.
        PublicationRefused: It has no description, or a form that is needed could not be written.
    """
    if version.metadata is None:
        msg = f"{version.version_id} has no description; it cannot be made public without one"
        raise PublicationRefused(msg, version_id=version.version_id)
    described_as = read_record(version.metadata)
    files, lists = version_files(version, dataset, parts, store=store, tables=tables)
    listed = [ListedFile(path=file.path, size_bytes=file.size_bytes, sha512=file.sha512) for file in files]
    if lists:
        for manifest in proven_manifests(version, dataset, parts, store=store, tables=tables):
            wanted = manifest.files[: max(0, NAMED_FILES - len(listed))]
            listed += [
                ListedFile(path=f"{DATA}{one.path}", size_bytes=one.size_bytes, sha512=one.sha512) for one in wanted
            ]
    described = Described(described_as, files=listed, base_url=address, published_at=published_at)
    documents, lacking = _documents(described, version, dataset, store=store)
    record = PublicRecord(
        pid=dataset.pid,
        dataset_id=dataset.dataset_id,
        version=version.label,
        title=described_as.name,
        metadata=version.metadata,
        documents=documents,
        files=files,
        lists=lists,
        previews=read_previews(version, dataset, store=store, tables=tables),
        related=related,
        published_at=published_at,
    )
    return Written(record, lacking)


def _documents(
    described: Described, version: Version, dataset: Dataset, *, store: ObjectStore
) -> tuple[dict[str, str], dict[str, str]]:
    """Write the forms, and tell why one could not be written, whatever went wrong: it is no fault of the others."""
    documents: dict[str, str] = {}
    lacking: dict[str, str] = {}
    for form in FORMS:
        if form.archived_as is not None:
            if form.archived_as in version.staged:
                body = read_verified(version, form.archived_as, dataset=dataset, store=store)
                documents[form.media_type] = body.decode()
            continue
        try:
            documents[form.media_type] = form.write(described).decode()
        except Exception as fault:
            lacking[form.name] = _reason(fault)
            if form.is_needed:
                raise _stopped(version, form, lacking[form.name]) from fault
    return documents, lacking


def _reason(fault: Exception) -> str:
    said = f"{type(fault).__name__}: {fault}"
    return shorten(cut_line(said) or type(fault).__name__, _REASON_CHARACTERS)


def _stopped(version: Version, form: Form, reason: str) -> PublicationRefused:
    msg = (
        f"{version.version_id} cannot be made public: its description as {form.title} could not be written ({reason}). "
        "That is a fault of this program and not of the data; report it, and ask again with a version that mends it"
    )
    return PublicationRefused(msg, version_id=version.version_id, form=form.name)


def read_previews(version: Version, dataset: Dataset, *, store: ObjectStore, tables: TableFile) -> dict[str, bytes]:
    """Return the version's thumbnails (PNG) by logical path; empty when it has none."""
    if PREVIEWS not in version.staged:
        return {}
    table = tables.load(read_verified(version, PREVIEWS, dataset=dataset, store=store))
    return {
        f"{DATA}{path}": bytes(png)
        for path, png in zip(table["path"], table["png"], strict=True)
        if isinstance(png, bytes | bytearray | memoryview)
    }


def related_public(tx: Transaction, dataset: Dataset) -> dict[str, str]:
    """Name related datasets that are public, by their ARK: of what is not public not even the ARK is told."""
    related: dict[str, str] = {}
    for relation in dataset.relations:
        other = tx.datasets.get(relation.dataset_id)
        if _is_public(tx, other):
            related[other.pid] = relation.kind
    for other in tx.datasets.derived_from(dataset.dataset_id):
        if _is_public(tx, other):
            related[other.pid] = "IsSourceOf"
    return related


def standing(publications: Sequence[Publication]) -> Publication | None:
    """Return the publication that is not withdrawn, if there is one."""
    return next((one for one in publications if one.withdrawn_at is None), None)


def was_public(tx: Transaction, dataset_id: str) -> bool:
    """Tell whether a version of the dataset is or once was public: then its name is known."""
    return any(tx.datasets.publications(version.version_id) for version in tx.datasets.versions(dataset_id))


def _is_public(tx: Transaction, dataset: Dataset) -> bool:
    return any(
        standing(tx.datasets.publications(version.version_id)) for version in tx.datasets.versions(dataset.dataset_id)
    )
