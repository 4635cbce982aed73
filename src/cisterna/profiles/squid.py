"""Squid microscopes: a folder `{id}_{date}_{time}` a run, as Cephla-Lab/Squid and the older squid-control write it.

What Squid promises, read from its source in November 2026 (for squid-control see `services.squid_control`):

- `coordinates.csv` (one row a field of view), `acquisition_channels.yaml` and `acquisition.yaml` are the plan, written
  before the first image; images are `{t}/{region}_{fov}_{z}_{channel}.tiff`.
- `.done`, in each time point and at the top, means *ended*: an aborted run gets one as well.
- Why it ended is in `run.json`, outside the folder and overwritten by the next run, and written before the top `.done`.
- `acquisition.log`, on by default, still grows for some seconds after the top `.done`, while the stage drives home.
- It can also save a file of all planes of a field and time point (`{t}/{region}_{fov}_stack.tiff`, appended to), an
  OME-TIFF a field (`ome_tiff/`, laid out in full before the first image, so its size says nothing), or Zarr v3
  (`plate.ome.zarr/{row}/{column}/{fov}` of wells, `zarr/{region}/fov_{n}.ome.zarr` or `acquisition.zarr` of others),
  where each image's group says in `_squid` whether its writing ended.
- A time lapse that falls behind its interval skips time points, and its end reason is `completed` all the same.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

import yaml
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring
from pydantic import JsonValue

from cisterna.domain.acquisition import EndReason, Evidence
from cisterna.domain.delivered import DeliveredDigests
from cisterna.domain.errors import CisternaError, InvalidInput, NotFound
from cisterna.domain.listing import SeenFile
from cisterna.domain.tiff_header import page_bytes, tiff_fault
from cisterna.domain.untrusted import csv_rows, json_object, plain_text, real_number, whole_number
from cisterna.ports.profile import Described, Look, Plane, StagePlace, Stretch
from cisterna.services.squid_control import PARAMETERS, ControlPlan, control_plan
from cisterna.services.squid_place import plain_field, squid_places
from cisterna.services.squid_stretch import squid_stretches
from cisterna.services.zarr_tree import ZarrArray, ZarrTree, chunk_note

_CHANNELS, _SUMMARY, _COORDINATES = "acquisition_channels.yaml", "acquisition.yaml", "coordinates.csv"
_OLD_CHANNELS = "configurations.xml"
_DONE, _LOG = ".done", "acquisition.log"
_FOLDER_NAME = re.compile(r"(?P<id>.+)(_\d{4}-\d{2}-\d{2}_\d{2}-\d{2}-\d{1,2}\.\d{6}|-\d{8}T\d{6})")
_UNSAFE_IN_CHANNEL = re.compile(r'[\s/\\:*?"<>|]+')  # Squid writes each such stretch of a channel's name as one "_"
_IMAGE = re.compile(r"\d+/[^/]+\.(tiff?|bmp|png)|ome_tiff/[^/]+\.ome\.tiff?", re.IGNORECASE)
_FOCUS_CAMERA = re.compile(r"_(focus_camera|laser af camera)\.bmp$", re.IGNORECASE)
_PLACE = re.compile(r"(?=_(\d{1,9})_(\d{1,9})_([^/]+)\.[^./]+$)")  # of no width, so that all places are found
_OLD_PLACE = re.compile(r"([A-Za-z]{1,2}\d{1,3}|\d{1,9})_(\d{1,6})_(\d{1,6})_(\d{1,6})_([^/]+)\.[^./]+")
_EXTENSIONS = (".tiff", ".tif", ".bmp", ".png")

_LOG_SETTLE_SECONDS = 5.0
_MOST_ROWS = 250_000
_MOST_PLANNED = 1_000_000
_MOST_HEADS = 2_000
_MOST_XML_BYTES = 1024 * 1024
_DEEPEST_YAML = 64
_MOST_YAML_EVENTS = 1_000_000


@dataclass(frozen=True)
class _Plan:
    """What the run said it would do."""

    fovs: dict[str, int]
    channels: tuple[str, ...]
    z_levels: int
    time_points: int
    interval_seconds: float
    saves_images: bool

    @property
    def image_count(self) -> int:
        if not self.saves_images:
            return 0
        return sum(self.fovs.values()) * self.z_levels * self.time_points * len(self.channels)

    def pages(self, mode: str) -> int:
        """Count the images that one file of a way of saving holds."""
        return {
            "stacks": self.z_levels * len(self.channels),
            "ome-tiff": self.z_levels * len(self.channels) * self.time_points,
        }.get(mode, 1)


class Squid:
    """Implements `ports.profile.Profile`. The instrument's setting `run_json` names Squid's `run.json`."""

    name = "squid"
    markers = (_DONE,)
    quiet_seconds = 30.0
    stalled_seconds = 3600.0
    later_digests = frozenset[str]()

    def claims(self, look: Look) -> bool:
        """Tell a Squid run by its side files, or by its folder's name while nothing is in it yet."""
        paths = look.listing.paths
        if paths & {_CHANNELS, _SUMMARY} or paths >= {_OLD_CHANNELS, PARAMETERS}:
            return True
        return bool(_FOLDER_NAME.fullmatch(look.folder))

    def inspect(self, look: Look) -> Evidence:
        """Hold the run's own plan, its markers and `run.json` against what is there."""
        paths = look.listing.paths
        if _is_old(look):
            return _held_against_control(look)
        marker = () if _DONE in paths else (_DONE,)
        absent = [name for name in (_COORDINATES, _CHANNELS) if name not in paths]
        if absent:
            return _with_end(
                Evidence(markers_missing=marker, expects=True, missing=tuple(absent), missing_files=len(absent)), look
            )
        try:
            plan = _plan(look)
        except CisternaError as fault:
            return _with_end(Evidence(markers_missing=marker, plan_fault=str(fault)), look)
        return _with_end(_held_against(plan, look), look)

    def describe(self, look: Look) -> Described:
        """Read title, objective, channels and plan; what cannot be read is left out."""
        summary = _content(look, _SUMMARY)
        named = _FOLDER_NAME.fullmatch(look.folder)
        title = (named["id"].replace("_", " ") if named else look.folder)[:500]
        return Described(
            title=title if title.isprintable() else "Squid acquisition",
            data_type="image_arrays" if _mode(look.listing.paths) == "zarr" else "microscopy",
            fields=_fields(look, summary),
            instrument_model="Cephla Squid",
            started_at=_started(summary),
        )

    def delivered(self, look: Look) -> DeliveredDigests:
        """Give none: Squid writes no digests."""
        del look
        return {}

    def stretches(self, look: Look) -> Sequence[Stretch]:
        """Tell fields and time points apart, where each image or stack is a file of its own.

        An OME-TIFF of a field is laid out in full before the first image and filled over the whole run, and chunks of
        Zarr may be written again: of those nothing is told before the end.
        """
        paths = look.listing.paths
        if _is_old(look):
            return squid_stretches(paths, fields=(), marker=_COORDINATES)
        if _mode(paths) not in {"images", "stacks"}:
            return ()
        try:
            plan = _plan(look)
        except CisternaError:
            return ()
        digits = _digits(paths)
        fields = [f"{region}_{fov:0{digits}}_" for region, count in plan.fovs.items() for fov in range(count)]
        return squid_stretches(paths, fields=fields, marker=_DONE)

    def places(self, look: Look) -> Mapping[str, StagePlace]:
        """Tell where the stage was, by each time point's own coordinates; all channels of a level have one time."""
        known = squid_places(look)
        found: dict[str, StagePlace] = {}
        for path in look.listing.paths if known else ():
            plane = self.plane(path)
            place = known.get((plane.t, plane.region, plain_field(plane.field), plane.z)) if plane else None
            if place is not None:
                found[path] = place
        return found

    def is_image(self, path: str) -> bool:
        """Tell images of the sample from the focus camera's and from everything else."""
        return bool(_IMAGE.fullmatch(path)) and not _FOCUS_CAMERA.search(path)

    def plane(self, path: str) -> Plane | None:
        """Read region, field, z and channel from `{t}/{region}_{fov}_{z}_{channel}.tiff`.

        The older `{well}_{i}_{j}_{k}_{channel}.bmp` has a field of rows and columns. A file of many planes has no place
        of its own.
        """
        folder, _, name = path.partition("/")
        if not (folder.isdecimal() and len(folder) < 10 and self.is_image(path)):
            return None
        old = _OLD_PLACE.fullmatch(name)
        if old is not None and not old[5].lower().startswith("nm"):
            return Plane(region=old[1], field=f"{old[2]}_{old[3]}", channel=old[5], z=int(old[4]), t=int(folder))
        for place in reversed(list(_PLACE.finditer(name))):
            # Regions and channels may hold numbers themselves. The last pair of numbers is the field and the level,
            # unless what follows shows that the second is a wavelength ("488_nm").
            if place.start() > 0 and not place[3].lower().startswith("nm"):
                return Plane(
                    region=name[: place.start()], field=place[1], channel=place[3], z=int(place[2]), t=int(folder)
                )
        return None


