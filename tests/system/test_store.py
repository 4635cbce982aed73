"""On a running stack: stores are provisioned by one command, doctor tries their doors, and ingest goes on as before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cisterna.adapters.embedded_seaweedfs import EmbeddedSeaweedFS
from tests.system.running import Answer, RunningStack, short_folder, write_run

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

STORES = ("archive", "public", "mirror")


@pytest.fixture(scope="module")
def stack(seaweedfs: EmbeddedSeaweedFS) -> Iterator[RunningStack]:
    """A stack whose store is reached through the MinIO SDK, with a copy whose bucket nobody has made yet."""
    access = seaweedfs.archive_access
    with short_folder() as folder:
        running = RunningStack(folder / "home")
        running.folder.mkdir(mode=0o700)
        (running.folder / "cisterna.toml").write_text(
            '[store]\nclient = "minio"\n\n[[store.copies]]\nname = "mirror"\nbucket = "system-mirror"\n'
            f'endpoint = "{access.endpoint}"\naccess_key_id = "{access.access_key_id}"\n'
            f'secret_access_key = "{access.secret_access_key.get_secret_value()}"\n'
        )
        running.start()
        try:
            yield running
        finally:
            running.stop()
            assert not running.named()


def conditions(answer: Answer) -> dict[str, str]:
    return {part["part"]: part["condition"] for part in answer.document["parts"]}


def outcomes(document: dict[str, Any]) -> dict[tuple[str, str], str]:
    return {(point["store"], point["point"]): point["outcome"] for point in document["points"]}


def test_stores_are_brought_to_the_plan_and_work_as_before(stack: RunningStack, tmp_path: Path) -> None:
    """One row of steps: each needs the one before, and a stack takes its time to start."""
    rehearsed, again = stack.ok("store", "provision", "--dry-run"), stack.ok("store", "provision", "--dry-run")
    assert outcomes(rehearsed) == outcomes(again)
    assert outcomes(rehearsed)["mirror", "bucket"] == "to-change"
    before = stack.run("doctor")
    assert (before.code, conditions(before)["copy mirror"]) == (5, "failed"), before.out

    done = stack.ok("store", "provision")
    assert {name for name, _ in outcomes(done)} == set(STORES)
    assert set(outcomes(done).values()) == {"changed", "as-wanted"}
    assert set(outcomes(stack.ok("store", "provision")).values()) == {"as-wanted"}
    assert [line for line in done["by_hand"] if "cisterna store policy mirror" in line]

    after = stack.run("doctor")
    assert after.code == 0, after.out
    found = conditions(after)
    names = {f"{part} of {store}" for part in ("bucket", "doors", "clock") for store in STORES} | {"keys"}
    assert {found[name] for name in names} == {"ok"}

    answer = stack.ingest(write_run(tmp_path / "zone", seed=307))
    assert answer.code == 0, answer.out
    assert stack.ok("check", answer.document["dataset_id"], "--store", "archive")
    stack.ok("restore", answer.document["dataset_id"], "--to", str(tmp_path / "back"))


def test_a_policy_is_printed_for_the_bucket_of_the_settings(stack: RunningStack) -> None:
    document = stack.ok("store", "policy", "mirror")

    places = {place for statement in document["Statement"] for place in statement["Resource"]}
    assert places == {"arn:aws:s3:::system-mirror", "arn:aws:s3:::system-mirror/*"}


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("provision", "--store", "no-such"), "not-found"),
        (("policy", "no-such"), "not-found"),
        (("provision", "--keys-from-env"), "invalid-input"),
        (("provision", "--store", "archive", "--keys-from-env"), "settings-invalid"),
    ],
)
def test_what_cannot_be_arranged_is_named(stack: RunningStack, arguments: tuple[str, ...], error: str) -> None:
    answer = stack.run("store", *arguments)

    assert (answer.code, answer.document["error"]) == (1, error), answer.out


def test_keys_that_may_not_arrange_anything_leave_it_to_a_person(stack: RunningStack) -> None:
    wrong = {"AWS_ACCESS_KEY_ID": "STRANGER", "AWS_SECRET_ACCESS_KEY": "wrong"}

    answer = stack.run_apart("store", "provision", "--store", "archive", "--keys-from-env", given=wrong)

    assert answer.code == 3, answer.out
    assert set(outcomes(answer.document).values()) == {"forbidden"}
    assert "may not" in answer.reason
    assert "wrong" not in answer.out
