"""Asks the Great Expectations process: the client side, which imports none of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from cisterna.adapters.local_service import Message, NoAnswer, ask
from cisterna.adapters.shared_data import shared_folder
from cisterna.adapters.suite_file import (
    Folders,
    SuiteText,
    flaws_of,
    list_suites,
    load_suite,
    parse_suite,
    patterns_of,
    read_suite,
    suite_path,
)
from cisterna.domain.control_chart import BaselineRule, Chart
from cisterna.domain.errors import GateUnavailable, InvalidInput, NotFound
from cisterna.domain.finding import Finding, Outcome
from cisterna.ports.quality import GateReport, MetricTable, SuiteInForce, TriedSuite

_ANSWER_LIMIT_BYTES = 16 * 1024 * 1024
_FILES_MAX = 100
_VALUES_AT_ONCE = 100_000
"""That the rows behind a failure are asked for with: a run may have more planes than a message holds."""

Json = dict[str, Any]


class GxGate:
    """Implements `ports.quality.QualityGate` against the process of `gx_process`; safe to share between threads.

    Each request has a connection of its own, so a process that was started anew is found at the next call.

    Args:
        socket: Where the process listens.
        expectations: Folders with `<data type>/<suite>.json`, the same that the process was given; unset: ours.
        timeout_seconds: How long an answer may take.
    """

    def __init__(self, socket: Path, *, expectations: Folders | None = None, timeout_seconds: float = 30.0) -> None:
        self.socket = socket
        self._expectations = expectations or shared_folder("expectations")
        self._timeout_seconds = timeout_seconds

    def limits(self, data_type: str) -> Mapping[str, float]:
        """Give the limits for single images that the data type's suite declares; none when there is no suite."""
        try:
            return read_suite(self._expectations, data_type)[0].limits
        except InvalidInput:
            return {}

    def baselines(self, data_type: str) -> Sequence[BaselineRule]:
        """Give the rules of the data type's suite that ask what was usual; none when there is no suite."""
        try:
            rules = read_suite(self._expectations, data_type)[0].expectations
        except InvalidInput:
            return ()
        return tuple(one for rule in rules if (one := rule.baseline) is not None)

    def ping(self) -> str:
        """Name the engine that listens. Raises `GateUnavailable`."""
        return str(self._ask({"op": "ping"}).get("engine"))

    def assess(
        self,
        *,
        data_type: str,
        summary: Mapping[str, float | int | str | None],
        table: MetricTable,
        charts: Sequence[Chart] | None = None,
    ) -> GateReport:
        """Judge one dataset: the summary row, then the rows behind each failure, to name files.

        Raises:
            GateUnavailable: The process did not answer in time, or not in its language.
        """
        usable = {name: value for name, value in summary.items() if not _is_nonfinite(value)}
        told = None if charts is None else [one.model_dump(mode="json") for one in charts]
        return self._report({"data_type": data_type, "summary": usable, "charts": told}, table=table, rows=table.rows)

    def open(self, body: bytes, *, data_type: str) -> TriedSuite:
        """Take a suite to be tried."""
        return _Tried(self, parse_suite(body, wanted=f"{data_type}/default"), data_type)

    def listed(self) -> Sequence[SuiteInForce]:
        """Read every suite."""
        folders = self._expectations
        return list_suites([folders] if isinstance(folders, Path) else folders)

    def current(self, data_type: str) -> bytes:
        """Read the suite that is in force."""
        if not suite_path(self._expectations, data_type).exists():
            msg = f"there is no suite {data_type}/default; `cisterna quality list` shows those there are"
            raise NotFound(msg, data_type=data_type)
        return load_suite(self._expectations, data_type).text.encode()

    def tried(
        self,
        *,
        data_type: str,
        text: str,
        summary: Mapping[str, float | int | str | None],
        rows: int,
        charts: list[Json],
    ) -> GateReport:
        """Judge by a suite that is given, and name no file."""
        usable = {name: value for name, value in summary.items() if not _is_nonfinite(value)}
        request = {"data_type": data_type, "summary": usable, "charts": charts, "suite_text": text}
        return self._report(request, table=MetricTable(columns={}), rows=rows)

    def _report(self, request: Json, *, table: MetricTable, rows: int) -> GateReport:
        answer = self._ask({"op": "assess", **request})
        try:
            findings = [self._finding(request["data_type"], one, table) for one in answer["findings"]]
            if rows == 0:
                findings.insert(0, _EMPTY_TABLE)
            return GateReport(
                suite=answer["suite"],
                suite_sha512=answer["suite_sha512"],
                engine=answer["engine"],
                findings=tuple(findings),
                suite_text=answer["suite_text"],
            )
        except (KeyError, TypeError, ValueError) as error:
            msg = f"the quality process answered in a form that is not known ({error}); restart it"
            raise GateUnavailable(msg, socket=str(self.socket)) from error

    def _finding(self, data_type: str, found: Json, table: MetricTable) -> Finding:
        rows = found["rows"]
        files = self._files(data_type, found["check"], rows, table) if rows else ()
        return Finding(
            check=found["check"],
            outcome=Outcome(found["outcome"]),
            message=found["message"],
            files=files,
            observed=found["observed"],
            expected=found["expected"],
        )

    def _files(self, data_type: str, check: str, rows: Json, table: MetricTable) -> tuple[str, ...]:
        column = table.columns.get(rows["column"])
        if not column:
            return ()
        values = [_number(value) for value in column]
        indices = self._outside(data_type, check, values)
        lowest_first = rows["max_value"] is None
        indices.sort(key=lambda index: (values[index] or 0.0) if lowest_first else -(values[index] or 0.0))
        paths = dict.fromkeys(str(table.columns["path"][index]) for index in indices)  # one may have many planes
        return tuple(islice(paths, _FILES_MAX))

    def _outside(self, data_type: str, check: str, values: Sequence[float | None]) -> list[int]:
        found: list[int] = []
        for start in range(0, len(values), _VALUES_AT_ONCE):
            some = values[start : start + _VALUES_AT_ONCE]
            answer = self._ask({"op": "rows", "data_type": data_type, "check": check, "values": some})
            found += [start + at for at in answer["rows"] if 0 <= at < len(some) and some[at] is not None]
        return found

    def _ask(self, request: Json) -> Json:
        try:
            answer = ask(
                self.socket, Message(request), timeout_seconds=self._timeout_seconds, limit_bytes=_ANSWER_LIMIT_BYTES
            )
        except NoAnswer as error:
            msg = f"the quality process {error}; it is tried again"
            raise GateUnavailable(msg, socket=str(self.socket)) from error
        if "error" in answer.content:
            reason = answer.content["error"]
            raise GateUnavailable(f"the quality process refused the request: {reason}", socket=str(self.socket))
        return answer.content