def _held_against(plan: _Plan, look: Look) -> Evidence:
    paths = look.listing.paths
    digits = _digits(paths)
    folders = [f"{time:0{digits}}" for time in range(plan.time_points)]
    markers = [_DONE] if _DONE not in paths else []
    markers += [f"{folder}/{_DONE}" for folder in folders if f"{folder}/{_DONE}" not in paths]
    mode = _mode(paths)
    if mode == "zarr" and plan.saves_images:
        return _held_against_zarr(plan, look, tuple(markers))
    expected = _expected(plan, folders, digits, mode)
    missing = [stem for stem in expected if not _is_there(stem, paths)]
    images = [
        file for file in look.listing.files if _IMAGE.fullmatch(file.path) and not _FOCUS_CAMERA.search(file.path)
    ]
    return Evidence(
        markers_missing=tuple(markers[:20]),
        expects=mode == "images",
        expected_files=len(expected),
        missing=tuple(stem + ".tiff" for stem in missing[:20]),
        missing_files=len(missing),
        faults=() if missing else tuple(islice(_faults(images, look, pages=plan.pages(mode)), 100)),
        settle_seconds=_LOG_SETTLE_SECONDS if _LOG in paths else 0.0,
        cadence_seconds=plan.interval_seconds,
        notes=_notes(plan, folders, paths, mode),
    )


