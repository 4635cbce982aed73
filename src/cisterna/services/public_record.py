"""Builds what the public may see of a version, from the archived object and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from pydantic import JsonValue

from cisterna.domain.access import AccessNow, Extent
from cisterna.domain.dataset import Dataset, Version
from cisterna.domain.errors import PublicationRefused
from cisterna.domain.publication import Publication
from cisterna.domain.text import cut_line, shorten
from cisterna.metadata.crate import crate_with_doi
from cisterna.metadata.described import Described
from cisterna.metadata.forms import FORMS, Form
from cisterna.metadata.listing import ListedFile
from cisterna.metadata.record import MetadataRecord, read_record
from cisterna.ports.catalogue import Transaction
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.publisher import PublicRecord
from cisterna.ports.quality import TableFile
from cisterna.services.data_manifest import DATA
from cisterna.services.part_table import HeldPart, held_parts
from cisterna.services.public_files import NAMED_FILES, proven_manifests, read_verified, version_files

HELD = frozenset({"HasPart", "IsPartOf"})
"""Relations of a whole and its parts, which are public together or not at all."""

PREVIEWS = "quality/previews.parquet"
_OF_FILES: dict[str, object] = {"quality": None, "problems": (), "notes": (), "sample_sheet": None, "origins": {}}
"""What is left out of a description where it alone is public: what checks and sheets say names files."""
_REASON_CHARACTERS = 500


class Said(NamedTuple):
    """A version, and what the catalogue says of it at one moment that its public record is made from.

    Attributes:
        parts: That the version names.
        related: ARKs of public datasets it is related to, with the relation in words of DataCite.
        named: ARKs among its description's relations that are public at this moment: of others no title is told.
        access: What may be public of it.
    """

    version: Version
    dataset: Dataset
    parts: Sequence[HeldPart]
    related: dict[str, str]
    named: frozenset[str]
    access: AccessNow


class Written(NamedTuple):
    """What the public may see of a version.

    Attributes:
        lacking: Why a form could not be written, by its name.
    """

    record: PublicRecord
    lacking: dict[str, str]


def what_is_said(tx: Transaction, version: Version, dataset: Dataset, *, access: AccessNow) -> Said:
    """Gather what the record of an archived version is made from, so that it is of one moment."""
    return Said(
        version,
        dataset,
        held_parts(tx, version),
        related=related_public(tx, dataset),
        named=_public_relations(tx, version),
        access=access,
    )


def public_record(
    said: Said,
    *,
    store: ObjectStore,
    tables: TableFile,
    base_url: str,
    published_at: datetime,
    doi: str | None,
) -> Written:
    """Read what a version is from its archived object, and of its parts what files they hold.

    A form that cannot be written, which is a fault of ours, is left out; one that nothing is public without stops it.
    What is archived stays as it was said; the forms that are written here say what access is today. Where the
    description alone is public, no file is named in anything, and none of the archived forms, which do.

    Args:
        said: Of an archived version.
        store: The archive.
        tables: Reads the objects' tables.
        base_url: Address of the site, for the landing page's own.
        published_at: When it became public for the first time.
        doi: That was reserved for it.

    Raises:
        ChecksumMismatch, ObjectInvalid: A file of the object, or the manifest of a part, is not what was archived.
        ObjectNotFound: An object lacks its manifest.
        PublicationRefused: It has no description, or a form that is needed could not be written.
    """
    version, dataset, parts, access = said.version, said.dataset, said.parts, said.access
    if version.metadata is None:
        msg = f"{version.version_id} has no description; it cannot be made public without one"
        raise PublicationRefused(msg, version_id=version.version_id)
    says, metadata = _said_today(version.metadata, named=said.named, access=access)
    shows_files = access.extent is Extent.FILES
    files, lists, sha256 = (
        version_files(version, dataset, parts, store=store, tables=tables) if shows_files else ((), (), {})
    )
    listed = [
        ListedFile(path=file.path, size_bytes=file.size_bytes, sha512=file.sha512, sha256=sha256.get(file.path))
        for file in files
    ]
    if lists:
        for manifest in proven_manifests(version, dataset, parts, store=store, tables=tables):
            wanted = manifest.files[: max(0, NAMED_FILES - len(listed))]
            listed += [
                ListedFile(path=f"{DATA}{one.path}", size_bytes=one.size_bytes, sha512=one.sha512, sha256=one.sha256)
                for one in wanted
            ]
    address = f"{base_url.rstrip('/')}/{dataset.pid}"
    described = Described(
        says, files=listed, base_url=address, published_at=published_at, embargo_ended=access.ended, doi=doi
    )
    forms = [form for form in FORMS if shows_files or not form.is_of_files]
    documents, lacking = _documents(forms, described, version, dataset, store=store)
    record = PublicRecord(
        pid=dataset.pid,
        dataset_id=dataset.dataset_id,
        version=version.label,
        title=says.name,
        extent=access.extent,
        metadata=metadata,
        documents=documents,
        files=files,
        lists=lists,
        previews=read_previews(version, dataset, store=store, tables=tables) if shows_files else {},
        related=said.related,
        doi=doi,
        published_at=published_at,
    )
    return Written(record, lacking)


def _documents(
    forms: Iterable[Form], described: Described, version: Version, dataset: Dataset, *, store: ObjectStore
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the forms by media type, and why those could not be written that are lacking, by name."""
    documents, lacking = {}, {}
    for form in forms:
        if form.archived_as is not None:
            if form.archived_as in version.staged:
                archived = read_verified(version, form.archived_as, dataset=dataset, store=store)
                doi = described.doi
                documents[form.media_type] = (crate_with_doi(archived, doi) if doi else archived).decode()
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


