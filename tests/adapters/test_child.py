"""A child dies with whoever started it, has what it was given and nothing else, and never holds up its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from cisterna.adapters.child import Child
from cisterna.adapters.tied import NOT_FOUND
from cisterna.domain.errors import NotReady
from tests.system.running import until

PARENT = (
    "import sys, time; from pathlib import Path; from cisterna.adapters.child import Child\n"
    "child = Child('sleeper', [sys.executable, '-S', '-c', 'import time; time.sleep(100)'], log=Path(sys.argv[1]))\n"
    "child.start(); print(child.pid, flush=True); time.sleep(100)"
)


def is_gone(pid: int) -> bool:
    try:
        return "Z" in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True


def has_ended(child: Child) -> Callable[[], bool]:
    return lambda: child.exit_code is not None


def test_it_dies_when_its_parent_is_killed(tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path / "log")], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout as said:
        pid = int(said.readline())
        until(
            lambda: b"time.sleep(100)" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[-2],
            seconds=30,
            what="the program",
        )
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()

    until(lambda: is_gone(pid), seconds=30, what="the end of the orphan")


def test_a_parent_that_died_before_the_tie_leaves_nobody(tmp_path: Path) -> None:
    from cisterna.adapters import tied

    mark = tmp_path / "mark"
    argv = [sys.executable, "-I", "-S", tied.__file__, "1", str(int(signal.SIGKILL)), "touch", str(mark)]

    assert subprocess.run(argv, check=False).returncode == 1
    assert not mark.exists()


def test_it_has_its_environment_and_the_signals_of_a_shell(tmp_path: Path) -> None:
    told = tmp_path / "told"
    script = f"grep -E 'Sig(Ign|Blk)' /proc/self/status > {told}; env | grep -c . >> {told}; echo $ONE >> {told}"
    child = Child("shell", ["sh", "-c", script], log=tmp_path / "log", env={"ONE": "a b", "PATH": os.environ["PATH"]})
    child.start()
    until(has_ended(child), seconds=30, what="the end of the child")

    lines = told.read_text().splitlines()
    ignored = int(next(line for line in lines if line.startswith("SigIgn")).split()[1], 16)
    assert not ignored & (1 << (signal.SIGPIPE - 1) | 1 << (signal.SIGXFSZ - 1)), "Python itself ignores both"
    assert lines[-1] == "a b"


@pytest.mark.parametrize("argv", [["/no/such/program"], ["no-such-program-anywhere"], ["/"]])
def test_a_program_that_is_not_there_is_said_so(tmp_path: Path, argv: list[str]) -> None:
    child = Child("nobody", argv, log=tmp_path / "log")
    child.start()

    with pytest.raises(NotReady, match=f"code {NOT_FOUND} .*{argv[0]}: "):
        child.await_ready(lambda: False, timeout_seconds=30)


def test_threads_that_hold_locks_do_not_hold_up_a_start(tmp_path: Path) -> None:
    """Nothing of Python runs between fork and exec: a lock taken there by another thread would never be given back."""
    held, started = threading.Lock(), threading.Event()
    os.register_at_fork(after_in_child=lambda: held.acquire() if started.is_set() else None)
    held.acquire()
    started.set()
    child = Child("quick", ["true"], log=tmp_path / "log")
    starting = threading.Thread(target=child.start, daemon=True)
    starting.start()
    starting.join(20)
    started.clear()

    assert not starting.is_alive()
    until(has_ended(child), seconds=30, what="the end of the child")