def _digits(paths: frozenset[str]) -> int:
    """Tell how many digits numbers in names have at least: as many as the first time point's folder."""
    return next((len(path.split("/")[0]) for path in paths if re.match(r"0+/", path)), 1)


def _is_old(look: Look) -> bool:
    """Tell the dialect of squid-control, which no later Squid mixes with its own side files."""
    paths = look.listing.paths
    return _OLD_CHANNELS in paths and not paths & {_CHANNELS, _SUMMARY}


def _held_against_control(look: Look) -> Evidence:
    try:
        plan = control_plan(look, _modes(look.read(_OLD_CHANNELS, limit_bytes=_MOST_XML_BYTES)))
    except CisternaError as fault:
        return Evidence(plan_fault=str(fault)[:1000])
    notes = ("nothing tells the wells of a run of squid-control before they were visited",)
    if plan.stems is None:
        return _control_evidence(plan, notes)
    paths = look.listing.paths
    missing = [stem for stem in plan.stems if not _is_there(stem, paths)]
    images = [file for file in look.listing.files if _IMAGE.fullmatch(file.path)]
    faults = () if missing else tuple(islice(_faults(images, look), 100))
    return _control_evidence(plan, notes).model_copy(
        update={
            "expected_files": len(plan.stems),
            "missing": tuple(f"{stem}.bmp" for stem in missing[:20]),
            "missing_files": len(missing),
            "faults": faults,
        }
    )


