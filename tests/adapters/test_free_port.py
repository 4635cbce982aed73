"""A port of ours is nobody else's from the choice on, and a server counts only when it is the one that listens."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cisterna.adapters.child import Child
from cisterna.adapters.free_port import (
    PortClaim,
    PortLost,
    are_free,
    await_listening,
    claim_again,
    claim_port,
    is_listening,
    spare_ports,
)
from cisterna.domain.errors import NotReady, SettingsInvalid

SERVE = "import socket, sys, time; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); time.sleep(600)"


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


def claim(port: int, *, is_fixed: bool = False) -> PortClaim:
    return claim_port(port, is_fixed=is_fixed, setting="web.port")


def serving(port: int, folder: Path) -> Child:
    child = Child("the server", [sys.executable, "-c", SERVE, str(port)], log=folder / "log")
    child.start()
    return child


def test_a_default_port_that_is_taken_gives_way(taken_port: int) -> None:
    chosen = claim(taken_port)

    assert chosen.port > taken_port
    assert not are_free([taken_port])
    chosen.release()


def test_a_port_that_was_set_does_not_give_way(taken_port: int) -> None:
    with pytest.raises(SettingsInvalid, match=r"web\.port"):
        claim(taken_port, is_fixed=True)


def test_a_server_that_starts_again_keeps_its_port_and_no_other_home_chooses_it_meanwhile() -> None:
    (port,) = spare_ports(1)
    mine = claim(port)

    assert claim_again(mine) is mine
    other = claim(port)
    assert other.port != port
    other.release()
    mine.release()
    assert claim_again(mine) is None, "it was stopped: the next start chooses anew"
    assert claim_again(None) is None


def test_a_port_that_another_program_took_since_is_lost_and_said_so() -> None:
    (port,) = spare_ports(1)
    mine = claim(port)
    with socket.create_server(("127.0.0.1", port)), pytest.raises(PortLost, match=str(port)):
        claim_again(mine)
    assert not mine.is_held

    fixed = claim(port, is_fixed=True)
    with socket.create_server(("127.0.0.1", port)), pytest.raises(SettingsInvalid, match=r"web\.port"):
        claim_again(fixed)
    assert fixed.is_held, "the user named it, so it is waited for"
    fixed.release()


def test_two_homes_that_choose_before_either_listens_choose_differently() -> None:
    (port,) = spare_ports(1)
    mine = claim(port)
    source = f"from {claim_port.__module__} import claim_port as c; print(c({port}, is_fixed=False, setting='p').port)"

    theirs = int(subprocess.check_output([sys.executable, "-c", source]))

    assert mine.port == port
    assert theirs > port
    with pytest.raises(SettingsInvalid):
        claim(port, is_fixed=True)
    mine.release()
    again = claim(port)
    assert again.port == port
    again.release()


def test_a_port_that_another_program_took_is_chosen_anew_unless_the_user_named_it(tmp_path: Path) -> None:
    for is_fixed, refusal in ((False, PortLost), (True, SettingsInvalid)):
        mine = claim(spare_ports(1)[0], is_fixed=is_fixed)
        with socket.create_server(("127.0.0.1", mine.port)):
            child = serving(mine.port, tmp_path)

            with pytest.raises(refusal):
                await_listening(child, mine, lambda: True, timeout_seconds=30.0)
        child.kill()
        mine.release()


def test_a_further_port_that_was_lost_is_chosen_anew(tmp_path: Path, taken_port: int) -> None:
    mine = claim(spare_ports(1)[0], is_fixed=True)
    child = serving(taken_port, tmp_path)

    with pytest.raises(PortLost, match="the server"):
        await_listening(child, mine, lambda: True, timeout_seconds=30.0, besides=[taken_port])
    mine.release()


def test_a_server_that_ends_by_itself_lost_no_port(tmp_path: Path) -> None:
    mine = claim(spare_ports(1)[0])
    child = Child("the server", [sys.executable, "-c", "raise SystemExit(7)"], log=tmp_path / "log")
    child.start()

    with pytest.raises(NotReady, match="code 7") as refusal:
        await_listening(child, mine, lambda: True, timeout_seconds=30.0)
    assert not isinstance(refusal.value, PortLost)
    mine.release()


def test_only_the_process_that_listens_counts(tmp_path: Path) -> None:
    mine = claim(spare_ports(1)[0])
    child = serving(mine.port, tmp_path)

    await_listening(child, mine, lambda: True, timeout_seconds=30.0)

    assert is_listening(child.pid, mine.port)
    assert not is_listening(os.getpid(), mine.port)
    child.kill()
    assert not is_listening(child.pid, mine.port)
    mine.release()


def test_chosen_ports_differ_and_the_last_has_its_partner() -> None:
    ports = spare_ports(8, pair_offset=10_000)

    assert len({*ports, ports[-1] + 10_000}) == 9
    assert are_free([*ports, ports[-1] + 10_000])
