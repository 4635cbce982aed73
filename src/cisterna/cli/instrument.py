"""`cisterna instrument`: declare instruments, and ask why a folder is or is not complete."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from cisterna.cli.answer import AsJson, DryRun, ExitCode, Reason, answer, lines, pairs, table
from cisterna.cli.config import HomeOption
from cisterna.cli.opened import local_person, opened
from cisterna.cli.rehearsal import catalogue_for
from cisterna.domain.bandwidth import parse_limit
from cisterna.domain.errors import InvalidInput, UnclaimedFolder
from cisterna.domain.instrument import Instrument
from cisterna.domain.source_name import logical_path
from cisterna.services.instrument import change_settings, declare_instrument, look_after_sentinel
from cisterna.services.mass_change import accept_change

app = typer.Typer(no_args_is_help=True, help="Instruments and their landing zones.")

ProfileOption = Annotated[str, typer.Option("--profile", help="How it writes, such as squid.", show_default=False)]
SettingOption = Annotated[
    list[str] | None, typer.Option("--set", help="NAME=VALUE for the profile, such as run_json=/data/run.json.")
]

LimitOption = Annotated[
    list[str] | None,
    typer.Option("--limit", help="Read its acquisitions no faster: 20MB/s, or 08-18=20MB/s for some hours."),
]


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="What people call it: lower case, digits, dot, dash.")],
    *,
    profile: ProfileOption,
    path: Annotated[Path, typer.Option("--path", help="Its landing zone.", show_default=False)],
    setting: SettingOption = None,
    limit: LimitOption = None,
    write_sentinel: Annotated[
        bool,
        typer.Option("--write-sentinel", help="Put a small file into the zone by which it is known after a remount."),
    ] = False,
    dry_run: DryRun = False,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Declare an instrument; the next sweep sees it."""
    settings, bandwidth = _settings(setting), [parse_limit(one) for one in limit or []]
    with opened(home) as parts:
        found = parts.profile(profile)
        zone = parts.zone_at(path.absolute())
        folders = len(zone.folders())
        document = {
            "name": name,
            "profile": profile,
            "path": str(path.absolute()),
            "settings": settings,
            "bandwidth": [one.model_dump(mode="json") for one in bandwidth],
        }
        if not dry_run:
            declared = declare_instrument(
                name,
                profile=found,
                path=path.absolute(),
                settings=settings,
                bandwidth=bandwidth,
                zone=zone,
                catalogue=parts.catalogue,
                clock=parts.clock,
            )
            if write_sentinel:
                look_after_sentinel(name, zone=zone, catalogue=parts.catalogue, write=parts.sentinel_writer)
                with parts.catalogue.begin() as tx:
                    declared = tx.instruments.get(name)
            document = declared.model_dump(mode="json")
    verb = "would be declared" if dry_run else "is declared"
    text = f"{name} {verb}: {folders} folders are in {path.absolute()} now"
    answer({**document, "folders": folders, "dry_run": dry_run}, as_json=as_json, show=lines(text))


