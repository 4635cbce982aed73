"""Runs a model on an archived version; what it makes is a dataset of its own."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence

from cisterna.domain.dataset import Stage, Version
from cisterna.domain.digest import DIGEST_ALGORITHM, DigestAlgorithm
from cisterna.domain.errors import CatalogueUnavailable, CisternaError, InferenceFailed, InvalidInput
from cisterna.domain.identifier import TEST_NAAN
from cisterna.domain.work import Attempt
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.clock import Clock
from cisterna.ports.inference import InferenceRunner, Labelled, ModelCard
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.quality import TableFile
from cisterna.services.data_manifest import MANIFEST_PATH, dump_manifest
from cisterna.services.derived import (
    PLANE,
    PREVIEWS,
    Asked,
    DataFiles,
    Derivation,
    Row,
    Source,
    finish_derived,
    open_derived,
    read_source,
)
from cisterna.services.lease_watch import LeaseWatch
from cisterna.services.measurement import METRICS_PATH, PREVIEWS_PATH
from cisterna.services.staging import drop_staging, stage_files

DATA_TYPE = "labels"
COUNTS_PATH = "counts.csv"
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What spreadsheets take for the beginning of a formula, full-width forms too."""
IMAGE_LIMIT_BYTES = 240 * 1024 * 1024
"""Of one file that a model is given; it is held in memory, here and in the model's process."""


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
    digest: DigestAlgorithm = DIGEST_ALGORITHM,
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
        digest: What its object is to be made of.

    Raises:
        IllegalTransition: The source is not archived, or withdrawn.
        InvalidInput: The source holds no image of a channel that the model is for.
        InferenceUnavailable: The model's process did not answer; nothing stays staged; try again later.
        Conflict: The model was replaced while it ran.
        LeaseLost: Somebody else holds the work; nothing was written.
        NotFound: No such version or model.
    """
    card = inference.card(model)
    source = read_source(source_id, catalogue=catalogue, store=store, tables=tables)
    images = _images(source, card)
    asked = Asked(submitter or source.version.submitter, cause or f"the project's policy runs {card.name}")
    labels = Derivation(
        how=f"{card.name}@{card.version}\n{card.sha256}",
        title=f"Labels by {card.name} {card.version} of {source.dataset.title}",
        data_type=DATA_TYPE,
        model=f"{card.name}@{card.version}",
    )
    version, dataset = open_derived(
        source, labels, asked, lease=lease, catalogue=catalogue, store=store, clock=clock, naan=naan
    )
    if version.stage is not Stage.DETECTED:
        return version
    files = DataFiles(version, dataset, store, digest=digest)
    made = _Made(files)
    watch = LeaseWatch(lease, catalogue=catalogue, clock=clock)
    try:
        for row in images:
            watch.look()
            made.take(row, _segment(source, card, row, store=store, inference=inference))
        staged = stage_files(version, made.finish(tables=tables), dataset=dataset, store=store)
        return finish_derived(staged, files.manifest, dataset=dataset, lease=lease, catalogue=catalogue, clock=clock)
    except CatalogueUnavailable:
        raise  # the version may be on record as measured; what is staged is the recovery's to judge
    except CisternaError:
        drop_staging(version, dataset=dataset, store=store)
        raise


def _images(source: Source, card: ModelCard) -> tuple[Row, ...]:
    wanted = _pattern(card)
    images = tuple(row for row in source.images if wanted is None or wanted.search(str(row.get("channel") or "")))
    if not images:
        msg = (
            f"{source.version.version_id} holds no readable image of a channel that {card.name} is for "
            f"({card.channels or 'any'})"
        )
        raise InvalidInput(msg, version_id=source.version.version_id, model=card.name)
    return images


def _pattern(card: ModelCard) -> re.Pattern[str] | None:
    try:
        return re.compile(card.channels) if card.channels else None
    except re.error as error:
        msg = f"the model {card.name} names its channels by '{card.channels}', which is no pattern ({error})"
        raise InvalidInput(msg, model=card.name) from error


def _segment(
    source: Source, card: ModelCard, row: Row, *, store: ObjectStore, inference: InferenceRunner
) -> Labelled | str:
    """Return the labels of one image, or in words why there are none: one odd image does not cost the others."""
    path = str(row["path"])
    file = source.files.get(path)
    if file is None:
        return f"{path} is in the table of what was measured and not in the manifest"
    if file.size_bytes > IMAGE_LIMIT_BYTES:
        return f"{path} has {file.size_bytes:,} bytes; a model is given at most {IMAGE_LIMIT_BYTES:,}"
    try:
        return inference.segment(card, body=source.body(file, store=store), path=path)
    except InferenceFailed as failure:
        return str(failure)


class _Made:
    """Takes labels image by image: their bytes go to the store at once, only rows and small pictures stay here."""

    def __init__(self, files: DataFiles) -> None:
        self._files = files
        self._rows: list[Row] = []
        self._previews: dict[str, bytes] = {}

    def take(self, row: Row, labelled: Labelled | str) -> None:
        """Keep what came of one image."""
        image = str(row["path"])
        path = label_path(image)
        common = {**row, "image": image, "path": path}
        if isinstance(labelled, str):
            self._rows.append({**common, "problem": labelled, "object_count": None, "area_px_mean": None})
            return
        self._files.put(path, labelled.label_tiff)
        if len(self._previews) < PREVIEWS:
            self._previews[path] = labelled.preview
        counted = {"object_count": labelled.object_count, "area_px_mean": labelled.area_px_mean}
        self._rows.append({**common, "problem": None, **counted})

    def finish(self, *, tables: TableFile) -> dict[str, bytes]:
        """Stage the counts, and give the tables of ours by path."""
        self._files.put(COUNTS_PATH, _as_csv(self._rows))
        names = ("path", "image", *PLANE, "problem", "object_count", "area_px_mean")
        return {
            MANIFEST_PATH: dump_manifest(self._files.manifest, tables=tables),
            METRICS_PATH: tables.dump({name: [row[name] for row in self._rows] for name in names}),
            PREVIEWS_PATH: tables.dump({"path": list(self._previews), "png": list(self._previews.values())}),
        }


def label_path(image_path: str) -> str:
    """Name the label image of an image: two images never share one, whatever their names and endings."""
    return f"labels/{image_path}.labels.ome.tiff"


def _as_csv(rows: Sequence[Row]) -> bytes:
    """Write the counts as RFC 4180 CSV, one row an image, every text in quotes.

    `labels` is empty where there are none. A text that a spreadsheet would run as a formula begins with a tick.
    """
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC)
    names = ("image", "labels", *PLANE, "object_count", "area_px_mean", "problem")
    writer.writerow(names)
    for row in rows:
        cells = {**row, "labels": None if row["problem"] else row["path"]}
        writer.writerow([_harmless(cells[name]) for name in names])
    return text.getvalue().encode()


def _harmless(cell: str | float | None) -> str | float | None:
    if isinstance(cell, str) and cell.lstrip().startswith(_FORMULA):
        return f"'{cell}"
    return cell
