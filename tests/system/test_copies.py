"""A running stack with a second store: copies come by themselves, and a store that is away delays only its own."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from cisterna.adapters.embedded_seaweedfs import EmbeddedSeaweedFS
from tests.system.archived import orphans
from tests.system.running import RunningStack, until, write_run

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]


def await_copies(stack: RunningStack, dataset_id: str, wanted: int) -> dict[str, Any]:
    """Wait until `show` says in how many stores the newest version is, with its records."""

    def look() -> dict[str, Any] | None:
        found: dict[str, Any] = stack.ok("show", dataset_id)
        return found if found["copies"] == wanted else None

    return until(look, seconds=90, what=f"{wanted} copies of {dataset_id}", every=0.3)


def test_a_copy_comes_by_itself_and_waits_for_a_store_that_is_away(
    mirrored: RunningStack, mirror: EmbeddedSeaweedFS, tmp_path: Path
) -> None:
    answer = mirrored.ingest(write_run(tmp_path / "zone", seed=301))
    dataset_id = answer.document["dataset_id"]
    shown = await_copies(mirrored, dataset_id, 2)
    assert (shown["copies_wanted"], shown["fixity"]) == (2, "ok")
    assert [one["store"] for one in shown["stores"]] == ["archive", "mirror"]
    assert mirrored.ok("check", dataset_id)["fixity"] == "ok"

    assert mirror.pid is not None
    os.kill(mirror.pid, signal.SIGKILL)
    mirror.kill()
    second = mirrored.ingest(write_run(tmp_path / "zone", seed=302, experiment="other"))
    assert second.code == 0, second.out
    assert mirrored.ok("show", second.document["dataset_id"])["copies"] == 1
    away = mirrored.run("check", dataset_id)
    assert (away.code, away.document["fixity"]) == (4, "could-not-check")
    assert mirrored.run("check", dataset_id, "--store", "archive").code == 0

    mirror.start()
    await_copies(mirrored, second.document["dataset_id"], 2)
    until(
        lambda: (
            records(mirrored, second.document["dataset_id"], "archive")
            == records(mirrored, second.document["dataset_id"], "mirror")
        ),
        seconds=60,
        what="the records in the copy",
        every=0.5,
    )
    assert mirrored.run("check", dataset_id).code == 0


def records(stack: RunningStack, dataset_id: str, store: str) -> dict[str, bytes]:
    """Give the records of an object's `logs/` in a store; they are there and leave no orphan."""
    found = keys(stack, dataset_id, store)
    assert orphans(found) == []
    return {path: body for path, body in found.items() if path.startswith("logs/")}


def keys(stack: RunningStack, dataset_id: str, store: str) -> dict[str, bytes]:
    with stack.parts() as parts:
        with parts.catalogue.begin() as tx:
            root = tx.datasets.get(dataset_id).object_root
        held = parts.keeping_stores[store]
        return {one.key.removeprefix(f"{root}/"): held.get(one.key)[0] for one in held.list(f"{root}/")}


def test_damage_is_an_exit_code_a_red_row_and_a_repair(mirrored: RunningStack, tmp_path: Path) -> None:
    dataset_id = mirrored.ingest(write_run(tmp_path / "zone", seed=303, experiment="harmed")).document["dataset_id"]
    await_copies(mirrored, dataset_id, 2)
    held = keys(mirrored, dataset_id, "mirror")
    path = max((one for one in held if "/content/" in one), key=lambda one: len(held[one]))
    with mirrored.parts() as parts, parts.catalogue.begin() as tx:
        parts.keeping_stores["mirror"].delete([f"{tx.datasets.get(dataset_id).object_root}/{path}"])

    found = mirrored.run("check", dataset_id, "--repair", "--dry-run")
    assert (found.code, found.document["fixity"]) == (1, "damaged")
    assert mirrored.ok("show", dataset_id)["fixity"] == "ok"  # a dry run writes nothing down
    assert mirrored.run("check", dataset_id).code == 1
    shown = mirrored.ok("show", dataset_id)
    assert shown["fixity"] == "damaged"
    (fault,) = (one for copy in shown["stores"] for one in copy["faults"])
    assert fault["path"] == path
    assert fault["files"][0].startswith("data/")

    mended = mirrored.run("check", dataset_id, "--repair")
    assert (mended.code, mended.document["fixity"]) == (0, "ok")
    assert [one for row in mended.document["objects"] for one in row["repaired"]] == [path]
    assert keys(mirrored, dataset_id, "mirror")[path] == held[path]
    assert mirrored.ok("show", dataset_id)["fixity"] == "ok"
