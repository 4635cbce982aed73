"""What every version in parts has in common: each part's way into the archive, and what is said of all together."""

from __future__ import annotations

import math

from cisterna.domain.dataset import Dataset, Stage, Version
from cisterna.domain.errors import ObjectInvalid
from cisterna.domain.manifest import Manifest
from cisterna.domain.part import Part
from cisterna.domain.work import Attempt
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.clock import Clock
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.quality import TableFile
from cisterna.services.archive import archive_version
from cisterna.services.describe import describe_version
from cisterna.services.held_object import read_held
from cisterna.services.measurement import EVEN_PREVIEWS, FOCUS, METRICS_PATH, PREVIEWS_PATH, WORST_PREVIEWS
from cisterna.services.staging import read_staged
from cisterna.services.transition import advance
from cisterna.services.verify import verify_version


def carry_part(
    identifier: str,
    *,
    lease: Attempt,
    catalogue: Catalogue,
    store: ObjectStore,
    tables: TableFile,
    clock: Clock,
    readers: int,
) -> None:
    """Take a measured part on to `verified`. Nothing judges it: quality is judged, and told, of the whole.

    Each step looks where the part stands, so a second run goes on where the first one ended.
    """
    with catalogue.begin() as tx:
        tx.inbox.require_lease(lease)
        version = tx.datasets.get_version(identifier)
        if version.stage is Stage.MEASURED:
            version = advance(tx, version, Stage.GATED, clock=clock)
    if version.stage is Stage.GATED:
        version = describe_version(
            identifier, lease=lease, catalogue=catalogue, store=store, tables=tables, profile=None, clock=clock
        )
    if version.stage is Stage.DESCRIBED:
        version = archive_version(identifier, lease=lease, catalogue=catalogue, store=store, tables=tables, clock=clock)
    if version.stage is Stage.ARCHIVED:
        verify_version(
            identifier, lease=lease, catalogue=catalogue, store=store, tables=tables, clock=clock, readers=readers
        )


def named_part(number: int, version: Version, dataset: Dataset, manifest: Manifest, *, store: ObjectStore) -> Part:
    """Name a verified part, as its whole does. Raises `ObjectInvalid` when it is not in the archive."""
    held = read_held(dataset.object_root, pid=dataset.pid, store=store)
    if held is None or version.ocfl_version is None or version.manifest_digest is None:
        msg = f"{dataset.pid} was verified and is not in the archive; run `cisterna check` on it"
        raise ObjectInvalid(msg, pid=dataset.pid)
    return Part(
        number=number,
        dataset_id=dataset.dataset_id,
        version_id=version.version_id,
        pid=dataset.pid,
        ocfl_version=version.ocfl_version,
        algorithm=held.inventory.algorithm,
        manifest_digest=version.manifest_digest,
        file_count=version.file_count,
        total_bytes=version.total_bytes,
        first=manifest.files[0].path,
        last=manifest.files[-1].path,
    )


class Gathered:
    """The tables of quality of every part, put together: metrics of all images, and as many previews as of one part."""

    def __init__(self, *, store: ObjectStore, tables: TableFile) -> None:
        self._store, self._tables = store, tables
        self._metrics: dict[str, list[object]] = {}
        self._previews: list[tuple[str, object, float]] = []

    def take(self, version: Version, dataset: Dataset) -> None:
        """Take a part's tables, after those of the parts before it."""
        columns = self._tables.load(read_staged(version, METRICS_PATH, dataset=dataset, store=self._store))
        before, rows = len(self._metrics.get("path", ())), len(columns["path"])
        for name in dict.fromkeys([*self._metrics, *columns]):
            column = self._metrics.setdefault(name, [None] * before)
            column += columns.get(name, [None] * rows)
        shown = self._tables.load(read_staged(version, PREVIEWS_PATH, dataset=dataset, store=self._store))
        focus = next((name for name in columns if name.startswith(FOCUS)), None)
        wanted = frozenset(shown["path"])
        cells = columns[focus] if focus is not None else [None] * rows
        known: dict[object, object] = {}
        for path, cell in zip(columns["path"], cells, strict=True):
            if path in wanted and _sharpness(cell) < math.inf:
                known[path] = max(_sharpness(cell), _sharpness(known.get(path, 0.0)))  # its preview shows the sharpest
        for path, png in zip(shown["path"], shown["png"], strict=True):
            self._previews.append((str(path), png, _sharpness(known.get(path))))

    def files(self) -> dict[str, bytes]:
        """Encode both."""
        even = range(0, len(self._previews), max(1, math.ceil(len(self._previews) / EVEN_PREVIEWS)))
        by_focus = sorted(range(len(self._previews)), key=lambda place: self._previews[place][2])
        chosen = [self._previews[place] for place in sorted({*even, *by_focus[:WORST_PREVIEWS]})]
        previews = {"path": [path for path, _, _ in chosen], "png": [png for _, png, _ in chosen]}
        return {METRICS_PATH: self._tables.dump(self._metrics), PREVIEWS_PATH: self._tables.dump(previews)}


def _sharpness(cell: object) -> float:
    """Give a focus to sort by; what has none comes last."""
    return cell if isinstance(cell, float) and math.isfinite(cell) else math.inf
