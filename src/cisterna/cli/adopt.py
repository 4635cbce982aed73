"""`cisterna adopt`: take in shares with years of runs."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cisterna.cli.answer import AsJson, DryRun, ExitCode, Reason, answer, human_bytes, lines, pairs, table
from cisterna.cli.config import HomeOption
from cisterna.cli.opened import local_person, opened
from cisterna.cli.rehearsal import catalogue_for
from cisterna.cli.waiting import WaitSeconds, await_that
from cisterna.domain.adoption import Adoption, AdoptionState, FindKind, Order, Scanning, Standing, Sureness, Walk
from cisterna.domain.bandwidth import parse_limit
from cisterna.domain.errors import InvalidInput
from cisterna.domain.hours import parse_hours
from cisterna.domain.source_name import logical_path
from cisterna.ports.adoption import FindsWanted, FoundRow
from cisterna.services import adoption as wishes
from cisterna.services.adopt_status import AdoptionStatus, adoption_status

if TYPE_CHECKING:
    from rich.console import Console

    from cisterna.bootstrap import Parts

app = typer.Typer(no_args_is_help=True, help="Shares with years of runs: look through them, and take them in.")

Name = Annotated[str, typer.Argument(help="Of the share.", show_default=False)]
Under = Annotated[
    str,
    typer.Option("--under", help="Only what lies under this folder of the share, or fits this pattern of * and ?."),
]
HoursOption = Annotated[str | None, typer.Option("--hours", help="Only within these hours of a day: 20:00-06:00.")]
_NAME = re.compile(r"[^a-z0-9]+")
_MOST = 10_000


@app.command()
def scan(
    path: Annotated[Path, typer.Argument(help="The share: a folder of this machine.")],
    *,
    name: Annotated[str | None, typer.Option("--name", help="What people call it; else made of its path.")] = None,
    files_per_second: Annotated[
        int, typer.Option("--files-per-second", help="Look at no more names.", min=1, max=1_000_000)
    ] = 1000,
    read_limit: Annotated[
        str, typer.Option("--read-limit", help="Read no more of the small files that tell a run: 4MB/s.")
    ] = "4MB/s",
    hours: HoursOption = None,
    again: Annotated[bool, typer.Option("--again", help="Make another inventory where one came to its end.")] = False,
    remounted: Annotated[
        bool,
        typer.Option("--remounted", help="Say that it is the same share, though it was mounted anew."),
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Return when the inventory has come to its end.")] = False,
    wait_seconds: WaitSeconds = 3600.0,
    dry_run: DryRun = False,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Begin the inventory of a share, or go on with it; it is made in the background, and nothing is changed there."""
    place = str(path.absolute())
    called = name or _NAME.sub("-", path.absolute().name.lower()).strip("-") or "share"
    scanning = Scanning(
        files_per_second=files_per_second,
        bytes_per_second=_rate(read_limit),
        hours=parse_hours(hours) if hours else None,
    )
    with opened(home) as parts:
        wishes.begin_adoption(
            called,
            path=place,
            share=parts.zones.share(place),
            scanning=scanning,
            person=local_person(parts),
            catalogue=catalogue_for(parts.catalogue, dry_run=dry_run),
            clock=parts.clock,
            again=again,
            remounted=remounted,
        )
        if dry_run:
            told = {"adoption": called, "path": place, "dry_run": True}
            answer(told, as_json=as_json, show=lines(f"would look through {place} as '{called}'"))
            return
        if wait:
            _await_end(called, parts, wait_seconds)
        found = adoption_status(called, catalogue=parts.catalogue, clock=parts.clock)
    _tell(found, as_json=as_json)


