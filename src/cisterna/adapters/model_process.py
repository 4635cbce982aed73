"""The process that runs BioImage.IO models: `python -m cisterna.adapters.model_process --socket PATH --models DIR`.

The only module that imports `bioimageio.core`. Models are packages (folders with an `rdf.yaml`) below the folder; only
ONNX weights are run: the other kinds are code. Nothing is downloaded. Requests (see `local_service`):

- `{"op": "ping"}`
- `{"op": "segment", "model": NAME, "path": PATH}` with one blob, a TIFF -> counts, with two blobs, labels and a preview
- `{"op": "test", "model": NAME}` -> `bioimageio test`'s own verdict
"""

from __future__ import annotations

import argparse
import io
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from cisterna.adapters.label_image import draw_labels, encode_labels, label_objects
from cisterna.adapters.local_service import LocalService, Message, end_with_parent, leave_on_signals, one_line, text_of
from cisterna.adapters.model_package import Package, find_package
from cisterna.domain.errors import InferenceFailed, InvalidInput

MESSAGE_LIMIT_BYTES = 512 * 1024 * 1024
IMAGE_PIXELS_MAX = 128 * 1024 * 1024
_IMAGE_DIMENSIONS = 2
_COMPRESSION_MAX = 64


class Engine:
    """Loaded models, one call at a time.

    Args:
        models: Folder with one folder a model.
    """

    def __init__(self, models: Path) -> None:
        os.environ["BIOIMAGEIO_CACHE_PATH"] = str(models / ".cache")
        import bioimageio.core

        self._core = bioimageio.core
        self._models = models
        self._pipelines: dict[str, tuple[str, Any, Any]] = {}
        self._lock = threading.Lock()

    def reply(self, message: Message) -> Message:
        """Answer one request."""
        match message.content.get("op"):
            case "ping":
                return Message({"engine": f"bioimageio.core {self._core.__version__}"})
            case "segment":
                if len(message.blobs) != 1:
                    raise InvalidInput("segment takes one image")
                package = find_package(self._models, text_of(message.content, "model"))
                return self.segment(package, message.blobs[0], path=text_of(message.content, "path"))
            case "test":
                return self.test(find_package(self._models, text_of(message.content, "model")))
            case _:
                raise InvalidInput("a request's op is ping, segment or test")

    def segment(self, package: Package, body: bytes, *, path: str) -> Message:
        """Run a model on one image. Raises `InferenceFailed`."""
        image = read_image(body, path=path)
        with self._lock:
            pipeline, model = self._pipeline(package)
            try:
                sample = self._core.predict(
                    model=pipeline, inputs={model.inputs[0].id: image[None, None].astype(np.float32)}
                )
                result = np.asarray(sample.members[model.outputs[0].id].data.data, dtype=np.float32)
            except Exception as error:  # whatever a model does with an image is about this image
                msg = f"{package.name} could not be run on {path}: {one_line(error)}"
                raise InferenceFailed(msg, model=package.name, path=path) from error
        foreground, interior = self._channels(package, result, image.shape, path=path)
        labels = label_objects(foreground, interior)
        sizes = np.bincount(labels.ravel())[1:]
        facts = {"object_count": len(sizes), "area_px_mean": float(sizes.mean()) if len(sizes) else None}
        return Message(facts, [encode_labels(labels), draw_labels(labels)])

    def test(self, package: Package) -> Message:
        """Compare a model with its own stored output, as `bioimageio test` does."""
        with self._lock:
            summary = self._core.test_model(package.folder / "rdf.yaml", weight_format="onnx")
        return Message({"status": str(summary.status), "summary": summary.format()[:100_000]})

    def _pipeline(self, package: Package) -> tuple[Any, Any]:
        known = self._pipelines.get(package.name)
        if known is not None and known[0] == package.sha256:
            return known[1], known[2]
        from bioimageio.spec import load_model_description

        model = load_model_description(package.folder / "rdf.yaml", perform_io_checks=False)
        if model.weights.onnx is None:
            msg = f"{package.name} has no ONNX weights; the other kinds are code and are not run"
            raise InferenceFailed(msg, model=package.name)
        pipeline = self._core.create_prediction_pipeline(model, weights_format="onnx")
        self._pipelines[package.name] = (package.sha256, pipeline, model)
        return pipeline, model

    def _channels(
        self, package: Package, result: np.ndarray, shape: tuple[int, ...], *, path: str
    ) -> tuple[np.ndarray, np.ndarray]:
        """Take the two channels out of a result, b c y x, and hold it to what the package promises."""
        places = (package.foreground, package.interior)
        if result.ndim != 4 or result.shape[0] != 1 or result.shape[2:] != shape or max(places) >= result.shape[1]:
            msg = (
                f"{package.name} gave {result.shape} for {path} of {shape}; its package promises probabilities, b c y x"
            )
            raise InferenceFailed(msg, model=package.name, path=path)
        if not np.isfinite(result).all():
            msg = f"{package.name} gave values that are no numbers for {path}"
            raise InferenceFailed(msg, model=package.name, path=path)
        return result[0, package.foreground], result[0, package.interior]


def read_image(body: bytes, *, path: str) -> np.ndarray:
    """Read a TIFF of one plane, y x, of a bounded size. Raises `InferenceFailed`."""
    try:
        with tifffile.TiffFile(io.BytesIO(body)) as file:
            refusal = _refusal(file, len(body))
            image = None if refusal else file.pages[0].asarray()
    except Exception as error:  # a damaged TIFF fails in many ways
        raise InferenceFailed(f"{path} cannot be read as a TIFF: {one_line(error)}", path=path) from error
    if image is None:
        raise InferenceFailed(f"{path} {refusal}", path=path)
    return image


def _refusal(file: tifffile.TiffFile, size_bytes: int) -> str | None:
    """Hold a header's claims against what the bytes can hold, before anything is allocated."""
    page = file.pages[0]
    if (
        len(file.pages) != 1
        or len(page.shape) != _IMAGE_DIMENSIONS
        or page.dtype is None
        or page.dtype.kind not in "uif"
    ):
        return "is not one plane of grey values"
    pixels = page.shape[0] * page.shape[1]
    if pixels > IMAGE_PIXELS_MAX or pixels * page.dtype.itemsize > _COMPRESSION_MAX * size_bytes:
        return f"claims {page.shape[0]} x {page.shape[1]} pixels, which its {size_bytes} bytes cannot hold"
    return None


def main(arguments: Sequence[str] | None = None) -> None:
    """Load everything, then serve until SIGTERM, SIGINT or the parent's death."""
    parser = argparse.ArgumentParser(prog="model_process", description="Runs BioImage.IO models with ONNX weights.")
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--models", type=Path, required=True)
    options = parser.parse_args(arguments)
    leave_on_signals()
    end_with_parent(options.socket)
    engine = Engine(options.models)
    service = LocalService(options.socket, engine.reply, limit_bytes=MESSAGE_LIMIT_BYTES)
    try:
        service.serve()
    finally:
        service.close()


if __name__ == "__main__":
    main()
