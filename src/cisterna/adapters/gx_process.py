"""The process that runs Great Expectations: `python -m cisterna.adapters.gx_process --socket PATH --expectations DIR`.

The only module that imports `great_expectations`. It listens once everything is loaded, so whoever reaches it finds it
warm. Requests (see `local_service`):

- `{"op": "ping"}` -> `{"engine": ...}`
- `{"op": "assess", "data_type": ..., "summary": {...}, "charts": [...]}` -> suite, digest, text, engine, and one
  finding an expectation; with `suite_text` by that suite, which is only tried
- `{"op": "rows", "data_type": ..., "check": ..., "values": [...]}` -> `{"rows": [...]}`, indices outside the rule
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import ValidationError

from cisterna.adapters.baseline_words import Standing, standing_of
from cisterna.adapters.gx_plug import load_checks
from cisterna.adapters.loading import begin_loading, end_loading
from cisterna.adapters.local_service import LocalService, Message, leave_on_signals, one_line, text_of
from cisterna.adapters.suite_file import (
    Folders,
    Rule,
    Suite,
    load_suite,
    parse_suite,
    read_suite,
    unusable_columns,
    words_in,
)
from cisterna.domain.control_chart import Chart
from cisterna.domain.errors import InvalidInput
from cisterna.domain.finding import Outcome

MESSAGE_LIMIT_BYTES = 16 * 1024 * 1024
ROWS_MAX = 500_000
_COLUMNS_MAX = 1000
_CHARTS_MAX = 20_000
_UNUSED_VENDORS = ("boto3", "botocore", "sqlalchemy")
_LAZY_VENDORS = ("altair", "scipy.stats")

Json = dict[str, Any]


class Engine:
    """Great Expectations with one ephemeral context; one call at a time.

    Args:
        expectations: Folders with `<data type>/<suite>.json`; the first one that has a suite counts.
    """

    def __init__(self, expectations: Folders) -> None:
        gx, self._frame, self._configuration = load_engine()
        from great_expectations.data_context.types.base import ProgressBarsConfig
        from great_expectations.expectations.expectation import Expectation
        from great_expectations.expectations.registry import _registered_expectations

        self._gx = gx
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = ProgressBarsConfig(globally=False)
        asset = context.data_sources.add_pandas("summary").add_dataframe_asset("row")
        self._whole = asset.add_batch_definition_whole_dataframe("whole")
        self._expectations = expectations
        self._lock = threading.Lock()
        self._unusable = load_checks(_registered_expectations, base=Expectation)
        self.name = f"great_expectations {gx.__version__}, cisterna {version('cisterna')}"

    def warm(self) -> None:
        """Run one expectation, so that the first caller does not pay for what is loaded late."""
        rule = Rule(
            check="warm",
            type="expect_column_max_to_be_between",
            kwargs={"column": "one", "max_value": 1},
            severity="error",
            title="warm",
            advice="warm",
        )
        self._judge([rule], {"one": 1})

    def assess(
        self,
        data_type: str,
        summary: Mapping[str, Any],
        charts: Sequence[Chart] | None = None,
        *,
        text: str | None = None,
    ) -> Json:
        """Judge a summary row by the suite of its data type: one finding an expectation, never an exception.

        What a rule asks that wants to know what was usual stands in its charts. A suite that is only tried is given as
        text.
        """
        name = f"{data_type}/default"
        try:
            given = None if text is None else parse_suite(text.encode(), wanted=name)
            loaded = given or load_suite(self._expectations, data_type)
        except InvalidInput as refusal:
            return self._report(name, "", "", [_not_assessed("suite", str(refusal))])
        suite = loaded.suite
        asked = [(rule, standing_of(rule, charts)) for rule in suite.expectations]
        findings = [_unjudgeable(rule, standing, summary) for rule, standing in asked]
        ready = [pair for pair, finding in zip(asked, findings, strict=True) if finding is None]
        away = {standing.column: standing.sigmas for _, standing in ready if standing is not None}
        rules = [rule if standing is None else standing.as_limit for rule, standing in ready]
        with self._lock:
            judged = self._judge(rules, {**summary, **away})
        found = [
            finding or _finding(rule, standing, summary, judged.get(rule.check))
            for (rule, standing), finding in zip(asked, findings, strict=True)
        ]
        if not found:
            found = [_not_assessed("suite", f"the suite {suite.suite} holds no expectation, so nothing was looked at")]
        return self._report(suite.suite, loaded.sha512, loaded.text, found)

    def rows(self, data_type: str, check: str, values: Sequence[float | None]) -> list[int]:
        """Give the indices of the rows that stand behind a failed check.

        Raises:
            InvalidInput: The suite or the check is not there, or the check names no rows.
        """
        suite, _ = read_suite(self._expectations, data_type)
        rule = _rule(suite, check)
        if rule.rows is None:
            raise InvalidInput(f"the check {check} names no rows", check=check)
        limits = {"min_value": rule.rows.min_value, "max_value": rule.rows.max_value}
        configuration = self._configuration(
            type="expect_column_values_to_be_between",
            kwargs={"column": "value", **{name: limit for name, limit in limits.items() if limit is not None}},
        )
        with self._lock:
            frame = self._frame({"value": [float("nan") if value is None else float(value) for value in values]})
            batch = self._whole.get_batch(batch_parameters={"dataframe": frame})
            result = batch.validate(configuration.to_domain_obj(), result_format={"result_format": "COMPLETE"})
            indices = result.result.get("unexpected_index_list") or []
        return [int(index) for index in indices]

    def _report(self, suite: str, digest: str, text: str, findings: list[Json]) -> Json:
        told = {"suite": suite, "suite_sha512": digest, "suite_text": text, "engine": self.name}
        return {**told, "findings": findings}

    def _judge(self, rules: Sequence[Rule], summary: Mapping[str, Any]) -> dict[str, tuple[bool | None, str]]:
        """Run expectations over the row; by check, whether it is met, or None and why that could not be told."""
        found: dict[str, tuple[bool | None, str]] = {}
        expectations = []
        for rule in rules:
            if rule.type in self._unusable:
                found[rule.check] = (None, self._unusable[rule.type])
                continue
            try:
                expectations.append(
                    self._configuration(
                        type=rule.type, kwargs=dict(rule.kwargs), meta={"check": rule.check}
                    ).to_domain_obj()
                )
            except Exception as error:  # noqa: BLE001 - whatever a suite asks for that the engine does not have is a finding
                found[rule.check] = (None, one_line(error))
        if not expectations:
            return found
        try:
            columns = sorted({column for rule in rules for column in rule.columns})
            batch = self._whole.get_batch(
                batch_parameters={"dataframe": self._frame({column: [summary[column]] for column in columns})}
            )
            suite = self._gx.ExpectationSuite(name="suite", expectations=expectations)
            results = batch.validate(suite, result_format="BOOLEAN_ONLY").results
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a crash of the engine is never a pass
            return found | {rule.check: (None, one_line(error)) for rule in rules if rule.check not in found}
        for result in results:
            check = result.expectation_config.meta["check"]
            failure = _exception_in(result.exception_info) or _nonsense_in(result.success)
            found[check] = (None, failure) if failure else (bool(result.success), "")
        return found


def load_engine() -> tuple[Any, Any, Any]:
    """Load Great Expectations into a process that is there for it alone: the module, a frame, and a configuration."""
    _lighten_import()
    import great_expectations as gx
    import pandas as pd
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    return gx, pd.DataFrame, ExpectationConfiguration


def _lighten_import() -> None:
    """Keep what Great Expectations can do without, and we never ask for, out of this process.

    Its optional vendors (S3 and SQL sources) count as not installed, and two libraries that it imports for single
    expectations are loaded when first used: 2.1 CPU seconds and 188 MB instead of 4.6 and 270.
    """
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    for name in _UNUSED_VENDORS:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # documented: its import raises ImportError
    for name in _LAZY_VENDORS:
        _load_when_used(name)


def _load_when_used(name: str) -> None:
    if name in sys.modules:
        return
    parent, _, child = name.rpartition(".")
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        return
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module: ModuleType = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    if parent:
        setattr(sys.modules[parent], child, module)


def _unjudgeable(rule: Rule, standing: Standing | None, summary: Mapping[str, Any]) -> Json | None:
    if rule.emptiness:
        return _not_assessed(rule.check, f"{rule.title}: the rule cannot fail ({rule.emptiness}); mend the suite")
    if standing is not None:
        unjudged = standing.unjudged
    else:
        lacking = unusable_columns(rule, summary)
        words = f"{rule.title}: not assessed, since there is no usable value of {''.join(lacking[:1])}"
        unjudged = (Outcome.NOT_ASSESSED, words) if lacking else None
    if unjudged is None:
        return None
    why = words_in(summary, rule.unless)
    if unjudged[0] is Outcome.NOT_ASSESSED and why:
        return _unlooked(rule.check, Outcome.LEFT_OUT, f"{rule.title}: left out, since {why}.")
    return _unlooked(rule.check, *unjudged)


def _finding(
    rule: Rule, standing: Standing | None, summary: Mapping[str, Any], judged: tuple[bool | None, str] | None
) -> Json:
    met, why = judged or (None, "the engine gave no result")
    if met is None:
        return _not_assessed(rule.check, f"{rule.title}: the check could not be carried out ({why})")
    observed = summary[rule.columns[0]] if standing is None else standing.observed
    message = f"{rule.title}: {rule.show(observed)} (expected {rule.limit})." if standing is None else standing.message
    named = words_in(summary, rule.names)
    if named and not met:
        message = f"{message} {named}."
    outcome = "passed" if met else {"error": "failed", "warning": "warning"}[rule.severity]
    rows = None if met or rule.rows is None else rule.rows.model_dump()
    return {
        "check": rule.check,
        "outcome": outcome,
        "message": message if met else f"{message} {rule.advice}",
        "observed": observed,
        "expected": rule.limit,
        "rows": rows,
    }


def _not_assessed(check: str, message: str) -> Json:
    return _unlooked(check, Outcome.NOT_ASSESSED, message)


def _unlooked(check: str, outcome: Outcome, message: str) -> Json:
    return {
        "check": check,
        "outcome": outcome.value,
        "message": message,
        "observed": None,
        "expected": None,
        "rows": None,
    }


def _rule(suite: Suite, check: str) -> Rule:
    for rule in suite.expectations:
        if rule.check == check:
            return rule
    raise InvalidInput(f"the suite {suite.suite} has no check {check[:80]}", check=check[:80])


def _exception_in(info: Mapping[str, Any] | None) -> str:
    """Find an exception in what GX says of a result: of the whole, or one entry a metric."""
    if not info:
        return ""
    entries = [info] if "raised_exception" in info else list(info.values())
    for entry in entries:
        if isinstance(entry, Mapping) and entry.get("raised_exception"):
            return " ".join(str(entry.get("exception_message") or "it raised an exception").split())[:200]
    return ""


def _nonsense_in(success: object) -> str:
    """Find an answer that is neither true nor false: what an expectation of others says is not believed unseen."""
    return "" if type(success).__name__ in {"bool", "bool_"} else "it answered neither true nor false"


def reply(engine: Engine, content: Mapping[str, Any]) -> Json:
    """Answer one request. Raises `InvalidInput`."""
    match content.get("op"):
        case "ping":
            return {"engine": engine.name}
        case "assess":
            charts = _charts(content.get("charts"))
            text = text_of(content, "suite_text") if "suite_text" in content else None
            return engine.assess(text_of(content, "data_type"), _summary(content.get("summary")), charts, text=text)
        case "rows":
            values = _values(content.get("values"))
            return {"rows": engine.rows(text_of(content, "data_type"), text_of(content, "check"), values)}
        case _:
            raise InvalidInput("a request's op is ping, assess or rows")


def _summary(value: Any) -> dict[str, float | int | str | None]:
    if not isinstance(value, dict) or len(value) > _COLUMNS_MAX:
        raise InvalidInput(f"summary must be an object of at most {_COLUMNS_MAX} values")
    if any(not isinstance(one, (int, float, str, type(None))) for one in value.values()):
        raise InvalidInput("a summary's values are numbers, texts or null")
    return value


def _charts(value: Any) -> list[Chart] | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) > _CHARTS_MAX:
        raise InvalidInput(f"charts must be a list of at most {_CHARTS_MAX}")
    try:
        return [Chart.model_validate(one) for one in value]
    except ValidationError as error:
        raise InvalidInput("a chart is not one of ours") from error


def _values(value: Any) -> list[float | None]:
    if not isinstance(value, list) or len(value) > ROWS_MAX:
        raise InvalidInput(f"values must be a list of at most {ROWS_MAX} numbers")
    if any(one is not None and not isinstance(one, (int, float)) for one in value):
        raise InvalidInput("values are numbers or null")
    return value


def main(arguments: Sequence[str] | None = None) -> None:
    """Load everything, then serve until SIGTERM, SIGINT or the parent's death."""
    parser = argparse.ArgumentParser(prog="gx_process", description="Judges summary rows with Great Expectations.")
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--expectations", type=Path, required=True, action="append")
    options = parser.parse_args(arguments)
    parent = os.getppid()
    leave_on_signals()
    begin_loading()
    engine = Engine(options.expectations)
    engine.warm()
    end_loading()
    service = LocalService(
        options.socket, lambda request: Message(reply(engine, request.content)), limit_bytes=MESSAGE_LIMIT_BYTES
    )
    service.end_with_parent(parent)
    try:
        service.serve()
    finally:
        service.close()


if __name__ == "__main__":
    main()
