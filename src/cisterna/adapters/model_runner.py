"""Asks the model process: the client side, which imports none of what runs models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cisterna.adapters.local_service import Message, ask
from cisterna.adapters.model_package import find_package, list_packages
from cisterna.domain.errors import InferenceFailed, InferenceUnavailable
from cisterna.ports.inference import Labelled, ModelCard

_ANSWER_LIMIT_BYTES = 512 * 1024 * 1024


class ModelRunner:
    """Implements `ports.inference.InferenceRunner` against `model_process`; safe to share between threads.

    Args:
        socket: Where the process listens.
        models: Folder of the admitted packages, the same that the process was given.
        timeout_seconds: How long one image may take.
    """

    def __init__(self, socket: Path, *, models: Path, timeout_seconds: float = 120.0) -> None:
        self._socket = socket
        self._models = models
        self._timeout_seconds = timeout_seconds

    def models(self) -> Sequence[str]:
        """Name the admitted models."""
        return list_packages(self._models)

    def card(self, model: str) -> ModelCard:
        """Describe an admitted model. Raises `NotFound`, `InvalidInput`."""
        return find_package(self._models, model).card

    def segment(self, model: str, *, body: bytes, path: str) -> Labelled:
        """Run the model on one image file's bytes. Raises `InferenceUnavailable`, `InferenceFailed`."""
        answer = self._ask(Message({"op": "segment", "model": model, "path": path}, [body]))
        count, area = answer.content.get("object_count"), answer.content.get("area_px_mean")
        if not isinstance(count, int) or len(answer.blobs) != 2 or not isinstance(area, float | None):
            raise InferenceFailed(
                f"the model process gave an answer of another form for {path}", model=model, path=path
            )
        labels, preview = answer.blobs
        return Labelled(path=path, label_tiff=labels, object_count=count, area_px_mean=area, preview=preview)

    def test(self, model: str) -> dict[str, Any]:
        """Have the package compared with its own stored output. Raises `InferenceUnavailable`, `InferenceFailed`."""
        return self._ask(Message({"op": "test", "model": model})).content

    def _ask(self, message: Message) -> Message:
        try:
            answer = ask(self._socket, message, timeout_seconds=self._timeout_seconds, limit_bytes=_ANSWER_LIMIT_BYTES)
        except (OSError, EOFError, ValueError) as error:
            msg = f"the model process does not answer at {self._socket} ({error}); it is tried again"
            raise InferenceUnavailable(msg, socket=str(self._socket)) from error
        if "error" in answer.content:
            raise InferenceFailed(str(answer.content["error"]), model=str(message.content.get("model")))
        return answer
