"""How a model is run on archived images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from cisterna.domain.base import Value


class ModelCard(Value):
    """What is known of a model that may run.

    Attributes:
        name, version: As its BioImage.IO `rdf.yaml` says.
        sha256: Of the package, pinned when it was admitted.
        trained_on: In words, from the package.
        channels: Regular expression that the names of the channels it is for match; None is any channel.
    """

    name: str
    version: str
    sha256: str
    description: str
    trained_on: str = ""
    licence: str | None = None
    channels: str | None = None


class Labelled(Value):
    """A label image and what was counted in it.

    Attributes:
        label_tiff: An OME-TIFF, y x, uint16 or uint32; 0 is background, objects are 1..n.
        object_count: n.
        area_px_mean: Mean area of an object in pixels; None when there is none.
        preview: A PNG of at most 256 x 256 pixels.
    """

    path: str
    label_tiff: bytes
    object_count: int
    area_px_mean: float | None
    preview: bytes


class InferenceRunner(Protocol):
    """Runs one model; the model's process is not ours and may die."""

    def models(self) -> Sequence[str]:
        """Name the admitted models."""
        ...

    def card(self, model: str) -> ModelCard:
        """Describe an admitted model. Raises `NotFound`."""
        ...

    def segment(self, model: ModelCard, *, body: bytes, path: str) -> Labelled:
        """Run the model on one image file's bytes; the card pins which model, so that no other one answers for it.

        Raises:
            InferenceUnavailable: The process did not answer; try again later.
            InferenceFailed: The image does not fit the model, or the output is not what the model promises.
            NotFound, Conflict, InvalidInput: The model is gone, is another one by now, or cannot be loaded.
        """
        ...
