"""Releasing a source on a running stack: announced, cancelled, announced again, and gone only then."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cisterna.domain.dataset import Stage
from tests.system.running import RunningStack, digests, until, write_run

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

PROJECT = ("--title", "May go", "--creator", "Holm, Ada", "--publisher", "Farm", "--licence", "CC0-1.0")


def test_a_source_goes_by_its_policy_and_nothing_of_the_run_is_lost(stack: RunningStack, tmp_path: Path) -> None:
    zone, copy = tmp_path / "zone", tmp_path / "copy"
    zone.mkdir()
    stack.ok("project", "add", "may-go", *PROJECT, "--human-data", "no", "--accept-passed", "--release-copy", "archive")
    stack.ok("project", "bind", "may-go", "--path", str(zone))
    stack.ok("instrument", "add", "squid-9", "--profile", "squid", "--path", str(zone))
    run = write_run(zone, seed=901, run_json=zone / "run.json")
    before = digests(run)

    def accepted() -> dict[str, object] | None:
        rows = [row for row in stack.rows("squid-9") if row["stage"] == Stage.ACCEPTED.value]
        return rows[0] if rows else None

    row = until(accepted, seconds=120, what="an accepted run", every=0.2)
    identity = str(row["acquisition_id"])
    shutil.copytree(run, copy)

    listed = stack.run("release", "--instrument", "squid-9")
    assert (listed.code, [one["is"] for one in listed.document["sources"]]) == (0, ["may go"]), listed.out
    hold = stack.ok("hold", "place", identity, "--reason", "a talk tomorrow")
    refused = stack.run("release", identity, "--execute")
    assert refused.code == 3
    assert "a talk tomorrow" in refused.reason
    stack.ok("hold", "lift", hold["hold_id"], "--reason", "the talk is over")
    assert digests(run) == before

    announced = stack.ok("release", identity, "--execute")
    assert announced["sources"][0]["release"]["state"] in {"announced", "begun", "done"}
    until(lambda: not run.exists() or None, seconds=60, what="the source to go", every=0.2)

    def released() -> bool | None:
        found = stack.seen(identity)
        return True if found is not None and found.source_state == "released" else None

    until(released, seconds=30, what="the source state", every=0.2)
    assert (zone / "run.json").exists()
    detail = stack.detail(str(row["dataset_id"]))
    names = [event["name"] for event in detail["history"] if event["name"].startswith(("release.", "hold."))]
    assert names[::-1][-3:] == ["release.announced", "release.begun", "release.done"]

    stack.ok("restore", str(row["dataset_id"]), "--to", str(tmp_path / "back"))
    assert digests(tmp_path / "back" / "data") == before

    verified = stack.run("verify-copy", str(copy), "--copies", "1", "--list", str(tmp_path / "safe"))
    assert verified.code == 0, verified.out
    assert sorted((tmp_path / "safe").read_bytes().split(b"\0")[:-1]) == sorted(
        str(copy / path).encode() for path in before
    )
    (copy / "new.txt").write_text("nobody has this")
    assert stack.run("verify-copy", str(copy), "--copies", "1").code == 3
    assert stack.run("verify-copy", str(copy)).code == 3  # the site asks for two stores
    (copy / "link").symlink_to("new.txt")
    assert stack.run("verify-copy", str(copy), "--copies", "1").code == 4
    assert digests(copy).keys() >= before.keys()
