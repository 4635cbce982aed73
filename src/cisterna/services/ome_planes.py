"""Which plane of which image lies on which page of which file, and where and when it was taken, as OME-XML says.

Facts of the OME model 2016-06: `TiffData` gives planes their pages, `Plane` their position and time, and `Plate` an
image its well. Nothing is guessed: a position without a unit of length is none, since the model's own default is a
frame of reference that nobody knows, and a file of which two planes claim one page tells of no page.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from cisterna.domain.untrusted import plain_text
from cisterna.ports.profile import Plane, StagePlace, TakenPlane
from cisterna.services.ome_xml import LENGTHS_UM, elements, first_element, whole

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MOST_PAGES = 4096
"""A file of more planes is measured as one image, as every file is whose planes nobody tells apart."""
MOST_PLANES = 100_000
"""More of one document are no run that anybody looks at plane by plane."""
_MOST_IMAGES, _MOST_ROWS, _MOST_COLUMNS = 100_000, 32, 48
_FURTHEST_UM, _LONGEST_SECONDS = 1e7, 1e9
_SECONDS: Mapping[str | None, float] = {
    None: 1.0,
    "s": 1.0,
    "ms": 1e-3,
    "µs": 1e-6,
    "\u03bcs": 1e-6,
    "ns": 1e-9,
    "min": 60.0,
    "h": 3600.0,
    "d": 86_400.0,
}
_AXES = "ZCT"

Pages = tuple[TakenPlane | None, ...]


class _Sizes(NamedTuple):
    """How many planes an image has along each axis, and which of these axes runs fastest."""

    counts: Mapping[str, int]
    order: str

    @property
    def total(self) -> int:
        return math.prod(self.counts.values())

    def number_of(self, place: Mapping[str, int]) -> int:
        """Number a plane in the image's own order."""
        number = 0
        for axis in reversed(self.order):
            number = number * self.counts[axis] + place[axis]
        return number

    def place(self, number: int) -> dict[str, int]:
        """Give the plane of a number."""
        found = {}
        for axis in self.order:
            number, found[axis] = divmod(number, self.counts[axis])
        return found


def ome_planes(root: Element) -> Mapping[str | None, Pages]:
    """Give the planes of each file, by its name in the XML; None is the file that holds the XML.

    What contradicts itself, or is more than any run has, tells of fewer files, or of none. So does a document whose
    images are of different kinds, as of a slide with its label: what one has more is not missing from the other.
    """
    images = list(islice(elements(root, "Image"), _MOST_IMAGES))
    found: dict[str | None, dict[int, TakenPlane]] = defaultdict(dict)
    wrong: set[str | None] = set()
    left, kinds = MOST_PLANES, set[object]()
    for image, (region, field) in zip(images, _regions(root, images), strict=True):
        pixels = first_element(image, "Pixels")
        names = None if pixels is None else _channels(pixels)
        sizes = None if pixels is None or names is None else _sizes(pixels, channels=len(names))
        if pixels is None or names is None or sizes is None or sizes.total > left:
            return {}  # whose planes are not known may lie on any page
        left -= sizes.total
        kinds.add((tuple(names), *sizes.counts.values()))
        if len(kinds) > 1:
            return {}
        taken = _taken(pixels)
        for name, page, place in _pages(pixels, sizes):
            if place is None or page >= MOST_PAGES or page in found[name]:
                wrong.add(name)
                continue
            z, c, t = (place[axis] for axis in _AXES)
            plane = Plane(region=region, field=field, channel=names[c], z=z, t=t)
            found[name][page] = TakenPlane(plane, taken.get((z, c, t)))
    return {
        name: tuple(pages.get(page) for page in range(max(pages) + 1))
        for name, pages in found.items()
        if pages and name not in wrong
    }


def _regions(root: Element, images: Sequence[Element]) -> list[tuple[str, str]]:
    """Name region and field of each image: well and number of its sample, or else the image's own name."""
    wells = _wells(root)
    ids = [image.get("ID") for image in images]
    if images and all(one in wells for one in ids):
        return [wells[one] for one in ids if one is not None]
    names = [plain_text(image.get("Name"), longest=200) for image in images]
    times = Counter(names)
    return [
        (name if name is not None and times[name] == 1 else f"image {number}", "0") for number, name in enumerate(names)
    ]


