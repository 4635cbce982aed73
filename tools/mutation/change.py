"""Every small way to break a module: one change at a time, in a copy of the function or constant that it lies in."""

from __future__ import annotations

import ast
import copy
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

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
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
}
_OPPOSITES = {"any": "all", "all": "any", "min": "max", "max": "min"}
DEFINITIONS = (ast.FunctionDef, ast.ClassDef)
_ORDERS = frozenset({"reversed", "sorted"})
_BLOCKS = ("body", "orelse", "finalbody")
_UNTOUCHED = frozenset({"annotation", "returns", "decorator_list"})
"""What is not run when the function is."""

Change = Callable[[ast.AST], str]
"""Changes a node, or one in it, and says what it is now; an empty string when it says so itself."""


@dataclass(frozen=True)
class Mutant:
    """One change of a module.

    Attributes:
        where: Name of the function, within its class, or of the constant.
        words: What was changed, as `before -> after`.
        number: Tells apart changes of one function that read the same.
        lines: Of the statement that was changed, without the blocks in it.
        function: First and last line of the function.
        changed: The module's statement with the change in it.
    """

    where: str
    words: str
    number: int
    lines: range
    function: range
    changed: ast.stmt

    @property
    def name(self) -> str:
        """What it is known by, wherever the lines have moved to."""
        return f"{self.where}: {self.words}" + (f" ({self.number})" if self.number > 1 else "")

    @property
    def digest(self) -> str:
        """Of the changed code."""
        return hashlib.sha256(ast.dump(self.changed).encode()).hexdigest()


def mutants(tree: ast.Module) -> list[Mutant]:
    """Give every mutant of a module, in the order of its lines."""
    errors = frozenset(
        name.asname or name.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and (node.module or "").endswith(".errors")
        for name in node.names
    )
    found: list[Mutant] = []
    for statement in tree.body:
        match statement:
            case ast.FunctionDef() | ast.ClassDef():
                for where, function in _functions(statement, ""):
                    found += _of(statement, function, where, errors)
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if not isinstance(value, ast.Subscript):
                found += _of(statement, statement, name, errors)
            case _:
                pass
    return _numbered(found)


def _functions(node: ast.FunctionDef | ast.ClassDef, prefix: str) -> Iterator[tuple[str, ast.FunctionDef]]:
    if isinstance(node, ast.FunctionDef):
        yield prefix + node.name, node
        return
    for one in node.body:
        if isinstance(one, ast.FunctionDef | ast.ClassDef):
            yield from _functions(one, f"{prefix}{node.name}.")


def _numbered(found: list[Mutant]) -> list[Mutant]:
    seen: dict[tuple[str, str], int] = {}
    distinct: dict[str, Mutant] = {}
    for one in found:
        if one.digest not in distinct:
            seen[one.where, one.words] = seen.get((one.where, one.words), 0) + 1
            numbered = Mutant(one.where, one.words, seen[one.where, one.words], one.lines, one.function, one.changed)
            distinct[one.digest] = numbered
    return list(distinct.values())


def _of(statement: ast.stmt, inside: ast.stmt, where: str, errors: frozenset[str]) -> Iterator[Mutant]:
    """Give the mutants of one function or constant, each in a copy of the module's statement that holds it."""
    unchanged = ast.dump(statement)
    for index, (node, around) in enumerate(_walk(inside, inside)):
        for change, changed in [*_leavings(node), *((one, around) for one in _changes(node, errors))]:
            copied = copy.deepcopy(statement)
            place = next(one for one in ast.walk(copied) if _is_same(one, inside))
            target = next(one for number, (one, _) in enumerate(_walk(place, place)) if number == index)
            before = _first_line(target)
            after = change(target) or _first_line(target)
            if ast.dump(copied) == unchanged:
                continue
            yield Mutant(
                where=where,
                words=after if after.startswith("without ") else f"{before} -> {after}",
                number=1,
                lines=_header(changed),
                function=range(inside.lineno, (inside.end_lineno or inside.lineno) + 1),
                changed=copied,
            )


def _is_same(node: ast.AST, other: ast.stmt) -> bool:
    place = (getattr(node, "lineno", None), getattr(node, "col_offset", None))
    return type(node) is type(other) and place == (other.lineno, other.col_offset)


def _walk(node: ast.AST, around: ast.AST) -> Iterator[tuple[ast.AST, ast.AST]]:
    """Give every node that is run, with the statement that it lies in; words are none."""
    around = node if isinstance(node, ast.stmt | ast.ExceptHandler) else around
    yield node, around
    for field, value in ast.iter_fields(node):
        if field in _UNTOUCHED or isinstance(value, ast.JoinedStr):
            continue
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, ast.AST) and not isinstance(one, ast.JoinedStr):
                yield from _walk(one, around)


