"""Gathers every fact that a release is judged on: from the catalogue, the archive, other systems and the source."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cisterna.domain.acquisition import Acquisition
from cisterna.domain.dataset import Dataset, Version
from cisterna.domain.digest import sha512_of
from cisterna.domain.errors import (
    Conflict,
    CouldNotCheck,
    HostileInput,
    InvalidInput,
    NotFound,
    ObjectInvalid,
    ObjectNotFound,
    ReleaseRefused,
    SourceUnavailable,
    StoreUnavailable,
)
from cisterna.domain.hold import Hold, HoldAnswer, HoldQuestion
from cisterna.domain.instrument import Instrument, ZoneIdentity
from cisterna.domain.listing import Listing, SeenFile
from cisterna.domain.manifest import Manifest
from cisterna.domain.part import Part
from cisterna.domain.receipt import CopyReceipt
from cisterna.domain.release import (
    ArchiveFacts,
    Facts,
    Judgement,
    PartFacts,
    ProvenFile,
    Release,
    ReleaseRules,
    SourceFacts,
    Step,
    rules_for,
)
from cisterna.domain.review import Decision
from cisterna.domain.stored_copy import StoredCopy
from cisterna.domain.work import KEEPING, WorkState
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.ports.hold import SourceHold
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.quality import TableFile
from cisterna.ports.source import LandingZone
from cisterna.services.data_manifest import DATA, MANIFEST_PATH, load_manifest
from cisterna.services.held_object import HeldObject, read_held, sidecar_agrees
from cisterna.services.hold import ask_holds, standing_holds
from cisterna.services.part_table import PARTS_PATH, read_parts
from cisterna.services.staging import read_staged

_CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class ReleaseSite:
    """What releases stand on.

    Attributes:
        store: The archive.
        stores: Names of every store in use: receipts of others do not count.
        zone_of: Opens an instrument's landing zone, and no other folder in its place.
        systems: Asked whether they still need a source.
        rules: The site's; what was said of an instrument, or a project's policy, may name one store that suffices.
        ask_seconds: How long systems may take to answer.
    """

    catalogue: Catalogue
    store: ObjectStore
    stores: Sequence[str]
    tables: TableFile
    clock: Clock
    zone_of: Callable[[Instrument], LandingZone]
    systems: Sequence[SourceHold]
    rules: ReleaseRules
    ask_seconds: float


class Case(NamedTuple):
    """The facts, and what goes with them.

    Attributes:
        files: As they were read at the source; empty unless each was read and is as archived.
    """

    facts: Facts
    dataset: Dataset
    files: tuple[ProvenFile, ...]


class _PartRows(NamedTuple):
    dataset: Dataset
    version: Version
    copies: tuple[StoredCopy, ...]
    receipts: tuple[CopyReceipt, ...]


class _Rows(NamedTuple):
    acquisition: Acquisition
    instrument: Instrument
    dataset: Dataset
    version: Version
    copies: tuple[StoredCopy, ...]
    receipts: tuple[CopyReceipt, ...]
    parts: tuple[_PartRows, ...]
    decisions: tuple[Decision, ...]
    holds: tuple[Hold, ...]
    open_work: tuple[str, ...]
    rules: ReleaseRules


def gather(
    acquisition_id: str,
    *,
    step: Step,
    site: ReleaseSite,
    announced: Release | None = None,
    proven: Sequence[ProvenFile] = (),
    own_work: str | None = None,
    keep_on: Callable[[], None] = lambda: None,
) -> Case:
    """Find out everything; the source comes first, since reading it may take hours, and all else is asked after it.

    Args:
        acquisition_id: Whose source it is.
        step: To `delete`, every file is read and digested.
        site: What it stands on.
        announced: The release that is to be carried out.
        proven: For `resume`, the files of its deletion record.
        own_work: Id of the work that carries it out, which is no open work in its own way.
        keep_on: Called before each file is read; raises when the attempt must stop.

    Raises:
        ReleaseRefused: Nothing of the acquisition was ever archived.
        Conflict: The acquisition or its newest version changed meanwhile; look again.
        NotFound: There is no such acquisition.
        CatalogueUnavailable: As said there.
    """
    with site.catalogue.begin() as tx:
        first = _rows(tx, acquisition_id, site=site, own_work=own_work)
    held, archive, parts = _ask_archive(first, site=site)
    source, files = _look_at_source(first, held, step=step, proven=proven, site=site, keep_on=keep_on)
    if step is not Step.ANNOUNCE and not any(one.problem for one in (archive, *parts)):
        _, archive, parts = _ask_archive(first, site=site)
    answers = _ask_systems(first, site=site)
    with site.catalogue.begin() as tx:
        rows = _rows(tx, acquisition_id, site=site, own_work=own_work)
    if _identity(rows) != _identity(first):
        msg = f"{acquisition_id} or its newest version changed while it was looked at; try again"
        raise Conflict(msg, acquisition_id=acquisition_id)
    facts = Facts(
        step=step,
        now=site.clock.now(),
        instrument=rows.instrument,
        acquisition=rows.acquisition,
        version=first.version,
        newest_version_id=rows.version.version_id,
        stores=tuple(site.stores),
        copies=rows.copies,
        receipts=rows.receipts,
        decisions=rows.decisions,
        holds=rows.holds,
        answers=answers,
        open_work=rows.open_work,
        source=source,
        archive=archive,
        parts=tuple(
            PartFacts(version=one.version, copies=one.copies, receipts=one.receipts, archive=seen)
            for one, seen in zip(rows.parts, parts, strict=True)
        ),
        rules=rows.rules,
        announced=announced,
    )
    return Case(facts, rows.dataset, files)


def _rows(tx: Transaction, acquisition_id: str, *, site: ReleaseSite, own_work: str | None) -> _Rows:
    acquisition = tx.acquisitions.get(acquisition_id)
    versions = tx.datasets.versions(acquisition.dataset_id) if acquisition.dataset_id else ()
    if acquisition.dataset_id is None or not versions:
        msg = f"nothing of {acquisition.name} ({acquisition_id}) was archived, so nothing of it is released"
        raise ReleaseRefused(msg, acquisition_id=acquisition_id)
    dataset, version = tx.datasets.get(acquisition.dataset_id), versions[-1]
    project = tx.projects.get(dataset.project) if dataset.project else None
    instrument = tx.instruments.get(acquisition.instrument)
    subjects = [acquisition_id, *(one.version_id for one in versions)]
    subjects += [part.version_id for part in version.parts]
    works = [work for subject in subjects for work in tx.inbox.list(subject=subject)]
    return _Rows(
        acquisition=acquisition,
        instrument=instrument,
        dataset=dataset,
        version=version,
        copies=_copies(tx, dataset, site.stores),
        receipts=tuple(tx.datasets.receipts(version.version_id)),
        parts=tuple(_part_rows(tx, part, stores=site.stores) for part in version.parts),
        decisions=tuple(tx.datasets.decisions(version.version_id)),
        holds=tuple(standing_holds(tx, acquisition, dataset)),
        open_work=tuple(
            work.kind.value
            for work in works
            if work.state in {WorkState.READY, WorkState.LEASED}
            and work.work_id != own_work
            and work.kind not in KEEPING
        ),
        rules=rules_for(site.rules, instrument=instrument, project=project),
    )


def _identity(rows: _Rows) -> tuple[object, ...]:
    """What must not change between the looks at the archive and at the catalogue."""
    return rows.acquisition, rows.version, tuple(one.version for one in rows.parts)


def _part_rows(tx: Transaction, part: Part, *, stores: Sequence[str]) -> _PartRows:
    dataset = tx.datasets.get(part.dataset_id)
    return _PartRows(
        dataset=dataset,
        version=tx.datasets.get_version(part.version_id),
        copies=_copies(tx, dataset, stores),
        receipts=tuple(tx.datasets.receipts(part.version_id)),
    )


def _copies(tx: Transaction, dataset: Dataset, stores: Sequence[str]) -> tuple[StoredCopy, ...]:
    """Give what is known of the object in each store; nobody changes it until the transaction ends."""
    found = (tx.copies.get(dataset.dataset_id, name) for name in sorted(stores))
    return tuple(one for one in found if one is not None)


def _ask_systems(rows: _Rows, *, site: ReleaseSite) -> tuple[HoldAnswer, ...]:
    acquisition = rows.acquisition
    question = HoldQuestion(
        acquisition_id=acquisition.acquisition_id,
        instrument=acquisition.instrument,
        path=f"{rows.instrument.path.rstrip('/')}/{acquisition.folder}",
        folder=acquisition.folder,
        dataset_id=acquisition.dataset_id,
        project=rows.dataset.project,
    )
    return ask_holds(question, systems=site.systems, patience_seconds=site.ask_seconds, clock=site.clock)


_Expected = Mapping[str, tuple[int, str]]
"""Size and SHA-512 of each file, by its path."""


def _ask_archive(rows: _Rows, *, site: ReleaseSite) -> tuple[_Expected, ArchiveFacts, tuple[ArchiveFacts, ...]]:
    """Ask the archive itself what it holds: of the version's own object and of each part, in their order.

    The files of parts count only when all of them together are the version's manifest; while a part could not be asked,
    nobody knows whether they are.
    """
    if not rows.version.parts:
        manifest, archive = _ask_object(rows.dataset, rows.version, site=site)
        return _sizes(manifest), archive, ()
    expected: dict[str, tuple[int, str]] = {}
    whole, parts = hashlib.sha512(), []
    for one in rows.parts:
        manifest, seen = _ask_object(one.dataset, one.version, site=site)
        parts.append(seen)
        expected |= _sizes(manifest)
        for line in manifest.lines() if manifest else ():
            whole.update(line)
    archive = _ask_naming_object(rows, site=site)
    is_known = all(one.problem is None for one in parts)
    if is_known and whole.hexdigest() != rows.version.manifest_digest:
        archive = archive.model_copy(update={"holds_manifest": False})
    return expected, archive, tuple(parts)


def _sizes(manifest: Manifest | None) -> dict[str, tuple[int, str]]:
    return {file.path: (file.size_bytes, file.sha512) for file in (manifest.files if manifest else ())}


def _ask_naming_object(rows: _Rows, *, site: ReleaseSite) -> ArchiveFacts:
    """Tell whether the object that people see names exactly the parts that the catalogue has."""
    dataset, version = rows.dataset, rows.version
    try:
        held = _held(dataset, site=site)
        if held is None:
            return ArchiveFacts()
        read_parts(version, dataset=dataset, store=site.store, tables=site.tables)
        files = held.inventory.files(version.ocfl_version) if version.ocfl_version else {}
    except StoreUnavailable as away:
        return ArchiveFacts(problem=str(away))
    except (InvalidInput, ObjectInvalid, ObjectNotFound):
        return ArchiveFacts()
    names = files.get(PARTS_PATH) == version.staged[PARTS_PATH].sha512
    return ArchiveFacts(inventory_sha512=held.sha512, holds_manifest=names)


def _held(dataset: Dataset, *, site: ReleaseSite) -> HeldObject | None:
    """Read an object's inventory; None when there is none, or none that its sidecar vouches for."""
    held = read_held(dataset.object_root, pid=dataset.pid, store=site.store)
    if held is None:
        return None
    agrees = sidecar_agrees(dataset.object_root, held.body, algorithm=held.inventory.algorithm, store=site.store)
    return held if agrees else None


