"""Writes archived images once more as OME-Zarr, for viewing: a derived dataset, compared with its source."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from cisterna.domain.dataset import Stage, Version
from cisterna.domain.digest import DIGEST_ALGORITHM, DigestAlgorithm
from cisterna.domain.errors import CatalogueUnavailable, ChecksumMismatch, CisternaError, InvalidInput
from cisterna.domain.identifier import TEST_NAAN
from cisterna.domain.project import ViewFormat
from cisterna.domain.work import Attempt
from cisterna.metadata import ngff
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.clock import Clock
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.quality import TableFile
from cisterna.ports.view import Block, FieldOfView, ImageView, PlaneKind, ViewWriter
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
from cisterna.services.staging import drop_staging, read_staged, stage_files

FOLDER = "view.ome.zarr"
"""Of the data: what a viewer opens."""
IMAGE_LIMIT_BYTES = 240 * 1024 * 1024
"""Of one image file; a block of them is held in memory."""


def convert_version(
    source_id: str,
    *,
    lease: Attempt,
    catalogue: Catalogue,
    store: ObjectStore,
    views: ViewWriter,
    tables: TableFile,
    clock: Clock,
    submitter: str | None = None,
    cause: str | None = None,
    naan: str = TEST_NAAN,
    digest: DigestAlgorithm = DIGEST_ALGORITHM,
) -> Version:
    """Write every field of view as an OME-Zarr image, and bring the derived version to `measured`; the rest follows.

    Each block of pixels is read back from the archive and compared with the images it was made from before it counts.
    A field that cannot be written whole is left out and named in the table, so that the gate finds it.

    Harmless to run twice, as `services.derived.open_derived` says.

    Args:
        source_id: An archived version whose images say where they belong.
        lease: On the work; nothing is written without it.
        catalogue: Gives the source and takes the result.
        store: The archive; images are read from it, never from the instrument.
        views: Makes chunks of pixels.
        tables: Reads the source's tables and writes the derived ones.
        clock: Dates it.
        submitter: Who asked for it; the source's own submitter when the project's policy did.
        cause: Their reason.
        naan: Of the derived dataset's ARK.
        digest: What its object is to be made of.

    Raises:
        ChecksumMismatch: What came back is not what the images hold; it names the image, and nothing stays staged.
        IllegalTransition: The source is not archived, or withdrawn.
        InvalidInput: The source holds no image that says where it belongs.
        LeaseLost: Somebody else holds the work; nothing was written.
        NotFound: There is no such version.
    """
    source = read_source(source_id, catalogue=catalogue, store=store, tables=tables)
    fields = _fields(source)
    asked = Asked(submitter or source.version.submitter, cause or "the project's policy asks for OME-Zarr")
    view = Derivation(
        how=f"ome-zarr {ngff.NGFF} {views.version}",
        title=f"OME-Zarr of {source.dataset.title}",
        data_type=ViewFormat.OME_ZARR.value,
    )
    version, dataset = open_derived(
        source, view, asked, lease=lease, catalogue=catalogue, store=store, clock=clock, naan=naan
    )
    if version.stage is not Stage.DETECTED:
        return version
    files = DataFiles(version, dataset, store, digest=digest)
    watch = LeaseWatch(lease, catalogue=catalogue, clock=clock)
    made = _Made(source, files, store, views, watch)
    try:
        for one in fields:
            made.take(one)
        made.finish(fields)
        staged = stage_files(version, made.tables(tables), dataset=dataset, store=store)
        return finish_derived(staged, files.manifest, dataset=dataset, lease=lease, catalogue=catalogue, clock=clock)
    except CatalogueUnavailable:
        raise  # the version may be on record as measured; what is staged is the recovery's to judge
    except CisternaError:
        drop_staging(version, dataset=dataset, store=store)
        raise


@dataclass(frozen=True, slots=True)
class _Field:
    """The images of one field of view, and the folder that they are written to.

    Attributes:
        images: Rows by time, channel and z, as the files' names say them.
    """

    region: str
    name: str
    folder: str
    images: Mapping[tuple[int, str, int], Row]

    @property
    def times(self) -> list[int]:
        return sorted({t for t, _, _ in self.images})

    @property
    def channels(self) -> list[str]:
        return sorted({channel for _, channel, _ in self.images})

    @property
    def levels(self) -> list[int]:
        return sorted({z for _, _, z in self.images})

    def rows(self, block: Block) -> list[Row]:
        """Give the images of a block, by z."""
        t, channel = self.times[block.t], self.channels[block.c]
        return [self.images[t, channel, z] for z in self.levels[block.z_start : block.z_stop]]

    def gap(self) -> str | None:
        """Say which image there should be and is not."""
        for t, channel, z in product(self.times, self.channels, self.levels):
            if (t, channel, z) not in self.images:
                return f"its field has no readable image of channel {channel}, z {z}, time {t}"
        return None


def _fields(source: Source) -> list[_Field]:
    """Sort the images into fields of view, and give each its place: in a plate, or in a row of numbered images.

    Raises:
        InvalidInput: No image says where it belongs.
    """
    found: dict[tuple[str, str], dict[tuple[int, str, int], Row]] = {}
    for row in source.images:
        if row["region"] is not None and row["field"] is not None:
            place = (int(row["t"] or 0), str(row["channel"]), int(row["z"] or 0))
            found.setdefault((str(row["region"]), str(row["field"])), {})[place] = row
    if not found:
        msg = (
            f"no image of {source.version.version_id} says in its name where it belongs (region, field, channel); "
            "there is nothing to arrange for a viewer"
        )
        raise InvalidInput(msg, version_id=source.version.version_id)
    is_plate = all(ngff.well_of(region) for region, _ in found)
    counts: dict[str, int] = {}
    fields = []
    ordered = sorted(found, key=lambda key: (_natural(key[0]), _natural(key[1])))
    for number, (region, name) in enumerate(ordered):
        well, taken = ngff.well_of(region), counts.get(region, 0)
        counts[region] = taken + 1
        folder = f"{well[0]}/{well[1]}/{taken}" if is_plate and well else str(number)
        fields.append(_Field(region, name, f"{FOLDER}/{folder}", found[region, name]))
    return fields


def _natural(name: str) -> tuple[int, str]:
    """Sort numbers by their value, whatever else comes after them."""
    return (int(name), "") if name.isdecimal() and len(name) < 10 else (10**9, name)


class _Made:
    """Takes field after field: pixels go to the store at once, only rows stay here."""

    def __init__(
        self, source: Source, files: DataFiles, store: ObjectStore, views: ViewWriter, watch: LeaseWatch
    ) -> None:
        self._source, self._files, self._store, self._views, self._watch = source, files, store, views, watch
        self._rows: list[Row] = []
        self._written: list[_Field] = []
        imaging = (source.version.metadata or {}).get("imaging")
        self._imaging: Mapping[str, Any] = imaging if isinstance(imaging, dict) else {}

    def take(self, one: _Field) -> None:
        """Write one field, or note for each of its images why it was not."""
        try:
            fetched: dict[str, bytes] = {}
            view = self._views.begin(self._shape(one, fetched))
            rows = [row for block in view.blocks for row in self._block(one, view, block, fetched)]
        except InvalidInput as refusal:
            lost = {"path": f"{one.folder}/zarr.json", "problem": str(refusal), "pixels_equal": None}
            self._rows += [{**row, "image": row["path"], **lost} for row in one.images.values()]
            self._files.drop(f"{one.folder}/")
            return
        for path, body in view.documents().items():
            self._files.put(f"{one.folder}/{path}", body)
        self._rows += rows
        self._written.append(one)

    def finish(self, fields: Sequence[_Field]) -> None:
        """Write the documents above the images.

        Raises:
            InvalidInput: Not one field could be written.
        """
        if not self._written:
            msg = f"no field of {self._source.version.version_id} could be written, such as: {self._rows[0]['problem']}"
            raise InvalidInput(msg, version_id=self._source.version.version_id, fields=len(fields))
        for path, document in _above(self._written):
            self._files.put(f"{FOLDER}/{path}", json.dumps(document, indent=1, ensure_ascii=False).encode() + b"\n")

    def tables(self, tables: TableFile) -> dict[str, bytes]:
        """Give the tables of ours by path."""
        names = ("path", "image", *PLANE, "problem", "pixels_equal")
        pictures = self._pictures(tables)
        return {
            MANIFEST_PATH: dump_manifest(self._files.manifest, tables=tables),
            METRICS_PATH: tables.dump({name: [row[name] for row in self._rows] for name in names}),
            PREVIEWS_PATH: tables.dump({"path": list(pictures), "png": list(pictures.values())}),
        }

    def _shape(self, one: _Field, fetched: dict[str, bytes]) -> FieldOfView:
        """Look at the first image, and leave it in `fetched` for the first block, which begins with it."""
        gap = one.gap()
        if gap is not None:
            raise InvalidInput(gap)
        first = one.images[one.times[0], one.channels[0], one.levels[0]]
        return FieldOfView(
            plane=self._look(first, fetched),
            channels=tuple(one.channels),
            timepoints=len(one.times),
            z_planes=len(one.levels),
            pixel_size_um=self._imaging.get("pixel_size_um"),
            z_step_um=self._imaging.get("z_step_um") if len(one.levels) > 1 else None,
        )

    def _look(self, row: Row, fetched: dict[str, bytes]) -> PlaneKind:
        body = fetched[str(row["path"])] = self._body(row)
        try:
            return self._views.look(body)
        except InvalidInput as refusal:
            msg = f"{row['path']}: {refusal}"
            raise InvalidInput(msg, path=row["path"]) from refusal

    def _block(self, one: _Field, view: ImageView, block: Block, fetched: dict[str, bytes]) -> Iterator[Row]:
        """Write one block, read it back, compare, and give the rows of its images; uses up what was fetched before."""
        self._watch.look()
        rows = one.rows(block)
        bodies = [fetched.pop(path) if (path := str(row["path"])) in fetched else self._body(row) for row in rows]
        written = view.write(block, bodies)
        for path, body in written.items():
            self._files.put(f"{one.folder}/{path}", body)
        full = next(iter(written))
        stored = {path: self._files.get(f"{one.folder}/{path}") for path in written}
        differs = view.differing(block, bodies, stored)
        if differs is not None:
            image = rows[differs - block.z_start]["path"]
            msg = f"the pixels of {image} did not come back from the archive as they were written; it is tried again"
            raise ChecksumMismatch(msg, path=image)
        for row in rows:
            yield {**row, "image": row["path"], "path": f"{one.folder}/{full}", "problem": None, "pixels_equal": 1}

    def _body(self, row: Row) -> bytes:
        path = str(row["path"])
        entry = self._source.files.get(path)
        if entry is None:
            raise InvalidInput(f"{path} is in the table of what was measured and not in the manifest", path=path)
        if entry.size_bytes > IMAGE_LIMIT_BYTES:
            msg = f"{path} has {entry.size_bytes:,} bytes; images of at most {IMAGE_LIMIT_BYTES:,} are converted"
            raise InvalidInput(msg, path=path)
        return self._source.body(entry, store=self._store)

    def _pictures(self, tables: TableFile) -> dict[str, bytes]:
        """Take over the source's pictures of the images that were written."""
        body = read_staged(self._source.version, PREVIEWS_PATH, dataset=self._source.dataset, store=self._store)
        kept = tables.load(body)
        pictures = dict(zip(kept["path"], kept["png"], strict=True))
        chosen: dict[str, bytes] = {}
        for row in self._rows:
            png = pictures.get(row["image"])
            if row["problem"] is None and isinstance(png, bytes) and len(chosen) < PREVIEWS:
                chosen.setdefault(str(row["path"]), png)
        return chosen


def _above(fields: Sequence[_Field]) -> Iterator[tuple[str, ngff.Document]]:
    """Give the documents of the folders that hold the images."""
    wells: dict[tuple[str, str], list[str]] = {}
    for one in fields:
        well = ngff.well_of(one.region)
        if well is not None:
            wells.setdefault(well, []).append(one.folder.rpartition("/")[2])
    is_plate = all(one.folder.count("/") == 3 for one in fields)
    if not is_plate:
        yield "zarr.json", ngff.collection()
        yield "OME/zarr.json", ngff.series([one.folder.rpartition("/")[2] for one in fields])
        return
    yield "zarr.json", ngff.plate(list(wells), fields=max(map(len, wells.values())))
    for row in sorted({row for row, _ in wells}):
        yield f"{row}/zarr.json", ngff.group()
    for (row, column), images in wells.items():
        yield f"{row}/{column}/zarr.json", ngff.well(images)
