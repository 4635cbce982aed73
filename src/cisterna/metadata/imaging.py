"""What is known of the images: what the acquisition says of them, and what their names count up to."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import JsonValue

from cisterna.domain.text import cut_line
from cisterna.metadata.record import ImagingFacts
from cisterna.ports.profile import Described, Plane


def imaging_of(described: Described | None, planes: Iterable[Plane], images: int | None) -> ImagingFacts | None:
    """Join what the acquisition says of its images with what their names count up to; counts win."""
    counted = _counts(planes)
    if described is None and not images:
        return None
    named = _texts(described, "channels") or counted.pop("channels", ())
    counted.pop("channels", None)
    facts = ImagingFacts.model_validate(
        {
            "channels": named,
            "objective": _text(described, "objective"),
            "magnification": _positive(described, "magnification"),
            "numerical_aperture": _positive(described, "numerical_aperture"),
            "pixel_size_um": _positive(described, "pixel_size_um"),
            "z_step_um": _positive(described, "z_step_um"),
            "images": images,
            "z_planes": _whole(described, "z_levels"),
            "timepoints": _whole(described, "time_points"),
            "regions": _whole(described, "scenes"),
            **counted,
        }
    )
    return None if facts == ImagingFacts() else facts


def _text(described: Described | None, name: str) -> str | None:
    value = described.fields.get(name) if described else None
    return cut_line(value) if isinstance(value, str) else None


def _texts(described: Described | None, name: str) -> tuple[str, ...]:
    value: JsonValue = described.fields.get(name) if described else None
    if not isinstance(value, list):
        return ()
    texts = (cut_line(one) for one in value[:200] if isinstance(one, str))
    return tuple(text for text in texts if text)


def _positive(described: Described | None, name: str) -> float | None:
    value = described.fields.get(name) if described else None
    usable = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e6
    return float(value) if usable and isinstance(value, int | float) else None


def _whole(described: Described | None, name: str) -> int | None:
    value = _positive(described, name)
    return int(value) if value is not None and value.is_integer() else None


def _counts(planes: Iterable[Plane]) -> dict[str, object]:
    fields: dict[str, set[str]] = {}
    channels: dict[str, None] = {}
    levels: set[int] = set()
    times: set[int] = set()
    for plane in planes:
        fields.setdefault(plane.region, set()).add(plane.field)
        channels[plane.channel] = None
        levels.add(plane.z)
        times.add(plane.t)
    if not fields:
        return {}
    named = (cut_line(channel) for channel in list(channels)[:200])
    return {
        "channels": tuple(channel for channel in named if channel),
        "regions": len(fields),
        "fields": max(map(len, fields.values())),
        "z_planes": len(levels),
        "timepoints": len(times),
    }
