"""`cisterna quality`: the suites in force, a proposal, a trial, and judging anew."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from cisterna.bootstrap import Parts
from cisterna.cli.answer import AsJson, DryRun, ExitCode, Reason, answer, lines, table
from cisterna.cli.config import HomeOption
from cisterna.cli.file import read_file, writing
from cisterna.cli.opened import local_account, opened
from cisterna.cli.quality_docs import docs
from cisterna.cli.quality_export import export
from cisterna.cli.quality_report import report
from cisterna.cli.rehearsal import catalogue_for
from cisterna.domain.errors import AlreadyExists, InvalidInput, NotFound
from cisterna.services.overview import overview_of
from cisterna.services.regate import Regated, differing, regate
from cisterna.services.suite_proposal import propose_suite
from cisterna.services.suite_trial import SuiteTrial, TriedDataset, kept_summaries, read_choice, try_suite

app = typer.Typer(
    no_args_is_help=True,
    help="The rules that datasets are judged by, and what was found: propose, try, judge anew, report.",
)

app.command("report")(report)
app.command("export")(export)
app.command("docs")(docs)

DataType = Annotated[str, typer.Argument(metavar="DATA_TYPE", help="Such as microscopy.")]
On = Annotated[str, typer.Option("--on", help="last:N or accepted:N, the newest so many datasets.")]
PROPOSED = "proposed.json"
_SUITE_BYTES = 2 * 1024 * 1024


@app.command("list")
def list_(*, home: HomeOption = None, as_json: AsJson = False) -> None:
    """List the suites that are in force, where each is read, and what is wrong with it."""
    with opened(home) as parts:
        rows = [one.model_dump(mode="json") for one in parts.suite_desk.listed()]
    shown = [{**row, "digest": (row["suite_sha512"] or "")[:12]} for row in rows]
    show = table(
        shown,
        {"data_type": "data type", "rules": "rules", "digest": "sha512"},
        told={"file": "", "reason": "wrong"},
        empty="There is no suite.",
    )
    bad = any(row["reason"] for row in rows)
    answer(rows, as_json=as_json, show=show, code=ExitCode.FAILED if bad else ExitCode.DONE)


@app.command()
def init(
    data_type: DataType,
    *,
    from_: Annotated[str, typer.Option("--from", help="accepted:N or last:N, the newest so many.")] = "accepted:200",
    dry_run: DryRun = False,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Propose a suite from accepted datasets, beside the one in force; nothing is overwritten or put in force."""
    from cisterna.bootstrap.suites import own_suites

    with opened(home) as parts:
        kept, unread = kept_summaries(
            data_type,
            choice=read_choice(from_),
            account=local_account(parts),
            catalogue=parts.catalogue,
            store=parts.archive_store,
        )
        proposal = propose_suite(data_type, kept, current=_current(parts, data_type))
        parts.suite_desk.open(proposal.body, data_type=data_type)  # what is written can be read
        file = own_suites(parts.settings, parts.home) / data_type / PROPOSED
        if dry_run:
            _require_new(file)
        else:
            _create(file, proposal.body)
    rules = [
        {"check": rule["check"], "limits": _limits(rule), "made_from": rule.get("made_from", "")}
        for rule in proposal.content["expectations"]
    ]
    told = (
        f"{len(proposal.made)} limits from {proposal.datasets} datasets, {len(proposal.kept)} rules as they are: {file}"
    )
    after = f"Try it (cisterna quality try {file}), then rename it to default.json: it is in force at once."
    document = {
        "file": str(file),
        "made": proposal.made,
        "kept": proposal.kept,
        "datasets": proposal.datasets,
        "unread": unread,
        "suite": proposal.content,
        "dry_run": dry_run,
    }
    show = table(rules, {"check": "check", "limits": "limits"}, told={"made_from": "made from"}, empty="No rule.")
    end = lines(told, *([] if dry_run else [after]))
    answer(document, as_json=as_json, show=lambda console: (show(console), end(console))[-1])