def _control_evidence(plan: ControlPlan, notes: tuple[str, ...]) -> Evidence:
    return Evidence(
        markers_missing=plan.markers_missing[:20],
        expects=plan.stems is not None,
        cadence_seconds=plan.interval_seconds,
        notes=notes,
    )


def _modes(body: bytes) -> tuple[str, ...]:
    """Read the channels that were selected. Raises `InvalidInput`."""
    try:
        modes = [mode.get("Name") for mode in fromstring(body).iter("mode") if mode.get("Selected") == "1"]
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        msg = f"{_OLD_CHANNELS} is not the XML it must be ({type(error).__name__}); look at the file"
        raise InvalidInput(msg, path=_OLD_CHANNELS) from error
    names = [plain_text(name, longest=200) for name in modes]
    if not 0 < len(names) <= 100 or any(name is None or "/" in name for name in names):
        msg = f"{_OLD_CHANNELS} selects {len(names)} modes, or one without a usable name; look at the file"
        raise InvalidInput(msg, path=_OLD_CHANNELS)
    return tuple(dict.fromkeys(name for name in names if name is not None))


def _held_against_zarr(plan: _Plan, look: Look, markers: tuple[str, ...]) -> Evidence:
    """Hold the images that the plan asks for against the groups and arrays there are."""
    paths, tree = look.listing.paths, ZarrTree(look)
    expected = _zarr_arrays(plan, paths)
    missing = [path for path, group in expected if not (tree.has_node(path) and tree.has_node(group))]
    lacking = set(missing)
    arrays: list[tuple[str, ZarrArray]] = []
    faults: list[str] = []
    for path, group in expected[:_MOST_HEADS]:
        if path in lacking:
            continue
        try:
            arrays.append((path, tree.array(path)))
            state = tree.attributes(group).get("_squid")
        except NotFound:
            continue  # it went away since the listing, and the next look knows
        except InvalidInput as refusal:
            faults.append(str(refusal)[:500])
            continue
        if not (isinstance(state, dict) and state.get("acquisition_complete") is True):
            faults.append(f"{group} does not say that its writing ended")
    beyond = len(expected) - _MOST_HEADS
    return Evidence(
        markers_missing=markers[:20],
        expected_files=len(expected),
        missing=tuple(f"{path}/zarr.json" for path in missing[:20]),
        missing_files=len(missing),
        faults=() if missing else tuple(faults[:100]),
        settle_seconds=_LOG_SETTLE_SECONDS if _LOG in paths else 0.0,
        cadence_seconds=plan.interval_seconds,
        notes=(
            *chunk_note(arrays, tree),
            *((f"{beyond} of {len(expected)} arrays were not looked into",) if beyond > 0 else ()),
            "it was saved as zarr, where the plan does not tell every byte",
        ),
    )


def _zarr_arrays(plan: _Plan, paths: frozenset[str]) -> list[tuple[str, str]]:
    """Name each array that the plan asks for, and the group that says whether its writing ended."""
    fields = [(region, fov) for region, count in plan.fovs.items() for fov in range(count)]
    if any(path.startswith("plate.ome.zarr/") for path in paths):
        groups = [f"plate.ome.zarr/{_well(region)}/{fov}" for region, fov in fields]
    elif any(re.fullmatch(r"zarr/[^/]+/acquisition\.zarr/.+", path) for path in paths):
        return [(f"zarr/{region}/acquisition.zarr", f"zarr/{region}/acquisition.zarr") for region in plan.fovs]
    else:
        groups = [f"zarr/{region}/fov_{fov}.ome.zarr" for region, fov in fields]
    return [(f"{group}/0", group) for group in groups]


def _well(region: str) -> str:
    """Part a well's name into row and column, as Squid does: letters, then digits."""
    name = region.upper()
    row = "".join(sign for sign in name if sign.isalpha())
    return f"{row}/{''.join(sign for sign in name if sign.isdigit())}"


