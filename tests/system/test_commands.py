"""The commands on a running stack: what does not exist, what would be done, and what people see in a terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import shlex
import struct
import subprocess
import termios
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from cisterna.domain.dataset import Stage
from tests.system.running import CISTERNA, RunningStack, until, write_run

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

UNKNOWN = ("ds-0000000000000000000000000z", "acq-0000000000000000000000000z", "ark:/99999/none", "../../etc/passwd")
ABOUT_ONE = (
    "show ID",
    "check ID",
    "restore ID --to there",
    "lineage ID",
    "metadata show ID",
    "metadata score ID",
    "publish ID",
    "withdraw ID --reason why",
    "reprocess ID --reason why",
    "review accept ID --reason why",
    "review reject ID --reason why",
    "review discard ID --reason why",
    "review request-changes ID --reason why",
    "retention apply ID",
    "review assign ID --to somebody --reason why",
)
RESTLESS = {
    "accounts": "the person at the keyboard gets one with the first command",
    "events": "the history: it tells of that account",
    "sinks": "the dispatcher notes there how far each was told",
    "deliveries": "the outbox, which the dispatcher empties",
    "attempts": "a lease is renewed while it is held",
    "changes": "rows that wait for the record, which the dispatcher writes every few seconds",
    "segments": "how far that record goes",
    "recoveries": "what the rounds through the archive last saw",
}
"""Tables that a command that does nothing may find changed, and why."""


@pytest.fixture(scope="module")
def row(stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Give a published run whose labels rest, so that nothing is under way any more."""
    answer = stack.ingest(write_run(tmp_path_factory.mktemp("zone"), seed=201))
    assert answer.code == 0, answer.out

    def at_rest() -> bool:
        labels = [stack.seen(one) for one in stack.detail(answer.document["dataset_id"])["derived"]]
        return bool(labels) and all(one is not None and one.stage is Stage.IN_REVIEW for one in labels)

    until(at_rest, seconds=120, what="the rest of the labels", every=0.2)
    found: dict[str, Any] = answer.document
    return found


