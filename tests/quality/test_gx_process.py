"""The real Great Expectations process: what it answers, what it refuses, and how it ends."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Listener
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import cisterna
from cisterna.adapters import gx_gate, gx_process
from cisterna.adapters.gx_gate import GxGate
from cisterna.adapters.gx_process import MESSAGE_LIMIT_BYTES
from cisterna.adapters.local_service import Message, NoAnswer, ask
from cisterna.adapters.suite_file import BASELINE, read_suite
from cisterna.domain.errors import GateUnavailable
from cisterna.domain.finding import Finding, Outcome, Verdict, verdict_of
from cisterna.ports.quality import MetricTable
from tests.quality.conftest import start_gate
from tests.quality.test_suite_file import ALIKE, RULE, VACUOUS, write

TABLE = MetricTable(columns={"path": ["a.tiff", "b.tiff", "c.tiff"], "focus_margin": [2.0, 0.4, 0.1]})


def await_true(is_true: Callable[[], bool], *, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.02)


def judge(gate: GxGate, site: Path, rule: dict[str, Any], summary: dict[str, Any]) -> Finding:
    write(site, {"suite": "cells/default", "expectations": [rule]})
    report = gate.assess(data_type="cells", summary=summary, table=TABLE)
    assert len(report.findings) == 1
    return report.findings[0]


def test_a_met_expectation_passes_and_says_what_was_seen(site_gate: GxGate, site: Path) -> None:
    finding = judge(site_gate, site, RULE, {"out_of_focus_share": 0.125})

    assert finding.outcome is Outcome.PASSED
    assert finding.message == "Images out of focus: 12.5 % (expected at most 20 %)."
    assert (finding.observed, finding.expected) == (0.125, "at most 20 %")


@pytest.mark.parametrize(("severity", "outcome"), [("error", Outcome.FAILED), ("warning", Outcome.WARNING)])
def test_a_failed_expectation_names_the_worst_files_first(
    site_gate: GxGate, site: Path, severity: str, outcome: Outcome
) -> None:
    rule = {**RULE, "severity": severity, "rows": {"column": "focus_margin", "min_value": 1}}

    finding = judge(site_gate, site, rule, {"out_of_focus_share": 0.6})

    assert finding.outcome is outcome
    assert finding.files == ("c.tiff", "b.tiff")
    assert "Look at the autofocus." in finding.message


def test_the_worst_files_are_found_among_more_than_a_message_holds(
    site_gate: GxGate, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gx_gate, "_VALUES_AT_ONCE", 3)
    values = [0.5, 0.0, None, 3.0, 0.0, 9.0, 7.0]
    columns = {"path": [f"{at}.tiff" for at in range(len(values))], "badness": values}
    rule = {**RULE, "rows": {"column": "badness", "max_value": 0.4}}
    write(site, {"suite": "cells/default", "expectations": [rule]})

    report = site_gate.assess(
        data_type="cells", summary={"out_of_focus_share": 0.9}, table=MetricTable(columns={**columns})
    )

    assert report.findings[0].files == ("5.tiff", "6.tiff", "3.tiff", "0.tiff")
    assert gx_gate._VALUES_AT_ONCE <= gx_process.ROWS_MAX


def test_the_report_names_suite_digest_and_engine(site_gate: GxGate, site: Path) -> None:
    write(site, {"suite": "cells/default", "expectations": [RULE]})

    report = site_gate.assess(data_type="cells", summary={"out_of_focus_share": 0.0}, table=TABLE)

    assert report.suite == "cells/default"
    assert report.suite_sha512 == read_suite(site, "cells")[1]
    assert report.engine.startswith("great_expectations 1.")


UNKNOWN = {
    "unknown expectation": ({**RULE, "type": "expect_the_moon"}, {"out_of_focus_share": 0.0}),
    "unknown column": (RULE, {"something_else": 0.0}),
    "null": (RULE, {"out_of_focus_share": None}),
    "NaN": (RULE, {"out_of_focus_share": float("nan")}),
    "infinite": (RULE, {"out_of_focus_share": float("inf")}),
    "text where a number is": (RULE, {"out_of_focus_share": "none"}),
    "a limit that is a text": (
        {**RULE, "kwargs": {"column": "out_of_focus_share", "max_value": "x"}},
        {"out_of_focus_share": 0.0},
    ),
    "a pattern that is none": (
        {**RULE, "type": "expect_column_values_to_match_regex", "kwargs": {"column": "name", "regex": "("}},
        {"name": "abc"},
    ),
    "an argument of another expectation": (
        {**RULE, "kwargs": {"column": "out_of_focus_share", "max_value": 1, "regex": "a"}},
        {"out_of_focus_share": 0.0},
    ),
}


@pytest.mark.parametrize(("rule", "summary"), UNKNOWN.values(), ids=list(UNKNOWN))
def test_what_cannot_be_assessed_is_said_and_never_passes(
    site_gate: GxGate, site: Path, rule: dict[str, Any], summary: dict[str, Any]
) -> None:
    finding = judge(site_gate, site, rule, summary)

    assert finding.outcome is Outcome.NOT_ASSESSED
    assert finding.message


@pytest.mark.parametrize("kwargs", VACUOUS.values(), ids=list(VACUOUS))
def test_a_rule_that_cannot_fail_is_not_assessed(site_gate: GxGate, site: Path, kwargs: dict[str, Any]) -> None:
    finding = judge(site_gate, site, {**RULE, "kwargs": kwargs}, {"a": 0.5})

    assert finding.outcome is Outcome.NOT_ASSESSED


def test_a_rule_that_every_value_meets_is_not_assessed(site_gate: GxGate, site: Path) -> None:
    rules = [
        {**RULE, "check": f"check-{at}", "type": kind, "kwargs": kwargs}
        for at, (kind, kwargs) in enumerate(ALIKE.values())
    ]
    write(site, {"suite": "cells/default", "expectations": rules})

    report = site_gate.assess(data_type="cells", summary={"a": 0.5, "text": "abc"}, table=TABLE)

    assert {one.outcome for one in report.findings} == {Outcome.NOT_ASSESSED}


DRIFT = {
    **RULE,
    "kwargs": {"column": "drift_um", "max_value": 10},
    "unit": "um",
    "unless": "drift_unknown",
    "names": "drift_names",
}


def test_a_rule_about_what_nobody_can_know_is_left_out_and_the_finding_says_why(site_gate: GxGate, site: Path) -> None:
    finding = judge(site_gate, site, DRIFT, {"drift_um": None, "drift_unknown": "it has one time point"})

    assert finding.outcome is Outcome.LEFT_OUT
    assert finding.message == "Images out of focus: left out, since it has one time point."
    assert verdict_of([finding]) is Verdict.NOT_ASSESSED


@pytest.mark.parametrize(
    "summary",
    [{}, {"drift_unknown": None}, {"drift_unknown": "  "}, {"drift_unknown": 1}, {"drift_unknown": float("nan")}],
    ids=["no column", "null", "blanks", "a number", "NaN"],
)
def test_a_value_that_is_missing_without_a_reason_in_words_is_not_assessed(
    site_gate: GxGate, site: Path, summary: dict[str, Any]
) -> None:
    assert judge(site_gate, site, DRIFT, {"drift_um": None, **summary}).outcome is Outcome.NOT_ASSESSED


def test_a_rule_about_what_was_usual_is_left_out_for_the_same_reason(site_gate: GxGate, site: Path) -> None:
    rule = {**DRIFT, "type": BASELINE, "kwargs": {"column": "drift_um", "side": "high", "floor": 1}}
    write(site, {"suite": "cells/default", "expectations": [rule]})

    def outcome(summary: dict[str, Any]) -> Outcome:
        return site_gate.assess(data_type="cells", summary=summary, table=TABLE, charts=[]).findings[0].outcome

    assert outcome({"drift_um": None, "drift_unknown": "it has one time point"}) is Outcome.LEFT_OUT
    assert outcome({"drift_um": None}) is Outcome.NOT_ASSESSED


def test_a_value_that_is_there_is_judged_whatever_the_words_say(site_gate: GxGate, site: Path) -> None:
    summary = {"drift_um": 12.0, "drift_unknown": "it is not known", "drift_names": "Moved: A1"}

    finding = judge(site_gate, site, DRIFT, summary)

    assert finding.outcome is Outcome.FAILED
    assert finding.message.endswith("(expected at most 10 um). Moved: A1. Look at the autofocus.")


def test_a_rule_that_cannot_fail_is_not_left_out_either(site_gate: GxGate, site: Path) -> None:
    rule = {**DRIFT, "kwargs": {"column": "drift_um"}}

    assert judge(site_gate, site, rule, {"drift_unknown": "it has one time point"}).outcome is Outcome.NOT_ASSESSED


def test_one_check_that_cannot_be_assessed_does_not_hide_the_others(site_gate: GxGate, site: Path) -> None:
    rules = [
        {**RULE, "check": "odd", "type": "expect_the_moon"},
        RULE,
        {**RULE, "check": "null", "kwargs": {"column": "n"}},
    ]
    write(site, {"suite": "cells/default", "expectations": rules})

    report = site_gate.assess(data_type="cells", summary={"out_of_focus_share": 0.9, "n": None}, table=TABLE)

    assert [finding.outcome for finding in report.findings] == [
        Outcome.NOT_ASSESSED,
        Outcome.FAILED,
        Outcome.NOT_ASSESSED,
    ]


@pytest.mark.parametrize("content", ["{", {"suite": "cells/default", "expectations": []}], ids=["broken", "empty"])
def test_a_suite_with_nothing_in_it_is_not_assessed(site_gate: GxGate, site: Path, content: Any) -> None:
    write(site, content)

    report = site_gate.assess(data_type="cells", summary={"out_of_focus_share": 0.0}, table=TABLE)

    assert report.verdict is Verdict.NOT_ASSESSED


def test_an_empty_table_is_not_assessed_however_good_the_summary(site_gate: GxGate, site: Path) -> None:
    write(site, {"suite": "cells/default", "expectations": [RULE]})

    report = site_gate.assess(
        data_type="cells", summary={"out_of_focus_share": 0.0}, table=MetricTable(columns={"path": []})
    )

    assert report.verdict is Verdict.NOT_ASSESSED


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    value=st.one_of(st.none(), st.floats(), st.integers(-(2**60), 2**60), st.text(max_size=5)),
    low=st.one_of(st.none(), st.floats(-10, 10)),
    high=st.one_of(st.none(), st.floats(-10, 10)),
)
def test_no_vacuous_pass(site_gate: GxGate, site: Path, value: Any, low: float | None, high: float | None) -> None:
    """Whatever a summary holds and whatever a rule asks for: passed means that a finite number lies within a limit."""
    limits = {name: limit for name, limit in (("min_value", low), ("max_value", high)) if limit is not None}

    finding = judge(site_gate, site, {**RULE, "kwargs": {"column": "a", **limits}}, {"a": value})

    if finding.outcome is Outcome.PASSED:
        assert limits
        assert isinstance(value, int | float)
        assert low is None or value >= low
        assert high is None or value <= high
    if isinstance(value, int | float) and abs(value) < 1e300 and limits:
        inside = (low is None or value >= low) and (high is None or value <= high)
        ordered = low is None or high is None or low <= high
        assert not ordered or finding.outcome is (Outcome.PASSED if inside else Outcome.FAILED)


def test_several_workers_are_served_at_once(gate: GxGate) -> None:
    def ask(number: int) -> tuple[int, Verdict]:
        report = gate.assess(data_type="labels", summary=labels(number), table=TABLE)
        return number, report.verdict

    with ThreadPoolExecutor(6) as pool:
        answers = dict(pool.map(ask, range(12)))

    assert answers == {n: Verdict.PASSED if n % 2 else Verdict.QUARANTINED for n in range(12)}


def labels(number: int) -> dict[str, float | int | str | None]:
    problems = 0 if number % 2 else 3
    return {
        "images_in": 8,
        "images_out": 8 - problems,
        "label_problems": problems,
        "objects_total": 40,
        "without_objects_share": 0.0,
    }


HOSTILE: dict[str, dict[str, Any]] = {
    "no op": {},
    "a summary of lists": {"op": "assess", "data_type": "microscopy", "summary": {"a": [1]}},
    "rows that are texts": {"op": "rows", "data_type": "microscopy", "check": "focus-lost", "values": ["x"]},
    "rows of no check": {"op": "rows", "data_type": "microscopy", "check": "nope", "values": [1]},
    "no data type": {"op": "assess", "data_type": 7, "summary": {}},
    "a thousand and one columns": {
        "op": "assess",
        "data_type": "microscopy",
        "summary": {str(n): n for n in range(1001)},
    },
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=list(HOSTILE))
def test_a_hostile_request_is_refused_and_the_next_one_answered(gate: GxGate, content: dict[str, Any]) -> None:
    answer = ask(gate.socket, Message(content), timeout_seconds=30, limit_bytes=MESSAGE_LIMIT_BYTES)

    assert set(answer.content) == {"error", "code"}
    assert gate.ping().startswith("great_expectations")


def test_a_message_over_the_limit_ends_only_its_own_connection(gate: GxGate) -> None:
    content = {"op": "ping", "more": " " * (MESSAGE_LIMIT_BYTES + 1)}

    with pytest.raises(NoAnswer):
        ask(gate.socket, Message(content), timeout_seconds=30, limit_bytes=MESSAGE_LIMIT_BYTES)

    assert gate.ping()


def test_nobody_at_the_socket_is_unavailable_and_not_a_verdict(tmp_path: Path) -> None:
    lost = GxGate(tmp_path / "nobody.sock")

    with pytest.raises(GateUnavailable, match="does not answer"):
        lost.assess(data_type="microscopy", summary={}, table=TABLE)


@pytest.mark.parametrize(
    ("answer", "words"),
    [(None, "no answer within"), (b"nonsense", "broke off"), (b"[]", "broke off"), (b"{}", "not known")],
    ids=["silence", "no JSON", "a list", "an empty object"],
)
def test_an_answer_that_is_none_is_unavailable(answer: bytes | None, words: str) -> None:
    with tempfile.TemporaryDirectory(prefix="cq-") as folder, Listener(f"{folder}/s", "AF_UNIX") as listener:

        def reply() -> None:
            with listener.accept() as connection:
                connection.recv_bytes()
                if answer is not None:
                    connection.send_bytes(answer)
                connection.poll(5)

        thread = Thread(target=reply)
        thread.start()
        gate = GxGate(Path(folder) / "s", timeout_seconds=0.3)
        with pytest.raises(GateUnavailable, match=words):
            gate.assess(data_type="microscopy", summary={}, table=TABLE)
        thread.join()


@pytest.mark.timeout(180)  # starts processes that take seconds each, more on a busy machine
def test_it_ends_on_sigterm_without_leaving_its_socket_and_is_found_again_after_a_kill(site: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="cq-") as name:
        folder = Path(name)
        child, gate = start_gate(folder, site)
        child.kill()
        with pytest.raises(GateUnavailable):
            gate.ping()

        again, _ = start_gate(folder, site)

        assert gate.ping()
        again.stop()
        assert again.exit_code == 0
        assert not gate.socket.exists()


@pytest.mark.timeout(180)  # starts processes that take seconds each, more on a busy machine
def test_it_does_not_outlive_its_parent(site: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="cq-") as name:
        argv = [
            sys.executable,
            "-m",
            "cisterna.adapters.gx_process",
            "--socket",
            f"{name}/s",
            "--expectations",
            str(site),
        ]
        script = f"import subprocess, sys, time; print(subprocess.Popen({argv!r}).pid, flush=True); time.sleep(600)"
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=env, text=True)
        assert parent.stdout is not None
        orphan = int(parent.stdout.readline())
        await_true(lambda: Path(f"{name}/s").exists(), seconds=50)

        parent.send_signal(signal.SIGKILL)
        parent.wait()
        parent.stdout.close()

        await_true(lambda: not Path(f"{name}/s").exists())
        await_true(lambda: not is_running(orphan))


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def test_only_the_process_imports_great_expectations() -> None:
    root = Path(cisterna.__file__).parent
    importers = set()
    for file in root.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(name.split(".")[0] == "great_expectations" for name in names):
                importers.add(file.relative_to(root).as_posix())

    assert importers == {"adapters/gx_process.py"}


def test_the_client_loads_no_engine() -> None:
    script = (
        "import sys, cisterna.adapters.gx_gate, cisterna.services.validate; print('great_expectations' in sys.modules)"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}

    found = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, env=env, text=True)

    assert found.stdout.strip() == "False"
