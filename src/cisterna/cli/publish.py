"""`cisterna publish`, `withdraw` and `reprocess`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from cisterna.bootstrap import Parts
from cisterna.cli.answer import AsJson, DryRun, ExitCode, Reason, answer, lines
from cisterna.cli.config import HomeOption
from cisterna.cli.opened import local_person, opened
from cisterna.cli.rehearsal import catalogue_for
from cisterna.cli.review import Identifier
from cisterna.cli.waiting import WaitSeconds, await_that, await_work
from cisterna.domain.dataset import Stage
from cisterna.domain.deposit import DepositState, DepositWish
from cisterna.domain.errors import InvalidInput, PublicationRefused
from cisterna.domain.project import ViewFormat
from cisterna.domain.publishing import embargo_alone, publication_cautions
from cisterna.domain.review import Decision, standing_consent
from cisterna.services.consent import revoke_consent
from cisterna.services.deposit_wish import request_deposit
from cisterna.services.overview import Overview, overview_of
from cisterna.services.publish import bars_to_publication, request_publication, withdraw_version
from cisterna.services.reprocess import request_reprocess

TargetOption = Annotated[
    str | None, typer.Option("--target", help="Send a public version to this place outside.", show_default=False)
]


def _row(identifier: str, parts: Parts) -> tuple[Overview, str]:
    row = overview_of(identifier, catalogue=parts.catalogue, bucket=parts.archive_store.bucket)
    if row.version_id is None:
        msg = f"{identifier} has no version yet: {row.reason}"
        raise InvalidInput(msg, identifier=identifier)
    return row, row.version_id


def publish(
    identifier: Identifier,
    *,
    target: TargetOption = None,
    wait_seconds: WaitSeconds = 300.0,
    dry_run: DryRun = False,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Make an accepted version public at the configured targets; returns when it is.

    Under an embargo your consent is kept, and it becomes public by itself when that ends.
    With --target, send a version that is public already to that place outside.
    """
    with opened(home) as parts:
        row, version_id = _row(identifier, parts)
        person = local_person(parts)
        if target is not None:
            _send(version_id, target, person=person, parts=parts, wait=wait_seconds, dry_run=dry_run, as_json=as_json)
            return
        with parts.catalogue.begin() as tx:
            cautions = publication_cautions(tx.datasets.get_version(version_id))
        if dry_run:
            text = _rehearsed(version_id, person, parts)
        else:
            asked = request_publication(version_id, person=person, catalogue=parts.catalogue, clock=parts.clock)
            text = f"{version_id} is under embargo; your consent is kept, and it becomes public when that ends"
            if not isinstance(asked, Decision):
                await_work(asked.work_id, catalogue=parts.catalogue, wait_seconds=wait_seconds)
                row, _ = _row(version_id, parts)
                text = f"{version_id} is public at {row.published_url}"
    document = {**row.model_dump(mode="json"), "cautions": list(cautions)}
    answer(document, as_json=as_json, show=lines(text, *(f"caution: {caution}" for caution in cautions)))


def _rehearsed(version_id: str, person: str, parts: Parts) -> str:
    bars = bars_to_publication(version_id, person=person, catalogue=parts.catalogue, clock=parts.clock)
    day = embargo_alone(bars)
    if bars and day is None:
        raise PublicationRefused("; ".join(f"{bar.condition}: {bar.remedy}" for bar in bars), version_id=version_id)
    return f"would publish {version_id}" + (f" on {day.isoformat()} at 00:00 UTC" if day else "")


def _send(
    version_id: str, target: str, *, person: str, parts: Parts, wait: float, dry_run: bool, as_json: bool
) -> None:
    """Send a version to a place outside, and wait until that has come to rest."""
    wish = request_deposit(
        version_id,
        target,
        targets=parts.targets,
        person=person,
        catalogue=catalogue_for(parts.catalogue, dry_run=dry_run),
        clock=parts.clock,
    )

    def look() -> DepositWish | None:
        with parts.catalogue.begin() as tx:
            found = tx.deposits.find(wish.key)
        return found if found is not None and found.next_at is None else None

    if not dry_run:
        what = f"sending {version_id} to {target}"
        wish = await_that(look, catalogue=parts.catalogue, wait_seconds=wait, what=what)
    is_there = dry_run or wish.state is DepositState.DEPOSITED
    stands = wish.deposit
    where = (stands.doi or stands.address or stands.outside_id) if stands else ""
    text = f"would send {version_id} to {target}" if dry_run else f"{version_id} at {target}: {wish.state} {where}"
    document = {**wish.model_dump(mode="json"), "dry_run": dry_run, "reason": wish.problem or text}
    code = ExitCode.DONE if is_there else ExitCode.PERSON_NEEDED
    answer(document, as_json=as_json, show=lines(text, *([wish.problem] if wish.problem else [])), code=code)


