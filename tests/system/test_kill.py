"""Kill any process at any step: what it comes to is the same as if nobody had."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest

from cisterna.domain.dataset import Stage
from cisterna.domain.fixity import Fixity
from tests.system.archived import logical, orphans, read_object
from tests.system.running import RunningStack, digests, until, write_run

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

STEPS = ("detected", "measured", "gated", "described", "archived", "verified", "settled", "infer", "publish")
VICTIMS = ("dispatcher", "worker", "postgres", "store", "prefect")
AT_EACH_STEP = tuple(zip(STEPS, itertools.cycle(VICTIMS), strict=False))
REST_SECONDS = 240.0
FOVS = 6

_STAGES = "SELECT v.stage FROM versions v JOIN datasets d USING (dataset_id) WHERE "
_OF_RUN = _STAGES + "d.body->>'acquisition_id' = %(run)s"
_WORK = (
    "SELECT w.state FROM works w WHERE w.kind = %(kind)s AND w.subject IN (SELECT version_id FROM versions v "
    "JOIN datasets d USING (dataset_id) WHERE d.body->>'acquisition_id' = %(run)s)"
)
_AFTER = {
    "detected": ("detected", "measured"),
    "measured": ("measured", "gated"),
    "gated": ("gated", "described"),
    "described": ("described", "archived"),
    "archived": ("archived", "verified"),
    "verified": ("verified", "accepted"),
    "settled": ("accepted", "published"),
}

Blow = tuple[str, str]
"""A step, and the part that is killed at it."""


@dataclass(frozen=True)
class Outcome:
    """What a run came to; everything in it is the same however often somebody was killed."""

    stage: str
    verdict: str
    version: str
    manifest_digest: str
    data: dict[str, str]
    ours: tuple[str, ...]
    derived_stage: str
    derived_digest: str
    derived_files: int


@pytest.fixture(scope="module")
def reference(stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Give what an undisturbed run comes to."""
    folder = a_run(tmp_path_factory.mktemp("reference"))
    begun = stack.ok("ingest", str(folder), "--profile", "squid")
    return outcome_of(stack, rest_of(stack, begun["acquisition_id"]), folder)


def a_run(zone: Path) -> Path:
    """Write the same bytes again at another place."""
    return write_run(zone, wells=("A1", "A2"), fovs=FOVS)


def rest_of(stack: RunningStack, acquisition: str) -> dict[str, Any]:
    """Wait until a run is published and its labels rest, whatever is restarted meanwhile."""
    last: list[object] = []

    def look() -> bool:
        row = stack.seen(acquisition)
        labels = stack.seen(row.derived[0]) if row is not None and row.derived else None
        last[:] = [row, labels]
        if row is None or labels is None or row.stage is not Stage.PUBLISHED:
            return False
        return labels.stage in {Stage.IN_REVIEW, Stage.ACCEPTED, Stage.PUBLISHED}

    try:
        until(look, seconds=REST_SECONDS, what=f"the rest of {acquisition}", every=0.2)
    except AssertionError as never:
        raise AssertionError(f"{never}: {last}") from never
    return stack.detail(acquisition)


def outcome_of(stack: RunningStack, row: dict[str, Any], folder: Path) -> Outcome:
    """Read what a run came to, and hold it against everything that must be so."""
    assert len(row["versions"]) == 1
    assert len(row["derived"]) == 1
    derived = stack.detail(row["derived"][0])
    assert len(derived["versions"]) == 1
    keys, labels = read_object(stack, row["object_url"]), read_object(stack, derived["object_url"])
    assert orphans(keys) == orphans(labels) == []
    paths = logical(keys)
    data = {path: digest for path, digest in paths.items() if path.startswith("data/")}
    assert data == {f"data/{path}": digest for path, digest in digests(folder).items()}
    for one in (row, derived):
        checked = stack.check(one["dataset_id"])
        assert (checked.fixity, checked.damaged, checked.leftovers) == (Fixity.OK, (), ())
    assert len(row["publications"]) == 1
    assert len({receipt["inventory_sha512"] for receipt in row["receipts"]}) == 1
    return Outcome(
        stage=row["stage"],
        verdict=row["verdict"],
        version=row["version"],
        manifest_digest=row["manifest_digest"],
        data=data,
        ours=tuple(sorted(set(paths) - set(data))),
        derived_stage=derived["stage"],
        derived_digest=derived["manifest_digest"],
        derived_files=derived["file_count"],
    )


def stage_is_seen(connection: psycopg.Connection[Any], step: str, acquisition: str) -> bool:
    """Tell whether a run is at a step now, or has passed it already."""
    if step in {"infer", "publish"}:
        rows = connection.execute(_WORK, {"run": acquisition, "kind": step}).fetchall()
        return any(state in {"leased", "done"} for (state,) in rows)
    rows = connection.execute(_OF_RUN, {"run": acquisition}).fetchall()
    order = ["detected", "measured", "gated", "described", "archived", "verified", "accepted", "published"]
    wanted = order.index(_AFTER[step][0])
    return any(order.index(stage) >= wanted for (stage,) in rows)


