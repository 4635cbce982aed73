"""The table by which an object names the parts that hold its files: `provenance/parts.parquet`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from pydantic import ValidationError

from cisterna.domain.dataset import Dataset, Version
from cisterna.domain.digest import sha512_of
from cisterna.domain.errors import HostileInput, ObjectInvalid
from cisterna.domain.identifier import dataset_id
from cisterna.domain.manifest import Manifest
from cisterna.domain.part import Part, part_origin, part_pid
from cisterna.ports.catalogue import Transaction
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.quality import TableFile
from cisterna.services.data_manifest import MANIFEST_PATH, load_manifest
from cisterna.services.staging import read_staged

PARTS_PATH = "provenance/parts.parquet"

_COLUMNS = tuple(Part.model_fields)


class HeldPart(NamedTuple):
    """A part as a version names it, with the rows of the catalogue that are its own."""

    part: Part
    version: Version
    dataset: Dataset


def held_parts(tx: Transaction, version: Version) -> tuple[HeldPart, ...]:
    """Look up the parts that a version names; none when its own object has its files."""
    return tuple(
        HeldPart(part, tx.datasets.get_version(part.version_id), tx.datasets.get(part.dataset_id))
        for part in version.parts
    )


def dump_parts(parts: Sequence[Part], *, tables: TableFile) -> bytes:
    """Write one row a part, in their order."""
    return tables.dump({name: [getattr(part, name) for part in parts] for name in _COLUMNS})


def load_parts(body: bytes, *, pid: str, tables: TableFile) -> tuple[Part, ...]:
    """Read it back, and believe nothing in it that does not follow from the PID of the object that it lies in.

    Raises:
        InvalidInput: The bytes are no table.
        ObjectInvalid: It names other things than the parts of that object, each once and in the order of its files.
    """
    columns: dict[str, list[Any]] = tables.load(body)
    if missing := [name for name in _COLUMNS if name not in columns]:
        raise ObjectInvalid(f"{PARTS_PATH} of {pid} lacks the columns {', '.join(missing)}", pid=pid)
    try:
        rows = zip(*(columns[name] for name in _COLUMNS), strict=True)
        parts = tuple(Part.model_validate(dict(zip(_COLUMNS, row, strict=True))) for row in rows)
    except (ValidationError, ValueError, HostileInput) as error:
        raise ObjectInvalid(f"{PARTS_PATH} of {pid} is no table of parts: {error}", pid=pid) from error
    _require_own(parts, pid=pid)
    return parts


def read_parts(version: Version, *, dataset: Dataset, store: ObjectStore, tables: TableFile) -> tuple[Part, ...]:
    """Read the table of a version from its object, and hold it against what the catalogue has.

    Raises:
        ObjectInvalid: It is not what was staged, or does not name the parts that the catalogue knows.
        ObjectNotFound, InvalidInput: It is not there, or no table.
    """
    body = read_staged(version, PARTS_PATH, dataset=dataset, store=store)
    parts = load_parts(body, pid=dataset.pid, tables=tables)
    if sha512_of(body) != version.staged[PARTS_PATH].sha512 or parts != version.parts or not parts:
        msg = f"{PARTS_PATH} of {version.version_id} does not name the parts that were measured"
        raise ObjectInvalid(msg, version_id=version.version_id)
    return parts


def read_part_manifest(version: Version, *, dataset: Dataset, store: ObjectStore, tables: TableFile) -> Manifest:
    """Read a part's own manifest, which is the one that was measured.

    Raises:
        ObjectInvalid: It is another one.
        ObjectNotFound, InvalidInput: It is not there, or no table.
    """
    body = read_staged(version, MANIFEST_PATH, dataset=dataset, store=store)
    manifest = load_manifest(body, tables=tables)
    if sha512_of(body) != version.staged[MANIFEST_PATH].sha512 or manifest.digest != version.manifest_digest:
        msg = f"{MANIFEST_PATH} of {version.version_id} is not the one that was measured; run `cisterna check` on it"
        raise ObjectInvalid(msg, version_id=version.version_id)
    return manifest


def _require_own(parts: Sequence[Part], *, pid: str) -> None:
    for number, part in enumerate(parts, start=1):
        wanted = part_pid(pid, number)
        if (part.number, part.pid) != (number, wanted) or not part.version_id.startswith(f"{part.dataset_id}:v"):
            msg = f"{PARTS_PATH} of {pid} has {part.pid} where {wanted} belongs"
            raise ObjectInvalid(msg, pid=pid, found=part.pid)
        if part.first.encode() > part.last.encode():
            raise ObjectInvalid(f"{PARTS_PATH} of {pid}: the files of {part.pid} end before they begin", pid=pid)
    for before, after in pairwise(parts):
        if before.last.encode() >= after.first.encode():
            msg = f"{PARTS_PATH} of {pid}: {after.pid} begins before {before.pid} ends"
            raise ObjectInvalid(msg, pid=pid)


def part_dataset_id(whole: str, number: int) -> str:
    """Name the dataset of a part: the same for the same whole and number."""
    return dataset_id(origin=part_origin(whole, number))