@app.command()
def sentinel(
    name: Annotated[str, typer.Argument(help="Of the instrument.", show_default=False)],
    *,
    write: Annotated[bool, typer.Option("--write", help="Put the file there, if Cisterna may write.")] = False,
    dry_run: DryRun = False,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Print the file by which a landing zone is known again, and rely on it once it lies there."""
    with opened(home) as parts:
        with parts.catalogue.begin() as tx:
            zone = parts.zone_at(Path(tx.instruments.get(name).path))
        catalogue = catalogue_for(parts.catalogue, dry_run=dry_run)
        found = look_after_sentinel(
            name, zone=zone, catalogue=catalogue, write=parts.sentinel_writer if write and not dry_run else None
        )
    if found.lies_there:
        told = [f"{found.path} lies there; the zone is known by it, whatever its device is called"]
    else:
        told = [f"Put this into {found.path} and run the command again, or let it write the file by --write:"]
        told += ["", *found.text.splitlines()]
    answer({**found.model_dump(mode="json"), "dry_run": dry_run}, as_json=as_json, show=lines(*told))


@app.command("set")
def set_(
    name: Annotated[str, typer.Argument(help="Of the instrument.", show_default=False)],
    *,
    setting: SettingOption = None,
    unset: Annotated[list[str] | None, typer.Option("--unset", help="NAME of a setting to take away.")] = None,
    reason: Reason,
    dry_run: DryRun = False,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Change settings of a declared instrument; its runs are judged by them from the next sweep on."""
    changes: dict[str, str | None] = {**_settings(setting), **dict.fromkeys(unset or [])}
    with opened(home) as parts:
        after = change_settings(
            name,
            changes,
            person=local_person(parts),
            reason=reason,
            catalogue=catalogue_for(parts.catalogue, dry_run=dry_run),
            clock=parts.clock,
        )
    said = ", ".join(f"{key}={value}" for key, value in sorted(after.settings.items())) or "no settings"
    text = f"{name} {'would have' if dry_run else 'has'} {said}"
    answer({**after.model_dump(mode="json"), "dry_run": dry_run}, as_json=as_json, show=lines(text))


@app.command("accept-change")
def accept_change_(
    name: Annotated[str, typer.Argument(help="Of the instrument.", show_default=False)],
    *,
    reason: Reason,
    dry_run: DryRun = False,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Say that the runs that are gone or changed at a guarded instrument are meant to be; good once, for just these."""
    with opened(home) as parts:
        after = accept_change(
            name,
            person=local_person(parts),
            reason=reason,
            catalogue=catalogue_for(parts.catalogue, dry_run=dry_run),
            clock=parts.clock,
        )
    seen = after.guard
    counts = f"{seen.gone} runs gone and {seen.changed} changed" if seen else "the change"
    text = f"{name}: {counts} {'would be' if dry_run else 'are'} accepted; the next sweep writes them down"
    answer({**after.model_dump(mode="json"), "dry_run": dry_run}, as_json=as_json, show=lines(text))


@app.command("list")
def list_(*, home: HomeOption = None, as_json: AsJson = False) -> None:
    """List the declared instruments."""
    with opened(home) as parts, parts.catalogue.begin() as tx:
        declared = tx.instruments.list()
    rows = [{**one.model_dump(mode="json"), "guarded": _guarded(one)} for one in declared]
    columns = {"name": "name", "profile": "profile"}
    told = {"path": "landing zone", "settings": "settings", "guarded": "guarded"}
    empty = "No instrument is declared; `cisterna instrument add` declares one."
    answer(rows, as_json=as_json, show=table(rows, columns, told=told, empty=empty))


@app.command()
def check(
    path: Annotated[Path, typer.Argument(help="The folder of one run.")],
    *,
    profile: Annotated[
        str | None, typer.Option("--profile", help="How it was written; else whoever claims it.")
    ] = None,
    setting: SettingOption = None,
    as_json: AsJson = False,
) -> None:
    """Say why a folder is or is not complete. Needs nothing running and changes nothing."""
    from cisterna.bootstrap import open_parts
    from cisterna.services.claim import explain
    from cisterna.settings import load_settings

    folder = path.absolute()
    with open_parts(load_settings()) as parts:
        profiles = [parts.profile(profile)] if profile else list(parts.profiles.values())
        looks = [
            explain(
                logical_path(os.fsencode(folder.name)),
                zone=parts.zone_at(folder.parent),
                profile=one,
                settings=_settings(setting),
                outside=parts.outside,
            )
            for one in profiles
        ]
    explained = next((one for one in looks if one.is_claimed), None)
    if explained is None:
        msg = f"no profile recognises {folder}; tried: {', '.join(one.profile for one in looks)}"
        raise UnclaimedFolder(msg, path=str(folder))
    said = {"state": explained.now.state.value, "reason": explained.now.reason}
    document = {**said, **explained.model_dump(mode="json")}
    complete = explained.is_complete
    answer(document, as_json=as_json, show=pairs(document), code=ExitCode.DONE if complete else ExitCode.PERSON_NEEDED)


def _guarded(instrument: Instrument) -> str | None:
    guard = instrument.guard
    return f"{guard.words}; such as {', '.join(guard.examples)}" if guard else None


def _settings(given: list[str] | None) -> dict[str, str]:
    settings: dict[str, str] = {}
    for one in given or []:
        name, equals, value = one.partition("=")
        if not equals or not name:
            msg = f"'{one}' is not NAME=VALUE"
            raise InvalidInput(msg, setting=one)
        settings[name] = value
    return settings
