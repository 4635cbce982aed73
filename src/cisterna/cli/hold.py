"""`cisterna hold`: what must stay where it is, and who says so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from cisterna.cli.answer import AsJson, DryRun, Reason, answer, lines, table
from cisterna.cli.config import HomeOption
from cisterna.cli.opened import local_account, local_person, opened
from cisterna.cli.protected import protected_now, protection_lines
from cisterna.cli.rehearsal import catalogue_for
from cisterna.domain.hold import Hold
from cisterna.domain.protection import Protection
from cisterna.services.hold import lift_hold, list_holds, place_hold

app = typer.Typer(no_args_is_help=True, help="Data that must not be deleted, and who says so.")


@app.command()
def place(
    target: Annotated[str, typer.Argument(metavar="ID", help="An acquisition, dataset, PID or project.")],
    *,
    reason: Reason,
    legal: Annotated[
        bool, typer.Option("--legal", help="Have the stores hold every object of it too (S3 legal hold).")
    ] = False,
    dry_run: DryRun = False,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Place a hold; nothing of it is released, expired or erased until it is lifted."""
    told = "would hold {0.target}" if dry_run else "{0.target} is held: {0.hold_id}"
    act = partial(place_hold, legal=legal)
    _change(act, target, told, reason=reason, dry_run=dry_run, home=home, as_json=as_json)


@app.command()
def lift(
    hold_id: Annotated[str, typer.Argument(metavar="HOLD", help="The hold's own id, see `cisterna hold list`.")],
    *,
    reason: Reason,
    dry_run: DryRun = False,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Lift a hold that you placed, or as a steward of the project."""
    told = "would lift the hold on {0.target}" if dry_run else "the hold on {0.target} is lifted"
    _change(lift_hold, hold_id, told, reason=reason, dry_run=dry_run, home=home, as_json=as_json)


def _change(
    act: Callable[..., Hold],
    identifier: str,
    told: str,
    *,
    reason: str,
    dry_run: bool,
    home: Path | None,
    as_json: bool,
) -> None:
    with opened(home) as parts:
        hold = act(
            identifier,
            person=local_person(parts),
            reason=reason,
            catalogue=catalogue_for(parts.catalogue, dry_run=dry_run),
            clock=parts.clock,
        )
        stores = protected_now(hold, parts) if hold.legal and not dry_run else []
    _answer(hold, told.format(hold), stores, dry_run=dry_run, as_json=as_json)


@app.command("list")
def list_(
    *,
    lifted: Annotated[bool, typer.Option("--lifted", help="Also those that were lifted.")] = False,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """List the holds."""
    with opened(home) as parts:
        found = list_holds(account=local_account(parts), catalogue=parts.catalogue, lifted=lifted)
    rows = [one.model_dump(mode="json") for one in found]
    columns = {
        "hold_id": "hold",
        "scope": "on",
        "target": "id",
        "person": "by",
        "placed_at": "placed",
        "legal": "legal",
    }
    told = {"reason": "", "lifted_by": "lifted by", "lifted_reason": "lifted because"}
    answer(rows, as_json=as_json, show=table(rows, columns, told=told, empty="Nothing is held."))


def _answer(hold: Hold, text: str, stores: Sequence[Protection], *, dry_run: bool, as_json: bool) -> None:
    document = {
        **hold.model_dump(mode="json"),
        "stores": [one.model_dump(mode="json") for one in stores],
        "dry_run": dry_run,
    }
    answer(document, as_json=as_json, show=lines(text, *protection_lines(stores)))
