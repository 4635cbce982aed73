"""`cisterna quality docs`: Great Expectations' own pages of what the gate judged."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cisterna.cli.answer import AsJson, DryRun, answer, lines
from cisterna.cli.config import HomeOption
from cisterna.cli.opened import opened
from cisterna.cli.quality_export import require_empty_folder
from cisterna.cli.quality_report import judged_version
from cisterna.cli.review import Identifier
from cisterna.domain.errors import InvalidInput


def docs(
    identifier: Identifier,
    *,
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="An empty or missing folder.", show_default=False)],
    dry_run: DryRun = False,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Build Great Expectations' Data Docs of a version; they load from other hosts, and `quality report` does not."""
    from cisterna.adapters.gx_docs import build_docs
    from cisterna.services.quality_report import read_judgement

    require_empty_folder(to)
    with opened(home) as parts:
        _, version = judged_version(identifier, parts)
        judged = read_judgement(version, catalogue=parts.catalogue, store=parts.archive_store)
    if not judged.suite_text:
        msg = f"the suite that judged {version.version_id} was not kept with it, so there is nothing to build from"
        raise InvalidInput(msg, version_id=version.version_id)
    if dry_run:
        words = f"pages of {judged.suite} about {version.version_id} would be built in {to}"
        answer(
            {"version_id": version.version_id, "folder": str(to), "dry_run": True}, as_json=as_json, show=lines(words)
        )
        return
    site = build_docs(
        to, name=version.version_id, suite=judged.suite, suite_text=judged.suite_text, summary=judged.summary
    )
    document = {"version_id": version.version_id, "folder": str(to), **site.model_dump(mode="json"), "dry_run": False}
    told = [f"{site.rules} rules of {judged.suite} are in {to / 'index.html'}"]
    if site.left_out:
        told.append(f"left out, since Great Expectations cannot judge them by itself: {', '.join(site.left_out)}")
    told.append(
        f"these pages ask {len(site.hosts)} other hosts for styles and scripts and are plain without a network: "
        f"{', '.join(site.hosts)}"
    )
    told.append(f"`cisterna quality report {version.version_id} --to FILE` loads nothing from anywhere")
    answer(document, as_json=as_json, show=lines(*told))
