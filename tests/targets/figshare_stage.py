"""A target at Figshare and the stand-in that it speaks to, through a proxy that breaks what a test wants broken."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack

from cisterna.adapters.target_figshare import FigshareTarget
from cisterna.adapters.target_http import Credential, TargetHttp
from cisterna.adapters.target_setting import Figshare
from cisterna.domain.deposit import Deposit
from cisterna.domain.errors import ReviewPending
from cisterna.ports.target import DepositRequest
from cisterna.testing.clock import SettableClock
from cisterna.testing.figshare_stand_in import FigshareStandIn
from cisterna.testing.outside_server import Fault, strike
from cisterna.testing.target_request import FILES, SITE
from tests.targets.proxied_stage import ProxiedStage

TOKEN = "fs-0123456789abcdef"


class FigshareStage(ProxiedStage):
    secret = TOKEN

    def __init__(
        self,
        stack: ExitStack,
        *,
        stand_in: type[FigshareStandIn] = FigshareStandIn,
        reviews: bool = False,
        lets_unpublish: bool = True,
        **setting: object,
    ) -> None:
        self.server = stack.enter_context(stand_in(token=TOKEN, reviews=reviews, lets_unpublish=lets_unpublish))
        self.stand_before(self.server, stack)
        self.server.address = self.proxy.url
        named = {"name": "figshare", "url": f"{self.proxy.url}/v2", "token": TOKEN, "categories": (7,), **setting}
        made = Figshare.model_validate(named)
        self.clock = clock = SettableClock()
        credential = Credential("token", made.token)
        http = TargetHttp(made.url, target="figshare", credential=credential, clock=clock, domain=made.upload_domain)
        stack.callback(http.close)
        self.target = FigshareTarget(http, made, clock=clock)

    def break_at(self, end: str, *, method: str = "POST") -> None:
        """Let the next request to a place fail."""
        rule = strike(self.proxy, Fault.BROKEN, skip=0, elsewhere="")
        rule.when = lambda asked: asked.path.endswith(end) and asked.method == method

    def standing(self, key: str) -> Sequence[str]:
        return [f"{one['id']}.v{version}" for one, version in self._under(key) if version is not None]

    def made(self, key: str) -> Sequence[str]:
        return [f"{one['id']}.v{version or 1}" for one, version in self._under(key)]

    def told(self, key: str) -> str:
        return json.dumps(self._under(key), ensure_ascii=False)

    def writes(self) -> int:
        return sum(one.method != "GET" for one in self.server.seen)

    def deposited(self, request: DepositRequest) -> Deposit:
        """Deposit a version, which who reviews there approves."""
        try:
            return self.target.deposit(request, known=None, files=FILES)
        except ReviewPending:
            for number in [one["id"] for one in self.server.articles.values() if one["status"] == "in review"]:
                self.server.approve(number)
            return self.target.deposit(request, known=None, files=FILES)

    def opened(self) -> list[int]:
        """Give the numbers of the articles of the account that were opened, in turn."""
        paths = [one.path.removeprefix("/v2/account/articles/") for one in self.server.seen if one.method == "GET"]
        return [int(path) for path in paths if path.isdecimal()]

    def _under(self, key: str) -> list[tuple[dict[str, object], int | None]]:
        dataset, _, version = key.partition("@")[0].partition(":")
        return list(self.server.of(f"{SITE}/ark:/12345/{dataset.removeprefix('ds-')}/{version}"))
