"""Which images of a version are to be seen in an OMERO, and by what they are known there.

What is imported is called by its path and by the version that it is of. That name is all that the ways into OMERO let
us give to every image, and it goes with the image wherever people put it. An image counts as ours when it has such a
name and belongs to our account: copies that people made are theirs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from cisterna.metadata.listing import DATA_FOLDER
from cisterna.metadata.omero import NAME_MOST

_FILES = frozenset({".czi", ".dv", ".ims", ".lif", ".lsm", ".nd2", ".tif", ".tiff"})
"""Image files that OMERO's importer takes one by one."""


class ListedImage(NamedTuple):
    """An image that is to be seen in OMERO.

    Attributes:
        path: In the version.
        is_zarr: Whether it is a group of OME-Zarr, and else a file.
    """

    path: str
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
    return [*(ListedImage(one, is_zarr=True) for one in found if _is_no_label(one)), *files]


def name_in_omero(path: str, *, label: str) -> str:
    """Say what OMERO calls an image.

    Args:
        path: In the version.
        label: Of the version.
    """
    return f"{path}{_ending(label)}"


def has_name_for_omero(image: ListedImage, *, label: str) -> bool:
    """Tell whether OMERO can call it so, and a list name it in a line."""
    name = name_in_omero(image.path, label=label)
    return len(name) <= NAME_MOST and name.isprintable() and path_in_name(name, label=label) == image.path


def path_in_name(name: str, *, label: str) -> str | None:
    """Give the path of the image that has this name; None when it is none of the version.

    Of a file with several images each has more after the name: `data/a.czi (ds-...-v1) [scene 2]`.
    """
    path, found, more = name.partition(_ending(label))
    return path if found and (not more or more.startswith(" [")) else None


def missing_from(images: Sequence[ListedImage], names: Iterable[str], *, label: str) -> list[ListedImage]:
    """Give those that OMERO does not show; a file is there when one of its images is, since it is imported whole."""
    shown = {path_in_name(name, label=label) for name in names}
    return [one for one in images if one.path not in shown]


def _ending(label: str) -> str:
    return f" ({label})"


def _is_no_label(group: str) -> bool:
    _, is_inside, below = group.rpartition(".zarr/")
    return ".zarr" in group and not (is_inside and "labels" in below.split("/"))


def _above(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path
