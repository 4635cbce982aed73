"""Tells whether a message was sent just now by somebody who has a secret of ours.

What is signed is `TIMESTAMP\\nNONCE\\n` and the body as it was sent; nothing outside these is believed. A message is
good for five minutes of our clock on either side, and once: its nonce is kept in the catalogue, so that neither a
restart nor another web process takes it again.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from pydantic import SecretStr

from cisterna.domain.base import Value
from cisterna.domain.errors import MessageRefused
from cisterna.ports.catalogue import Transaction

TOLERANCE = timedelta(minutes=5)
"""How far the clocks of sender and receiver may be apart."""
REMEMBERED = timedelta(days=2)
"""How long a nonce is kept: longer than it is good for, in case our own clock jumps back by a day."""
_NONCE = re.compile(r"[A-Za-z0-9_-]{16,128}")
_SECONDS = re.compile(r"[0-9]{1,11}")
_NOBODY = b"nobody has this secret; it is compared with for the time that takes"


class Sender(Value):
    """Whoever may send hints.

    Attributes:
        secret: Signs messages, or None.
        token: Is shown as it is, by stores that cannot sign, or None.
    """

    name: str
    secret: SecretStr | None = None
    token: SecretStr | None = None


class Signed(Value):
    """What came with a message to prove it, as it came."""

    sender: str
    timestamp: str
    nonce: str
    signature: str


def signature_of(secret: bytes, *, timestamp: str, nonce: str, body: bytes) -> str:
    """Give the HMAC-SHA256 of a message, in hexadecimal digits."""
    return hmac.new(secret, f"{timestamp}\n{nonce}\n".encode() + body, hashlib.sha256).hexdigest()


def require_signature(signed: Signed, body: bytes, *, senders: Mapping[str, Sender], now: datetime) -> None:
    """Check that a sender of ours signed the message, lately.

    Why is told only to who has the secret; to all others every refusal reads alike.

    Raises:
        MessageRefused: It is forged (`facts["why"]`), or stale.
    """
    sender = senders.get(signed.sender)
    secret = sender.secret.get_secret_value().encode() if sender is not None and sender.secret is not None else None
    expected = signature_of(secret or _NOBODY, timestamp=signed.timestamp, nonce=signed.nonce, body=body)
    is_same = hmac.compare_digest(expected, signed.signature.lower().encode("ascii", "replace").decode())
    well_formed = _NONCE.fullmatch(signed.nonce) and _SECONDS.fullmatch(signed.timestamp)
    if secret is None or not is_same or not well_formed:
        raise _forged()
    apart = datetime.fromtimestamp(int(signed.timestamp), UTC) - now
    if abs(apart) > TOLERANCE:
        seconds = round(apart.total_seconds())
        msg = (
            f"the message is dated {abs(seconds)} s {'after' if seconds > 0 else 'before'} our clock; "
            f"{TOLERANCE.seconds} s are allowed: set the sender's clock, and sign when sending"
        )
        raise MessageRefused(msg, why="stale")


def take_once(tx: Transaction, signed: Signed, *, now: datetime) -> None:
    """Remember a message whose signature was checked. Raises `MessageRefused` when it came before."""
    if not tx.hints.take_nonce(signed.sender, signed.nonce, now=now, until=now + REMEMBERED):
        msg = "a message with this nonce came before; make a new one for every message"
        raise MessageRefused(msg, why="replayed")


def require_token(token: str, *, senders: Mapping[str, Sender]) -> None:
    """Check that a token is one of ours. Raises `MessageRefused`."""
    shown, known = token.encode("utf-8", "replace"), False
    for sender in senders.values():
        if sender.token is not None and hmac.compare_digest(sender.token.get_secret_value().encode(), shown):
            known = True
    if not known:
        raise _forged()


def _forged() -> MessageRefused:
    msg = "the message does not prove who sent it; look at the sender's name, its secret or token, and what is signed"
    return MessageRefused(msg, why="forged")
