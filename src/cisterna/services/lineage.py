"""What an attempt read and wrote, in words of no lineage system's own; sinks translate it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal

from pydantic import Field, JsonValue

from cisterna.domain.base import Moment, Value
from cisterna.domain.dataset import Dataset, Version
from cisterna.domain.errors import NotFound
from cisterna.domain.finding import Finding, Outcome
from cisterna.domain.hint import BUCKET_SCHEME
from cisterna.domain.identifier import dataset_id
from cisterna.domain.work import KEEPING, Claim, Work, WorkKind
from cisterna.ports.catalogue import Transaction

_ASSERTIONS_KEPT = 200
_OF_ACQUISITIONS = frozenset({WorkKind.INGEST, WorkKind.AHEAD})
_MAKES_NONE = frozenset({WorkKind.PUBLISH, WorkKind.RETAIN, WorkKind.ERASE, WorkKind.AHEAD})


class Place(Value):
    """Where this installation's data lie, as lineage names them.

    Attributes:
        host: Name of the machine that the landing zones are mounted on.
        bucket: The archive's.
    """

    host: str
    bucket: str


class Assertion(Value):
    """One quality result about an input."""

    check: str
    outcome: Outcome
    message: str
    observed: str | None = None
    expected: str | None = None


class LineageDataset(Value):
    """A thing that was read or written: one per acquisition or dataset, never per file.

    Attributes:
        namespace: `file://host` or `s3://bucket`.
        name: Absolute path or key, with `%`, `:` and `#` percent-encoded: graph stores split names on those.
        change: For an output, whether the dataset was made or got another version.
    """

    namespace: str
    name: str
    title: str | None = None
    pid: str | None = None
    version: str | None = None
    manifest_digest: str | None = None
    file_count: int | None = None
    total_bytes: int | None = None
    project: str | None = None
    owner: str | None = None
    change: Literal["create", "alter"] | None = None
    assertions: tuple[Assertion, ...] = ()


class ParentRun(Value):
    """The run that asked for this one."""

    run_id: str
    job: str


class RunFacts(Value):
    """The data of an `attempt.*` event.

    Attributes:
        job: What is done again and again, such as `ingest.squid-1`; nothing of one run is in it.
        number: Which attempt at the work this is, from 1.
        requested_at: When the work was asked for.
        error: Of a failed or aborted attempt, in words without secrets.
        outcome: Of a completed one.
    """

    run_id: str
    job: str
    kind: WorkKind
    work_id: str
    subject: str
    number: int = Field(ge=0)
    requested_at: Moment
    started_at: Moment
    flow_run_id: str | None = None
    parent: ParentRun | None = None
    project: str | None = None
    inputs: tuple[LineageDataset, ...] = ()
    outputs: tuple[LineageDataset, ...] = ()
    outcome: str | None = None
    error: str | None = None
    error_code: str | None = None


class Subject(Value):
    """What work is about, as far as the catalogue knows it."""

    project: str | None
    restricted: bool
    inputs: tuple[LineageDataset, ...] = ()
    outputs: tuple[LineageDataset, ...] = ()


_BARE = frozenset(name for name, field in RunFacts.model_fields.items() if field.is_required()) - {"subject"}


def bare_facts(facts: Mapping[str, JsonValue], *, subject: str) -> dict[str, JsonValue]:
    """Keep of an attempt's facts which run it is, what kind of work, and when: nothing of the data it was about."""
    return {"subject": subject, **{name: value for name, value in facts.items() if name in _BARE}}


def job_name(work: Work) -> str:
    """Name the job: the kind of work, with the model, the form or the instrument that it is done for."""
    named = {WorkKind.INFER: "model", WorkKind.CONVERT: "format", WorkKind.AHEAD: "instrument"}
    made = work.parameters.get(named.get(work.kind, ""))
    detail = made if isinstance(made, str) else work.fairness
    return f"{work.kind.value}.{_encoded(detail)}" if detail else work.kind.value


def look_up(tx: Transaction, work: Work, *, place: Place, outputs: Sequence[str] = ()) -> Subject:
    """Gather what the work reads and wrote; what the catalogue does not have is left out, never an error.

    Args:
        tx: Read only.
        work: The work.
        place: Where things lie.
        outputs: Ids of the versions that the attempt made.
    """
    written = _versions(tx, outputs)
    try:
        if work.kind in _OF_ACQUISITIONS:
            return _of_acquisition(tx, work.subject, written, place)
        return _of_version(tx, work.subject, written, place)
    except NotFound:
        return Subject(project=None, restricted=True)


def written_since(tx: Transaction, work: Work, since: datetime) -> list[str]:
    """Name the versions that work of this kind makes and whose stage changed since a moment: what an attempt wrote."""
    if work.kind is WorkKind.INGEST:
        versions = list(tx.datasets.versions(dataset_id(origin=work.subject)))
    elif work.kind in _MAKES_NONE or work.kind in KEEPING:
        return []
    else:
        try:
            subject = tx.datasets.get_version(work.subject)
        except NotFound:
            return []
        derived = tx.datasets.derived_from(subject.dataset_id)
        versions = [one for dataset in derived for one in tx.datasets.versions(dataset.dataset_id)]
        versions += [subject] if work.kind is WorkKind.REPROCESS else []
    return [version.version_id for version in versions if version.stage_at >= since]


