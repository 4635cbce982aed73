"""`cisterna metadata`: what is known of a dataset, what is missing, and saying it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cisterna.cli.answer import AsJson, DryRun, Reason, answer, lines, table
from cisterna.cli.config import HomeOption
from cisterna.cli.opened import local_person, opened
from cisterna.cli.review import Identifier
from cisterna.cli.waiting import WaitSeconds, await_work
from cisterna.domain.dataset import Version
from cisterna.domain.errors import InvalidInput
from cisterna.metadata.by_kind import BY_KIND, by_kind
from cisterna.metadata.given import read_given
from cisterna.ports.sample_sheet import SIZE_LIMIT_BYTES
from cisterna.services.detail import Detail, detail_of
from cisterna.services.give_samples import SheetGiven, give_samples, look_at_samples
from cisterna.services.reprocess import request_reprocess
from cisterna.services.samples import KnownSamples
from cisterna.services.vocabulary import given_terms, require_terms

if TYPE_CHECKING:
    from rich.console import Console

_LABELS_SHOWN = 12

app = typer.Typer(no_args_is_help=True, help="What is known of a dataset, and saying what is missing.")


@app.command()
def show(identifier: Identifier, *, home: HomeOption = None, as_json: AsJson = False) -> None:
    """Show what is known, where each value comes from, and what is missing."""
    with opened(home) as parts:
        found = detail_of(identifier, catalogue=parts.catalogue, bucket=parts.archive_store.bucket)
    record, version_id = _record(found)
    origins = record.get("origins") or {}
    rows: list[dict[str, Any]] = [
        {"field": name, "value": value, "origin": origins.get(name, "")}
        for name, value in record.items()
        if name not in {"origins", "sample_sheet", *BY_KIND} and value not in (None, "", [], {})
    ]
    rows += _sheet_rows(record.get("sample_sheet"))
    rows += [{"field": one.name, "value": one.value, "origin": origins.get(one.name, "")} for one in by_kind(record)]
    rows += [{"field": name, "value": "missing", "origin": ""} for name in found.metadata_missing]
    document = {"version_id": version_id, "metadata": record, "missing": list(found.metadata_missing)}
    columns = {"field": "field", "origin": "who said so"}
    answer(document, as_json=as_json, show=table(rows, columns, told={"value": ""}, empty="Nothing is known."))


@app.command()
def score(identifier: Identifier, *, home: HomeOption = None, as_json: AsJson = False) -> None:
    """Score how FAIR a version would be if it were public now: what is missing, and how to say it."""
    from cisterna.services.fair import score_version  # it imports what writes graphs, which the others need not

    with opened(home) as parts:
        found = detail_of(identifier, catalogue=parts.catalogue, bucket=parts.archive_store.bucket)
        version = _version(found)
        scored = score_version(
            version,
            catalogue=parts.catalogue,
            store=parts.archive_store,
            tables=parts.tables,
            base_url=parts.base_url,
        )
    rows = [
        {
            "criterion": f"{one.key} ({one.principle})",
            "points": f"{one.points:g} of {one.of}",
            "standing": one.standing.value,
            "why": one.why,
            "do": f"cisterna metadata set {found.dataset_id} '{one.remedy}' --reason ..." if one.field else one.remedy,
        }
        for one in scored.missing
    ]
    columns = {"criterion": "criterion", "standing": "standing", "points": "points"}
    percent = "not judged" if scored.percent is None else f"{scored.percent:g} %"
    shown = table(rows, columns, told={"why": "", "do": ""}, empty="Nothing that is asked for is missing.")

    def show(console: Console) -> None:
        lines(f"{version.version_id}: FAIR score {percent}, {scored.points:g} of {scored.of} points")(console)
        shown(console)

    answer({"version_id": version.version_id, **scored.model_dump(mode="json")}, as_json=as_json, show=show)


@app.command("set")
def set_(
    identifier: Identifier,
    field: Annotated[list[str], typer.Argument(help="FIELD=VALUE; VALUE as in metadata.yaml: licence=CC0-1.0")],
    *,
    reason: Reason,
    wait_seconds: WaitSeconds = 300.0,
    dry_run: DryRun = False,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Say something of a dataset: a revision vN.M describes the same data anew; returns when it is archived."""
    edits = read_given("\n".join(_line(one) for one in field).encode())
    said = edits.model_dump(mode="json", exclude_none=True)
    with opened(home) as parts:
        found = detail_of(identifier, catalogue=parts.catalogue, bucket=parts.archive_store.bucket)
        _, version_id = _record(found)
        require_terms(given_terms(edits), vocabulary=parts.vocabulary)
        if dry_run:
            document = {"version_id": version_id, "edits": said}
            answer(document, as_json=as_json, show=lines(f"would say of {version_id}: {', '.join(said)}"))
            return
        asked = request_reprocess(
            version_id,
            edits=edits,
            person=local_person(parts),
            reason=reason,
            catalogue=parts.catalogue,
            clock=parts.clock,
        )
        await_work(asked.work.work_id, catalogue=parts.catalogue, wait_seconds=wait_seconds)
        after = detail_of(asked.version.version_id, catalogue=parts.catalogue, bucket=parts.archive_store.bucket)
    record, _ = _record(after)
    notes = [str(one) for one in record.get("notes") or ()]
    missing = list(after.metadata_missing)
    document = {"version_id": asked.version.version_id, "edits": said, "missing": missing, "notes": notes}
    still = f"; still missing: {', '.join(missing)}" if missing else ""
    answer(document, as_json=as_json, show=lines(f"{asked.version.version_id} says so{still}", *notes))


