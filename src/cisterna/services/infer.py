"""Runs a model on an archived version; what it makes is a dataset of its own."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cisterna.domain.dataset import Dataset, Relation, Stage, Version, version_id
from cisterna.domain.digest import sha512_of
from cisterna.domain.errors import CatalogueUnavailable, CisternaError, IllegalTransition, InferenceFailed, InvalidInput
from cisterna.domain.identifier import TEST_NAAN, ark, dataset_id
from cisterna.domain.manifest import FileEntry, Manifest
from cisterna.domain.ocfl import CONTENT, object_root
from cisterna.domain.work import Attempt
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.ports.inference import InferenceRunner, Labelled, ModelCard
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.quality import TableFile
from cisterna.services.data_manifest import MANIFEST_PATH, dump_manifest, load_manifest
from cisterna.services.lease_watch import LeaseWatch
from cisterna.services.measurement import METRICS_PATH, PREVIEWS_PATH
from cisterna.services.staging import drop_staging, read_staged, stage_files
from cisterna.services.transition import advance, announce_opened, write_beside_others

DATA_TYPE = "labels"
COUNTS_PATH = "counts.csv"
_PLANE = ("region", "field", "channel", "z", "t")
_PREVIEWS = 120
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What spreadsheets take for the beginning of a formula, full-width forms too."""
IMAGE_LIMIT_BYTES = 240 * 1024 * 1024
"""Of one file that a model is given; it is held in memory, here and in the model's process."""

Row = dict[str, str | float | int | None]


@dataclass(frozen=True, slots=True)
class _Source:
    """What the model is run on: the images of one version, and where their bytes lie."""

    version: Version
    dataset: Dataset
    images: tuple[Row, ...]
    files: Mapping[str, FileEntry]


@dataclass(frozen=True, slots=True)
class _Asked:
    by: str
    why: str


def infer_version(
    source_id: str,
    model: str,
    *,
    lease: Attempt,
    catalogue: Catalogue,
    store: ObjectStore,
    inference: InferenceRunner,
    tables: TableFile,
    clock: Clock,
    submitter: str | None = None,
    cause: str | None = None,
    naan: str = TEST_NAAN,
) -> Version:
    """Run a model on every image it is for, and bring the derived version to `measured`; the other stages follow.

    The derived dataset's id is made from the source version and the model, so that a second run finds it: one that has
    come past `detected` is returned as it is, and an unfinished one is staged again in a folder of its own.

    Args:
        source_id: An archived version.
        model: Name of an admitted model.
        lease: On the work; nothing is written without it.
        catalogue: Gives the source and takes the result.
        store: The archive; images are read from it, never from the instrument.
        inference: Runs the model.
        tables: Reads the source's tables and writes the derived ones.
        clock: Dates it.
        submitter: Who asked for it; the source's own submitter when the project's policy did.
        cause: Their reason.
        naan: Of the derived dataset's ARK.

    Raises:
        IllegalTransition: The source is not archived, or withdrawn.
        InvalidInput: The source holds no image of a channel that the model is for.
        InferenceUnavailable: The model's process did not answer; nothing stays staged; try again later.
        Conflict: The model was replaced while it ran.
        LeaseLost: Somebody else holds the work; nothing was written.
        NotFound: No such version or model.
    """
    card = inference.card(model)
    source = _source(source_id, card, catalogue=catalogue, store=store, tables=tables)
    asked = _Asked(submitter or source.version.submitter, cause or f"the project's policy runs {card.name}")
    version, dataset = _open(source, card, asked, lease=lease, catalogue=catalogue, store=store, clock=clock, naan=naan)
    if version.stage is not Stage.DETECTED:
        return version
    made = _Made(version, dataset, store)
    watch = LeaseWatch(lease, catalogue=catalogue, clock=clock)
    try:
        for row in source.images:
            watch.look()
            made.take(row, _segment(source, card, row, store=store, inference=inference))
        staged = made.finish(tables=tables)
        return _finish(staged, made.manifest, dataset=dataset, lease=lease, catalogue=catalogue, clock=clock)
    except CatalogueUnavailable:
        raise  # the version may be on record as measured; what is staged is the recovery's to judge
    except CisternaError:
        drop_staging(version, dataset=dataset, store=store)
        raise


