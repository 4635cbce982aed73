"""Tells of a rule whether it could fail: one that could not would pass without looking."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from cisterna.adapters.gx_plug import plugged_checks

COLUMN_ARGUMENTS = ("column", "column_A", "column_B")
_ARGUMENTS = frozenset(
    {*COLUMN_ARGUMENTS, "min_value", "max_value", "strict_min", "strict_max", "value_set", "regex", "or_equal"}
)
"""What an expectation may be given. `mostly`, `row_condition` and their like can make it pass without looking."""
_LOOKS_AWAY = frozenset({"mostly", "row_condition", "condition_parser", "ignore_row_if", "parse_strings_as_datetimes"})
"""What no expectation may be given, not even one of others, whose further arguments are its own."""
_OF_MANY_ROWS = frozenset(
    {
        "expect_column_proportion_of_non_null_values_to_be_between",
        "expect_column_proportion_of_unique_values_to_be_between",
        "expect_column_stdev_to_be_between",
        "expect_column_to_exist",
        "expect_column_unique_value_count_to_be_between",
        "expect_column_values_to_be_decreasing",
        "expect_column_values_to_be_increasing",
        "expect_column_values_to_be_unique",
        "expect_column_values_to_not_be_null",
    }
)
"""They compare rows, or ask whether there is a value: a summary is one row, and without a value no rule is judged."""
_ANY_TEXTS = ("", "\0")
"""No pattern that looks for something is found in both."""


def hollowness(kind: str, kwargs: Mapping[str, Any], *, columns: Sequence[str]) -> str | None:
    """Say why an expectation on one row with a value could not fail; None when it could.

    Args:
        kind: Its type.
        kwargs: Its arguments.
        columns: Those that it looks at.
    """
    unknown = sorted(set(kwargs) & _LOOKS_AWAY if kind in plugged_checks() else set(kwargs) - _ARGUMENTS)
    if unknown:
        return f"its argument {unknown[0]} is not one that a suite may use"
    if not columns:
        return "it looks at no column"
    if kind in _OF_MANY_ROWS:
        return "of a single row with a value it says the same whatever the value is"
    if len(columns) > len(set(columns)):
        return f"it holds {columns[0]} against itself"
    return _hollow_limit(kind, kwargs)


def _hollow_limit(kind: str, kwargs: Mapping[str, Any]) -> str | None:
    limits = [kwargs.get("min_value"), kwargs.get("max_value")]
    if kind.endswith("_between") and limits == [None, None]:
        return "it has no limit"
    if any(isinstance(limit, float) and not math.isfinite(limit) for limit in limits):
        return "its limit is not a finite number"
    if kind.endswith("_set") and not kwargs.get("value_set"):
        return "its set of values is empty"
    if kind == "expect_column_values_to_match_regex" and _is_in_every_text(kwargs.get("regex")):
        return "its regex is found in every text"
    return None


def _is_in_every_text(regex: object) -> bool:
    try:
        return isinstance(regex, str) and all(re.search(regex, text) for text in _ANY_TEXTS)
    except (re.error, OverflowError, RecursionError):
        return False  # the engine says what is wrong with it
