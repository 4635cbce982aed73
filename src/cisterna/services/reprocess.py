"""Takes a researcher's request: the same data again from a named stage, or with a model. Nothing is overwritten."""

from __future__ import annotations

from datetime import timedelta

from cisterna.domain.account import Account
from cisterna.domain.base import Value
from cisterna.domain.dataset import ORDER, Dataset, Stage, StagedFile, Version, version_id
from cisterna.domain.digest import sha256_of, sha512_of
from cisterna.domain.errors import Conflict, Forbidden, IllegalTransition, InvalidInput
from cisterna.domain.permission import may_reprocess
from cisterna.domain.project import Project, ViewFormat
from cisterna.domain.work import Work, WorkKind, WorkState
from cisterna.metadata.record import Given
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.services.measurement import CHANNELS_PATH, CURVES_PATH, METRICS_PATH, PREVIEWS_PATH
from cisterna.services.person import require_account, visible_version
from cisterna.services.quarantine import require_free, require_not_given_up
from cisterna.services.transition import announce, announce_opened
from cisterna.services.trend import keep_samples
from cisterna.services.work_request import request_work

FROM_STAGES: tuple[Stage, ...] = (Stage.MEASURED, Stage.GATED, Stage.DESCRIBED)
"""The stages that can be done again; what comes after them follows."""

_UPLOAD = timedelta(seconds=1)
"""What is staged is on record before it is in the store: work that needs a sheet waits so long for its upload."""
_BEFORE = {Stage.MEASURED: Stage.DETECTED, Stage.GATED: Stage.MEASURED, Stage.DESCRIBED: Stage.GATED}
_KEPT = {
    Stage.MEASURED: frozenset[str](),
    Stage.GATED: frozenset(
        {
            "provenance/manifest.parquet",
            "provenance/parts.parquet",
            CHANNELS_PATH,
            CURVES_PATH,
            METRICS_PATH,
            PREVIEWS_PATH,
        }
    ),
}
"""Which files of ours stay as they are when work begins at a stage; `described` keeps all it does not write itself."""


class Reprocessing(Value):
    """What was asked for.

    Attributes:
        version: The revision that was opened, or the version that the model runs on.
        work: The work that does it.
    """

    version: Version
    work: Work


def request_reprocess(
    version: str,
    *,
    from_stage: Stage | None = None,
    model: str | None = None,
    convert: ViewFormat | None = None,
    edits: Given | None = None,
    sheet: tuple[str, bytes] | None = None,
    person: str,
    reason: str,
    catalogue: Catalogue,
    clock: Clock,
) -> Reprocessing:
    """Open a revision that goes through the stages again, or ask for something to be derived from the version.

    The revision row and the work are written together, so a kill leaves both or neither. `measured` reads the source
    again: other bytes make a new version, the same ones stay in the revision. The person is the revision's submitter
    and may therefore not approve it.

    Args:
        version: Id of the version to begin from; it has to be archived.
        from_stage: `measured`, `gated` or `described`; `gated` unless a model is named.
        model: Name of an admitted model; its result is a derived dataset.
        convert: The form in which the images are to be written once more, as a derived dataset.
        edits: What is said of the data from now on; the revision is described anew with it.
        sheet: Path and bytes of a sample sheet that the revision names; whoever asks uploads it to the place that the
            revision gives it.
        person: Account name of a researcher of the project, or its owner.
        reason: In words; it becomes the revision's cause.
        catalogue: Where it is recorded.
        clock: Dates it.

    Raises:
        Conflict: Another version of the dataset is on its way.
        Forbidden: The person may not ask for it.
        InvalidInput: There is no reason, or the stage is none that can be done again.
        NotFound: There is no such version, or the person may not know of it.
        Quarantined: Its data were discarded, or a model is asked for and the version is in quarantine.
    """
    words = reason.strip()
    if not words or len(words) > 10_000:
        msg = f"reprocessing {version} needs a reason in words, of at most 10,000 characters"
        raise InvalidInput(msg, version_id=version)
    derived = {name: one for name, one in (("model", model), ("format", convert)) if one is not None}
    if len(derived) + (from_stage is not None) > 1:
        raise InvalidInput("give a stage, a model or a form, one of them: what is derived is a dataset of its own")
    is_edit = edits is not None or sheet is not None
    if is_edit and (derived or from_stage not in {None, Stage.DESCRIBED}):
        raise InvalidInput("an edit of metadata describes the version anew; it goes with nothing else")
    begin = from_stage or (Stage.DESCRIBED if is_edit else Stage.GATED)
    if begin not in FROM_STAGES:
        names = ", ".join(stage.value for stage in FROM_STAGES)
        raise InvalidInput(f"'{begin.value}' cannot be done again; name one of: {names}", stage=begin.value)
    with catalogue.begin() as tx:
        account = require_account(tx, person)
        base, dataset, project = visible_version(tx, version, account)
        require_may_reprocess(account, base, project)
        if model is not None:
            require_free(tx, base)
        if derived:
            require_not_given_up(tx, base)
            asked = {**derived, "person": person, "reason": words}
            work = _ask_to_derive(tx, base, dataset, asked=asked, clock=clock)
            return Reprocessing(version=base, work=work)
        opened = _open_revision(tx, base, dataset, begin=begin, sheet=sheet, person=person, reason=words, clock=clock)
        work = request_work(
            tx,
            WorkKind.REPROCESS,
            opened.version_id,
            key=f"reprocess:{opened.version_id}:{1 + len(tx.inbox.list(subject=opened.version_id))}",
            parameters={
                "from_stage": begin.value,
                "base": base.version_id,
                "person": person,
                "reason": words,
                "edits": edits.model_dump(mode="json", exclude_none=True) if edits is not None else None,
            },
            fairness=dataset.instrument or "",
            not_before=clock.now() + _UPLOAD if sheet is not None else None,
            clock=clock,
        )
        return Reprocessing(version=opened, work=work)


