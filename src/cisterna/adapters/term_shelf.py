"""Gathers what vocabularies are here: the facility's folder, the lists that come with Cisterna, and packages."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from cisterna.adapters.term_edam import edam_facts, edam_terms
from cisterna.adapters.term_index import FORMAT, TermIndex, write_index
from cisterna.adapters.term_obo import OboFile
from cisterna.adapters.term_taxa import installed_taxonomy
from cisterna.domain.errors import InvalidInput
from cisterna.ports.vocabulary import SourceFacts, Term, TermSource

_MOST_FILES = 200
_AGAIN_SECONDS = 60.0
"""After which what the machine refused is tried again."""


class Shelf:
    """Sources by the files they come from; a file that is new, changed or gone counts from the next question on.

    Args:
        own: Folder into which the facility drops OBO files; it need not be there.
        shipped: Folder of ours; a file of the facility's stands in place of ours of the same name.
        indexes: Folder for what was read of files, kept so that each is read once.
        look_seconds: For how long a look into the folders holds.
        rest_seconds: For how long a file must not have changed: of one that is still copied a part would be read, and
            taken for the whole vocabulary.
    """

    def __init__(
        self, *, own: Path, shipped: Path, indexes: Path, look_seconds: float = 1.0, rest_seconds: float = 3.0
    ) -> None:
        self._own, self._shipped, self._indexes = own, shipped, indexes
        self._look_seconds, self._rest_seconds = look_seconds, rest_seconds
        self._next_look = -float("inf")
        self._lock = threading.Lock()
        self._seen: object = None
        self._open: dict[str, TermIndex] = {}
        self._packages: tuple[list[TermSource], list[str]] | None = None
        self._sources: list[TermSource] = []
        self._faults: list[str] = []

    def sources(self) -> Sequence[TermSource]:
        """Give those that can be used."""
        self._look()
        return self._sources

    def faults(self) -> Sequence[str]:
        """Say which cannot be used, and why."""
        self._look()
        return self._faults

    def _look(self) -> None:
        """Look whether files have changed. While one is read, which may take long, others go on with what was there."""
        if not self._lock.acquire(blocking=self._seen is None):
            return
        try:
            if time.monotonic() < self._next_look:
                return
            files, faults = self._files()
            self._next_look = time.monotonic() + self._look_seconds
            seen = (files, tuple(faults))
            if seen != self._seen:
                self._read(files, faults)
                self._seen = seen
        finally:
            self._lock.release()

    def _read(self, files: Mapping[Path, str], faults: list[str]) -> None:
        sources: list[TermSource] = []
        opened: dict[str, TermIndex] = {}
        for path, mark in files.items():
            try:
                opened[mark] = self._open.get(mark) or self._index_of(path, mark)
                sources.append(opened[mark])
            except InvalidInput as refusal:
                faults.append(str(refusal))
            except (OSError, sqlite3.Error) as error:
                faults.append(self._trouble(str(path), error))
        if self._packages is None:
            self._packages = self._of_packages()
        self._open, self._sources = opened, [*sources, *self._packages[0]]
        self._faults = [*faults, *self._packages[1]]

    def _trouble(self, name: str, error: Exception) -> str:
        """Say that the machine refused something, which is tried again: the disk may be full no more."""
        self._next_look, self._packages = time.monotonic() + _AGAIN_SECONDS, None
        return f"the vocabulary {name} cannot be used ({error}); see to {self._indexes}"

    def _files(self) -> tuple[Mapping[Path, str], list[str]]:
        """Find the files, the facility's first, each with a mark that another content of it does not have."""
        faults: list[str] = []
        found: dict[str, Path] = {}
        for folder in (self._own, self._shipped):
            try:
                names = sorted(path.name for path in folder.iterdir() if path.suffix == ".obo" and path.is_file())
            except FileNotFoundError:
                continue
            except OSError as error:
                faults.append(f"the folder of vocabularies {folder} cannot be read ({error.strerror}); mend that")
                continue
            if len(names) > _MOST_FILES:
                faults.append(f"{folder} holds {len(names):,} vocabularies and the first {_MOST_FILES} are read")
            for name in names[:_MOST_FILES]:
                found.setdefault(name, folder / name)
        files: dict[Path, str] = {}
        for path in found.values():
            state = path.stat() if path.exists() else None
            if state is not None and 0 <= time.time() - state.st_mtime < self._rest_seconds:
                faults.append(f"the vocabulary {path} was changed a moment ago; it is read when it has rested")
            elif state is not None:
                files[path] = _mark(path, state)
        return files, faults

    def _index_of(self, path: Path, mark: str) -> TermIndex:
        file = self._indexes / f"{mark}.sqlite"
        if file.exists():
            with contextlib.suppress(sqlite3.Error, ValueError):
                return TermIndex(file)
            file.unlink(missing_ok=True)  # it went bad, and is made anew
        obo = OboFile(path, is_own=path.parent == self._own)
        self._write(file, obo.facts, obo.terms())
        return TermIndex(file)

    def _write(self, file: Path, facts: SourceFacts, terms: Iterable[Term]) -> None:
        """Write an index in one step; of several processes that miss it, one writes and the others wait."""
        for folder in (self._indexes.parent, self._indexes):  # the first may be a home that is not there yet
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone(self._indexes / "lock"):
            if file.exists():
                return
            self._clear(file)
            handle, name = tempfile.mkstemp(dir=self._indexes, suffix=".part")
            os.close(handle)
            try:
                write_index(Path(name), facts, terms)
                Path(name).replace(file)
            finally:
                Path(name).unlink(missing_ok=True)

    def _clear(self, file: Path) -> None:
        """Remove what a killed writer left, and the index of what the file held before."""
        stem = file.stem.rpartition("-")[0]
        for other in self._indexes.iterdir():
            is_old = re.fullmatch(rf"{re.escape(stem)}-[0-9a-f]{{16}}\.sqlite", other.name)
            if is_old or other.suffix == ".part":
                other.unlink(missing_ok=True)

    def _of_packages(self) -> tuple[list[TermSource], list[str]]:
        sources: list[TermSource] = []
        faults: list[str] = []
        facts = edam_facts()
        try:
            file = self._indexes / f"edam-{facts.released}-{FORMAT}.sqlite"
            self._write(file, facts, edam_terms())
            sources.append(TermIndex(file))
        except (OSError, sqlite3.Error) as error:
            faults.append(self._trouble(facts.name, error))
        try:
            taxonomy = installed_taxonomy()
        except (ImportError, OSError) as error:
            faults.append(f"the extra `taxonomy` cannot be used ({error}); install it again, or take taxoniq away")
        else:
            sources += [taxonomy] if taxonomy is not None else []
        return sources, faults


def _mark(path: Path, state: os.stat_result) -> str:
    told = f"{path.absolute()}:{state.st_size}:{state.st_mtime_ns}:{state.st_ino}:{FORMAT}"
    return f"{path.stem[:40]}-{hashlib.sha256(told.encode('utf-8', 'surrogateescape')).hexdigest()[:16]}"


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[None]:
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
