"""The tree of commands. Nothing heavy is imported here, so that `--help` answers at once."""

from __future__ import annotations

import typer

from cisterna.cli import config, dataset, instrument, metadata, model, project, publish, review
from cisterna.cli.doctor import doctor
from cisterna.cli.ingest import ingest
from cisterna.cli.up import up

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
    help="Carry what instruments write to checked, described, archived, citable datasets.",
)
app.command()(up)
app.command()(doctor)
app.command()(ingest)
app.command("list")(dataset.list_)
app.command()(dataset.show)
app.command()(dataset.check)
app.command()(dataset.restore)
app.command()(dataset.lineage)
app.command()(publish.publish)
app.command()(publish.withdraw)
app.command()(publish.reprocess)
app.add_typer(metadata.app, name="metadata")
app.add_typer(review.app, name="review")
app.add_typer(instrument.app, name="instrument")
app.add_typer(project.app, name="project")
app.add_typer(model.app, name="model")
app.add_typer(config.app, name="config")
