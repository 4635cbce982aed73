"""Looks at a folder of a share within bounds: everything in it is counted, a little of it is kept for profiles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from cisterna.domain.errors import HostileInput, NotFound
from cisterna.domain.listing import SeenFile
from cisterna.ports.share import Entry, EntryKind, Share
from cisterna.services.adopt_recognise import Below, Glimpse

MOST_FILES = 400
"""Files of one folder that a profile is shown."""
MOST_ALIKE = 60
"""Of one ending: the names that tell a run are rare beside its images, and must not be crowded out by them."""
MOST_BELOW = 12
"""Folders in a folder that are looked into before it is decided what it is."""
_MOST_PEEKED = 128
_MOST_DEEPER = 2
_SHOWN_ENDING = 12


@dataclass
class Sample:
    """Some of the files of a folder, of every ending at least one."""

    files: list[SeenFile] = field(default_factory=list)
    _endings: Counter[str] = field(default_factory=Counter)

    def offer(self, entry: Entry, *, prefix: str = "") -> None:
        """Keep a file, unless enough of its kind are kept."""
        ending = entry.name.rpartition(".")[2][:_SHOWN_ENDING].lower() if "." in entry.name else ""
        if len(self.files) >= MOST_FILES or self._endings[ending] >= MOST_ALIKE:
            return
        self._endings[ending] += 1
        self.files.append(
            SeenFile.model_construct(
                path=prefix + entry.name, size_bytes=entry.size_bytes, mtime_ns=entry.mtime_ns, inode=entry.inode
            )
        )


def glimpse_of(
    path: str, files: Iterable[SeenFile], folders: Sequence[str], *, share: Share, looked_at: Callable[[int], object]
) -> Glimpse:
    """Look into some folders of a folder, and put together what profiles are asked about.

    Args:
        path: Of the folder.
        files: Those that were kept of the files directly in it.
        folders: Names of folders in it.
        share: Where it lies.
        looked_at: Called with the number of names that were looked at; it may wait, and raise when it must stop.
    """
    step = max(1, -(-len(folders) // MOST_BELOW))
    chosen = sorted(folders)[::step]
    below = {name: peek(f"{path}/{name}" if path else name, share=share, looked_at=looked_at) for name in chosen}
    ordered = tuple(sorted(files, key=lambda one: one.path))
    return Glimpse(name=path.rpartition("/")[2], files=ordered, below=below, folder_count=len(folders))


def peek(path: str, *, share: Share, looked_at: Callable[[int], object]) -> Below:
    """Look into a folder, and into a few of those in it; one that may not be entered shows nothing."""
    files, folders = _peeked(path, share=share, looked_at=looked_at)
    for name in sorted(folders)[:_MOST_DEEPER]:
        files += _peeked(f"{path}/{name}", share=share, looked_at=looked_at, prefix=f"{name}/")[0]
    return Below(files=tuple(sorted(files, key=lambda one: one.path)), has_folders=bool(folders))


def _peeked(
    path: str, *, share: Share, looked_at: Callable[[int], object], prefix: str = ""
) -> tuple[list[SeenFile], list[str]]:
    """Give some of a folder's files, and the folders among the first names in it."""
    sample = Sample()
    folders: list[str] = []
    count = 0
    try:
        with share.walked(path) as opened:
            for entry in opened.entries():
                count += 1
                if entry.kind is EntryKind.FILE:
                    sample.offer(entry, prefix=prefix)
                elif entry.kind is EntryKind.FOLDER:
                    folders.append(entry.name)
                if count == _MOST_PEEKED:
                    break
    except (NotFound, HostileInput):
        pass  # the walk will come to it, and say what is wrong
    looked_at(count)
    return sample.files, folders
