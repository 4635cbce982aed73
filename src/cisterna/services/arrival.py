"""What earlier attempts at a version brought into its staging folder, so that it is not sent again.

An attempt that ends for want of the store, the source or its lease, or is killed, leaves its folder on the version's
record, and the next one goes on there. Nobody deletes from a folder that is on record: whoever is to delete one takes
it off first, under its lease. So a worker that was thought dead and is not can at worst add to the folder, and never
under a key of another's: small files are named by their digest, large ones by the run that began them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from cisterna.ports.object_store import ObjectStore

_NAME = r"s(?P<index>[0-9]+)-[0-9a-f]{32}"
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
        finished: Large files by their place in the listing.
        begun: Content paths of the unfinished uploads of others.
    """

    sizes: Mapping[str, int] = field(default_factory=dict)
    finished: Mapping[int, Finished] = field(default_factory=dict)
    begun: Mapping[int, str] = field(default_factory=dict)


def upload_name(index: int, *, token: str) -> str:
    """Name the content of a large file before its digest is known, by its place in the listing."""
    return f"s{index}-{token}"


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
    finished: dict[int, Finished] = {}
    for path in sizes:
        found = _FINISHED.fullmatch(path.removeprefix(f"{staging}/"))
        if found and (content := f"{staging}/{found['name']}") in sizes:
            finished[int(found["index"])] = Finished(content, found["sha512"])
    begun: dict[int, str] = {}
    for key, count in Counter(store.unfinished_uploads(f"{object_root}/{staging}/")).items():
        path = key.removeprefix(f"{object_root}/")
        named = _BEGUN.fullmatch(path.removeprefix(f"{staging}/"))
        index = int(named["index"]) if named else -1
        if named is None or count > 1 or index in finished or index in begun:
            store.abort_unfinished(key)
        else:
            begun[index] = path
    return Arrivals(sizes, finished, begun)
