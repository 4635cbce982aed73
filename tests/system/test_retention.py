"""Retention rules and legal holds on a running stack: set, told, refused, applied by the dispatcher's rounds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.system.running import RunningStack, write_run

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

RULE = ("retention", "set", "--project", "test", "--data-type", "microscopy", "--years", "10", "--reason", "policy")


def test_rules_and_a_legal_hold_are_set_told_and_taken_back(stack: RunningStack, tmp_path: Path) -> None:
    answer = stack.ingest(write_run(tmp_path / "zone", seed=1101))
    assert answer.code == 0, answer.out
    dataset = answer.document["dataset_id"]

    assert stack.ok(*RULE, "--dry-run")["dry_run"]
    assert stack.ok("retention", "list") == []
    rule = stack.ok(*RULE)
    again = stack.run(*RULE)
    assert (again.code, again.document["error"]) == (1, "already-exists")
    assert [one["rule_id"] for one in stack.ok("retention", "list")] == [rule["rule_id"]]
    assert stack.ok("retention", "due")["datasets"] == []
    kept = {one["dataset_id"]: one for one in stack.ok("retention", "due", "--all")["datasets"]}
    assert kept[dataset]["rule"]["rule_id"] == rule["rule_id"]
    assert not kept[dataset]["is_due"]

    hold = stack.ok("hold", "place", dataset, "--legal", "--reason", "file 4711")
    (archive,) = hold["stores"]
    # The embedded bucket has no object lock until it is provisioned, which is said and not hidden.
    assert archive["hold"]["standing"] == "not-enforced"
    assert "does not enforce it" in archive["hold"]["words"]
    told = stack.run("retention", "apply", dataset)
    assert told.code == 3
    assert "our own hold stands" in told.reason
    detail = stack.detail(dataset)
    assert [one["condition"] for one in detail["retention"]["deferrals"]].count("hold") == 1
    assert detail["protections"][0]["wanted"]["legal_hold"]

    stack.ok("hold", "lift", hold["hold_id"], "--reason", "closed")
    ended = stack.ok("retention", "remove", rule["rule_id"], "--reason", "over")
    assert ended["ended_reason"] == "over"
    assert stack.ok("retention", "list") == []
    assert len(stack.ok("retention", "list", "--ended")) == 1


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--reason", "x"), 1),
        (("--years", "1", "--forever", "--reason", "x"), 1),
        (("--years", "-1", "--reason", "x"), 1),
        (("--years", "99999999999999999999", "--reason", "x"), 1),
        (("--days", "1", "--tier", "GLACIER", "--reason", "x"), 1),
        (("--days", "1", "--tier", "a b", "--tier-after", "1", "--reason", "x"), 1),
        (("--forever", "--lock", "COMPLIANCE", "--reason", "x"), 1),
        (("--years", "1", "--lock", "ALWAYS", "--reason", "x"), 2),
        (("--years", "one", "--reason", "x"), 2),
        (("--years", "1", "--instrument", "no-such", "--reason", "x"), 1),
        (("--years", "1", "--reason", "\x1b[2J"), 1),
    ],
    ids=str,
)
def test_a_rule_that_is_not_clear_is_refused_and_none_is_set(
    stack: RunningStack, arguments: tuple[str, ...], code: int
) -> None:
    answer = stack.run("retention", "set", *arguments)

    assert answer.code == code, answer.out
    assert answer.reason
    assert stack.ok("retention", "list") == []
