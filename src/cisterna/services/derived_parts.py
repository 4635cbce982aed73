"""Fills a derived dataset with more files than one object takes: part after part, each archived before the next.

What makes the files gives them in the order of their paths, so that a part is a run of them as of any other version.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from cisterna.domain.dataset import Dataset, Relation, Stage, Version, version_id
from cisterna.domain.digest import DigestAlgorithm
from cisterna.domain.errors import CatalogueUnavailable, CisternaError, InvalidInput
from cisterna.domain.ocfl import CONTENT, object_root
from cisterna.domain.part import MOST_PARTS, Part, part_origin, part_pid
from cisterna.domain.work import Attempt
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.clock import Clock
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.quality import TableFile
from cisterna.services.data_manifest import MANIFEST_PATH, dump_manifest
from cisterna.services.derived import Counted, DataFiles, counted, finish_derived
from cisterna.services.erased import require_not_erased
from cisterna.services.lease_watch import LeaseWatch
from cisterna.services.measurement import METRICS_PATH
from cisterna.services.part_table import PARTS_PATH, dump_parts, part_dataset_id, read_part_manifest
from cisterna.services.staging import drop_staging, read_staged, stage_files
from cisterna.services.transition import announce_opened
from cisterna.services.whole import Gathered, carry_part, named_part

Columns = Mapping[str, Sequence[object]]
Fill = Callable[[DataFiles], dict[str, bytes]]


class Making(Protocol):
    """Makes the files of a derived dataset, in the order of their paths."""

    @property
    def has_ended(self) -> bool:
        """Whether there are no more."""
        ...

    def fill(self, files: DataFiles) -> dict[str, bytes]:
        """Make as many files as one part takes, at least one, and give its tables of metrics and previews."""
        ...

    def skip(self, metrics: Columns) -> None:
        """Pass over what a part has that an earlier attempt brought; `metrics` are that part's."""
        ...


