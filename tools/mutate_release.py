"""Break the code that releases sources, one small way at a time, and see that a test notices each.

Run from a checkout: `python tools/mutate_release.py [--only PART]`. Each mutant is the module with one change (a
comparison turned, a condition dropped or made constant, a statement, an argument or one of several values left out, a
number or a flag that is another one), in place of the real one in a process of its own that runs the tests of its part.
A mutant that no test notices would be a way to delete without proof: the run then fails and shows it. Words in messages
are not changed. What was found is kept in `.stamps/mutants.jsonl` for as long as source and tests stay what they were,
so that a run that was cut short goes on.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from mutation.change import DEFINITIONS, Mutant, mutants
from mutation.harmless import HARMLESS
from mutation.trial import Fork, Nursery, Order, Part

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / ".stamps" / "mutants.jsonl"
PARTS = {
    "judge": (
        "cisterna.domain.release",
        (
            "tests/domain/test_release.py",
            "tests/domain/test_release_parts.py",
            "tests/domain/test_release_rules.py",
        ),
    ),
    "deletion": (
        "cisterna.adapters.landing_deletion",
        ("tests/adapters/test_landing_deletion.py", "tests/adapters/test_landing_deletion_system.py"),
    ),
    "execution": ("cisterna.services.release", ("tests/release",)),
    "facts": ("cisterna.services.release_facts", ("tests/release",)),
}
"""Module, and the tests that have to notice, by the name of the part."""
_PYTEST = ("-q", "-s", "--no-header", "-p", "no:randomly", "-o", "timeout=30", "-o", "tmp_path_retention_policy=none")
_LOOK_SECONDS = 0.02


@dataclass
class Tally:
    """What became of a part's mutants."""

    total: int = 0
    noticed: int = 0
    harmless: int = 0
    survived: list[str] = field(default_factory=list)
    seconds: float = 0.0


class Memory:
    """What became of mutants in earlier runs, in a file that git does not see."""

    def __init__(self, path: Path) -> None:
        self._path = path
        lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []
        self._fates = {line["key"]: line for line in lines}
        self._killers = {(line["part"], line["mutant"]): line["noticed_by"] for line in lines if line["noticed_by"]}

    def fate(self, key: str) -> dict[str, object] | None:
        """Give what became of exactly this mutant under exactly these tests."""
        return self._fates.get(key)

    def killers(self, part: str) -> dict[str, str]:
        """Give who noticed each mutant of a part last, whatever has changed since."""
        return {mutant: noticed_by for (of, mutant), noticed_by in self._killers.items() if of == part}

    def keep(self, key: str, part: str, mutant: Mutant, noticed_by: str | None, seconds: float) -> None:
        """Write a fate down at once."""
        fate = {"key": key, "part": part, "mutant": mutant.name, "noticed_by": noticed_by, "seconds": round(seconds, 2)}
        self._path.parent.mkdir(exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(fate) + "\n")


class Run:
    """One run over the parts asked for."""

    def __init__(self, parts: Sequence[Part], *, jobs: int, reaching_only: bool) -> None:
        self._parts = parts
        self._jobs = jobs
        self._reaching_only = reaching_only
        self._memory = Memory(KEPT)
        self.tallies = {part.name: Tally() for part in parts}

    def __call__(self, nursery: Nursery) -> bool:
        """Try every mutant; tell whether a test noticed each that has no reason to be harmless."""
        for part in self._parts:
            part.items = nursery.of_paths(part.tests)
        begun = time.monotonic()
        failing = nursery.reach(self._parts, jobs=self._jobs)
        if failing:
            print("tests fail on the code as it is; mend that first:", *failing, sep="\n\n")
            return False
        controls = [(part, nursery.try_unchanged(part, part.unchanged)) for part in self._parts]
        for part, control in controls:
            found = control.wait()
            if found["noticed_by"]:
                print(f"{part.name}: {found['noticed_by']} fails on code that is as it was: {found['text']}")
                return False
        print(f"{len(nursery.of_paths(('tests',)))} tests pass on the code as it is, {time.monotonic() - begun:.0f} s")
        for part in self._parts:
            begun = time.monotonic()
            self._try_all(part, nursery)
            self.tallies[part.name].seconds = time.monotonic() - begun
            print(f"{part.name}: all {len(part.mutants)} mutants were tried", flush=True)
        return not any(tally.survived for tally in self.tallies.values())

    def _try_all(self, part: Part, nursery: Nursery) -> None:
        code, order = _digest_of(part), Order(part, self._memory.killers(part.name))
        running: list[tuple[Mutant, str, Fork]] = []
        for mutant in part.mutants:
            key = hashlib.sha256(f"{code} {mutant.digest}".encode()).hexdigest()
            known = self._memory.fate(key)
            if known is not None:
                self._count(part, mutant, order, str(known["noticed_by"]) if known["noticed_by"] else None)
                continue
            while len(running) >= self._jobs:
                running = list(self._still_running(part, order, running))
            tests = order.of(mutant, all_of_them=not self._reaching_only)
            running.append((mutant, key, nursery.try_mutant(part, mutant, tests)))
        while running:
            running = list(self._still_running(part, order, running))

    def _still_running(
        self, part: Part, order: Order, running: Iterable[tuple[Mutant, str, Fork]]
    ) -> Iterator[tuple[Mutant, str, Fork]]:
        time.sleep(_LOOK_SECONDS)
        for mutant, key, fork in running:
            found = fork.poll()
            if found is None:
                yield mutant, key, fork
                continue
            noticed_by = found["noticed_by"]
            if noticed_by or not self._reaching_only:
                self._memory.keep(key, part.name, mutant, noticed_by, time.monotonic() - fork.begun)
            self._count(part, mutant, order, noticed_by)

    def _count(self, part: Part, mutant: Mutant, order: Order, noticed_by: str | None) -> None:
        tally, shown = self.tallies[part.name], f"{part.name} {mutant.name}"
        tally.total += 1
        if noticed_by:
            order.learn(mutant, noticed_by)
            tally.noticed += 1
        elif shown in HARMLESS:
            tally.harmless += 1
            print(f"harmless  {shown}  ({HARMLESS[shown]})", flush=True)
        else:
            tally.survived.append(shown)
            print(f"SURVIVED  {part.name}:{mutant.lines.start} {mutant.name}", flush=True)


