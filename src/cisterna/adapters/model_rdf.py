"""Reads what a BioImage.IO package says of itself (`rdf.yaml`, format 0.5), as the bytes of a stranger.

Only what Cisterna needs is taken. Everything that another file is read for must lie inside the package, so that no
description makes us download or open anything else.
"""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from cisterna.domain.errors import HostileInput, InvalidInput
from cisterna.domain.path import relative_path

RDF = "rdf.yaml"
_DEEPEST = 32
_LIMIT_BYTES = 256 * 1024
_PATH_LISTS = frozenset({"covers"})
_PATHS = frozenset({"source", "documentation", "icon"})

Word = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Text = Annotated[str, StringConstraints(max_length=5000)]
ChannelPattern = Annotated[str, StringConstraints(max_length=200, pattern=r"^(\(\?i\))?[A-Za-z0-9 _.|^$-]+$")]
"""Alternatives of plain words: no repetition, so matching takes time in proportion to the name, whoever wrote it."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class Axis(_Part):
    """One axis of a tensor, such as `batch`, `channel` or `space`."""

    type: Word
    channel_names: tuple[Word, ...] | None = Field(default=None, max_length=100)


class Tensor(_Part):
    """An input or an output."""

    axes: tuple[Axis, ...] = Field(max_length=8)


class Onnx(_Part):
    """The only weights that are run."""

    source: Word


class Weights(_Part):
    """Other kinds may be there: they are never opened."""

    onnx: Onnx


class Ours(_Part):
    """What only Cisterna reads: `config.cisterna`."""

    channels: ChannelPattern | None = None
    trained_on: Text = ""
    foreground: Word | None = None
    interior: Word | None = None


class _Config(_Part):
    cisterna: Ours = Ours()


class Rdf(_Part):
    """What a package says of itself."""

    type: Literal["model"]
    format_version: Annotated[str, StringConstraints(pattern=r"^0\.5\.[0-9]{1,4}$")]
    name: Word
    version: Word | int | float
    description: Text | None = None
    license: Word | None = None
    inputs: tuple[Tensor, ...] = Field(min_length=1, max_length=1)
    outputs: tuple[Tensor, ...] = Field(min_length=1, max_length=10)
    weights: Weights
    config: _Config = _Config()

    @property
    def output_channels(self) -> tuple[str, ...]:
        """Names of the first output's channels; empty when it has none."""
        return next((axis.channel_names or () for axis in self.outputs[0].axes if axis.type == "channel"), ())


def read_rdf(folder: Path) -> Rdf:
    """Read and judge the description of a package.

    Raises:
        HostileInput: It names a file outside the package, asks for a download, or expands on reading.
        InvalidInput: It is no description of a model that can be run.
    """
    said = _load(folder / RDF)
    _require_inside(said, folder)
    try:
        rdf = Rdf.model_validate(_as_tuples(said))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise InvalidInput(f"{folder / RDF} cannot be used: {place}: {first['msg']}") from error
    for tensor in (rdf.inputs[0], rdf.outputs[0]):
        if [axis.type for axis in tensor.axes] != ["batch", "channel", "space", "space"]:
            msg = f"{folder / RDF} cannot be used: its images must have the axes batch, channel, y, x in this order"
            raise InvalidInput(msg)
    return rdf


def _load(file: Path) -> dict[str, Any]:
    try:
        found = file.lstat()
        if not stat.S_ISREG(found.st_mode) or found.st_size > _LIMIT_BYTES:
            raise InvalidInput(f"{file} is no file of at most {_LIMIT_BYTES} bytes; it is no model description")
        text = file.read_text("utf-8")
        _refuse_bombs(text, file)
        said = yaml.load(text, Loader=yaml.CSafeLoader)
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise InvalidInput(f"{file} is no model description ({type(error).__name__})") from error
    if not isinstance(said, dict):
        raise InvalidInput(f"{file} is no model description: it holds no names")
    return said


def _refuse_bombs(text: str, file: Path) -> None:
    """Look at the events one by one and stop at the first that is out of place: nothing is built or read beyond it."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise HostileInput(f"{file} uses aliases, by which a small file can expand without end; write them out")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEEPEST:
            raise InvalidInput(f"{file} is nested more than {_DEEPEST} deep; it is no model description")


def _require_inside(said: dict[str, Any], folder: Path) -> None:
    """Hold every path of a description against the package, whatever it belongs to."""
    waiting: list[Any] = [said]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(value)
        if not isinstance(value, dict):
            continue
        if value.get("output_of") is not None:
            raise HostileInput(f"{folder / RDF} wants another model to be fetched (output_of); that is not done")
        paths = [value[name] for name in _PATHS if isinstance(value.get(name), str)]
        paths += [one for name in _PATH_LISTS for one in _listed(value.get(name)) if isinstance(one, str)]
        for path in paths:
            _require_file(path, folder)
        waiting.extend(value.values())


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _require_file(path: str, folder: Path) -> None:
    try:
        is_there = (folder / relative_path(path)).is_file()
    except HostileInput as refusal:
        raise HostileInput(
            f"{folder / RDF} names '{path[:100]}', which is not inside the package", path=path
        ) from refusal
    if not is_there:
        msg = f"{folder / RDF} names '{path[:100]}', which is not in the package; nothing is downloaded, so add it"
        raise InvalidInput(msg, path=path)


def _as_tuples(value: Any) -> Any:
    """Turn lists into tuples, since the strict values take nothing for something else."""
    if isinstance(value, list):
        return tuple(_as_tuples(one) for one in value)
    if isinstance(value, dict):
        return {name: _as_tuples(one) for name, one in value.items() if isinstance(name, str)}
    return value