def _notes(plan: _Plan, folders: list[str], paths: frozenset[str], mode: str) -> tuple[str, ...]:
    notes = []
    present = {path.split("/")[0] for path in paths if "/" in path}
    skipped = [folder for folder in folders if folder not in present]
    if skipped and _DONE in paths and plan.interval_seconds > 0:
        notes.append(
            f"{len(skipped)} of {len(folders)} time points have no folder (Squid skips time points when it falls "
            f"behind its interval of {plan.interval_seconds:g} s)"
        )
    if mode != "images":
        notes.append(f"it was saved as {mode}, where the plan does not tell every byte")
    if not plan.saves_images:
        notes.append("it was run without saving images")
    return tuple(notes)


def _mode(paths: frozenset[str]) -> str:
    """Tell how Squid was set to save; no side file says it."""
    if any(path.startswith("ome_tiff/") for path in paths):
        return "ome-tiff"
    if any(path.startswith(("plate.ome.zarr/", "zarr/")) for path in paths):
        return "zarr"
    if any(path.endswith("_stack.tiff") for path in paths):
        return "stacks"
    return "images"


def _expected(plan: _Plan, folders: list[str], digits: int, mode: str) -> list[str]:
    """List the planned files without their extension, in the order in which Squid writes them."""
    if not plan.saves_images:
        return []
    fields = [(region, fov) for region, count in plan.fovs.items() for fov in range(count)]
    if mode == "ome-tiff":
        return [f"ome_tiff/{region}_{fov:0{digits}}.ome" for region, fov in fields]
    if mode == "stacks":
        return [f"{folder}/{region}_{fov:0{digits}}_stack" for folder in folders for region, fov in fields]
    return [
        f"{folder}/{region}_{fov:0{digits}}_{z:0{digits}}_{channel}"
        for folder in folders
        for region, fov in fields
        for z in range(plan.z_levels)
        for channel in plan.channels
    ]


def _is_there(stem: str, paths: frozenset[str]) -> bool:
    """Tell whether the file is there with one of Squid's extensions: 16 bits are TIFF, 8 bits as it was configured."""
    if any(stem + extension in paths for extension in _EXTENSIONS):
        return True
    # A colour channel "... RGB" may be written as three files of one colour each.
    return stem.endswith("RGB") and all(
        any(stem.removesuffix("RGB") + colour + extension in paths for extension in _EXTENSIONS) for colour in "RGB"
    )


def _faults(images: list[SeenFile], look: Look, *, pages: int = 1) -> Iterator[str]:
    """Look for images that cannot be whole, those of unusual size first, reading their headers only."""
    usual = {size for size, _ in Counter(file.size_bytes for file in images).most_common(4)}
    suspects = sorted(images, key=lambda file: (file.size_bytes in usual, file.path))
    for file in suspects[:_MOST_HEADS]:
        if not file.path.lower().endswith((".tiff", ".tif")):
            if file.size_bytes == 0:
                yield f"{file.path} is empty"
            continue
        try:
            head = look.head(file.path, limit_bytes=512) if file.size_bytes else b""
        except NotFound:
            continue  # it went away since the listing, and the next look knows
        fault = tiff_fault(head, size_bytes=file.size_bytes) or _pages_fault(head, file, pages)
        if fault:
            yield f"{file.path} {fault}"


def _pages_fault(head: bytes, file: SeenFile, pages: int) -> str | None:
    needed = pages * (page_bytes(head) or 0)
    if needed > file.size_bytes:
        return f"holds {file.size_bytes} bytes where its {pages} planes need {needed}"
    return None


