"""BioImage.IO packages on disk: what is admitted, what it says of itself, and the digest that pins it."""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from cisterna.adapters.model_rdf import RDF, read_rdf
from cisterna.domain.base import Value
from cisterna.domain.errors import AlreadyExists, HostileInput, InvalidInput, NotFound
from cisterna.ports.inference import ModelCard

_PACKAGE_LIMIT_BYTES = 4 * 1024**3
_FILES_MAX = 1000
_INCOMING = ".incoming-"
"""What the names of half copied packages begin with; no model's does."""
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class Package(Value):
    """One package that can be run.

    Attributes:
        foreground, interior: Indices of the two output channels from which objects are made.
    """

    name: str
    folder: Path
    sha256: str
    card: ModelCard
    foreground: int
    interior: int


class _File(NamedTuple):
    """A file as the file system tells it: unless this changes, its bytes have not."""

    path: str
    size_bytes: int
    modified_ns: int
    changed_ns: int
    inode: int


def list_packages(models: Path) -> Sequence[str]:
    """Name the packages below a folder."""
    if not models.is_dir():
        return []
    folders = [one for one in models.iterdir() if _NAME.fullmatch(one.name) and not one.is_symlink()]
    return sorted(folder.name for folder in folders if (folder / RDF).is_file())


def find_package(models: Path, name: str) -> Package:
    """Read one package.

    Raises:
        NotFound: There is none of that name.
        InvalidInput: It cannot be used.
    """
    known = list_packages(models)
    if name not in known:
        msg = f"there is no model '{name[:100]}'; admitted are: {', '.join(known) or 'none'}"
        raise NotFound(msg, model=name[:100])
    return read_package(models / name, name=name)


def read_package(folder: Path, *, name: str) -> Package:
    """Read what a package says of itself; its bytes are digested again only when a file of it has changed.

    Raises:
        HostileInput: It holds a link or a device, or reaches outside of itself.
        InvalidInput: It is no package that can be run.
    """
    if not _NAME.fullmatch(name):
        msg = (
            f"'{name[:100]}' cannot be a model's name: up to 64 of a-z, 0-9, '.', '_' and '-', a letter or digit first"
        )
        raise InvalidInput(msg, model=name[:100])
    return _read(folder, name, _files_of(folder))


@functools.lru_cache(maxsize=64)
def _read(folder: Path, name: str, files: tuple[_File, ...]) -> Package:
    rdf = read_rdf(folder)
    channels, ours = rdf.output_channels, rdf.config.cisterna
    wanted = [ours.foreground or channels[0], ours.interior or channels[-1]] if channels else []
    if not wanted or not set(wanted) <= set(channels):
        msg = f"{folder / RDF} cannot be used: its first output needs named channels, and config.cisterna names of them"
        raise InvalidInput(msg, model=name)
    sha256 = _digest(folder, files)
    card = ModelCard(
        name=name,
        version=str(rdf.version),
        sha256=sha256,
        description=rdf.description or rdf.name,
        trained_on=ours.trained_on,
        licence=rdf.license,
        channels=ours.channels,
    )
    places = {"foreground": channels.index(wanted[0]), "interior": channels.index(wanted[1])}
    return Package(name=name, folder=folder, sha256=sha256, card=card, **places)


def _files_of(folder: Path) -> tuple[_File, ...]:
    """List every file of a package, in path order. Raises `InvalidInput`, `HostileInput`."""
    files: list[_File] = []
    if folder.is_symlink() or not folder.is_dir():
        raise InvalidInput(f"{folder} is no folder; give the folder that holds {RDF}")
    for path in sorted(folder.rglob("*")):
        found = path.lstat()
        if stat.S_ISDIR(found.st_mode):
            continue
        if not stat.S_ISREG(found.st_mode):
            raise HostileInput(f"{path} is a link or no plain file; a package holds files alone", path=str(path))
        name = path.relative_to(folder).as_posix()
        files.append(_File(name, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino))
        if len(files) > _FILES_MAX:
            raise InvalidInput(f"{folder} has more than {_FILES_MAX} files; it is no model package")
    if sum(file.size_bytes for file in files) > _PACKAGE_LIMIT_BYTES:
        raise InvalidInput(f"{folder} is larger than {_PACKAGE_LIMIT_BYTES} bytes; it is not taken")
    return tuple(files)


def _digest(folder: Path, files: tuple[_File, ...]) -> str:
    """SHA-256 over the paths, sizes and bytes of every file of the package, in path order."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.path}\0{file.size_bytes}\0".encode("utf-8", "surrogateescape"))
        with (folder / file.path).open("rb") as body:
            for chunk in iter(lambda: body.read(1024 * 1024), b""):
                digest.update(chunk)
    return digest.hexdigest()


def collect_incoming(models: Path) -> Sequence[str]:
    """Remove the half copies of admissions that were killed, and return their names; one that lives holds its own.

    Harmless to be killed and to run twice: what is left is found again.
    """
    gone = []
    for folder in sorted(models.glob(f"{_INCOMING}*")):
        with _held(folder) as is_ours:
            if is_ours:
                shutil.rmtree(folder, ignore_errors=True)
                gone.append(folder.name)
    return gone


@contextmanager
def _aside(models: Path) -> Iterator[Path]:
    """Make a folder that is removed at the end, and held meanwhile: the kernel lets it go when its holder dies."""
    while True:
        folder = Path(tempfile.mkdtemp(dir=models, prefix=_INCOMING))
        with _held(folder) as is_ours:
            if is_ours and folder.is_dir():  # else it was collected before it was held
                try:
                    yield folder
                finally:
                    shutil.rmtree(folder, ignore_errors=True)
                return


@contextmanager
def _held(folder: Path) -> Iterator[bool]:
    """Hold a folder against others, and tell whether it could be had."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        yield False
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(descriptor)


def admit_package(source: Path, models: Path, *, name: str) -> Package:
    """Copy a package below the folder of admitted models, in one step; the same package again changes nothing.

    Raises:
        AlreadyExists: Another package has the name.
        HostileInput, InvalidInput: It is no package that can be run, or it changed while it was copied.
    """
    offered = read_package(source, name=name)
    models.mkdir(parents=True, exist_ok=True)
    if name not in list_packages(models):
        with _aside(models) as aside:
            copy = aside / name
            shutil.copytree(source, copy, symlinks=True)
            if read_package(copy, name=name).sha256 != offered.sha256:
                raise InvalidInput(f"{source} changed while it was copied; admit it again when it rests", model=name)
            try:
                copy.rename(models / name)
            except OSError as error:  # a folder is there: somebody else's copy, or none of ours
                if name not in list_packages(models):
                    raise AlreadyExists(f"{models / name} is in the way; remove it first", model=name) from error
    known = find_package(models, name)
    if known.sha256 != offered.sha256:
        msg = f"another model is admitted as '{name}' ({known.sha256[:12]}); give this one a name of its own"
        raise AlreadyExists(msg, model=name)
    return known
