"""Runs a model on an archived version; what it makes is a dataset of its own."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice

from cisterna.domain.dataset import Stage, Version
from cisterna.domain.digest import DIGEST_ALGORITHM, DigestAlgorithm
from cisterna.domain.errors import CatalogueUnavailable, CisternaError, InferenceFailed, InvalidInput
from cisterna.domain.identifier import TEST_ARKS, Arks
from cisterna.domain.ocfl import MOST_FILES
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
    counted,
    finish_derived,
    open_derived,
    read_source,
)
from cisterna.services.derived_parts import Columns, First, Means, derive_parts
from cisterna.services.lease_watch import LeaseWatch
from cisterna.services.measurement import METRICS_PATH, PREVIEWS_PATH
from cisterna.services.quarantine import require_free
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
    arks: Arks = TEST_ARKS,
    digest: DigestAlgorithm = DIGEST_ALGORITHM,
    most_files: int = MOST_FILES,
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
        arks: Make the derived dataset's.
        digest: What its object is to be made of.
        most_files: That one object takes; more labels lie in parts, and so does the file of counts.

    Raises:
        IllegalTransition: The source is not archived, or withdrawn.
        InvalidInput: The source holds no image of a channel that the model is for, or gives labels of none in parts.
        InferenceUnavailable: The model's process did not answer; nothing stays staged; try again later.
        Conflict: The model was replaced while it ran.
        LeaseLost: Somebody else holds the work; nothing was written.
        NotFound: No such version or model.
        Quarantined: The source is in quarantine, or was discarded.
    """
    card = inference.card(model)
    source = read_source(source_id, catalogue=catalogue, store=store, tables=tables)
    with catalogue.begin() as tx:  # it may have been free when this was asked for
        require_free(tx, source.version)
    count = _count(source, card)
    asked = Asked(submitter or source.version.submitter, cause or f"the project's policy runs {card.name}")
    labels = Derivation(
        how=f"{card.name}@{card.version}\n{card.sha256}",
        title=f"Labels by {card.name} {card.version} of {source.dataset.title}",
        data_type=DATA_TYPE,
        model=f"{card.name}@{card.version}",
    )
    version, dataset = open_derived(
        source, labels, asked, lease=lease, catalogue=catalogue, store=store, clock=clock, arks=arks
    )
    if version.stage is not Stage.DETECTED:
        return version
    watch = LeaseWatch(lease, catalogue=catalogue, clock=clock)
    labelling = _Labelling(source, card, inference, tables=tables, watch=watch, most_files=most_files)
    if count >= most_files:  # the counts are one file more
        means = Means(
            lease=lease, catalogue=catalogue, store=store, tables=tables, clock=clock, digest=digest, watch=watch
        )
        first = First(COUNTS_PATH, labelling.count)
        return derive_parts(version, labelling, first=first, dataset=dataset, means=means)
    files = DataFiles(version, dataset, store, digest=digest)
    try:
        staged = stage_files(version, labelling.fill_one(files), dataset=dataset, store=store)
        return finish_derived(
            staged, counted(files.manifest), dataset=dataset, lease=lease, catalogue=catalogue, clock=clock
        )
    except CatalogueUnavailable:
        raise  # the version may be on record as measured; what is staged is the recovery's to judge
    except CisternaError:
        drop_staging(version, dataset=dataset, store=store)
        raise


def _count(source: Source, card: ModelCard) -> int:
    count = sum(1 for _ in _images(source, card))
    if not count:
        msg = (
            f"{source.version.version_id} holds no readable image of a channel that {card.name} is for "
            f"({card.channels or 'any'})"
        )
        raise InvalidInput(msg, version_id=source.version.version_id, model=card.name)
    return count


def _images(source: Source, card: ModelCard) -> Iterator[Row]:
    """Give the images that the model is for, in the order of what it will make of them."""
    wanted = _pattern(card)
    images = (row for row in source.images() if wanted is None or wanted.search(str(row.get("channel") or "")))
    return _as_labels_sort(images) if source.parts else images


def _as_labels_sort(images: Iterator[Row]) -> Iterator[Row]:
    """Put images in the order of their labels: it is theirs, but where one's path is the beginning of others'."""
    waiting: list[Row] = []
    for row in images:
        if waiting and not str(row["path"]).startswith(str(waiting[0]["path"])):
            yield from sorted(waiting, key=_label_order)
            waiting = []
        waiting.append(row)
    yield from sorted(waiting, key=_label_order)


def _label_order(row: Row) -> bytes:
    return label_path(str(row["path"])).encode()


def _pattern(card: ModelCard) -> re.Pattern[str] | None:
    try:
        return re.compile(card.channels) if card.channels else None
    except re.error as error:
        msg = f"the model {card.name} names its channels by '{card.channels}', which is no pattern ({error})"
        raise InvalidInput(msg, model=card.name) from error


def _segment(source: Source, card: ModelCard, row: Row, *, inference: InferenceRunner) -> Labelled | str:
    """Return the labels of one image, or in words why there are none: one odd image does not cost the others."""
    path = str(row["path"])
    try:
        body = source.read(path, limit_bytes=IMAGE_LIMIT_BYTES, use="a model is given")
    except InvalidInput as refusal:
        return str(refusal)
    try:
        return inference.segment(card, body=body, path=path)
    except InferenceFailed as failure:
        return str(failure)


