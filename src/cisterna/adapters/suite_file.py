"""Reads suites of expectations: JSON files that a facility edits.

How a suite is written stands in `docs/how-to/change-a-quality-rule.md`. A suite that could pass without looking at
anything is refused here, so that the engine never sees it.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints, ValidationError, model_validator

from cisterna.adapters.hollow_rule import COLUMN_ARGUMENTS, hollowness
from cisterna.domain.base import Value
from cisterna.domain.control_chart import BaselineRule, Side
from cisterna.domain.digest import sha512_of
from cisterna.domain.errors import InvalidInput
from cisterna.ports.quality import SuiteInForce

_LIMIT_BYTES = 1024 * 1024
_DATA_TYPE = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")

BASELINE = "expect_column_value_within_baseline"
"""The type of a rule that asks what was usual; its arguments are those of `BaselineRule`, `column` for `metric`."""

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
        made_from: What its limit was made from, where it was proposed from datasets.
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
    made_from: str = ""
    rows: RowRule | None = None
    names: str | None = Field(default=None, min_length=1)
    unless: str | None = Field(default=None, min_length=1)

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the summary it looks at."""
        return tuple(self.kwargs[name] for name in COLUMN_ARGUMENTS if isinstance(self.kwargs.get(name), str))

    @property
    def emptiness(self) -> str | None:
        """Say why the expectation could not fail, if it could not."""
        if self.type == BASELINE:
            return self._baseline()[1]
        return hollowness(self.type, self.kwargs, columns=self.columns)

    @property
    def baseline(self) -> BaselineRule | None:
        """The rule as one that asks what was usual; None when it is another, or not usable."""
        return self._baseline()[0] if self.type == BASELINE else None

    def _baseline(self) -> tuple[BaselineRule | None, str | None]:
        given = {"metric" if name == "column" else name: value for name, value in self.kwargs.items()}
        try:
            return BaselineRule.model_validate({**given, "check": self.check}), None
        except ValidationError as error:
            first = error.errors()[0]
            place = "column" if first["loc"][:1] == ("metric",) else ".".join(map(str, first["loc"]))
            return None, f"{place}: {first['msg']}".removeprefix(": ")

    @property
    def limit(self) -> str:
        """The limit in words."""
        if (baseline := self.baseline) is not None:
            worse = {Side.LOW: "not lower than", Side.HIGH: "not higher than", Side.BOTH: "like"}[baseline.side]
            return f"{worse} usual in {baseline.window_days} days"
        low, high = self.kwargs.get("min_value"), self.kwargs.get("max_value")
        if low is not None and high is not None:
            return f"{self.show(low)} to {self.show(high)}"
        if low is not None:
            return f"{'more than' if self.kwargs.get('strict_min') else 'at least'} {self.show(low)}"
        if high is not None:
            return f"{'less than' if self.kwargs.get('strict_max') else 'at most'} {self.show(high)}"
        if self.type == "expect_column_pair_values_to_be_equal":
            return f"as many as {str(self.kwargs.get('column_B', '')).replace('_', ' ')}"
        rest = {name: value for name, value in self.kwargs.items() if name not in COLUMN_ARGUMENTS}
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


@dataclass(frozen=True)
class SuiteText:
    """A suite and what it was read from.

    Attributes:
        suite: What it says.
        sha512: Of its content written with sorted keys and no spaces, so that only what a suite says changes it.
        text: Its content as our files are laid out, to be kept with what it judged.
    """

    suite: Suite
    sha512: str
    text: str


Folders = Path | Sequence[Path]
"""Folders of suites; the first one that has a suite has it for all."""


def read_suite(folders: Folders, data_type: str, *, name: str = "default") -> tuple[Suite, str]:
    """Read the suite of a data type, and give its digest. Raises `InvalidInput` as `load_suite` does."""
    loaded = load_suite(folders, data_type, name=name)
    return loaded.suite, loaded.sha512


def load_suite(folders: Folders, data_type: str, *, name: str = "default") -> SuiteText:
    """Read the suite of a data type.

    Raises:
        InvalidInput: There is none, or it is not a suite; the message says where and what.
    """
    file = suite_path(folders, data_type, name=name)
    try:
        with file.open("rb") as opened:
            body = opened.read(_LIMIT_BYTES + 1)
    except OSError as error:
        msg = f"there is no suite {data_type}/{name}: {error.strerror}; add {file.name} to the expectations"
        raise InvalidInput(msg, suite=f"{data_type}/{name}") from error
    return parse_suite(body, wanted=f"{data_type}/{name}")


