"""BioImage.IO packages on disk: what is admitted, what it says of itself, and the digest that pins it."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from cisterna.domain.base import Value
from cisterna.domain.errors import AlreadyExists, InvalidInput, NotFound
from cisterna.ports.inference import ModelCard

RDF = "rdf.yaml"
_RDF_LIMIT_BYTES = 1024 * 1024
_PACKAGE_LIMIT_BYTES = 4 * 1024**3


class Package(Value):
    """One admitted package.

    Attributes:
        foreground, interior: Indices of the two output channels from which objects are made.
    """

    name: str
    folder: Path
    sha256: str
    card: ModelCard
    foreground: int
    interior: int


def list_packages(models: Path) -> Sequence[str]:
    """Name the packages below a folder."""
    if not models.is_dir():
        return []
    return sorted(folder.name for folder in models.iterdir() if (folder / RDF).is_file())


def find_package(models: Path, name: str) -> Package:
    """Read one package.

    Raises:
        NotFound: There is none of that name.
        InvalidInput: Its `rdf.yaml` cannot be used.
    """
    known = list_packages(models)
    if name not in known:
        msg = f"there is no model '{name[:100]}'; admitted are: {', '.join(known) or 'none'}"
        raise NotFound(msg, model=name[:100])
    return read_package(models / name, name=name)


def read_package(folder: Path, *, name: str) -> Package:
    """Read what a package says of itself. Raises `InvalidInput`."""
    file = folder / RDF
    if file.stat().st_size > _RDF_LIMIT_BYTES:
        raise InvalidInput(f"{file} is larger than {_RDF_LIMIT_BYTES} bytes; it is no model description", model=name)
    try:
        said = yaml.safe_load(file.read_text("utf-8"))
        ours = said.get("config", {}).get("cisterna", {})
        names = _output_channels(said)
        sha256 = _digest(folder)
        card = ModelCard(
            name=name,
            version=str(said["version"]),
            sha256=sha256,
            description=str(said.get("description") or said["name"]),
            trained_on=str(ours.get("trained_on") or ""),
            licence=said.get("license"),
            channels=ours.get("channels"),
        )
        return Package(
            name=name,
            folder=folder,
            sha256=sha256,
            card=card,
            foreground=names.index(ours.get("foreground", names[0])),
            interior=names.index(ours.get("interior", names[-1])),
        )
    except (
        yaml.YAMLError,
        UnicodeDecodeError,
        AttributeError,
        KeyError,
        TypeError,
        ValueError,
        ValidationError,
    ) as error:
        msg = f"{file} is no model description that can be used ({type(error).__name__}: {error})"
        raise InvalidInput(msg, model=name) from error


def _output_channels(said: dict[str, Any]) -> list[str]:
    for axis in said["outputs"][0]["axes"]:
        if axis["type"] == "channel":
            return [str(one) for one in axis["channel_names"]]
    raise ValueError("its first output has no channel axis")


def _digest(folder: Path) -> str:
    """SHA-256 over the paths and bytes of every file of the package, in path order."""
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        if file.stat().st_size > _PACKAGE_LIMIT_BYTES:
            raise ValueError(f"{file} is too large")
        digest.update(f"{file.relative_to(folder).as_posix()}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as body:
            for chunk in iter(lambda: body.read(1024 * 1024), b""):
                digest.update(chunk)
    return digest.hexdigest()


def admit_package(source: Path, models: Path, *, name: str) -> Package:
    """Copy a package below the folder of admitted models, in one step; the same package again changes nothing.

    Raises:
        AlreadyExists: Another package has the name.
        InvalidInput: It is no package that can be run.
    """
    offered = read_package(source, name=name)
    if name in list_packages(models):
        known = find_package(models, name)
        if known.sha256 != offered.sha256:
            msg = f"another model is admitted as '{name}' ({known.sha256[:12]}); give this one a name of its own"
            raise AlreadyExists(msg, model=name)
        return known
    models.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=models, prefix=".incoming-") as aside:
        copy = Path(aside) / name
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
        copy.rename(models / name)
    return find_package(models, name)
