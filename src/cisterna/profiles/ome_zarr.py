"""Folders of OME-Zarr 0.4 (Zarr v2) and 0.5 (Zarr v3), plates too, whatever wrote them.

The metadata name what belongs together: a plate its wells, a well its images, an image the arrays of its levels; all of
these must be there. Chunks may be left out by the format, when they hold nothing but the fill value, so their count is
told and proves nothing: silence closes the folder, or a checksum file. The folder of the acquisition is a store itself,
or holds some.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from pydantic import JsonValue

from cisterna.domain.acquisition import Evidence
from cisterna.domain.errors import InvalidInput, NotFound
from cisterna.domain.untrusted import plain_text, real_number
from cisterna.ports.profile import Described, Look
from cisterna.services.file_evidence import KeptAsTheyAre, file_evidence
from cisterna.services.zarr_tree import METADATA_NAMES, ZarrArray, ZarrTree, chunk_note, named

_MOST_IMAGES, _MOST_STORES, _MOST_FAULTS = 5_000, 100, 100
_MOST_UM = 1e6
_PLANS = frozenset({"acquisition.yaml", "acquisition_channels.yaml"})
"""What Squid microscopes write beside their stores; their own profile knows more."""
_UM = {"micrometer": 1.0, "nanometer": 1e-3, "millimeter": 1e3, "meter": 1e6}


class OmeZarr(KeptAsTheyAre):
    """Implements `ports.profile.Profile`."""

    name = "ome-zarr"
    quiet_seconds = 300.0
    stalled_seconds = 24 * 3600.0

    def claims(self, look: Look) -> bool:
        """Tell a store by the names of its metadata, at the top of the folder or of a folder in it.

        One with the plan of a microscope of its own is not meant.
        """
        return not look.listing.paths & _PLANS and bool(_stores(look.listing.paths))

    def inspect(self, look: Look) -> Evidence:
        """Follow the metadata from the top to every array, and tell what is missing on the way."""
        walk = _Walk(look)
        for store in _stores(look.listing.paths)[:_MOST_STORES]:
            walk.node(store)
        evidence = file_evidence(look, (), lambda *_: None, missing=walk.missing, notes=walk.notes)
        return evidence.model_copy(update={"faults": () if evidence.missing else tuple(walk.faults[:_MOST_FAULTS])})

    def describe(self, look: Look) -> Described:
        """Read axes, pixels and channels from the first image."""
        walk = _Walk(look, most_images=1)
        for store in _stores(look.listing.paths)[:_MOST_STORES]:
            walk.node(store)
        attributes, array = next(iter(walk.images), ({}, None))
        fields = {"experiment_id": plain_text(look.folder), **_fields(attributes, array)}
        return Described(
            title=plain_text(look.folder) or "OME-Zarr",
            data_type="image_arrays",
            fields={name: value for name, value in fields.items() if value not in (None, [])},
        )


@dataclass
class _Walk:
    """A walk from the top of each store to its arrays."""

    look: Look
    most_images: int = _MOST_IMAGES
    missing: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    arrays: list[tuple[str, ZarrArray]] = field(default_factory=list)
    images: list[tuple[dict[str, object], ZarrArray]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._tree = ZarrTree(self.look)
        self._seen = 0

    @property
    def notes(self) -> tuple[str, ...]:
        """What else belongs into the reason."""
        beyond = self._seen - self.most_images
        left = (f"{beyond} images were not looked into",) if beyond > 0 else ()
        return (*chunk_note(self.arrays, self._tree), *left)

    def node(self, path: str, *, depth: int = 0) -> None:
        """Look at a plate, a well or an image, and at what belongs to it."""
        if not self._tree.has_node(path):
            self.missing.append(f"{path}/zarr.json or .zgroup")
            return
        try:
            said = _ome(self._tree.attributes(path))
            below = list(_below(said, path))
            if below and depth < 2:
                for name in below:
                    self.node(f"{path}/{name}" if path else name, depth=depth + 1)
            elif isinstance(said.get("multiscales"), list):
                self._image(said, path)
            else:
                self.faults.append(f"{path or 'the folder'} names neither wells nor images nor levels")
        except NotFound:
            self.missing.append(f"{path}/.zattrs" if path else ".zattrs")
        except InvalidInput as refusal:
            self.faults.append(str(refusal)[:500])

    def _image(self, said: dict[str, object], path: str) -> None:
        self._seen += 1
        if self._seen > self.most_images:
            return
        for level in _levels(said, path):
            place = path if level == "." else (f"{path}/{level}" if path else level)
            if not self._tree.has_node(place):
                self.missing.append(f"{place}/zarr.json or .zarray")
                continue
            array = self._tree.array(place)
            self.arrays.append((place, array))
            if len(self.images) < self._seen:
                self.images.append((said, array))


def _stores(paths: frozenset[str]) -> list[str]:
    """Find the tops of the stores: the folder itself, or folders in it, one or two levels down."""
    tops = {path.rpartition("/")[0] for path in paths if path.rpartition("/")[2] in METADATA_NAMES}
    if "" in tops:
        return [""]
    found = sorted((top for top in tops if top.count("/") <= 1), key=lambda top: (top.count("/"), top))
    return [top for top in found if top.partition("/")[0] not in tops or "/" not in top]


def _ome(attributes: dict[str, object]) -> dict[str, object]:
    """Give what OME says in the attributes: 0.5 keeps it under a key of its own."""
    said = attributes.get("ome")
    return said if isinstance(said, dict) else attributes


def _below(said: dict[str, object], path: str) -> Iterator[str]:
    """Name the wells of a plate, or the images of a well. Raises `InvalidInput`."""
    for key, members in (("plate", "wells"), ("well", "images")):
        section = said.get(key)
        if isinstance(section, dict):
            yield from named(section.get(members), f"the {key} {path}".rstrip())


def _levels(said: dict[str, object], path: str) -> Iterator[str]:
    """Name the arrays of an image. Raises `InvalidInput`."""
    scales = said.get("multiscales")
    for one in scales[:100] if isinstance(scales, list) else []:
        datasets = one.get("datasets") if isinstance(one, dict) else None
        yield from named(datasets, f"the image {path}".rstrip(), most=64)


def _fields(said: dict[str, object], array: ZarrArray | None) -> dict[str, JsonValue | None]:
    scales = said.get("multiscales")
    first = scales[0] if isinstance(scales, list) and scales and isinstance(scales[0], dict) else {}
    listed = first.get("axes")
    axes = [axis if isinstance(axis, dict) else {"name": axis} for axis in (listed if isinstance(listed, list) else [])]
    names = [axis.get("name") for axis in axes]
    shape = array.shape if array is not None else ()
    sizes = dict(zip((str(name) for name in names), shape, strict=False))
    spacing = _spacing(first, axes)
    omero = said.get("omero")
    channels = omero.get("channels") if isinstance(omero, dict) else None
    return {
        "pixel_size_um": spacing.get("x"),
        "z_step_um": spacing.get("z"),
        "z_levels": sizes.get("z"),
        "time_points": sizes.get("t"),
        "width_px": sizes.get("x"),
        "height_px": sizes.get("y"),
        "channels": [
            name
            for one in (channels if isinstance(channels, list) else [])[:200]
            if (name := plain_text(one.get("label") if isinstance(one, dict) else None)) is not None
        ],
    }


def _spacing(image: dict[str, object], axes: list[dict[str, object]]) -> dict[str, float]:
    """Read the distance of pixels along each axis of the first level, in micrometres."""
    datasets = image.get("datasets")
    first = datasets[0] if isinstance(datasets, list) and datasets and isinstance(datasets[0], dict) else {}
    steps = first.get("coordinateTransformations")
    scales = (step.get("scale") for step in (steps if isinstance(steps, list) else []) if isinstance(step, dict))
    scale = next((one for one in scales if isinstance(one, list)), [])
    found = {}
    for axis, value in zip(axes, scale, strict=False):
        unit, number = axis.get("unit"), real_number(value, least=1e-9, most=_MOST_UM)
        if isinstance(unit, str) and unit in _UM and number is not None:
            found[str(axis.get("name"))] = number * _UM[unit]
    return found
