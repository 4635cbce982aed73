"""Figshare as a target, against a stand-in over real HTTP whose every answer can be broken."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import pytest
from pydantic import ValidationError

from cisterna.adapters.target_figshare import FigshareTarget
from cisterna.adapters.target_http import Credential, TargetHttp
from cisterna.adapters.target_setting import Carries, Figshare
from cisterna.domain.deposit import DepositState
from cisterna.domain.errors import ChecksumMismatch, ReviewPending, TargetRefused, TargetUnavailable
from cisterna.ports.publisher import PublicFile
from cisterna.ports.target import DepositRequest
from cisterna.testing.clock import SettableClock
from cisterna.testing.fault_proxy import Effect, FaultProxy, Request, Rule
from cisterna.testing.figshare_stand_in import FigshareStandIn
from cisterna.testing.outside_server import Fault, OutsideServer, said, strike
from cisterna.testing.target_contract import (
    BODIES,
    FILES,
    REASON,
    SITE,
    MemoryBytes,
    TargetContract,
    deposit_request,
    tombstone_of,
)

TOKEN = "fs-0123456789abcdef"


class FigshareStage:
    secret = TOKEN
    faults = frozenset(Fault)

    def __init__(
        self, stack: ExitStack, *, reviews: bool = False, lets_unpublish: bool = True, **setting: object
    ) -> None:
        self.server = stack.enter_context(
            FigshareStandIn(token=TOKEN, reviews=reviews, lets_unpublish=lets_unpublish)
        )
        self.trap = stack.enter_context(OutsideServer())
        self.proxy = stack.enter_context(FaultProxy(self.server.url))
        self.server.address = self.proxy.url
        named = {"name": "figshare", "url": f"{self.proxy.url}/v2", "token": TOKEN, "categories": (7,), **setting}
        made = Figshare.model_validate(named)
        clock = SettableClock()
        credential = Credential("token", made.token)
        http = TargetHttp(made.url, target="figshare", credential=credential, clock=clock, domain=made.upload_domain)
        stack.callback(http.close)
        self.target = FigshareTarget(http, made, clock=clock)

    def strike(self, fault: Fault, *, skip: int) -> Rule:
        return strike(self.proxy, fault, skip=skip, elsewhere=self.trap.url)

    def break_at(self, end: str, *, method: str = "POST") -> None:
        """Let the next request to a place fail."""
        rule = strike(self.proxy, Fault.BROKEN, skip=0, elsewhere="")
        rule.when = lambda asked: asked.path.endswith(end) and asked.method == method

    def heal(self) -> None:
        self.proxy.heal()

    def standing(self, key: str) -> Sequence[str]:
        return [f"{one['id']}.v{version}" for one, version in self._under(key) if version is not None]

    def made(self, key: str) -> Sequence[str]:
        return [f"{one['id']}.v{version or 1}" for one, version in self._under(key)]

    def writes(self) -> int:
        return sum(one.method != "GET" and not one.path.endswith("/search") for one in self.server.seen)

    def strayed(self) -> Sequence[object]:
        return self.trap.seen

    def _under(self, key: str) -> list[tuple[dict[str, object], int | None]]:
        dataset, _, version = key.partition("@")[0].partition(":")
        return list(self.server.of(f"{SITE}/ark:/12345/{dataset.removeprefix('ds-')}/{version}"))


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@pytest.fixture
def stage(stack: ExitStack) -> FigshareStage:
    return FigshareStage(stack)


class TestFigshare(TargetContract):
    """Every promise, where nobody reviews."""

    @pytest.fixture
    def stage(self, stage: FigshareStage) -> FigshareStage:
        return stage
