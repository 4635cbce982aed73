"""Describes a gated version: one record, and every form of it that others read, staged for the commit."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version as version_of

from pydantic import JsonValue

from cisterna.domain.acquisition import Acquisition
from cisterna.domain.dataset import ORDER, Dataset, Stage, Version, require_transition
from cisterna.domain.digest import sha512_of
from cisterna.domain.errors import ChecksumMismatch, InvalidInput, NotFound
from cisterna.domain.finding import Finding
from cisterna.domain.instrument import Instrument
from cisterna.domain.manifest import Manifest
from cisterna.domain.part import Part
from cisterna.domain.project import Access, HumanData, Project
from cisterna.domain.text import cut_line, cut_prose
from cisterna.domain.work import Attempt
from cisterna.metadata import crate, given, readme
from cisterna.metadata.build import build_record, joined, steward_left_out, steward_said
from cisterna.metadata.datacite import datacite_document
from cisterna.metadata.datacite_xml import datacite_xml
from cisterna.metadata.described import Described
from cisterna.metadata.listing import DATA_FOLDER, ListedFile
from cisterna.metadata.record import (
    Given,
    LeftOut,
    MetadataRecord,
    ModelFacts,
    Related,
    SoftwareFacts,
    missing,
    read_record,
)
from cisterna.metadata.schema_org import as_script_text, schema_org_document
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.ports.inference import ModelCard
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.profile import Profile
from cisterna.ports.quality import TableFile
from cisterna.ports.sample_sheet import SheetReader, WaitingSheets
from cisterna.ports.vocabulary import Vocabulary
from cisterna.services.archived_look import ArchivedLook
from cisterna.services.data_manifest import MANIFEST_PATH, load_manifest
from cisterna.services.parts_look import PartsLook
from cisterna.services.samples import KnownSamples, SampledRun, samples_of_run, with_kept_sheet
from cisterna.services.staging import read_staged, stage_files
from cisterna.services.transition import advance

RECORD_PATH = "metadata/record.json"
DATACITE_PATH = "metadata/datacite.json"
DATACITE_XML_PATH = "metadata/datacite.xml"
SCHEMA_ORG_PATH = "metadata/schema-org.jsonld"


@dataclass(frozen=True)
class _Known:
    """What the catalogue has on a version."""

    version: Version
    dataset: Dataset
    findings: Sequence[Finding]
    project: Project | None
    instrument: Instrument | None
    acquisition: Acquisition | None
    related: tuple[Related, ...]
    sources: tuple[MetadataRecord | None, ...]
    before: Version | None
    others: tuple[Version, ...]
    parts: tuple[tuple[Part, Version, Dataset], ...]


def describe_version(
    version_id: str,
    *,
    lease: Attempt,
    catalogue: Catalogue,
    store: ObjectStore,
    tables: TableFile,
    profile: Profile | None,
    clock: Clock,
    edits: Given | None = None,
    model: ModelCard | None = None,
    sheets: SheetReader | None = None,
    waiting: WaitingSheets | None = None,
    vocabulary: Vocabulary | None = None,
) -> Version:
    """Build the record of a version, stage its serialisations and bring it to `described`.

    Everything is read from the archive and the catalogue, never from the landing zone: what is described is what is
    kept. A second run stages the files again, of which the catalogue names the last; a version that has been described
    already comes back as it is.

    Args:
        version_id: A gated version.
        lease: Of the attempt that does it.
        catalogue: Gives what is known and takes the result.
        store: The archive.
        tables: Reads the staged manifest.
        profile: Of the instrument; None for a derived dataset.
        clock: Dates the record.
        edits: What a steward says from now on; what stewards said before goes on unless it is said anew.
        model: For a derived dataset, what is known of the model.
        sheets: Reads sample sheets, of runs; None reads none, as for a part, whose whole has the sheet.
        waiting: Sample sheets that were put down before their run.
        vocabulary: Judges terms; what is wrong with one is told and keeps no byte from the archive.

    Raises:
        ChecksumMismatch: The staged manifest is not the one that was measured.
        IllegalTransition: The version is not gated.
        LeaseLost: Another attempt has taken over; nothing was written to the catalogue.
    """
    with catalogue.begin() as tx:
        known = _known(tx, version_id)
    if ORDER.index(known.version.stage) >= ORDER.index(Stage.DESCRIBED):
        return known.version
    require_transition(known.version.stage, Stage.DESCRIBED, version_id=version_id)
    known = replace(known, version=with_kept_sheet(known.version, known.others))
    manifest = Manifest(files=()) if known.version.parts else _manifest(known, store=store, tables=tables)
    look = _look(known, manifest, store=store, tables=tables)
    samples: KnownSamples | None = None
    problems: list[str] = []
    if sheets is not None and known.dataset.acquisition_id is not None:
        run = SampledRun(known.version, known.dataset, look, profile, store=store, tables=tables, waiting=waiting)
        samples, problems = samples_of_run(run, sheets)
    record = _record(
        known,
        look,
        profile=profile,
        clock=clock,
        edits=edits,
        model=model,
        samples=samples,
        problems=problems,
        vocabulary=vocabulary,
    )
    more = samples.files(tables) if samples else {}
    files = _files(known.version, record, manifest, more=more)
    staged = stage_files(known.version, files, dataset=known.dataset, store=store)
    described = staged.model_copy(
        update={
            "metadata": record.model_dump(mode="json"),
            "metadata_missing": missing(record),
            "evidence_digest": evidence_digest(record, known.findings),
        }
    )
    with catalogue.begin() as tx:
        tx.inbox.require_lease(lease)
        if record.title and record.title != known.dataset.title:
            tx.datasets.save(known.dataset.model_copy(update={"title": record.title}))
        absent: list[JsonValue] = list(described.metadata_missing)
        return advance(tx, described, Stage.DESCRIBED, clock=clock, pid=known.dataset.pid, missing=absent)


def evidence_digest(record: MetadataRecord, findings: Sequence[Finding]) -> str:
    """Digest what a decision is made on: SHA-512 over canonical JSON of manifest digest, findings and record."""
    content = {
        "manifest": record.manifest_digest,
        "findings": [finding.model_dump(mode="json") for finding in findings],
        "record": record.model_dump(mode="json"),
    }
    return sha512_of(canonical_json(content))


def canonical_json(content: Mapping[str, object]) -> bytes:
    """Write JSON with sorted keys, no blanks and UTF-8 text: equal content gives equal bytes."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _known(tx: Transaction, version_id: str) -> _Known:
    version = tx.datasets.get_version(version_id)
    dataset = tx.datasets.get(version.dataset_id)
    acquisition = tx.acquisitions.find(dataset.acquisition_id) if dataset.acquisition_id else None
    earlier = [one for one in tx.datasets.versions(dataset.dataset_id) if one.version_id != version_id]
    related: list[Related] = []
    sources: list[MetadataRecord | None] = []
    for relation in dataset.relations:
        other = tx.datasets.get(relation.dataset_id)
        labelled = [one for one in tx.datasets.versions(other.dataset_id) if one.label == relation.version]
        said = _record_of(labelled[0]) if labelled else None
        title = (
            said.title if said else cut_line(other.title)
        )  # of that version: another may have one that is not public
        related.append(Related(kind=relation.kind, pid=other.pid, version=relation.version, title=title))
        if relation.kind == "IsPartOf":
            sources.append(None)  # what its whole is becomes known last: until then, and in here, it counts as closed
        if relation.kind == "IsDerivedFrom":
            sources.append(said)
    related += [
        Related(
            kind="HasPart", pid=part.pid, version=part.version_id.partition(":")[2], title=f"Part {part.number:04d}"
        )
        for part in version.parts
    ]
    return _Known(
        version=version,
        others=tuple(earlier),
        dataset=dataset,
        findings=tx.datasets.findings(version_id),
        project=tx.projects.get(dataset.project) if dataset.project else None,
        instrument=tx.instruments.get(dataset.instrument) if dataset.instrument else None,
        acquisition=acquisition,
        related=tuple(related),
        sources=tuple(sources),
        before=next((one for one in reversed(earlier) if one.metadata is not None), None),
        parts=tuple(
            (one, tx.datasets.get_version(one.version_id), tx.datasets.get(one.dataset_id)) for one in version.parts
        ),
    )


