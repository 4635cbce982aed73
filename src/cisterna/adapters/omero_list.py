"""The lists that people work on at OMERO's machine: OMERO's JSON API lets nobody import or delete images.

A list is a folder with one command for all, `import.sh` or `remove.sh`, that may be run again. Whoever runs it has
logged in with OMERO's own command line before. What is to be imported is named by file names of instruments, so every
word of them is quoted; what is to be deleted is named by its number alone.
"""

from __future__ import annotations

import csv
import io
import re
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from cisterna.adapters.omero_image import ListedImage, name_in_omero
from cisterna.adapters.target_place import Place
from cisterna.metadata.listing import uri_path

_BULK, _TABLE, _IMPORT, _REMOVE = "bulk.yml", "images.tsv", "import.sh", "remove.sh"
_OURS = re.compile(r"bulk\.yml|images\.tsv|(?:import|remove)\.sh|done-[0-9]+\.txt|\.[^/]*\.part")
_AT_ONCE = 500
"""Images that one command deletes, unless one file has more: OMERO does it in one transaction."""
_HEAD = """\
#!/bin/sh
set -eu
umask 022
cd -- "$(dirname -- "$0")"
failed=
"""
_ALONE = """\
(: >> {done}) 2>/dev/null || {{ echo "what is imported is noted in $PWD: nothing may be written there" >&2; exit 1; }}
exec 9>> {done}
if command -v flock > /dev/null && ! flock -n 9; then echo "this list is being worked on already" >&2; exit 1; fi
"""
_MOUNTED = """\
[ -d {base} ] || {{ printf '%s\\n' {told} >&2; exit 1; }}
"""
_SHOW = """\
show() {{
    [ "$(grep -cxF -- "$2" {done})" -le "$3" ] || return 0
    omero zarr import "$1" --target Dataset:{dataset} --name="$2" 9>&- || {{ failed=yes; return 0; }}
    printf '%s\\n' "$2" >&9
}}
"""
_TAIL = '[ -z "$failed" ]\n'


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

    def noted(self, folder: str, *, dataset: int) -> Mapping[str, int]:
        """Say how often each name was imported into a dataset by the list; ask before OMERO is asked what it shows."""
        body = self._place.read(f"{folder}/{_done(dataset)}") or b""
        return Counter(body.decode("utf-8", "replace").split("\n"))

    def write(
        self, folder: str, images: Sequence[ListedImage], *, dataset: int, base: str, noted: Mapping[str, int]
    ) -> None:
        """List what is to be imported; it takes the place of what was listed before.

        Args:
            folder: Of the version, which is also its label.
            images: What OMERO does not show yet.
            dataset: Number of the dataset in OMERO.
            base: Address or folder below which the paths are.
            noted: What was noted before OMERO was asked: of what it does not show, that is gone again.
        """
        zarr = [one.path for one in images if one.is_zarr]
        files = [one.path for one in images if not one.is_zarr]
        if files:
            self._put(folder, _TABLE, _table(files, base, label=folder))
            self._put(folder, _BULK, _bulk(dataset))
        lines = [_HEAD, _mounted(base), _ALONE.format(done=_done(dataset))]
        if zarr:
            lines.append(_SHOW.format(done=_done(dataset), dataset=dataset))
            lines.extend(_shows(zarr, base, label=folder, noted=noted))
        if files:
            lines.append(f"omero import --bulk {_BULK} 9>&- || failed=yes\n")
        self._put(folder, _IMPORT, "".join((*lines, _TAIL)))
        for name in (_REMOVE, *(() if files else (_BULK, _TABLE))):
            self._place.remove(f"{folder}/{name}")

    def write_removal(self, folder: str, images: Mapping[str, Sequence[int]]) -> None:
        """List what is to be deleted: these images and nothing else.

        Args:
            folder: Of the version.
            images: Numbers by the path of their file; OMERO deletes all images of a file or none.
        """
        commands = (f"omero delete --force {' '.join(_words(numbers))} || failed=yes\n" for numbers in _batches(images))
        self._put(folder, _REMOVE, "".join((_HEAD, *commands, _TAIL)))

    def remove_import(self, folder: str) -> None:
        """Remove the list of what is to be imported, and what its command noted."""
        self._remove(folder, but=_REMOVE)

    def remove(self, folder: str) -> None:
        """Remove all lists of a version."""
        self._remove(folder)

    def _remove(self, folder: str, *, but: str | None = None) -> None:
        for path in list(self._place.below(f"{folder}/")):
            name = path.removeprefix(f"{folder}/")
            if name != but and _OURS.fullmatch(name):  # people may keep what the commands said beside them
                self._place.remove(path)

    def _put(self, folder: str, name: str, text: str) -> None:
        self._place.write(f"{folder}/{name}", text.encode(), media_type="text/plain; charset=utf-8")


def _done(dataset: int) -> str:
    return f"done-{dataset}.txt"


def _is_address(base: str) -> bool:
    return base.startswith(("http://", "https://"))


def _mounted(base: str) -> str:
    if _is_address(base):
        return ""
    told = f"{base} is not here: restore the version there, or mount it"
    return _MOUNTED.format(base=shlex.quote(base), told=shlex.quote(told))


def _shows(paths: Sequence[str], base: str, *, label: str, noted: Mapping[str, int]) -> Iterator[str]:
    """Write a line for each image: where it is, its name, and how often that was imported and is gone again."""
    for path in paths:
        place = f"{base}/{uri_path(path) if _is_address(base) else path}"
        name = name_in_omero(path, label=label)
        yield f"show {shlex.quote(place)} {shlex.quote(name)} {noted.get(name, 0)}\n"


def _table(paths: Sequence[str], base: str, *, label: str) -> str:
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerows((name_in_omero(path, label=label), f"{base}/{path}") for path in paths)
    return text.getvalue()


def _bulk(dataset: int) -> str:
    told = (f'path: "{_TABLE}"', "columns:", "- name", "- path", f'target: "Dataset:id:{dataset}"', 'transfer: "ln_s"')
    return "\n".join(("---", *told, 'exclude: "clientpath"', "continue: true", ""))


def _words(numbers: Sequence[int]) -> Iterator[str]:
    """Name images in words of bounded length, all of which OMERO deletes at once."""
    for start in range(0, len(numbers), _AT_ONCE):
        yield f"Image:{','.join(str(one) for one in numbers[start : start + _AT_ONCE])}"


def _batches(images: Mapping[str, Sequence[int]]) -> Iterator[Sequence[int]]:
    batch: list[int] = []
    for numbers in images.values():
        if batch and len(batch) + len(numbers) > _AT_ONCE:
            yield batch
            batch = []
        batch.extend(numbers)
    if batch:
        yield batch
