"""Reads suites of expectations: JSON files that a facility edits.

How a suite is written stands in `docs/how-to/change-a-quality-rule.md`. A suite that could pass without looking at
anything is refused here, so that the engine never sees it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints, ValidationError, model_validator

from cisterna.domain.base import Value
from cisterna.domain.digest import sha512_of
from cisterna.domain.errors import InvalidInput

_LIMIT_BYTES = 1024 * 1024
_DATA_TYPE = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_COLUMN_ARGUMENTS = ("column", "column_A", "column_B")
_ARGUMENTS = frozenset(
    {*_COLUMN_ARGUMENTS, "min_value", "max_value", "strict_min", "strict_max", "value_set", "regex", "or_equal"}
)
"""What an expectation may be given. `mostly`, `row_condition` and their like can make it pass without looking."""

Observed = float | int | str | None


def _finite(number: float) -> float:
    if not math.isfinite(number):
        msg = "a limit is a finite number"
        raise ValueError(msg)
    return number


Number = Annotated[float, AfterValidator(_finite)]


class RowRule(Value):
    """Which rows of the table stand behind a failure: those outside these limits, the worst first."""

    column: str = Field(min_length=1)
    min_value: Number | None = None
    max_value: Number | None = None

    @model_validator(mode="after")
    def _has_one_limit(self) -> RowRule:
        if (self.min_value is None) == (self.max_value is None):
            msg = "rows need either min_value or max_value"
            raise ValueError(msg)
        return self


class Rule(Value):
    """One expectation on the summary row, and what it means to a technician.

    Attributes:
        check: Stable name of the finding.
        type: Great Expectations' name of the expectation.
        kwargs: Its arguments, as Great Expectations names them.
        severity: `error` quarantines, `warning` sends to review.
        title: What is looked at.
        advice: What it means and what to do, shown when it is not met.
        unit: `share` is shown in percent; anything else follows the number, and loses its plural s after 1.
        names: Column of the summary that names in words what stands behind the number.
        unless: Column of the summary that says in words why nobody can know of a run what the rule looks at. With such
            words the rule is left out, and told of as that; without them a value that is not there is not assessed.
    """

    check: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    type: Annotated[str, StringConstraints(pattern=r"^expect_[a-z0-9_]{1,100}$")]
    kwargs: dict[str, Any]
    severity: Literal["warning", "error"]
    title: str = Field(min_length=1, max_length=200)
    advice: str = Field(min_length=1, max_length=1000)
    unit: str = ""
    rows: RowRule | None = None
    names: str | None = Field(default=None, min_length=1)
    unless: str | None = Field(default=None, min_length=1)

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the summary it looks at."""
        return tuple(self.kwargs[name] for name in _COLUMN_ARGUMENTS if isinstance(self.kwargs.get(name), str))

    @property
    def emptiness(self) -> str | None:
        """Say why the expectation could not fail, if it could not."""
        unknown = sorted(set(self.kwargs) - _ARGUMENTS)
        if unknown:
            return f"its argument {unknown[0]} is not one that a suite may use"
        if not self.columns:
            return "it looks at no column"
        limits = [self.kwargs.get("min_value"), self.kwargs.get("max_value")]
        if self.type.endswith("_between") and limits == [None, None]:
            return "it has no limit"
        if any(isinstance(limit, float) and not math.isfinite(limit) for limit in limits):
            return "its limit is not a finite number"
        if self.type.endswith("_set") and not self.kwargs.get("value_set"):
            return "its set of values is empty"
        return None

    @property
    def limit(self) -> str:
        """The limit in words."""
        low, high = self.kwargs.get("min_value"), self.kwargs.get("max_value")
        if low is not None and high is not None:
            return f"{self.show(low)} to {self.show(high)}"
        if low is not None:
            return f"{'more than' if self.kwargs.get('strict_min') else 'at least'} {self.show(low)}"
        if high is not None:
            return f"{'less than' if self.kwargs.get('strict_max') else 'at most'} {self.show(high)}"
        if self.type == "expect_column_pair_values_to_be_equal":
            return f"as many as {str(self.kwargs.get('column_B', '')).replace('_', ' ')}"
        rest = {name: value for name, value in self.kwargs.items() if name not in _COLUMN_ARGUMENTS}
        return json.dumps(rest, sort_keys=True) if rest else self.type.removeprefix("expect_").replace("_", " ")

    def show(self, value: Observed) -> str:
        """Write a value with its unit."""
        if isinstance(value, str) or value is None:
            return str(value)
        if self.unit == "share":
            return f"{100 * value:.4g} %"
        number = f"{value:.4g}" if isinstance(value, float) else str(value)
        return f"{number} {self.unit.removesuffix('s') if value == 1 else self.unit}".rstrip()


