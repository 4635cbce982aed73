"""`cisterna rebuild`: the catalogue from the archive alone, for good or as a drill."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from cisterna.bootstrap import Home, Parts, open_parts
from cisterna.bootstrap.stack import EmbeddedStack
from cisterna.cli.answer import AsJson, DryRun, ExitCode, answer, lines
from cisterna.cli.config import HomeOption
from cisterna.cli.opened import opened
from cisterna.cli.rehearsal import catalogue_for
from cisterna.domain.errors import CisternaError, InvalidInput
from cisterna.domain.rebuild import RebuildOutcome, Rebuilt
from cisterna.ports.catalogue import Catalogue
from cisterna.settings import Settings, load_settings

_DATABASE = re.compile(r"[a-z][a-z0-9_]{0,40}")
_SHOWN = 20


def rebuild(
    *,
    from_archive: Annotated[
        bool, typer.Option("--from-archive", help="Read the archive; nothing else can be rebuilt from.")
    ] = False,
    into: Annotated[
        str | None,
        typer.Option("--into", metavar="NAME", help="A new database beside the catalogue's, as a drill."),
    ] = None,
    store: Annotated[
        str | None, typer.Option("--store", metavar="NAME", help="Read the copy at this store instead of the archive.")
    ] = None,
    dry_run: DryRun = False,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Make the catalogue anew from the archive alone, or show that the one there is equals it."""
    from cisterna.services.rebuild import rebuild_catalogue

    if not from_archive:
        raise InvalidInput("a catalogue is rebuilt from the archive and nothing else; say so with --from-archive")
    if into is not None and _DATABASE.fullmatch(into) is None:
        msg = f"'{into}' is no name for a database: small letters, digits and _, and a letter first"
        raise InvalidInput(msg, database=into)
    settings = load_settings(home=home)
    with _grounded(settings, home) as parts, _target(parts, into, dry_run=dry_run) as catalogue:
        found = rebuild_catalogue(catalogue=catalogue_for(catalogue, dry_run=dry_run), store=parts.store_named(store))
        public, told = (None, None) if dry_run else _fill_index(parts, catalogue)
    code, reason = _sum_up(found, dry_run=dry_run)
    document = {**found.model_dump(mode="json"), "dry_run": dry_run, "public_records": public, "reason": reason}
    shown = [reason, *_told(found), *([told] if told else [])]
    answer(document, as_json=as_json, show=lines(*shown), code=code)


def _fill_index(parts: Parts, catalogue: Catalogue) -> tuple[int | None, str]:
    """Make the index of what is public anew; give the records of its bucket, None if that failed, and words."""
    from cisterna.services.public_index import level_public_index

    try:
        found = level_public_index(
            catalogue=catalogue, shelf=parts.publisher, clock=parts.clock, base_url=parts.base_url
        )
    except CisternaError as failure:
        return None, f"the index of what is public was not filled: {failure}; it is tried again while Cisterna runs"
    told = f"the index of what is public knows the {found.records:,} records of its bucket"
    if found.unrecorded:
        told += f"; {found.unrecorded:,} of them stand there and nobody recorded their publication: they are not found"
    return found.records, told


@contextlib.contextmanager
def _grounded(settings: Settings, home: Path | None) -> Iterator[Parts]:
    """Open the parts; where nothing runs on an embedded home, the database and the store run for this command."""
    everything_is_elsewhere = settings.database.dsn is not None and settings.store.endpoint is not None
    if everything_is_elsewhere:
        with open_parts(settings) as parts:
            parts.catalogue.migrate()
            yield parts
    elif Home(settings.home).is_held():
        with opened(home) as parts:
            yield parts
    else:
        with EmbeddedStack(settings).ground(), open_parts(settings) as parts:
            yield parts


@contextlib.contextmanager
def _target(parts: Parts, into: str | None, *, dry_run: bool) -> Iterator[Catalogue]:
    if into is None:
        yield parts.catalogue
        return
    with parts.catalogue_beside(into, keep=not dry_run) as catalogue:
        yield catalogue


def _sum_up(found: Rebuilt, *, dry_run: bool) -> tuple[ExitCode, str]:
    rows = f"{sum(found.rows.values()):,} rows from {found.segments} segments and {found.objects} objects"
    match found.outcome:
        case RebuildOutcome.EQUAL:
            text = f"the catalogue is what the archive tells: {rows}, table by table"
        case RebuildOutcome.REBUILT:
            text = f"{'would rebuild' if dry_run else 'rebuilt'} {rows}"
    if not found.fault_count:
        return ExitCode.DONE, text
    return ExitCode.PERSON_NEEDED, f"{text}; {found.fault_count} things in the archive need a look"


def _told(found: Rebuilt) -> list[str]:
    rows: dict[str, Any] = {name: count for name, count in found.rows.items() if count}
    shown = [f"  {count:>9,}  {name}" for name, count in rows.items()]
    faults = [f"{fault.where}: {fault.reason}" for fault in found.faults[:_SHOWN]]
    more = found.fault_count - len(faults)
    return [*shown, *faults, *([f"and {more} more; --json names up to 1,000"] if more > 0 else [])]
