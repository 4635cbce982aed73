"""`cisterna alerts`: what should be looked at while instruments still write."""

from __future__ import annotations

from typing import Annotated

import typer

from cisterna.bootstrap.alert_sinks import try_target
from cisterna.cli.answer import AsJson, DryRun, Reason, answer, lines, table
from cisterna.cli.config import HomeOption
from cisterna.cli.opened import local_account, local_person, opened
from cisterna.cli.rehearsal import catalogue_for
from cisterna.services.alert import acknowledge_alert, list_alerts

app = typer.Typer(
    invoke_without_command=True,
    help="What should be looked at while instruments still write; without a command, list it.",
)


@app.callback()
def list_(
    context: typer.Context,
    *,
    closed: Annotated[bool, typer.Option("--closed", help="Also those that stand no longer.")] = False,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """What should be looked at while instruments still write; without a command, list it."""
    if context.invoked_subcommand is not None:
        return
    with opened(home) as parts:
        found = list_alerts(account=local_account(parts), catalogue=parts.catalogue, closed=closed)
    rows = [one.model_dump(mode="json") for one in found]
    for row, one in zip(rows, found, strict=True):
        known = one.acknowledged
        row["known"] = f"{known.person}: {known.reason}" if known else None
    columns = {
        "alert_id": "alert",
        "kind": "kind",
        "severity": "severity",
        "instrument": "instrument",
        "acquisition_id": "acquisition",
        "count": "places",
        "raised_at": "raised",
    }
    told = {"words": "", "advice": "", "known": "known to", "closed_reason": "stands no longer"}
    answer(rows, as_json=as_json, show=table(rows, columns, told=told, empty="No run has an alert."))


@app.command()
def acknowledge(
    alert_id: Annotated[str, typer.Argument(metavar="ID", help="The alert's own id, see `cisterna alerts`.")],
    *,
    reason: Reason,
    dry_run: DryRun = False,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Say that you know of an alert, as a steward of the project or an operator."""
    with opened(home) as parts:
        alert = acknowledge_alert(
            alert_id,
            person=local_person(parts),
            reason=reason,
            catalogue=catalogue_for(parts.catalogue, dry_run=dry_run),
            clock=parts.clock,
        )
    text = f"{alert.alert_id} {'would be' if dry_run else 'is'} acknowledged: {alert.words}"
    answer({**alert.model_dump(mode="json"), "dry_run": dry_run}, as_json=as_json, show=lines(text))


@app.command("test")
def try_(
    name: Annotated[str, typer.Argument(metavar="TARGET", help="Of the target, as in alerts.targets.")],
    *,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Send a message to a target, to see whether it arrives."""
    with opened(home) as parts:
        try_target(name, parts.settings, catalogue=parts.catalogue, base_url=parts.base_url)
    answer({"target": name, "taken": True}, as_json=as_json, show=lines(f"{name} has taken a message"))
