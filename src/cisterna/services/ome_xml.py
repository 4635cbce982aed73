"""What OME-XML says of images: their sizes, channels and pixels, and the files that hold their planes.

Facts of the OME model 2016-06 and of those before it, whatever their namespace. Nothing is parsed here: whoever reads
the text refuses entities first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING

from pydantic import Field, JsonValue

from cisterna.domain.base import Moment, Value
from cisterna.domain.untrusted import plain_text

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_MOST_IMAGES, _MOST_SIZE, _MOST_BLOCKS = 100_000, 10**9, 2_000_000
LENGTHS_UM: Mapping[str | None, float] = {
    "µm": 1.0,
    "\u03bcm": 1.0,
    "um": 1.0,
    "nm": 1e-3,
    "mm": 1e3,
    "m": 1e6,
    "cm": 1e4,
    "pm": 1e-6,
}


class OmeXml(Value):
    """What one OME-XML says.

    Attributes:
        planes: How many planes all images have together; a colour plane counts once.
        is_even: Whether all images have planes of one size and type.
        files: That hold planes, by the names in the XML, each with as many planes as are said to be in it at least.
        master: The file that has the XML in full, where this one only points to it.
        fields: As `ports.profile.Described` has them.
    """

    images: int = 0
    planes: int = 0
    is_even: bool = True
    files: dict[str, int] = Field(default_factory=dict)
    master: str | None = None
    fields: dict[str, JsonValue] = Field(default_factory=dict)
    microscope: str | None = None
    started_at: Moment | None = None


def ome_xml(root: Element) -> OmeXml:
    """Read the facts out of a parsed document; what is not there, or is no sound value, is left out."""
    images = list(islice(elements(root, "Image"), _MOST_IMAGES))
    pixels = [found for image in images if (found := first_element(image, "Pixels")) is not None]
    files = Counter[str]()
    for block in islice((one for part in pixels for one in elements(part, "TiffData")), _MOST_BLOCKS):
        name = plain_text(uuid.get("FileName")) if (uuid := first_element(block, "UUID")) is not None else None
        if name is not None:
            files[name] += whole(block, "PlaneCount") or 1
    pointer = first_element(root, "BinaryOnly")
    return OmeXml(
        images=len(images),
        planes=sum(_planes(part) for part in pixels),
        is_even=len({tuple(part.get(name) for name in ("SizeX", "SizeY", "Type")) for part in pixels}) <= 1,
        files=dict(files),
        master=plain_text(pointer.get("MetadataFile")) if pointer is not None else None,
        fields=_fields(root, pixels),
        microscope=_model(first_element(root, "Microscope")),
        started_at=_started(images),
    )


def _fields(root: Element, pixels: list[Element]) -> dict[str, JsonValue]:
    objective = first_element(root, "Objective")
    first = pixels[0] if pixels else None
    found: dict[str, JsonValue | None] = {
        "objective": _model(objective),
        "magnification": _real(objective, "NominalMagnification"),
        "numerical_aperture": _real(objective, "LensNA"),
        "pixel_size_um": _size_um(first, "PhysicalSizeX"),
        "z_step_um": _size_um(first, "PhysicalSizeZ"),
        "z_levels": whole(first, "SizeZ"),
        "time_points": whole(first, "SizeT"),
        "width_px": whole(first, "SizeX"),
        "height_px": whole(first, "SizeY"),
        "images": len(pixels),
        "channels": [
            name
            for one in islice(elements(first, "Channel") if first is not None else (), 200)
            if (name := plain_text(one.get("Name"))) is not None
        ],
        "software": plain_text(root.get("Creator")),
    }
    return {name: value for name, value in found.items() if value not in (None, [], 0)}


def elements(parent: Element, name: str) -> Iterator[Element]:
    """Give every element of that name below, in whatever namespace."""
    return (one for one in parent.iter() if isinstance(one.tag, str) and one.tag.rpartition("}")[2] == name)


def first_element(parent: Element | None, name: str) -> Element | None:
    """Give the first of them."""
    return next(elements(parent, name), None) if parent is not None else None


def _planes(pixels: Element) -> int:
    """Count the planes of an image: channels that share a plane, such as red, green and blue, count once."""
    channels = [whole(one, "SamplesPerPixel") or 1 for one in islice(elements(pixels, "Channel"), 10_000)]
    size_c = whole(pixels, "SizeC") or 1
    count = len(channels) if channels and sum(channels) == size_c else size_c
    return count * (whole(pixels, "SizeZ") or 1) * (whole(pixels, "SizeT") or 1)


def whole(element: Element | None, name: str) -> int | None:
    """Read a whole number above nought from an attribute; None for anything else."""
    text = element.get(name) if element is not None else None
    if text is None or len(text) > 12 or not text.strip().isdecimal():
        return None
    number = int(text)
    return number if 0 < number <= _MOST_SIZE else None


def _real(element: Element | None, name: str) -> float | None:
    text = element.get(name) if element is not None else None
    try:
        number = float(text) if text is not None and len(text) <= 40 else 0.0
    except ValueError:
        return None
    return number if 0 < number < 1e9 else None


def _size_um(element: Element | None, name: str) -> float | None:
    size = _real(element, name)
    factor = LENGTHS_UM.get(element.get(f"{name}Unit", "µm")) if element is not None else None
    return None if size is None or factor is None else size * factor


def _model(element: Element | None) -> str | None:
    if element is None:
        return None
    words = [plain_text(element.get(name), longest=200) for name in ("Manufacturer", "Model")]
    return " ".join(word for word in words if word is not None) or None


def _started(images: list[Element]) -> datetime | None:
    """Read when the first image was taken; OME writes a time without a zone for UTC."""
    said = first_element(images[0], "AcquisitionDate") if images else None
    text = plain_text(said.text if said is not None else None, longest=40)
    try:
        moment = datetime.fromisoformat(text) if text is not None else None
        return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment
    except ValueError:
        return None
