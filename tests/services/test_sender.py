"""Who may send hints: signatures, clocks and nonces."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from cisterna.domain.errors import MessageRefused
from cisterna.services.sender import Sender, Signed, require_signature, require_token, signature_of

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
SECRET = "0123456789abcdef0123456789abcdef"
BODY = b'{"instrument": "squid-1"}'
SENDERS = {
    "scope-pc": Sender(name="scope-pc", secret=SecretStr(SECRET)),
    "minio": Sender(name="minio", token=SecretStr("t" * 32)),
}


def signed(*, at: datetime = NOW, body: bytes = BODY, secret: str = SECRET, **changes: str) -> Signed:
    stamp, nonce = str(int(at.timestamp())), "n" * 22
    made = {"sender": "scope-pc", "timestamp": stamp, "nonce": nonce}
    made["signature"] = signature_of(secret.encode(), timestamp=stamp, nonce=nonce, body=body)
    return Signed.model_validate(made | changes)


def why(message: Signed, body: bytes = BODY, *, now: datetime = NOW) -> str:
    with pytest.raises(MessageRefused) as refusal:
        require_signature(message, body, senders=SENDERS, now=now)
    return str(refusal.value.facts["why"])


def test_the_signature_is_plain_hmac_over_timestamp_nonce_and_body() -> None:
    by_hand = hmac.new(SECRET.encode(), b"1700000000\nabc\n" + BODY, hashlib.sha256).hexdigest()

    assert signature_of(SECRET.encode(), timestamp="1700000000", nonce="abc", body=BODY) == by_hand


@pytest.mark.parametrize("seconds", [-300, -1, 0, 1, 300])
def test_a_signed_message_is_good_within_five_minutes_of_our_clock(seconds: int) -> None:
    require_signature(signed(at=NOW + timedelta(seconds=seconds)), BODY, senders=SENDERS, now=NOW)


@pytest.mark.parametrize("seconds", [-86_400, -301, 301, 86_400])
def test_an_older_or_younger_one_is_stale(seconds: int) -> None:
    assert why(signed(at=NOW + timedelta(seconds=seconds))) == "stale"


@pytest.mark.parametrize(
    "message",
    [
        signed(secret="another secret of the same length"),
        signed(sender="nobody"),
        signed(sender=""),
        signed(sender="minio"),
        signed(nonce="m" * 22),
        signed(timestamp=str(int(NOW.timestamp()) + 1)),
        signed(signature=""),
        signed(signature="é" * 64),
        signed(signature="0" * 64),
    ],
    ids=["secret", "sender", "no sender", "a token's sender", "nonce", "time", "empty", "no ASCII", "zeros"],
)
def test_a_message_that_its_sender_did_not_sign_is_forged(message: Signed) -> None:
    assert why(message) == "forged"


def test_a_changed_body_is_forged() -> None:
    assert why(signed(), BODY + b" ") == "forged"


@pytest.mark.parametrize(
    ("stamp", "nonce"),
    [("-1", "n" * 22), ("1e9", "n" * 22), ("", "n" * 22), ("9" * 400, "n" * 22), ("1", "short"), ("1", "n" * 129)],
)
def test_a_signed_message_of_another_form_is_refused(stamp: str, nonce: str) -> None:
    signature = signature_of(SECRET.encode(), timestamp=stamp, nonce=nonce, body=BODY)

    assert why(Signed(sender="scope-pc", timestamp=stamp, nonce=nonce, signature=signature)) == "forged"


def test_what_a_stranger_is_told_does_not_depend_on_what_is_wrong() -> None:
    told = set()
    for message in (signed(sender="nobody"), signed(secret="x" * 32), signed(nonce="m" * 22)):
        with pytest.raises(MessageRefused) as refusal:
            require_signature(message, BODY, senders=SENDERS, now=NOW)
        told.add(str(refusal.value))

    assert len(told) == 1


def test_a_token_is_good_as_it_is_and_a_secret_is_no_token() -> None:
    require_token("t" * 32, senders=SENDERS)

    for shown in ("", "t" * 31, SECRET, "é", "\udcff"):
        with pytest.raises(MessageRefused):
            require_token(shown, senders=SENDERS)
