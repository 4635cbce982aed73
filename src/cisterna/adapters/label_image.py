"""From a model's probabilities to a label image, its table row and a picture of it."""

from __future__ import annotations

import hashlib
import io
import uuid

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image
from scipy import ndimage

Probabilities = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int32]

SMALLEST_OBJECT_PIXELS = 16
"""Smaller ones are specks of noise at any magnification at which nuclei can be told apart."""
_PREVIEW_SIDE = 256


def label_objects(foreground: Probabilities, interior: Probabilities, *, threshold: float = 0.5) -> Labels:
    """Tell objects apart: each connected piece of interior is one, grown to the foreground nearest to it.

    A piece of foreground without interior (an object of a few pixels' width) is an object of its own.

    Args:
        foreground: y x, 0 to 1: the pixel is part of an object.
        interior: y x, 0 to 1: and away from every border of it.
        threshold: From which a probability counts as yes.

    Returns:
        y x, int32; 0 is background, objects are 1..n without gaps.
    """
    inside = foreground > threshold
    seeds, count = ndimage.label((interior > threshold) & inside)
    pieces, _ = ndimage.label(inside)
    seeded = np.unique(pieces[seeds > 0])
    lonely = inside & ~np.isin(pieces, seeded)
    extra, _ = ndimage.label(lonely)
    seeds = np.where(extra > 0, extra + count, seeds)
    if not seeds.any():
        return np.zeros(foreground.shape, np.int32)
    nearest = ndimage.distance_transform_edt(seeds == 0, return_distances=False, return_indices=True)
    grown = np.where(inside, seeds[tuple(nearest)], 0)
    sizes = np.bincount(grown.ravel())
    kept = sizes >= SMALLEST_OBJECT_PIXELS
    kept[0] = False
    renumbered = np.zeros(len(sizes), np.int32)
    renumbered[kept] = np.arange(1, int(kept.sum()) + 1)
    labels: Labels = renumbered[grown]
    return labels


def encode_labels(labels: Labels) -> bytes:
    """Write an OME-TIFF, y x, uint16 (uint32 above 65,535 objects), compressed; the same labels give the same bytes."""
    kind = np.uint16 if int(labels.max(initial=0)) <= np.iinfo(np.uint16).max else np.uint32
    pixels = labels.astype(kind)
    identity = uuid.UUID(bytes=hashlib.sha256(pixels.tobytes()).digest()[:16], version=5)  # not a new one each time
    with io.BytesIO() as file:
        tifffile.imwrite(
            file,
            pixels,
            ome=True,
            metadata={"axes": "YX", "UUID": f"urn:uuid:{identity}", "Creator": "Cisterna"},
            compression="zlib",
            datetime=False,
            software=False,
        )
        return file.getvalue()


def draw_labels(labels: Labels) -> bytes:
    """Draw a PNG of at most 256 x 256 pixels, each object in a colour of its own, borders dark."""
    step = max(1, -(-max(labels.shape) // _PREVIEW_SIDE))
    small = labels[::step, ::step]
    hue = (small.astype(np.uint32) * 2654435761) >> 8  # a multiplicative hash: neighbours in number differ in colour
    colour = np.stack([64 + (hue >> shift) % 176 for shift in (0, 7, 13)], axis=-1).astype(np.uint8)
    colour[small == 0] = 0
    with io.BytesIO() as file:
        Image.fromarray(colour).save(file, "PNG", compress_level=1)
        return file.getvalue()
