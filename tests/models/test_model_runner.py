"""The real model process: the contract, a real image, hostile images, deaths, and no network."""

from __future__ import annotations

import ast
import io
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import tifffile

import cisterna
from cisterna.adapters.local_service import Message, ask
from cisterna.adapters.model_runner import ModelRunner
from cisterna.domain.errors import InferenceFailed, InferenceUnavailable
from cisterna.ports.inference import InferenceRunner
from cisterna.testing.bright_runner import BrightRunner, make_card
from cisterna.testing.inference_contract import InferenceRunnerContract, as_tiff, field_of_discs
from tests.models.conftest import Running, start_models

pytestmark = pytest.mark.timeout(240)  # starts a process that loads for seconds, more on a busy machine


class TestModelProcess(InferenceRunnerContract):
    """The real one."""

    @pytest.fixture
    def runner(self, running: Running) -> InferenceRunner:
        return running.runner

    @pytest.fixture
    def lost_runner(self, models: Path, tmp_path: Path) -> InferenceRunner:
        return ModelRunner(tmp_path / "nobody.sock", models=models)


class TestBrightRunner(InferenceRunnerContract):
    """The one for tests."""

    @pytest.fixture
    def runner(self) -> InferenceRunner:
        return BrightRunner([make_card("nuclei")])

    @pytest.fixture
    def lost_runner(self) -> InferenceRunner:
        return BrightRunner([make_card("nuclei")], unavailable=1)


def test_on_a_real_image_it_agrees_with_people(running: Running, real: tuple[np.ndarray, np.ndarray]) -> None:
    image, drawn = real

    found = running.runner.segment(running.runner.card("nuclei"), body=as_tiff(image), path="img2d.tif")

    labels = tifffile.imread(io.BytesIO(found.label_tiff))
    inside, truth = labels > 0, drawn > 0
    assert 2 * (inside & truth).sum() / (inside.sum() + truth.sum()) >= 0.85
    assert abs(found.object_count - len(np.unique(drawn[truth]))) <= 20


def huge() -> bytes:
    """A TIFF of few bytes whose header claims 37 GiB."""
    with io.BytesIO() as file:
        tifffile.imwrite(file, np.zeros((2, 3), np.uint16))
        body = bytearray(file.getvalue())
    with tifffile.TiffFile(io.BytesIO(bytes(body))) as found:
        for name in ("ImageWidth", "ImageLength", "RowsPerStrip"):
            tag = found.pages[0].tags[name]  # type: ignore[union-attr]
            size = 4 if tag.dtype == 4 else 2
            body[tag.valueoffset : tag.valueoffset + size] = (141_000).to_bytes(4, "little")[:size].ljust(size, b"\xff")
    return bytes(body)


def test_a_header_that_claims_more_than_there_is_fails_by_name_and_the_process_lives_on(running: Running) -> None:
    card, pid = running.runner.card("nuclei"), running.child.pid

    with pytest.raises(InferenceFailed, match=r"0/huge\.tiff"):
        running.runner.segment(card, body=huge(), path="0/huge.tiff")

    assert running.child.pid == pid
    assert running.runner.segment(card, body=as_tiff(field_of_discs()), path="b.tiff").object_count == 3


