"""`cisterna quality report`: the result page of a version as one file that opens without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cisterna.bootstrap import Parts
from cisterna.cli.answer import AsJson, DryRun, answer, human_bytes, lines
from cisterna.cli.config import HomeOption
from cisterna.cli.file import writing
from cisterna.cli.opened import opened
from cisterna.cli.review import Identifier
from cisterna.domain.dataset import Version
from cisterna.domain.errors import AlreadyExists, Erased, InvalidInput
from cisterna.services.detail import Detail, detail_of


def report(
    identifier: Identifier,
    *,
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help="Written new, such as quality.html.")],
    dry_run: DryRun = False,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Write the quality report of a version to one HTML file that loads nothing from anywhere."""
    from cisterna.adapters.report_page import report_file
    from cisterna.services.quality_report import quality_report, read_report_source
    from cisterna.services.report_suite import blamed_by
    from cisterna.services.report_trend import dataset_trends

    require_new_file(to)
    with opened(home) as parts:
        found, version = judged_version(identifier, parts)
        source = read_report_source(version, catalogue=parts.catalogue, store=parts.archive_store, tables=parts.tables)
        trends = dataset_trends(
            version.version_id,
            blamed=blamed_by(found.findings, source.rules),
            baselines=parts.gate.baselines,
            catalogue=parts.catalogue,
            account=None,
        )
    drawn = quality_report(found, source, whole=True, trends=trends)
    body = report_file(drawn, source.previews)
    if not dry_run:
        with writing(to), to.open("xb") as file:
            file.write(body)
    document = {
        "version_id": found.version_id,
        "verdict": found.verdict,
        "file": str(to),
        "size_bytes": len(body),
        "troubles": drawn.troubles,
        "dry_run": dry_run,
    }
    verb = "would be" if dry_run else "is"
    told = [f"the report on {found.version_id}, {human_bytes(len(body))}, {verb} in {to}", *drawn.troubles]
    answer(document, as_json=as_json, show=lines(*told))


def judged_version(identifier: str, parts: Parts) -> tuple[Detail, Version]:
    """Find a version that can be reported on. Raises `Erased`, `InvalidInput`, `NotFound`."""
    found = detail_of(identifier, catalogue=parts.catalogue, bucket=parts.archive_store.bucket)
    if found.erased is not None:
        raise Erased(f"{identifier}: {found.erased}", identifier=identifier)
    if found.shown is None:
        msg = f"{identifier} has no version that could be reported on yet: {found.reason}"
        raise InvalidInput(msg, identifier=identifier)
    return found, found.shown


def require_new_file(to: Path) -> None:
    """Refuse to write over a file, or into a folder that is not there."""
    if to.exists():
        raise AlreadyExists(f"{to} is there already; name a new file, or move that one away", path=str(to))
    if not to.absolute().parent.is_dir():
        raise InvalidInput(f"there is no folder {to.absolute().parent}; make it first", path=str(to))
