"""How to take away one thing that a release stands on."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import timedelta

from cisterna.domain.acquisition import AcquisitionState
from cisterna.domain.dataset import Stage
from cisterna.domain.digest import sha512_of
from cisterna.domain.fixity import Fixity
from cisterna.domain.stored_copy import StoredCopy
from cisterna.services.hold import place_hold
from cisterna.testing.factory import make_version, make_work
from tests.release.world import ReleaseWorld


def _new_version(world: ReleaseWorld) -> None:
    with world.facility.desk.begin() as tx:
        tx.datasets.add_version(make_version(tx.datasets.get(world.version_id.partition(":")[0]), number=2))


def _in_review(world: ReleaseWorld) -> None:
    with world.facility.desk.begin() as tx:
        found = tx.datasets.get_version(world.version_id)
        tx.datasets.save_version(found.model_copy(update={"stage": Stage.IN_REVIEW}))


def _stores(*names: str) -> Callable[[ReleaseWorld], None]:
    def spoil(world: ReleaseWorld) -> None:
        world.stores = names

    return spoil


def _hold(world: ReleaseWorld) -> None:
    place_hold("cells", person="vera", reason="revision", catalogue=world.facility.desk, clock=world.facility.clock)


def _work(world: ReleaseWorld) -> None:
    ask_for_work(world, world.version_id)


def ask_for_work(world: ReleaseWorld, subject: str) -> None:
    """Ask for work that nobody has begun yet."""
    with world.facility.desk.begin() as tx:
        tx.inbox.request(make_work("again", subject=subject))


def _another_zone(world: ReleaseWorld) -> None:
    moved = world.facility.landing.rename(world.facility.landing.with_name("moved"))
    world.facility.landing.mkdir()
    shutil.copytree(moved / world.run, world.folder)


def _instrument(**change: object) -> Callable[[ReleaseWorld], None]:
    def spoil(world: ReleaseWorld) -> None:
        with world.facility.desk.begin() as tx:
            tx.instruments.save(tx.instruments.get("squid-1").model_copy(update=change))

    return spoil


def damage_manifest(world: ReleaseWorld) -> None:
    staged = world.facility.version(world.version_id).staged["provenance/manifest.parquet"]
    key = f"{world.root}/{staged.content_path}"
    world.facility.store.put(key, world.facility.store.get(key)[0][:-1] + b"x")


def _change_inventory(world: ReleaseWorld) -> None:
    changed = world.facility.store.get(f"{world.root}/inventory.json")[0] + b" "
    world.facility.store.put(f"{world.root}/inventory.json", changed)
    sidecar = f"{sha512_of(changed)} inventory.json\n".encode()
    world.facility.store.put(f"{world.root}/inventory.json.sha512", sidecar)


def _damage_found(world: ReleaseWorld) -> None:
    now = world.facility.clock.now()
    with world.facility.desk.begin() as tx:
        tx.copies.put(
            StoredCopy(
                dataset_id=world.version_id.partition(":")[0],
                store="second",
                fixity=Fixity.DAMAGED,
                reason="one file has other bytes",
                since=now,
                looked_at=now,
                next_at=now,
            )
        )


SPOILS: dict[str, tuple[Callable[[ReleaseWorld], object], str]] = {
    "another version": (_new_version, "v2 is detected"),
    "in review": (_in_review, "review is open"),
    "one copy": (_stores("archive"), "copies at 2 stores"),
    "old receipts": (lambda world: world.facility.clock.advance(timedelta(days=40)), "read back in the last"),
    "store no longer used": (_stores("archive", "third"), "copies at 2 stores"),
    "changed": (lambda world: os.utime(world.folder / ".done", ns=(1, 1)), "not as it was last seen"),
    "gone": (lambda world: (world.folder / ".done").unlink(), "are gone"),
    "extra": (lambda world: (world.folder / "0" / "late.tiff").write_bytes(b"late"), "are not archived"),
    "link": (lambda world: (world.folder / "0" / "link").symlink_to("/etc/passwd"), "cannot be judged"),
    "not complete": (
        lambda world: world.change_acquisition(state=AcquisitionState.STALLED),
        "the acquisition is stalled",
    ),
    "held": (lambda world: world.change_acquisition(held="no project"), "the acquisition is held"),
    "hold": (_hold, "vera holds"),
    "work": (_work, "has not come to an end"),
    "ingest": (lambda world: ask_for_work(world, world.acquisition_id), "has not come to an end"),
    "zone": (_another_zone, "could not be looked at"),
    "no identity": (_instrument(identity=None), "nobody knows which folder"),
    "by hand": (_instrument(watched=False), "brought by hand"),
    "manifest damaged": (damage_manifest, "does not hold this version"),
    "damage found since": (_damage_found, "in second is damaged"),
    "inventory changed": (_change_inventory, "copies at 2 stores"),
}
"""How to take away one thing that a release stands on, and what is said of it."""