def run_facts(
    claim: Claim,
    subject: Subject,
    *,
    parent: ParentRun | None = None,
    outcome: str | None = None,
    error: str | None = None,
    error_code: str | None = None,
) -> RunFacts:
    """Put a claim, its subject and, at the end, its outcome together."""
    return RunFacts(
        run_id=claim.attempt.run_id,
        job=job_name(claim.work),
        kind=claim.work.kind,
        work_id=claim.work.work_id,
        subject=claim.work.subject,
        number=claim.work.attempts,
        requested_at=claim.work.created_at,
        started_at=claim.attempt.started_at,
        flow_run_id=claim.attempt.flow_run_id,
        parent=parent,
        project=subject.project,
        inputs=subject.inputs,
        outputs=subject.outputs,
        outcome=outcome,
        error=error,
        error_code=error_code,
    )


def parent_of(tx: Transaction, work: Work) -> ParentRun | None:
    """Find the run that made the version which the work is about: that run asked for this one."""
    if work.kind in _OF_ACQUISITIONS:
        return None
    try:
        version = tx.datasets.get_version(work.subject)
        dataset = tx.datasets.get(version.dataset_id)
    except NotFound:
        return None
    if dataset.acquisition_id is None:
        return None
    for event in reversed(tx.outbox.history([dataset.acquisition_id])):
        is_start = event.name == "attempt.started" and event.data.get("kind") != WorkKind.AHEAD.value
        if is_start and event.occurred_at <= work.created_at:
            return ParentRun(run_id=str(event.data["run_id"]), job=str(event.data["job"]))
    return None


def dataset_facts(dataset: Dataset, version: Version, *, place: Place, owner: str | None) -> LineageDataset:
    """Name a version of a dataset as lineage does: the dataset is the key in the bucket, the version a property."""
    return LineageDataset(
        namespace=f"s3://{place.bucket}",
        name=_encoded(dataset.object_root),
        title=dataset.title,
        pid=dataset.pid,
        version=version.label,
        manifest_digest=version.manifest_digest,
        file_count=version.file_count,
        total_bytes=version.total_bytes,
        project=dataset.project,
        owner=owner,
    )


def assertions_of(findings: Iterable[Finding]) -> tuple[Assertion, ...]:
    """Turn findings into assertions, at most 200; a rule that is not applied yet asserts nothing."""
    return tuple(
        Assertion(
            check=finding.check,
            outcome=finding.outcome,
            message=finding.message,
            observed=None if finding.observed is None else str(finding.observed),
            expected=None if finding.expected is None else str(finding.expected),
        )
        for finding in [one for one in findings if one.outcome is not Outcome.NOT_APPLIED][:_ASSERTIONS_KEPT]
    )


def _versions(tx: Transaction, ids: Sequence[str]) -> list[tuple[Dataset, Version]]:
    found: list[tuple[Dataset, Version]] = []
    for one in ids:
        try:
            version = tx.datasets.get_version(one)
            found.append((tx.datasets.get(version.dataset_id), version))
        except NotFound:
            continue
    return found


def _of_acquisition(
    tx: Transaction, acquisition_id: str, written: list[tuple[Dataset, Version]], place: Place
) -> Subject:
    acquisition = tx.acquisitions.get(acquisition_id)
    zone = tx.instruments.get(acquisition.instrument).path
    owner = _owner(tx, acquisition.project)
    findings = tx.datasets.findings(written[-1][1].version_id) if written else ()
    kept = tx.datasets.versions(dataset_id(origin=acquisition_id))
    namespace, name = _named_source(f"{zone.rstrip('/')}/{acquisition.folder}", place)
    source = LineageDataset(
        namespace=namespace,
        name=name,
        title=acquisition.name,
        file_count=acquisition.file_count,
        total_bytes=acquisition.total_bytes,
        project=acquisition.project,
        owner=owner,
        assertions=assertions_of(findings),
    )
    return Subject(
        project=acquisition.project,
        restricted=_restricted(tx, acquisition.project, [*kept, *(version for _, version in written)]),
        inputs=(source,),
        outputs=_outputs(written, place=place, owner=owner),
    )


def _named_source(path: str, place: Place) -> tuple[str, str]:
    """Name a run's folder as OpenLineage does: by host and path, or by bucket and key."""
    if path.startswith(BUCKET_SCHEME):
        bucket, _, key = path.removeprefix(BUCKET_SCHEME).partition("/")
        return f"{BUCKET_SCHEME}{bucket}", _encoded(key)
    return f"file://{place.host}", _encoded(path)


def _of_version(tx: Transaction, version_id: str, written: list[tuple[Dataset, Version]], place: Place) -> Subject:
    version = tx.datasets.get_version(version_id)
    dataset = tx.datasets.get(version.dataset_id)
    owner = _owner(tx, dataset.project)
    source = dataset_facts(dataset, version, place=place, owner=owner)
    assertions = assertions_of(tx.datasets.findings(version_id))
    return Subject(
        project=dataset.project,
        restricted=_restricted(tx, dataset.project, [version, *(one for _, one in written)]),
        inputs=(source.model_copy(update={"assertions": assertions}),),
        outputs=_outputs(written, place=place, owner=owner),
    )


def _outputs(written: list[tuple[Dataset, Version]], *, place: Place, owner: str | None) -> tuple[LineageDataset, ...]:
    return tuple(
        dataset_facts(dataset, version, place=place, owner=owner).model_copy(
            update={"change": "create" if (version.number, version.revision) == (1, 0) else "alter"}
        )
        for dataset, version in written
    )


def _owner(tx: Transaction, project: str | None) -> str | None:
    return tx.projects.get(project).owner if project else None


def _restricted(tx: Transaction, project: str | None, versions: Sequence[Version]) -> bool:
    if project is None or tx.projects.get(project).is_restricted:
        return True
    return any(version.is_restricted for version in versions)


def _encoded(name: str) -> str:
    return name.replace("%", "%25").replace(":", "%3A").replace("#", "%23")
