"""A landing zone in memory: keeps state, passes the contract kit, and can be made to go away."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from cisterna.domain.errors import HostileInput, NotFound, ReleaseRefused, SourceUnavailable
from cisterna.domain.instrument import Identity, ZoneIdentity
from cisterna.domain.listing import Listing, Obstacle, ObstacleKind, SeenFile
from cisterna.domain.release import ProvenFile
from cisterna.domain.source_name import source_path
from cisterna.ports.object_store import SourceObject, Witness

_SECOND = 1_000_000_000
_WITNESS = ".witness"


@dataclass(frozen=True)
class _Kept:
    body: bytes
    mtime_ns: int
    inode: int


class MemoryZone:
    """Implements `ports.source.LandingZone`; files are written by `write` and go by `remove`.

    Attributes:
        is_away: Whether nothing of it can be looked at now.
        bucket: What a `MemoryStore` that reaches it calls it; None when it lies in no store.
    """

    def __init__(self, *, declared: Identity | None = None, bucket: str | None = None) -> None:
        self.is_away = False
        self.bucket = bucket
        self._declared = declared
        self._files: dict[str, _Kept] = {}
        self._numbers = itertools.count(1)
        self._identity = ZoneIdentity(device=1, inode=1)

    def write(self, path: str, body: bytes) -> None:
        """Write a file, as `folder/path`; the one that is there goes."""
        number = next(self._numbers)
        self._files[path] = _Kept(body, mtime_ns=number * _SECOND, inode=number)

    def remove(self, path: str) -> None:
        """Remove a file."""
        del self._files[path]

    def swap(self) -> None:
        """Put another, empty zone in its place."""
        self._identity = ZoneIdentity(device=1, inode=self._identity.inode + 1)
        self._files.clear()

    def identity(self) -> Identity:
        """Give the number of what stands there now."""
        if self.is_away:
            msg = "the landing zone cannot be looked at; bring it back"
            raise SourceUnavailable(msg)
        return self._identity

    def require_identity(self, declared: Identity | None) -> None:
        """Refuse another one."""
        if self.identity() != declared and declared is not None:
            msg = "this is not the folder that was declared; bring it back"
            raise SourceUnavailable(msg)

    def witness(self) -> Witness | None:
        """Give an object beside the folders that nothing lists."""
        self._look()
        found = self.object_at(_WITNESS)
        return Witness(stored=found[0], body=found[1]) if found else None

    def object_at(self, key: str) -> tuple[SourceObject, bytes] | None:
        """Give the object of a bucket that a file is, its key as `folder/path`."""
        body = str(self._identity.inode).encode()
        kept = _Kept(body, mtime_ns=0, inode=0) if key == _WITNESS else self._files.get(key)
        if self.bucket is None or kept is None:
            return None
        etag = str(kept.inode)
        return SourceObject(bucket=self.bucket, key=key, size_bytes=len(kept.body), etag=etag), kept.body

    def folders(self) -> Sequence[str]:
        """Name the first parts of all paths that have more."""
        self._look()
        return sorted({path.partition("/")[0] for path in self._files if "/" in path})

    def strays(self) -> Sequence[Obstacle]:
        """Name the paths that have one part."""
        self._look()
        beside = sorted(path for path in self._files if "/" not in path)
        return [Obstacle(kind=ObstacleKind.SPECIAL, shown=one, reason=f"'{one}' belongs to no run") for one in beside]

    def listing(self, folder: str) -> Listing:
        """List the files of a folder."""
        below = f"{self._folder(folder)}/"
        found = {path.removeprefix(below): kept for path, kept in self._files.items() if path.startswith(below)}
        if not found:
            raise NotFound(f"{folder} is not there", path=folder)
        return Listing(files=tuple(_seen(path, found[path]) for path in sorted(found)))

    def read_small(self, folder: str, path: str, *, limit_bytes: int) -> bytes:
        """Read a file whole."""
        body = self._kept(folder, path).body
        if len(body) > limit_bytes:
            raise HostileInput(f"{path} is larger than {limit_bytes} bytes", path=path)
        return body

    def read_tail(self, folder: str, path: str, *, limit_bytes: int) -> bytes:
        """Read the end of a file."""
        body = self._kept(folder, path).body
        return body[max(0, len(body) - limit_bytes) :]

    @contextmanager
    def open(self, folder: str, path: str) -> Iterator[_MemoryFile]:
        """Open a file."""
        yield _MemoryFile(self, folder, path, self._kept(folder, path))

    @contextmanager
    def entered(self, folder: str) -> Iterator[_EnteredMemory]:
        """Let one thread open many files of a folder."""
        self._folder(folder)
        yield _EnteredMemory(self, folder)

    def delete(self, folder: str, files: Iterable[ProvenFile], *, keep_on: Callable[[], None]) -> int:
        """Refuse."""
        del folder, files, keep_on
        msg = "nothing is deleted here"
        raise ReleaseRefused(msg)

    def now(self, folder: str, path: str) -> SeenFile:
        """Tell what a file is now."""
        return _seen(path, self._kept(folder, path))

    def _look(self) -> None:
        self.require_identity(self._declared)

    def _kept(self, folder: str, path: str) -> _Kept:
        source_path(path)
        found = self._files.get(f"{self._folder(folder)}/{path}")
        if found is None:
            raise NotFound(f"{folder}/{path} is not there", path=path)
        return found

    def _folder(self, folder: str) -> str:
        self._look()
        if "/" in folder:
            raise HostileInput(f"{folder!r} is not the name of a folder", path=folder)
        source_path(folder)
        return folder


class _EnteredMemory:
    def __init__(self, zone: MemoryZone, folder: str) -> None:
        self._zone, self._folder = zone, folder

    def open(self, path: str) -> AbstractContextManager[_MemoryFile]:
        return self._zone.open(self._folder, path)


class _MemoryFile:
    def __init__(self, zone: MemoryZone, folder: str, path: str, kept: _Kept) -> None:
        self._zone, self._folder, self._path = zone, folder, path
        self.opened = _seen(path, kept)
        found = zone.object_at(f"{folder}/{path}")
        self.stored = found and found[0]
        self._rest = memoryview(kept.body)

    def readinto(self, buffer: memoryview) -> int:
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def still(self) -> SeenFile:
        return self._zone.now(self._folder, self._path)


def _seen(path: str, kept: _Kept) -> SeenFile:
    return SeenFile(path=path, size_bytes=len(kept.body), mtime_ns=kept.mtime_ns, inode=kept.inode)
