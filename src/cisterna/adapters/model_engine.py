"""Runs admitted models on images, one image at a time: bytes in, label image out."""

from __future__ import annotations

import itertools
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cisterna.adapters.image_planes import NotRead, Unreadable, planes
from cisterna.adapters.label_image import draw_labels, encode_labels, label_objects
from cisterna.adapters.local_service import Message, one_line
from cisterna.adapters.model_package import Package
from cisterna.domain.errors import CisternaError, InferenceFailed, InvalidInput

if TYPE_CHECKING:
    from cisterna.adapters.model_session import ModelSession

PIXELS_MAX = 64 * 1024 * 1024
"""8192 x 8192: about 3 GiB while it is being worked on."""
_PIXEL_BYTES_MAX = 8


class Engine:
    """Loaded models; making one loads what runs them, which takes seconds.

    Args:
        models: Folder of the admitted packages; what the vendor keeps lies beside them.
        threads: At most these work on one image.
    """

    def __init__(self, models: Path, *, threads: int = 1) -> None:
        os.environ["BIOIMAGEIO_CACHE_PATH"] = str(models / ".cache")
        os.environ["TQDM_DISABLE"] = "1"
        from cisterna.adapters import model_session

        self._vendor = model_session
        self._threads = threads
        self._sessions: dict[str, tuple[str, ModelSession]] = {}
        self._lock = threading.Lock()
        self.name = model_session.NAME

    def warm(self, package: Package) -> None:
        """Load a model, so that the first image does not wait for it. Raises `InvalidInput`."""
        with self._lock:
            self._session(package)

    def segment(self, package: Package, body: bytes, *, path: str) -> Message:
        """Run a model on one image.

        Raises:
            InferenceFailed: The image does not fit, or the output is not what the package promises.
            InvalidInput: The package cannot be loaded.
        """
        with self._lock:  # one image in memory at a time, whoever else waits
            session = self._session(package)
            try:
                image = read_image(body, path=path)
                result = session.predict(image)
                _require_promised(package, result, image.shape, path=path)
                labels = label_objects(result[0, package.foreground], result[0, package.interior])
                sizes = np.bincount(labels.ravel())[1:]
                facts = {"object_count": len(sizes), "area_px_mean": float(sizes.mean()) if len(sizes) else None}
                return Message(facts, [encode_labels(labels), draw_labels(labels)])
            except CisternaError:
                raise
            except Exception as error:  # whatever a model does with an image is about this image
                msg = f"{package.name} could not be run on {path}: {one_line(error)}"
                raise InferenceFailed(msg, model=package.name, path=path) from error

    def test(self, package: Package) -> Message:
        """Compare a model with its own stored output, as `bioimageio test` does."""
        with self._lock:
            status, words = self._vendor.reproduce(package.folder)
        return Message({"status": status, "summary": words[:100_000]})

    def _session(self, package: Package) -> ModelSession:
        known = self._sessions.get(package.name)
        if known is not None and known[0] == package.sha256:
            return known[1]
        try:
            session = self._vendor.ModelSession(package.folder, threads=self._threads)
        except Exception as error:  # a vendor's loader fails in many ways; all of them are the package's
            msg = f"the model {package.name} cannot be loaded ({one_line(error)}); test it with `cisterna model test`"
            raise InvalidInput(msg, model=package.name) from error
        self._sessions[package.name] = (package.sha256, session)
        return session


def read_image(body: bytes, *, path: str) -> np.ndarray[Any, np.dtype[Any]]:
    """Read an image file of one plane of grey values, y x, of a bounded size. Raises `InferenceFailed`."""
    try:
        found = list(itertools.islice(planes(memoryview(body), limit_bytes=PIXELS_MAX * _PIXEL_BYTES_MAX), 2))
    except (NotRead, Unreadable) as refusal:
        raise InferenceFailed(f"{path}: {refusal}", path=path) from refusal
    if len(found) != 1:
        raise InferenceFailed(f"{path} is not one plane of grey values; the model takes one at a time", path=path)
    image = found[0]
    if image.size > PIXELS_MAX:
        raise InferenceFailed(f"{path} has {image.size:,} pixels; at most {PIXELS_MAX:,} are taken at once", path=path)
    if image.dtype.kind == "f" and not np.isfinite(image).all():
        raise InferenceFailed(f"{path} holds values that are no numbers", path=path)
    return image


def _require_promised(package: Package, result: np.ndarray[Any, Any], shape: tuple[int, ...], *, path: str) -> None:
    """Hold a result, b c y x, to what the package promises."""
    places = (package.foreground, package.interior)
    if result.ndim != 4 or result.shape[0] != 1 or result.shape[2:] != shape or max(places) >= result.shape[1]:
        msg = f"{package.name} gave {result.shape} for {path} of {shape}; its package promises probabilities, b c y x"
        raise InferenceFailed(msg, model=package.name, path=path)
    if not np.isfinite(result).all():
        msg = f"{package.name} gave values that are no numbers for {path}"
        raise InferenceFailed(msg, model=package.name, path=path)