def _record_of(version: Version) -> MetadataRecord | None:
    if version.metadata is None:
        return None
    try:
        return read_record(version.metadata)
    except InvalidInput:
        return None  # of a schema that is not known here: it stays what it is, and is not carried on


def _manifest(known: _Known, *, store: ObjectStore, tables: TableFile) -> Manifest:
    body = read_staged(known.version, MANIFEST_PATH, dataset=known.dataset, store=store)
    manifest = load_manifest(body, tables=tables)
    if manifest.digest != known.version.manifest_digest:
        msg = f"the staged manifest of {known.version.version_id} is not the one that was measured; measure it again"
        raise ChecksumMismatch(msg, expected=known.version.manifest_digest, found=manifest.digest)
    return manifest


def _look(known: _Known, manifest: Manifest, *, store: ObjectStore, tables: TableFile) -> ArchivedLook | PartsLook:
    folder = known.acquisition.folder.rpartition("/")[2] if known.acquisition else known.dataset.title
    settings = known.instrument.settings if known.instrument else {}
    if known.version.parts:
        return PartsLook(folder, known.parts, store=store, tables=tables, settings=settings)
    return ArchivedLook(folder, manifest, dataset=known.dataset, store=store, settings=settings)


def _record(
    known: _Known,
    look: ArchivedLook | PartsLook,
    *,
    profile: Profile | None,
    clock: Clock,
    edits: Given | None,
    model: ModelCard | None,
    samples: KnownSamples | None,
    problems: Sequence[str],
    vocabulary: Vocabulary | None,
) -> MetadataRecord:
    acquired = known.dataset.acquisition_id is not None
    images = [file.path for file in look.listing.files if profile and profile.is_image(file.path)]
    said, faults = _given(look) if acquired else (None, [])
    steward, left_out, unread = _stewards_word(known, edits)
    return build_record(
        known.dataset,
        known.version,
        described_at=clock.now(),
        project=known.project,
        instrument=known.instrument if acquired else None,
        described=profile.describe(look) if profile and acquired else None,
        planes=(plane for path in images if profile and (plane := profile.plane(path)) is not None),
        images=len(images) if profile else None,
        acquired_to=known.acquisition.completed_at if known.acquisition else None,
        given=said,
        sheet=(samples.sheet, samples.facts) if samples else None,
        steward=steward,
        model=_model(known.dataset, model),
        software=_software(known),
        related=known.related,
        sources=known.sources,
        findings=known.findings,
        problems=[*unread, *faults, *problems],
        vocabulary=vocabulary,
        left_out=left_out,
    )


