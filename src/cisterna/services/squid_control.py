"""The older way in which Squid microscopes write (squid-control): what its side files ask for.

Read from its source, as of May 2026: `configurations.xml` (modes with `Selected="1"`) and `acquisition parameters.json`
come first and name no wells. Images are `{t}/{region}_{i}_{j}_{k}_{channel}`, `.bmp` of 8 bits and `.tiff` of 16, where
i counts rows, j columns and k levels. `{t}/coordinates.csv`, one row a position as it was taken, is written when the
time point has ended, also when somebody stops it: it is the only marker, and says nothing of wells never reached.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product

from cisterna.domain.errors import InvalidInput
from cisterna.domain.untrusted import csv_rows, json_object, real_number, whole_number
from cisterna.ports.profile import Look

PARAMETERS = "acquisition parameters.json"
_COORDINATES = "coordinates.csv"
_AXES = ("Ny", "Nx", "Nz")
_MOST_OF_AXIS, _MOST_ROWS, _MOST_PLANNED = 100_000, 250_000, 1_000_000
_ROWS_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class ControlPlan:
    """What a run of the older dialect must hold.

    Attributes:
        stems: Of the images, without their extensions; None while no coordinates name a region.
        markers_missing: Coordinates that are not there yet.
        interval_seconds: Between two time points.
    """

    stems: tuple[str, ...] | None
    markers_missing: tuple[str, ...]
    interval_seconds: float


def control_plan(look: Look, channels: Iterable[str]) -> ControlPlan:
    """Put the plan together from parameters and coordinates. Raises `InvalidInput` and what `Look.read` raises."""
    parameters = json_object(look.read(PARAMETERS), PARAMETERS)
    rows, columns, levels = (_count(parameters, name) for name in _AXES)
    folders = [str(time) for time in range(_count(parameters, "Nt"))]
    names = {folder: f"{folder}/{_COORDINATES}" for folder in folders}
    there = [folder for folder in folders if names[folder] in look.listing.paths]
    regions = dict.fromkeys(region for folder in there for region in _regions(look, names[folder]))
    positions = list(_positions(regions, rows, columns, levels)) if regions else []
    channels = [channel.replace(" ", "_") for channel in channels]
    if len(positions) * len(folders) * len(channels) > _MOST_PLANNED:
        msg = f"{PARAMETERS} asks for more images than the {_MOST_PLANNED} that can be; look at the file"
        raise InvalidInput(msg, path=PARAMETERS)
    stems = [f"{folder}/{place}_{name}" for folder in folders for place in positions for name in channels]
    return ControlPlan(
        stems=tuple(stems) if regions else None,
        markers_missing=tuple(names[folder] for folder in folders if folder not in there),
        interval_seconds=real_number(parameters.get("dt(s)"), least=0, most=1e8) or 0.0,
    )


def _positions(regions: Iterable[str], rows: int, columns: int, levels: int) -> Iterator[str]:
    regions = list(regions)
    if rows * columns * levels * len(regions) > _MOST_PLANNED:
        msg = f"{PARAMETERS} asks for more positions than the {_MOST_PLANNED} that can be; look at the file"
        raise InvalidInput(msg, path=PARAMETERS)
    for region, i, j, k in product(regions, range(rows), range(columns), range(levels)):
        yield f"{region}_{i}_{j}_{k}"


def _regions(look: Look, path: str) -> Iterator[str]:
    columns = ("region", "i", "j", "k")
    rows = csv_rows(look.read(path, limit_bytes=_ROWS_BYTES), path, columns=columns, most=_MOST_ROWS)
    if not rows:
        msg = f"{path} has no rows, so the time point ended without a position; look at the file"
        raise InvalidInput(msg, path=path)
    for row in rows:
        region = row["region"]
        if not region or len(region) > 200 or "/" in region or not region.isprintable():
            msg = f"{path} names a region {region[:50]!r} that no file can be named for; look at the file"
            raise InvalidInput(msg, path=path)
        yield region


def _count(parameters: dict[str, object], name: str) -> int:
    number = whole_number(parameters.get(name), least=1, most=_MOST_OF_AXIS)
    if number is None:
        msg = f"{PARAMETERS} gives no whole number from 1 to {_MOST_OF_AXIS} for {name}; look at the file"
        raise InvalidInput(msg, path=PARAMETERS)
    return number