@app.command("list")
def list_(
    name: Annotated[str | None, typer.Argument(help="Of a share; without it, all shares.")] = None,
    *,
    sure: Annotated[Sureness | None, typer.Option("--sure", help="Only what is as sure as this.")] = None,
    standing: Annotated[Standing | None, typer.Option("--standing", help="Only what has come so far.")] = None,
    kind: Annotated[FindKind | None, typer.Option("--kind", help="Only runs, units or loose files.")] = None,
    under: Under = "",
    limit: Annotated[int, typer.Option("--limit", help="Rows at most.", min=1, max=_MOST)] = 200,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """List shares, or what was found in one: what each is taken for, how sure that is, and why."""
    with opened(home) as parts:
        if name is None:
            with parts.catalogue.begin() as tx:
                shares = tx.adoptions.list()
            rows = [one.model_dump(mode="json") for one in shares]
            columns = {"name": "share", "path": "path", "state": "state", "begun_at": "begun"}
            answer(rows, as_json=as_json, show=table(rows, columns, empty="No share is taken in."))
            return
        with parts.catalogue.begin() as tx:
            wanted = FindsWanted(sure=sure, standing=standing, kind=kind, under=_under(tx.adoptions.get(name), under))
            found = [_row(one) for one in tx.adoptions.finds(name, wanted, limit=limit)]
            total = tx.adoptions.count(name, wanted)
    columns = {"path": "folder", "kind": "kind", "sure": "sure", "standing": "stands", "size": "size"}
    columns |= {"profile_is": "profile", "instrument_is": "instrument", "project_is": "project"}
    empty = f"Nothing of '{name}' is found that is so."
    rows_shown = table(found, columns, told={"why": "", "reason": ""}, empty=empty)
    rest = [f"{total - len(found):,} more; ask for less with --under, --sure, --standing or --kind"]

    def show(console: Console) -> None:
        rows_shown(console)
        lines(*(rest if total > len(found) else ()))(console)

    answer({"adoption": name, "total": total, "finds": found}, as_json=as_json, show=show)


@app.command()
def status(name: Name, *, home: HomeOption = None, as_json: AsJson = False) -> None:
    """Tell how far a share is: found, registered, archived, verified and held, and when it may be done."""
    with opened(home) as parts:
        found = adoption_status(name, catalogue=parts.catalogue, clock=parts.clock)
    _tell(found, as_json=as_json)


@app.command()
def assign(
    name: Name,
    *,
    under: Under = "",
    project: Annotated[str | None, typer.Option("--project", help="Whose these runs are.")] = None,
    instrument: Annotated[str | None, typer.Option("--instrument", help="What wrote them.")] = None,
    profile: Annotated[str | None, typer.Option("--profile", help="How it writes.")] = None,
    reason: Reason,
    dry_run: DryRun = False,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Put your word over what was guessed, of all that lies under a path, also of what is found later."""
    with opened(home) as parts:
        done = wishes.assign(
            name,
            under=_under_of(parts, name, under),
            project=project,
            instrument=instrument,
            profile=profile,
            profiles=parts.profiles,
            person=local_person(parts),
            reason=reason,
            catalogue=catalogue_for(parts.catalogue, dry_run=dry_run),
            clock=parts.clock,
        )
    verb = "would hold" if dry_run else "holds"
    told = f"it {verb} of {done.finds} folders; {done.bound} registered runs are bound by it"
    kept = f", and {done.settled} keep what they have: they are archived or on their way" if done.settled else ""
    answer({**done.model_dump(mode="json"), "dry_run": dry_run}, as_json=as_json, show=lines(told + kept))


@app.command()
def register(
    name: Name,
    *,
    sure: Annotated[Sureness, typer.Option("--sure", help="Only what is at least as sure.")] = Sureness.LIKELY,
    under: Under = "",
    even_alike: Annotated[
        bool, typer.Option("--even-alike", help="Also what seems to be a copy of a run that is known.")
    ] = False,
    dry_run: DryRun = False,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Make acquisitions of runs where they lie, now and when they are found later; the source is never deleted."""
    with opened(home) as parts:
        wishes.ask_register(
            name,
            sure=sure,
            under=_under_of(parts, name, under),
            even_alike=even_alike,
            person=local_person(parts),
            catalogue=catalogue_for(parts.catalogue, dry_run=dry_run),
            clock=parts.clock,
        )
        found = adoption_status(name, catalogue=parts.catalogue, clock=parts.clock)
    _tell(found, as_json=as_json)


@app.command()
def archive(
    name: Name,
    *,
    hours: HoursOption = None,
    bytes_per_second: Annotated[
        str | None, typer.Option("--bytes-per-second", help="Read no faster, all together: 200MB/s.")
    ] = None,
    order: Annotated[Order, typer.Option("--order", help="Which go first.")] = Order.NEWEST,
    under: Under = "",
    at_once: Annotated[int, typer.Option("--at-once", help="How many are under way at most.", min=1, max=64)] = 1,
    dry_run: DryRun = False,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Let registered runs go into the archive, a few at a time and within the hours; live instruments come first."""
    with opened(home) as parts:
        wishes.ask_archive(
            name,
            hours=parse_hours(hours) if hours else None,
            bytes_per_second=_rate(bytes_per_second) if bytes_per_second else None,
            order=order,
            under=_under_of(parts, name, under),
            at_once=at_once,
            person=local_person(parts),
            catalogue=catalogue_for(parts.catalogue, dry_run=dry_run),
            clock=parts.clock,
        )
        found = adoption_status(name, catalogue=parts.catalogue, clock=parts.clock)
    _tell(found, as_json=as_json)


@app.command()
def pause(name: Name, *, dry_run: DryRun = False, home: HomeOption = None, as_json: AsJson = False) -> None:
    """Let nothing new begin; what is under way comes to its end."""
    _turn(name, AdoptionState.PAUSED, dry_run=dry_run, home=home, as_json=as_json)


@app.command()
def resume(name: Name, *, dry_run: DryRun = False, home: HomeOption = None, as_json: AsJson = False) -> None:
    """Go on from where it was paused."""
    _turn(name, AdoptionState.ACTIVE, dry_run=dry_run, home=home, as_json=as_json)


@app.command()
def end(name: Name, *, dry_run: DryRun = False, home: HomeOption = None, as_json: AsJson = False) -> None:
    """Do nothing more about a share; what is registered and archived stays."""
    _turn(name, AdoptionState.ENDED, dry_run=dry_run, home=home, as_json=as_json)


def _turn(name: str, state: AdoptionState, *, dry_run: bool, home: Path | None, as_json: bool) -> None:
    with opened(home) as parts:
        catalogue = catalogue_for(parts.catalogue, dry_run=dry_run)
        wishes.set_state(name, state, person=local_person(parts), catalogue=catalogue, clock=parts.clock)
    text = f"'{name}' {'would be' if dry_run else 'is'} {state.value}"
    answer({"adoption": name, "state": state.value, "dry_run": dry_run}, as_json=as_json, show=lines(text))


def _rate(text: str) -> int:
    """Read `20MB/s`; hours are given by an option of their own."""
    limit = parse_limit(text)
    if (limit.begin_hour, limit.end_hour) != (0, 24):
        raise InvalidInput(f"'{text}' has hours of its own; give them with --hours", limit=text)
    return limit.bytes_per_second


def _under_of(parts: Parts, name: str, under: str) -> str:
    with parts.catalogue.begin() as tx:
        return _under(tx.adoptions.get(name), under)


def _under(adoption: Adoption, under: str) -> str:
    """Write a folder as it is written below the share, whether it was given from there or from the root."""
    text = logical_path(os.fsencode(under)).rstrip("/")
    inside = text.removeprefix(f"{adoption.path.rstrip('/')}/") if text != adoption.path.rstrip("/") else ""
    if inside.startswith("/"):
        msg = f"{under[:200]} does not lie in the share {adoption.path}"
        raise InvalidInput(msg, under=under[:200])
    return inside


def _await_end(name: str, parts: Parts, wait_seconds: float) -> None:
    def look() -> Walk | None:
        with parts.catalogue.begin() as tx:
            walk, adoption = tx.adoptions.walk(name), tx.adoptions.get(name)
        is_over = walk is not None and walk.ended_at is not None and walk.round == adoption.scanning.round
        return walk if is_over or (walk is not None and walk.problem is not None) else None

    await_that(look, catalogue=parts.catalogue, wait_seconds=wait_seconds, what=f"looking through '{name}'")


def _row(found: FoundRow) -> dict[str, Any]:
    find = found.find
    guesses = {"profile": find.profile, "instrument": find.instrument, "project": find.project}
    row = find.model_dump(mode="json")
    row |= {f"{name}_is": f"{one.value} ({one.sure.value})" if one.value else "" for name, one in guesses.items()}
    row |= {
        "sure": find.sure.value,
        "standing": found.standing.value,
        "reason": found.reason,
        "size": human_bytes(find.total_bytes),
        "why": "; ".join(f"{name}: {one.reason}" for name, one in guesses.items()),
        "path": find.path or ".",
    }
    return row


def _tell(found: AdoptionStatus, *, as_json: bool) -> None:
    """Answer with how far a share is; a share that cannot be looked at could not be checked."""
    walk = found.walk
    problem = walk.problem if walk is not None else None
    document = found.model_dump(mode="json") | {"reason": problem}
    code = ExitCode.COULD_NOT_CHECK if problem else ExitCode.DONE
    answer(document, as_json=as_json, show=pairs(_told(found)), code=code)


def _told(found: AdoptionStatus) -> dict[str, Any]:
    adoption, walk = found.adoption, found.walk
    told: dict[str, Any] = {"share": adoption.name, "path": adoption.path, "state": adoption.state.value}
    if walk is not None:
        told["inventory"] = _inventory(walk, found.pending)
        told["problem"] = walk.problem
        told["not_listed"] = list(walk.examples)
    for standing, extent in found.standings.items():
        if extent.finds:
            told[standing.value] = f"{extent.finds:,} runs, {human_bytes(extent.total_bytes)}"
    for sure, extent in found.sures.items():
        told[sure.value] = f"{extent.finds:,}" if extent.finds else ""
    told["known_by_no_profile"] = f"{found.unknown.finds:,} folders" if found.unknown.finds else ""
    told["beside_runs"] = f"{found.loose.file_count:,} files" if found.loose.finds else ""
    told["held_because"] = [f"{row.find.path}: {row.reason}" for row in found.held]
    told["nights"] = [f"{one.night}: {one.runs:,} runs, {human_bytes(one.total_bytes)}" for one in found.nights]
    told["expected"] = found.expectation
    if found.expected_end is not None:
        told["expected"] = f"{found.expected_end:%Y-%m-%d}: {found.expectation}"
    return told


def _inventory(walk: Walk, pending: int) -> str:
    counted = f"{walk.folders:,} folders, {walk.files:,} files, {human_bytes(walk.total_bytes)}"
    others = f", {walk.others:,} links and special files" if walk.others else ""
    if walk.ended_at is not None:
        return f"{counted}{others}; it came to its end {walk.ended_at:%Y-%m-%d %H:%M} UTC"
    rate = f"{walk.entries_per_second:,.0f} names a second"
    return f"{counted}{others}; {rate}; {pending:,} folders are known that are left, and what lies in those"
