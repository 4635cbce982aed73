"""`cisterna list`, `show`, `metadata`, `check`, `restore` and `lineage`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from cisterna.cli.answer import AsJson, DryRun, ExitCode, answer, human_bytes, lines, pairs, table
from cisterna.cli.config import HomeOption
from cisterna.cli.opened import opened
from cisterna.cli.review import Identifier
from cisterna.domain.errors import InvalidInput
from cisterna.services.detail import detail_of
from cisterna.services.overview import list_overviews, overview_of

COLUMNS = {
    "identifier": "id",
    "title": "title",
    "state": "state",
    "version": "version",
    "stage": "stage",
    "verdict": "verdict",
    "reason": "reason",
}


def list_(
    *,
    project: Annotated[str | None, typer.Option("--project", help="Only this project's.")] = None,
    instrument: Annotated[str | None, typer.Option("--instrument", help="Only this instrument's.")] = None,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """List acquisitions and datasets, latest change first."""
    with opened(home) as parts:
        found = list_overviews(
            catalogue=parts.catalogue, bucket=parts.archive_store.bucket, project=project, instrument=instrument
        )
    rows = [row.model_dump(mode="json") for row in found]
    shown = [{**row, "identifier": one.identifier} for row, one in zip(rows, found, strict=True)]
    empty = "Nothing has been seen yet; `cisterna instrument list` shows which landing zones are watched."
    answer(rows, as_json=as_json, show=table(shown, COLUMNS, empty=empty))


def show(identifier: Identifier, *, home: HomeOption = None, as_json: AsJson = False) -> None:
    """Show everything known of one acquisition, dataset or version."""
    with opened(home) as parts:
        found = detail_of(identifier, catalogue=parts.catalogue, bucket=parts.archive_store.bucket)
    document = found.model_dump(mode="json")
    answer(document, as_json=as_json, show=pairs(_readable(document)))


def check(
    identifier: Annotated[str | None, typer.Argument(metavar="[ID]", help="One dataset; without it, all.")] = None,
    *,
    read_data_subset: Annotated[
        str | None, typer.Option("--read-data-subset", metavar="n/t", help="Read the n-th of t parts of the objects.")
    ] = None,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Read archived objects back and compare every digest; never by HEAD or ETag."""
    from cisterna.services.check import CheckOutcome, check_archive

    with opened(home) as parts:
        dataset_id = None
        if identifier is not None:
            dataset_id = overview_of(
                identifier, catalogue=parts.catalogue, bucket=parts.archive_store.bucket
            ).dataset_id
            if dataset_id is None:
                msg = f"{identifier} is not archived yet, so there is nothing to check"
                raise InvalidInput(msg, identifier=identifier)
        results = check_archive(
            dataset_id=dataset_id, subset=read_data_subset, catalogue=parts.catalogue, store=parts.archive_store
        )
    rows = [one.model_dump(mode="json") for one in results]
    outcomes = {one.outcome for one in results}
    if CheckOutcome.DAMAGED in outcomes:
        code, reason = ExitCode.FAILED, "damage was found; each file is named"
    elif CheckOutcome.COULD_NOT_CHECK in outcomes or not results:
        code, reason = ExitCode.COULD_NOT_CHECK, "something could not be checked" if results else "nothing was checked"
    else:
        code, reason = ExitCode.DONE, "every byte that was read has the digest on record"
    columns = {
        "dataset_id": "dataset",
        "outcome": "outcome",
        "files_read": "files",
        "bytes_read": "bytes",
        "reason": "reason",
    }
    answer(
        {"outcome": code.name.lower(), "reason": reason, "objects": rows},
        as_json=as_json,
        show=table(rows, columns, empty="There is nothing in the archive to check."),
        code=code,
    )


def restore(
    identifier: Identifier,
    *,
    to: Annotated[Path, typer.Option("--to", help="An empty or missing folder.", show_default=False)],
    version: Annotated[str | None, typer.Option("--version", help="Such as v1; else the newest archived.")] = None,
    dry_run: DryRun = False,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Write an object's logical content to a folder, digested as it lands."""
    from cisterna.services.restore import restore_version

    with opened(home) as parts:
        row = overview_of(identifier, catalogue=parts.catalogue, bucket=parts.archive_store.bucket)
        if row.dataset_id is None:
            msg = f"{identifier} is not archived yet, so there is nothing to restore: {row.reason}"
            raise InvalidInput(msg, identifier=identifier)
        if dry_run:
            text = f"would restore {row.dataset_id}, {row.file_count} files, {human_bytes(row.total_bytes)}, to {to}"
            answer(row.model_dump(mode="json"), as_json=as_json, show=lines(text))
            return
        restored = restore_version(
            row.dataset_id, version=version, to=to.absolute(), catalogue=parts.catalogue, store=parts.archive_store
        )
    document = restored.model_dump(mode="json")
    text = f"{restored.version_id}: {restored.files} files, {human_bytes(restored.total_bytes)}, in {to}; every digest agrees"
    answer(document, as_json=as_json, show=lines(text))


def lineage(
    identifier: Identifier,
    *,
    form: Annotated[str, typer.Option("--format", help="tree or openlineage (one event a line).")] = "tree",
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Show where a dataset comes from and what was made from it."""
    if form not in {"tree", "openlineage"}:
        msg = f"'{form}' is no lineage format; give tree or openlineage"
        raise InvalidInput(msg, format=form)
    raise NotImplementedError


def _readable(document: Mapping[str, Any]) -> dict[str, Any]:
    readable = dict(document)
    readable["total_bytes"] = human_bytes(document.get("total_bytes"))
    return readable
