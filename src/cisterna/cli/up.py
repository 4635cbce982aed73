"""`cisterna up`: the embedded stack in the foreground, and the demo on it."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from cisterna.bootstrap import Endpoints, Parts, open_parts
from cisterna.bootstrap.stack import EmbeddedStack
from cisterna.cli.answer import AsJson, ExitCode, answer, lines
from cisterna.cli.config import HomeOption
from cisterna.cli.demo import Demo
from cisterna.cli.opened import local_person
from cisterna.cli.screen import Screen
from cisterna.domain.errors import InvalidInput
from cisterna.settings import Settings, load_settings

TEND_SECONDS = 0.4


def up(
    *,
    home: HomeOption = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Add a virtual Squid that writes three real runs, live.")
    ] = False,
    exit_when_done: Annotated[
        bool, typer.Option("--exit-when-done", help="With --demo: stop when the three runs rest.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Start everything on one machine, on 127.0.0.1, and keep it running until Ctrl-C or SIGTERM."""
    if exit_when_done and not demo:
        raise InvalidInput("--exit-when-done goes with --demo: without it there is nothing that would be done")
    settings = load_settings(home=home)
    screen = Screen()
    stop = _stop_on_signals()
    stack = EmbeddedStack(settings, report=screen.part)
    with stack.home.locked():
        began = datetime.now(UTC)
        try:
            with screen:
                endpoints = stack.start()
                ready_seconds = (datetime.now(UTC) - began).total_seconds()
                document = _run(settings, stack, endpoints, screen, stop=stop, demo=demo, exit_when_done=exit_when_done)
        finally:
            stack.stop()
    document = {"home": str(settings.home), "ready_seconds": round(ready_seconds, 2), **document}
    as_planned = bool(document.get("as_planned", True))
    answer(
        document,
        as_json=as_json,
        show=lines(document.get("reason") or f"Stopped. Everything is kept in {settings.home}."),
        code=ExitCode.DONE if as_planned else ExitCode.FAILED,
    )


def _run(
    settings: Settings,
    stack: EmbeddedStack,
    endpoints: Endpoints,
    screen: Screen,
    *,
    stop: threading.Event,
    demo: bool,
    exit_when_done: bool,
) -> dict[str, Any]:
    with open_parts(settings) as parts:
        setup_url = _prepare(parts)
        stack.home.announce_ready()
        screen.ready(endpoints, setup_url=setup_url)
        running = Demo(parts) if demo else None
        try:
            if running:
                running.begin()
            while not stop.wait(TEND_SECONDS):
                moved = stack.tend()
                if moved is not None:
                    screen.ready(moved, setup_url=setup_url)
                if running:
                    with _tolerating_a_restart():
                        screen.runs(running.look())
                    if exit_when_done and running.is_over:
                        break
            return running.summary() if running else {}
        finally:
            if running:
                running.end()


def _prepare(parts: Parts) -> str | None:
    """Make what an embedded home begins with; return the one-time link while nobody has used it."""
    from cisterna.services.project import ensure_test_project
    from cisterna.services.setup_link import issue_setup_link

    ensure_test_project(
        owner=local_person(parts), catalogue=parts.catalogue, clock=parts.clock, model=parts.admit_shipped_model()
    )
    path = issue_setup_link(catalogue=parts.catalogue, clock=parts.clock, passwords=parts.passwords)
    return f"{parts.base_url}{path}" if path else None


@contextlib.contextmanager
def _tolerating_a_restart() -> Iterator[None]:
    """While PostgreSQL starts again the table keeps what it shows."""
    from cisterna.domain.errors import CatalogueUnavailable, StoreUnavailable

    with contextlib.suppress(CatalogueUnavailable, StoreUnavailable):
        yield


def _stop_on_signals() -> threading.Event:
    stop = threading.Event()

    def begin_to_stop(_number: int, _frame: object) -> None:
        if stop.is_set():  # a second Ctrl-C is impatience: the parts are being stopped already
            return
        stop.set()

    signal.signal(signal.SIGINT, begin_to_stop)
    signal.signal(signal.SIGTERM, begin_to_stop)
    return stop
