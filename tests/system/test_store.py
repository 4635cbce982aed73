"""On a running stack: stores are provisioned by one command, and doctor tries their doors."""

from __future__ import annotations

from typing import Any

import pytest

from tests.system.conftest import Provisioned
from tests.system.running import Answer, RunningStack

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

STORES = ("archive", "public", "mirror")


def conditions(answer: Answer) -> dict[str, str]:
    return {part["part"]: part["condition"] for part in answer.document["parts"]}


def outcomes(document: dict[str, Any]) -> dict[tuple[str, str], str]:
    return {(point["store"], point["point"]): point["outcome"] for point in document["points"]}


def test_what_provisioning_would_do_is_said_and_doctor_names_the_bucket_that_is_missing(
    provisioned: Provisioned,
) -> None:
    before = provisioned.doctor_before

    assert outcomes(provisioned.rehearsed) == outcomes(provisioned.rehearsed_again)
    assert outcomes(provisioned.rehearsed)["mirror", "bucket"] == "to-change"
    assert (before.code, conditions(before)["copy mirror"]) == (5, "failed"), before.out


def test_stores_are_brought_to_the_plan_once(provisioned: Provisioned) -> None:
    done = provisioned.done

    assert {name for name, _ in outcomes(done)} == set(STORES)
    assert set(outcomes(done).values()) == {"changed", "as-wanted"}
    assert set(outcomes(provisioned.done_again).values()) == {"as-wanted"}
    assert [line for line in done["by_hand"] if "cisterna store policy mirror" in line]
    after = provisioned.doctor_after
    assert after.code == 0, after.out
    found = conditions(after)
    names = {f"{part} of {store}" for part in ("bucket", "doors", "clock") for store in STORES} | {"keys"}
    assert {found[name] for name in names} == {"ok"}


def test_a_policy_is_printed_for_the_bucket_of_the_settings(mirrored: RunningStack) -> None:
    document = mirrored.ok("store", "policy", "mirror")

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
def test_what_cannot_be_arranged_is_named(mirrored: RunningStack, arguments: tuple[str, ...], error: str) -> None:
    answer = mirrored.run("store", *arguments)

    assert (answer.code, answer.document["error"]) == (1, error), answer.out


def test_keys_that_may_not_arrange_anything_leave_it_to_a_person(mirrored: RunningStack) -> None:
    wrong = {"AWS_ACCESS_KEY_ID": "STRANGER", "AWS_SECRET_ACCESS_KEY": "wrong"}

    answer = mirrored.run_apart("store", "provision", "--store", "archive", "--keys-from-env", given=wrong)

    assert answer.code == 3, answer.out
    assert set(outcomes(answer.document).values()) == {"forbidden"}
    assert "may not" in answer.reason
    assert "wrong" not in answer.out