class Suite(Value):
    """A suite as it stands in its file.

    Attributes:
        suite: `<data type>/<name>`.
        about: For whoever edits it.
        limits: What a single image is judged by before the summary is made, by name.
    """

    suite: str
    about: str = ""
    limits: dict[str, Number] = Field(default_factory=dict)
    expectations: tuple[Rule, ...] = ()

    @model_validator(mode="after")
    def _names_are_unique(self) -> Suite:
        names = [rule.check for rule in self.expectations]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            msg = f"two expectations are named {twice[0]}"
            raise ValueError(msg)
        return self


def read_suite(folder: Path, data_type: str, *, name: str = "default") -> tuple[Suite, str]:
    """Read the suite of a data type and digest its canonical JSON.

    Returns:
        The suite, and the SHA-512 of its content written with sorted keys and no spaces, so that only what a suite says
        changes it.

    Raises:
        InvalidInput: There is none, or it is not a suite; the message says where and what.
    """
    if not _DATA_TYPE.fullmatch(data_type):
        msg = f"'{data_type[:80]}' is no data type: lower-case letters, digits, '-' and '_'"
        raise InvalidInput(msg, data_type=data_type[:80])
    file = folder / data_type / f"{name}.json"
    try:
        with file.open("rb") as opened:
            body = opened.read(_LIMIT_BYTES + 1)
    except OSError as error:
        msg = f"there is no suite {data_type}/{name}: {error.strerror}; add {file.name} to the expectations"
        raise InvalidInput(msg, suite=f"{data_type}/{name}") from error
    if len(body) > _LIMIT_BYTES:
        msg = f"the suite {data_type}/{name} is larger than 1 MiB; a suite is a few kilobytes of rules"
        raise InvalidInput(msg, suite=f"{data_type}/{name}")
    try:
        content = json.loads(body, parse_constant=_refuse_constant)
        suite = Suite.model_validate(content)
    except ValidationError as error:
        lines = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:3])
        msg = f"the suite {data_type}/{name} is not valid: {lines}"
        raise InvalidInput(msg, suite=f"{data_type}/{name}") from None
    except (ValueError, RecursionError) as error:
        msg = f"the suite {data_type}/{name} is not JSON that can be read: {error}"
        raise InvalidInput(msg, suite=f"{data_type}/{name}") from error
    if suite.suite != f"{data_type}/{name}":
        msg = f"the suite in {data_type}/{name}.json calls itself {suite.suite}; a copy keeps its own name"
        raise InvalidInput(msg, suite=f"{data_type}/{name}")
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return suite, sha512_of(canonical.encode())


def _refuse_constant(name: str) -> float:
    msg = f"{name} is not JSON"
    raise ValueError(msg)


def usable(value: object) -> bool:
    """Tell whether a summary value can be judged: it is there, and a number is finite."""
    return value is not None and not (isinstance(value, float) and not math.isfinite(value))


def unusable_columns(rule: Rule, summary: Mapping[str, object]) -> list[str]:
    """Name the columns of a rule that the summary lacks or has no usable value for."""
    return [column for column in rule.columns if not usable(summary.get(column))]


def words_in(summary: Mapping[str, object], column: str | None) -> str:
    """Give the words in a column of the summary, without a full stop; empty where there are none."""
    words = summary.get(column) if column is not None else None
    return words.strip().rstrip(".") if isinstance(words, str) else ""