@app.command("try")
def try_(
    suite: Annotated[Path, typer.Argument(metavar="SUITE", help="A suite's file.", exists=True, dir_okay=False)],
    *,
    on: On = "last:200",
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Show what a suite would have decided on datasets that were judged; only summaries are read, nothing changes."""
    body = read_file(suite, most_bytes=_SUITE_BYTES)
    data_type = _data_type(body, suite)
    with opened(home) as parts:
        found = _trial(parts, body, data_type=data_type, on=on)
    changed = [one for one in found.datasets if one.differs]
    verdicts = [one for one in changed if one.before is not one.after]
    reason = _said(found, changed=len(changed), verdicts=len(verdicts))
    code = ExitCode.PERSON_NEEDED if verdicts or found.notes else ExitCode.DONE
    if not found.datasets:
        code = ExitCode.COULD_NOT_CHECK
    document = {**found.model_dump(mode="json"), "changed": len(changed), "reason": reason}
    answer(document, as_json=as_json, show=lambda console: _show(console, found, changed, reason), code=code)


@app.command("regate")
def regate_(
    identifiers: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Datasets, versions, acquisitions or PIDs.")
    ] = None,
    *,
    data_type: Annotated[str | None, typer.Option("--data-type", help="Instead of IDs: those of this type.")] = None,
    on: On = "last:200",
    everything: Annotated[bool, typer.Option("--all", help="Also those on which nothing would differ.")] = False,
    reason: Reason,
    dry_run: DryRun = False,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Judge archived versions anew by the suite in force, from their kept tables, as new revisions.

    With --data-type only those are judged on which a trial says that it would decide otherwise.
    """
    if bool(identifiers) == (data_type is not None):
        raise InvalidInput("give IDs, or --data-type, one of them")
    with opened(home) as parts:
        trial = None
        if data_type is None:
            versions: tuple[str, ...] = tuple(_version(one, parts) for one in identifiers or [])
        else:
            trial = _trial(parts, parts.suite_desk.current(data_type), data_type=data_type, on=on)
            versions = tuple(one.version_id for one in trial.datasets) if everything else differing(trial)
        asked = regate(
            versions,
            account=local_account(parts),
            reason=reason,
            catalogue=catalogue_for(parts.catalogue, dry_run=dry_run),
            clock=parts.clock,
        )
    _answer_regated(asked, trial, dry_run=dry_run, as_json=as_json)


def _answer_regated(asked: tuple[Regated, ...], trial: SuiteTrial | None, *, dry_run: bool, as_json: bool) -> None:
    differs = {one.version_id: one for one in (trial.datasets if trial else ())}
    rows = [
        {**one.model_dump(mode="json"), "differs": _differs(differs.get(one.version_id)), "dry_run": dry_run}
        for one in asked
    ]
    refused = sum(one.revision is None for one in asked)
    verb = "would be judged anew" if dry_run else "are judged anew"
    said = f"{len(asked) - refused} versions {verb}, {refused} were refused"
    notes = [*trial.notes, *(f"{version}: {why}" for version, why in trial.unread.items())] if trial else []
    show = table(
        rows, {"version_id": "version", "revision": "revision"}, told={"differs": "", "reason": "refused"}, empty=said
    )
    end = lines(*notes, *([said] if rows else []))
    answer(
        {"reason": said, "versions": rows, "notes": notes},
        as_json=as_json,
        show=lambda console: (show(console), end(console))[-1],
        code=ExitCode.FAILED if refused else ExitCode.DONE,
    )


def _trial(parts: Parts, body: bytes, *, data_type: str, on: str) -> SuiteTrial:
    return try_suite(
        parts.suite_desk.open(body, data_type=data_type),
        data_type=data_type,
        choice=read_choice(on),
        account=local_account(parts),
        catalogue=parts.catalogue,
        store=parts.archive_store,
    )


def _current(parts: Parts, data_type: str) -> bytes | None:
    try:
        return parts.suite_desk.current(data_type)
    except NotFound:
        return None


def _create(file: Path, body: bytes) -> None:
    """Write a new file. Raises `AlreadyExists`, `InvalidInput`: what somebody wrote there is not ours to replace."""
    _require_new(file)
    with writing(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("xb") as opened_file:
            opened_file.write(body)


def _require_new(file: Path) -> None:
    if os.path.lexists(file):
        msg = f"{file} is there already and is not overwritten; move it away or put it in force as default.json"
        raise AlreadyExists(msg, file=str(file))


def _data_type(body: bytes, file: Path) -> str:
    """Tell whose suite a file is by what it calls itself, or else by its folder."""
    try:
        said = json.loads(body)["suite"]
    except (ValueError, RecursionError, KeyError, TypeError):
        said = None
    return said.partition("/")[0] if isinstance(said, str) else file.resolve().parent.name


def _version(identifier: str, parts: Parts) -> str:
    row = overview_of(identifier, catalogue=parts.catalogue, bucket=parts.archive_store.bucket)
    if row.version_id is None:
        raise InvalidInput(f"{identifier} has no version yet: {row.reason}", identifier=identifier)
    return row.version_id


def _limits(rule: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in rule["kwargs"].items() if name != "column")


def _differs(one: TriedDataset | None) -> str:
    if one is None:
        return ""
    checks = ", ".join(check.check for check in one.checks)
    return f"{one.before.value} -> {one.after.value}{f': {checks}' if checks else ''}"


def _said(found: SuiteTrial, *, changed: int, verdicts: int) -> str:
    if not found.datasets:
        return f"no dataset could be tried ({len(found.unread)} summaries could not be read)"
    unread = f"; {len(found.unread)} summaries could not be read" if found.unread else ""
    return (
        f"{verdicts} of {len(found.datasets)} verdicts would be others, and {changed} datasets would differ in some "
        f"check{unread}"
    )


def _show(console: Any, found: SuiteTrial, changed: list[TriedDataset], reason: str) -> None:
    rows = [
        {
            "version_id": one.version_id,
            "before": one.before.value,
            "after": one.after.value,
            "title": one.title,
            "why": [check.message for check in one.checks],
        }
        for one in changed
    ]
    columns = {"version_id": "version", "before": "before", "after": "after"}
    table(rows, columns, told={"title": "", "why": ""}, empty="Nothing would differ.")(console)
    counts = [f"{change}: {count}" for change, count in found.counts.items()]
    unread = [f"{version}: {why}" for version, why in found.unread.items()]
    lines(*counts, *unread, *found.notes, reason)(console)
