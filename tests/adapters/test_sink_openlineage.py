"""Lineage leaves in OpenLineage's words, whole lines, and with nothing restricted in it for those outside."""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from cisterna.adapters.openlineage_event import PRODUCER, run_event
from cisterna.adapters.sink_openlineage import (
    LineageBackend,
    LineageFile,
    OpenLineageSink,
    openlineage_lines,
)
from cisterna.domain.errors import CisternaError, InvalidInput, SinkUnavailable
from cisterna.domain.event import Event
from cisterna.domain.finding import Outcome
from cisterna.domain.work import WorkKind
from cisterna.services.lineage import Assertion, LineageDataset, ParentRun, RunFacts
from tests.adapters.openlineage_schema import faults

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
RUN = "01900000-0000-7000-8000-000000000001"
SECRETS = ("plate", "squid-1", "secret", "atlas", "rosa", "abc/def", "ark:", "focus")


def facts(**changes: Any) -> RunFacts:
    source = LineageDataset(
        namespace="file://host",
        name="/landing/squid-1/secret plate",
        title="secret plate",
        file_count=24,
        total_bytes=1000,
        project="atlas",
        owner="rosa",
        assertions=(
            Assertion(check="focus-min", outcome=Outcome.FAILED, message="focus 1", observed="1", expected="4"),
            Assertion(check="saturation-max", outcome=Outcome.WARNING, message="2 %"),
            Assertion(check="all-there", outcome=Outcome.NOT_ASSESSED, message="the engine crashed"),
        ),
    )
    kept = LineageDataset(
        namespace="s3://cisterna-archive",
        name="abc/def/123",
        title="secret plate",
        pid="ark:/99999/abc",
        version="v1",
        manifest_digest="ab" * 64,
        file_count=24,
        total_bytes=1000,
        project="atlas",
        owner="rosa",
        change="create",
    )
    return RunFacts(
        **{
            "run_id": RUN,
            "job": "ingest.squid-1",
            "kind": WorkKind.INGEST,
            "work_id": "w-1",
            "subject": "acq-1",
            "number": 1,
            "requested_at": NOW,
            "started_at": NOW,
            "flow_run_id": "f-1",
            "parent": ParentRun(run_id=RUN, job="ingest.squid-1"),
            "project": "atlas",
            "inputs": (source,),
            "outputs": (kept,),
            **changes,
        }
    )


def an_event(name: str = "attempt.completed", *, restricted: bool = False, number: int = 1, **changes: Any) -> Event:
    return Event(
        event_id=f"e-{number}",
        name=name,
        subject="acq-1",
        occurred_at=NOW,
        restricted=restricted,
        data=facts(**changes).model_dump(mode="json"),
    )


def a_run_id() -> str:
    return str(uuid.uuid4())


def translated(event: Event, *, inside: bool = True) -> dict[str, Any]:
    (line,) = openlineage_lines([event], namespace="cisterna", inside=inside)
    found: dict[str, Any] = json.loads(line)
    return found


CASES = {
    "started": an_event("attempt.started", outputs=()),
    "completed": an_event(outcome="archived"),
    "failed": an_event("attempt.failed", error="the store is away", error_code="store-unavailable", parent=None),
    "aborted": an_event("attempt.aborted", error="the worker ended", kind=WorkKind.INFER, job="infer.nuclei"),
    "bare": an_event(inputs=(), outputs=(), parent=None, flow_run_id=None, project=None),
}


@pytest.mark.parametrize("inside", [True, False], ids=["inside", "outside"])
@pytest.mark.parametrize("case", CASES)
def test_events_are_valid_against_the_specification(case: str, *, inside: bool) -> None:
    restricted = CASES[case].model_copy(update={"restricted": True})

    assert faults(translated(CASES[case], inside=inside)) == []
    assert faults(translated(restricted, inside=inside)) == []


@pytest.mark.parametrize("kind", list(WorkKind))
def test_an_attempt_at_any_kind_of_work_is_told(kind: WorkKind) -> None:
    assert faults(translated(an_event(kind=kind, job=kind.value))) == []


def test_the_schemas_would_have_told() -> None:
    event = translated(CASES["failed"])
    event["run"]["runId"] = "no uuid"
    del event["run"]["facets"]["errorMessage"]["message"]
    event["inputs"][0]["facets"]["dataQualityAssertions"] = event["inputs"][0]["inputFacets"]["dataQualityAssertions"]

    told = faults(event)

    assert any("no uuid" in one for one in told)
    assert any("RunFacet errorMessage" in one for one in told)
    assert any("DatasetFacet dataQualityAssertions is not" in one for one in told)


@pytest.mark.parametrize(
    ("case", "state"), [("started", "START"), ("completed", "COMPLETE"), ("failed", "FAIL"), ("aborted", "ABORT")]
)
def test_each_moment_of_an_attempt_has_its_state(case: str, state: str) -> None:
    event = translated(CASES[case])

    assert event["eventType"] == state
    assert event["run"]["runId"] == RUN
    assert event["producer"] == PRODUCER
    assert event["run"]["facets"]["nominalTime"]["_producer"] == PRODUCER