class _Made:
    """Takes labels image by image: their bytes go to the store at once, only rows and small pictures stay here."""

    def __init__(self, files: DataFiles) -> None:
        self._files = files
        self.rows: list[Row] = []
        self._previews: dict[str, bytes] = {}

    def take(self, row: Row, labelled: Labelled | str) -> None:
        """Keep what came of one image."""
        image = str(row["path"])
        path = label_path(image)
        common = {**row, "image": image, "path": path}
        if isinstance(labelled, str):
            self.rows.append({**common, "problem": labelled, "object_count": None, "area_px_mean": None})
            return
        self._files.put(path, labelled.label_tiff)
        if len(self._previews) < PREVIEWS:
            self._previews[path] = labelled.preview
        said = {"object_count": labelled.object_count, "area_px_mean": labelled.area_px_mean}
        self.rows.append({**common, "problem": None, **said})

    def tables(self, tables: TableFile) -> dict[str, bytes]:
        """Give the tables of ours by path."""
        return _tables(self.rows, self._previews, tables=tables)


def _tables(rows: Sequence[Row], previews: Mapping[str, bytes], *, tables: TableFile) -> dict[str, bytes]:
    names = ("path", "image", *PLANE, "problem", "object_count", "area_px_mean")
    return {
        METRICS_PATH: tables.dump({name: [row[name] for row in rows] for name in names}),
        PREVIEWS_PATH: tables.dump({"path": list(previews), "png": list(previews.values())}),
    }


class _Labelling:
    """Runs the model on image after image, into one object or as `derived_parts.Making`."""

    def __init__(
        self,
        source: Source,
        card: ModelCard,
        inference: InferenceRunner,
        *,
        tables: TableFile,
        watch: LeaseWatch,
        most_files: int,
    ) -> None:
        self._source, self._card, self._inference = source, card, inference
        self._tables, self._watch, self._most_files = tables, watch, most_files
        self._images = _images(source, card)
        self._next: tuple[Row, Labelled] | None = None
        self.has_ended = False

    def fill_one(self, files: DataFiles) -> dict[str, bytes]:
        """Put all labels and their counts into one object, and give its tables."""
        made = _Made(files)
        for row in self._images:
            made.take(row, self._label(row))
        files.put(COUNTS_PATH, _as_csv([made.rows]))
        return {MANIFEST_PATH: dump_manifest(files.manifest, tables=self._tables), **made.tables(self._tables)}

    def fill(self, files: DataFiles) -> dict[str, bytes]:
        """Fill a part with labels; an image of which there are none is told of in the part of the one before it.

        Raises:
            InvalidInput: There are labels of no image at all.
        """
        made = _Made(files)
        if self._next is not None:
            made.take(*self._next)
            self._next = None
        for row in self._images:
            labelled = self._label(row)
            if isinstance(labelled, Labelled) and len(files) >= self._most_files:
                self._next = (row, labelled)
                return made.tables(self._tables)
            made.take(row, labelled)
        self.has_ended = True
        if not len(files):
            msg = f"{self._card.name} made labels of no image, such as: {made.rows[0]['problem']}"
            raise InvalidInput(msg, version_id=self._source.version.version_id, model=self._card.name)
        return made.tables(self._tables)

    def skip(self, metrics: Columns) -> None:
        """Pass over as many images as the part tells of."""
        for _ in islice(self._images, len(metrics["path"])):
            pass
        following = next(self._images, None)
        self.has_ended = following is None
        if following is not None:
            self._images = chain((following,), self._images)

    def count(self, metrics: Iterator[Columns]) -> tuple[bytes, dict[str, bytes]]:
        """Write the counts of all images."""
        return _as_csv(_rows(one) for one in metrics), _tables([], {}, tables=self._tables)

    def _label(self, row: Row) -> Labelled | str:
        self._watch.look()
        return _segment(self._source, self._card, row, inference=self._inference)


def _rows(metrics: Columns) -> Iterator[Row]:
    return (dict(zip(metrics, cells, strict=True)) for cells in zip(*metrics.values(), strict=True))


def label_path(image_path: str) -> str:
    """Name the label image of an image: two images never share one, whatever their names and endings."""
    return f"labels/{image_path}.labels.ome.tiff"


def _as_csv(runs: Iterable[Iterable[Row]]) -> bytes:
    """Write the counts as RFC 4180 CSV, one row an image, every text in quotes.

    `labels` is empty where there are none. A text that a spreadsheet would run as a formula begins with a tick.
    """
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC)
    names = ("image", "labels", *PLANE, "object_count", "area_px_mean", "problem")
    writer.writerow(names)
    for row in chain.from_iterable(runs):
        cells = {**row, "labels": None if row["problem"] else row["path"]}
        writer.writerow([_harmless(cells[name]) for name in names])
    return text.getvalue().encode()


def _harmless(cell: str | float | None) -> str | float | None:
    if isinstance(cell, str) and cell.lstrip().startswith(_FORMULA):
        return f"'{cell}"
    return cell
