"""CODEX multiplexed imaging (Akoya): a folder `src_*` of cycles, read from HuBMAP's description of such folders.

`cyc001_reg001_*/1_00001_Z001_CH1.tif` is region, tile, level and channel of a cycle of staining. `experiment.json` says
how many there are of each, in the words of older software (`numCycles`) or of newer (`num_cycles`); `channelNames.txt`
names the stain of every channel of every cycle. Nothing marks the end: the count tells that all is there, and silence
that nothing more comes. Between two cycles the fluidics work, so a run is silent for an hour by plan. The name of a
folder ends in the date and time at which its region was begun (`_YYMMDD_HHMMSS`), where no converter has cut it off.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice, product

from pydantic import JsonValue

from cisterna.domain.acquisition import Evidence
from cisterna.domain.delivered import DeliveredDigests
from cisterna.domain.errors import CisternaError, InvalidInput, NotFound
from cisterna.domain.listing import SeenFile
from cisterna.domain.tiff_header import tiff_fault
from cisterna.domain.untrusted import json_object, plain_text, real_number, whole_number
from cisterna.ports.profile import Described, Look, Plane, StagePlace, Stretch
from cisterna.services.file_evidence import file_faults

_IMAGE = re.compile(
    r"(?:[^/]+/)?cyc(?P<cycle>\d{1,4})_reg(?P<region>\d{1,4})(?P<rest>[^/]*)/"
    r"(?P<own_region>\d{1,4})_(?P<tile>\d{1,6})_Z(?P<z>\d{1,4})_CH(?P<channel>\d{1,3})\.tiff?",
    re.IGNORECASE,
)
_STAMP = re.compile(r".*_(\d{6}_\d{6})", re.ASCII)
_BEGINNING = datetime(1970, 1, 1)  # noqa: DTZ001 - of the instrument's own clock, whose zone is not told
_EXPERIMENT, _NAMES = "experiment.json", "channelnames.txt"
_MOST_PLANNED, _MOST_NAMES, _NAMES_BYTES = 2_000_000, 10_000, 1024 * 1024
_CADENCE_SECONDS = 2 * 3600.0
_KEYS: dict[str, tuple[str, ...]] = {
    "cycles": ("num_cycles", "numCycles"),
    "regions": ("num_regions", "numRegions"),
    "levels": ("num_z_planes", "numZPlanes"),
    "channels": ("num_channels", "numChannels"),
    "width": ("region_width", "regionWidth"),
    "height": ("region_height", "regionHeight"),
}

_Place = tuple[int, int, int, int, int]
"""Cycle, region, tile, level, channel."""


@dataclass(frozen=True)
class _Plan:
    cycles: tuple[int, ...]
    regions: tuple[int, ...]
    tiles: int
    levels: int
    channels: int

    @property
    def image_count(self) -> int:
        return len(self.cycles) * len(self.regions) * self.tiles * self.levels * self.channels

    def places(self) -> Iterator[_Place]:
        tiles, levels, channels = (range(1, count + 1) for count in (self.tiles, self.levels, self.channels))
        yield from product(self.cycles, self.regions, tiles, levels, channels)


class Codex:
    """Implements `ports.profile.Profile`."""

    name = "codex"
    quiet_seconds = 600.0
    stalled_seconds = 24 * 3600.0
    later_digests = frozenset[str]()

    def claims(self, look: Look) -> bool:
        """Tell a run by the names of its images, or by both of its side files while there is none."""
        return any(map(_IMAGE.fullmatch, look.listing.paths)) or None not in (
            _side(look, _EXPERIMENT),
            _side(look, _NAMES),
        )

    def inspect(self, look: Look) -> Evidence:
        """Hold the count of `experiment.json` against the images there are."""
        side = _side(look, _EXPERIMENT)
        if side is None:
            absent = Evidence(expects=True, missing=(_EXPERIMENT,), missing_files=1)
            return absent.model_copy(update={"cadence_seconds": _CADENCE_SECONDS})
        try:
            content = json_object(look.read(side), side)
            plan = _plan(content, side)
        except CisternaError as fault:
            return Evidence(plan_fault=str(fault)[:1000], cadence_seconds=_CADENCE_SECONDS)
        images = {_place(match): file for file, match in _images(look)}
        missing = [place for place in plan.places() if place not in images]
        return Evidence(
            expects=True,
            expected_files=plan.image_count,
            missing=tuple(map(_shown, islice(missing, 20))),
            missing_files=len(missing),
            faults=() if missing else file_faults(look, images.values(), _fault),
            cadence_seconds=_CADENCE_SECONDS,
            notes=_notes(look, plan, beyond=len(images) - (plan.image_count - len(missing))),
        )

    def describe(self, look: Look) -> Described:
        """Read microscope, objective and stains; what cannot be read is left out."""
        said = _content(look)
        pixel_nm = real_number(_first(said, "per_pixel_XY_resolution", "xyResolution"), least=0.1, most=1e6)
        pitch_nm = real_number(said.get("zPitch"), least=0, most=1e6)
        found: dict[str, JsonValue | None] = {
            "experiment_id": plain_text(_first(said, "projName", "name")) or plain_text(look.folder),
            "magnification": real_number(said.get("magnification"), least=0.01, most=10_000),
            "numerical_aperture": real_number(_first(said, "numerical_aperture", "aperture"), least=0.001, most=3),
            "objective": plain_text(_first(said, "objectiveType")),
            "pixel_size_um": None if pixel_nm is None else round(pixel_nm / 1000, 6),
            "z_step_um": None if pitch_nm is None else round(pitch_nm / 1000, 6),
            "channels": list(_stains(look)[:500]),
            "cycles": _whole(said, "cycles"),
            "z_levels": _whole(said, "levels"),
            "software": "Akoya CODEX",
        }
        return Described(
            title=plain_text(look.folder) or "CODEX run",
            data_type="microscopy",
            fields={name: value for name, value in found.items() if value not in (None, [])},
            instrument_model=plain_text(_first(said, "microscope", "codex_instrument")),
        )

    def delivered(self, look: Look) -> DeliveredDigests:
        """Give none: CODEX writes no digests."""
        del look
        return {}

    def stretches(self, look: Look) -> Sequence[Stretch]:
        """Tell the regions of a cycle apart: a cycle's are taken one after another, and then the next cycle's."""
        held: dict[tuple[int, int], list[str]] = defaultdict(list)
        for file, match in _images(look):
            held[_place(match)[:2]].append(file.path)
        return [Stretch(tuple(held[one])) for one in sorted(held)]

    def places(self, look: Look) -> Mapping[str, StagePlace]:
        """Tell when images were taken: that their region of the cycle was begun is all that is recorded."""
        began: dict[str, float | None] = {}
        found: dict[str, StagePlace] = {}
        for file, match in _images(look):
            rest = match["rest"]
            if rest not in began:
                began[rest] = _began(rest)
            if (seconds := began[rest]) is not None:
                found[file.path] = StagePlace(seconds=seconds)
        return found

    def is_image(self, path: str) -> bool:
        """Tell tiles from overviews and from everything else."""
        return bool(_IMAGE.fullmatch(path))

    def plane(self, path: str) -> Plane | None:
        """Read region, tile, level and channel; a channel of another cycle is another channel."""
        match = _IMAGE.fullmatch(path)
        if match is None:
            return None
        cycle, region, tile, level, channel = _place(match)
        return Plane(region=f"reg{region:03}", field=str(tile), channel=f"cyc{cycle:03}_CH{channel}", z=level)


def _began(rest: str) -> float | None:
    """Read date and time out of the end of a folder's name; the clock is the instrument's, in its own zone."""
    stamp = _STAMP.fullmatch(rest)
    try:
        moment = datetime.strptime(stamp[1], "%y%m%d_%H%M%S") if stamp is not None else None  # noqa: DTZ007 - see above
    except ValueError:
        return None
    return (moment - _BEGINNING).total_seconds() if moment is not None else None


def _side(look: Look, name: str) -> str | None:
    """Find a side file, at the top or in the folder of the run below it; some software writes its name otherwise."""
    found = (path for path in look.listing.paths if path.count("/") <= 1 and path.split("/")[-1].lower() == name)
    return min(found, key=lambda path: (path.count("/"), path), default=None)


def _images(look: Look) -> Iterator[tuple[SeenFile, re.Match[str]]]:
    for file in look.listing.files:
        match = _IMAGE.fullmatch(file.path)
        if match is not None:
            yield file, match


def _place(match: re.Match[str]) -> _Place:
    cycle, region, tile, level, channel = (int(match[name]) for name in ("cycle", "region", "tile", "z", "channel"))
    return cycle, region, tile, level, channel


def _shown(place: _Place) -> str:
    cycle, region, tile, level, channel = place
    return f"cyc{cycle:03}_reg{region:03}/{region}_{tile:05}_Z{level:03}_CH{channel}.tif"


def _plan(content: Mapping[str, object], what: str) -> _Plan:
    """Put the plan together. Raises `InvalidInput`."""
    first = whole_number(content.get("cycle_lower_limit"), least=1, most=9999) or 1
    named = content.get("regIdx")
    regions = [whole_number(one, least=1, most=9999) for one in named[:9999]] if isinstance(named, list) else []
    if not regions or None in regions:
        regions = list(range(1, _required(content, "regions", what) + 1))
    channels = content.get("channel_names") or content.get("per_cycle_channel_names")
    counted = len(channels) if isinstance(channels, list) and _whole(content, "channels") is None else None
    plan = _Plan(
        cycles=tuple(range(first, first + _required(content, "cycles", what))),
        regions=tuple(dict.fromkeys(region for region in regions if region is not None)),
        tiles=_required(content, "width", what) * _required(content, "height", what),
        levels=_required(content, "levels", what),
        channels=counted or _required(content, "channels", what),
    )
    if plan.image_count > _MOST_PLANNED:
        msg = f"{what} asks for {plan.image_count} images, more than the {_MOST_PLANNED} that can be; look at the file"
        raise InvalidInput(msg, path=what)
    return plan


def _required(content: Mapping[str, object], key: str, what: str) -> int:
    number = _whole(content, key)
    if number is None:
        msg = f"{what} gives no whole number from 1 to 9999 for {' or '.join(_KEYS[key])}; look at the file"
        raise InvalidInput(msg, path=what)
    return number


def _whole(content: Mapping[str, object], key: str) -> int | None:
    return whole_number(_first(content, *_KEYS[key]), least=1, most=9999)


def _first(content: Mapping[str, object], *keys: str) -> object:
    return next((content[key] for key in keys if content.get(key) is not None), None)


def _notes(look: Look, plan: _Plan, *, beyond: int) -> tuple[str, ...]:
    notes, stains = [], len(_stains(look))
    if beyond:
        notes.append(f"{beyond} images are beyond what experiment.json tells, and are archived too")
    if stains not in (0, len(plan.cycles) * plan.channels):
        notes.append(
            f"channelNames.txt names {stains} stains for {len(plan.cycles)} cycles of {plan.channels} channels"
        )
    return tuple(notes)


def _stains(look: Look) -> tuple[str, ...]:
    """Read the stains, one a line; a file that cannot be read names none."""
    side = _side(look, _NAMES)
    if side is None:
        return ()
    try:
        lines = look.read(side, limit_bytes=_NAMES_BYTES).decode("utf-8-sig").splitlines()
    except (InvalidInput, NotFound, UnicodeDecodeError):
        return ()
    return tuple(name for line in lines[:_MOST_NAMES] if (name := plain_text(line, longest=200)) is not None)


def _content(look: Look) -> dict[str, object]:
    side = _side(look, _EXPERIMENT)
    try:
        return json_object(look.read(side), side) if side is not None else {}
    except (InvalidInput, NotFound):
        return {}


def _fault(look: Look, file: SeenFile) -> str | None:
    head = look.head(file.path, limit_bytes=512) if file.size_bytes else b""
    return tiff_fault(head, size_bytes=file.size_bytes)