def test_a_cut_off_image_of_any_length_fails_by_name(running: Running) -> None:
    body, card = as_tiff(field_of_discs()), running.runner.card("nuclei")

    for length in (1, 4, 8, 100, len(body) // 2, len(body) - 1):
        with pytest.raises(InferenceFailed, match=r"cut\.tiff"):
            running.runner.segment(card, body=body[:length], path="cut.tiff")


HOSTILE = [
    {},
    {"op": "segment"},
    {"op": "segment", "model": "nuclei", "sha256": "0", "path": 7},
    {"op": "segment", "model": "../nuclei", "sha256": "0", "path": "a"},
    {"op": "test", "model": ["nuclei"]},
    {"op": "test", "model": "/etc"},
    {"op": "eval", "code": "1"},
]


@pytest.mark.parametrize("content", HOSTILE, ids=range(len(HOSTILE)))
def test_a_request_that_is_none_is_refused_and_the_next_one_answered(
    running: Running, content: dict[str, object]
) -> None:
    socket = running.folder / "m.sock"

    answer = ask(socket, Message(content, [b"body"]), timeout_seconds=30, limit_bytes=2**20)
    following = ask(socket, Message({"op": "ping"}), timeout_seconds=30, limit_bytes=2**20)

    assert answer.content["code"] in {"invalid-input", "not-found", "conflict"}
    assert following.content["is_warm"] is True


def test_it_reproduces_its_stored_output(running: Running) -> None:
    assert running.runner.test("nuclei")["status"] == "passed"


def test_it_answers_before_it_is_warm_and_requests_wait_until_it_is(models: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="cm-") as name:
        started = start_models(Path(name), models, wait=False)
        started.child.await_ready((Path(name) / "m.sock").exists, timeout_seconds=60)

        was_warm = started.runner.ping()
        found = started.runner.segment(started.runner.card("nuclei"), body=as_tiff(field_of_discs()), path="a.tiff")
        started.child.stop()

    assert was_warm is False
    assert found.object_count == 3


def test_killed_it_is_unavailable_and_started_again_it_is_found(models: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="cm-") as name:
        first = start_models(Path(name), models, wait=False)
        first.child.await_ready((Path(name) / "m.sock").exists, timeout_seconds=60)
        first.child.kill()
        card, body = first.runner.card("nuclei"), as_tiff(field_of_discs())
        with pytest.raises(InferenceUnavailable) as refusal:
            first.runner.segment(card, body=body, path="a.tiff")

        again = start_models(Path(name), models)
        found = first.runner.segment(card, body=body, path="a.tiff")
        again.child.stop()

        assert refusal.value.retryable
        assert found.object_count == 3
        assert again.child.exit_code == 0
        assert not (Path(name) / "m.sock").exists()


REFUSE_NETWORK = """
import os, runpy, socket, sys

def watch(event, arguments):
    if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "urllib.Request"):
        os._exit(97)
    if event in ("socket.connect", "socket.bind") and arguments[0].family != socket.AF_UNIX:
        os._exit(98)

sys.addaudithook(watch)
sys.argv = sys.argv[1:]
runpy.run_module("cisterna.adapters.model_process", run_name="__main__", alter_sys=True)
"""


def can_leave_the_network() -> bool:
    return os.system("unshare --user --map-root-user --net true 2>/dev/null") == 0  # noqa: S605 - a constant


def test_it_loads_tests_and_runs_a_model_without_once_asking_for_the_network(models: Path, tmp_path: Path) -> None:
    """Any attempt to resolve or reach a host ends the process at once; where possible it has no network either."""
    script = tmp_path / "watched.py"
    script.write_text(REFUSE_NETWORK)
    wrapped = tmp_path / "python"
    apart = "unshare --user --map-root-user --net " if can_leave_the_network() else ""
    wrapped.write_text(f'#!/bin/sh\nshift 3\nexec {apart}"{sys.executable}" "{script}" model_process "$@"\n')
    wrapped.chmod(0o755)
    with tempfile.TemporaryDirectory(prefix="cm-") as name:
        started = start_models(Path(name), models, prefix=(str(wrapped),))
        found = started.runner.segment(started.runner.card("nuclei"), body=as_tiff(field_of_discs()), path="a.tiff")
        verdict = started.runner.test("nuclei")["status"]
        is_alive = started.child.exit_code is None
        started.child.stop()

    assert is_alive
    assert (found.object_count, verdict) == (3, "passed")


def test_only_one_module_imports_what_runs_models() -> None:
    root = Path(cisterna.__file__).parent
    importers = set()
    for file in root.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(name.split(".")[0] in {"bioimageio", "onnxruntime"} for name in names):
                importers.add(file.relative_to(root).as_posix())

    assert importers == {"adapters/model_session.py"}
