"""Holds the shipped model against the one real image at hand: foreground Dice, and objects found.

    python tools/nuclei_unet/evaluate.py

The image and its annotation are `img2d.tif` and `mask2d.tif` (DSB2018 nuclei) of the package stardist, extra `demo`.
Objects are matched at an intersection over union of at least 0.5. Also runs `bioimageio test`, which proves that the
weights give their stored output again, and nothing about accuracy.
"""

from __future__ import annotations

import importlib.util
import io
import json
from pathlib import Path

import numpy as np
import tifffile

from cisterna.adapters.model_engine import Engine
from cisterna.adapters.model_package import read_package

HERE = Path(__file__).resolve().parents[2] / "models"


def scores(found: np.ndarray, wanted: np.ndarray) -> dict[str, float | int]:
    """Compare label images, y x."""
    inside, truth = found > 0, wanted > 0
    dice = 2 * (inside & truth).sum() / (inside.sum() + truth.sum())
    pairs, overlap = np.unique(np.stack([found[inside & truth], wanted[inside & truth]]), axis=1, return_counts=True)
    found_sizes, wanted_sizes = np.bincount(found.ravel()), np.bincount(wanted.ravel())
    union = found_sizes[pairs[0]] + wanted_sizes[pairs[1]] - overlap
    matched = int((overlap / union >= 0.5).sum())
    count_found, count_wanted = len(np.unique(found[inside])), len(np.unique(wanted[truth]))
    return {
        "dice": round(float(dice), 4),
        "objects_annotated": count_wanted,
        "objects_found": count_found,
        "matched_at_iou_0.5": matched,
        "f1_at_iou_0.5": round(2 * matched / (count_found + count_wanted), 4),
    }


def main() -> None:
    """Print one JSON document."""
    spec = importlib.util.find_spec("stardist")
    assert spec is not None
    assert spec.submodule_search_locations is not None, "install the extra `demo`"
    images = Path(next(iter(spec.submodule_search_locations))) / "data" / "images"
    engine = Engine(HERE)
    package = read_package(HERE / "nuclei-unet", name="nuclei-unet")
    answer = engine.segment(package, (images / "img2d.tif").read_bytes(), path="img2d.tif")
    found = tifffile.imread(io.BytesIO(answer.blobs[0])).astype(np.int64)
    wanted = tifffile.imread(images / "mask2d.tif").astype(np.int64)
    test = engine.test(package).content
    print(json.dumps({**scores(found, wanted), "bioimageio_test": test["status"]}))


if __name__ == "__main__":
    main()
