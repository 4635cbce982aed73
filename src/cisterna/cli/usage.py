"""`cisterna usage`: what each project uses, month by month."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cisterna.cli.answer import AsJson, answer, human_bytes, table
from cisterna.cli.config import HomeOption
from cisterna.cli.opened import local_account, opened
from cisterna.domain.month import month_of, read_month


def usage(
    *,
    project: Annotated[str | None, typer.Option("--project", help="Only this project's.")] = None,
    month: Annotated[
        str | None,
        typer.Option("--month", metavar="YYYY-MM", help="Of this month (UTC); else of the one that goes on."),
    ] = None,
    since: Annotated[
        str | None, typer.Option("--from", metavar="YYYY-MM", help="From this month on, up to --month.")
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, for table programs.")] = False,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Sum up what each project used by month: data archived and in each store, and what was delivered."""
    from cisterna.services.usage import UNCLAIMED, usage_csv, usage_of

    with opened(home) as parts:
        last = read_month(month) if month else month_of(parts.clock.now())
        found = usage_of(
            first=read_month(since) if since else last,
            last=last,
            account=local_account(parts),
            project=project,
            catalogue=parts.catalogue,
        )
    if as_csv and not as_json:
        sys.stdout.write(usage_csv(found))
        sys.stdout.flush()
        return
    rows = [
        {
            "project": row.project or UNCLAIMED,
            "month": row.month,
            "datasets": row.datasets,
            "versions": row.versions,
            "archived": human_bytes(row.total_bytes),
            "added": human_bytes(row.bytes_added),
            "delivered": human_bytes(row.delivered_bytes),
            "stores": [f"{name} {human_bytes(held.total_bytes)}" for name, held in row.stores.items()],
        }
        for row in found.rows
    ]
    columns = {
        "project": "project",
        "month": "month",
        "datasets": "datasets",
        "versions": "versions",
        "archived": "archived",
        "added": "came in",
        "delivered": "delivered",
    }
    empty = "No project had anything in these months."
    answer(
        found.model_dump(mode="json"), as_json=as_json, show=table(rows, columns, told={"stores": "in"}, empty=empty)
    )
