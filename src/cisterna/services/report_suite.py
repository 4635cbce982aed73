"""What the suite that judged a version says of its checks, as it is kept beside the findings; nobody vouches for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from cisterna.domain.base import Value
from cisterna.domain.finding import Finding, Outcome
from cisterna.domain.quality_report import Limit
from cisterna.services.report_series import bounded

NEED_ATTENTION = frozenset({Outcome.FAILED, Outcome.WARNING, Outcome.NOT_ASSESSED})


class SaidRule(Value):
    """A rule of the suite, as far as a report needs it.

    Attributes:
        column: Of the summary that it looks at; empty where it names none.
        advice: What to do when it is not met.
        file_column: Of the table of files, where it judges single ones by `file_limit`.
    """

    check: str
    column: str = ""
    advice: str = ""
    file_column: str = ""
    file_limit: Limit | None = None


class Blame(Value):
    """What a finding is about: a column of the summary, and the first word of the check's name.

    A check is named after what it looks at: `focus-lost` looks at `focus`.
    """

    column: str
    word: str

    def is_of(self, metric: str) -> bool:
        """Tell whether a metric of the summary or of single files is meant."""
        return metric == self.column or metric.partition("_")[0] == self.word


def said_rules(suite: Mapping[str, object]) -> dict[str, SaidRule]:
    """Read the rules by their check; what is no rule is left out."""
    rules = suite.get("expectations")
    found = [_rule(one) for one in rules if isinstance(one, dict)] if isinstance(rules, list) else []
    return {one.check: one for one in found if one.check}


def blamed_by(findings: Iterable[Finding], rules: Mapping[str, SaidRule]) -> tuple[Blame, ...]:
    """Name what the findings that need a look are about, in their order."""
    return tuple(
        Blame(
            column=rules[finding.check].column if finding.check in rules else "",
            word=finding.check.partition("-")[0],
        )
        for finding in findings
        if finding.outcome in NEED_ATTENTION
    )


def blame_order(metric: str, blamed: Sequence[Blame]) -> int:
    """Give the place of the first that means a metric; behind all where none does."""
    return next((place for place, one in enumerate(blamed) if one.is_of(metric)), len(blamed))


def _rule(content: Mapping[str, object]) -> SaidRule:
    check = _text(content.get("check"))
    kwargs, rows = content.get("kwargs"), content.get("rows")
    column = _text(kwargs.get("column", kwargs.get("column_A"))) if isinstance(kwargs, dict) else ""
    file_column, limit = "", None
    if isinstance(rows, dict):
        file_column, limit = _text(rows.get("column")), _limit(rows, check)
    return SaidRule(
        check=check, column=column, advice=_text(content.get("advice")), file_column=file_column, file_limit=limit
    )


def _limit(rows: Mapping[str, object], check: str) -> Limit | None:
    for name, is_least in (("min_value", True), ("max_value", False)):
        value = bounded(rows.get(name))
        if value is not None:
            return Limit(value=value, is_least=is_least, origin=f"the check {check}")
    return None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