def _finish(
    staged: Version, manifest: Manifest, *, dataset: Dataset, lease: Attempt, catalogue: Catalogue, clock: Clock
) -> Version:
    def write(tx: Transaction) -> Version:
        tx.inbox.require_lease(lease)
        fresh = tx.datasets.get_version(staged.version_id)  # somebody may have noted something on it meanwhile
        measured = fresh.model_copy(
            update={
                "staged": staged.staged,
                "manifest_digest": manifest.digest,
                "file_count": len(manifest.files),
                "total_bytes": manifest.total_bytes,
            }
        )
        return advance(tx, measured, Stage.MEASURED, clock=clock, manifest_digest=manifest.digest, model=dataset.model)

    return write_beside_others(write, catalogue=catalogue)


def _source(source_id: str, card: ModelCard, *, catalogue: Catalogue, store: ObjectStore, tables: TableFile) -> _Source:
    with catalogue.begin() as tx:
        version = tx.datasets.get_version(source_id)
        dataset = tx.datasets.get(version.dataset_id)
    if not version.is_archived or version.stage is Stage.WITHDRAWN:
        msg = f"{source_id} is {version.stage.value}; a model runs on what is archived and not withdrawn"
        raise IllegalTransition(msg, version_id=source_id, present=version.stage.value)
    manifest = load_manifest(read_staged(version, MANIFEST_PATH, dataset=dataset, store=store), tables=tables)
    metrics = tables.load(read_staged(version, METRICS_PATH, dataset=dataset, store=store))
    rows = [dict(zip(metrics, values, strict=True)) for values in zip(*metrics.values(), strict=True)]
    wanted = _pattern(card)
    images = tuple(
        {name: row.get(name) for name in ("path", *_PLANE)}
        for row in rows
        if not row.get("problem") and (wanted is None or wanted.search(str(row.get("channel") or "")))
    )
    if not images:
        msg = f"{source_id} holds no readable image of a channel that {card.name} is for ({card.channels or 'any'})"
        raise InvalidInput(msg, version_id=source_id, model=card.name)
    return _Source(version, dataset, images, {entry.path: entry for entry in manifest.files})


def _pattern(card: ModelCard) -> re.Pattern[str] | None:
    try:
        return re.compile(card.channels) if card.channels else None
    except re.error as error:
        msg = f"the model {card.name} names its channels by '{card.channels}', which is no pattern ({error})"
        raise InvalidInput(msg, model=card.name) from error


def _open(
    source: _Source,
    card: ModelCard,
    asked: _Asked,
    *,
    lease: Attempt,
    catalogue: Catalogue,
    store: ObjectStore,
    clock: Clock,
    naan: str,
) -> tuple[Version, Dataset]:
    """Find or open the derived version, with a staging folder of this attempt's own."""
    origin = f"{source.version.version_id}\n{card.name}@{card.version}\n{card.sha256}"
    identifier = dataset_id(origin=origin)
    pid = ark(identifier, naan=naan)
    with catalogue.begin() as tx:
        tx.inbox.require_lease(lease)
        now = clock.now()
        relation = Relation(kind="IsDerivedFrom", dataset_id=source.dataset.dataset_id, version=source.version.label)
        dataset = tx.datasets.add(
            Dataset(
                dataset_id=identifier,
                origin=origin,
                title=f"Labels by {card.name} {card.version} of {source.dataset.title}",
                data_type=DATA_TYPE,
                project=source.dataset.project,
                instrument=source.dataset.instrument,
                relations=(relation,),
                model=f"{card.name}@{card.version}",
                pid=pid,
                object_root=object_root(pid),
                created_at=now,
            )
        )
        known = next(iter(tx.datasets.versions(identifier)), None)
        if known is not None and known.stage is not Stage.DETECTED:
            return known, dataset
        staging = f"v1/{CONTENT}/{clock.new_id().replace('-', '')}"
        if known is not None:
            drop_staging(known, dataset=dataset, store=store)  # what an attempt left that was killed
            return tx.datasets.save_version(known.model_copy(update={"staging": staging, "staged": {}})), dataset
        opened = tx.datasets.add_version(
            Version(
                version_id=version_id(identifier, 1),
                dataset_id=identifier,
                number=1,
                stage_at=now,
                created_at=now,
                submitter=asked.by,
                cause=asked.why,
                staging=staging,
            )
        )
        announce_opened(tx, opened, dataset, clock=clock, model=dataset.model)
        return opened, dataset


