"""Real mounts that go, come back and are swapped: no deletion is ever inferred, and the state says what is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.services.remount_child import ARCHIVED, OPEN

Told = dict[str, dict[str, Any]]
KNOWN = {*(f"run-{number}" for number in range(ARCHIVED)), *(f"new-{number}" for number in range(OPEN))}


def tell(dsn: str, root: Path, *, kind: str, sentinel: bool) -> Told:
    """Let a child go through it in a mount namespace of its own."""
    allowed = subprocess.run(["unshare", "--mount", "true"], capture_output=True, text=True, check=False)
    if allowed.returncode:
        pytest.skip(f"this machine allows no mount namespace: {allowed.stderr.strip()}")
    task = {"dsn": dsn, "root": str(root), "kind": kind, "sentinel": sentinel}
    child = subprocess.run(
        ["unshare", "--mount", sys.executable, "-m", "tests.services.remount_child"],
        input=json.dumps(task),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=Path(__file__).parents[2],
    )
    if "'mount'" in child.stderr and "CalledProcessError" in child.stderr:
        pytest.skip(f"this machine mounts no {kind}: {child.stderr.splitlines()[-1]}")
    assert child.returncode == 0, child.stderr
    return {one["step"]: one for one in json.loads(child.stdout)}


def require_nothing_inferred(told: Told) -> None:
    """Refuse any deletion or change that somebody took from a mount that was not there, or was another."""
    for step, seen in told.items():
        assert seen["sources"] == ["present"], step
        assert set(seen["states"]) - {"foreign"} == KNOWN, step
        assert all(seen["states"][f"run-{number}"] == "complete" for number in range(ARCHIVED)), step
        assert "foreign" not in seen["states"], step


def require_unavailable(seen: dict[str, Any]) -> None:
    """The zone is told as such, and what was not archived yet is held with the reason."""
    assert "not the folder that was declared" in (seen["unavailable"] or ""), seen["step"]
    for number in range(OPEN):
        assert seen["states"][f"new-{number}"] == "unavailable"
        assert seen["held"][f"new-{number}"] == seen["unavailable"]


def test_a_share_with_a_sentinel_is_known_again_under_another_device_and_no_other_passes_for_it(
    dsn: str, tmp_path: Path
) -> None:
    told = tell(dsn, tmp_path, kind="overlay", sentinel=True)

    require_nothing_inferred(told)
    assert told["mounted"]["device"] != told["remounted"]["device"]
    for step in ("unmounted", "swapped", "vanished in the middle"):
        require_unavailable(told[step])
    for step in ("mounted", "remounted", "right again", "back", "at rest"):
        assert told[step]["unavailable"] is None, step
    assert set(told["at rest"]["states"].values()) == {"complete"}


def test_a_share_without_a_sentinel_that_gets_another_device_is_unavailable_and_never_empty(
    dsn: str, tmp_path: Path
) -> None:
    told = tell(dsn, tmp_path, kind="overlay", sentinel=False)

    for seen in told.values():
        assert seen["sources"] == ["present"], seen["step"]
        assert "not the folder that was declared" in (seen["unavailable"] or ""), seen["step"]
        assert set(seen["states"]) == {f"run-{number}" for number in range(ARCHIVED)}, seen["step"]
        assert set(seen["states"].values()) == {"complete"}, seen["step"]


@pytest.mark.parametrize("sentinel", [False, True], ids=["by its numbers", "by its sentinel"])
def test_a_disk_that_is_bound_again_is_the_same_zone(dsn: str, tmp_path: Path, sentinel: bool) -> None:
    told = tell(dsn, tmp_path, kind="bind", sentinel=sentinel)

    require_nothing_inferred(told)
    assert told["mounted"]["device"] == told["remounted"]["device"]
    for step in ("unmounted", "swapped", "vanished in the middle"):
        require_unavailable(told[step])
    assert told["at rest"]["unavailable"] is None
    assert set(told["at rest"]["states"].values()) == {"complete"}
