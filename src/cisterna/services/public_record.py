"""Builds what the public may see of a version, from the archived object and nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from cisterna.domain.dataset import Dataset, Version
from cisterna.domain.digest import sha512_of
from cisterna.domain.errors import ChecksumMismatch, PublicationRefused
from cisterna.domain.publication import Publication
from cisterna.metadata.listing import ListedFile, media_type
from cisterna.metadata.record import MetadataRecord
from cisterna.metadata.schema_org import schema_org_document
from cisterna.ports.catalogue import Transaction
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.publisher import PublicFile, PublicRecord
from cisterna.ports.quality import TableFile
from cisterna.services.data_manifest import DATA, MANIFEST_PATH, load_manifest
from cisterna.services.part_table import PARTS_PATH
from cisterna.services.staging import read_staged

PREVIEWS = "quality/previews.parquet"
_JSON_LD = "application/ld+json"
_DOCUMENTS = {
    "application/vnd.datacite.datacite+json": "metadata/datacite.json",
    'application/ld+json;profile="https://w3id.org/ro/crate"': "ro-crate-metadata.json",
}
"""Media type of each serialisation that is offered as it was archived, and where the object holds it."""


def public_record(
    version: Version,
    dataset: Dataset,
    *,
    store: ObjectStore,
    tables: TableFile,
    related: dict[str, str],
    published_at: datetime,
    address: str,
) -> PublicRecord:
    """Read what a version is from its archived object.

    Args:
        version: An archived version.
        dataset: Of the version.
        store: The archive.
        tables: Reads the object's tables.
        related: ARKs of public datasets it is related to, with the relation in words of DataCite.
        published_at: When it became public for the first time.
        address: Of its landing page.

    Raises:
        ChecksumMismatch: A file of the object is not what it was when it was archived.
        ObjectNotFound: The object lacks its manifest.
    """
    if version.metadata is None:
        msg = f"{version.version_id} has no description; it cannot be made public without one"
        raise PublicationRefused(msg, version_id=version.version_id)
    described = MetadataRecord.model_validate(version.metadata)
    files = object_files(version, dataset, store=store, tables=tables)
    documents = {
        kind: _verified(version, path, dataset=dataset, store=store).decode()
        for kind, path in _DOCUMENTS.items()
        if path in version.staged
    }
    listed = [ListedFile(path=file.path, size_bytes=file.size_bytes, sha512=file.sha512) for file in files]
    documents[_JSON_LD] = json.dumps(schema_org_document(described, listed, base_url=address), ensure_ascii=False)
    return PublicRecord(
        pid=dataset.pid,
        dataset_id=dataset.dataset_id,
        version=version.label,
        title=described.name,
        metadata=version.metadata,
        documents=documents,
        files=files,
        previews=read_previews(version, dataset, store=store, tables=tables),
        related=related,
        published_at=published_at,
    )


def object_files(
    version: Version, dataset: Dataset, *, store: ObjectStore, tables: TableFile
) -> tuple[PublicFile, ...]:
    """List the logical content of a version, in the order of its paths' bytes; empty before it is measured.

    Of a version in parts it is what its own object has; the data files are its parts'.
    """
    if not version.staged.keys() & {MANIFEST_PATH, PARTS_PATH}:
        return ()
    files = []
    if not version.parts:
        manifest = load_manifest(_verified(version, MANIFEST_PATH, dataset=dataset, store=store), tables=tables)
        files += [
            _file(dataset, f"{DATA}{entry.path}", entry.size_bytes, entry.sha512, entry.content_path or "")
            for entry in manifest.files
        ]
    files += [
        _file(dataset, path, staged.size_bytes, staged.sha512, staged.content_path)
        for path, staged in version.staged.items()
    ]
    return tuple(sorted(files, key=lambda file: file.path.encode()))


def read_previews(version: Version, dataset: Dataset, *, store: ObjectStore, tables: TableFile) -> dict[str, bytes]:
    """Return the version's thumbnails (PNG) by logical path; empty when it has none."""
    if PREVIEWS not in version.staged:
        return {}
    table = tables.load(_verified(version, PREVIEWS, dataset=dataset, store=store))
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


def _file(dataset: Dataset, path: str, size_bytes: int, sha512: str, content_path: str) -> PublicFile:
    return PublicFile(
        path=path,
        size_bytes=size_bytes,
        sha512=sha512,
        media_type=media_type(path),
        content_key=f"{dataset.object_root}/{content_path}",
    )


def _verified(version: Version, path: str, *, dataset: Dataset, store: ObjectStore) -> bytes:
    body = read_staged(version, path, dataset=dataset, store=store)
    found, expected = sha512_of(body), version.staged[path].sha512
    if found != expected:
        msg = f"{path} of {version.version_id} is not what was archived; run `cisterna check {dataset.dataset_id}`"
        raise ChecksumMismatch(msg, version_id=version.version_id, path=path, expected=expected, found=found)
    return body
