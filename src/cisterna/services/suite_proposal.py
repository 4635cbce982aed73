"""Proposes a suite from datasets that were accepted: limits that they would have kept, and what each was made from."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from datetime import datetime
from statistics import median
from typing import Any

from cisterna.domain.base import Value
from cisterna.domain.errors import InvalidInput
from cisterna.domain.robust import robust_sigma
from cisterna.services.suite_trial import KeptSummary

LEAST = 20
"""Of fewer datasets no limit is made."""
SIGMAS = 4.0
"""How far from the median a proposed limit lies: beyond are few ordinary values, and a person reads the proposal."""
_SMALLEST_SHARE = 0.005
_SMALLEST_PART = 0.01

Content = dict[str, Any]
Found = Sequence[tuple[datetime, float]]


class Proposal(Value):
    """A proposed suite.

    Attributes:
        content: Of its file.
        datasets: How many it was made from.
        made: Names of the rules whose limits were made from them.
        kept: Names of those that stay as they are.
    """

    content: Content
    datasets: int
    made: tuple[str, ...]
    kept: tuple[str, ...]

    @property
    def body(self) -> bytes:
        """The file, laid out as ours are."""
        return (json.dumps(self.content, indent=2, ensure_ascii=False) + "\n").encode()


def propose_suite(data_type: str, kept: Sequence[KeptSummary], *, current: bytes | None) -> Proposal:
    """Propose a suite for a data type.

    Rules of severity `error`, and those with a limit of 0, say what is broken and not what is usual, so they stay as
    they are, and so do rules that follow the instrument by themselves. A `warning` with a number as its limit gets a
    limit from the datasets, on the side that it has. A value that no rule looks at gets a rule on both sides; counts do
    not, since they follow the plan of a run.

    Args:
        data_type: Whose suite.
        kept: Summaries of accepted datasets.
        current: The suite that is in force, if there is one.

    Raises:
        InvalidInput: There are too few datasets.
    """
    if len(kept) < LEAST:
        msg = (
            f"{len(kept)} accepted datasets of {data_type} have a summary, and limits are made from {LEAST} at least; "
            "accept more, or copy a suite and set its limits yourself"
        )
        raise InvalidInput(msg, data_type=data_type, datasets=len(kept))
    base: Content = {"suite": f"{data_type}/default"} if current is None else json.loads(current)
    made: list[str] = []
    rules: list[Content] = []
    for rule in base.get("expectations", []):
        proposed = _from_rule(rule, kept)
        made += [rule["check"]] if proposed is not None else []
        rules.append(proposed or rule)
    stay = [rule["check"] for rule in rules if rule["check"] not in made]
    looked_at = {value for rule in rules for value in rule["kwargs"].values() if isinstance(value, str)}
    names = dict.fromkeys(name for one in kept for name in one.summary.row if name not in looked_at)
    for name in names:
        new = _new_rule(name, kept, taken={rule["check"] for rule in rules})
        if new is not None:
            made.append(new["check"])
            rules.append(new)
    content = {**base, "expectations": rules}
    return Proposal(content=content, datasets=len(kept), made=tuple(made), kept=tuple(stay))


def _from_rule(rule: Content, kept: Sequence[KeptSummary]) -> Content | None:
    given = rule["kwargs"]
    sides = [side for side in ("min_value", "max_value") if isinstance(given.get(side), int | float)]
    is_usual = rule["severity"] == "warning" and any(given[side] for side in sides)  # a limit of 0 says: none of it
    if not rule["type"].endswith("_between") or not is_usual:
        return None
    found = _values(str(given.get("column")), kept, wanted=(int, float))
    if len(found) < LEAST:
        return None
    limits = _limits(str(given["column"]), found, sides)
    if limits.keys() != set(sides):
        return None
    made = {**rule, "kwargs": {**given, **limits}, "made_from": _words(found)}
    rows = rule.get("rows")
    if rows:  # files are named by the same limit, where it was the same
        made["rows"] = {
            name: limits[name] if name in limits and value == given[name] else value for name, value in rows.items()
        }
    return made


def _new_rule(name: str, kept: Sequence[KeptSummary], *, taken: set[str]) -> Content | None:
    found = _values(name, kept, wanted=(float,))
    check = f"{name.replace('_', '-').lower()[:50]}-range"
    if len(found) < LEAST or check in taken or not check.replace("-", "").isalnum() or not check.isascii():
        return None
    limits = _limits(name, found, ("min_value", "max_value"))
    if not limits:
        return None
    words = name.replace("_", " ")
    return {
        "check": check,
        "type": "expect_column_values_to_be_between",
        "kwargs": {"column": name, **limits},
        "severity": "warning",
        "title": words[:1].upper() + words[1:],
        **({"unit": "share"} if name.endswith("_share") else {}),
        "advice": "It lies outside of what accepted datasets had. Write here what that means, and what to do.",
        "made_from": _words(found),
    }


def _values(name: str, kept: Sequence[KeptSummary], *, wanted: tuple[type, ...]) -> Found:
    found = []
    for one in kept:
        value = one.summary.row.get(name)
        if value is None or isinstance(value, str | bool) or not isinstance(value, wanted) or not math.isfinite(value):
            continue
        found.append((one.version.created_at, float(value)))
    return found


def _limits(name: str, found: Found, sides: Sequence[str]) -> dict[str, float]:
    """Give limits; none on a side where it could not be missed, since no share lies below 0 or above 1."""
    limits = {side: _limit(name, found, side) for side in sides}
    if name.endswith("_share"):
        return {side: limit for side, limit in limits.items() if (limit > 0 if side == "min_value" else limit < 1)}
    return limits


def _limit(name: str, found: Found, side: str) -> float:
    """Give a limit so far from the median, rounded outwards to three digits."""
    values = [value for _, value in found]
    centre = median(values)
    spread = robust_sigma(values, centre=centre)
    smallest = _SMALLEST_SHARE if name.endswith("_share") else _SMALLEST_PART * abs(centre) or _SMALLEST_PART
    reach = SIGMAS * max(spread, smallest)
    return _outwards(centre - reach, math.floor) if side == "min_value" else _outwards(centre + reach, math.ceil)


def _outwards(value: float, towards: Callable[[float], int]) -> float:
    if value == 0 or not math.isfinite(value):
        return 0.0 if value == 0 else math.copysign(1e300, value)
    step = 10.0 ** (math.floor(math.log10(abs(value))) - 2)
    return float(f"{towards(round(value / step, 6)) * step:.6g}")


def _words(found: Found) -> str:
    values, moments = [value for _, value in found], [at for at, _ in found]
    since, until = min(moments).date().isoformat(), max(moments).date().isoformat()
    return (
        f"{len(found)} accepted datasets from {since} to {until}: {min(values):.4g} to {max(values):.4g}, median "
        f"{median(values):.4g}; the limit lies {SIGMAS:g} sigma (median deviation) from the median"
    )
