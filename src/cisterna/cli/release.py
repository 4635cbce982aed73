"""`cisterna release`: which source copies may go, each with its proof, and letting them go."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cisterna.bootstrap import Parts
from cisterna.cli.answer import AsJson, DryRun, ExitCode, answer, human_bytes, lines, table
from cisterna.cli.config import HomeOption
from cisterna.cli.opened import local_person, opened
from cisterna.cli.rehearsal import catalogue_for
from cisterna.domain.errors import CisternaError, CouldNotCheck, InvalidInput, ReleaseRefused
from cisterna.domain.release import Release
from cisterna.services.overview import overview_of
from cisterna.services.release_plan import Candidate, announce_release, cancel_release, list_candidates


def release(
    identifier: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="One acquisition, dataset or PID; without it, all.")
    ] = None,
    *,
    instrument: Annotated[str | None, typer.Option("--instrument", help="Only this instrument's.")] = None,
    execute: Annotated[
        bool, typer.Option("--execute", help="Announce what may go; it is deleted when the undo window is over.")
    ] = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="Take the announced release of ID back.")] = False,
    reason: Annotated[str | None, typer.Option("--reason", help="Why it is cancelled.")] = None,
    dry_run: DryRun = False,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """List which source copies may go and why the others may not; nothing is deleted without --execute."""
    if cancel and (execute or instrument or identifier is None or not reason):
        raise InvalidInput("--cancel takes an ID and a --reason, and neither --execute nor --instrument")
    if reason and not cancel:
        raise InvalidInput("--reason goes with --cancel")
    with opened(home) as parts:
        person = local_person(parts)
        acquisition_id = _acquisition(identifier, parts) if identifier else None
        if cancel and acquisition_id and reason:
            ended = cancel_release(
                acquisition_id,
                person=person,
                reason=reason,
                catalogue=catalogue_for(parts.catalogue, dry_run=dry_run),
                clock=parts.clock,
            )
            verb = "would be cancelled" if dry_run else "is cancelled"
            answer(
                ended.model_dump(mode="json"), as_json=as_json, show=lines(f"the release of {acquisition_id} {verb}")
            )
            return
        found = list_candidates(
            person=person, site=parts.release_site, acquisition_id=acquisition_id, instrument=instrument
        )
        rows = [_row(one, _announced(one, person, parts) if execute and not dry_run else None) for one in found]
    columns = {
        "acquisition_id": "acquisition",
        "name": "run",
        "source_state": "source",
        "size": "size",
        "is": "release",
    }
    code, said = _sum_up(rows, asked=identifier is not None)
    show = table(rows, columns, told={"reason": "", "proof": "proof"}, empty="No source copy is archived yet.")
    answer({"reason": said, "execute": execute and not dry_run, "sources": rows}, as_json=as_json, show=show, code=code)


def _acquisition(identifier: str, parts: Parts) -> str:
    row = overview_of(identifier, catalogue=parts.catalogue, bucket=parts.archive_store.bucket)
    if row.acquisition_id is None:
        msg = f"{identifier} was derived and has no source at an instrument"
        raise InvalidInput(msg, identifier=identifier)
    return row.acquisition_id


def _announced(candidate: Candidate, person: str, parts: Parts) -> Release | CisternaError | None:
    """Announce what may go; what speaks against one is told in its row and stops no other."""
    may_go = candidate.release is not None or (candidate.judgement is not None and candidate.judgement.allows)
    if not may_go:
        return None
    try:
        return announce_release(candidate.acquisition_id, person=person, site=parts.release_site)
    except (ReleaseRefused, CouldNotCheck) as refusal:
        return refusal


def _row(candidate: Candidate, announced: Release | CisternaError | None) -> dict[str, Any]:
    judgement = candidate.judgement
    release = announced if isinstance(announced, Release) else candidate.release
    row = candidate.model_dump(mode="json")
    row["release"] = release.model_dump(mode="json") if release else None
    row["size"] = human_bytes(candidate.total_bytes)
    row["proof"] = [
        f"{one.store}: {one.files_read} files read back {one.verified_at:%Y-%m-%d %H:%M} UTC"
        for one in (judgement.receipts if judgement else release.proof.receipts if release and release.proof else ())
    ]
    if release is not None:
        row["is"] = release.state.value
        due = f"due {release.due_at:%Y-%m-%d %H:%M} UTC; `cisterna release --cancel` takes it back"
        row["reason"] = release.reason or (due if release.proof is None else "its deletion is under way")
    elif isinstance(announced, CisternaError) or judgement is None:
        row["is"], row["reason"] = "stays", str(announced or candidate.problem)
    elif judgement.allows:
        row["is"], row["reason"] = "may go", "everything allows it; --execute announces it"
    else:
        is_unknown = all(one.is_unknown for one in judgement.objections)
        row["is"], row["reason"] = "could not check" if is_unknown else "stays", judgement.words
    return row


def _sum_up(rows: list[dict[str, Any]], *, asked: bool) -> tuple[ExitCode, str]:
    """One that was asked for by name and stays is a refusal; in a list of all it is no failure."""
    kinds = [row["is"] for row in rows]
    said = f"{kinds.count('may go')} may go, {kinds.count('announced')} announced, {kinds.count('stays')} stay"
    if "could not check" in kinds:
        return ExitCode.COULD_NOT_CHECK, f"{said}, {kinds.count('could not check')} could not be checked"
    if asked and rows and kinds[0] == "stays":
        return ExitCode.PERSON_NEEDED, str(rows[0]["reason"])
    return ExitCode.DONE, said
