"""Runs tests on broken code: everything is imported and every server started once, and each mutant gets a fork of it.

A mutant is put in place by giving the live functions of its module the changed code, so that whoever imported them
before runs it too. Its process tries the tests that reach the changed lines first, those that noticed its neighbours
before the others, and stops at the first that fails; only after every test of its part is a mutant called unnoticed.
"""

from __future__ import annotations

import ast
import collections
import contextlib
import importlib
import inspect
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from types import CodeType, FunctionType, ModuleType
from typing import Any

import coverage
import pytest

from mutation.change import Mutant

_SECONDS_EACH = 900
_SHARED = ("tmp_path", "postgres", "seaweedfs")
"""Fixtures that are set up before the first fork: the folder of all temporary ones, and the servers."""
_SETTLED_SECONDS = 0.02


def put_in_place(module: ModuleType, statement: ast.stmt) -> None:
    """Let a live module run a changed function or hold a changed constant.

    Raises:
        TypeError: A function of it is none in the module.
    """
    tree = ast.fix_missing_locations(ast.Module([statement], []))
    code = compile(tree, module.__file__ or module.__name__, "exec")  # annotations stay words, as in this file
    if isinstance(statement, ast.Assign):
        exec(code, module.__dict__)  # noqa: S102 - our own source, changed in one place
        return
    for name, changed in _functions(code):
        _live(module, name).__code__ = changed


def _functions(code: CodeType) -> Iterator[tuple[str, CodeType]]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType) and not constant.co_name.startswith("<"):
            if constant.co_flags & inspect.CO_OPTIMIZED:
                yield constant.co_qualname, constant
            else:
                yield from _functions(constant)


def _live(module: ModuleType, name: str) -> FunctionType:
    found: Any = module
    for part in name.split("."):
        found = inspect.getattr_static(found, part)
    found = found.fget if isinstance(found, property) else getattr(found, "__func__", found)
    found = inspect.unwrap(found)
    if not isinstance(found, FunctionType):
        raise TypeError(f"{name} of {module.__name__} is no function whose code could be changed")
    return found


@dataclass
class Part:
    """A module to break, and what has to notice.

    Attributes:
        tests: Files and folders of tests, as pytest is given them.
        unchanged: Every function and class of the module as it is.
        reached: Lines of the module that each test runs.
    """

    name: str
    module: str
    tests: tuple[str, ...]
    mutants: list[Mutant]
    unchanged: list[ast.stmt]
    items: list[pytest.Item] = field(default_factory=list)
    reached: dict[str, set[int]] = field(default_factory=dict)


class _Following(pytest.Item):
    """The test that comes next, always: what the session shares stays up for it, and all else is taken down."""

    def runtest(self) -> None:
        """Do nothing; it never runs."""


class Nursery:
    """A plug-in of pytest that runs no tests itself, but mutants in forks of itself.

    Args:
        drive: Is given this nursery once tests are collected and servers run; returns whether all is well.
    """

    def __init__(self, drive: Callable[[Nursery], bool]) -> None:
        self.is_well = False
        self._drive = drive
        self._reports: list[pytest.TestReport] = []

    def pytest_configure(self) -> None:
        """Leave nothing to chance and to this machine's speed, and no example of a mutant behind."""
        settings = importlib.import_module("hypothesis").settings  # which pytest wants to load first
        settings.register_profile("mutants", database=None, derandomize=True, deadline=None)
        settings.load_profile("mutants")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Start what the tests share, and let mutants be tried."""
        self._session = session
        self._start_servers(session)
        if threading.active_count() > 1:
            raise RuntimeError(f"a fork would lack threads: {threading.enumerate()}")
        self.is_well = self._drive(self)
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take down how a test went."""
        self._reports.append(report)

    def of_paths(self, paths: Iterable[str]) -> list[pytest.Item]:
        """Give the collected tests of files and folders."""
        wanted = [path if path.endswith(".py") else f"{path.rstrip('/')}/" for path in paths]
        return [one for one in self._session.items if any(one.nodeid.startswith(path) for path in wanted)]

    def _start_servers(self, session: pytest.Session) -> None:
        """Run an empty test that asks for what all forks share; it stays up since another test follows."""
        for name in _SHARED:
            wanting = [one for one in session.items if name in getattr(one, "fixturenames", (name,))]
            if wanting:
                scope: dict[str, Any] = {}
                exec(f"def start({name}): str({name})", scope)  # noqa: S102 - a test is known by what it asks for
                starter = pytest.Function.from_parent(wanting[0].parent, name="start", callobj=scope["start"])
                if self._run(starter) is not None:
                    raise RuntimeError(f"{name} does not start: {self._text()}")

    def _run(self, item: pytest.Item) -> str | None:
        """Run one test, and give the phase in which it failed."""
        self._reports.clear()
        item._initrequest()  # noqa: SLF001 - as those do who run a test again
        following = _Following.from_parent(self._session, name="following")
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        return next((one.when for one in self._reports if one.failed), None)

    def _text(self) -> str:
        return "\n".join(one.longreprtext for one in self._reports if one.failed)

    def reach(self, parts: Sequence[Part], *, jobs: int) -> list[str]:
        """Run every test on the code as it is, and learn what lines each runs; give those that fail."""
        files = {str(importlib.import_module(part.module).__file__): part for part in parts}
        items = list(dict.fromkeys(item for part in parts for item in part.items))
        failing = []
        children = [Fork(lambda mine=items[n::jobs]: self._measure(mine, list(files))) for n in range(jobs)]
        for child in children:
            for nodeid, found in child.wait().items():
                if isinstance(found, str):
                    failing.append(f"{nodeid}: {found}")
                    continue
                for file, lines in found.items():
                    files[file].reached[nodeid] = set(lines)
        return failing

    def _measure(self, items: Sequence[pytest.Item], files: Sequence[str]) -> dict[str, dict[str, list[int]] | str]:
        found: dict[str, dict[str, list[int]] | str] = {}
        for item in items:
            seen = coverage.Coverage(data_file=None, config_file=False, include=files)
            seen.set_option("run:disable_warnings", ["no-data-collected"])  # a test may run none of it
            seen.start()
            failed = self._run(item)
            seen.stop()
            data = seen.get_data()
            lines = {file: sorted(data.lines(file) or ()) for file in files}
            found[item.nodeid] = self._text() if failed else lines
        return found

    def try_mutant(self, part: Part, mutant: Mutant, order: Sequence[pytest.Item]) -> Fork:
        """Begin to run tests on a mutant, until one fails."""
        return Fork(lambda: self._until_noticed(part, [mutant.changed], order))

    def try_unchanged(self, part: Part, statements: Sequence[ast.stmt]) -> Fork:
        """Begin to run every test on code that is put in place like a mutant, and is as it was."""
        return Fork(lambda: self._until_noticed(part, statements, part.items))

    def _until_noticed(
        self, part: Part, statements: Sequence[ast.stmt], order: Sequence[pytest.Item]
    ) -> dict[str, str | None]:
        for statement in statements:
            put_in_place(sys.modules[part.module], statement)
        for item in order:
            try:
                # A test that fails once may have failed for the machine's sake; what fails twice has noticed.
                failed = self._run(item) and self._run(item)
            except KeyboardInterrupt:  # staged by a test, and let out by the mutant
                failed = "call"
            if failed == "setup":  # which runs nothing of the mutant
                raise RuntimeError(f"{item.nodeid} cannot be set up: {self._text()}")
            if failed:
                return {"noticed_by": item.nodeid, "text": self._text()}
        return {"noticed_by": None}


