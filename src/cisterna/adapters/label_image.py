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
_EDGES = ndimage.generate_binary_structure(2, 1)


def label_objects(foreground: Probabilities, interior: Probabilities, *, threshold: float = 0.5) -> Labels:
    """Tell objects apart: each connected piece of interior is one, grown within the foreground that it lies in.

    A piece of foreground without interior (an object of a few pixels' width) is an object of its own. Growing never
    leaves a piece, so every object is connected (over edges, not corners).

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
    grown = _grow(seeds.astype(np.int32), inside)
    sizes = np.bincount(grown.ravel())
    kept = sizes >= SMALLEST_OBJECT_PIXELS
    kept[0] = False
    renumbered = np.zeros(len(sizes), np.int32)
    renumbered[kept] = np.arange(1, int(kept.sum()) + 1)
    labels: Labels = renumbered[grown]
    return labels


def _grow(seeds: Labels, inside: npt.NDArray[np.bool_]) -> Labels:
    """Give each foreground pixel to the nearest seed; what that tears off its object goes to one that it touches.

    Distance alone looks across gaps and around corners. Few pixels are torn off, so only those are filled, from the
    objects that they touch inward; every piece of foreground holds a seed, so that reaches them all.
    """
    nearest = ndimage.distance_transform_edt(seeds == 0, return_distances=False, return_indices=True)
    grown = np.where(inside, seeds[tuple(nearest)], 0)
    torn = False
    for number, place in enumerate(ndimage.find_objects(grown), start=1):
        if place is None:
            continue
        own = grown[place] == number
        parts, count = ndimage.label(own)
        if count > 1:
            torn = True
            seeded = np.unique(parts[seeds[place] == number])
            grown[place][own & ~np.isin(parts, seeded)] = 0
    if torn:
        _fill(grown, inside)
    return grown


def _fill(grown: Labels, inside: npt.NDArray[np.bool_]) -> None:
    """Give each gap, pixel by pixel from its edge, to what touches it over an edge: so no object is ever torn.

    A watershed that floods by cost alone may take pixels back that others were reached by.
    """
    gaps, _ = ndimage.label(inside & (grown == 0))
    for number, place in enumerate(ndimage.find_objects(gaps), start=1):
        box = tuple(slice(max(side.start - 1, 0), side.stop + 1) for side in place)
        objects, empty = grown[box], gaps[box] == number
        while empty.any():
            reached = ndimage.grey_dilation(objects, footprint=_EDGES)
            objects[empty] = reached[empty]
            empty &= objects == 0


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
    """Draw a PNG of at most 256 x 256 pixels, background black, neighbours in number in colours far apart."""
    step = max(1, -(-max(labels.shape) // _PREVIEW_SIDE))
    small = labels[::step, ::step]
    hue = (small.astype(np.uint32) * 2654435761) >> 8  # a multiplicative hash: neighbours in number differ in colour
    colour = np.stack([64 + (hue >> shift) % 176 for shift in (0, 7, 13)], axis=-1).astype(np.uint8)
    colour[small == 0] = 0
    with io.BytesIO() as file:
        Image.fromarray(colour).save(file, "PNG", compress_level=1)
        return file.getvalue()
