"""`cisterna list`, `show` and `lineage`."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated

import typer
from rich.text import Text
from rich.tree import Tree

from cisterna.bootstrap import Parts
from cisterna.cli.answer import AsJson, answer, lines, reading_words, table, writing_words
from cisterna.cli.config import HomeOption
from cisterna.cli.dossier import dossier
from cisterna.cli.opened import opened
from cisterna.cli.review import Identifier
from cisterna.domain.errors import Erased, InvalidInput
from cisterna.ports.roster import Group
from cisterna.services.ancestry import Branch
from cisterna.services.detail import detail_of
from cisterna.services.overview import Choice, Overview, list_overviews, overview_of

COLUMNS = {"identifier": "id", "version": "version", "state": "state", "stage": "stage", "verdict": "verdict"}


def list_(
    *,
    project: Annotated[str | None, typer.Option("--project", help="Only this project's.")] = None,
    instrument: Annotated[str | None, typer.Option("--instrument", help="Only this instrument's.")] = None,
    group: Annotated[Group | None, typer.Option("--group", help="Only this group of the dashboard's.")] = None,
    words: Annotated[str | None, typer.Option("--words", help="Only with these in title, folder or PID.")] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="At most so many.")] = None,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """List acquisitions and datasets, latest change first."""
    with opened(home) as parts:
        found = list_overviews(
            Choice(project=project, instrument=instrument, group=group, words=words),
            catalogue=parts.catalogue,
            bucket=parts.archive_store.bucket,
            limit=limit,
        )
    rows = [row.model_dump(mode="json") for row in found]
    shown = [{**row, "identifier": one.identifier, "told": _told(one)} for row, one in zip(rows, found, strict=True)]
    empty = "Nothing has been seen yet; `cisterna instrument list` shows which landing zones are watched."
    answer(rows, as_json=as_json, show=table(shown, COLUMNS, told={"told": ""}, empty=empty))


def _told(row: Overview) -> str:
    shadow, pace = " (in shadow mode)" if row.in_shadow else "", writing_words(row)
    words = reading_words(row.reading) or (f"{row.reason}; {pace}" if pace else row.reason)
    return f"{row.title}{shadow}: {words}"


def show(identifier: Identifier, *, home: HomeOption = None, as_json: AsJson = False) -> None:
    """Show everything known of one acquisition, dataset or version."""
    with opened(home) as parts:
        found = detail_of(identifier, catalogue=parts.catalogue, bucket=parts.archive_store.bucket, clock=parts.clock)
    answer(found.model_dump(mode="json"), as_json=as_json, show=dossier(found))


class LineageFormat(StrEnum):
    """How lineage is told."""

    TREE = "tree"
    OPENLINEAGE = "openlineage"


def lineage(
    identifier: Identifier,
    *,
    form: Annotated[
        LineageFormat, typer.Option("--format", help="tree, or openlineage: one event a line.")
    ] = LineageFormat.TREE,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Show where a dataset comes from and what was made from it."""
    from cisterna.services.ancestry import events_about, lineage_tree

    with opened(home) as parts:
        row = overview_of(identifier, catalogue=parts.catalogue, bucket=parts.archive_store.bucket)
        with parts.catalogue.begin() as tx:
            if form is LineageFormat.TREE:
                branch = lineage_tree(tx, row.identifier)
            else:
                told = list(parts.openlineage_lines(events_about(tx, row.identifier)))
    if form is LineageFormat.TREE:
        answer(branch.model_dump(mode="json"), as_json=as_json, show=lambda console: console.print(_drawn(branch)))
        return
    answer([json.loads(line) for line in told], as_json=as_json, show=lines(*told))


def _drawn(branch: Branch) -> Tree:
    made = f"  by {', '.join(branch.made_by)}" if branch.made_by else ""
    tree = Tree(Text(f"{branch.title}  {branch.identifier}{made}"))
    for one in branch.branches:
        tree.add(_drawn(one))
    return tree


def archived_row(identifier: str, parts: Parts) -> Overview:
    """Find a dataset that holds something archived. Raises `InvalidInput`, `NotFound`."""
    row = overview_of(identifier, catalogue=parts.catalogue, bucket=parts.archive_store.bucket)
    if row.erased is not None:
        raise Erased(f"{identifier}: {row.erased}", identifier=identifier)
    if row.dataset_id is None or row.object_url is None:
        msg = f"{identifier} is not archived yet: {row.reason}"
        raise InvalidInput(msg, identifier=identifier)
    return row
