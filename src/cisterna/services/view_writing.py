"""Writes fields of view into a derived dataset: pixels go to the store at once, only rows stay here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cisterna.domain.errors import ChecksumMismatch, InvalidInput
from cisterna.metadata import ngff
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.quality import TableFile
from cisterna.ports.view import Block, FieldOfView, ImageView, PlaneKind, ViewWriter
from cisterna.services.derived import PLANE, PREVIEWS, DataFiles, Row, Source
from cisterna.services.derived_parts import Columns
from cisterna.services.lease_watch import LeaseWatch
from cisterna.services.measurement import METRICS_PATH, PREVIEWS_PATH
from cisterna.services.staging import read_staged
from cisterna.services.view_field import FOLDER, Field, documents_above

IMAGE_LIMIT_BYTES = 240 * 1024 * 1024
"""Of one image file; a block of them is held in memory."""
_ABOVE = 3
"""Documents that the end of a field can call for: of its well, its row and the plate."""

_Begun = tuple[ImageView, dict[str, bytes]]
"""A field that can be written, and images of it that were read already."""


class Writing:
    """Writes field after field, into one object or as `derived_parts.Making`.

    Args:
        source: Of the images.
        fields: All there are.
        views: Makes chunks of pixels.
        store: The archive.
        tables: Reads the source's tables and writes the derived ones.
        watch: Of the attempt.
        most_files: That one part takes. A field is never divided: one that has more is a part by itself.
    """

    def __init__(
        self,
        source: Source,
        fields: Sequence[Field],
        views: ViewWriter,
        *,
        store: ObjectStore,
        tables: TableFile,
        watch: LeaseWatch,
        most_files: int,
    ) -> None:
        self._source, self._fields, self._views = source, fields, views
        self._store, self._tables, self._watch, self._most_files = store, tables, watch, most_files
        self._is_plate = fields[0].folder.count("/") == 3
        self._waiting = sorted(fields, key=_order, reverse=True)
        self._written: set[str] = set()
        self._above: set[str] = set()
        self._problem: object = None
        self._looked: tuple[str, dict[str, bytes]] = ("", {})
        imaging = (source.version.metadata or {}).get("imaging")
        self._imaging: Mapping[str, Any] = imaging if isinstance(imaging, dict) else {}

    @property
    def has_ended(self) -> bool:
        """Whether every field was taken; what lies above all of them is in the part of the last one."""
        return not self._waiting

    def expected_files(self) -> int:
        """Count what there will be, if every field is of images like the first one that can be read."""
        for one in self._fields:
            fetched: dict[str, bytes] = {}
            try:
                shape = self._shape(one, fetched)
            except InvalidInput:
                continue
            kind, self._looked = shape.plane, (one.folder, fetched)
            views = (self._views.begin(self._field_of_view(each, kind)) for each in self._fields)
            above = sum(1 for _ in documents_above(self._fields, is_plate=self._is_plate))
            return above + sum(map(_needed, views))
        return 0

    def fill_one(self, files: DataFiles) -> dict[str, bytes]:
        """Put all fields into one object, and give its tables.

        Raises:
            InvalidInput: Not one field could be written.
        """
        rows = [row for one in self._fields for row in self._take(one, self._begin(one), files)]
        self._put_above(files, None)
        return self._tables_of(rows)

    def fill(self, files: DataFiles) -> dict[str, bytes]:
        """Fill a part with whole fields, and with what lies above those that are done.

        Raises:
            InvalidInput: Not one field could be written.
        """
        rows: list[Row] = []
        while self._waiting:
            one = self._waiting[-1]
            begun = self._begin(one)
            needed = _ABOVE + (0 if isinstance(begun, InvalidInput) else _needed(begun[0]))
            if len(files) and len(files) + needed > self._most_files:
                break
            rows += self._take(one, begun, files)
            self._waiting.pop()
            following = self._waiting[-1] if self._waiting else None
            if following is None or _parent(following) != _parent(one):
                self._put_above(files, following)
        return self._tables_of(rows)

    def skip(self, metrics: Columns) -> None:
        """Pass over the fields that the part tells of."""
        told: dict[tuple[str, str], object] = {}
        for region, name, problem in zip(metrics["region"], metrics["field"], metrics["problem"], strict=True):
            told[str(region), str(name)] = problem
        for one in self._waiting:
            if told.get((one.region, one.name), "") is None:
                self._written.add(one.folder)
        self._problem = self._problem or next(filter(None, told.values()), None)
        self._waiting = [one for one in self._waiting if (one.region, one.name) not in told]
        self._above |= {path for path, _ in self._due(self._waiting[-1] if self._waiting else None)}

    def _begin(self, one: Field) -> _Begun | InvalidInput:
        """Look at the first image, which stays for the first block; or say why the field cannot be written."""
        fetched: dict[str, bytes] = {}
        if self._looked[0] == one.folder:
            (_, fetched), self._looked = self._looked, ("", {})
        try:
            return self._views.begin(self._shape(one, fetched)), fetched
        except InvalidInput as refusal:
            return refusal

    def _take(self, one: Field, begun: _Begun | InvalidInput, files: DataFiles) -> list[Row]:
        """Write one field, or note for each of its images why it was not."""
        try:
            if isinstance(begun, InvalidInput):
                raise begun
            view, fetched = begun
            rows = [row for block in view.blocks for row in self._block(one, view, block, fetched, files)]
        except InvalidInput as refusal:
            files.drop(f"{one.folder}/")
            self._problem = self._problem or str(refusal)
            lost = {"path": f"{one.folder}/zarr.json", "problem": str(refusal), "pixels_equal": None}
            return [{**row, "image": row["path"], **lost} for row in one.images.values()]
        for path, body in view.documents().items():
            files.put(f"{one.folder}/{path}", body)
        self._written.add(one.folder)
        return rows

    def _put_above(self, files: DataFiles, following: Field | None) -> None:
        if following is None and not self._written:
            msg = f"no field of {self._source.version.version_id} could be written, such as: {self._problem}"
            raise InvalidInput(msg, version_id=self._source.version.version_id, fields=len(self._fields))
        for path, document in self._due(following):
            if path not in self._above:
                self._above.add(path)
                files.put(f"{FOLDER}/{path}", json.dumps(document, indent=1, ensure_ascii=False).encode() + b"\n")

    def _due(self, following: Field | None) -> Iterator[tuple[str, ngff.Document]]:
        """Give the documents that no field to come changes: those whose paths sort before it."""
        written = [one for one in self._fields if one.folder in self._written]
        if not written:
            return
        for path, document in documents_above(written, is_plate=self._is_plate):
            if following is None or f"{FOLDER}/{path}".encode() < _order(following):
                yield path, document

    def _shape(self, one: Field, fetched: dict[str, bytes]) -> FieldOfView:
        """Look at the first image, and leave it in `fetched` for the first block, which begins with it."""
        gap = one.gap()
        if gap is not None:
            raise InvalidInput(gap)
        first = one.images[one.times[0], one.channels[0], one.levels[0]]
        return self._field_of_view(one, self._look(first, fetched))

    def _field_of_view(self, one: Field, plane: PlaneKind) -> FieldOfView:
        return FieldOfView(
            plane=plane,
            channels=tuple(one.channels),
            timepoints=len(one.times),
            z_planes=len(one.levels),
            pixel_size_um=self._imaging.get("pixel_size_um"),
            z_step_um=self._imaging.get("z_step_um") if len(one.levels) > 1 else None,
        )

    def _look(self, row: Row, fetched: dict[str, bytes]) -> PlaneKind:
        path = str(row["path"])
        body = fetched[path] = fetched[path] if path in fetched else self._body(row)
        try:
            return self._views.look(body)
        except InvalidInput as refusal:
            msg = f"{row['path']}: {refusal}"
            raise InvalidInput(msg, path=row["path"]) from refusal

    def _block(
        self, one: Field, view: ImageView, block: Block, fetched: dict[str, bytes], files: DataFiles
    ) -> Iterator[Row]:
        """Write one block, read it back, compare, and give the rows of its images; uses up what was fetched before."""
        self._watch.look()
        rows = one.rows(block)
        bodies = [fetched.pop(path) if (path := str(row["path"])) in fetched else self._body(row) for row in rows]
        written = view.write(block, bodies)
        for path, body in written.items():
            files.put(f"{one.folder}/{path}", body)
        full = next(iter(written))
        stored = {path: files.get(f"{one.folder}/{path}") for path in written}
        differs = view.differing(block, bodies, stored)
        if differs is not None:
            image = rows[differs - block.z_start]["path"]
            msg = f"the pixels of {image} did not come back from the archive as they were written; it is tried again"
            raise ChecksumMismatch(msg, path=image)
        for row in rows:
            yield {**row, "image": row["path"], "path": f"{one.folder}/{full}", "problem": None, "pixels_equal": 1}

    def _body(self, row: Row) -> bytes:
        return self._source.read(str(row["path"]), limit_bytes=IMAGE_LIMIT_BYTES, use="of images are converted")

    def _tables_of(self, rows: Sequence[Row]) -> dict[str, bytes]:
        names = ("path", "image", *PLANE, "problem", "pixels_equal")
        pictures = self._pictures(rows)
        return {
            METRICS_PATH: self._tables.dump({name: [row[name] for row in rows] for name in names}),
            PREVIEWS_PATH: self._tables.dump({"path": list(pictures), "png": list(pictures.values())}),
        }

    def _pictures(self, rows: Sequence[Row]) -> dict[str, bytes]:
        """Take over the source's pictures of the images that were written."""
        body = read_staged(self._source.version, PREVIEWS_PATH, dataset=self._source.dataset, store=self._store)
        kept = self._tables.load(body)
        pictures = dict(zip(kept["path"], kept["png"], strict=True))
        chosen: dict[str, bytes] = {}
        for row in rows:
            png = pictures.get(row["image"])
            if row["problem"] is None and isinstance(png, bytes) and len(chosen) < PREVIEWS:
                chosen.setdefault(str(row["path"]), png)
        return chosen


def _order(one: Field) -> bytes:
    """Sort fields as the paths of their files do."""
    return f"{one.folder}/".encode()


def _parent(one: Field) -> str:
    return one.folder.rpartition("/")[0]


def _needed(view: ImageView) -> int:
    """Count the files of a field: of each block one a resolution, and the documents."""
    documents = len(view.documents())
    return len(view.blocks) * (documents - 1) + documents
