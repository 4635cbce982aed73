"""Reads OME-Zarr as others do: zarr-python for pixels, ome-zarr-models for what the documents say."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any


def opened(folder: Path) -> Any:
    """Open a group with zarr-python."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of packages that are not ours, at import
        import zarr
    return zarr.open_group(str(folder), mode="r")


def require_image(group: Any) -> None:
    """Hold an image against OME-NGFF 0.5: its document, and the arrays that it names. Raises when it does not fit."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from ome_zarr_models.v05.image import Image

        Image.from_zarr(group)


def require_plate(group: Any) -> None:
    """Hold a plate, its wells and its images against OME-NGFF 0.5."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from ome_zarr_models.v05.hcs import HCS

        hcs = HCS.from_zarr(group)
        assert list(hcs.well_groups)
