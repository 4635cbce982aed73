"""`cisterna ingest`: bring in a folder by hand."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from cisterna.bootstrap import Parts
from cisterna.cli.answer import AsJson, DryRun, ExitCode, answer, lines
from cisterna.cli.config import HomeOption
from cisterna.cli.opened import local_person, opened
from cisterna.cli.waiting import WaitSeconds, await_that
from cisterna.domain.acquisition import AcquisitionState
from cisterna.domain.dataset import Stage
from cisterna.domain.finding import Verdict
from cisterna.domain.source_name import logical_path
from cisterna.domain.work import WorkState
from cisterna.services.overview import Overview, overview_of

_NOT_MOVING = frozenset({Stage.IN_REVIEW, Stage.REJECTED, Stage.PUBLISHED, Stage.WITHDRAWN})
_NEEDS_A_PERSON = frozenset(
    {AcquisitionState.ABORTED, AcquisitionState.PARTIAL, AcquisitionState.STALLED, AcquisitionState.UNAVAILABLE}
)


def ingest(
    path: Annotated[Path, typer.Argument(help="The folder of one run; bringing it in claims that it is finished.")],
    *,
    profile: Annotated[str, typer.Option("--profile", help="How it was written, such as squid.", show_default=False)],
    project: Annotated[
        str | None, typer.Option("--project", help="Its project; else the one it is bound to, else `test`.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Return when the version rests.")] = False,
    wait_seconds: WaitSeconds = 3600.0,
    dry_run: DryRun = False,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Bring in a folder by hand."""
    from cisterna.services.claim import claim_folder

    folder = path.absolute()
    with opened(home) as parts:
        found = parts.profile(profile)
        if dry_run:
            document: dict[str, Any] = {"path": str(folder), "profile": profile, "project": project}
            answer(document, as_json=as_json, show=lines(f"would bring in {folder} as {profile} for project {project}"))
            return
        claimed = claim_folder(
            logical_path(os.fsencode(folder.name)),
            path=str(folder.parent),
            zone=parts.zone_at(folder.parent),
            profile=found,
            submitter=local_person(parts),
            project=project,
            catalogue=parts.catalogue,
            clock=parts.clock,
            resolve_project=parts.find_project(str(folder.parent)),
            outside=parts.outside,
            fallback="test",
        )
        row = _await_rest(claimed.acquisition_id, parts, wait_seconds) if wait else _row(claimed.acquisition_id, parts)
    needs_person = row.held is not None or row.state in _NEEDS_A_PERSON
    passed = row.verdict is Verdict.PASSED or not wait
    code = ExitCode.DONE if passed and not needs_person else ExitCode.PERSON_NEEDED
    answer(row.model_dump(mode="json"), as_json=as_json, show=lines(_sentence(row)), code=code)


def _await_rest(acquisition_id: str, parts: Parts, wait_seconds: float) -> Overview:
    def look() -> Overview | None:
        row = _row(acquisition_id, parts)
        return row if _rests(row, parts) else None

    return await_that(look, catalogue=parts.catalogue, wait_seconds=wait_seconds, what=f"ingesting {acquisition_id}")


def _row(acquisition_id: str, parts: Parts) -> Overview:
    return overview_of(acquisition_id, catalogue=parts.catalogue, bucket=parts.archive_store.bucket)


def _rests(row: Overview, parts: Parts) -> bool:
    """Tell whether nothing more happens to it without a person: no work is ready or under way, or it is held."""
    with parts.catalogue.begin() as tx:
        work = list(tx.inbox.list(subject=row.acquisition_id))
        if row.version_id:
            work += [one for one in tx.inbox.list(subject=row.version_id) if one.kind.value == "publish"]
    moving = any(one.state in {WorkState.READY, WorkState.LEASED} for one in work)
    if moving:
        return False
    return (
        row.held is not None or row.stage in _NOT_MOVING or row.stage is Stage.ACCEPTED or row.state in _NEEDS_A_PERSON
    )


def _sentence(row: Overview) -> str:
    where = f" at {row.published_url}" if row.published_url else ""
    if row.stage is None:
        return f"{row.acquisition_id}: {row.held or row.reason}"
    verdict = row.verdict.value if row.verdict else "none"
    return f"{row.version_id} is {row.stage.value}{where}; verdict {verdict}: {row.reason}"