@pytest.mark.parametrize("command", ABOUT_ONE)
def test_what_does_not_exist_is_said_to_be_unknown(stack: RunningStack, command: str) -> None:
    for unknown in UNKNOWN:
        answer = stack.run(*[unknown if word == "ID" else word for word in command.split()])

        assert (answer.code, answer.document["error"]) == (1, "not-found"), answer.out
        assert unknown in answer.reason
        assert not Path("there").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("instrument", "add", "squid-dry", "--profile", "no-such", "--path", "."),
        ("instrument", "add", "squid-dry", "--profile", "squid", "--path", "/no/such/place"),
        ("instrument", "add", "Bad Name!", "--profile", "squid", "--path", "."),
        ("instrument", "add", "squid-dry", "--profile", "squid", "--path", ".", "--set", "nonsense"),
        ("project", "add", "Bad Name!", "--title", "x"),
        ("project", "add", "good", "--title", ""),
        ("project", "add", "good", "--title", "x", "--model", "no-such", "--owner", "nobody-yet"),
        ("project", "set", "test", "--target", "no-such"),
        ("project", "set", "test", "--unset", "colour"),
        ("project", "add", "good", "--title", "x", "--creator", "A, B;1234"),
        ("project", "bind", "no-such", "--path", "/x"),
        ("project", "bind", "test"),
        ("check", "--read-data-subset", "2/1"),
        ("ingest", ".", "--profile", "no-such"),
        ("ingest", ".", "--profile", "squid", "--project", "no-such"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_done_is_named_and_does_nothing(stack: RunningStack, arguments: tuple[str, ...]) -> None:
    before = everything(stack)

    answer = stack.run(*arguments)

    assert answer.code == 1, answer.out
    assert answer.reason
    assert answer.document["error"] != "unexpected", answer.err
    assert everything(stack) == before


def everything(stack: RunningStack) -> dict[str, list[tuple[Any, ...]]]:
    """Read every table that holds what is true now, once nothing that was asked for earlier is under way."""
    stack.await_idle()
    with stack.database() as connection:
        named = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        return {name: _rows(connection, name) for (name,) in named if name not in RESTLESS}


def _rows(connection: psycopg.Connection[Any], table: str) -> list[tuple[Any, ...]]:
    query = sql.SQL("SELECT t::text FROM {} t ORDER BY 1").format(sql.Identifier(table))
    return connection.execute(query).fetchall()


def test_a_dry_run_says_what_would_be_done_and_does_nothing(
    stack: RunningStack, row: dict[str, Any], tmp_path: Path
) -> None:
    folder, identity = write_run(tmp_path / "zone", seed=202), row["version_id"]
    (labels,) = stack.detail(row["dataset_id"])["derived"]
    person = stack.ok("account", "list")[0]["name"]
    before = everything(stack)

    for arguments in (
        ["ingest", str(folder), "--profile", "squid"],
        ["instrument", "add", "squid-dry", "--profile", "squid", "--path", str(tmp_path / "zone")],
        ["project", "add", "dry", "--title", "Dry"],
        ["project", "set", "test", "--title", "Dry", "--publish", "never", "--unset", "keywords"],
        ["project", "bind", "test", "--path", "/dry"],
        ["restore", identity, "--to", str(tmp_path / "there")],
        ["reprocess", identity, "--reason", "why"],
        ["publish", identity],
        ["withdraw", identity, "--reason", "why"],
        ["review", "request-changes", labels, "--reason", "why"],
        ["review", "assign", labels, "--to", person, "--reason", "why"],
        ["metadata", "set", identity, "licence=CC0-1.0", "--reason", "why"],
    ):
        answer = stack.run(*arguments, "--dry-run")

        assert answer.code == 0, (arguments, answer.out)
        assert answer.document, arguments
    assert everything(stack) == before
    assert not (tmp_path / "there").exists()


def test_a_dry_run_is_refused_as_the_act_would_be(stack: RunningStack, row: dict[str, Any]) -> None:
    published = row["version_id"]
    (labels,) = stack.detail(row["dataset_id"])["derived"]
    before = everything(stack)

    for arguments in (
        ["project", "add", "test", "--title", "A name that is taken"],
        ["project", "add", "No Slug", "--title", "x"],
        ["project", "bind", "no-such-project", "--path", "/dry"],
        ["project", "unbind", "test", "--path", "/no/such/rule"],
        ["reprocess", labels, "--from", "measured", "--reason", "why"],
        ["withdraw", labels, "--reason", "why"],
        ["review", "accept", published, "--reason", "why"],
        ["review", "accept", labels, "--reason", "my own request made them"],
        ["review", "accept", labels, "--reason", " "],
        ["review", "reject", labels, "--reason", "why", "--evidence", "0" * 128],
        ["review", "assign", labels, "--to", "nobody", "--reason", "why"],
    ):
        real, dry = stack.run(*arguments), stack.run(*arguments, "--dry-run")

        assert (real.code, real.document) == (dry.code, dry.document), arguments
        assert dry.code != 0, arguments
    assert everything(stack) == before


def test_a_project_is_changed_with_the_words_that_made_it(stack: RunningStack) -> None:
    stack.ok("project", "add", "to-be-changed", "--title", "Before", "--accept-passed", "--release-copy", "archive")

    done = stack.ok(
        *("project", "set", "to-be-changed", "--title", "After", "--no-accept-passed", "--publish", "consent"),
        *("--keyword", "cells", "--unset", "release_copy"),
    )

    assert done["changed"] == ["title", "keywords", "accept_passed", "publish", "release_copy"]
    (kept,) = [one for one in stack.ok("project", "list") if one["slug"] == "to-be-changed"]
    assert (kept["title"], kept["defaults"]["keywords"], kept["policy"]["publish"]) == ("After", ["cells"], "consent")
    assert (kept["policy"]["accept_passed"], kept["policy"]["release_copy"]) == (False, None)


def test_a_rule_is_taken_away_with_the_words_that_made_it(stack: RunningStack) -> None:
    def bound() -> list[str]:
        rules: list[str] = stack.ok("project", "list")[0]["bindings"]
        return rules

    before = bound()
    for rule in (("test", "--path", "/gone"), ("--booking", "/no/such/table.csv")):
        stack.ok("project", "bind", *rule)
    assert bound() == [*before, "path /gone", "booking /no/such/table.csv"]

    stack.ok("project", "unbind", "--booking", "/no/such/table.csv")
    stack.ok("project", "unbind", "test", "--path", "/gone")

    assert bound() == before


def seen_in_a_terminal(stack: RunningStack, *arguments: str, columns: int) -> str:
    """Run a command in a terminal of so many columns, and give what it wrote there."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    environment = {**stack.environment, "TERM": "xterm-256color"}
    environment.pop("COLUMNS", None)
    done = subprocess.Popen([*CISTERNA, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    said = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # the other end was closed
            break
        if not piece:
            break
        said += piece
    os.close(ours)
    assert done.wait(60) == 0, said
    return said.decode()


@pytest.mark.parametrize("columns", [80, 120])
def test_in_a_terminal_every_id_is_whole_and_short_rows_take_one_line(
    stack: RunningStack, row: dict[str, Any], columns: int
) -> None:
    listed = seen_in_a_terminal(stack, "list", columns=columns)
    shown = seen_in_a_terminal(stack, "show", row["dataset_id"], columns=columns)

    mine = next(line for line in listed.splitlines() if row["dataset_id"] in line)
    assert {"v1", "complete", "published", "passed"} <= set(mine.split())
    assert len(mine) <= columns
    for whole in (row["dataset_id"], row["pid"], row["object_url"], row["manifest_digest"]):
        assert whole in shown
    assert "{" not in shown
    assert len(shown.splitlines()) < 120


def test_exports_reach_the_stack_from_a_shell(stack: RunningStack) -> None:
    command = f'eval "$({shlex.join([*CISTERNA, "config", "env"])})" && printf %s "$AWS_ENDPOINT_URL"'

    done = subprocess.run(
        ["bash", "-c", command], env=stack.environment, capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout == stack.home.endpoints().s3_endpoint


def test_an_instrument_is_tried_in_shadow_mode_reported_on_and_taken_out(stack: RunningStack, tmp_path: Path) -> None:
    zone = tmp_path / "shadowed"
    (zone / "run-1").mkdir(parents=True)
    (zone / "run-1" / "data.bin").write_bytes(b"bytes")
    options = ("--profile", "folder", "--path", str(zone))

    refused = stack.run("instrument", "add", "shadowed", *options, "--shadow")
    both = stack.run("instrument", "add", "shadowed", *options, "--shadow", "--reason", "x", "--write-sentinel")
    made = stack.ok("instrument", "add", "shadowed", *options, "--shadow", "--reason", "a trial", "--rule", "quiet=7")

    assert (refused.code, both.code) == (1, 1)
    assert made["shadow"]["reason"] == "a trial"
    assert stack.run("instrument", "sentinel", "shadowed", "--write").document["error"] == "forbidden"
    report = until(
        lambda: next((one for one in [stack.ok("instrument", "shadow", "shadowed", "--report")] if one["runs"]), None),
        seconds=60,
        what="the first look",
    )
    assert [one["folder"] for one in report["runs"]] == ["run-1"]
    assert {"kind": "quiet", "amount": 7.0, "name": None} in report["shadow"]["rules"]
    (listed,) = [one for one in stack.ok("list") if one["instrument"] == "shadowed"]
    assert listed["in_shadow"] is True
    assert "What other rules would have done" in seen_in_a_terminal(
        stack, "instrument", "shadow", "shadowed", "--report", columns=120
    )

    ended = stack.ok("instrument", "shadow", "shadowed", "--end", "--reason", "it did well")

    assert ended["shadow"]["ended_reason"] == "it did well"
    assert sorted(one.name for one in zone.iterdir()) == ["run-1"]
    assert stack.run("instrument", "shadow", "shadowed", "--report", "--end").code == 1
