"""One row per acquisition or dataset: what `show`, `list`, `ingest --wait`, the API and the dashboard all show."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from cisterna.domain.account import Account
from cisterna.domain.acquisition import Acquisition, AcquisitionState, SourceState
from cisterna.domain.base import Value
from cisterna.domain.dataset import ORDER, Dataset, Stage, Version
from cisterna.domain.errors import InvalidInput, NotFound
from cisterna.domain.finding import Verdict
from cisterna.domain.fixity import Fixity
from cisterna.domain.permission import may_see
from cisterna.domain.progress import Progress
from cisterna.domain.writing import Forecast, forecast
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.roster import Entry, Group, Key, Tally, Wanted
from cisterna.services.copy_summary import copy_facts

_AT_ONCE = 1000
_MOST_WORDS = 200


class Overview(Value):
    """An acquisition and its dataset's newest version, or a derived dataset's; None where something is not there yet.

    Attributes:
        version: The version's label, `vN` or `vN.M`; `version_id` is its full id.
        reason: Why it is held or its ingest was put off, else what the gate said, else why the acquisition is in its
            state; never empty.
        pid: From `described` on.
        object_url: `s3://bucket/object-root`, from `archived` on.
        progress: Share of the expected files that are there, 0 to 1.
        writing: How fast the instrument writes it, and when it will have written all, as of the last look; None once it
            is not written any more.
        ahead_files: Read ahead while it is written.
        ahead_bytes: Of those.
        reading: How far an attempt that goes on now has come with the bytes, how fast, and when it was asked.
        published_url: Of the publication that stands.
        parts: How many parts hold its files; 0 where its own object does.
        derived: Ids of datasets made from this one.
        erased: When its data were erased, by whom and under which decision; None while they are there.
        fixity: The worst that was found of the object in any store, until it is repaired; `fixity_reason` says where.
        in_shadow: Whether its instrument is in shadow mode: nothing of it is deleted at the source, or published.
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
    writing: Forecast | None = None
    ahead_files: int = 0
    ahead_bytes: int = 0
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
    in_shadow: bool = False
    copies: int = 0
    copies_wanted: int = 0
    first_seen: datetime | None = None
    completed_at: datetime | None = None
    created_at: datetime | None = None
    changed_at: datetime

    @property
    def identifier(self) -> str:
        """What to ask for to see it again."""
        return self.dataset_id or self.acquisition_id or ""


class Choice(Value):
    """Which rows somebody asks for; what is None leaves none out.

    Attributes:
        words: Found in the title, the folder's name or the PID, in whatever case.
    """

    project: str | None = None
    instrument: str | None = None
    group: Group | None = None
    words: str | None = None


EVERYTHING = Choice()


def list_overviews(
    choice: Choice = EVERYTHING,
    *,
    catalogue: Catalogue,
    bucket: str,
    account: Account | None = None,
    limit: int | None = None,
    offset: int = 0,
) -> Sequence[Overview]:
    """Give a row for each acquisition and each derived dataset, latest change first; parts are in their whole's.

    Those in review come by the gravest verdict, then the longest wait. What is left out is not read: a page costs
    what is on it.

    Args:
        choice: Which ones.
        catalogue: What is true now.
        bucket: Of the archive.
        account: Whose rows: those of other projects are left out. None leaves nothing out (the command line at home).
        limit: At most that many.
        offset: So many of the first are passed over.

    Raises:
        InvalidInput: The words are no plain text of up to 200 characters.
    """
    with catalogue.begin() as tx:
        keys = tx.roster.keys(_wanted(tx, choice, account), limit=limit, offset=offset)
        reading, put_off = tx.inbox.progress(), tx.inbox.put_off()
        stores, shadowed = tx.copies.stores(), _shadowed(tx)
        pages = (tx.roster.entries(keys[start : start + _AT_ONCE]) for start in range(0, len(keys), _AT_ONCE))
        rows = [
            _row(entry, stores=stores, shadowed=shadowed, reading=reading, put_off=put_off, bucket=bucket)
            for page in pages
            for entry in page
        ]
        return _with_pace(tx, rows)


def count_overviews(choice: Choice = EVERYTHING, *, catalogue: Catalogue, account: Account | None = None) -> int:
    """Count the rows that `list_overviews` gives without a limit. Raises `InvalidInput`, as it does."""
    with catalogue.begin() as tx:
        return tx.roster.count(_wanted(tx, choice, account))


