"""`cisterna restore`: an object's logical content as files, asked for first where it lies far."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from cisterna.bootstrap import Parts
from cisterna.cli.answer import AsJson, DryRun, ExitCode, answer, err_console, human_bytes, lines
from cisterna.cli.config import HomeOption
from cisterna.cli.dataset import archived_row
from cisterna.cli.opened import opened
from cisterna.cli.review import Identifier
from cisterna.domain.errors import InvalidInput, NotFound
from cisterna.domain.thaw import LONGEST_DAYS, Thawing, ThawSpeed
from cisterna.services.overview import Overview

PAUSE_SECONDS = 60.0
"""Between two looks whether a store has brought everything: what is fast takes minutes, the rest takes hours."""


def restore(
    identifier: Identifier,
    *,
    to: Annotated[Path, typer.Option("--to", help="An empty or missing folder.", show_default=False)],
    version: Annotated[str | None, typer.Option("--version", help="Such as v1; else the newest archived.")] = None,
    file: Annotated[
        list[str] | None,
        typer.Option("--file", metavar="PATH", help="Only this file, or those that a shell pattern names; repeatable."),
    ] = None,
    store: Annotated[
        str | None, typer.Option("--store", metavar="NAME", help="From the copy at this store; else the archive.")
    ] = None,
    thaw_days: Annotated[
        int | None,
        typer.Option(
            "--thaw-days",
            min=1,
            max=LONGEST_DAYS,
            help="Ask the store for what lies in a far storage class, to be readable for so many days; it may cost.",
        ),
    ] = None,
    thaw_speed: Annotated[
        ThawSpeed, typer.Option("--thaw-speed", help="How fast; the faster, the dearer.")
    ] = ThawSpeed.STANDARD,
    wait: Annotated[bool, typer.Option("--wait", help="With --thaw-days, wait until all of it can be read.")] = False,
    readable_names: Annotated[
        bool, typer.Option("--readable-names", help="Leave names that are no plain text as the archive writes them.")
    ] = False,
    dry_run: DryRun = False,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Write an object's logical content to a folder, digested as it lands."""
    from cisterna.services.restore import restore_version

    if wait and thaw_days is None:
        raise InvalidInput("--wait goes with --thaw-days; without it nothing is asked for")
    files = tuple(file or ())
    with opened(home) as parts:
        row = archived_row(identifier, parts)
        chosen = _version(row, version, parts)
        thawing = None
        if thaw_days is not None:
            asked = _Asked(chosen, parts, store=store, files=files, days=thaw_days, speed=thaw_speed)
            thawing = asked.awaited() if wait and not dry_run else asked.look(asks=not dry_run)
        if dry_run:
            what = f"of {row.file_count} files" if file else f"{row.file_count} files, {human_bytes(row.total_bytes)}"
            what = f"{', '.join(file)} {what}" if file else what
            told = [f"would restore {chosen}, {what}, to {to}", *([thawing.words] if thawing else [])]
            document = row.model_dump(mode="json")
            if thawing is not None:
                document["thawing"] = thawing.model_dump(mode="json")
            answer(document, as_json=as_json, show=lines(*told))
            return
        if thawing is not None and not thawing.is_ready:
            _not_yet(chosen, thawing, as_json=as_json)
            return
        restored = restore_version(
            chosen,
            to=to.absolute(),
            catalogue=parts.catalogue,
            store=parts.store_named(store),
            files=files,
            tables=parts.tables,
            readable_names=readable_names,
        )
    text = f"{chosen}: {restored.files} files, {human_bytes(restored.bytes_read)}, in {to}; every digest agrees"
    answer({"version_id": chosen, **restored.model_dump(mode="json")}, as_json=as_json, show=lines(text))


class _Asked:
    """What is asked of one store for one version."""

    def __init__(
        self,
        version_id: str,
        parts: Parts,
        *,
        store: str | None,
        files: tuple[str, ...],
        days: int,
        speed: ThawSpeed,
    ) -> None:
        self._version_id = version_id
        self._parts = parts
        self._store = parts.store_named(store)
        self._keeper = parts.object_keepers[self._store.name]
        self._files = files
        self._days = days
        self._speed = speed

    def look(self, *, asks: bool = True) -> Thawing:
        from cisterna.services.thaw import thaw_version

        return thaw_version(
            self._version_id,
            days=self._days,
            speed=self._speed,
            tables=self._parts.tables,
            catalogue=self._parts.catalogue,
            store=self._store,
            keeper=self._keeper,
            files=self._files,
            asks=asks,
        )

    def awaited(self) -> Thawing:
        from cisterna.services.thaw import await_thaw

        console = err_console()
        return await_thaw(self.look, wait=time.sleep, pause_seconds=PAUSE_SECONDS, tell=console.print)


def _not_yet(chosen: str, thawing: Thawing, *, as_json: bool) -> None:
    """Say what to wait for; the same command goes on."""
    reason = f"{thawing.words}; run the same command again then, or add --wait"
    answer(
        {"version_id": chosen, "reason": reason, "thawing": thawing.model_dump(mode="json")},
        as_json=as_json,
        show=lines(f"{chosen}: {reason}"),
        code=ExitCode.NOT_READY,
    )


def _version(row: Overview, label: str | None, parts: Parts) -> str:
    """Name the version to restore: the one asked for, or the newest that is archived."""
    with parts.catalogue.begin() as tx:
        kept = [one for one in tx.datasets.versions(row.dataset_id or "") if one.is_archived]
    if label is None:
        return row.version_id if row.version_id in {one.version_id for one in kept} else kept[-1].version_id
    for one in kept:
        if one.label == label:
            return one.version_id
    msg = f"{row.dataset_id} has no archived version '{label}'; it has {', '.join(one.label for one in kept)}"
    raise NotFound(msg, version=label)