def _segment(
    source: _Source, card: ModelCard, row: Row, *, store: ObjectStore, inference: InferenceRunner
) -> Labelled | str:
    """Return the labels of one image, or in words why there are none: one odd image does not cost the others."""
    path = str(row["path"])
    file = source.files.get(path)
    if file is None:
        return f"{path} is in the table of what was measured and not in the manifest"
    if file.size_bytes > IMAGE_LIMIT_BYTES:
        return f"{path} has {file.size_bytes:,} bytes; a model is given at most {IMAGE_LIMIT_BYTES:,}"
    body, _ = store.get(f"{source.dataset.object_root}/{file.content_path}")
    try:
        return inference.segment(card, body=body, path=path)
    except InferenceFailed as failure:
        return str(failure)


class _Made:
    """Takes labels image by image: their bytes go to the store at once, only rows and small pictures stay here."""

    def __init__(self, version: Version, dataset: Dataset, store: ObjectStore) -> None:
        self._version, self._dataset, self._store = version, dataset, store
        self._entries: dict[str, FileEntry] = {}
        self._rows: list[Row] = []
        self._previews: dict[str, bytes] = {}

    @property
    def manifest(self) -> Manifest:
        """The derived data files."""
        return Manifest.of(list(self._entries.values()))

    def take(self, row: Row, labelled: Labelled | str) -> None:
        """Keep what came of one image."""
        image = str(row["path"])
        path = label_path(image)
        common = {**row, "image": image, "path": path}
        if isinstance(labelled, str):
            self._rows.append({**common, "problem": labelled, "object_count": None, "area_px_mean": None})
            return
        self._put(path, labelled.label_tiff)
        if len(self._previews) < _PREVIEWS:
            self._previews[path] = labelled.preview
        counted = {"object_count": labelled.object_count, "area_px_mean": labelled.area_px_mean}
        self._rows.append({**common, "problem": None, **counted})

    def finish(self, *, tables: TableFile) -> Version:
        """Write the counts and the tables, and return the version that names them."""
        self._put(COUNTS_PATH, _as_csv(self._rows))
        names = ("path", "image", *_PLANE, "problem", "object_count", "area_px_mean")
        files = {
            MANIFEST_PATH: dump_manifest(self.manifest, tables=tables),
            METRICS_PATH: tables.dump({name: [row[name] for row in self._rows] for name in names}),
            PREVIEWS_PATH: tables.dump({"path": list(self._previews), "png": list(self._previews.values())}),
        }
        return stage_files(self._version, files, dataset=self._dataset, store=self._store)

    def _put(self, path: str, body: bytes) -> None:
        digest = sha512_of(body)
        content_path = f"{self._version.staging}/{digest[:40]}"
        self._store.put(f"{self._dataset.object_root}/{content_path}", body)
        self._entries[path] = FileEntry(path=path, size_bytes=len(body), sha512=digest, content_path=content_path)


def label_path(image_path: str) -> str:
    """Name the label image of an image: two images never share one, whatever their names and endings."""
    return f"labels/{image_path}.labels.ome.tiff"


def _as_csv(rows: Sequence[Row]) -> bytes:
    """Write the counts as RFC 4180 CSV, one row an image, every text in quotes.

    `labels` is empty where there are none. A text that a spreadsheet would run as a formula begins with a tick.
    """
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC)
    names = ("image", "labels", *_PLANE, "object_count", "area_px_mean", "problem")
    writer.writerow(names)
    for row in rows:
        cells = {**row, "labels": None if row["problem"] else row["path"]}
        writer.writerow([_harmless(cells[name]) for name in names])
    return text.getvalue().encode()


def _harmless(cell: str | float | None) -> str | float | None:
    if isinstance(cell, str) and cell.lstrip().startswith(_FORMULA):
        return f"'{cell}"
    return cell