def _digest_of(part: Part) -> str:
    """Digest all of our source, the part's tests, and what those import of the tests' own."""
    files = set((ROOT / "src").rglob("*.py")) | {ROOT / "tests" / "conftest.py", ROOT / "tests" / "store_fixtures.py"}
    files |= {Path(__file__), *Path(__file__).with_name("mutation").glob("*.py")} - {
        ROOT / "tools/mutation/harmless.py"
    }
    new = {one for test in part.tests for one in _python_files(ROOT / test)}
    while new:
        files |= new
        new = {one for file in new for one in _imported(file)} - files
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(f"{file.relative_to(ROOT)}\0".encode() + file.read_bytes())
    return digest.hexdigest()


def _python_files(path: Path) -> list[Path]:
    return [path] if path.suffix == ".py" else list(path.rglob("*.py"))


def _imported(file: Path) -> Iterator[Path]:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tests."):
            module = ROOT / Path(*(node.module or "").split("."))
            yield from (one for one in _python_files(module.with_suffix(".py")) if one.exists())


def _part(name: str) -> Part:
    module, tests = PARTS[name]
    source = ROOT / "src" / Path(*module.split(".")).with_suffix(".py")
    tree = ast.parse(source.read_text("utf-8"))
    return Part(name, module, tests, mutants(tree), [one for one in tree.body if isinstance(one, DEFINITIONS)])


def _stale(parts: Sequence[Part]) -> list[str]:
    """Give the reasons for changes that nothing makes any more."""
    made = {f"{part.name} {mutant.name}" for part in parts for mutant in part.mutants}
    names = {part.name for part in parts}
    return [one for one in HARMLESS if one.partition(" ")[0] in names and one not in made]


def _print_table(tallies: dict[str, Tally]) -> None:
    print("| part | mutants | noticed | harmless | survived | seconds |\n| --- | --- | --- | --- | --- | --- |")
    for name, one in tallies.items():
        print(f"| {name} | {one.total} | {one.noticed} | {one.harmless} | {len(one.survived)} | {one.seconds:.0f} |")


def main() -> int:
    """Try every mutant of the parts asked for; return how the process ends."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=sorted(PARTS), action="append")
    parser.add_argument("--jobs", type=int, default=2, help="how many mutants are tried at a time")
    parser.add_argument(
        "--reaching-only",
        action="store_true",
        help="while working on tests: call a mutant unnoticed once the tests that reach it pass",
    )
    asked = parser.parse_args()
    os.chdir(ROOT)
    sys.path[:0] = [str(ROOT / "src"), str(ROOT)]
    parts = [_part(name) for name in asked.only or PARTS]
    if stale := _stale(parts):
        print("no change is made any more that is called harmless so:", *stale, sep="\n  ")
        return 1
    run = Run(parts, jobs=asked.jobs, reaching_only=asked.reaching_only)
    nursery = Nursery(run)
    tests = list(dict.fromkeys(test for part in parts for test in part.tests))
    with tempfile.TemporaryDirectory(prefix="cisterna-mutants-") as folder:  # no other run of pytest tidies it up
        code = pytest.main([*_PYTEST, f"--basetemp={folder}/tests", *tests], plugins=[nursery])
    _print_table(run.tallies)
    return 0 if nursery.is_well and code in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED} else 1


if __name__ == "__main__":
    sys.exit(main())
