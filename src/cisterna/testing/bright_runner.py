"""A runner of models without a model, for tests of what comes before and after it."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tifffile

from cisterna.domain.errors import Conflict, InferenceFailed, InferenceUnavailable, NotFound
from cisterna.ports.inference import Labelled, ModelCard

_PREVIEW = b"\x89PNG\r\n\x1a\n"


class BrightRunner:
    """Implements `ports.inference.InferenceRunner`: each connected bright region is an object. Fails when told to.

    Args:
        cards: The admitted models.
        unavailable: How many images from now on get no answer.
        before: Called with a path before each image, so that a test can let something happen then.

    Attributes:
        admitted: The admitted models by name; a test may replace one.
        segmented: Paths it was asked for, in order, also those that failed.
    """

    def __init__(
        self,
        cards: Sequence[ModelCard],
        *,
        unavailable: int = 0,
        before: Callable[[str], None] = lambda _path: None,
    ) -> None:
        self.admitted: dict[str, ModelCard] = {card.name: card for card in cards}
        self.unavailable = unavailable
        self.before = before
        self.segmented: list[str] = []

    def models(self) -> Sequence[str]:
        """Name the admitted models."""
        return sorted(self.admitted)

    def card(self, model: str) -> ModelCard:
        """Describe an admitted model. Raises `NotFound`."""
        if model not in self.admitted:
            raise NotFound(f"there is no model '{model}'", model=model)
        return self.admitted[model]

    def segment(self, model: ModelCard, *, body: bytes, path: str) -> Labelled:
        """Label what is brighter than half of the brightest. Raises as the port says."""
        self.segmented.append(path)
        self.before(path)
        if self.unavailable > 0:
            self.unavailable -= 1
            raise InferenceUnavailable("the model process does not answer, as this test wants it")
        if self.card(model.name).sha256 != model.sha256:
            raise Conflict(f"the model {model.name} is not the one that was asked for", model=model.name)
        labels, count = _regions(_read(body, path))
        with io.BytesIO() as file:
            tifffile.imwrite(file, labels.astype(np.uint16), ome=True, metadata={"axes": "YX", "UUID": "urn:uuid:0"})
            tiff = file.getvalue()
        area = float((labels > 0).sum() / count) if count else None
        return Labelled(path=path, label_tiff=tiff, object_count=count, area_px_mean=area, preview=_PREVIEW)


def make_card(name: str = "bright", **fields: object) -> ModelCard:
    """Make a card; its channels are those whose name holds `DAPI`."""
    made: Mapping[str, object] = {
        "name": name,
        "version": "1.0",
        "sha256": name.encode().hex().ljust(64, "0")[:64],
        "description": f"{name}, for tests",
        "channels": "(?i)dapi",
        **fields,
    }
    return ModelCard.model_validate(made)


def _read(body: bytes, path: str) -> np.ndarray:
    try:
        image: np.ndarray = tifffile.imread(io.BytesIO(body))
    except Exception as error:
        raise InferenceFailed(f"{path} cannot be read ({type(error).__name__})", path=path) from error
    if image.ndim != 2 or (image.dtype.kind == "f" and not np.isfinite(image).all()):
        raise InferenceFailed(f"{path} is not one plane of grey values", path=path)
    return np.asarray(image)


def _regions(image: np.ndarray) -> tuple[np.ndarray, int]:
    """Label bright regions, edge to edge: every pixel takes the least label around it until nothing changes."""
    inside = image > max(float(image.max()) / 2, 1.0)
    labels = np.where(inside, np.arange(1, image.size + 1).reshape(image.shape), 0)
    while True:
        spread = np.pad(labels, 1)
        around = np.stack(
            [spread[1:-1, 1:-1], spread[:-2, 1:-1], spread[2:, 1:-1], spread[1:-1, :-2], spread[1:-1, 2:]]
        )
        least = np.where(around > 0, around, image.size + 1).min(axis=0)
        least = np.where(inside, least, 0)
        if np.array_equal(least, labels):
            break
        labels = least
    numbers = np.unique(labels[inside])
    return np.searchsorted(np.concatenate([[0], numbers]), labels), len(numbers)
