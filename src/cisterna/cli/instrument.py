"""`cisterna instrument`: declare instruments, and ask why a folder is or is not complete."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated

import typer

from cisterna.cli.answer import AsJson, DryRun, ExitCode, Reason, answer, lines, pairs, table
from cisterna.cli.config import HomeOption
from cisterna.cli.instrument_health import health
from cisterna.cli.opened import local_person, opened
from cisterna.cli.rehearsal import catalogue_for
from cisterna.cli.shadow import DaysOption, RuleOption, shadow, shadow_from_the_start, shadowed
from cisterna.domain.bandwidth import parse_limit
from cisterna.domain.errors import InvalidInput, NotFound, SourceUnavailable, UnclaimedFolder
from cisterna.domain.hint import BUCKET_SCHEME
from cisterna.domain.instrument import CopyRule, Instrument
from cisterna.domain.source_name import logical_path
from cisterna.ports.profile import Profile
from cisterna.services.claim import Explanation, explain
from cisterna.services.instrument import change_settings, declare_instrument, look_after_sentinel
from cisterna.services.instrument_trial import try_profile
from cisterna.services.instrument_word import set_copies
from cisterna.services.mass_change import accept_change
from cisterna.services.shadow import DAYS

if TYPE_CHECKING:
    from cisterna.bootstrap import Parts
    from cisterna.bootstrap.profile_plug import InstalledProfiles

app = typer.Typer(no_args_is_help=True, help="Instruments and their landing zones.")
app.command()(shadow)
app.command()(health)

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
    write_sentinel: Annotated[
        bool,
        typer.Option("--write-sentinel", help="Put a small file into the zone by which it is known after a remount."),
    ] = False,
    in_shadow: Annotated[
        bool, typer.Option("--shadow", help="In shadow mode from the first moment on; needs a --reason.")
    ] = False,
    days: DaysOption = DAYS,
    rule: RuleOption = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Why it is in shadow mode.")] = None,
    dry_run: DryRun = False,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Declare an instrument, once its profile was tried on what is there; the next sweep sees it."""
    settings, bandwidth = _settings(setting), [parse_limit(one) for one in limit or []]
    place = _place(path)
    if in_shadow and write_sentinel:
        raise InvalidInput("in shadow mode nothing is written to a landing zone; leave out --write-sentinel")
    if not in_shadow and (reason or rule):
        raise InvalidInput("--reason and --rule go with --shadow")
    with opened(home) as parts:
        found = parts.profile(profile)
        wanted = None
        if in_shadow:
            wanted = shadow_from_the_start(
                name, profile, parts.zone_at(place), days=days, rule=rule, reason=reason, parts=parts
            )
        zone = parts.zone_at(place)
        folders = len(zone.folders())
        tried = try_profile(found, zone=zone, settings=settings, outside=parts.outside)
        document = {
            "name": name,
            "profile": profile,
            "path": place,
            "settings": settings,
            "bandwidth": [one.model_dump(mode="json") for one in bandwidth],
        }
        if not dry_run:
            if not in_shadow and not _is_in_shadow(name, place, parts):
                parts.zones.mark(place)
            declared = declare_instrument(
                name,
                profile=found,
                path=place,
                settings=settings,
                bandwidth=bandwidth,
                shadow=wanted,
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
    verb += ", in shadow mode" if in_shadow else ""
    text = f"{name} {verb}: {folders} folders are in {place} now"
    told = [f"{one.folder}: {one.state.value if one.state else 'unknown'}; {one.reason}" for one in tried]
    shown = {"folders": folders, "tried": [one.model_dump(mode="json") for one in tried], "dry_run": dry_run}
    answer({**document, **shown}, as_json=as_json, show=lines(text, *told))


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
            zone = parts.zone_at(tx.instruments.get(name).path)
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
    with opened(home) as parts:
        installed = parts.installed_profiles
        with parts.catalogue.begin() as tx:
            declared = tx.instruments.list()
    rows = [
        {
            **one.model_dump(mode="json"),
            "profile_fault": _profile_fault(one.profile, installed),
            "guarded": _guarded(one),
            "shadowed": shadowed(one.in_shadow),
        }
        for one in declared
    ]
    columns = {"name": "name", "profile": "profile"}
    told = {"path": "landing zone", "settings": "settings"}
    told |= {"profile_fault": "what is wrong with its profile", "guarded": "guarded", "shadowed": "in shadow mode"}
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
    from cisterna.settings import load_settings

    with open_parts(load_settings()) as parts:
        chosen = [parts.profile(profile)] if profile else list(parts.profiles.values())
        explained = _explained(_place(path), chosen, parts=parts, settings=_settings(setting))
    said = {"state": explained.now.state.value, "reason": explained.now.reason}
    document = {**said, **explained.model_dump(mode="json")}
    complete = explained.is_complete
    answer(document, as_json=as_json, show=pairs(document), code=ExitCode.DONE if complete else ExitCode.PERSON_NEEDED)


def _place(path: str) -> str:
    """Write a landing zone, or a folder in one, from the root."""
    return path.rstrip("/") if path.startswith(BUCKET_SCHEME) else str(Path(path).absolute())


def _explained(place: str, profiles: Sequence[Profile], *, parts: Parts, settings: Mapping[str, str]) -> Explanation:
    """Let the first profile that recognises the folder explain it. Raises `UnclaimedFolder`."""
    above, _, folder = place.rpartition("/")
    zone, name = parts.zone_at(above or "/"), logical_path(os.fsencode(folder))
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
    msg = f"no profile recognises {place}; tried: {tried}"
    raise UnclaimedFolder(msg, path=place)


def _profile_fault(name: str, installed: InstalledProfiles) -> str | None:
    if name in installed.usable:
        return None
    fault = installed.fault_of(name)
    return f"{fault.words}; {fault.fix}" if fault else f"the profile '{name}' is not installed"


def _is_in_shadow(name: str, place: str, parts: Parts) -> bool:
    """Tell whether a zone belongs, in part or whole, to an instrument in shadow mode: nothing is written there."""
    with parts.catalogue.begin() as tx:
        shadowed = [one for one in tx.instruments.list() if one.in_shadow]
    zones = [PurePosixPath(one.path) for one in shadowed]
    is_theirs = any(one.is_relative_to(place) or PurePosixPath(place).is_relative_to(one) for one in zones)
    return is_theirs or any(one.name == name for one in shadowed)


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
