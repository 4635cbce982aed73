"""What earlier attempts at a version brought into its staging folder, so that it is not sent again.

An attempt that ends for want of the store, the source or its lease, or is killed, leaves its folder on the version's
record, and the next one goes on there. Nobody deletes from a folder that is on record: whoever is to delete one takes
it off first, under its lease. So a worker that was thought dead and is not can at worst add to the folder, and never
under a key of another's: small files are named by their digest, large ones by the run that began them.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cisterna.domain.listing import SeenFile
from cisterna.ports.object_store import ObjectStore

_NAME = r"s(?P<mark>[0-9a-f]{32})-[0-9a-f]{32}"
_BEGUN = re.compile(_NAME)
_FINISHED = re.compile(rf"(?P<name>{_NAME})\.(?P<sha512>[0-9a-f]{{128}})")


@dataclass(frozen=True, slots=True)
class Finished:
    """A large file that is in the store whole."""

    content_path: str
    sha512: str


@dataclass(frozen=True, slots=True)
class Arrivals:
    """What is there already.

    Attributes:
        sizes: Of what is in the object, by path relative to its root.
        finished: Large files by their mark.
        begun: Content paths of the unfinished uploads of others, by the mark of the file.
    """

    sizes: Mapping[str, int] = field(default_factory=dict)
    finished: Mapping[str, Finished] = field(default_factory=dict)
    begun: Mapping[str, str] = field(default_factory=dict)


def mark_of(file: SeenFile) -> str:
    """Mark a file by all that a look at it shows: another size, time or inode is another file."""
    told = f"{file.path}\0{file.size_bytes}\0{file.mtime_ns}\0{file.inode}"
    return hashlib.sha256(told.encode()).hexdigest()[:32]


def upload_name(file: SeenFile, *, token: str) -> str:
    """Name the content of a large file before its digest is known, by its mark."""
    return f"s{mark_of(file)}-{token}"


def finished_name(name: str, *, sha512: str) -> str:
    """Name the empty file that says of a large one that it is whole, and what its digest is; no version ever has it."""
    return f"{name}.{sha512}"


def find_arrivals(staging: str, *, object_root: str, sizes: Mapping[str, int], store: ObjectStore) -> Arrivals:
    """Look what is in a staging folder, and abort the uploads there that nobody can go on with.

    A second run finds what the first left. A file is taken as there by its size alone when its name is the digest of
    bytes that were just read, and, where the store copies, by the checksum that the store tells; the verification after
    the commit reads it back in any case.

    Args:
        staging: The folder, relative to the object's root.
        object_root: Of the object.
        sizes: Of what is in the object.
        store: The archive.
    """
    finished: dict[str, Finished] = {}
    for path in sizes:
        found = _FINISHED.fullmatch(path.removeprefix(f"{staging}/"))
        if found and (content := f"{staging}/{found['name']}") in sizes:
            finished[found["mark"]] = Finished(content, found["sha512"])
    begun: dict[str, str] = {}
    for key, count in Counter(store.unfinished_uploads(f"{object_root}/{staging}/")).items():
        path = key.removeprefix(f"{object_root}/")
        named = _BEGUN.fullmatch(path.removeprefix(f"{staging}/"))
        if named is None or count > 1 or named["mark"] in finished or named["mark"] in begun:
            store.abort_unfinished(key)
        else:
            begun[named["mark"]] = path
    return Arrivals(sizes, finished, begun)


def abort_unwanted(arrivals: Arrivals, files: Iterable[SeenFile], *, object_root: str, store: ObjectStore) -> None:
    """Abort the uploads of files that are not to be read: they have changed since, or are gone."""
    if not arrivals.begun:
        return
    wanted = {mark_of(file) for file in files}
    for mark, path in arrivals.begun.items():
        if mark not in wanted:
            store.abort_unfinished(f"{object_root}/{path}")
