"""OCFL's own validator, which shares no code with us, as a judge of what lies in a store."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from cisterna.ports.object_store import ObjectStore
from tests.archive.facility import Facility


def dump(store: ObjectStore, folder: Path) -> None:
    """Copy a whole bucket to a folder, key by key."""
    for found in store.list(""):
        file = folder / found.key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"".join(store.stream(found.key)))


def judge(command: list[str], *folders: Path) -> str:
    """Give what the validator says of roots and objects, having failed if it says that something is not valid."""
    told = subprocess.run(
        [*command, *map(str, folders)],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
        env={"PATH": os.environ["PATH"], "PYTHONUTF8": "1"},
    )
    said = told.stdout + told.stderr
    assert told.returncode == 0, said
    assert "[E" not in said, said
    return said


def judge_all(facility: Facility, command: list[str], folder: Path) -> str:
    """Let the validator judge the storage root and every object in it."""
    dump(facility.store, folder)
    with facility.catalogue.begin() as tx:
        roots = [dataset.object_root for dataset in tx.datasets.list()]
    return judge(command, folder, *(folder / root for root in roots))
