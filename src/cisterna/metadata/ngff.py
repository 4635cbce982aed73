"""The documents of OME-Zarr: pure mappings. https://ngff.openmicroscopy.org/0.5/"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from cisterna.ports.view import FieldOfView

NGFF = "0.5"
_WELL = re.compile(r"([A-Z]{1,2})(0*)([1-9][0-9]{0,2})")
_COLOURS = ("FFFFFF", "00FF00", "FF00FF", "00FFFF", "FFFF00", "FF0000", "0000FF")
"""For channels in turn; a viewer's user picks others. No colour is read out of a channel's name."""

Document = Mapping[str, object]


def group(ome: Mapping[str, object] | None = None) -> Document:
    """Give the `zarr.json` of a group, with what OME-Zarr says of it."""
    attributes = {"ome": {"version": NGFF, **ome}} if ome is not None else {}
    return {"zarr_format": 3, "node_type": "group", "attributes": attributes}


def well_of(region: str) -> tuple[str, str] | None:
    """Read a region as row and column of a plate: `A1`, `AF048`; None for another name."""
    found = _WELL.fullmatch(region)
    return (found[1], found[3]) if found else None


def plate(wells: Sequence[tuple[str, str]], *, fields: int) -> Document:
    """Describe a plate by the wells that were imaged; rows and columns without any are left out.

    Args:
        wells: Row and column of each.
        fields: Most fields that a well has.
    """
    rows = sorted({row for row, _ in wells}, key=lambda row: (len(row), row))
    columns = sorted({column for _, column in wells}, key=int)
    ordered = sorted(set(wells), key=lambda well: (rows.index(well[0]), columns.index(well[1])))
    return group(
        {
            "plate": {
                "rows": [{"name": row} for row in rows],
                "columns": [{"name": column} for column in columns],
                "field_count": fields,
                "wells": [
                    {"path": f"{row}/{column}", "rowIndex": rows.index(row), "columnIndex": columns.index(column)}
                    for row, column in ordered
                ],
            }
        }
    )


def well(images: Sequence[str]) -> Document:
    """Describe a well by the folders of its fields."""
    return group({"well": {"images": [{"path": path} for path in images]}})


def collection() -> Document:
    """Describe a folder of numbered images that are no plate (`bioformats2raw.layout` 3)."""
    return group({"bioformats2raw.layout": 3})


def series(images: Sequence[str]) -> Document:
    """Name the images of a collection, for its group `OME`."""
    return group({"series": list(images)})


def image(field: FieldOfView, *, levels: int, windows: Sequence[tuple[float, float]]) -> Document:
    """Describe one image: axes, the place of each resolution, and how its channels may be shown.

    Each resolution has half the rows and columns of the one before. A pixel of it lies in the middle of those it was
    made from, so its origin moves: by (2^k - 1) / 2 pixels of full resolution at level k.

    Args:
        field: What the image is.
        levels: How many resolutions there are, the full one included.
        windows: Least and greatest value of each channel.
    """
    space = {"type": "space", "unit": "micrometer"} if field.pixel_size_um else {"type": "space"}
    depth = {"type": "space", "unit": "micrometer"} if field.z_step_um else {"type": "space"}
    channels = [
        {
            "label": name,
            "color": _COLOURS[number % len(_COLOURS)] if len(field.channels) > 1 else _COLOURS[0],
            "active": True,
            "window": {"min": low, "max": high, "start": low, "end": high},
        }
        for number, (name, (low, high)) in enumerate(zip(field.channels, windows, strict=True))
    ]
    return group(
        {
            "multiscales": [
                {
                    "axes": [
                        {"name": "t", "type": "time"},
                        {"name": "c", "type": "channel"},
                        {"name": "z", **depth},
                        {"name": "y", **space},
                        {"name": "x", **space},
                    ],
                    "datasets": [_level(field, number) for number in range(levels)],
                    "type": "mean",
                    "metadata": {
                        "description": "Each pixel is the mean of two rows by two columns of the resolution before, "
                        "halves rounded up; where a row or column is left over, it counts twice."
                    },
                }
            ],
            "omero": {"channels": channels},
        }
    )


def _level(field: FieldOfView, number: int) -> dict[str, object]:
    pixel, step = field.pixel_size_um or 1.0, field.z_step_um or 1.0
    size, shift = pixel * 2**number, pixel * (2**number - 1) / 2
    transformations: list[dict[str, object]] = [{"type": "scale", "scale": [1.0, 1.0, step, size, size]}]
    if number:
        transformations.append({"type": "translation", "translation": [0.0, 0.0, 0.0, shift, shift]})
    return {"path": str(number), "coordinateTransformations": transformations}
