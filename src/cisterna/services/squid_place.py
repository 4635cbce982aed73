"""Where Squid's stage was and when: each time point's own `coordinates.csv`, in the newer and the older dialect."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import datetime

from cisterna.domain.errors import CisternaError
from cisterna.domain.untrusted import csv_rows
from cisterna.ports.profile import Look, StagePlace

_NAME = "coordinates.csv"
_NEW, _OLD = ("region", "fov", "z_level"), ("region", "i", "j", "k")
_READINGS = ("x (mm)", "y (mm)", "z (um)", "time")
_TIME = "%Y-%m-%d_%H-%M-%S.%f"
_BEGINNING = datetime(1970, 1, 1)  # noqa: DTZ001 - Squid writes the time of its own clock, without a zone
_MOST_ROWS, _MOST_FILES, _ROWS_BYTES = 250_000, 10_000, 64 * 1024 * 1024
_FURTHEST_UM = 1e7

SquidPlaces = Mapping[tuple[int, str, str, int], StagePlace]
"""By time point, region, field and level, as the names of images have them, numbers without zeros before them."""


def squid_places(look: Look) -> SquidPlaces:
    """Read all of them; a file that cannot be read, or a cell that is no number, tells nothing."""
    found: dict[tuple[int, str, str, int], StagePlace] = {}
    folders = [path.partition("/")[0] for path in look.listing.paths if path.partition("/")[2] == _NAME]
    times = sorted(int(folder) for folder in folders if folder.isdecimal() and len(folder) < 10)
    names = {int(folder): folder for folder in folders if folder.isdecimal() and len(folder) < 10}
    for time in times[:_MOST_FILES]:
        for key, place in _rows(look, f"{names[time]}/{_NAME}"):
            found[(time, *key)] = place
        if len(found) > _MOST_ROWS:
            break
    return found


def plain_field(text: str) -> str:
    """Write a field's number, or its row and column, without zeros before it."""
    return "_".join(str(int(part)) if part.isdecimal() else part for part in text.split("_"))


def _rows(look: Look, path: str) -> Iterator[tuple[tuple[str, str, int], StagePlace]]:
    try:
        body = look.read(path, limit_bytes=_ROWS_BYTES)
    except CisternaError:
        return
    for keys in (_NEW, _OLD):
        try:
            rows = csv_rows(body, path, columns=(*keys, *_READINGS), most=_MOST_ROWS)
        except CisternaError:
            continue
        for row in rows:
            *field, level = (row[name].strip() for name in keys[1:])
            if level.isdecimal() and len(level) < 10 and all(part.isdecimal() and len(part) < 10 for part in field):
                key = (row["region"], plain_field("_".join(field)), int(level))
                yield key, _place(*(row[name] for name in _READINGS))
        return


def _place(x_mm: str, y_mm: str, z_um: str, time: str) -> StagePlace:
    return StagePlace(
        x_um=_number(x_mm, 1000.0), y_um=_number(y_mm, 1000.0), z_um=_number(z_um, 1.0), seconds=_seconds(time)
    )


def _number(text: str, factor: float) -> float | None:
    try:
        value = factor * float(text) if len(text) <= 40 else math.nan
    except ValueError:
        return None
    return value if abs(value) <= _FURTHEST_UM else None


def _seconds(text: str) -> float | None:
    try:
        return (datetime.strptime(text.strip(), _TIME) - _BEGINNING).total_seconds()  # noqa: DTZ007 - see above
    except ValueError:
        return None
