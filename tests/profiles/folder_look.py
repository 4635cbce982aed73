"""How tests of profiles look at a folder, and what they ask of a run that is written step by step."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from cisterna.adapters.landing_folder import LandingFolder
from cisterna.domain.acquisition import AcquisitionState, Assessment
from cisterna.domain.listing import Listing, SeenFile
from cisterna.ports.profile import Profile
from cisterna.services.inspection import inspect_folder
from cisterna.services.look import FolderLook
from cisterna.testing.scripted_run import ScriptedRun

FOR_EVER = 1e9


def look(folder: Path, **settings: str) -> FolderLook:
    zone = LandingFolder(str(folder.parent))
    return FolderLook(folder.name, zone.listing(folder.name), zone, settings)


def judged(profile: Profile, folder: Path, *, quiet_for: float = FOR_EVER, **settings: str) -> Assessment:
    return inspect_folder(look(folder, **settings), profile=profile, quiet_for=quiet_for).assessment


def complete_steps(profile: Profile, run: ScriptedRun, zone: Path, *, quiet_for: float = 0.0) -> list[bool]:
    """Look after every step: was the run taken for complete?"""
    return [
        judged(profile, zone / run.name, quiet_for=quiet_for).state is AcquisitionState.COMPLETE
        for _ in run.steps(zone)
    ]


@dataclass(frozen=True)
class Held:
    """A folder whose files are given, and nothing else."""

    bodies: dict[str, bytes]
    folder: str = "run"
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def listing(self) -> Listing:
        files = (SeenFile(path=path, size_bytes=len(body), mtime_ns=0, inode=1) for path, body in self.bodies.items())
        return Listing(files=tuple(files))

    def read(self, path: str, *, limit_bytes: int = 8 * 1024 * 1024) -> bytes:
        return self.bodies[path][:limit_bytes]

    def head(self, path: str, *, limit_bytes: int = 4096) -> bytes:
        return self.bodies[path][:limit_bytes]

    def tail(self, path: str, *, limit_bytes: int = 4096) -> bytes:
        return self.bodies[path][-limit_bytes:]

    def read_setting(self, name: str, *, limit_bytes: int = 1024) -> bytes | None:
        del name, limit_bytes
        return None