def _ask_object(dataset: Dataset, version: Version, *, site: ReleaseSite) -> tuple[Manifest | None, ArchiveFacts]:
    """Read inventory and manifest from the archive itself; the catalogue's word on what lies there is not enough."""
    try:
        held = _held(dataset, site=site)
        if held is None:
            return None, ArchiveFacts()
        body = read_staged(version, MANIFEST_PATH, dataset=dataset, store=site.store)
        if sha512_of(body) != version.staged[MANIFEST_PATH].sha512:
            return None, ArchiveFacts(inventory_sha512=held.sha512)
        manifest = load_manifest(body, tables=site.tables)
        files = held.inventory.files(version.ocfl_version) if version.ocfl_version else {}
    except StoreUnavailable as away:
        return None, ArchiveFacts(problem=str(away))
    except (InvalidInput, ObjectInvalid, ObjectNotFound):
        return None, ArchiveFacts()
    is_whole = manifest.digest == version.manifest_digest and all(
        files.get(f"{DATA}{file.path}") == file.sha512 for file in manifest.files
    )
    return manifest, ArchiveFacts(inventory_sha512=held.sha512, holds_manifest=is_whole)


def _look_at_source(
    rows: _Rows,
    held: _Expected,
    *,
    step: Step,
    proven: Sequence[ProvenFile],
    site: ReleaseSite,
    keep_on: Callable[[], None],
) -> tuple[SourceFacts, tuple[ProvenFile, ...]]:
    zone, folder = site.zone_of(rows.instrument), rows.acquisition.folder
    expected = held
    if step is Step.RESUME:
        expected = {file.path: (file.size_bytes, file.sha512) for file in proven}
    try:
        zone.require_identity(rows.instrument.identity)
        listing = zone.listing(folder)
        found = _compared(listing, expected)
        if step is not Step.DELETE or found.obstacles or found.unknown or found.missing or found.different:
            return found, ()
        files = _read_all(rows, listing, zone=zone, keep_on=keep_on)
        again = zone.listing(folder)
    except NotFound as gone:
        if step is Step.RESUME:
            return _compared(Listing(), expected), ()
        return SourceFacts(problem=str(gone)), ()
    except (SourceUnavailable, HostileInput) as fault:
        return SourceFacts(problem=str(fault)), ()
    different = tuple(file.path for file in files if expected[file.path] != (file.size_bytes, file.sha512))
    checked = {"different": different, "are_digested": True, "fingerprint": again.fingerprint}
    return found.model_copy(update=checked), files