class Fork:
    """A function that runs in a fork of this process and gives a JSON object back."""

    def __init__(self, work: Callable[[], dict[str, Any]]) -> None:
        self.begun = time.monotonic()
        reading, writing = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            _be_child(work, reading, writing)
        os.close(writing)
        self._reading = reading
        os.set_blocking(reading, False)
        self._told = b""

    def poll(self) -> dict[str, Any] | None:
        """Give what it found once it has ended; tests that end the process or never end have noticed something.

        Raises:
            RuntimeError: It failed for another reason than a test's.
        """
        self._read()
        pid, status = os.waitpid(self._pid, os.WNOHANG)
        if not pid and time.monotonic() - self.begun < _SECONDS_EACH:
            return None
        if not pid:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            found = {"noticed_by": "(it never ends)"}
        else:
            self._read()
            code = os.waitstatus_to_exitcode(status)
            found = json.loads(self._told) if code == 0 else {"noticed_by": f"(it ends with code {code})"}
        os.close(self._reading)
        if "trouble" in found:
            raise RuntimeError(found["trouble"])
        return found

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while piece := os.read(self._reading, 65536):
                self._told += piece

    def wait(self) -> dict[str, Any]:
        """Wait for what it finds."""
        while (found := self.poll()) is None:
            time.sleep(_SETTLED_SECONDS)
        return found


def _be_child(work: Callable[[], dict[str, Any]], reading: int, writing: int) -> None:
    code = 1
    try:
        os.close(reading)
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nothing, descriptor)
        try:
            told = json.dumps(work()).encode()
        except Exception:  # noqa: BLE001 - of our own; tests raise none here
            told = json.dumps({"trouble": traceback.format_exc()}).encode()
        while told:
            told = told[os.write(writing, told) :]
        code = 0
    finally:
        os._exit(code)


class Order:
    """Which test to try first: who noticed this change before, then its neighbours, then who notices most."""

    def __init__(self, part: Part, killers: dict[str, str]) -> None:
        self._part = part
        self._before = killers
        self._of_line: dict[int, list[str]] = collections.defaultdict(list)
        self._of_function: dict[str, list[str]] = collections.defaultdict(list)
        self._counts: collections.Counter[str] = collections.Counter()

    def learn(self, mutant: Mutant, noticed_by: str) -> None:
        """Note who noticed a mutant."""
        self._counts[noticed_by] += 1
        self._of_function[mutant.where].append(noticed_by)
        for line in mutant.lines:
            self._of_line[line].append(noticed_by)

    def of(self, mutant: Mutant, *, all_of_them: bool = True) -> list[pytest.Item]:
        """Give the part's tests, those that reach the mutant first."""
        reaching = self._reaching(mutant)
        near = [one for line in mutant.lines for one in self._of_line[line]]
        ranks = {one: -n for n, one in enumerate([*self._of_function[mutant.where], *near])}
        before = self._before.get(mutant.name)
        if before is not None:
            ranks[before] = -len(ranks) - 1_000_000

        def rank(item: pytest.Item) -> tuple[bool, int, int]:
            return item.nodeid not in reaching, ranks.get(item.nodeid, 1), -self._counts[item.nodeid]

        ordered = sorted(self._part.items, key=rank)
        return ordered if all_of_them else [one for one in ordered if one.nodeid in reaching]

    def _reaching(self, mutant: Mutant) -> set[str]:
        if isinstance(mutant.changed, ast.Assign):  # run when the module is imported, and used who knows where
            return {item.nodeid for item in self._part.items}
        lines = set(mutant.lines)
        return {nodeid for nodeid, reached in self._part.reached.items() if lines & reached}