@app.command()
def samples(
    identifier: Identifier,
    file: Annotated[Path, typer.Argument(help="CSV, TSV, XLSX, a MIHCSME workbook, or a ZIP archive of an ISA-Tab.")],
    *,
    reason: Reason,
    wait_seconds: WaitSeconds = 300.0,
    dry_run: DryRun = False,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Give a plate map or sample sheet: a revision vN.M keeps the file and is described by it."""
    given = _sheet(file)
    with opened(home) as parts:
        found = detail_of(identifier, catalogue=parts.catalogue, bucket=parts.archive_store.bucket)
        _, version_id = _record(found)
        means: dict[str, Any] = {
            "person": local_person(parts),
            "catalogue": parts.catalogue,
            "store": parts.archive_store,
            "tables": parts.tables,
            "sheets": parts.sheets.reader,
        }
        if dry_run:
            _show_samples(version_id, look_at_samples(version_id, given, **means), as_json=as_json, would=True)
            return
        known = look_at_samples(version_id, given, **means)
        asked = give_samples(version_id, given, reason=reason, clock=parts.clock, **means)
        await_work(asked.work.work_id, catalogue=parts.catalogue, wait_seconds=wait_seconds)
    _show_samples(asked.version.version_id, known, as_json=as_json, would=False)


def _sheet_rows(sheet: Any) -> list[dict[str, Any]]:
    if not isinstance(sheet, dict):
        return []
    said = [f"{sheet.get('path')}: {sheet.get('rows')} rows, {sheet.get('wells')} wells", *sheet.get("remarks", ())]
    return [{"field": "sample_sheet", "value": text, "origin": ""} for text in said]


def _sheet(file: Path) -> SheetGiven:
    """Read the file, but no more of it than a sheet may have."""
    try:
        with file.open("rb") as opened_file:
            return SheetGiven(file.name, opened_file.read(SIZE_LIMIT_BYTES + 1))
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {error.strerror or error}", path=str(file)) from error


def _show_samples(version_id: str, known: KnownSamples, *, as_json: bool, would: bool) -> None:
    facts = known.facts.model_dump(mode="json", exclude_none=True)
    sheet = known.sheet.model_dump(mode="json")
    document = {"version_id": version_id, "sheet": sheet, "samples": facts, "problems": list(known.problems)}
    kinds = [f"{kind.replace('_', ' ')}: {_labels(terms)}" for kind, terms in facts.items() if isinstance(terms, list)]
    told = f"{known.sheet.rows:,} rows, {known.sheet.wells:,} wells"
    begin = f"would say of {version_id}" if would else f"{version_id} says"
    more = (*(f"Problem: {one}" for one in known.problems), *(f"Noticed: {one}" for one in known.sheet.remarks))
    answer(document, as_json=as_json, show=lines(f"{begin}: {told}", *filter(None, kinds), *more))


def _labels(terms: list[dict[str, Any]]) -> str:
    named = ", ".join(str(one["label"]) for one in terms[:_LABELS_SHOWN])
    return named + (f" and {len(terms) - _LABELS_SHOWN:,} more" if len(terms) > _LABELS_SHOWN else "")


def _record(found: Detail) -> tuple[dict[str, Any], str]:
    version = _version(found)
    return dict(version.metadata or {}), version.version_id


def _version(found: Detail) -> Version:
    if found.shown is None or found.shown.metadata is None:
        msg = f"{found.identifier} is not described yet: {found.reason}"
        raise InvalidInput(msg, identifier=found.identifier)
    return found.shown


def _line(text: str) -> str:
    name, equals, value = text.partition("=")
    if not equals or "\n" in text:
        msg = f"'{text[:100]}' is not FIELD=VALUE in one line"
        raise InvalidInput(msg, field=text[:100])
    return f"{name}: {value}"
