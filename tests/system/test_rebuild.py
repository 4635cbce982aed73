"""A facility loses first its stack and then its database: nothing is left behind, and all goes on where it was."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cisterna.testing.virtual_squid import Fault
from tests.archive.told import rows_of
from tests.system.running import RunningStack, short_folder, until, write_run

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]

ABOUT = ("--human-data", "no", "--creator", "Golgi, Camillo", "--publisher", "A facility", "--licence", "CC-BY-4.0")
QUIET = ("--set", "quiet_seconds=2", "--set", "stalled_seconds=60")
REST_SECONDS = 200.0
RESTING = {"accepted", "published", "in-review"}


@pytest.fixture
def own_stack() -> Iterator[RunningStack]:
    """Give a stack whose database may be lost."""
    with short_folder() as folder:
        running = RunningStack(folder / "home")
        running.start()
        try:
            yield running
        finally:
            running.stop()
            assert not running.named()


def dump(stack: RunningStack) -> dict[str, list[dict[str, Any]]]:
    """Give every row of every kept table."""
    with stack.database() as connection:
        return rows_of(connection)


def live(stack: RunningStack, zones: Path) -> dict[str, dict[str, Any]]:
    """Bring in a sharp run that is published, withdrawn and read by a model, and a blurred one that is decided on."""
    stack.ok("project", "add", "study", "--title", "A study", "--accept-passed", "--publish", "passed", *ABOUT)
    stack.ok("project", "bind", "study", "--path", str(zones / "watched"))
    (zones / "watched").mkdir()
    stack.ok("instrument", "add", "scope", "--profile", "squid", "--path", str(zones / "watched"), *QUIET)
    write_run(zones / "watched", experiment="sharp", seed=1)
    write_run(zones / "watched", experiment="blurred", seed=2, fault=Fault.BLUR)
    write_run(zones / "watched", experiment="shown", seed=3)

    def rested() -> dict[str, dict[str, Any]] | None:
        rows = {row["title"].split("_")[0]: row for row in stack.rows("scope")}
        stages = [row["stage"] for row in rows.values()]
        return rows if len(rows) == 3 and all(one in {"published", "in-review"} for one in stages) else None

    rows = until(rested, seconds=REST_SECONDS, what="three runs at rest")
    stack.ok("review", "reject", rows["blurred"]["dataset_id"], "--reason", "out of focus")
    stack.ok("withdraw", rows["shown"]["dataset_id"], "--reason", "a mistake")
    stack.ok("reprocess", rows["sharp"]["dataset_id"], "--model", "nuclei-unet", "--reason", "count them")
    until(
        lambda: [
            row for row in stack.rows() if row["stage"] in {"accepted", "in-review"} and not row["acquisition_id"]
        ],
        seconds=REST_SECONDS,
        what="a derived dataset at rest",
    )
    return rows


def require_nothing_runs(stack: RunningStack) -> None:
    until(lambda: not stack.named(), seconds=15, what=f"the end of every process, but {stack.named()}")
    assert stack.run("list").code == 5


def kill_up(stack: RunningStack) -> None:
    """Kill `cisterna up` itself; everything else must end with it."""
    assert stack.process is not None
    os.kill(stack.process.pid, signal.SIGKILL)
    stack.process.wait()
    require_nothing_runs(stack)


def stop_cleanly(stack: RunningStack) -> None:
    """Stop it; at the end no process and no file of a running one is left."""
    assert stack.stop() == 0
    assert stack.named() == []
    left = {path.name for path in stack.home.run.iterdir()}
    assert left <= {
        "lock",
        "dispatcher.lock",
        "worker-1.ready",
        "worker-2.ready",
        "worker-keeping.ready",
    }  # who held leases last
    require_nothing_runs(stack)
    assert not list(stack.folder.rglob("postmaster.pid"))


def test_a_killed_stack_goes_on_and_a_lost_database_is_rebuilt_equal(own_stack: RunningStack, tmp_path: Path) -> None:
    """One row of steps: each start takes its time."""
    stack = own_stack
    rows = live(stack, tmp_path)
    known_before = stack.ok("show", rows["sharp"]["dataset_id"])
    kill_up(stack)
    stack.start()  # what the first one had not recorded yet is recorded by the second
    known_after = stack.ok("show", rows["sharp"]["dataset_id"])
    assert known_after["manifest_digest"] == known_before["manifest_digest"]
    brought = stack.ingest(write_run(tmp_path / "by-hand", seed=4), "--project", "study")
    assert brought.code == 0, brought.out
    assert stack.ok("check")["fixity"] == "ok"
    stack.await_idle()
    until(lambda: stack.run("rebuild", "--from-archive").code == 0, seconds=60, what="a record that tells all", every=1)
    drill = stack.ok("rebuild", "--from-archive", "--into", "drill")
    assert (drill["outcome"], drill["faults"]) == ("rebuilt", [])
    before = dump(stack)
    stop_cleanly(stack)
    shutil.rmtree(stack.home.postgres)

    planned = stack.run("rebuild", "--from-archive", "--dry-run")
    rebuilt = stack.run("rebuild", "--from-archive")

    assert (planned.code, planned.document["rows"]) == (0, rebuilt.document["rows"])
    assert (rebuilt.code, rebuilt.document["outcome"]) == (0, "rebuilt"), rebuilt.out
    again = stack.run("rebuild", "--from-archive")
    assert (again.code, again.document["outcome"]) == (0, "equal")
    assert rebuilt.document["public_records"] == drill["public_records"] > 0
    assert rebuilt.document["rows"] == {name: len(found) for name, found in before.items()}

    stack.start()
    after = dump(stack)
    for name in before.keys() - {"setup_links", "acquisitions", "events"}:  # a start issues a link, and looks
        assert after[name] == before[name], name
    known = {row["event_id"] for row in before["events"]}
    assert known <= {row["event_id"] for row in after["events"]}
    for one in ("acquisition_id", "ingested_fingerprint", "state", "dataset_id"):
        found = [[row["body"][one] for row in dumped["acquisitions"]] for dumped in (before, after)]
        assert found[0] == found[1]

    write_run(tmp_path / "watched", experiment="new", seed=9)
    until(
        lambda: [row for row in stack.rows("scope") if row["stage"] == "published" and row["title"].startswith("new")],
        seconds=REST_SECONDS,
        what="a new run at rest",
    )
    assert len({row["acquisition_id"] for row in stack.rows("scope") if row["acquisition_id"]}) == 4
    works = [row["key"] for row in dump(stack)["works"] if row["kind"] == "ingest"]
    assert len(works) == len([row for row in before["works"] if row["kind"] == "ingest"]) + 1
    assert stack.check(rows["sharp"]["dataset_id"]).fixity == "ok"
