"""`cisterna quality`: what the gate saw and said, as files to keep and to hand on."""

from __future__ import annotations

import typer

from cisterna.cli.quality_export import export
from cisterna.cli.quality_report import report

app = typer.Typer(no_args_is_help=True, help="What the gate saw and said of data, as files to keep and to hand on.")

app.command("report")(report)
app.command("export")(export)
