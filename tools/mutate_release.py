"""Break the code that releases sources, one small way at a time, and see that a test notices each.

Run from a checkout: `python tools/mutate_release.py [--only PART]`. Each mutant is the module with one change (a
comparison turned, a condition dropped or made constant, a statement left out), loaded in place of the real one in a
process of its own that runs the tests named for it. A mutant that no test notices would be a way to delete without
proof: the run then fails and shows it. Words in messages are not changed.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import copy
import importlib.abc
import importlib.machinery
import importlib.util
import io
import os
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PARTS = {
    "judge": (
        "cisterna.domain.release",
        [
            "--noconftest",
            "tests/domain/test_release.py",
            "tests/domain/test_release_parts.py",
            "tests/domain/test_release_rules.py",
        ],
    ),
    "deletion": ("cisterna.adapters.landing_deletion", ["--noconftest", "tests/adapters/test_landing_deletion.py"]),
    "execution": ("cisterna.services.release", ["tests/release"]),
    "facts": ("cisterna.services.release_facts", ["tests/release"]),
}
"""Module, and what pytest is given to test it, by the name of the part."""

EQUIVALENT = {
    "def _lease  # without: raise(descriptor": "a lease that was not given is found missing right before the name goes",
    "', '.join(counted) or 'none'": "words of a message",
    "f'the copy at {single}' if": "words of a message",
    "if error.errno == errno.EAGAIN: -> if True": "more is refused",
    "if error.errno in _NO_LEASES: ->": "an error of no known kind: refused, or as where there are no leases",
    "if error.errno in _DENIED: ->": "the error that stops the deletion gets another name",
    "if error.errno in _LINK: -> if True": "the error that stops the deletion gets another name",
    "error.errno in _NO_LEASES -> error.errno not in _NO_LEASES": "no lease is taken after an error of no known kind",
    "without: os.close(descriptor)": "a descriptor stays open until the process ends; nothing more is deleted",
}
"""Changes that cannot delete anything that should stay, as they are printed, each with its reason."""

_TURNED = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_SECONDS_EACH = 900
_VENDORS = ("pydantic", "sqlalchemy.dialects.postgresql", "psycopg")


def mutants(tree: ast.Module) -> list[tuple[str, ast.Module]]:
    """Give every mutant with what was changed, as `line: before -> after`."""
    found = []
    for index, node in enumerate(ast.walk(tree)):
        for number in range(_choices(node)):
            changed = copy.deepcopy(tree)
            target = next(one for place, one in enumerate(ast.walk(changed)) if place == index)
            before = ast.unparse(target).splitlines()[0]
            _change(target, number)
            after = ast.unparse(target).splitlines()[0]
            if before != after:
                found.append((f"{getattr(node, 'lineno', 0)}: {before} -> {after}", changed))
    return found


def _choices(node: ast.AST) -> int:
    count = 0
    match node:
        case ast.Compare():
            count = len(node.ops)
        case ast.BoolOp():
            count = 1 + len(node.values)
        case ast.If() | ast.IfExp() | ast.While():
            count = 2
        case ast.UnaryOp(op=ast.Not()):
            count = 1
        case ast.comprehension():
            count = len(node.ifs)
        case ast.FunctionDef():
            count = sum(_may_go(one) for one in ast.walk(node) if isinstance(one, ast.stmt))
    return count


def _may_go(statement: ast.stmt) -> bool:
    is_words = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return isinstance(statement, ast.Raise) or (isinstance(statement, ast.Expr) and not is_words)


def _change(node: ast.AST, number: int) -> None:
    match node:
        case ast.Compare():
            turned = _TURNED.get(type(node.ops[number]))
            if turned is not None:
                node.ops[number] = turned()
        case ast.BoolOp():
            if number == 0:
                node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
            else:
                del node.values[number - 1]
        case ast.If() | ast.IfExp() | ast.While():
            node.test = ast.Constant(bool(number))
        case ast.UnaryOp():
            node.op, node.operand = ast.Not(), ast.UnaryOp(op=ast.Not(), operand=node.operand)
        case ast.comprehension():
            del node.ifs[number]
        case ast.FunctionDef():
            _leave_out(node, number)


def _leave_out(function: ast.FunctionDef, number: int) -> None:
    """Leave out a statement; the function's first line says which."""
    statement = [one for one in ast.walk(function) if isinstance(one, ast.stmt) and _may_go(one)][number]
    for parent in ast.walk(function):
        for field in ("body", "orelse", "finalbody"):
            block = getattr(parent, field, None)
            if isinstance(block, list) and statement in block:
                block[block.index(statement)] = ast.Pass()
                function.name += f"  # without: {ast.unparse(statement).splitlines()[0]}"
                return


class Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads a mutant in place of a module."""

    def __init__(self, name: str, tree: ast.Module) -> None:
        self._name = name
        self._code = compile(ast.fix_missing_locations(_named_back(tree)), f"<mutant of {name}>", "exec")

    def find_spec(self, name: str, path: object = None, target: object = None) -> importlib.machinery.ModuleSpec | None:
        """Stand in for one module."""
        del path, target
        return importlib.util.spec_from_loader(name, self) if name == self._name else None

    def exec_module(self, module: object) -> None:
        """Run the mutant."""
        exec(self._code, module.__dict__)  # noqa: S102 - our own source, changed in one place


def _named_back(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.name = node.name.partition("  # without")[0]
    return tree


def is_noticed(name: str, tree: ast.Module, tests: list[str]) -> bool:
    """Run the tests on a mutant in a process of its own; a test that fails or never ends has noticed it."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            sys.meta_path.insert(0, Changed(name, tree))
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                import pytest  # noqa: PLC0415 - the mutant has to be in place before anything of ours is imported

                code = int(pytest.main(["-x", "-q", "--no-header", "-p", "no:randomly", *tests]))
        finally:
            os._exit(code)
    deadline = time.monotonic() + _SECONDS_EACH
    while time.monotonic() < deadline:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status) != 0
        time.sleep(0.02)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return True


def main() -> int:
    """Try every mutant of the parts asked for; return how the process ends."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=sorted(PARTS), action="append")
    chosen = parser.parse_args().only or sorted(PARTS)
    os.chdir(ROOT)
    sys.path[:0] = [str(ROOT / "src"), str(ROOT)]
    for vendor in _VENDORS:
        importlib.import_module(vendor)  # once here, and not in each child
    survived, total = [], 0
    for part in chosen:
        name, tests = PARTS[part]
        source = ROOT / "src" / Path(*name.split(".")).with_suffix(".py")
        tree = ast.parse(source.read_text("utf-8"))
        if is_noticed(name, tree, tests):
            print(f"{part}: its tests fail on the code as it is; mend that first")
            return 1
        found = mutants(tree)
        for words, mutant in found:
            total += 1
            if not is_noticed(name, mutant, tests):
                shown = f"{part} {words}"
                reason = next((why for what, why in EQUIVALENT.items() if what in shown), None)
                print(f"{'harmless' if reason else 'SURVIVED'}  {shown}{f'  ({reason})' if reason else ''}", flush=True)
                survived += [] if reason else [shown]
        print(f"{part}: all {len(found)} mutants were tried", flush=True)
    print(f"{total} mutants, {len(survived)} that no test noticed and that have no reason to be harmless")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
