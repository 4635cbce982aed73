"""How an S3 store is reached, and what its refusals mean to us."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import Protocol
from urllib.parse import urlsplit

from pydantic import SecretStr

from cisterna.domain.base import Value
from cisterna.domain.errors import (
    InvalidInput,
    NotReadableNow,
    ObjectNotFound,
    PreconditionFailed,
    StoreUnavailable,
)
from cisterna.ports.object_store import StoredObject

WRITE_MARK = "cisterna-write"
"""Metadata that names one write, so that its writer knows it again when the response was lost."""


class S3Access(Value):
    """An endpoint and the credentials of one identity.

    Attributes:
        endpoint: URL without a bucket, such as `http://127.0.0.1:8333`.
    """

    endpoint: str
    region: str = "us-east-1"
    access_key_id: str
    secret_access_key: SecretStr

    @property
    def is_private(self) -> bool:
        """Whether nobody between us and the store can change what we send: TLS, or this very machine.

        Then the signature need not cover the body, which costs a SHA-256 of it on either side; the store still verifies
        the body's checksum.
        """
        found = urlsplit(self.endpoint)
        if found.scheme == "https" or found.hostname == "localhost":
            return True
        try:
            return ip_address(found.hostname or "").is_loopback
        except ValueError:  # a name: it may lead anywhere
            return False


class Patience(Value):
    """How long a call may take before the store counts as down.

    The bound of one call is about `attempts` times `answer_seconds` and the pauses between.

    Attributes:
        answer_seconds: Longest silence of a connection.
        connect_seconds: Longest time to connect.
        attempts: How often a request is sent at most.
        pause_seconds: First pause between attempts; doubled each time.
    """

    answer_seconds: float = 30.0
    connect_seconds: float = 3.0
    attempts: int = 4
    pause_seconds: float = 0.1


class UncertainWrite(Exception):
    """A conditional write may or may not have taken effect; raised by `attempt` of `write_once` only."""


class Attempt(Protocol):
    """Sends a conditional write once."""

    def __call__(self) -> StoredObject:
        """Raises `PreconditionFailed`, `UncertainWrite`, or `ObjectNotFound` where nothing is there to be replaced."""
        ...


def write_once(
    attempt: Attempt, *, landed: Callable[[], StoredObject | None], patience: Patience, key: str
) -> StoredObject:
    """Carry a conditional write through lost responses without mistaking our own write for another's.

    Stores answer a repeated conditional write with a refusal, because the first one is there; so a refusal after an
    uncertain attempt is ours if the object carries our mark.

    Args:
        attempt: Sends the write.
        landed: Tells what is there if it carries our mark.
        patience: How often and how long.
        key: For messages.

    Raises:
        PreconditionFailed: Somebody else's object is there, or what was seen is not.
        StoreUnavailable: The store did not answer clearly in time.
    """
    uncertain: UncertainWrite | None = None
    for pause in pauses(patience):
        time.sleep(pause)
        try:
            return attempt()
        except (PreconditionFailed, ObjectNotFound) as error:
            mine = landed() if uncertain else None
            if mine is not None:
                return mine
            if isinstance(error, PreconditionFailed):
                raise
            msg = f"the condition for {key} is refused: there is no such object to replace"  # AWS answers 404 to that
            raise PreconditionFailed(msg, key=key) from error
        except UncertainWrite as error:
            uncertain = error
    mine = landed()
    if mine is not None:
        return mine
    raise StoreUnavailable(f"it is not certain whether {key} was written; try again later", key=key) from uncertain


def pauses(patience: Patience) -> Iterator[float]:
    """Give the seconds to wait before each attempt: none, then doubling ones with jitter."""
    yield 0.0
    for number in range(patience.attempts - 1):
        yield patience.pause_seconds * 2**number * random.uniform(0.75, 1.25)  # noqa: S311 - no secret hangs on it


def refused_keys(store: str, key: str) -> StoreUnavailable:
    """Make the error for a store that does not let us in: the same call works once it knows our keys again."""
    msg = f"{store} refused our access keys for '{key}'; see whether they expired, or may not reach that bucket"
    return StoreUnavailable(msg, store=store, key=key, answer="access-denied")


FROZEN = "InvalidObjectState"
"""What S3 answers for an object that has to be restored from its storage class before it can be read."""


def frozen(store: str, key: str) -> NotReadableNow:
    """Make the error for an object that lies in a storage class which gives nothing at once."""
    msg = (
        f"{store} has '{key}' in a storage class that it must be restored from before it can be read; "
        "`cisterna restore ID --thaw-days N` asks the store for it (S3 RestoreObject), `--store` reads another copy"
    )
    return NotReadableNow(msg, store=store, key=key, answer=FROZEN)


def require_range(key: str, *, start: int, end: int | None) -> None:
    """Refuse a range that begins or ends before the object does. Raises `InvalidInput`."""
    if start < 0 or (end is not None and end < 0):
        raise InvalidInput(f"a range begins and ends at 0 or later, not {start} to {end}", key=key)


def in_key_order(listing: Iterator[StoredObject], *, prefix: str) -> Iterator[StoredObject]:
    """Put a listing in the order of the keys' UTF-8, holding back no more than one folder below the prefix.

    S3 orders by whole keys (`a-b` before `a/b`); SeaweedFS walks folder by folder (`a/b` before `a-b`). In both, once
    a top part comes that does not begin with the one held, nothing that belongs before what is held can come.
    """
    base = len(prefix[: prefix.rfind("/") + 1])
    held: list[StoredObject] = []
    held_part = ""
    for one in listing:
        part = one.key[base:].split("/", 1)[0]
        if held and not part.startswith(held_part):
            yield from sorted(held, key=_utf8)
            held = []
        if not held:
            held_part = part
        held.append(one)
    yield from sorted(held, key=_utf8)


def _utf8(one: StoredObject) -> bytes:
    return one.key.encode("utf-8")