def _compared(listing: Listing, expected: Mapping[str, tuple[int, str]]) -> SourceFacts:
    """Hold names and sizes against what must be there."""
    sizes = {file.path: file.size_bytes for file in listing.files}
    return SourceFacts(
        fingerprint=listing.fingerprint,
        obstacles=tuple(obstacle.reason for obstacle in listing.obstacles),
        unknown=tuple(sorted(sizes.keys() - expected.keys())),
        missing=tuple(sorted(expected.keys() - sizes.keys())),
        different=tuple(sorted(path for path in sizes.keys() & expected.keys() if sizes[path] != expected[path][0])),
    )


def _read_all(
    rows: _Rows, listing: Listing, *, zone: LandingZone, keep_on: Callable[[], None]
) -> tuple[ProvenFile, ...]:
    identity = zone.identity()  # as it is mounted now: a zone known by its sentinel may have another device by then
    device = identity.device if isinstance(identity, ZoneIdentity) else -1
    files = []
    for seen in listing.files:
        keep_on()
        files.append(_read(seen, rows.acquisition.folder, zone=zone, device=device))
    return tuple(files)


def _read(seen: SeenFile, folder: str, *, zone: LandingZone, device: int) -> ProvenFile:
    """Read and digest a file. One that changes meanwhile has, whatever was read, another fingerprint afterwards."""
    digest, size_bytes, buffer = hashlib.sha512(), 0, memoryview(bytearray(_CHUNK_BYTES))
    with zone.open(folder, seen.path) as source:
        while count := source.readinto(buffer):
            digest.update(buffer[:count])
            size_bytes += count
        now = source.still()
    return ProvenFile(
        path=seen.path,
        size_bytes=size_bytes,
        sha512=digest.hexdigest(),
        mtime_ns=now.mtime_ns,
        inode=now.inode,
        device=device,
    )


def require_allowed(judgement: Judgement, acquisition_id: str) -> None:
    """Raise what a judgement means. Raises `ReleaseRefused`, or `CouldNotCheck` when nothing is known to be wrong."""
    if judgement.allows:
        return
    conditions = [one.condition for one in judgement.objections]
    msg = f"the source of {acquisition_id} stays: {judgement.words}"
    if all(one.is_unknown for one in judgement.objections):
        raise CouldNotCheck(msg, acquisition_id=acquisition_id, conditions=conditions)
    raise ReleaseRefused(msg, acquisition_id=acquisition_id, conditions=conditions)
