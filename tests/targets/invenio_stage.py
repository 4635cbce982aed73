"""A target at InvenioRDM and the stand-in that it speaks to, through a proxy that breaks what a test wants broken."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack

from cisterna.adapters.target_http import Credential, TargetHttp
from cisterna.adapters.target_invenio import InvenioTarget, answer_bytes
from cisterna.adapters.target_setting import Invenio
from cisterna.testing.clock import SettableClock
from cisterna.testing.invenio_server import InvenioServer
from tests.targets.proxied_stage import ProxiedStage

TOKEN = "zn-0123456789abcdef"


class InvenioStage(ProxiedStage):
    secret = TOKEN

    def __init__(self, stack: ExitStack, *, restricts_records: bool = True, **setting: object) -> None:
        self.server = stack.enter_context(InvenioServer(token=TOKEN, restricts_records=restricts_records))
        self.stand_before(self.server, stack)
        named = {"name": "zenodo", "title": "Zenodo", "url": self.proxy.url, "token": TOKEN, **setting}
        made = Invenio.model_validate(named)
        clock = SettableClock()
        credential, most = Credential("Bearer", made.token), answer_bytes(made)
        http = TargetHttp(made.url, target="zenodo", credential=credential, clock=clock, answer_bytes=most)
        stack.callback(http.close)
        self._made = lambda: InvenioTarget(http, made, clock=clock)
        self.target = self._made()

    def restarted(self) -> InvenioTarget:
        """Give the target as another process would have it, which knows of nothing."""
        return self._made()

    def standing(self, key: str) -> Sequence[str]:
        every = self._under(key)
        return [one["id"] for one in every if one["is_published"] and one["access"]["record"] == "public"]

    def made(self, key: str) -> Sequence[str]:
        return [one["id"] for one in self._under(key)]

    def told(self, key: str) -> str:
        return json.dumps(self._under(key), ensure_ascii=False)

    def writes(self) -> int:
        return sum(one.method != "GET" for one in self.server.seen)

    def _under(self, key: str) -> Sequence[dict[str, object]]:
        dataset, _, version = key.partition("@")[0].partition(":")
        return list(self.server.of(f"ark:/12345/{dataset.removeprefix('ds-')}", version))
