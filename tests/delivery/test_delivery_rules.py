"""Who may be given what: the conditions of a delivery, and what a delivery's own values refuse."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import ValidationError

from cisterna.domain.account import Account, Grant, Role
from cisterna.domain.acquisition import AcquisitionState
from cisterna.domain.dataset import Stage, Version
from cisterna.domain.delivery import (
    Delivery,
    DeliveryRules,
    DeliveryState,
    HandOver,
    delivery_bars,
    lifetime_of,
    may_deliver,
    still_bars,
)
from cisterna.domain.finding import Verdict
from cisterna.domain.project import Project
from cisterna.testing.clock import START
from cisterna.testing.factory import make_project, make_receipt, make_sha512, make_version

OPEN = {"human_data": "no", "access": "open"}
DIGEST = make_sha512("manifest")


def account(name: str, *grants: Grant, **fields: object) -> Account:
    return Account.model_validate({"name": name, "grants": grants, "created_at": START, **fields})


OWNER = account("ada")
STEWARD = account("stina", Grant(role=Role.STEWARD, project="cells"))
VIEWER = account("vera", Grant(role=Role.VIEWER, project="cells"))
STRANGER = account("otto", Grant(role=Role.STEWARD, project="other"))
GUEST = None


def project() -> Project:
    return make_project("cells", owner="ada")


def version(**fields: object) -> Version:
    said = {
        "stage": Stage.ACCEPTED,
        "verdict": Verdict.PASSED,
        "metadata": OPEN,
        "manifest_digest": DIGEST,
        "ocfl_version": 1,
    }
    return make_version(**{**said, **fields})


def conditions(
    of: Version,
    *,
    within: Project | None = None,
    to: Account | None = VIEWER,
    by: Account = STEWARD,
    reason: str | None = None,
    given_up: bool = False,
    proven: bool = True,
    unclaimed: bool = False,
    is_open: bool = True,
) -> list[str]:
    bars = delivery_bars(
        of,
        None if unclaimed else within or project(),
        receipts=[make_receipt(of)] if proven else [],
        is_given_up=given_up,
        is_open=is_open,
        recipient=to,
        by=by,
        reason=reason,
    )
    return [bar.condition for bar in bars]


def test_what_is_accepted_and_proven_goes_to_who_may_see_it() -> None:
    assert conditions(version()) == []
    assert conditions(version(stage=Stage.PUBLISHED), to=GUEST) == []


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"verdict": Verdict.QUARANTINED}, "its verdict is quarantined"),
        ({"verdict": Verdict.NOT_ASSESSED}, "its verdict is not-assessed"),
        ({"verdict": None}, "its verdict is missing"),
        ({"stage": Stage.IN_REVIEW}, "no steward has accepted it"),
        ({"stage": Stage.REJECTED}, "no steward has accepted it"),
        ({"incomplete": AcquisitionState.ABORTED}, "the run it comes from is aborted"),
    ],
)
def test_what_is_in_quarantine_or_nobody_accepted_takes_a_reason(fields: dict[str, object], words: str) -> None:
    (condition,) = conditions(version(**fields))

    assert words in condition
    assert conditions(version(**fields), reason="They asked to see what went wrong.") == []


@pytest.mark.parametrize("stage", [Stage.DETECTED, Stage.DESCRIBED, Stage.ARCHIVED])
def test_what_was_not_read_back_is_not_delivered_whatever_the_reason(stage: Stage) -> None:
    assert conditions(version(stage=stage), reason="In a hurry.") == [f"it is {stage.value}"]


def test_a_reason_does_not_stand_for_proof_project_or_a_discarded_dataset() -> None:
    assert conditions(version(), proven=False, reason="r") == ["no receipt proves its archived copy"]
    assert conditions(version(), given_up=True, reason="r") == ["its data were discarded"]
    assert conditions(version(), unclaimed=True, reason="r") == ["no project claims it"]


def test_a_person_who_may_not_see_the_project_gets_nothing() -> None:
    assert conditions(version(), to=STRANGER, reason="r") == ["otto may not see the data of project cells"]


def test_a_guest_gets_closed_data_from_the_owner_alone_and_with_a_reason() -> None:
    assert "the data are not open" in conditions(version(), to=GUEST, by=STEWARD, reason="r", is_open=False)
    assert conditions(version(), to=GUEST, by=OWNER, is_open=False) == [
        "the data are not open, and a guest would get them"
    ]
    assert conditions(version(), to=GUEST, by=OWNER, reason="The agreement of May.", is_open=False) == []
    assert conditions(version(), to=VIEWER, by=STEWARD, is_open=False) == []


def test_the_owner_and_stewards_deliver_and_nobody_else() -> None:
    within = project()

    assert [may_deliver(one, within) for one in (OWNER, STEWARD)] == [True, True]
    assert not any(may_deliver(one, within) for one in (VIEWER, STRANGER, account("ada", active=False)))
    assert not may_deliver(account("root", Grant(role=Role.ADMIN)), None)


def made(**fields: object) -> Delivery:
    said = {
        "delivery_id": "d-1",
        "version_id": version().version_id,
        "guest": "guest@example.org",
        "by": "ada",
        "delivered_at": START,
        "expires_at": START + timedelta(days=14),
    }
    return Delivery.model_validate({**said, **fields})


def test_a_delivery_ends_by_time_by_revocation_and_by_nothing_else() -> None:
    proof = HandOver(folder="/x", files=1, bytes_read=1, list_sha512=DIGEST, read_back_at=START)
    just_before, then = START + timedelta(days=14, microseconds=-1), START + timedelta(days=14)

    assert made().state(now=just_before) is DeliveryState.OPEN
    assert made().state(now=then) is DeliveryState.EXPIRED
    assert made(revoked_at=START).state(now=START) is DeliveryState.REVOKED
    assert made(acknowledged_at=START).state(now=START) is DeliveryState.ACKNOWLEDGED
    assert made(copy_to="/x").state(now=START) is DeliveryState.PREPARED
    assert made(copy_to="/x", handed_over=proof).state(now=START) is DeliveryState.HANDED_OVER
    assert [one for one in DeliveryState if one.is_good] == [
        DeliveryState.OPEN,
        DeliveryState.HANDED_OVER,
        DeliveryState.ACKNOWLEDGED,
    ]


@pytest.mark.parametrize(
    "guest",
    [
        "guest@example.org\r\nBcc: thief@example.org",
        "guest@example.org\n",
        "guest@example.org, thief@example.org",
        "guest@example.org thief@example.org",
        "Guest <guest@example.org>",
        '"a b"@example.org',
        "gu(comment)est@example.org",
        "guést@example.org",
        "guest@exämple.org",
        "guest@localhost",
        "@example.org",
        "guest@",
        "a@b@example.org",
        ".guest@example.org",
        "gue..st@example.org",
        "guest@-example.org",
        "guest\x00@example.org",
        "\u202eguest@example.org",
        "g" * 250 + "@example.org",
        "=?utf-8?q?x=0d=0a?= @example.org",
    ],
)
def test_an_address_that_a_mail_s_header_could_misread_is_refused(guest: str) -> None:
    with pytest.raises(ValidationError):
        made(guest=guest)


def test_a_delivery_has_exactly_one_recipient() -> None:
    for fields in ({"person": "vera"}, {"guest": None}):
        with pytest.raises(ValidationError, match="one person or for one guest"):
            made(**fields)


def test_what_changed_since_is_judged_at_every_use() -> None:
    to_vera = made(guest=None, person="vera")

    def still(delivery: Delivery, within: Project | None, **more: object) -> str | None:
        said = {"is_given_up": False, "is_open": True, "recipient": None, **more}
        return still_bars(delivery, within, **said)  # type: ignore[arg-type]

    assert still(made(), project()) is None
    assert still(made(), project(), is_open=False) == "the data are not open any more"
    assert still(made(reason="It was in quarantine."), project(), is_open=False) == "the data are not open any more"
    assert still(made(lets_guest_in=True, reason="r"), project(), is_open=False) is None
    assert still(made(), None) == "no project claims the data any more"
    assert still(made(), project(), is_given_up=True) == "the data were discarded"
    assert still(to_vera, project(), is_open=False, recipient=VIEWER) is None
    for now in (None, account("vera"), VIEWER.model_copy(update={"active": False})):
        assert still(to_vera, project(), recipient=now) == "the recipient may not see the data"


def test_an_address_lives_no_longer_than_the_site_allows() -> None:
    rules = DeliveryRules(days=14, most_days=30)

    assert lifetime_of(None, rules) == timedelta(days=14)
    assert lifetime_of(30, rules) == timedelta(days=30)
    assert [lifetime_of(days, rules) for days in (31, 0, -1)] == [None, None, None]
    assert lifetime_of(None, DeliveryRules(days=14, most_days=7)) == timedelta(days=7)