def require_may_reprocess(account: Account, base: Version, project: Project | None) -> None:
    """Refuse somebody who may not ask for it, and a version that is not archived yet."""
    if not may_reprocess(account, project):
        msg = f"{account.name} may not ask for {base.version_id} to be processed again; a researcher of the project may"
        raise Forbidden(msg, person=account.name, version_id=base.version_id)
    if base.ocfl_version is None:
        msg = f"{base.version_id} is {base.stage.value} and not archived yet; wait until it is"
        raise IllegalTransition(msg, version_id=base.version_id, present=base.stage.value)


def _open_revision(
    tx: Transaction,
    base: Version,
    dataset: Dataset,
    *,
    begin: Stage,
    sheet: tuple[str, bytes] | None,
    person: str,
    reason: str,
    clock: Clock,
) -> Version:
    tx.datasets.lock(dataset.dataset_id)  # of two who ask at once the second sees the first one's revision
    require_not_given_up(tx, base)
    _drop_given_up(tx, dataset, clock=clock)
    siblings = tx.datasets.versions(dataset.dataset_id)
    on_its_way = [one for one in siblings if ORDER.index(one.stage) < ORDER.index(Stage.VERIFIED)]
    if on_its_way:
        msg = f"{on_its_way[0].version_id} is on its way ({on_its_way[0].stage.value}); wait until it is archived"
        raise Conflict(msg, version_id=on_its_way[0].version_id)
    if begin is Stage.MEASURED and dataset.acquisition_id is None:
        msg = f"{dataset.dataset_id} was derived and has no source to be read again; name a model instead"
        raise InvalidInput(msg, dataset_id=dataset.dataset_id)
    revision = 1 + max(one.revision for one in siblings if one.number == base.number)
    identifier = version_id(dataset.dataset_id, base.number, revision)
    now = clock.now()
    next_ocfl = 1 + max(one.ocfl_version or 0 for one in siblings)
    is_judged = begin is Stage.DESCRIBED
    staging = None if begin is Stage.MEASURED else f"v{next_ocfl}/content/{clock.new_id()}"
    opened = tx.datasets.add_version(
        Version(
            version_id=identifier,
            dataset_id=dataset.dataset_id,
            number=base.number,
            revision=revision,
            stage=_BEFORE[begin],
            stage_at=now,
            created_at=now,
            submitter=person,
            cause=reason,
            source_fingerprint=base.source_fingerprint,
            staging=staging,
            staged=_kept(base, begin) | (_named_sheet(*sheet, staging=staging) if sheet and staging else {}),
            manifest_digest=None if begin is Stage.MEASURED else base.manifest_digest,
            file_count=base.file_count,
            total_bytes=base.total_bytes,
            parts=base.parts,
            incomplete=base.incomplete,
            verdict=base.verdict if is_judged else None,
            reason=base.reason if is_judged else None,
        )
    )
    if is_judged:
        tx.datasets.set_findings(identifier, tx.datasets.findings(base.version_id))
        keep_samples(tx, base, opened)
    announce_opened(
        tx,
        opened,
        dataset,
        clock=clock,
        restricted=base.is_restricted,
        base=base.version_id,
        from_stage=begin.value,
    )
    return opened


def _drop_given_up(tx: Transaction, dataset: Dataset, *, clock: Clock) -> None:
    """Remove revisions that never were archived and that nobody works on any more, so that they bar no other."""
    for version in tx.datasets.versions(dataset.dataset_id):
        works = tx.inbox.list(subject=version.version_id)
        has_ended = bool(works) and all(work.state in {WorkState.FAILED, WorkState.DONE} for work in works)
        if version.revision and version.ocfl_version is None and has_ended:
            tx.datasets.remove_version(version)
            announce(
                tx,
                "version.removed",
                version.version_id,
                project=dataset.project,
                clock=clock,
                data={"dataset_id": dataset.dataset_id, "version": version.label, "reason": works[-1].outcome},
                restricted=version.is_restricted,
            )


def _kept(base: Version, begin: Stage) -> dict[str, StagedFile]:
    """Files of ours that stay; their bytes lie in the object already and are not copied."""
    if begin is Stage.DESCRIBED:
        return {path: file for path, file in base.staged.items() if path.startswith(("quality/", "provenance/"))}
    return {path: file for path, file in base.staged.items() if path in _KEPT[begin]}


def _named_sheet(path: str, body: bytes, *, staging: str) -> dict[str, StagedFile]:
    digest = sha512_of(body)
    content_path = f"{staging}/{digest[:40]}"
    named = StagedFile(content_path=content_path, sha512=digest, size_bytes=len(body), sha256=sha256_of(body))
    return {path: named}


def _ask_to_derive(tx: Transaction, base: Version, dataset: Dataset, *, asked: dict[str, str], clock: Clock) -> Work:
    kind = WorkKind.INFER if "model" in asked else WorkKind.CONVERT
    before = sum(1 for work in tx.inbox.list(subject=base.version_id) if work.kind is kind)
    return request_work(
        tx,
        kind,
        base.version_id,
        key=f"{kind.value}:{base.version_id}:{asked.get('model') or asked['format']}:{before + 1}",
        parameters=dict(asked),
        fairness=dataset.instrument or "",
        clock=clock,
    )
