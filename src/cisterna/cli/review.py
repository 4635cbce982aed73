"""`cisterna review`: what the dashboard does, scripted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from cisterna.bootstrap.checklist import review_desk
from cisterna.cli.answer import AsJson, DryRun, Reason, answer, lines, table
from cisterna.cli.config import HomeOption
from cisterna.cli.opened import local_person, opened
from cisterna.cli.rehearsal import catalogue_for
from cisterna.cli.review_checklist import Inside, Overrule, Remark, Seen, Tick, checklist, given_answers
from cisterna.domain.errors import InvalidInput
from cisterna.domain.quarantine import KEPT_BACK
from cisterna.domain.review import Act
from cisterna.ports.roster import Group
from cisterna.services.approve import UNANSWERED, Answers, decide_by_checklist
from cisterna.services.discard import discard_version
from cisterna.services.overview import Choice, list_overviews, overview_of
from cisterna.services.review import decide

app = typer.Typer(no_args_is_help=True, help="The review queue, and decisions on it.")

Identifier = Annotated[str, typer.Argument(metavar="ID", help="A dataset, version, acquisition or PID.")]
Evidence = Annotated[
    str | None,
    typer.Option("--evidence", help="Digest of the evidence you saw (`show --json`); else the present one is taken."),
]


@app.command("list")
def list_(*, home: HomeOption = None, as_json: AsJson = False) -> None:
    """List what waits for a steward."""
    with opened(home) as parts:
        bucket = parts.archive_store.bucket
        found = list_overviews(Choice(group=Group.REVIEW), catalogue=parts.catalogue, bucket=bucket)
    rows = [row.model_dump(mode="json") for row in found]
    columns = {"dataset_id": "dataset", "version": "version", "verdict": "verdict"}
    told = {"title": "", "reason": ""}
    answer(rows, as_json=as_json, show=table(rows, columns, told=told, empty="Nothing waits for a review."))


def _decide(
    act: Act,
    identifier: str,
    *,
    reason: str,
    evidence: str | None,
    to: str | None = None,
    answers: Answers = UNANSWERED,
    inside: bool = False,
    dry_run: bool,
    home: Path | None,
) -> dict[str, object]:
    with opened(home) as parts:
        bucket = parts.archive_store.bucket
        row = overview_of(identifier, catalogue=parts.catalogue, bucket=bucket)
        if row.version_id is None:
            msg = f"{identifier} has no version to decide on yet: {row.reason}"
            raise InvalidInput(msg, identifier=identifier)
        facts: dict[str, Any] = {
            "person": local_person(parts),
            "reason": reason,
            "evidence_digest": evidence or row.evidence_digest or "",
            "catalogue": catalogue_for(parts.catalogue, dry_run=dry_run),
            "clock": parts.clock,
        }
        if act is Act.ACCEPT:
            decide_by_checklist(
                row.version_id, act, **facts, answers=answers, inside_only=inside, desk=review_desk(parts)
            )
        elif act is Act.DISCARD:
            discard_version(row.version_id, **facts, publisher=None if dry_run else parts.publisher)
        else:
            decide(row.version_id, act, **facts, assignee=to)
        return overview_of(row.version_id, catalogue=parts.catalogue, bucket=bucket).model_dump(mode="json")


def _although(document: Mapping[str, object], *, inside: bool) -> str:
    """Say what an acceptance means, for what the gate kept back above all."""
    kept_back = document["verdict"] in KEPT_BACK
    verdict = f" although {document['verdict'] or 'not judged'}" if kept_back else ""
    model = "; the project's model may run on it now" if kept_back else ""
    if inside:
        return f"{verdict}, for use inside alone{model}, and nothing is published on this word"
    return f"{verdict}{model}, and its owner may publish it" if kept_back else ""


def _command(act: Act, text: str) -> Callable[..., None]:
    def command(
        identifier: Identifier,
        *,
        reason: Reason,
        evidence: Evidence = None,
        dry_run: DryRun = False,
        home: HomeOption = None,
        as_json: AsJson = False,
    ) -> None:
        document = _decide(act, identifier, reason=reason, evidence=evidence, dry_run=dry_run, home=home)
        would = f"would {act.value} {document['version_id']}, now {document['stage']}"
        text = would if dry_run else f"{document['version_id']} is {document['stage']}"
        answer(document, as_json=as_json, show=lines(text))

    command.__doc__ = text
    return command


_DISCARD = """Give the data of a version up, for good; what is public is withdrawn, with your reason for all to read.

Nothing is made of them or published any more, and nothing opens the review again. The bytes stay archived until
retention lets them go. To reject is the milder act: it can be taken back.
"""
app.command()(checklist)


@app.command()
def accept(
    identifier: Identifier,
    *,
    reason: Reason,
    tick: Tick = None,
    overrule: Overrule = None,
    remark: Remark = None,
    seen: Seen = None,
    inside: Inside = False,
    evidence: Evidence = None,
    dry_run: DryRun = False,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Accept a version by the review checklist, or for use inside alone; not what you submitted yourself.

    `cisterna review checklist ID` shows the points. Of what is quarantined or not assessed, say why the findings do not
    matter: models may then run on it.
    """
    answers = given_answers(tick=tick, overrule=overrule, remark=remark, seen=seen)
    document = _decide(
        Act.ACCEPT,
        identifier,
        reason=reason,
        evidence=evidence,
        answers=answers,
        inside=inside,
        dry_run=dry_run,
        home=home,
    )
    would = f"would accept {document['version_id']}, now {document['stage']}"
    text = would if dry_run else f"{document['version_id']} is {document['stage']}{_although(document, inside=inside)}"
    answer(document, as_json=as_json, show=lines(text))


app.command("reject")(_command(Act.REJECT, "Reject a version; its bytes stay archived and it is never published."))
app.command("discard")(_command(Act.DISCARD, _DISCARD))
app.command("request-changes")(_command(Act.REQUEST_CHANGES, "Ask for changes; the version stays in review."))


@app.command()
def assign(
    identifier: Identifier,
    *,
    to: Annotated[str, typer.Option("--to", help="The steward's account name.", show_default=False)],
    reason: Reason,
    dry_run: DryRun = False,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Give a review to a steward."""
    document = _decide(Act.ASSIGN, identifier, reason=reason, evidence=None, to=to, dry_run=dry_run, home=home)
    verb = "would be" if dry_run else "is"
    answer(document, as_json=as_json, show=lines(f"{document['version_id']} {verb} with {to}"))
