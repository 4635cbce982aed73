"""`cisterna instrument`: declare instruments, and ask why a folder is or is not complete."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from cisterna.cli.answer import AsJson, DryRun, ExitCode, answer, lines, pairs, table
from cisterna.cli.config import HomeOption
from cisterna.cli.opened import local_person, opened
from cisterna.cli.rehearsal import catalogue_for
from cisterna.domain.bandwidth import parse_limit
from cisterna.domain.errors import InvalidInput, UnclaimedFolder
from cisterna.domain.hint import BUCKET_SCHEME
from cisterna.domain.instrument import CopyRule
from cisterna.domain.source_name import logical_path
from cisterna.services.instrument import declare_instrument, set_copies

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
    path: Annotated[
        str, typer.Option("--path", help="Its landing zone: a folder, or s3://bucket/prefix.", show_default=False)
    ],
    setting: SettingOption = None,
    limit: LimitOption = None,
    dry_run: DryRun = False,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Declare an instrument; the next sweep sees it."""
    settings, bandwidth = _settings(setting), [parse_limit(one) for one in limit or []]
    place = _place(path)
    with opened(home) as parts:
        found = parts.profile(profile)
        zone = parts.zone_at(place)
        folders = len(zone.folders())
        document = {
            "name": name,
            "profile": profile,
            "path": place,
            "settings": settings,
            "bandwidth": [one.model_dump(mode="json") for one in bandwidth],
        }
        if not dry_run:
            parts.zones.mark(place)
            declared = declare_instrument(
                name,
                profile=found,
                path=place,
                settings=settings,
                bandwidth=bandwidth,
                zone=zone,
                catalogue=parts.catalogue,
                clock=parts.clock,
            )
            document = declared.model_dump(mode="json")
    verb = "would be declared" if dry_run else "is declared"
    text = f"{name} {verb}: {folders} folders are in {place} now"
    answer({**document, "folders": folders, "dry_run": dry_run}, as_json=as_json, show=lines(text))


@app.command()
def copies(
    name: Annotated[str, typer.Argument(help="The instrument's name.")],
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why; it stands in every deletion record.")],
    one_at: Annotated[
        str | None, typer.Option("--one-at", metavar="STORE", help="The one re-read copy in this store suffices.")
    ] = None,
    as_site: Annotated[
        bool, typer.Option("--as-site", help="As many as the settings ask for, even where a project asks for one.")
    ] = False,
    as_project: Annotated[
        bool, typer.Option("--as-project", help="As the project says, as before anything was said.")
    ] = False,
    dry_run: DryRun = False,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Say how many re-read copies a release of its source copies asks for, whatever the project says."""
    chosen = [
        rule
        for rule, is_given in (
            (CopyRule.ONE_COPY, one_at is not None),
            (CopyRule.SITE, as_site),
            (CopyRule.PROJECT, as_project),
        )
        if is_given
    ]
    if len(chosen) != 1:
        raise InvalidInput("give exactly one of --one-at STORE, --as-site and --as-project")
    with opened(home) as parts:
        instrument = set_copies(
            name,
            rule=chosen[0],
            store=one_at,
            person=local_person(parts),
            reason=reason,
            stores=parts.store_names,
            catalogue=catalogue_for(parts.catalogue, dry_run=dry_run),
            clock=parts.clock,
        )
    asked = {
        CopyRule.ONE_COPY: f"the one copy at {one_at}",
        CopyRule.SITE: "as many copies as the site's settings do",
        CopyRule.PROJECT: "what the project's policy says",
    }[chosen[0]]
    text = f"releases of data of {name} {'would ask' if dry_run else 'ask'} for {asked}"
    answer({**instrument.model_dump(mode="json"), "dry_run": dry_run}, as_json=as_json, show=lines(text))


@app.command("list")
def list_(*, home: HomeOption = None, as_json: AsJson = False) -> None:
    """List the declared instruments."""
    with opened(home) as parts, parts.catalogue.begin() as tx:
        rows = [one.model_dump(mode="json") for one in tx.instruments.list()]
    columns = {"name": "name", "profile": "profile"}
    told = {"path": "landing zone", "settings": "settings"}
    empty = "No instrument is declared; `cisterna instrument add` declares one."
    answer(rows, as_json=as_json, show=table(rows, columns, told=told, empty=empty))


@app.command()
def check(
    path: Annotated[str, typer.Argument(help="The folder of one run, also s3://bucket/prefix/run.")],
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

    above, _, name = _place(path).rpartition("/")
    folder = logical_path(os.fsencode(name))
    with open_parts(load_settings()) as parts:
        profiles = [parts.profile(profile)] if profile else list(parts.profiles.values())
        looks = [
            explain(
                folder,
                zone=parts.zone_at(above or "/"),
                profile=one,
                settings=_settings(setting),
                outside=parts.outside,
            )
            for one in profiles
        ]
    explained = next((one for one in looks if one.is_claimed), None)
    if explained is None:
        msg = f"no profile recognises {path}; tried: {', '.join(one.profile for one in looks)}"
        raise UnclaimedFolder(msg, path=path)
    said = {"state": explained.now.state.value, "reason": explained.now.reason}
    document = {**said, **explained.model_dump(mode="json")}
    complete = explained.is_complete
    answer(document, as_json=as_json, show=pairs(document), code=ExitCode.DONE if complete else ExitCode.PERSON_NEEDED)


def _place(path: str) -> str:
    """Write a landing zone, or a folder in one, from the root."""
    return path.rstrip("/") if path.startswith(BUCKET_SCHEME) else str(Path(path).absolute())


def _settings(given: list[str] | None) -> dict[str, str]:
    settings: dict[str, str] = {}
    for one in given or []:
        name, equals, value = one.partition("=")
        if not equals or not name:
            msg = f"'{one}' is not NAME=VALUE"
            raise InvalidInput(msg, setting=one)
        settings[name] = value
    return settings
