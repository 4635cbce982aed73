"""Where targets that are no service write to: a folder, or the keys below a prefix of any bucket."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from cisterna.domain.errors import (
    CisternaError,
    InvalidInput,
    ObjectNotFound,
    PreconditionFailed,
    StoreUnavailable,
    TargetRefused,
    TargetUnavailable,
)
from cisterna.ports.object_store import Condition, IfAbsent, IfMatch, ObjectStore

_BLOCK_BYTES = 1024 * 1024
_CHANGES = 20
"""How often others may come between before it is left for later."""
_LOCK = ".cisterna-lock"


class Place(Protocol):
    """Paths are relative, with plain parts between single slashes. Raises `TargetUnavailable`, `TargetRefused`."""

    def read(self, path: str) -> bytes | None:
        """Read a small file; None when there is none."""
        ...

    def size_of(self, path: str) -> int | None:
        """Tell how large a file is; None when there is none."""
        ...

    def write(self, path: str, body: bytes, *, media_type: str) -> None:
        """Write a small file whole, over what is there."""
        ...

    def change(self, path: str, made_of: Callable[[bytes | None], bytes], *, media_type: str) -> None:
        """Write over a small file what is made of it; when another one writes meanwhile, it is made of that anew."""
        ...

    def carry(self, path: str, chunks: Iterator[bytes]) -> None:
        """Write a file of any size as its pieces come; it appears whole or not at all."""
        ...

    def stream(self, path: str) -> Iterator[bytes]:
        """Read a file in pieces."""
        ...

    def below(self, folder: str) -> Iterator[str]:
        """Give the path of every file below a folder, whose name ends with a slash."""
        ...

    def remove(self, path: str) -> None:
        """Remove a file; harmless when there is none."""
        ...

    def look(self) -> str:
        """Say where it is, once it has answered; nothing is written."""
        ...


class BucketPlace:
    """Implements `Place` below a prefix of a bucket.

    Args:
        store: The bucket, with credentials of its own.
        prefix: Begin of every key; empty, or with a slash at its end.
    """

    def __init__(self, store: ObjectStore, *, prefix: str = "") -> None:
        self._store = store
        self._prefix = prefix

    def read(self, path: str) -> bytes | None:
        """Read an object."""
        with self._translated():
            try:
                return self._store.get(f"{self._prefix}{path}")[0]
            except ObjectNotFound:
                return None

    def size_of(self, path: str) -> int | None:
        """Ask for its head."""
        with self._translated():
            found = self._store.head(f"{self._prefix}{path}")
        return found.size_bytes if found else None

    def write(self, path: str, body: bytes, *, media_type: str) -> None:
        """Put an object."""
        with self._translated():
            self._store.put(f"{self._prefix}{path}", body, content_type=media_type)

    def change(self, path: str, made_of: Callable[[bytes | None], bytes], *, media_type: str) -> None:
        """Put an object only over the one that was read."""
        key = f"{self._prefix}{path}"
        for _ in range(_CHANGES):
            with self._translated():
                body, condition = self._held(key)
                with suppress(PreconditionFailed):
                    self._store.put(key, made_of(body), condition=condition, content_type=media_type)
                    return
        msg = f"{path} in the bucket of {self._store.name} is changed all the time; it is tried again"
        raise TargetUnavailable(msg, target=self._store.name)

    def carry(self, path: str, chunks: Iterator[bytes]) -> None:
        """Upload it in parts; what does not come to its end is aborted."""
        with self._translated():
            upload = self._store.begin_upload(f"{self._prefix}{path}")
        try:
            for chunk in chunks:
                with self._translated():
                    upload.write(chunk)
            with self._translated():
                upload.complete()
        except BaseException:
            with suppress(CisternaError):
                upload.abort()
            raise

    def stream(self, path: str) -> Iterator[bytes]:
        """Stream an object."""
        with self._translated():
            yield from self._store.stream(f"{self._prefix}{path}")

    def below(self, folder: str) -> Iterator[str]:
        """List the keys."""
        with self._translated():
            for found in self._store.list(f"{self._prefix}{folder}"):
                yield found.key.removeprefix(self._prefix)

    def remove(self, path: str) -> None:
        """Delete an object."""
        with self._translated():
            self._store.delete([f"{self._prefix}{path}"])

    def look(self) -> str:
        """Ask for something."""
        with self._translated():
            next(iter(self._store.list(self._prefix)), None)
        return f"the bucket {self._store.bucket} answers"

    def _held(self, key: str) -> tuple[bytes | None, Condition]:
        """Give what lies at a key, and how it is told whether that lies there still."""
        try:
            body, found = self._store.get(key)
        except ObjectNotFound:
            return None, IfAbsent()
        return body, IfMatch(etag=found.etag)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        name = self._store.name
        try:
            yield
        except (StoreUnavailable, PreconditionFailed) as error:
            raise TargetUnavailable(f"the bucket of {name} did not answer: {error}", target=name) from error
        except (TargetUnavailable, TargetRefused):
            raise
        except CisternaError as error:
            raise TargetRefused(f"the bucket of {name} refused: {error}", target=name) from error


class FolderPlace:
    """Implements `Place` in a folder, which is there already.

    Args:
        folder: Its absolute path.
        target: What settings call it, for messages.
    """

    def __init__(self, folder: Path, *, target: str) -> None:
        self._folder = folder
        self._target = target

    def read(self, path: str) -> bytes | None:
        """Read a file."""
        with self._translated():
            try:
                return self._at(path).read_bytes()
            except FileNotFoundError:
                return None

    def size_of(self, path: str) -> int | None:
        """Look at a file."""
        with self._translated():
            try:
                return self._at(path).stat().st_size
            except FileNotFoundError:
                return None

    def write(self, path: str, body: bytes, *, media_type: str) -> None:
        """Write it beside, and move it to its place."""
        del media_type  # a web server tells it by the name
        self.carry(path, iter([body]))

    def change(self, path: str, made_of: Callable[[bytes | None], bytes], *, media_type: str) -> None:
        """Write it while nobody else may: who changes files here holds a lock of the folder."""
        with self._translated():
            self._require_folder()
            lock = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            with self._translated():
                fcntl.flock(lock, fcntl.LOCK_EX)
            self.write(path, made_of(self.read(path)), media_type=media_type)
        finally:
            os.close(lock)

    def carry(self, path: str, chunks: Iterator[bytes]) -> None:
        """Write it beside, and move it to its place once it is whole and on the disk."""
        with self._translated():
            whole = self._at(path)
            self._require_folder()
            whole.parent.mkdir(parents=True, exist_ok=True)
            handle, beside = tempfile.mkstemp(dir=whole.parent, prefix=".", suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                for chunk in chunks:
                    with self._translated():
                        file.write(chunk)
                with self._translated():
                    file.flush()
                    os.fsync(file.fileno())
            with self._translated():
                Path(beside).chmod(0o644)
                Path(beside).replace(whole)
        except BaseException:
            Path(beside).unlink(missing_ok=True)
            raise

    def stream(self, path: str) -> Iterator[bytes]:
        """Read a file in blocks."""
        with self._translated(), self._at(path).open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                yield block

    def below(self, folder: str) -> Iterator[str]:
        """Walk the folder; what a kill left half written is told as well, so that it is removed with the rest."""
        with self._translated():
            self._require_folder()
            for found in sorted(self._at(folder.rstrip("/")).rglob("*") if folder else self._folder.rglob("*")):
                if found.is_file():
                    yield found.relative_to(self._folder).as_posix()

    def remove(self, path: str) -> None:
        """Unlink a file."""
        with self._translated():
            self._at(path).unlink(missing_ok=True)

    def look(self) -> str:
        """See that it is a folder that may be written to."""
        with self._translated():
            self._require_folder()
        if not os.access(self._folder, os.W_OK | os.X_OK):
            msg = f"nothing may be written to {self._folder}; give this user the right to"
            raise TargetRefused(msg, target=self._target)
        return f"the folder {self._folder} is there and may be written to"

    def _at(self, path: str) -> Path:
        if any(part in {"", ".", ".."} for part in path.split("/")) or "\0" in path:
            raise InvalidInput(f"'{path[:80]!r}' is no path below a folder", path=path[:80])
        return self._folder / path

    def _require_folder(self) -> None:
        """A mount that is missing must not be written beneath."""
        if not self._folder.is_dir():
            msg = f"the folder {self._folder} is not there; is it mounted?"
            raise TargetUnavailable(msg, target=self._target)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            msg = f"the folder of {self._target} could not be used ({error.strerror or type(error).__name__})"
            raise TargetUnavailable(msg, target=self._target) from error
