"""One row per acquisition or dataset: what `show`, `list`, `ingest --wait`, the API and the dashboard all show."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from cisterna.domain.account import Account
from cisterna.domain.acquisition import Acquisition, AcquisitionState, SourceState
from cisterna.domain.base import Value
from cisterna.domain.dataset import ORDER, Dataset, Stage, Version
from cisterna.domain.errors import NotFound
from cisterna.domain.finding import Verdict
from cisterna.domain.fixity import Fixity
from cisterna.domain.permission import may_see
from cisterna.domain.progress import Progress
from cisterna.domain.project import Project
from cisterna.domain.publication import Publication
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.services.copy_summary import CopySummary


class Overview(Value):
    """An acquisition and its dataset's newest version, or a derived dataset's; None where something is not there yet.

    Attributes:
        version: The version's label, `vN` or `vN.M`; `version_id` is its full id.
        reason: Why it is held, else what the gate said, else why the acquisition is in its state; never empty.
        pid: From `described` on.
        object_url: `s3://bucket/object-root`, from `archived` on.
        progress: Share of the expected files that are there, 0 to 1.
        reading: How far an attempt that goes on now has come with the bytes, how fast, and when it was asked.
        published_url: Of the publication that stands.
        parts: How many parts hold its files; 0 where its own object does.
        derived: Ids of datasets made from this one.
        erased: When its data were erased, by whom and under which decision; None while they are there.
        fixity: The worst that was found of the object in any store, until it is repaired; `fixity_reason` says where.
        copies: Stores that proved to hold the newest archived version, of `copies_wanted`.
    """

    acquisition_id: str | None = None
    dataset_id: str | None = None
    version: str | None = None
    version_id: str | None = None
    title: str
    state: AcquisitionState | None = None
    stage: Stage | None = None
    verdict: Verdict | None = None
    reason: str
    held: str | None = None
    project: str | None = None
    instrument: str | None = None
    profile: str | None = None
    data_type: str | None = None
    model: str | None = None
    pid: str | None = None
    object_url: str | None = None
    published_url: str | None = None
    source_state: SourceState | None = None
    progress: float | None = None
    reading: Progress | None = None
    file_count: int = 0
    total_bytes: int = 0
    parts: int = 0
    manifest_digest: str | None = None
    evidence_digest: str | None = None
    metadata_missing: tuple[str, ...] = ()
    submitter: str | None = None
    assignee: str | None = None
    cause: str | None = None
    derived: tuple[str, ...] = ()
    erased: str | None = None
    derived_from: tuple[str, ...] = ()
    fixity: Fixity | None = None
    fixity_reason: str | None = None
    copies: int = 0
    copies_wanted: int = 0
    first_seen: datetime | None = None
    completed_at: datetime | None = None
    created_at: datetime | None = None
    changed_at: datetime

    @property
    def waits_for_person(self) -> bool:
        """Whether a steward has to look at it."""
        return self.stage is Stage.IN_REVIEW

    @property
    def identifier(self) -> str:
        """What to ask for to see it again."""
        return self.dataset_id or self.acquisition_id or ""


def list_overviews(
    *,
    catalogue: Catalogue,
    bucket: str,
    account: Account | None = None,
    project: str | None = None,
    instrument: str | None = None,
    limit: int | None = None,
) -> Sequence[Overview]:
    """Give a row for each acquisition and each derived dataset, latest change first; parts are in their whole's.

    Args:
        catalogue: What is true now.
        bucket: Of the archive.
        account: Whose rows: those of other projects are left out. None leaves nothing out (the command line at home).
        project: Only that project's.
        instrument: Only that instrument's.
        limit: At most that many.
    """
    with catalogue.begin() as tx:
        projects = {one.slug: one for one in tx.projects.list()}
        datasets = tx.datasets.list()
        versions = tx.datasets.list_versions()
        acquisitions = tx.acquisitions.list(instrument=instrument)
        newest = _newest(versions)
        archived = _archived(versions)
        children = _children(datasets)
        by_id = {dataset.dataset_id: dataset for dataset in datasets}
        rows = [
            _row(acquisition, by_id.get(acquisition.dataset_id or ""), newest, archived, children, bucket=bucket)
            for acquisition in acquisitions
        ]
        rows += [
            _row(None, dataset, newest, archived, children, bucket=bucket)
            for dataset in datasets
            if dataset.acquisition_id is None and dataset.part_of is None and instrument in {None, dataset.instrument}
        ]
        reading = tx.inbox.progress()
        rows = [_with_reading(row, reading) for row in rows]
        shown = [row for row in rows if _is_shown(row, projects, account, project)]
        shown.sort(key=lambda row: row.changed_at, reverse=True)
        kept = CopySummary(tx, versions)
        return [_completed(tx, row, kept) for row in shown[:limit]]


def overview_of(identifier: str, *, catalogue: Catalogue, bucket: str, account: Account | None = None) -> Overview:
    """Give the row of one thing, by the id of an acquisition, dataset or version, or by its ARK.

    Raises:
        NotFound: There is no such thing, or the person may not know of it.
    """
    with catalogue.begin() as tx:
        return find_overview(tx, identifier, bucket=bucket, account=account)


def find_overview(tx: Transaction, identifier: str, *, bucket: str, account: Account | None = None) -> Overview:
    """Like `overview_of`, in a transaction that is open already."""
    try:
        acquisition, dataset, version = _locate(tx, identifier)
    except NotFound as unknown:
        raise _unknown(identifier) from unknown  # in the words used for what the person may not see
    slug = (dataset.project if dataset else None) or (acquisition.project if acquisition else None)
    project = tx.projects.get(slug) if slug else None
    if account is not None and not may_see(account, project):
        raise _unknown(identifier)
    versions = list(tx.datasets.versions(dataset.dataset_id)) if dataset else []
    newest = {version.dataset_id: version} if version else _newest(versions)
    children = (
        {dataset.dataset_id: [one.dataset_id for one in tx.datasets.derived_from(dataset.dataset_id)]}
        if dataset
        else {}
    )
    row = _row(acquisition, dataset, newest, _archived(versions), children, bucket=bucket)
    row = _with_reading(row, tx.inbox.progress())
    return _completed(tx, row, CopySummary(tx, versions, dataset_id=row.dataset_id))


def _locate(tx: Transaction, identifier: str) -> tuple[Acquisition | None, Dataset | None, Version | None]:
    if not identifier.isprintable():
        raise _unknown(identifier)
    name, colon, label = identifier.partition(":v")
    if identifier.startswith("acq-"):
        seen = tx.acquisitions.get(identifier)
        return seen, tx.datasets.get(seen.dataset_id) if seen.dataset_id else None, None
    if identifier.startswith("ark:/"):
        dataset = tx.datasets.by_pid(identifier)
        if dataset is None:
            raise _unknown(identifier)
    elif name.startswith("ds-"):
        dataset = tx.datasets.get(name)
    else:
        raise _unknown(identifier)
    acquisition = tx.acquisitions.find(dataset.acquisition_id) if dataset.acquisition_id else None
    version = tx.datasets.get_version(identifier) if colon and label and not identifier.startswith("ark:") else None
    return acquisition, dataset, version


def _unknown(identifier: str) -> NotFound:
    msg = f"there is no acquisition or dataset '{identifier[:200]}'; `cisterna list` shows those you may see"
    return NotFound(msg, identifier=identifier[:200])


def _row(
    acquisition: Acquisition | None,
    dataset: Dataset | None,
    newest: Mapping[str, Version],
    archived: frozenset[str],
    children: Mapping[str, Sequence[str]],
    *,
    bucket: str,
) -> Overview:
    version = newest.get(dataset.dataset_id) if dataset else None
    return Overview.model_validate(
        _of_acquisition(acquisition)
        | _of_dataset(dataset, archived, children, bucket)
        | _of_version(version)
        | _judged(acquisition, dataset, version)
    )


def _of_acquisition(acquisition: Acquisition | None) -> dict[str, object]:
    if acquisition is None:
        return {}
    return {
        "acquisition_id": acquisition.acquisition_id,
        "title": acquisition.name,
        "state": acquisition.state,
        "held": acquisition.held,
        "project": acquisition.project,
        "instrument": acquisition.instrument,
        "profile": acquisition.profile,
        "source_state": acquisition.source_state,
        "progress": acquisition.progress,
        "file_count": acquisition.file_count,
        "total_bytes": acquisition.total_bytes,
        "submitter": acquisition.submitter,
        "first_seen": acquisition.first_seen,
        "completed_at": acquisition.completed_at,
        "changed_at": acquisition.last_seen,
    }


def _of_dataset(
    dataset: Dataset | None, archived: frozenset[str], children: Mapping[str, Sequence[str]], bucket: str
) -> dict[str, object]:
    if dataset is None:
        return {}
    is_archived = dataset.dataset_id in archived
    facts: dict[str, object] = {
        "dataset_id": dataset.dataset_id,
        "title": dataset.title,
        "data_type": dataset.data_type,
        "model": dataset.model,
        "pid": dataset.pid if is_archived else None,
        "object_url": f"s3://{bucket}/{dataset.object_root}" if is_archived else None,
        "derived": tuple(children.get(dataset.dataset_id, ())),
        "derived_from": tuple(one.dataset_id for one in dataset.relations if one.kind == "IsDerivedFrom"),
        "created_at": dataset.created_at,
        "changed_at": dataset.created_at,
    }
    if dataset.project is not None:
        facts["project"] = dataset.project
    if dataset.instrument is not None:
        facts["instrument"] = dataset.instrument
    return facts


def _of_version(version: Version | None) -> dict[str, object]:
    if version is None:
        return {}
    facts: dict[str, object] = {
        "version": version.label,
        "version_id": version.version_id,
        "stage": version.stage,
        "verdict": version.verdict,
        "manifest_digest": version.manifest_digest,
        "evidence_digest": version.evidence_digest,
        "metadata_missing": version.metadata_missing,
        "submitter": version.submitter,
        "assignee": version.assignee,
        "cause": version.cause,
        "changed_at": version.stage_at,
    }
    if version.manifest_digest is not None:
        facts |= {
            "file_count": version.file_count,
            "total_bytes": version.total_bytes,
            "parts": len(version.parts),
        }
    return facts


def _judged(acquisition: Acquisition | None, dataset: Dataset | None, version: Version | None) -> dict[str, object]:
    held = acquisition.held if acquisition else None
    gate = version.reason if version and version.verdict else None
    seen = acquisition.reason if acquisition else None
    facts: dict[str, object] = {"reason": held or gate or seen or (version.cause if version else "not begun")}
    if dataset is not None and version is not None and ORDER.index(version.stage) >= ORDER.index(Stage.DESCRIBED):
        facts["pid"] = dataset.pid
    return facts


def _newest(versions: Iterable[Version]) -> dict[str, Version]:
    newest: dict[str, Version] = {}
    for version in versions:
        known = newest.get(version.dataset_id)
        if known is None or (version.number, version.revision) > (known.number, known.revision):
            newest[version.dataset_id] = version
    return newest


def _archived(versions: Iterable[Version]) -> frozenset[str]:
    """Datasets of which some version is in the archive: a second version on its way does not hide the first."""
    return frozenset(
        version.dataset_id for version in versions if ORDER.index(version.stage) >= ORDER.index(Stage.ARCHIVED)
    )


def _children(datasets: Iterable[Dataset]) -> dict[str, list[str]]:
    children: dict[str, list[str]] = defaultdict(list)
    for dataset in datasets:
        for relation in dataset.relations:
            if relation.kind == "IsDerivedFrom":
                children[relation.dataset_id].append(dataset.dataset_id)
    return children


def _is_shown(row: Overview, projects: Mapping[str, Project], account: Account | None, project: str | None) -> bool:
    if project is not None and row.project != project:
        return False
    return account is None or may_see(account, projects.get(row.project or ""))


def _with_reading(row: Overview, reading: Mapping[str, Progress]) -> Overview:
    """Add how far the work has come whose subject is the acquisition, or a version that is read again."""
    found = reading.get(row.acquisition_id or "") or reading.get(row.version_id or "")
    return row.model_copy(update={"reading": found}) if found and row.stage in {None, Stage.DETECTED} else row


def _completed(tx: Transaction, row: Overview, kept: CopySummary) -> Overview:
    erasure = tx.erasures.of(row.dataset_id) if row.dataset_id and row.version_id is None else None
    if erasure is not None:
        return row.model_copy(update={"erased": erasure.words, "reason": erasure.words})
    row = row.model_copy(update=kept.facts(row.dataset_id))
    if row.version_id is None or row.stage is not Stage.PUBLISHED:
        return row
    standing: list[Publication] = [one for one in tx.datasets.publications(row.version_id) if not one.withdrawn_at]
    return row.model_copy(update={"published_url": standing[0].url}) if standing else row