def _stewards_word(known: _Known, edits: Given | None) -> tuple[Given | None, tuple[LeftOut, ...], list[str]]:
    """Gather what stewards say: now, of this version, and of the one before it.

    A record that cannot be read may have closed the data: so it counts until a steward says otherwise.

    Returns:
        Their statement, what of it is not taken any more, and which records could not be read, in words.
    """
    steward, unread = edits, list[str]()
    left_out: list[LeftOut] = []
    for version in filter(None, (known.version, known.before)):
        if version.metadata is None:
            continue
        record = _record_of(version)
        if record is not None:
            left_out += steward_left_out(record, newer=steward)
            steward = joined(steward, steward_said(record))
            continue
        if edits is None or edits.access is None or edits.human_data is None:
            told = f"what stewards said of {version.label} cannot be read, and may have closed the data"
            unread.append(f"{told}: say access and human_data anew, and what else they had said")
        steward = joined(steward, Given(access=Access.CLOSED, human_data=HumanData.UNANSWERED))
    return steward, tuple(left_out), unread


def _given(look: ArchivedLook | PartsLook) -> tuple[Given | None, list[str]]:
    """Read `metadata.yaml`; what is wrong with it is a problem on the record and keeps no byte from the archive."""
    try:
        return given.read_given(look.read(given.FILE_NAME, limit_bytes=given.SIZE_LIMIT_BYTES)), []
    except NotFound:
        return None, []
    except InvalidInput as refusal:
        return None, [str(refusal)]


def _model(dataset: Dataset, card: ModelCard | None) -> ModelFacts | None:
    if card is not None:
        return ModelFacts(
            name=cut_line(card.name) or "unnamed",
            version=cut_line(card.version),
            description=cut_prose(card.description),
            sha256=card.sha256,
            trained_on=cut_prose(card.trained_on),
            licence=cut_line(card.licence or ""),
        )
    if dataset.model is None:
        return None
    name, _, version = dataset.model.partition("@")
    return ModelFacts(name=name, version=version or None)


def _software(known: _Known) -> SoftwareFacts | None:
    """Name the program that made derived data: this one, unless these are the bytes that an earlier one made."""
    if known.dataset.acquisition_id or known.dataset.part_of:
        return None
    before = _record_of(known.before) if known.before else None
    if before and before.manifest_digest == known.version.manifest_digest:
        return before.software
    return SoftwareFacts(name="cisterna", version=version_of("cisterna"))


def _files(
    version: Version, record: MetadataRecord, manifest: Manifest, *, more: Mapping[str, bytes]
) -> dict[str, bytes]:
    data = [
        ListedFile(
            path=DATA_FOLDER + entry.path,
            size_bytes=entry.size_bytes,
            sha512=entry.sha512,
            modified=entry.modified,
            source_path_base64=entry.source_path_base64,
        )
        for entry in manifest.files
    ]
    described = Described(record, files=data)
    ours = {
        readme.FILE_NAME: readme.readme_text(record, written_otherwise=manifest.written_otherwise).encode(),
        **({} if version.parts else {readme.CHECKSUMS: readme.checksum_lines(data)}),
        RECORD_PATH: _pretty(record.model_dump(mode="json")),
        DATACITE_PATH: _pretty(datacite_document(described)),
        DATACITE_XML_PATH: datacite_xml(described),
        SCHEMA_ORG_PATH: as_script_text(schema_org_document(described)).encode() + b"\n",
        **more,
    }
    listed = {
        path: ListedFile(path=path, size_bytes=staged.size_bytes, sha512=staged.sha512)
        for path, staged in version.staged.items()
        if path != crate.FILE_NAME
    }
    listed |= {path: ListedFile(path=path, size_bytes=len(body), sha512=sha512_of(body)) for path, body in ours.items()}
    return {**ours, crate.FILE_NAME: crate.crate_json(record, [*(listed[path] for path in sorted(listed)), *data])}


def _pretty(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False).encode() + b"\n"