def names_files(metadata: Mapping[str, JsonValue]) -> bool:
    """Tell whether a description holds what is left out where it alone is public; earlier versions left some in."""
    return any(metadata.get(name) for name in _OF_FILES)


def bare_record(record: PublicRecord) -> PublicRecord:
    """Leave nothing of what a record says of its data: neither what they are called nor who made them."""
    return record.model_copy(update={"title": record.pid, "metadata": {}, "related": {}})


def _said_today(
    metadata: dict[str, JsonValue], *, named: frozenset[str], access: AccessNow
) -> tuple[MetadataRecord, dict[str, JsonValue]]:
    """Read a description and write into it what is so today, and nothing of other datasets that is not public now."""
    record = read_record(metadata)
    relations = tuple(
        one if one.pid in named or one.kind in HELD else one.model_copy(update={"title": None})
        for one in record.relations
    )
    change: dict[str, object] = {"access": access.access, "embargo_until": access.embargo_until, "relations": relations}
    if access.extent is not Extent.FILES:
        change |= _OF_FILES
    changed = record.model_copy(update=change)
    return changed, metadata if changed == record else changed.model_dump(mode="json")


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
        if is_public(tx, other):
            related[other.pid] = relation.kind
    for other in tx.datasets.derived_from(dataset.dataset_id):
        if is_public(tx, other):
            related[other.pid] = "IsSourceOf"
    return related


def _public_relations(tx: Transaction, version: Version) -> frozenset[str]:
    """Name the datasets of a description's relations that are public at this moment, by their ARK."""
    if version.metadata is None:
        return frozenset()
    pids = {one.pid for one in read_record(version.metadata).relations if one.kind not in HELD}
    known = {pid: tx.datasets.by_pid(pid) for pid in pids}
    return frozenset(pid for pid, dataset in known.items() if dataset is not None and is_public(tx, dataset))


def standing(publications: Sequence[Publication]) -> Publication | None:
    """Return the publication that is not withdrawn, if there is one."""
    return next((one for one in publications if one.withdrawn_at is None), None)


def was_public(tx: Transaction, dataset_id: str) -> bool:
    """Tell whether a version of the dataset is or once was public: then its name is known."""
    return any(tx.datasets.publications(version.version_id) for version in tx.datasets.versions(dataset_id))


def is_public(tx: Transaction, dataset: Dataset) -> bool:
    """Tell whether anything of the dataset is public at this moment."""
    found = (standing(tx.datasets.publications(one.version_id)) for one in tx.datasets.versions(dataset.dataset_id))
    return any(one is not None and one.is_shown for one in found)
