"""What every derived dataset has in common: where it comes from, how it is opened, filled and finished."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from posixpath import splitext
from typing import NamedTuple

from cisterna.domain.dataset import Dataset, Relation, Stage, Version, version_id
from cisterna.domain.digest import DIGEST_ALGORITHM, DigestAlgorithm, Sha512, sha256_of, sha512_of
from cisterna.domain.errors import IllegalTransition, InvalidInput
from cisterna.domain.identifier import Arks, dataset_id
from cisterna.domain.manifest import FileEntry, Manifest
from cisterna.domain.ocfl import CONTENT, object_root
from cisterna.domain.part import Part
from cisterna.domain.plane_choice import MAKERS
from cisterna.domain.work import Attempt
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.quality import TableFile
from cisterna.services.erased import require_not_erased
from cisterna.services.measurement import METRICS_PATH, UNMEASURED
from cisterna.services.part_table import HeldPart, held_parts, read_part_manifest
from cisterna.services.quarantine import require_not_given_up
from cisterna.services.staging import drop_staging, read_staged
from cisterna.services.transition import advance, announce_opened, write_beside_others

PLANE = ("region", "field", "channel", "z", "t")
"""Columns of `quality/metrics.parquet` that tell where an image belongs."""
PREVIEWS = 120
"""Most pictures that a dataset keeps."""

Row = dict[str, str | float | int | None]


class Source:
    """An archived version that something is derived from: its readable images, and where their bytes lie.

    Of a version in parts one part at a time is open.

    Args:
        version: The version.
        dataset: Of the version.
        parts: That it names.
        store: The archive.
        tables: Reads what the objects hold.
    """

    def __init__(
        self, version: Version, dataset: Dataset, parts: Sequence[HeldPart], *, store: ObjectStore, tables: TableFile
    ) -> None:
        self.version, self.dataset, self.parts = version, dataset, parts
        self._store, self._tables = store, tables
        self._open: tuple[str, dict[str, FileEntry]] | None = None

    def images(self) -> Iterator[Row]:
        """Give one row an image, with the columns `path` and those of `PLANE`; in parts, in the order of the paths.

        Planes inside makers' files are none: whoever derives is given whole files, and cannot open those. Of any other
        file of several planes the row tells no place.
        """
        for version, dataset in [(one.version, one.dataset) for one in self.parts] or [(self.version, self.dataset)]:
            metrics = self._tables.load(read_staged(version, METRICS_PATH, dataset=dataset, store=self._store))
            if PLANE[0] not in metrics:
                continue  # it holds files of another kind, which have no place
            yield from whole_files(metrics)

    def read(self, path: str, *, limit_bytes: int, use: str) -> bytes:
        """Read a file from the archive, never from the instrument.

        Raises:
            InvalidInput: It is in no manifest, or larger than the limit; `use` says what for.
        """
        version, dataset = next(
            ((one.version, one.dataset) for one in self.parts if one.part.may_hold(path)), (self.version, self.dataset)
        )
        entry = self._files(version, dataset).get(path)
        if entry is None:
            raise InvalidInput(f"{path} is in the table of what was measured and not in the manifest", path=path)
        if entry.size_bytes > limit_bytes:
            raise InvalidInput(f"{path} has {entry.size_bytes:,} bytes; {use} at most {limit_bytes:,}", path=path)
        body, _ = self._store.get(f"{dataset.object_root}/{entry.content_path}")
        return body

    def _files(self, version: Version, dataset: Dataset) -> Mapping[str, FileEntry]:
        if self._open is None or self._open[0] != version.version_id:
            self._open = None  # the one before goes first: never two at once
            if version.parts:
                return {}  # no part can hold the file
            manifest = read_part_manifest(version, dataset=dataset, store=self._store, tables=self._tables)
            self._open = (version.version_id, {entry.path: entry for entry in manifest.files})
        return self._open[1]


def whole_files(metrics: Mapping[str, Sequence[object]]) -> Iterator[Row]:
    """Give one row a file of which something could be read, in their order."""
    nothing = [None] * len(metrics["path"])
    names = ("path", "problem", UNMEASURED, *PLANE)
    planes: dict[str, list[Row]] = {}
    for path, problem, why, *place in zip(*(metrics.get(name, nothing) for name in names), strict=True):
        if not problem and not why and splitext(str(path))[1].lower() not in MAKERS:
            row = dict(zip(PLANE, place, strict=True))
            planes.setdefault(str(path), []).append({"path": str(path), **row})
    counts = Counter(map(str, metrics["path"]))
    for path, rows in planes.items():
        yield rows[0] if counts[path] == 1 else {"path": path, **dict.fromkeys(PLANE)}


class Asked(NamedTuple):
    """Who asked for the derivation, and why."""

    by: str
    why: str


@dataclass(frozen=True, slots=True)
class Derivation:
    """What the derived dataset is to be.

    Attributes:
        how: Names what makes it, to the version: the same source and the same way give the same dataset.
        model: `name@version` of the model that makes it, or None.
    """

    how: str
    title: str
    data_type: str
    model: str | None = None


def read_source(source_id: str, *, catalogue: Catalogue, store: ObjectStore, tables: TableFile) -> Source:
    """Look up what is to be derived from.

    Raises:
        IllegalTransition: It is not archived, or withdrawn.
        NotFound: There is no such version.
        Quarantined: Its data were discarded.
    """
    with catalogue.begin() as tx:
        version = tx.datasets.get_version(source_id)
        dataset, parts = tx.datasets.get(version.dataset_id), held_parts(tx, version)
        require_not_given_up(tx, version)
    if not version.is_archived or version.stage is Stage.WITHDRAWN:
        msg = f"{source_id} is {version.stage.value}; what is archived and not withdrawn can be derived from"
        raise IllegalTransition(msg, version_id=source_id, present=version.stage.value)
    return Source(version, dataset, parts, store=store, tables=tables)


def open_derived(
    source: Source,
    derivation: Derivation,
    asked: Asked,
    *,
    lease: Attempt,
    catalogue: Catalogue,
    store: ObjectStore,
    clock: Clock,
    arks: Arks,
) -> tuple[Version, Dataset]:
    """Find or open the derived version, with a staging folder of this attempt's own.

    Its id is made from the source version and the way, so that a second run finds it; one that has come past
    `detected` is returned as it is.

    Raises:
        Erased: It was erased, or what it is derived from was.
    """
    origin = f"{source.version.version_id}\n{derivation.how}"
    identifier = dataset_id(origin=origin)
    pid = arks.of(identifier)
    with catalogue.begin() as tx:
        tx.inbox.require_lease(lease)
        require_not_erased(tx, source.dataset.dataset_id)
        require_not_erased(tx, identifier)
        now = clock.now()
        relation = Relation(kind="IsDerivedFrom", dataset_id=source.dataset.dataset_id, version=source.version.label)
        dataset = tx.datasets.add(
            Dataset(
                dataset_id=identifier,
                origin=origin,
                title=derivation.title,
                data_type=derivation.data_type,
                project=source.dataset.project,
                instrument=source.dataset.instrument,
                relations=(relation,),
                model=derivation.model,
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
                incomplete=source.version.incomplete,
            )
        )
        announce_opened(tx, opened, dataset, clock=clock, model=dataset.model)
        return opened, dataset


class Counted(NamedTuple):
    """What a version turned out to hold."""

    manifest_digest: Sha512
    file_count: int
    total_bytes: int
    parts: tuple[Part, ...] = ()


def counted(manifest: Manifest) -> Counted:
    """Count the files of one object."""
    return Counted(manifest.digest, len(manifest.files), manifest.total_bytes)


def finish_derived(
    staged: Version, found: Counted, *, dataset: Dataset, lease: Attempt, catalogue: Catalogue, clock: Clock
) -> Version:
    """Bring a derived version whose files are all staged to `measured`."""

    def write(tx: Transaction) -> Version:
        tx.inbox.require_lease(lease)
        fresh = tx.datasets.get_version(staged.version_id)  # somebody may have noted something on it meanwhile
        measured = fresh.model_copy(update={"staged": staged.staged, **found._asdict()})
        return advance(
            tx, measured, Stage.MEASURED, clock=clock, manifest_digest=found.manifest_digest, model=dataset.model
        )

    return write_beside_others(write, catalogue=catalogue)


class DataFiles:
    """Takes derived data files one by one: their bytes go to the store at once, only their entries stay here.

    Args:
        version: The derived version.
        dataset: Of the version.
        store: The archive.
        digest: What its object is to be made of.
    """

    def __init__(
        self, version: Version, dataset: Dataset, store: ObjectStore, *, digest: DigestAlgorithm = DIGEST_ALGORITHM
    ) -> None:
        self._version, self._dataset, self._store = version, dataset, store
        self._digest = digest
        self._entries: dict[str, FileEntry] = {}

    def __len__(self) -> int:
        """How many were taken so far."""
        return len(self._entries)

    @property
    def manifest(self) -> Manifest:
        """What was taken so far."""
        return Manifest.of(list(self._entries.values()))

    def put(self, path: str, body: bytes) -> None:
        """Stage a file."""
        digest = sha512_of(body)
        content_path = f"{self._version.staging}/{digest[:40]}"
        self._store.put(f"{self._dataset.object_root}/{content_path}", body)
        self._entries[path] = FileEntry(
            path=path,
            size_bytes=len(body),
            sha512=digest,
            content_path=content_path,
            sha256=sha256_of(body) if self._digest == "sha256" else None,
        )

    def drop(self, folder: str) -> None:
        """Forget the files below a folder; their bytes are purged before the commit, as no inventory names them."""
        self._entries = {path: entry for path, entry in self._entries.items() if not path.startswith(folder)}

    def get(self, path: str) -> bytes:
        """Read a staged file back from the store."""
        body, _ = self._store.get(f"{self._dataset.object_root}/{self._entries[path].content_path}")
        return body