def test_a_check_that_was_not_made_is_no_success() -> None:
    event = translated(CASES["completed"])

    assertions = event["inputs"][0]["inputFacets"]["dataQualityAssertions"]["assertions"]
    assert [(one["success"], one["severity"]) for one in assertions] == [
        (False, "error"),
        (False, "warn"),
        (False, "error"),
    ]
    assert "dataQualityAssertions" not in event["outputs"][0]["facets"]


def test_outputs_say_version_digest_and_how_much() -> None:
    output = translated(CASES["completed"])["outputs"][0]

    assert output["facets"]["version"]["datasetVersion"] == "v1"
    assert {"key": "manifest_sha512", "value": "ab" * 64, "source": "CISTERNA"} in output["facets"]["tags"]["tags"]
    assert output["facets"]["lifecycleStateChange"]["lifecycleStateChange"] == "CREATE"
    statistics = output["outputFacets"]["outputStatistics"]
    assert (statistics["size"], statistics["fileCount"]) == (1000, 24)


def test_names_carry_nothing_that_graph_stores_split_on() -> None:
    text = json.dumps(translated(CASES["completed"]))
    event = json.loads(text)

    for dataset in (*event["inputs"], *event["outputs"]):
        assert not {":", "#"} & set(dataset["name"])
    assert RUN not in event["job"]["name"]


@pytest.mark.parametrize("case", CASES)
def test_nothing_restricted_is_told_outside(case: str) -> None:
    restricted = CASES[case].model_copy(update={"restricted": True})

    text = json.dumps(translated(restricted, inside=False))

    assert not [secret for secret in SECRETS if secret in text]
    assert RUN in text


def test_a_run_has_one_job_name_outside_whether_it_was_restricted_at_first_or_not() -> None:
    first = translated(CASES["started"].model_copy(update={"restricted": True}), inside=False)
    last = translated(CASES["completed"], inside=False)

    assert first["job"]["name"] == last["job"]["name"] == "ingest"


def test_inside_restricted_data_are_told_in_full() -> None:
    restricted = CASES["completed"].model_copy(update={"restricted": True})

    assert translated(restricted) == translated(CASES["completed"])


@pytest.mark.parametrize("name", ["version.stage", "alert.raised", "alert.acknowledged", "alert.closed"])
def test_other_events_are_no_lineage(name: str) -> None:
    other = an_event().model_copy(update={"name": name})

    assert run_event(other, namespace="cisterna", inside=True) is None
    assert list(openlineage_lines([other], namespace="cisterna")) == []


def test_an_event_without_an_attempts_facts_is_refused_by_name() -> None:
    broken = an_event().model_copy(update={"data": {"run_id": 7}})

    with pytest.raises(InvalidInput, match="e-1"):
        run_event(broken, namespace="cisterna", inside=True)


def sink_to(path: Path) -> OpenLineageSink:
    return OpenLineageSink(LineageFile(path), namespace="cisterna", inside=True)


def test_a_file_gets_one_line_an_event_readable_by_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "lineage" / "events.jsonl"
    for case in CASES.values():
        sink_to(path).send(case)

    lines = path.read_text("utf-8").splitlines()
    assert [json.loads(line)["eventType"] for line in lines] == ["START", "COMPLETE", "FAIL", "ABORT", "COMPLETE"]
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("torn", [b"{", b'{"eventTime": "2026', b"x" * 200_000], ids=["short", "half", "long"])
@pytest.mark.parametrize("whole", [b"", b'{"whole": 1}\n'], ids=["alone", "after a line"])
def test_what_a_killed_writer_left_is_cut_off(tmp_path: Path, torn: bytes, whole: bytes) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(whole + torn)

    sink_to(path).send(an_event())

    lines = path.read_bytes().splitlines()
    assert lines[:-1] == whole.splitlines()
    assert json.loads(lines[-1])["eventType"] == "COMPLETE"


def test_what_stands_there_is_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    first, second = an_event(run_id=a_run_id()), an_event(run_id=a_run_id())
    sink = sink_to(path)
    sink.send(first)
    sink.send(second)
    once = path.read_bytes()

    sink.send(first)  # its database was lost before it could note that they were sent
    for _ in range(2):
        sink_to(path).send(first)  # it was killed, and so was its successor
        sink_to(path).send(second)

    assert path.read_bytes() == once
    path.unlink()
    sink_to(path).send(second)
    assert path.read_bytes() == once.splitlines(keepends=True)[1]


def write_many(path: Path, count: int) -> None:
    for _ in range(count):
        sink_to(path).send(an_event(run_id=a_run_id()))


def test_writers_of_several_processes_do_not_mix_their_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[2])  # the children find this module by the path they inherit
    path, context = tmp_path / "events.jsonl", multiprocessing.get_context("spawn")
    writers = [context.Process(target=write_many, args=(path, 25)) for _ in range(2)]

    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    assert [writer.exitcode for writer in writers] == [0, 0]
    assert len([json.loads(line) for line in path.read_text("utf-8").splitlines()]) == 50


