"""The list of images that people import on OMERO's machine: OMERO.web lets nobody import from outside.

A list is a folder with one command for all, `import.sh`, that may be run again. Whoever runs it has logged in with
OMERO's own command line before. What a list names comes from file names of instruments, so every word in it is quoted.
"""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from cisterna.adapters.target_place import Place
from cisterna.metadata.listing import DATA_FOLDER, uri_path
from cisterna.metadata.omero import NAME_MOST

_BULK, _TABLE, _IMPORT, _REMOVE = "bulk.yml", "images.tsv", "import.sh", "remove.sh"
_FILES = frozenset({".czi", ".dv", ".ims", ".lif", ".lsm", ".nd2", ".tif", ".tiff"})
"""Image files that OMERO's importer takes one by one."""
_SHOW = """\
show() {{
    grep -qxF -- "$2" {done} 2>/dev/null && return
    omero zarr import "$1" --target Dataset:{dataset} --name="$2" || {{ failed=yes; return; }}
    printf '%s\\n' "$2" >> {done}
}}
"""


class ListedImage(NamedTuple):
    """An image that is to be seen in OMERO.

    Attributes:
        name: Its path in the version, which is what OMERO calls it.
        is_zarr: Whether it is a group of OME-Zarr, and else a file.
    """

    name: str
    is_zarr: bool


def images_among(paths: Iterable[str], *, with_files: bool) -> list[ListedImage]:
    """Find the images of a version by the paths of its files.

    Args:
        paths: All of them.
        with_files: Whether image files count beside OME-Zarr.
    """
    groups, arrays, files = set(), set(), []
    for path in paths:
        folder, _, name = path.rpartition("/")
        if not path.startswith(DATA_FOLDER):
            continue
        if ".zarr/" in path:
            if name == "zarr.json":
                groups.add(folder)
            elif name == ".zarray":
                arrays.add(folder)
        elif with_files and Path(name).suffix.lower() in _FILES:
            files.append(ListedImage(path, is_zarr=False))
    arrays |= groups - {above for one in groups for above in _above(one)}
    found = sorted({folder for one in arrays for folder, _, level in [one.rpartition("/")] if level == "0"})
    shown = [ListedImage(one, is_zarr=True) for one in found if "/labels/" not in one and ".zarr" in one]
    return [*shown, *files]


def has_name_for_omero(image: ListedImage) -> bool:
    """Tell whether OMERO can call it by its path, and a list name it in a line."""
    return len(image.name) <= NAME_MOST and image.name.isprintable()


def missing_from(images: Sequence[ListedImage], present: Iterable[str]) -> list[ListedImage]:
    """Give those that OMERO does not show; of a file with several images it shows each with more after its name."""
    shown = set()
    for name in present:
        shown.add(name)
        shown |= {name[:place] for place in range(len(name)) if name.startswith(" [", place)}
    return [one for one in images if one.name not in shown]


class OmeroLists:
    """Lists in a folder, one for each version.

    Args:
        place: Where they are written.
    """

    def __init__(self, place: Place) -> None:
        self._place = place

    def look(self) -> str:
        """Say where they are, once that has answered."""
        return self._place.look()

    def write(self, folder: str, images: Sequence[ListedImage], *, dataset: int, base: str) -> None:
        """List what is to be imported; it takes the place of what was listed before.

        Args:
            folder: Of the version.
            images: What OMERO does not show yet.
            dataset: Number of the dataset in OMERO.
            base: Address or folder below which the paths are.
        """
        zarr = [one.name for one in images if one.is_zarr]
        files = [one.name for one in images if not one.is_zarr]
        for name in (_REMOVE, _BULK, _TABLE):
            self._place.remove(f"{folder}/{name}")
        if files:
            self._put(folder, _TABLE, _table(files, base))
            self._put(folder, _BULK, _bulk(dataset))
        self._put(folder, _IMPORT, _script(zarr, base=base, dataset=dataset, has_files=bool(files)))

    def write_removal(self, folder: str, *, dataset: int) -> None:
        """List what is to be deleted: all images of the dataset, which stays and tells of them until they are gone."""
        self._put(folder, _REMOVE, f"#!/bin/sh\nset -eu\nomero delete Dataset/Image:{dataset}\n")

    def remove(self, folder: str) -> None:
        """Remove all lists of a version, and what their commands noted beside them."""
        for path in list(self._place.below(f"{folder}/")):
            self._place.remove(path)

    def _put(self, folder: str, name: str, text: str) -> None:
        self._place.write(f"{folder}/{name}", text.encode(), media_type="text/plain; charset=utf-8")


def _above(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path


def _table(names: Sequence[str], base: str) -> str:
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerows((name, f"{base}/{name}") for name in names)
    return text.getvalue()


def _bulk(dataset: int) -> str:
    told = (f'path: "{_TABLE}"', "columns:", "- name", "- path", f'target: "Dataset:id:{dataset}"', 'transfer: "ln_s"')
    return "\n".join(("---", *told, 'exclude: "clientpath"', "continue: true", ""))


def _script(names: Sequence[str], *, base: str, dataset: int, has_files: bool) -> str:
    """Write the command: it goes on past what fails, notes what it has imported and passes over that the next time."""
    lines = ["#!/bin/sh", "set -eu", 'cd "$(dirname "$0")"', "failed="]
    if names:
        lines.append(_SHOW.format(done=f"done-{dataset}.txt", dataset=dataset))
        is_address = base.startswith(("http://", "https://"))
        for name in names:
            place = f"{base}/{uri_path(name) if is_address else name}"
            lines.append(f"show {shlex.quote(place)} {shlex.quote(name)}")
    if has_files:
        lines.append(f"omero import --bulk {_BULK} || failed=yes")
    return "\n".join((*lines, '[ -z "$failed" ]', ""))