def _plan(look: Look) -> _Plan:
    """Put the plan together. Raises `InvalidInput` and what `Look.read` raises."""
    summary = _yaml(look.read(_SUMMARY), _SUMMARY) if _SUMMARY in look.listing.paths else {}
    parameters = json_object(look.read(PARAMETERS), PARAMETERS) if PARAMETERS in look.listing.paths else {}
    channels = summary.get("channels") or _yaml(look.read(_CHANNELS), _CHANNELS).get("channels")
    stack, series = _section(summary, "z_stack"), _section(summary, "time_series")
    run = _section(summary, "acquisition")
    plan = _Plan(
        fovs=_fovs(look.read(_COORDINATES, limit_bytes=64 * 1024 * 1024)),
        channels=_channel_names(channels),
        z_levels=_count(stack.get("nz", parameters.get("Nz")), "the number of z levels (nz, Nz)"),
        time_points=_count(series.get("nt", parameters.get("Nt")), "the number of time points (nt, Nt)"),
        interval_seconds=real_number(series.get("delta_t_s", parameters.get("dt(s)")), least=0, most=1e8) or 0.0,
        saves_images=run.get("skip_saving") is not True,
    )
    if plan.image_count > _MOST_PLANNED:
        msg = (
            f"the plan asks for {plan.image_count} images, more than the {_MOST_PLANNED} that can be; look at its files"
        )
        raise InvalidInput(msg, images=plan.image_count)
    return plan


def _fovs(body: bytes) -> dict[str, int]:
    """Count the fields of each region: Squid numbers them in the order of the rows."""
    fovs: Counter[str] = Counter()
    for row in csv_rows(body, _COORDINATES, columns=("region",), most=_MOST_ROWS):
        region = row["region"]
        if not region or len(region) > 200 or "/" in region or not region.isprintable():
            msg = f"{_COORDINATES} names a region {region[:50]!r} that no file can be named for; look at the file"
            raise InvalidInput(msg, path=_COORDINATES)
        fovs[region] += 1
    if not fovs:
        msg = f"{_COORDINATES} has no rows; look at the file"
        raise InvalidInput(msg, path=_COORDINATES)
    return dict(fovs)


def _channel_names(channels: object) -> tuple[str, ...]:
    names = []
    for channel in channels if isinstance(channels, list) else []:
        name = plain_text(channel.get("name") if isinstance(channel, dict) else None, longest=200)
        if name is None:
            msg = f"{_CHANNELS} has a channel without a usable name; look at the file"
            raise InvalidInput(msg, path=_CHANNELS)
        names.append(_UNSAFE_IN_CHANNEL.sub("_", name))
    if not 0 < len(names) <= 100:
        msg = f"{_CHANNELS} names {len(names)} channels; look at the file"
        raise InvalidInput(msg, path=_CHANNELS)
    return tuple(dict.fromkeys(names))


def _count(value: object, what: str) -> int:
    number = whole_number(value, least=1, most=1_000_000)
    if number is None:
        # The value itself is not shown: a nest of references would grow without bound when written out.
        told = f"is a {type(value).__name__} out of bounds" if value is not None else "is not given"
        msg = f"{what} {told}, and must be a whole number from 1 on; look at {_SUMMARY} and {PARAMETERS}"
        raise InvalidInput(msg)
    return number


def _with_end(evidence: Evidence, look: Look) -> Evidence:
    """Add what `run.json` says, which counts only while it speaks of this run."""
    try:
        body = look.read_setting("run_json")
        record = json_object(body, "run.json") if body is not None else {}
    except CisternaError as fault:
        notes = (*evidence.notes, f"its end reason could not be read: {fault}")
        return evidence.model_copy(update={"notes": notes})
    if record.get("experiment_id") != look.folder:
        return evidence
    said = record.get("reason") if record.get("status") == "ended" else None
    reason = next((one for one in EndReason if one.value == said), None)
    return evidence.model_copy(update={"needs_end_reason": True, "end_reason": reason})


def _content(look: Look, name: str) -> dict[str, object]:
    """Read a side file for its description; one that cannot be read describes nothing."""
    if name not in look.listing.paths:
        return {}
    try:
        body = look.read(name)
        return json_object(body, name) if name.endswith(".json") else _yaml(body, name)
    except CisternaError:
        return {}


