"""`cisterna instrument`: declare instruments, and ask why a folder is or is not complete."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cisterna.cli.answer import AsJson, DryRun, ExitCode, answer, lines, pairs, table
from cisterna.cli.config import HomeOption
from cisterna.cli.opened import opened
from cisterna.domain.bandwidth import parse_limit
from cisterna.domain.errors import InvalidInput, NotFound, SourceUnavailable, UnclaimedFolder
from cisterna.domain.source_name import logical_path
from cisterna.ports.profile import Profile
from cisterna.services.claim import Explanation, explain
from cisterna.services.instrument import declare_instrument, try_profile

if TYPE_CHECKING:
    from cisterna.bootstrap import Parts
    from cisterna.bootstrap.profile_plug import InstalledProfiles

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
    dry_run: DryRun = False,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Declare an instrument, once its profile was tried on what is there; the next sweep sees it."""
    settings, bandwidth = _settings(setting), [parse_limit(one) for one in limit or []]
    with opened(home) as parts:
        found = parts.profile(profile)
        zone = parts.zone_at(path.absolute())
        folders = len(zone.folders())
        tried = try_profile(found, zone=zone, settings=settings, outside=parts.outside)
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
            document = declared.model_dump(mode="json")
    verb = "would be declared" if dry_run else "is declared"
    text = f"{name} {verb}: {folders} folders are in {path.absolute()} now"
    told = [f"{one.folder}: {one.state.value if one.state else 'unknown'}; {one.reason}" for one in tried]
    shown = {"folders": folders, "tried": [one.model_dump(mode="json") for one in tried], "dry_run": dry_run}
    answer({**document, **shown}, as_json=as_json, show=lines(text, *told))


@app.command("list")
def list_(*, home: HomeOption = None, as_json: AsJson = False) -> None:
    """List the declared instruments."""
    with opened(home) as parts:
        installed = parts.installed_profiles
        with parts.catalogue.begin() as tx:
            declared = tx.instruments.list()
    rows = [
        {**one.model_dump(mode="json"), "profile_fault": _profile_fault(one.profile, installed)} for one in declared
    ]
    columns = {"name": "name", "profile": "profile"}
    told = {"path": "landing zone", "settings": "settings", "profile_fault": "what is wrong with its profile"}
    empty = "No instrument is declared; `cisterna instrument add` declares one."
    answer(rows, as_json=as_json, show=table(rows, columns, told=told, empty=empty))


@app.command()
def profiles(*, as_json: AsJson = False) -> None:
    """List the installed profiles, ours and others', and what is wrong with those that cannot be used."""
    from cisterna.bootstrap import open_parts
    from cisterna.settings import load_settings

    with open_parts(load_settings()) as parts:
        installed = parts.installed_profiles
    rows: list[dict[str, str | float | None]] = [
        {
            "name": one.name,
            "package": installed.packages[one.name],
            "quiet_seconds": one.quiet_seconds,
            "stalled_seconds": one.stalled_seconds,
            "fault": None,
            "fix": None,
        }
        for one in installed.usable.values()
    ]
    rows += [
        {
            "name": one.name,
            "package": one.package,
            "quiet_seconds": None,
            "stalled_seconds": None,
            "fault": f"{one.reason} ({one.place})",
            "fix": one.fix,
        }
        for one in installed.faults
    ]
    columns = {"name": "name", "package": "package", "quiet_seconds": "quiet (s)", "stalled_seconds": "stalled (s)"}
    told = {"fault": "cannot be used", "fix": "what to do"}
    answer(rows, as_json=as_json, show=table(rows, columns, told=told, empty="No profile is installed."))


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
    from cisterna.settings import load_settings

    with open_parts(load_settings()) as parts:
        chosen = [parts.profile(profile)] if profile else list(parts.profiles.values())
        explained = _explained(path.absolute(), chosen, parts=parts, settings=_settings(setting))
    said = {"state": explained.now.state.value, "reason": explained.now.reason}
    document = {**said, **explained.model_dump(mode="json")}
    complete = explained.is_complete
    answer(document, as_json=as_json, show=pairs(document), code=ExitCode.DONE if complete else ExitCode.PERSON_NEEDED)


def _explained(folder: Path, profiles: Sequence[Profile], *, parts: Parts, settings: Mapping[str, str]) -> Explanation:
    """Let the first profile that recognises the folder explain it. Raises `UnclaimedFolder`."""
    zone, name = parts.zone_at(folder.parent), logical_path(os.fsencode(folder.name))
    failed = []
    for one in profiles:
        try:
            seen = explain(name, zone=zone, profile=one, settings=settings, outside=parts.outside)
        except (NotFound, SourceUnavailable):
            raise
        except Exception as fault:  # noqa: BLE001 - profiles come from third parties, and none may stop the others
            failed.append(f"{one.name} failed ({type(fault).__name__}: {fault})"[:500])
            continue
        if seen.is_claimed:
            return seen
    tried = ", ".join([*(one.name for one in profiles), *failed])
    msg = f"no profile recognises {folder}; tried: {tried}"
    raise UnclaimedFolder(msg, path=str(folder))


def _profile_fault(name: str, installed: InstalledProfiles) -> str | None:
    if name in installed.usable:
        return None
    fault = installed.fault_of(name)
    return f"{fault.words}; {fault.fix}" if fault else f"the profile '{name}' is not installed"


def _settings(given: list[str] | None) -> dict[str, str]:
    settings: dict[str, str] = {}
    for one in given or []:
        name, equals, value = one.partition("=")
        if not equals or not name:
            msg = f"'{one}' is not NAME=VALUE"
            raise InvalidInput(msg, setting=one)
        settings[name] = value
    return settings