def tally_instruments(*, catalogue: Catalogue, account: Account | None = None) -> Mapping[str, Tally]:
    """Count, by instrument, the acquisitions that the person may see."""
    with catalogue.begin() as tx:
        return tx.roster.tallies(_wanted(tx, EVERYTHING, account))


def _wanted(tx: Transaction, choice: Choice, account: Account | None) -> Wanted:
    words = (choice.words or "").strip()
    if not words.isprintable() or len(words) > _MOST_WORDS:
        raise InvalidInput(f"what to look for must be plain text of at most {_MOST_WORDS} characters")
    told = {one.slug for one in tx.projects.list() if account is None or may_see(account, one)}
    if choice.project is not None:
        told &= {choice.project}
    is_unbounded = account is None and choice.project is None
    return Wanted(
        group=choice.group,
        projects=None if is_unbounded else frozenset(told),
        unclaimed=choice.project is None and (account is None or may_see(account, None)),
        instrument=choice.instrument,
        words=words or None,
    )


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
    key = Key(
        acquisition_id=acquisition.acquisition_id if acquisition else None,
        dataset_id=dataset.dataset_id if dataset else None,
    )
    (entry,) = tx.roster.entries([key])
    reading, put_off = tx.inbox.progress(), tx.inbox.put_off()
    row = _row(
        entry,
        version=version,
        stores=tx.copies.stores(),
        shadowed=_shadowed(tx),
        reading=reading,
        put_off=put_off,
        bucket=bucket,
    )
    return _with_pace(tx, [row])[0]


def _with_pace(tx: Transaction, rows: Sequence[Overview]) -> list[Overview]:
    """Add to the rows of runs that are written how they come on, and how much of them was read ahead."""
    written = [
        row.acquisition_id
        for row in rows
        if row.state is AcquisitionState.WRITING and row.acquisition_id is not None and row.stage is None
    ]
    writings, aheads = tx.writings.of(written), tx.aheads.of(written)
    done: list[Overview] = []
    for row in rows:
        identity = row.acquisition_id or ""
        facts: dict[str, object] = {}
        if identity in writings:
            facts["writing"] = forecast(writings[identity])
        if identity in aheads:
            facts |= {"ahead_files": aheads[identity].files, "ahead_bytes": aheads[identity].bytes}
        done.append(row.model_copy(update=facts) if facts else row)
    return done


def _shadowed(tx: Transaction) -> frozenset[str]:
    return frozenset(one.name for one in tx.instruments.list() if one.in_shadow)


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
    entry: Entry,
    *,
    stores: Sequence[str],
    shadowed: Collection[str],
    reading: Mapping[str, Progress],
    put_off: Mapping[str, str],
    bucket: str,
    version: Version | None = None,
) -> Overview:
    """Put a row together, of its newest version or of the one that is asked for."""
    shown = version or (entry.versions[-1] if entry.versions else None)
    is_archived = any(one.is_archived for one in entry.versions)
    row = Overview.model_validate(
        _of_acquisition(entry.acquisition)
        | _of_dataset(entry.dataset, entry.derived, bucket, is_archived=is_archived)
        | _of_version(shown)
        | _judged(entry.acquisition, entry.dataset, shown)
    )
    facts: dict[str, object] = {"in_shadow": row.instrument in shadowed}
    if row.version_id is None and entry.erasure is not None:
        facts |= {"erased": entry.erasure.words, "reason": entry.erasure.words}
    elif row.version_id is not None:
        facts |= copy_facts(entry, stores=stores)
    found = reading.get(row.acquisition_id or "") or reading.get(row.version_id or "")
    if found and row.stage in {None, Stage.DETECTED}:
        facts["reading"] = found
    waits = put_off.get(row.acquisition_id or "") or put_off.get(row.version_id or "")
    if waits and row.held is None and row.stage in {None, Stage.DETECTED}:
        facts["reason"] = waits
    if row.stage is Stage.PUBLISHED:
        standing = [one for one in entry.publications if one.version_id == row.version_id and not one.withdrawn_at]
        facts["published_url"] = standing[0].url if standing else None
    return row.model_copy(update=facts)


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
    dataset: Dataset | None, derived: Sequence[str], bucket: str, *, is_archived: bool
) -> dict[str, object]:
    if dataset is None:
        return {}
    facts: dict[str, object] = {
        "dataset_id": dataset.dataset_id,
        "title": dataset.title,
        "data_type": dataset.data_type,
        "model": dataset.model,
        "pid": dataset.pid if is_archived else None,
        "object_url": f"s3://{bucket}/{dataset.object_root}" if is_archived else None,
        "derived": tuple(derived),
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
