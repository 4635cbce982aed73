"""Ports that were free when they were chosen: another program, or another home, takes them before we listen."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from urllib.parse import urlsplit

import httpx
import pytest

from cisterna.adapters.embedded_prefect import EmbeddedPrefect
from cisterna.bootstrap.stack import EmbeddedStack, PartStatus
from cisterna.domain.errors import SettingsInvalid
from cisterna.settings import Settings, load_settings
from tests.system.running import RunningStack, short_folder

pytestmark = [pytest.mark.system, pytest.mark.torture, pytest.mark.timeout(600)]


class Thief:
    """Takes the port that a part has been given, in the moment before the part's process listens on it."""

    def __init__(self, part: str) -> None:
        self._part = part
        self.stack: EmbeddedStack | None = None
        self.taken: list[int] = []
        self.kept = ExitStack()

    def look(self, status: PartStatus) -> None:
        """Strike while the part's process is loading: Prefect's when the store begins to start, the web's at once."""
        if self.taken or self.stack is None:
            return
        now = (self._part, status.name, status.state)
        if now == ("prefect", "store", "starting"):
            self._take(next(part.api_url for _, part in self.stack._parts if isinstance(part, EmbeddedPrefect)))
        elif now == ("web", "web", "starting"):
            self._take(self.stack.home.endpoints().web_url)

    def _take(self, url: str) -> None:
        port = urlsplit(url).port or 0
        self.kept.enter_context(socket.create_server(("127.0.0.1", port)))
        self.taken.append(port)


def beside(thief: Thief, settings: Settings) -> EmbeddedStack:
    thief.stack = EmbeddedStack(settings, report=thief.look)
    return thief.stack


@pytest.mark.parametrize("part", ["web", "prefect"])
def test_a_port_of_our_choice_that_another_program_takes_is_chosen_anew(part: str) -> None:
    thief = Thief(part)
    with short_folder() as folder, thief.kept, ExitStack() as held:
        stack = beside(thief, load_settings(home=folder / "home"))
        held.enter_context(stack.home.locked())
        try:
            endpoints = stack.start()

            ports = {urlsplit(url).port for url in (endpoints.web_url, endpoints.prefect_api_url)}
            assert len(thief.taken) == 1
            assert not ports & {*thief.taken}
            assert httpx.get(f"{endpoints.web_url}/healthz").is_success
            assert httpx.get(f"{endpoints.prefect_api_url}/health").is_success
            assert stack.home.endpoints() == endpoints
        finally:
            stack.stop()


def test_a_port_that_the_user_named_is_refused_when_another_program_takes_it() -> None:
    thief = Thief("web")
    with short_folder() as folder, thief.kept:
        settings = load_settings(home=folder / "home")
        with socket.create_server(("127.0.0.1", 0)) as free:
            named = int(free.getsockname()[1])
        settings = settings.model_copy(update={"web": settings.web.model_copy(update={"port": named})})

        stack = beside(thief, settings)

        with stack.home.locked(), pytest.raises(SettingsInvalid, match=r"web\.port"):
            stack.start()

        assert thief.taken == [named]


def test_two_homes_that_start_at_once_both_come_up() -> None:
    with short_folder() as one, short_folder() as other, ThreadPoolExecutor(2) as both:
        stacks = [RunningStack(folder / "home") for folder in (one, other)]
        try:
            list(both.map(RunningStack.start, stacks))

            found = [stack.home.endpoints() for stack in stacks]
            seen = [{at.web_url, at.prefect_api_url, at.s3_endpoint} for at in found]
            assert not seen[0] & seen[1]
        finally:
            for stack in stacks:
                stack.stop()
