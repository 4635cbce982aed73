"""Makes a listing of an acquisition out of keys: what is a path in a folder, and what cannot be one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from cisterna.adapters.folder_listing import MOST_FILES
from cisterna.domain.listing import Listing, Obstacle, ObstacleKind, SeenFile
from cisterna.domain.source_name import logical_path


class SeenKey(NamedTuple):
    """An object as a listing or an answer of the store tells of it."""

    key: str
    size_bytes: int
    etag: str
    modified: datetime


def listing_of(keys: Iterable[SeenKey], *, below: str) -> Listing:
    """List what lies below a folder.

    Args:
        keys: Of the folder.
        below: What each of them begins with, `/` included.
    """
    files: list[SeenFile] = []
    obstacles: list[Obstacle] = []
    for number, one in enumerate(keys):
        if number >= MOST_FILES:
            obstacles.append(_refused("(the rest)", f"more than {MOST_FILES} objects lie in one folder"))
            break
        rest = one.key.removeprefix(below)
        if is_marker(rest, size_bytes=one.size_bytes):
            continue
        reason = why_no_path(rest)
        if reason is not None:
            obstacles.append(_refused(shown_key(rest), reason))
            continue
        files.append(seen_file(one, logical_path(rest.encode())))
    files.sort(key=lambda file: file.path)
    obstacles += _both_file_and_folder(files)
    obstacles.sort(key=lambda obstacle: obstacle.shown)
    return Listing.model_construct(files=tuple(files), obstacles=tuple(obstacles))


def seen_file(one: SeenKey, path: str) -> SeenFile:
    """Say of an object what is said of a file: 63 bits of its ETag's digest stand where a file has its inode.

    The time is cut to the second, which is all that an answer to a GET tells.
    """
    identity = int.from_bytes(hashlib.sha256(one.etag.strip('"').encode()).digest()[:8], "big") >> 1
    mtime_ns = int(one.modified.timestamp()) * 1_000_000_000
    return SeenFile(path=path, size_bytes=one.size_bytes, mtime_ns=mtime_ns, inode=identity)


def is_marker(rest: str, *, size_bytes: int) -> bool:
    """Tell whether an object only says that a folder is there, as consoles make them: it ends in `/` and is empty."""
    return size_bytes == 0 and (rest == "" or (rest.endswith("/") and why_no_path(rest[:-1]) is None))


def why_no_path(rest: str) -> str | None:
    """Say why the rest of a key names no file of a folder, or return None when it does."""
    parts = rest.split("/")
    if rest.endswith("/") or rest == "":
        return "the key ends in '/' and holds bytes, and no file can have that name; copy it to another key"
    if "" in parts:
        return "the key has two '/' in a row, which no path of files has; copy it to another key"
    if "." in parts or ".." in parts:
        return "the key has a part '.' or '..', which would lead elsewhere among files; copy it to another key"
    if "\0" in rest:
        return "the key holds NUL, which no name of a file does; copy it to another key"
    return None


def shown_key(key: str) -> str:
    """Write a key, or what is left of one, so that people and terminals can stand it."""
    return logical_path(key.encode("utf-8", "surrogateescape")) or "(empty name)"


def _both_file_and_folder(files: Iterable[SeenFile]) -> list[Obstacle]:
    paths, folders = {file.path for file in files}, set[str]()
    for path in paths:
        folder = path.rpartition("/")[0]
        while folder and folder not in folders:
            folders.add(folder)
            folder = folder.rpartition("/")[0]
    words = "is an object, and other keys take it for a folder; files cannot be so: copy it to another key"
    return [_refused(path, words) for path in sorted(paths & folders)]


def _refused(shown: str, reason: str) -> Obstacle:
    return Obstacle(kind=ObstacleKind.SPECIAL, shown=shown, reason=f"'{shown}': {reason}")