def _header(statement: ast.AST) -> range:
    first = getattr(statement, "lineno", 0)
    blocks = [one.lineno for name in _BLOCKS for one in getattr(statement, name, [])]
    last = min(blocks) - 1 if blocks else (getattr(statement, "end_lineno", None) or first)
    return range(first, max(first, last) + 1)


def _first_line(node: ast.AST) -> str:
    return ast.unparse(node).splitlines()[0]


def _leavings(node: ast.AST) -> Iterator[tuple[Change, ast.AST]]:
    """Give the statements that a node can do without, as what leaves each out."""
    for name in _BLOCKS:
        block = getattr(node, name, None)
        for place, one in enumerate(block if isinstance(block, list) else []):
            if _may_go(one):
                yield partial(_leave_out, block=name, place=place), one


def _changes(node: Any, errors: frozenset[str]) -> Iterator[Change]:
    match node:
        case ast.If() | ast.IfExp() | ast.While():
            yield from (partial(_settle, value=value) for value in (False, True))
        case ast.comprehension():
            yield from (partial(_drop_condition, place=place) for place in range(len(node.ifs)))
        case ast.Call():
            yield from _call_changes(node, errors)
        case ast.Dict():
            yield from (partial(_drop_entry, place=place) for place in range(len(node.keys)))
        case ast.List() | ast.Tuple() | ast.Set() if not isinstance(getattr(node, "ctx", None), ast.Store):
            yield from (partial(_drop, of="elts", place=n) for n in range(len(node.elts)) if len(node.elts) > 1)
        case ast.Constant(value=bool() | int()):
            yield _another_value
        case _:
            yield from _operator_changes(node)


def _operator_changes(node: Any) -> Iterator[Change]:
    match node:
        case ast.Compare():
            yield from (partial(_turn, place=place) for place in range(len(node.ops)))
        case ast.BoolOp():
            yield _turn_one
            yield from (partial(_drop_value, place=place) for place in range(len(node.values)))
        case ast.BinOp(op=ast.BitOr()):
            yield _without_right
            if not isinstance(node.left, ast.BinOp):
                yield _without_left
        case ast.BinOp():
            yield _turn_one
        case ast.UnaryOp(op=ast.Not()):
            yield _twice
        case _:
            pass


def _call_changes(node: ast.Call, errors: frozenset[str]) -> Iterator[Change]:
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    if name in _OPPOSITES:
        yield _oppose
    if name in _ORDERS:
        yield _as_it_comes
    if name not in errors:  # an error that carries less deletes nothing
        yield from (partial(_drop, of="keywords", place=place) for place in range(len(node.keywords)))


def _may_go(statement: ast.AST) -> bool:
    match statement:
        case ast.Expr(value=ast.Constant()):
            return False
        case ast.Raise() | ast.Expr() | ast.AugAssign() | ast.Return() | ast.Continue() | ast.Break():
            return True
        case _:
            return False


def _leave_out(node: Any, *, block: str, place: int) -> str:
    gone = getattr(node, block)[place]
    getattr(node, block)[place] = ast.copy_location(ast.Pass(), gone)
    return f"without {_first_line(gone)}"


def _turn(node: Any, *, place: int) -> str:
    node.ops[place] = _TURNED[type(node.ops[place])]()
    return ""


def _turn_one(node: Any) -> str:
    turned = _TURNED.get(type(node.op))
    node.op = turned() if turned else node.op
    return ""


def _drop(node: Any, *, of: str, place: int) -> str:
    del getattr(node, of)[place]
    return ""


def _drop_value(node: Any, *, place: int) -> str:
    node.values.pop(place)
    shown = _first_line(node)
    # One value alone is no operation: the one that changes nothing comes before it.
    node.values.insert(0, ast.copy_location(ast.Constant(isinstance(node.op, ast.And)), node))
    return shown


def _without_right(node: Any) -> str:
    node.right = ast.copy_location(ast.Constant(0), node.right)
    return ""


def _without_left(node: Any) -> str:
    node.left = ast.copy_location(ast.Constant(0), node.left)
    return ""


def _settle(node: Any, *, value: bool) -> str:
    node.test = ast.copy_location(ast.Constant(value), node.test)
    return ""


def _twice(node: Any) -> str:
    node.op, node.operand = ast.Not(), ast.copy_location(ast.UnaryOp(op=ast.Not(), operand=node.operand), node)
    return ""


def _drop_condition(node: Any, *, place: int) -> str:
    gone = ast.unparse(node.ifs.pop(place))
    return f"without if {gone}"


def _drop_entry(node: Any, *, place: int) -> str:
    del node.keys[place]
    del node.values[place]
    return ""


def _another_value(node: Any) -> str:
    node.value = not node.value if isinstance(node.value, bool) else node.value + 1
    return ""


def _oppose(node: Any) -> str:
    node.func.id = _OPPOSITES[node.func.id]
    return ""


def _as_it_comes(node: Any) -> str:
    node.func.id, node.keywords = "iter" if node.func.id == "reversed" else "list", []
    return ""
