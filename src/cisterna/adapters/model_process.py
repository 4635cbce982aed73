"""The process that runs BioImage.IO models: `python -m cisterna.adapters.model_process --socket PATH --models DIR`.

It answers at once; what runs models takes seconds to load, which happens beside, at low priority, and requests wait for
it. Models are packages (folders with an `rdf.yaml`) below the folder; only ONNX weights are run: the other kinds are
code. Nothing is downloaded. Requests (see `local_service`):

- `{"op": "ping"}` -> engine, and whether everything is loaded
- `{"op": "segment", "model": NAME, "sha256": DIGEST, "path": PATH}` with one blob, an image file -> counts, with two
  blobs, labels and a preview
- `{"op": "test", "model": NAME}` -> `bioimageio test`'s own verdict
"""

from __future__ import annotations

import argparse
import logging
import os
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime
from pathlib import Path
from typing import TYPE_CHECKING

from cisterna.adapters.loading import begin_loading, end_loading
from cisterna.adapters.local_service import LocalService, Message, leave_on_signals, one_line, text_of
from cisterna.adapters.model_package import Package, find_package, list_packages
from cisterna.domain.errors import CisternaError, Conflict, InferenceUnavailable, InvalidInput

if TYPE_CHECKING:
    from cisterna.adapters.model_engine import Engine

MESSAGE_LIMIT_BYTES = 256 * 1024 * 1024
CONNECTIONS_MAX = 8
_LOAD_SECONDS = 90.0
_NICENESS = 10


class Desk:
    """Takes requests from the first moment on; those that need the engine wait until it is loaded.

    Args:
        models: Folder with one folder a model.
        threads: At most these work on one image.
    """

    def __init__(self, models: Path, *, threads: int = 1) -> None:
        self._models = models
        self._threads = threads
        self._engine: Future[Engine] = Future()
        self._is_warm = threading.Event()

    def load(self) -> None:
        """Load the engine and every admitted model, beside whatever else the process does."""
        threading.Thread(target=self._load, daemon=True).start()

    def reply(self, message: Message) -> Message:
        """Answer one request."""
        match message.content.get("op"):
            case "ping":
                is_loaded = self._engine.done() and self._engine.exception() is None
                name = self._engine.result().name if is_loaded else None
                return Message({"engine": name, "is_warm": self._is_warm.is_set()})
            case "segment":
                if len(message.blobs) != 1:
                    raise InvalidInput("segment takes one image")
                package = self._package(message, sha256=text_of(message.content, "sha256"))
                path = text_of(message.content, "path")
                return self._loaded().segment(package, message.blobs[0], path=path)
            case "test":
                package = self._package(message)
                return self._loaded().test(package)
            case _:
                raise InvalidInput("a request's op is ping, segment or test")

    def _package(self, message: Message, *, sha256: str | None = None) -> Package:
        package = find_package(self._models, text_of(message.content, "model"))
        if sha256 not in {None, package.sha256}:
            msg = f"the model {package.name} is not the one that was asked for: its files changed; ask again"
            raise Conflict(msg, model=package.name)
        return package

    def _loaded(self) -> Engine:
        try:
            return self._engine.result(timeout=_LOAD_SECONDS)
        except NotInTime as error:
            raise InferenceUnavailable("what runs models is still being loaded; it is tried again") from error
        except Exception as error:
            msg = f"what runs models cannot be loaded ({one_line(error)}); see the log of the model process"
            raise InferenceUnavailable(msg) from error

    def _load(self) -> None:
        os.nice(_NICENESS)  # on Linux that is this thread's alone: those who wait for other things come first
        log = logging.getLogger(__name__)
        try:
            from cisterna.adapters.model_engine import Engine

            self._engine.set_result(Engine(self._models, threads=self._threads))
        except BaseException as error:
            log.exception("what runs models cannot be loaded")
            self._engine.set_exception(error)
            return
        for name in list_packages(self._models):
            try:
                self._engine.result().warm(find_package(self._models, name))
            except CisternaError:  # told again to whoever asks for it
                log.exception("a model cannot be loaded")
        self._is_warm.set()


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM, SIGINT or the parent's death."""
    parser = argparse.ArgumentParser(prog="model_process", description="Runs BioImage.IO models with ONNX weights.")
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    parent = os.getppid()
    leave_on_signals()
    desk = Desk(options.models, threads=options.threads)
    service = LocalService(options.socket, desk.reply, limit_bytes=MESSAGE_LIMIT_BYTES, connections_max=CONNECTIONS_MAX)
    service.end_with_parent(parent)
    begin_loading()
    desk.load()
    end_loading()
    try:
        service.serve()
    finally:
        service.close()


if __name__ == "__main__":
    main()
