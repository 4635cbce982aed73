"""A landing zone that is mounted, unmounted and mounted again, in a mount namespace of this process alone.

Reads a task from stdin and prints what each sweep made of the zone. Run by `unshare --mount`, so that whatever happens
here, nothing of it is seen outside and nothing stays.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.landing_folder import LandingFolder
from cisterna.adapters.zone_sentinel import write_sentinel
from cisterna.domain.instrument import Instrument, sentinel_text
from cisterna.domain.listing import Listing
from cisterna.profiles.folder import Folder
from cisterna.services.detect import SweepMemory, SweepResult, sweep_instrument
from cisterna.testing.clock import SettableClock
from cisterna.testing.factory import make_instrument, make_project

ARCHIVED, OPEN = 6, 2


def run(*command: str) -> None:
    """Run a command of the system's that must end well."""
    subprocess.run(command, check=True, capture_output=True)


def mount(share: Path, at: Path, *, kind: str) -> None:
    """Mount a share; an overlay gets another device number each time, as a network share does, and keeps its inodes."""
    if kind == "bind":
        run("mount", "--bind", str(share), str(at))
        return
    beside = share.with_name("nothing")
    taken = share.with_name(f"taken-{len(list(share.parent.glob('taken-*')))}")
    for folder in (beside, taken):
        folder.mkdir(exist_ok=True)
    run("mount", "-t", "tmpfs", "taken", str(taken))  # takes the number that was given back at the last unmount
    run("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={share}:{beside}", str(at))


def unmount(at: Path) -> None:
    """Take the mount away even while somebody looks at it; what stood at the path before is seen again."""
    run("umount", "--lazy", str(at))


def write_run(share: Path, name: str) -> None:
    """Write a run that its list closes."""
    folder = share / name
    folder.mkdir(parents=True)
    (folder / "a.csv").write_text(name)
    digest = hashlib.md5(name.encode()).hexdigest()  # noqa: S324 - the format of the list
    (folder / "md5sum.txt").write_text(f"{digest}  a.csv\n")


class Vanishing(LandingFolder):
    """A zone whose share goes away while it is looked at."""

    def __init__(self, path: Path, instrument: Instrument, *, after: int) -> None:
        super().__init__(path, declared=instrument.identity)
        self.left = after

    def listing(self, folder: str) -> Listing:
        """List, and be gone at the chosen folder."""
        self.left -= 1
        if self.left == 0:
            unmount(Path(self.path))
        return super().listing(folder)


class Story:
    """One zone through all that befalls it."""

    def __init__(self, task: dict[str, Any]) -> None:
        root = Path(task["root"])
        self.kind, self.zone, self.share, self.other = task["kind"], root / "zone", root / "share", root / "other"
        self.catalogue, self.clock, self.memory = SqlCatalogue(task["dsn"]), SettableClock(), SweepMemory()
        self.zone.mkdir()
        for number in range(ARCHIVED):
            write_run(self.share, f"run-{number}")
        write_run(self.other, "foreign")
        if task["sentinel"]:
            write_sentinel(str(self.share), sentinel_text("a" * 32, instrument="squid-1"))
        mount(self.share, self.zone, kind=self.kind)
        self.instrument = make_instrument(
            profile="folder", path=str(self.zone), identity=LandingFolder(self.zone).identity()
        )
        with self.catalogue.begin() as tx:
            tx.outbox.register(["log"])
            tx.instruments.add(self.instrument)
            tx.projects.add(make_project())
        self.sweep()
        self.sweep(after=60)
        with self.catalogue.begin() as tx:
            for one in tx.acquisitions.list():
                tx.acquisitions.save(one.model_copy(update={"ingested_fingerprint": one.fingerprint}))
        for number in range(OPEN):
            write_run(self.share, f"new-{number}")
        if self.kind == "overlay":  # what changes below an overlay is seen for sure after it is mounted anew
            self.remount()

    def remount(self) -> None:
        """Mount the right share again."""
        unmount(self.zone)
        mount(self.share, self.zone, kind=self.kind)

    def sweep(self, *, after: float = 0.0, vanish_after: int | None = None) -> SweepResult:
        """Look once."""
        self.clock.advance(after)
        zone = LandingFolder(self.zone, declared=self.instrument.identity)
        if vanish_after is not None:
            zone = Vanishing(self.zone, self.instrument, after=vanish_after)
        return sweep_instrument(
            self.instrument,
            zone=zone,
            profiles={"folder": Folder()},
            catalogue=self.catalogue,
            clock=self.clock,
            resolve_project=lambda _acquisition, _described: "cells",
            memory=self.memory,
        )

    def seen(self, step: str, result: SweepResult) -> dict[str, Any]:
        """Tell what the catalogue says after a sweep."""
        with self.catalogue.begin() as tx:
            runs = {one.folder: one for one in tx.acquisitions.list()}
        return {
            "step": step,
            "unavailable": result.unavailable,
            "device": self.zone.stat().st_dev,
            "states": {folder: one.state.value for folder, one in runs.items()},
            "sources": sorted({one.source_state.value for one in runs.values()}),
            "held": {folder: one.held for folder, one in runs.items()},
        }

    def tell(self) -> list[dict[str, Any]]:
        """Go through it."""
        told = [self.seen("mounted", self.sweep(after=120))]
        unmount(self.zone)
        told.append(self.seen("unmounted", self.sweep(after=120)))
        mount(self.share, self.zone, kind=self.kind)
        told.append(self.seen("remounted", self.sweep(after=120)))
        unmount(self.zone)
        mount(self.other, self.zone, kind=self.kind)
        told.append(self.seen("swapped", self.sweep(after=120)))
        self.remount()
        told.append(self.seen("right again", self.sweep(after=120)))
        self.memory = SweepMemory()
        told.append(self.seen("vanished in the middle", self.sweep(after=120, vanish_after=3)))
        mount(self.share, self.zone, kind=self.kind)
        self.memory = SweepMemory()
        told.append(self.seen("back", self.sweep(after=120)))
        told.append(self.seen("at rest", self.sweep(after=120)))
        return told


if __name__ == "__main__":
    json.dump(Story(json.load(sys.stdin)).tell(), sys.stdout)