def _fields(look: Look, summary: dict[str, object]) -> dict[str, JsonValue]:
    parameters, configured = _content(look, PARAMETERS), _content(look, _CHANNELS)
    run, sample = _section(summary, "acquisition"), _section(summary, "sample")
    objective = _section(summary, "objective") or _section(parameters, "objective")
    channels = summary.get("channels") or configured.get("channels") or _old_channels(look)
    found: dict[str, JsonValue | None] = {
        "experiment_id": plain_text(run.get("experiment_id")) or plain_text(look.folder),
        "objective": plain_text(objective.get("name")) or plain_text(configured.get("objective")),
        "magnification": real_number(objective.get("magnification"), least=0.01, most=10_000),
        "numerical_aperture": real_number(objective.get("NA"), least=0.001, most=3),
        "pixel_size_um": _pixel_size_um(objective, parameters),
        "wellplate_format": plain_text(sample.get("wellplate_format")),
        "channels": [
            name
            for channel in (channels if isinstance(channels, list) else [])[:100]
            if (name := plain_text(channel.get("name") if isinstance(channel, dict) else None)) is not None
        ],
        "z_levels": whole_number(parameters.get("Nz"), least=1, most=1_000_000),
        "z_step_um": real_number(parameters.get("dz(um)"), least=-1e6, most=1e6),
        "time_points": whole_number(parameters.get("Nt"), least=1, most=1_000_000),
        "interval_seconds": real_number(parameters.get("dt(s)"), least=0, most=1e8),
        "software": "squid-control" if _is_old(look) else "Squid",
    }
    return {name: value for name, value in found.items() if value not in (None, [])}


def _old_channels(look: Look) -> list[dict[str, str]]:
    """Read what squid-control was set to take; an unreadable file gives nothing."""
    if not _is_old(look):
        return []
    try:
        return [{"name": name} for name in _modes(look.read(_OLD_CHANNELS, limit_bytes=_MOST_XML_BYTES))]
    except (InvalidInput, NotFound):
        return []


def _pixel_size_um(objective: dict[str, object], parameters: dict[str, object]) -> float | None:
    """Take the size of a pixel on the sample, or reckon it from camera and lenses as Squid itself does."""
    said = real_number(objective.get("pixel_size_um"), least=1e-4, most=1000)
    sensor = real_number(parameters.get("sensor_pixel_size_um"), least=1e-3, most=1000)
    tube = real_number(parameters.get("tube_lens_mm"), least=1, most=10_000)
    own_tube = real_number(objective.get("tube_lens_f_mm"), least=1, most=10_000)
    magnification = real_number(objective.get("magnification"), least=0.01, most=10_000)
    if said is not None or not (sensor and tube and own_tube and magnification):
        return said
    return real_number(round(sensor / magnification * own_tube / tube, 6), least=1e-4, most=1000)


def _started(summary: dict[str, object]) -> datetime | None:
    """Read the start; the folder's name tells it too, but in a zone that nothing names."""
    seconds = real_number(_section(summary, "acquisition").get("start_time"), least=0, most=32_503_680_000)
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _section(content: dict[str, object], name: str) -> dict[str, object]:
    section = content.get(name)
    return section if isinstance(section, dict) else {}


def _yaml(body: bytes, what: str) -> dict[str, object]:
    """Parse YAML without tags, counting before building: no bomb is ever expanded.

    Raises:
        InvalidInput: It is no YAML mapping, nests too deeply, is too long, or uses merge keys.
    """
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    depth = 0
    try:
        text = body.decode("utf-8")
        for count, event in enumerate(yaml.parse(text, Loader=loader)):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            is_merge = isinstance(event, yaml.ScalarEvent) and event.value == "<<"  # merging copies, references do not
            if depth > _DEEPEST_YAML or count > _MOST_YAML_EVENTS or is_merge:
                msg = f"{what} nests too deeply, is too long or merges; no Squid writes this: look at the file"
                raise InvalidInput(msg, path=what)
        content = yaml.load(text, Loader=loader)  # noqa: S506 - a safe loader, C or Python
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        msg = f"{what} is not the YAML it must be ({' '.join(str(error).split())[:200]}); look at the file"
        raise InvalidInput(msg, path=what) from error
    if not isinstance(content, dict):
        msg = f"{what} does not hold named values; look at the file"
        raise InvalidInput(msg, path=what)
    return content
