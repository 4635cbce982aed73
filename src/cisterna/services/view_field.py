"""Sorts an archived version's images into fields of view, and says which folder of the view each is written to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from cisterna.domain.errors import InvalidInput
from cisterna.metadata import ngff
from cisterna.ports.view import Block
from cisterna.services.derived import Row, Source

FOLDER = "view.ome.zarr"
"""Of the data: what a viewer opens."""


@dataclass(frozen=True, slots=True)
class Field:
    """The images of one field of view, and the folder that they are written to.

    Attributes:
        images: Rows by time, channel and z, as the files' names say them.
    """

    region: str
    name: str
    folder: str
    images: Mapping[tuple[int, str, int], Row]

    @property
    def times(self) -> list[int]:
        """Times that any image is of."""
        return sorted({t for t, _, _ in self.images})

    @property
    def channels(self) -> list[str]:
        """Channels that any image is of."""
        return sorted({channel for _, channel, _ in self.images})

    @property
    def levels(self) -> list[int]:
        """Levels of z that any image is of."""
        return sorted({z for _, _, z in self.images})

    def rows(self, block: Block) -> list[Row]:
        """Give the images of a block, by z."""
        t, channel = self.times[block.t], self.channels[block.c]
        return [self.images[t, channel, z] for z in self.levels[block.z_start : block.z_stop]]

    def gap(self) -> str | None:
        """Say which image there should be and is not."""
        for t, channel, z in product(self.times, self.channels, self.levels):
            if (t, channel, z) not in self.images:
                return f"its field has no readable image of channel {channel}, z {z}, time {t}"
        return None


def fields_of(source: Source) -> list[Field]:
    """Sort the images into fields of view, and give each its place: in a plate, or in a row of numbered images.

    Raises:
        InvalidInput: No image says where it belongs.
    """
    found: dict[tuple[str, str], dict[tuple[int, str, int], Row]] = {}
    for row in source.images():
        if row["region"] is not None and row["field"] is not None:
            place = (int(row["t"] or 0), str(row["channel"]), int(row["z"] or 0))
            found.setdefault((str(row["region"]), str(row["field"])), {})[place] = row
    if not found:
        msg = (
            f"no image of {source.version.version_id} says in its name where it belongs (region, field, channel); "
            "there is nothing to arrange for a viewer"
        )
        raise InvalidInput(msg, version_id=source.version.version_id)
    is_plate = all(ngff.well_of(region) for region, _ in found)
    counts: dict[str, int] = {}
    fields = []
    ordered = sorted(found, key=lambda key: (_natural(key[0]), _natural(key[1])))
    for number, (region, name) in enumerate(ordered):
        well, taken = ngff.well_of(region), counts.get(region, 0)
        counts[region] = taken + 1
        folder = f"{well[0]}/{well[1]}/{taken}" if is_plate and well else str(number)
        fields.append(Field(region, name, f"{FOLDER}/{folder}", found[region, name]))
    return fields


def _natural(name: str) -> tuple[int, str]:
    """Sort numbers by their value, whatever else comes after them."""
    return (int(name), "") if name.isdecimal() and len(name) < 10 else (10**9, name)


def documents_above(fields: Sequence[Field], *, is_plate: bool) -> Iterator[tuple[str, ngff.Document]]:
    """Give the documents of the folders that hold the images."""
    wells: dict[tuple[str, str], list[str]] = {}
    for one in fields:
        well = ngff.well_of(one.region)
        if well is not None:
            wells.setdefault(well, []).append(one.folder.rpartition("/")[2])
    if not is_plate:
        yield "zarr.json", ngff.collection()
        yield "OME/zarr.json", ngff.series([one.folder.rpartition("/")[2] for one in fields])
        return
    yield "zarr.json", ngff.plate(list(wells), fields=max(map(len, wells.values())))
    for row in sorted({row for row, _ in wells}):
        yield f"{row}/zarr.json", ngff.group()
    for (row, column), images in wells.items():
        yield f"{row}/{column}/zarr.json", ngff.well(images)