def strike_at(stack: RunningStack, step: str, victim: str, acquisition: str) -> str:
    """Kill a part as soon as the run is seen at a step; return where the run was just before."""
    # found before: to look for them takes longer than some steps do
    pids = until(lambda: stack.pids(victim), seconds=REST_SECONDS, what=f"a process of {victim}")
    with stack.database() as connection:
        until(
            lambda: stage_is_seen(connection, step, acquisition),
            seconds=REST_SECONDS,
            what=f"the step {step} of {acquisition}",
            every=0.002,
        )
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(psycopg.Error):
            return str(connection.execute(_OF_RUN, {"run": acquisition}).fetchall())
    return "unknown"


def require_told_once(stack: RunningStack) -> None:
    """Every lineage run began once and ended once, and nothing waits in the outbox."""
    count: LiteralString = "SELECT count(*) FROM deliveries"

    def drained() -> bool:
        with contextlib.suppress(psycopg.Error), stack.database() as connection:
            row = connection.execute(count).fetchone()
            return row is not None and row[0] == 0
        return False

    until(drained, seconds=90, what="a drained outbox", every=0.3)
    events = [json.loads(line) for line in stack.home.lineage.read_text("utf-8").splitlines()]
    runs: dict[str, Counter[str]] = {}
    for event in events:
        runs.setdefault(event["run"]["runId"], Counter())[event["eventType"]] += 1
    for run, kinds in runs.items():
        ends = sum(kinds[kind] for kind in ("COMPLETE", "FAIL", "ABORT"))
        assert (kinds["START"], ends) == (1, 1), (run, kinds)


def kill_and_compare(stack: RunningStack, blows: Sequence[Blow], zone: Path, reference: Outcome) -> None:
    folder = a_run(zone)
    before = len(stack.rows())
    begun = stack.ok("ingest", str(folder), "--profile", "squid")
    began = time.monotonic()

    struck = []
    for step, victim in blows:
        until(lambda: can_be_asked(stack), seconds=REST_SECONDS, what="a catalogue that answers")
        where = strike_at(stack, step, victim, begun["acquisition_id"])
        struck.append(f"{victim} at {step} (run at {where})")

    row = rest_of(stack, begun["acquisition_id"])
    rested = time.monotonic() - began
    assert outcome_of(stack, row, folder) == reference
    assert len(stack.rows()) == before + 2
    require_told_once(stack)
    stack.await_healthy()
    print(f"killed {', '.join(struck)}: at rest {rested:.1f} s after it was asked for")  # noqa: T201


def can_be_asked(stack: RunningStack) -> bool:
    with contextlib.suppress(psycopg.Error), stack.database():
        return True
    return False


@pytest.mark.parametrize(
    "blows",
    [
        pytest.param(AT_EACH_STEP[0::3], id="first"),
        pytest.param(AT_EACH_STEP[1::3], id="second", marks=pytest.mark.torture),
        pytest.param(AT_EACH_STEP[2::3], id="third", marks=pytest.mark.torture),
    ],
)
def test_a_kill_at_each_step_changes_nothing(
    stack: RunningStack, reference: Outcome, tmp_path: Path, blows: Sequence[Blow]
) -> None:
    """Each run is struck three times, every step and every part in one of them."""
    kill_and_compare(stack, blows, tmp_path, reference)


@pytest.mark.torture
@pytest.mark.parametrize("victim", VICTIMS)
@pytest.mark.parametrize("step", STEPS)
def test_a_kill_of_anybody_at_any_step_changes_nothing(
    stack: RunningStack, reference: Outcome, tmp_path: Path, step: str, victim: str
) -> None:
    kill_and_compare(stack, [(step, victim)], tmp_path, reference)


@pytest.fixture
def moments() -> random.Random:
    """Give the chances of the random kills; the seed is told, so that a bad one can be had again."""
    seed = time.time_ns()
    print(f"seed {seed}")  # noqa: T201
    return random.Random(seed)


@pytest.mark.torture
@pytest.mark.timeout(14_400)
def test_kills_at_random_change_nothing(
    stack: RunningStack, reference: Outcome, tmp_path: Path, request: pytest.FixtureRequest, moments: random.Random
) -> None:
    done = Counter[str]()
    for number in range(request.config.getoption("--kills")):
        folder = a_run(tmp_path / str(number))
        begun = stack.ok("ingest", str(folder), "--profile", "squid")
        for _ in range(moments.choice((1, 1, 2))):
            time.sleep(moments.uniform(0.0, 6.0))
            victim = moments.choice(VICTIMS)
            if stack.pids(victim):
                stack.kill(victim)
                done[victim] += 1
        assert outcome_of(stack, rest_of(stack, begun["acquisition_id"]), folder) == reference
    require_told_once(stack)
    print(f"kills: {dict(done)}")  # noqa: T201