_ENDLESS = """
import sys
from pathlib import Path
from tests.adapters.test_sink_openlineage import a_run_id, an_event, sink_to
while True:
    sink_to(Path(sys.argv[1])).send(an_event(run_id=a_run_id()))
    print(flush=True)
"""


def test_a_writer_killed_at_any_moment_leaves_no_torn_line_behind_the_next(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    acknowledged = 0
    with subprocess.Popen(
        [sys.executable, "-c", _ENDLESS, str(path)], stdout=subprocess.PIPE, env={**os.environ}
    ) as writer:
        assert writer.stdout is not None
        for _ in range(20):
            assert writer.stdout.readline()
            acknowledged += 1
        writer.send_signal(signal.SIGKILL)

    sink_to(path).send(an_event())

    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert len(lines) > acknowledged


def test_a_file_that_cannot_be_written_keeps_the_event_waiting(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").mkdir()

    with pytest.raises(SinkUnavailable, match="cannot be written") as refused:
        sink_to(tmp_path / "events.jsonl").send(an_event())

    assert refused.value.retryable


def test_a_disk_that_fills_up_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    sink_to(path).send(an_event())
    before, limits = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)

    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 100, limits[1]))
    try:
        with pytest.raises(SinkUnavailable, match="make room"):
            sink_to(path).send(an_event(run_id=a_run_id()))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert path.read_bytes() == before


class Backend(ThreadingHTTPServer):
    """A lineage backend that answers as it is told and remembers what came."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.answers: list[int | str] = []
        self.received: list[tuple[str, dict[str, str], bytes]] = []
        self.release = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Answer(BaseHTTPRequestHandler):
    server: Backend

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.server.received.append((self.path, dict(self.headers), body))
        answer = self.server.answers.pop(0) if self.server.answers else 201
        match answer:
            case "hang":
                self.server.release.wait(30)
            case "drop":
                self.connection.close()
            case "drip":
                self.send_response(201)
                self.end_headers()
                self.wfile.write(b"x")
                self.server.release.wait(30)
            case "redirect":
                self.send_response(302)
                self.send_header("Location", f"{self.server.url}/elsewhere")
                self.end_headers()
            case int(status):
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

    def do_GET(self) -> None:
        self.server.received.append((f"GET {self.path}", dict(self.headers), b""))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        del format, args


@contextmanager
def serving() -> Iterator[Backend]:
    backend = Backend()
    thread = threading.Thread(target=backend.serve_forever, daemon=True)
    thread.start()
    try:
        yield backend
    finally:
        backend.release.set()
        backend.shutdown()
        thread.join()
        backend.server_close()


@contextmanager
def sending_to(backend: Backend, **more: Any) -> Iterator[OpenLineageSink]:
    target = LineageBackend(backend.url, **{"timeout_seconds": 0.5, **more})
    try:
        yield OpenLineageSink(target, namespace="cisterna", inside=False)
    finally:
        target.close()


def test_a_backend_gets_the_event_and_the_key() -> None:
    with serving() as backend, sending_to(backend, api_key="k-123") as sink:
        sink.send(an_event())

    ((path, headers, body),) = backend.received
    assert path == "/api/v1/lineage"
    assert headers["Authorization"] == "Bearer k-123"
    assert faults(json.loads(body)) == []


@pytest.mark.parametrize("answer", [500, 503, 400, 404, "hang", "drop", "redirect"])
def test_a_backend_that_does_not_take_it_is_told_of_and_tried_once(answer: int | str) -> None:
    with serving() as backend, sending_to(backend, api_key="k-123") as sink:
        backend.answers = [answer]
        with pytest.raises(SinkUnavailable) as refused:
            sink.send(an_event())

        sink.send(an_event())

    assert refused.value.retryable
    assert "k-123" not in str(refused.value)
    assert [path for path, _, _ in backend.received] == ["/api/v1/lineage"] * 2


def test_an_answer_that_drips_does_not_hold_the_sender() -> None:
    with serving() as backend, sending_to(backend) as sink:
        backend.answers = ["drip"]
        sink.send(an_event())

    assert len(backend.received) == 1


def test_nobody_at_home_is_an_error_of_ours() -> None:
    with serving() as backend:
        gone = backend.url
    sink = OpenLineageSink(LineageBackend(gone, timeout_seconds=0.5), namespace="cisterna", inside=True)

    with pytest.raises(CisternaError, match="did not take"):
        sink.send(an_event())


def test_nothing_is_taken_from_the_environment_or_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "openlineage.yml").write_text("transport: {type: console}", "utf-8")
    monkeypatch.chdir(tmp_path)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "OPENLINEAGE_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("OPENLINEAGE_DISABLED", "true")

    with serving() as backend, sending_to(backend) as sink:
        sink.send(an_event())

    assert len(backend.received) == 1
