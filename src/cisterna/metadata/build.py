"""Joins what profile, instrument, project, file and steward say into one record."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from cisterna.domain.dataset import Dataset, Version
from cisterna.domain.errors import IllegalTransition
from cisterna.domain.finding import Finding
from cisterna.domain.instrument import Instrument
from cisterna.domain.project import Access, Project
from cisterna.domain.text import cut_line, cut_prose
from cisterna.metadata.record import (
    CheckResult,
    Dates,
    Given,
    LeftOut,
    MetadataRecord,
    ModelFacts,
    Origin,
    Quality,
    Related,
    SampleFacts,
    SheetFacts,
    SoftwareFacts,
)
from cisterna.metadata.said import Said
from cisterna.ports.profile import Described, Plane
from cisterna.ports.vocabulary import Vocabulary

_CHECKS_KEPT = 200


def build_record(
    dataset: Dataset,
    version: Version,
    *,
    described_at: datetime,
    project: Project | None = None,
    instrument: Instrument | None = None,
    described: Described | None = None,
    planes: Iterable[Plane] = (),
    images: int | None = None,
    acquired_to: datetime | None = None,
    given: Given | None = None,
    sheet: tuple[SheetFacts, SampleFacts] | None = None,
    steward: Given | None = None,
    model: ModelFacts | None = None,
    software: SoftwareFacts | None = None,
    related: Sequence[Related] = (),
    sources: Sequence[MetadataRecord | None] = (),
    findings: Sequence[Finding] = (),
    problems: Sequence[str] = (),
    vocabulary: Vocabulary | None = None,
    left_out: Sequence[LeftOut] = (),
) -> MetadataRecord:
    """Build the record of a measured version.

    For each field the first who says something wins: the steward, then `metadata.yaml`, the profile, the project. With
    exceptions, since the file lies where the instrument writes: it may make access stricter, never wider, and an
    embargo longer, never shorter; and it may say that data come from people but not take that back. Derived data are
    about what their sources are about, owe to the same money, and are bound by the same approvals and agreements.

    Args:
        dataset: What is described.
        version: Of it, with a manifest digest.
        described_at: Dates the record.
        project: Its defaults.
        instrument: For acquired data.
        described: What the acquisition says of itself.
        planes: Where each image belongs, for counting.
        images: How many image files there are.
        acquired_to: When the end of the run was seen.
        given: From `metadata.yaml`.
        sheet: The sample sheet, and what it says of the samples; it knows them better than `metadata.yaml`.
        steward: What stewards said of this version or the one before it.
        model: For derived data.
        software: That made them, for derived data.
        related: Datasets of ours that it stands in relation to.
        sources: Records of what it was derived from; what was made from restricted data stays as restricted. None
            for a source of which no record is known: it counts as closed and unanswered.
        findings: Of the gate; together with the version's verdict.
        problems: What could not be read, in words.
        vocabulary: Judges terms; None judges none.
        left_out: What stewards said before, is not taken any more, and was not said anew.

    Raises:
        IllegalTransition: The version has not been measured.
    """
    if version.manifest_digest is None:
        msg = f"{version.version_id} has no manifest yet; it is described after it was measured and gated"
        raise IllegalTransition(msg, version_id=version.version_id)
    told = list(problems)
    said = Said(
        steward=steward,
        given=given,
        sheet=sheet[1] if sheet else None,
        project=project,
        sources=sources,
        problems=told,
        vocabulary=vocabulary,
        left_out=left_out,
    )
    values = {
        **said.citation(dataset, described),
        **said.credit(),
        **said.conditions(),
        "data_type": cut_line(dataset.data_type) or "unknown",
        "instrument": said.instrument(instrument, described),
        "imaging": said.imaging(described, planes, images),
        "dates": _dates(described, described_at, acquired_to),
        "model": model,
        "sample_sheet": sheet[0] if sheet else None,
        "software": software,
        "relations": tuple(related),
        "quality": _quality(version, findings),
    }
    origins = {**said.origins, **dict.fromkeys(("pid", "publication_year", "manifest_digest"), Origin.CISTERNA)}
    return MetadataRecord(
        pid=dataset.pid,
        dataset_id=dataset.dataset_id,
        version=version.label,
        derived=dataset.acquisition_id is None and dataset.part_of is None,
        publication_year=described_at.year,
        manifest_digest=version.manifest_digest,
        file_count=version.file_count,
        total_bytes=version.total_bytes,
        origins=origins,
        problems=tuple(cut_prose(problem) or "a problem without words" for problem in told),
        left_out=said.left_out,
        notes=tuple(filter(None, map(cut_prose, said.notes))),
        **values,
    )


def steward_said(record: MetadataRecord) -> Given:
    """Take out of a record what a steward said, so that a later version or revision says it too."""
    names = [name for name, origin in record.origins.items() if origin is Origin.STEWARD]
    said: dict[str, Any] = {name: getattr(record, name) for name in names if name in Given.model_fields}
    kinds = {kind: place for name in names for place, dot, kind in [name.partition(".")] if dot}
    samples = {kind: getattr(record.samples, kind) for kind, place in kinds.items() if place == "samples"}
    if samples:
        said["samples"] = SampleFacts(**samples)
    if references := tuple(one for one in record.references if kinds.get(one.kind.value) == "references"):
        said["references"] = references
    return Given(**said)


def steward_left_out(record: MetadataRecord, *, newer: Given | None) -> tuple[LeftOut, ...]:
    """Take out of a record what a steward said and is not taken any more, but for what a newer statement says anew."""
    said = newer or Given()

    def is_said_anew(field: str) -> bool:
        name, _, kind = field.partition(".")
        value = getattr(said, name)
        return bool(getattr(value, kind)) if kind and value is not None else value is not None

    ended = {"embargo_until"} if said.access is not None else set()
    of_stewards = [one for one in record.left_out if one.origin is Origin.STEWARD and one.field not in ended]
    return tuple(one for one in of_stewards if not is_said_anew(one.field))


def joined(newer: Given | None, older: Given | None) -> Given | None:
    """Put one statement over another: what the newer leaves unsaid, the older says.

    Who says until when an embargo lasts says that there is one; who says another access ends it.
    """
    if newer is None or older is None:
        return newer or older
    update = {name: value for name in Given.model_fields if (value := getattr(newer, name)) is not None}
    if newer.embargo_until is not None and newer.access is None and older.access is Access.OPEN:
        update["access"] = Access.EMBARGOED
    if newer.access not in {None, Access.EMBARGOED}:
        update["embargo_until"] = None
    if newer.samples is not None and older.samples is not None:
        own = {name: value for name in SampleFacts.model_fields if (value := getattr(newer.samples, name))}
        update["samples"] = older.samples.model_copy(update=own)
    if newer.references is not None and older.references is not None:
        kinds = {one.kind for one in newer.references}
        others = tuple(one for one in older.references if one.kind not in kinds)
        update["references"] = (*newer.references, *others)
    return older.model_copy(update=update)


def _dates(described: Described | None, described_at: datetime, acquired_to: datetime | None) -> Dates:
    return Dates(
        acquired_from=described.started_at if described else None, acquired_to=acquired_to, described=described_at
    )


def _quality(version: Version, findings: Sequence[Finding]) -> Quality | None:
    if version.verdict is None:
        return None
    checks = ((finding, cut_line(finding.check), cut_prose(finding.message)) for finding in findings[:_CHECKS_KEPT])
    return Quality(
        verdict=version.verdict,
        reason=cut_prose(version.reason) if version.reason else None,
        checks=tuple(
            CheckResult(check=check or "unnamed", outcome=finding.outcome, message=message or "no words")
            for finding, check, message in checks
        ),
    )
