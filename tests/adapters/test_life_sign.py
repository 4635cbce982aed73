"""A process that hangs is told from one that is only starting, and from one that lives."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cisterna.adapters.child import Child
from cisterna.adapters.life_sign import Asked, TouchedFile, answers
from flows.supervisor import Supervisor
from tests.system.running import until

ALIVE = (
    "import sys, time, pathlib, cisterna.adapters.life_sign as life\n"
    "life.SIGN_SECONDS = 0.05\n"
    "file = pathlib.Path(sys.argv[1]); file.touch(); life.give_life_signs(file); time.sleep(60)"
)


@pytest.fixture
def silent_server() -> Iterator[str]:
    """Give the address of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/healthz"


def test_a_child_that_is_stopped_in_its_tracks_is_killed_and_started_again(tmp_path: Path) -> None:
    deaths: list[int] = []
    sign = tmp_path / "sign"
    supervisor = Supervisor(lambda _name, pid: deaths.append(pid), hung_seconds=1.0)
    supervisor.add(Child("sleeper", [sys.executable, "-c", ALIVE, str(sign)], log=tmp_path / "log"), sign=sign)
    first = supervisor.pids()["sleeper"]
    until(sign.exists, seconds=30, what="a first sign")
    lived_until = time.monotonic() + 2.5
    while time.monotonic() < lived_until:
        supervisor.tend()
        time.sleep(0.05)
    assert deaths == [], "it gives signs of life"

    os.kill(first, 19)  # SIGSTOP

    def is_another() -> bool:
        supervisor.tend()
        return supervisor.pids().get("sleeper", first) != first

    until(is_another, seconds=30, what="another process")
    assert deaths == [first]
    supervisor.stop(timeout_seconds=1)


def test_a_child_that_has_not_made_its_file_yet_is_still_starting(tmp_path: Path) -> None:
    deaths: list[int] = []
    supervisor = Supervisor(lambda _name, pid: deaths.append(pid), hung_seconds=0.0)
    child = Child("slow", [sys.executable, "-S", "-c", "import time; time.sleep(60)"], log=tmp_path / "log")
    supervisor.add(child, sign=tmp_path / "never")

    for _ in range(20):
        supervisor.tend()
        time.sleep(0.01)

    assert deaths == []
    supervisor.stop(timeout_seconds=1)


def test_a_clock_that_is_set_forward_makes_nobody_silent(tmp_path: Path) -> None:
    file = tmp_path / "sign"
    file.touch()
    os.utime(file, (0, 0))
    sign = TouchedFile(file)

    assert sign.silent_seconds() < 1
    time.sleep(0.2)
    assert sign.silent_seconds() >= 0.2
    sign.begin_anew()
    assert sign.silent_seconds() < 0.2


def test_a_server_that_takes_connections_and_says_nothing_is_silent(silent_server: str) -> None:
    began = time.monotonic()

    assert not answers(silent_server)
    assert time.monotonic() - began < 10

    sign = Asked(lambda: answers(silent_server), every_seconds=0.01)
    assert sign.silent_seconds() == 0
    until(lambda: sign.silent_seconds() > 0.3, seconds=30, what="a silence")
    sign.begin_anew()
    assert sign.silent_seconds() == 0
    sign.close()


def test_nobody_was_silent_while_nobody_asked() -> None:
    """As after the process that asks was stopped for an hour."""
    sign = Asked(lambda: True, every_seconds=3600)
    time.sleep(0.1)

    assert sign.silent_seconds() == 0
    sign.close()


@pytest.mark.parametrize("url", ["", "http://", "http://127.0.0.1:1/x", "no address", "http://127.0.0.1:1"])
def test_an_address_where_nobody_is_does_not_answer(url: str) -> None:
    assert not answers(url)


def test_what_a_question_provokes_is_no_answer_and_ends_nothing() -> None:
    asked: list[int] = []

    def answer() -> bool:
        asked.append(1)
        if len(asked) < 3:
            raise RuntimeError("half dead")
        return True

    sign = Asked(answer, every_seconds=0.01)
    until(lambda: len(asked) >= 5, seconds=30, what="five questions")
    assert sign.silent_seconds() == 0
    sign.close()