def withdraw(
    identifier: Identifier,
    *,
    reason: Reason,
    dry_run: DryRun = False,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Take a published version back; its landing page becomes a tombstone and its bytes stay archived.

    Of one that is not public yet the consent to its publication is taken back.
    """
    with opened(home) as parts:
        row, version_id = _row(identifier, parts)
        person, catalogue = local_person(parts), catalogue_for(parts.catalogue, dry_run=dry_run)
        is_consent = _is_agreed(version_id, parts)
        if is_consent:
            revoke_consent(version_id, person=person, reason=reason, catalogue=catalogue, clock=parts.clock)
        else:
            withdraw_version(
                version_id,
                person=person,
                reason=reason,
                catalogue=catalogue,
                publisher=None if dry_run else parts.publisher,
                clock=parts.clock,
            )
        row, _ = _row(version_id, parts)
    what = f"the consent to the publication of {version_id}" if is_consent else version_id
    text = f"would withdraw {what}" if dry_run else f"{what} is withdrawn"
    answer(row.model_dump(mode="json"), as_json=as_json, show=lines(text))


def _is_agreed(version_id: str, parts: Parts) -> bool:
    """Tell whether somebody has agreed to what is not public yet."""
    with parts.catalogue.begin() as tx:
        version, decisions = tx.datasets.get_version(version_id), tx.datasets.decisions(version_id)
    given = standing_consent(decisions, evidence_digest=version.evidence_digest)
    return given is not None and version.stage not in {Stage.PUBLISHED, Stage.WITHDRAWN}


class FromStage(StrEnum):
    """The stages that can be done again; what comes after them follows."""

    MEASURED = Stage.MEASURED
    GATED = Stage.GATED
    DESCRIBED = Stage.DESCRIBED


def reprocess(
    identifier: Identifier,
    *,
    reason: Reason,
    from_stage: Annotated[FromStage | None, typer.Option("--from", help="measured, gated or described.")] = None,
    model: Annotated[str | None, typer.Option("--model", help="Name of an admitted model.")] = None,
    convert: Annotated[ViewFormat | None, typer.Option("--convert", help="A form for viewing.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Return when it is done.")] = False,
    wait_seconds: WaitSeconds = 600.0,
    dry_run: DryRun = False,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Process a version again from a stage, with a model, or into a form for viewing; nothing is overwritten."""
    with opened(home) as parts:
        row, version_id = _row(identifier, parts)
        if model:
            parts.inference.card(model)  # refuses an unknown model before any work is asked for
        asked = request_reprocess(
            version_id,
            from_stage=Stage(from_stage) if from_stage else None,
            model=model,
            convert=convert,
            person=local_person(parts),
            reason=reason,
            catalogue=catalogue_for(parts.catalogue, dry_run=dry_run),
            clock=parts.clock,
        )
        if dry_run:
            text = f"would process {version_id} again"
            if model or convert:
                text = f"would run {model} on {version_id}" if model else f"would convert {version_id} to {convert}"
            answer(row.model_dump(mode="json"), as_json=as_json, show=lines(text))
            return
        outcome = "requested"
        if wait:
            outcome = await_work(asked.work.work_id, catalogue=parts.catalogue, wait_seconds=wait_seconds).outcome or ""
        row, _ = _row(asked.version.version_id, parts)
    document = {**row.model_dump(mode="json"), "work_id": asked.work.work_id, "outcome": outcome}
    answer(document, as_json=as_json, show=lines(f"{asked.version.version_id}: {outcome}"), code=ExitCode.DONE)
