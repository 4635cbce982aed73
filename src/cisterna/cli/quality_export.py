"""`cisterna quality export`: what the gate said of many datasets, for programs of others."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cisterna.cli.answer import AsJson, DryRun, answer, lines
from cisterna.cli.config import HomeOption
from cisterna.cli.file import writing
from cisterna.cli.opened import opened
from cisterna.domain.errors import AlreadyExists, InvalidInput, NotFound
from cisterna.services.overview import Choice


class ExportFormat(StrEnum):
    """For which program."""

    MULTIQC = "multiqc"


def export(
    identifiers: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Datasets; else all that the options choose.")
    ] = None,
    *,
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="An empty or missing folder.")],
    form: Annotated[ExportFormat, typer.Option("--format", help="For which program.")] = ExportFormat.MULTIQC,
    project: Annotated[str | None, typer.Option("--project", help="Only this project's.")] = None,
    instrument: Annotated[str | None, typer.Option("--instrument", help="Only this instrument's.")] = None,
    dry_run: DryRun = False,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Write what the gate said of datasets into a folder, as MultiQC's custom content; 1,000 datasets at most."""
    from cisterna.adapters.multiqc_content import multiqc_files
    from cisterna.services.quality_export import judged_datasets

    require_empty_folder(to)
    if identifiers and (project or instrument):
        raise InvalidInput("name datasets, or choose them by --project and --instrument; not both")
    with opened(home) as parts:
        choice = Choice(project=project, instrument=instrument)
        judged = judged_datasets(identifiers or (), choice, catalogue=parts.catalogue, store=parts.archive_store)
    if not judged:
        raise NotFound(
            "none of these datasets was judged yet, so there is nothing to write; `cisterna list` shows them"
        )
    files = multiqc_files(judged)
    if not dry_run:
        with writing(to):
            to.mkdir(parents=True, exist_ok=True)
            for name, body in files.items():
                (to / name).write_bytes(body)
    troubles = [one.trouble for one in judged if one.trouble]
    document = {
        "format": form.value,
        "folder": str(to),
        "datasets": len(judged),
        "files": sorted(files),
        "troubles": troubles,
        "dry_run": dry_run,
    }
    verb = "would be" if dry_run else "are"
    told = f"{len(judged)} datasets {verb} in {to}; MultiQC draws them: cd {to} && multiqc ."
    answer(document, as_json=as_json, show=lines(told, *troubles))


def require_empty_folder(to: Path) -> None:
    """Refuse to write among files that are there."""
    if to.exists() and not to.is_dir():
        raise InvalidInput(f"{to} is a file; name a folder", path=str(to))
    if to.is_dir() and any(to.iterdir()):
        raise AlreadyExists(f"{to} holds files already; name an empty or missing folder", path=str(to))