def suite_path(folders: Folders, data_type: str, *, name: str = "default") -> Path:
    """Say where a suite is read: in the first folder that has it. Raises `InvalidInput` for what is no data type."""
    if not _DATA_TYPE.fullmatch(data_type):
        msg = f"'{data_type[:80]}' is no data type: lower-case letters, digits, '-' and '_'"
        raise InvalidInput(msg, data_type=data_type[:80])
    places = [folder / data_type / f"{name}.json" for folder in ([folders] if isinstance(folders, Path) else folders)]
    return next((place for place in places if os.path.lexists(place)), places[-1])


def parse_suite(body: bytes, *, wanted: str) -> SuiteText:
    """Understand a suite. Raises `InvalidInput`, with the line of what is wrong."""
    if len(body) > _LIMIT_BYTES:
        msg = f"the suite {wanted} is larger than 1 MiB; a suite is a few kilobytes of rules"
        raise InvalidInput(msg, suite=wanted)
    try:
        content = json.loads(body, parse_constant=_refuse_constant, object_pairs_hook=_each_key_once)
        suite = Suite.model_validate(content)
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        laid_out = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        digest = sha512_of(canonical.encode())
    except ValidationError as error:
        lines = "; ".join(f"{_place(body, content, one['loc'])}: {one['msg']}" for one in error.errors()[:3])
        msg = f"the suite {wanted} is not valid: {lines}; mend it there"
        raise InvalidInput(msg, suite=wanted) from None
    except (ValueError, RecursionError) as error:
        msg = f"the suite {wanted} is not JSON that can be read: {error}".encode(errors="replace").decode()
        raise InvalidInput(msg, suite=wanted) from error
    if suite.suite != wanted:
        msg = f"the suite in {wanted}.json calls itself {suite.suite}; a copy keeps its own name"
        raise InvalidInput(msg, suite=wanted)
    return SuiteText(suite, digest, laid_out)


def flaws_of(suite: Suite) -> list[str]:
    """Name the rules that cannot fail, and why: each would make every dataset `not-assessed`."""
    flaws = [f"{rule.check}: {rule.emptiness}" for rule in suite.expectations if rule.emptiness]
    return flaws if suite.expectations else ["it has no rule, so it would pass nothing"]


def patterns_of(suite: Suite) -> frozenset[str]:
    """Give the regular expressions of a suite's rules."""
    return frozenset(str(rule.kwargs["regex"]) for rule in suite.expectations if "regex" in rule.kwargs)


def list_suites(folders: Sequence[Path]) -> list[SuiteInForce]:
    """Give every suite that is in force, by data type: where it is read, and what it says or why it is none."""
    data_types = {place.parent.name for folder in folders for place in folder.glob("*/default.json")}
    return [_in_force(folders, data_type) for data_type in sorted(data_types)]


def _in_force(folders: Sequence[Path], data_type: str) -> SuiteInForce:
    own = (folders[0] / data_type / "default.json").exists() and len(folders) > 1
    try:
        place, loaded = suite_path(folders, data_type), load_suite(folders, data_type)
    except InvalidInput as refusal:
        file = str(next(folder for folder in folders if (folder / data_type).exists()) / data_type / "default.json")
        return SuiteInForce(data_type=data_type, file=file, own=own, rules=None, suite_sha512=None, reason=str(refusal))
    return SuiteInForce(
        data_type=data_type,
        file=str(place),
        own=own,
        rules=len(loaded.suite.expectations),
        suite_sha512=loaded.sha512,
        reason="; ".join(flaws_of(loaded.suite)),
    )


def _place(body: bytes, content: object, where: tuple[int | str, ...]) -> str:
    """Name a place in a suite: by the rule's line and name where it is in a rule that has one."""
    place = ".".join(map(str, where)) or "it"
    rules = content.get("expectations") if isinstance(content, dict) else None
    number = where[1] if where[:1] == ("expectations",) and len(where) > 1 else None
    if not isinstance(rules, list) or not isinstance(number, int):
        return place
    name = rules[number].get("check") if isinstance(rules[number], dict) else None
    if not isinstance(name, str):
        return place
    quoted = json.dumps(name, ensure_ascii=False)
    lines = enumerate(body.decode("utf-8", "replace").splitlines(), 1)
    line = next((at for at, text in lines if '"check"' in text and quoted in text), None)
    return place if line is None else f"line {line} ({name[:80]}), {place}"


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse what says a key twice: of two lists of rules one would be passed over without a word."""
    told: dict[str, Any] = {}
    for name, value in pairs:
        if name in told:
            msg = f"it says {name[:80]} twice in one place; keep one of them"
            raise ValueError(msg)
        told[name] = value
    return told


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