def _wells(root: Element) -> dict[str | None, tuple[str, str]]:
    """Give well and field by the image's id, of a document with one plate; an image of two wells has none."""
    plates = list(islice(elements(root, "Plate"), 2))
    found: dict[str | None, tuple[str, str]] = {}
    twice: set[str | None] = set()
    for well in elements(plates[0], "Well") if len(plates) == 1 else ():
        row, column = _count(well, "Row"), _count(well, "Column")
        if row is None or column is None or row >= _MOST_ROWS or column >= _MOST_COLUMNS:
            continue
        for number, sample in enumerate(elements(well, "WellSample")):
            image = first_element(sample, "ImageRef")
            if image is not None:
                name = image.get("ID")
                twice |= {name} & found.keys()
                found[name] = (f"{'A' if row > 25 else ''}{chr(ord('A') + row % 26)}{column + 1}", str(number))
    return {name: place for name, place in found.items() if name is not None and name not in twice}


def _channels(pixels: Element) -> list[str] | None:
    """Name the channels; None where some of them share a plane and others do not."""
    size = whole(pixels, "SizeC")
    told = list(islice(elements(pixels, "Channel"), MOST_PLANES))
    samples = [whole(one, "SamplesPerPixel") or 1 for one in told]
    if size is None or size > MOST_PLANES:
        return None
    if not told:
        return [f"C{number}" for number in range(size)]
    if sum(samples) != size or (len(told) > 1 and max(samples) > 1):
        return None
    names = [plain_text(one.get("Name"), longest=200) or f"C{number}" for number, one in enumerate(told)]
    times = Counter(names)
    return [name if times[name] == 1 else f"{name} {number}" for number, name in enumerate(names)]


def _sizes(pixels: Element, *, channels: int) -> _Sizes | None:
    order = (pixels.get("DimensionOrder") or "")[2:]
    levels, times = whole(pixels, "SizeZ"), whole(pixels, "SizeT")
    if sorted(order) != sorted(_AXES) or levels is None or times is None:
        return None
    return _Sizes({"Z": levels, "C": channels, "T": times}, order)


def _pages(pixels: Element, sizes: _Sizes) -> Iterator[tuple[str | None, int, dict[str, int] | None]]:
    """Give file, page and plane of all that `TiffData` tells; None for a plane that the image has not."""
    for block in elements(pixels, "TiffData"):
        source = first_element(block, "UUID")
        name = plain_text(source.get("FileName")) if source is not None else None
        first, page = {axis: _count(block, f"First{axis}") or 0 for axis in _AXES}, _count(block, "IFD")
        if any(first[axis] >= sizes.counts[axis] for axis in _AXES):
            yield name, 0, None
            continue
        start = sizes.number_of(first)
        rest = sizes.total - start
        count = whole(block, "PlaneCount") or (rest if page is None else 1)
        if count > rest:
            yield name, 0, None
            continue
        for step in range(min(count, MOST_PAGES + 1)):
            yield name, (page or 0) + step, sizes.place(start + step)


def _taken(pixels: Element) -> dict[tuple[int, int, int], StagePlace]:
    """Read where and when planes were taken, as far as it is said in units that are known."""
    found: dict[tuple[int, int, int], StagePlace] = {}
    for one in islice(elements(pixels, "Plane"), MOST_PLANES):
        z, c, t = (_count(one, f"The{axis}") for axis in _AXES)
        if z is not None and c is not None and t is not None:
            x, y, height = (_measured(one, f"Position{axis}", LENGTHS_UM, most=_FURTHEST_UM) for axis in "XYZ")
            seconds = _measured(one, "DeltaT", _SECONDS, most=_LONGEST_SECONDS)
            place = StagePlace(x_um=x, y_um=y, z_um=height, seconds=seconds)
            if place != StagePlace():
                found.setdefault((z, c, t), place)
    return found


def _count(element: Element, name: str) -> int | None:
    """Read a number from 0 on."""
    text = element.get(name)
    return int(text) if text is not None and len(text) <= 9 and text.isascii() and text.isdecimal() else None


def _measured(element: Element, name: str, units: Mapping[str | None, float], *, most: float) -> float | None:
    text, factor = element.get(name), units.get(element.get(f"{name}Unit"))
    try:
        value = factor * float(text) if factor is not None and text is not None and len(text) <= 40 else math.nan
    except ValueError:
        return None
    return value if abs(value) <= most else None