class First(NamedTuple):
    """A file that comes before all others and is made of what is said of them.

    Attributes:
        make: Given the metrics of every other part, gives its bytes and the tables of its part.
    """

    path: str
    make: Callable[[Iterator[Columns]], tuple[bytes, dict[str, bytes]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What one attempt derives with."""

    lease: Attempt
    catalogue: Catalogue
    store: ObjectStore
    tables: TableFile
    clock: Clock
    digest: DigestAlgorithm
    watch: LeaseWatch


def derive_parts(
    version: Version, making: Making, *, first: First | None = None, dataset: Dataset, means: Means
) -> Version:
    """Bring every part, then the derived version that names them to `measured`.

    Harmless to run twice: a part that was verified is passed over, and one that was cut short is made anew in a staging
    folder of its own. What names parts is staged last.

    Raises:
        InvalidInput: There are more files than parts can be counted for.
    """
    before = 0 if first is None else 1
    held: list[tuple[int, Version, Dataset]] = []
    while not making.has_ended:
        number = before + len(held) + 1
        if number > MOST_PARTS:
            raise InvalidInput(f"what is derived for {version.version_id} takes more than {MOST_PARTS:,} parts")
        held.append((number, *_bring(number, version, dataset, making.fill, making.skip, means=means)))
    if first is not None:
        others = tuple(held)

        def fill(files: DataFiles) -> dict[str, bytes]:
            body, tables = first.make(_metrics(one, whose, means) for _, one, whose in others)
            files.put(first.path, body)
            return tables

        held.insert(0, (1, *_bring(1, version, dataset, fill, None, means=means)))
    return _name(version, held, dataset=dataset, means=means)


def _bring(
    number: int,
    whole: Version,
    dataset: Dataset,
    fill: Fill,
    skip: Callable[[Columns], None] | None,
    *,
    means: Means,
) -> tuple[Version, Dataset]:
    """Take one part all the way, from wherever it stands."""
    is_filled = False
    while True:
        means.watch.look()
        part, whose = _open(number, whole, dataset, means=means)
        if part.stage is Stage.VERIFIED:
            if not is_filled and skip is not None:
                skip(_metrics(part, whose, means))
            return part, whose
        if part.stage is Stage.DETECTED:
            _fill(part, whose, fill, means=means)
            is_filled = True
            continue
        carry_part(
            part.version_id,
            lease=means.lease,
            catalogue=means.catalogue,
            store=means.store,
            tables=means.tables,
            clock=means.clock,
            readers=1,
        )


def _open(number: int, whole: Version, dataset: Dataset, *, means: Means) -> tuple[Version, Dataset]:
    """Find the part, or add it; nothing of it is named to anybody but by its whole."""
    pid, now = part_pid(dataset.pid, number), means.clock.now()
    with means.catalogue.begin() as tx:
        tx.inbox.require_lease(means.lease)
        require_not_erased(tx, dataset.dataset_id)
        part = tx.datasets.add(
            Dataset(
                dataset_id=part_dataset_id(dataset.dataset_id, number),
                origin=part_origin(dataset.dataset_id, number),
                title=f"Part {number:04d} of {dataset.pid}",
                data_type=dataset.data_type,
                project=dataset.project,
                instrument=dataset.instrument,
                relations=(Relation(kind="IsPartOf", dataset_id=dataset.dataset_id, version=whole.label),),
                model=dataset.model,
                pid=pid,
                object_root=object_root(pid),
                created_at=now,
            )
        )
        known = next(iter(tx.datasets.versions(part.dataset_id)), None)
        if known is not None:
            return known, part
        opened = tx.datasets.add_version(
            Version(
                version_id=version_id(part.dataset_id, 1),
                dataset_id=part.dataset_id,
                number=1,
                stage_at=now,
                created_at=now,
                submitter=whole.submitter,
                cause=whole.cause,
            )
        )
        announce_opened(tx, opened, part, clock=means.clock, restricted=True)
        return opened, part


def _fill(part: Version, dataset: Dataset, fill: Fill, *, means: Means) -> None:
    """Make the files of a part, in a staging folder of this attempt's own, and bring it to `measured`."""
    drop_staging(part, dataset=dataset, store=means.store)  # what an attempt left that was killed
    staging = f"v1/{CONTENT}/{means.clock.new_id().replace('-', '')}"
    with means.catalogue.begin() as tx:
        tx.inbox.require_lease(means.lease)
        fresh = tx.datasets.get_version(part.version_id)
        part = tx.datasets.save_version(fresh.model_copy(update={"staging": staging, "staged": {}}))
    files = DataFiles(part, dataset, means.store, digest=means.digest)
    try:
        made = fill(files)
        made[MANIFEST_PATH] = dump_manifest(files.manifest, tables=means.tables)
        staged = stage_files(part, made, dataset=dataset, store=means.store)
        finish_derived(
            staged,
            counted(files.manifest),
            dataset=dataset,
            lease=means.lease,
            catalogue=means.catalogue,
            clock=means.clock,
        )
    except CatalogueUnavailable:
        raise  # the part may be on record as measured; what is staged is the recovery's to judge
    except CisternaError:
        drop_staging(part, dataset=dataset, store=means.store)
        raise


def _name(version: Version, held: Sequence[tuple[int, Version, Dataset]], *, dataset: Dataset, means: Means) -> Version:
    """Stage what is said of all parts together, and name them in the version that people see."""
    whole, parts, gathered = hashlib.sha512(), list[Part](), Gathered(store=means.store, tables=means.tables)
    for number, one, whose in held:
        means.watch.look()
        manifest = read_part_manifest(one, dataset=whose, store=means.store, tables=means.tables)
        for line in manifest.lines():
            whole.update(line)
        parts.append(named_part(number, one, whose, manifest, store=means.store))
        gathered.take(one, whose)
    try:
        tables = {PARTS_PATH: dump_parts(parts, tables=means.tables), **gathered.files()}
        staged = stage_files(version, tables, dataset=dataset, store=means.store)
        found = Counted(
            whole.hexdigest(),
            sum(part.file_count for part in parts),
            sum(part.total_bytes for part in parts),
            tuple(parts),
        )
        return finish_derived(
            staged, found, dataset=dataset, lease=means.lease, catalogue=means.catalogue, clock=means.clock
        )
    except CatalogueUnavailable:
        raise
    except CisternaError:
        drop_staging(version, dataset=dataset, store=means.store)
        raise


def _metrics(part: Version, dataset: Dataset, means: Means) -> Columns:
    return means.tables.load(read_staged(part, METRICS_PATH, dataset=dataset, store=means.store))