class _Tried:
    """Implements `ports.quality.TriedSuite`."""

    def __init__(self, gate: GxGate, loaded: SuiteText, data_type: str) -> None:
        self._gate, self._text, self._data_type = gate, loaded.text, data_type
        suite = loaded.suite
        self.name = suite.suite
        self.sha512 = loaded.sha512
        self.limits: Mapping[str, float] = suite.limits
        self.baselines: Sequence[BaselineRule] = [
            one for rule in suite.expectations if (one := rule.baseline) is not None
        ]
        self.patterns = patterns_of(suite)
        self.flaws: Sequence[str] = flaws_of(suite)

    def assess(
        self, *, summary: Mapping[str, float | int | str | None], rows: int, charts: Sequence[Chart]
    ) -> GateReport:
        """Ask the gate."""
        told = [one.model_dump(mode="json") for one in charts]
        return self._gate.tried(data_type=self._data_type, text=self._text, summary=summary, rows=rows, charts=told)


def _is_nonfinite(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _number(value: object) -> float | None:
    """Give a number that JSON can carry: an infinite one keeps its place at the end it belongs to."""
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        return None
    return max(min(float(value), 1e300), -1e300)


_EMPTY_TABLE = Finding(
    check="table",
    outcome=Outcome.NOT_ASSESSED,
    message="There is no row to judge: the dataset holds nothing that was measured, so nothing was looked at.",
)
