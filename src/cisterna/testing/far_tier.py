"""A storage class that gives nothing at once, in front of a real store that has none.

It keeps state as S3 does: what was moved is refused until it was asked for, takes its hours to come, stays readable for
the days that were asked for, and is far again afterwards. Bytes are the real store's; nothing of them passes through
here changed.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import format_datetime
from urllib.parse import unquote

from cisterna.ports.clock import Clock
from cisterna.testing.fault_proxy import Answer, Effect, FaultProxy, Request, Rule

_DAYS = re.compile(rb"<Days>([0-9]{1,5})</Days>")
_TIER = re.compile(rb"<Tier>(Expedited|Standard|Bulk)</Tier>")
_ALWAYS = 10**9


@dataclass
class _Copy:
    """What was brought back, or is on its way."""

    ready_at: datetime
    until: datetime


class FarTier:
    """Stands between clients and a store, on a proxy of its own.

    Args:
        proxy: That the clients under test go through.
        clock: Tells what has come and what has gone again.
        storage_class: What it is called.
        hours: That it takes to bring something back.

    Attributes:
        asked: Keys that were asked for, in order, with the tier and the days.
    """

    def __init__(self, proxy: FaultProxy, *, clock: Clock, storage_class: str = "GLACIER", hours: float = 4.0) -> None:
        self._clock = clock
        self._class = storage_class
        self._takes = timedelta(hours=hours)
        self._lock = threading.Lock()
        self._moved: dict[str, _Copy | None] = {}
        self.asked: list[tuple[str, str, int]] = []
        proxy.add(Rule(Effect.ANSWER, times=_ALWAYS, when=self._answers, answer=self._answer))
        proxy.tamper = self._told

    def move(self, keys: Iterable[str]) -> None:
        """Move keys here, as a lifecycle rule does."""
        with self._lock:
            self._moved |= dict.fromkeys(keys)

    def _answers(self, request: Request) -> bool:
        if request.method == "POST" and _is_restore(request):
            return True
        key = self._key(request)
        return request.method == "GET" and key is not None and not self._is_near(key)

    def _answer(self, request: Request) -> Answer:
        if request.method == "GET":
            return _error(403, "InvalidObjectState")
        with self._lock:
            return self._restore(request)

    def _restore(self, request: Request) -> Answer:
        """Answer a RestoreObject as S3 documents it."""
        key = self._key(request)
        if key is None:
            return _error(403, "InvalidObjectState")
        days, tier = _DAYS.search(request.body), _TIER.search(request.body)
        if days is None or int(days[1]) < 1 or tier is None:
            return _error(400, "MalformedXML")
        now, copy = self._clock.now(), self._moved[key]
        lasts = timedelta(days=int(days[1]))
        if copy is not None and now < copy.ready_at:
            return _error(409, "RestoreAlreadyInProgress")
        self.asked.append((key, tier[1].decode(), int(days[1])))
        if copy is not None and now < copy.until:
            copy.until = now + lasts
            return 200, [], b""
        ready_at = now + self._takes
        self._moved[key] = _Copy(ready_at=ready_at, until=ready_at + lasts)
        return 202, [], b""

    def _told(self, request: Request, answer: Answer) -> Answer:
        """Add what S3 says of a far object to the answers that describe it."""
        key = self._key(request)
        if key is None or request.method not in {"GET", "HEAD"}:
            return answer
        status, headers, body = answer
        told = [("x-amz-storage-class", self._class)]
        copy, now = self._moved[key], self._clock.now()
        if copy is not None and now < copy.ready_at:
            told.append(("x-amz-restore", 'ongoing-request="true"'))
        elif copy is not None and now < copy.until:
            expiry = format_datetime(copy.until, usegmt=True)
            told.append(("x-amz-restore", f'ongoing-request="false", expiry-date="{expiry}"'))
        return status, [*headers, *told], body

    def _key(self, request: Request) -> str | None:
        """Give the moved key that a request is about; paths have the bucket first and are percent-encoded."""
        key = unquote(request.path).removeprefix("/").partition("/")[2]
        return key if key in self._moved else None

    def _is_near(self, key: str) -> bool:
        copy = self._moved[key]
        return copy is not None and copy.ready_at <= self._clock.now() < copy.until


def _is_restore(request: Request) -> bool:
    return "restore" in {one.partition("=")[0] for one in request.query.split("&")}


def _error(status: int, code: str) -> Answer:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>as S3 says it</Message></Error>".encode()
    return status, [("Content-Type", "application/xml")], body
