"""Asks the model process: the client side, which imports none of what runs models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cisterna.adapters.local_service import Message, NoAnswer, ask
from cisterna.adapters.model_package import find_package, list_packages
from cisterna.domain.errors import (
    CisternaError,
    Conflict,
    InferenceFailed,
    InferenceUnavailable,
    InvalidInput,
    NotFound,
)
from cisterna.ports.inference import Labelled, ModelCard

_ANSWER_LIMIT_BYTES = 512 * 1024 * 1024
_REFUSALS: dict[str, type[CisternaError]] = {
    kind.code: kind for kind in (Conflict, InferenceFailed, InvalidInput, NotFound)
}


class ModelRunner:
    """Implements `ports.inference.InferenceRunner` against `model_process`; safe to share between threads.

    Args:
        socket: Where the process listens.
        models: Folder of the admitted packages, the same that the process was given.
        timeout_seconds: How long one image may take, waiting for the process to be warm included.
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

    def ping(self) -> bool:
        """Tell whether the process is warm. Raises `InferenceUnavailable`."""
        return self._ask(Message({"op": "ping"})).content.get("is_warm") is True

    def segment(self, model: ModelCard, *, body: bytes, path: str) -> Labelled:
        """Run the model on one image file's bytes.

        Raises:
            InferenceUnavailable: The process did not answer; try again later.
            InferenceFailed: The image does not fit the model, or the output is not what the model promises.
            Conflict, NotFound, InvalidInput: The package is no longer the one described, is gone, or cannot be loaded.
        """
        question = {"op": "segment", "model": model.name, "sha256": model.sha256, "path": path}
        answer = self._ask(Message(question, [body]))
        count, area = answer.content.get("object_count"), answer.content.get("area_px_mean")
        if not isinstance(count, int) or len(answer.blobs) != 2 or not isinstance(area, float | None):
            msg = f"the model process gave an answer of another form for {path}; restart it"
            raise InferenceUnavailable(msg, model=model.name, path=path)
        labels, preview = answer.blobs
        return Labelled(path=path, label_tiff=labels, object_count=count, area_px_mean=area, preview=preview)

    def test(self, model: str) -> dict[str, Any]:
        """Have the package compared with its own stored output. Raises as `segment` does."""
        return self._ask(Message({"op": "test", "model": model})).content

    def _ask(self, message: Message) -> Message:
        try:
            answer = ask(self._socket, message, timeout_seconds=self._timeout_seconds, limit_bytes=_ANSWER_LIMIT_BYTES)
        except NoAnswer as error:
            msg = f"the model process {error}; it is tried again"
            raise InferenceUnavailable(msg, socket=str(self._socket)) from error
        if "error" in answer.content:
            kind = _REFUSALS.get(str(answer.content.get("code")), InferenceUnavailable)
            raise kind(str(answer.content["error"]), model=str(message.content.get("model")))
        return answer
