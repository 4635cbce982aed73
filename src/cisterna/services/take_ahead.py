"""Takes over what was read ahead of a run, for every file that is the same now as it was when it was read.

The same means: size, modification time and inode, as the frozen listing has them. Beside that a fiftieth of the bytes
is read once more from the source and compared: a writer that changes files behind their times, through a mapping or a
share that is slow to tell, is found out by that if it does so as a habit, and then nothing of what was read ahead is
believed. One file that changed so and is not among those is archived as it was read; the release of a source reads
every file once more before it deletes it, and finds that out.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from cisterna.domain.ahead import Ahead, AheadBatch, AheadState
from cisterna.domain.digest import sha512_of
from cisterna.domain.errors import InvalidInput, ObjectNotFound
from cisterna.domain.listing import SeenFile
from cisterna.domain.work import Attempt, WorkKind, WorkState
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.quality import Meter, TableFile
from cisterna.ports.source import LandingZone
from cisterna.services.ahead_table import AheadFile, load_ahead, meter_names
from cisterna.services.early import tell_settled_early
from cisterna.services.one_read import READ_BYTES, ReadFile, ReadPlan, require_same
from cisterna.services.settled import is_same

SAMPLE_SHARE = 50
"""A fiftieth of the bytes is compared with the source again."""
_MOST_SAMPLED = 64
_WAIT_SECONDS, _MOST_WAITS = 0.2, 75


@dataclass(frozen=True, slots=True)
class TakenAhead:
    """What was read ahead into a version's staging.

    Attributes:
        row: Its row.
        batches: In order.
        seen: Every file as it was when it was read last.
    """

    row: Ahead
    batches: Sequence[AheadBatch]
    seen: Mapping[str, SeenFile]


@dataclass
class TakenOver:
    """What was taken over.

    Attributes:
        known: Content path by digest, of the object's and of what was taken over.
        places: In the listing, of the files that were.
        early: Paths of files that changed after they were read ahead.
        distrusted: Paths of files that gave other bytes although nothing says that they changed; with any, none is
            taken over, and whatever `taken` was told is void.
    """

    known: dict[str, str]
    places: set[int] = field(default_factory=set)
    early: list[str] = field(default_factory=list)
    distrusted: list[str] = field(default_factory=list)


def adopt_ahead(tx: Transaction, acquisition_id: str | None, *, object_root: str, folder: str) -> str | None:
    """Give the staging folder of what was read ahead, and let nobody add to it any more; None where there is none.

    What was read ahead into another object, before the site's NAAN became another one, is given up.

    Args:
        tx: The folder is named on the version in it.
        acquisition_id: Of the acquisition; None of a part, which has none.
        object_root: Of the version's object.
        folder: That the version's staging must lie in.
    """
    ahead = tx.aheads.lock(acquisition_id) if acquisition_id else None
    if ahead is None or ahead.state is AheadState.DROPPING:
        return None
    if ahead.object_root != object_root:
        tx.aheads.save(ahead.model_copy(update={"state": AheadState.DROPPING}))
        return None
    if not ahead.staging.startswith(folder):
        return None
    if ahead.state is AheadState.OPEN:
        tx.aheads.save(ahead.model_copy(update={"state": AheadState.TAKEN}))
    return ahead.staging


def disown_ahead(acquisition_id: str, *, lease: Attempt, catalogue: Catalogue) -> None:
    """Give up what was read ahead of a run that needs parts: the recovery removes it."""
    with catalogue.begin() as tx:
        tx.inbox.require_lease(lease)
        ahead = tx.aheads.lock(acquisition_id)
        if ahead is not None and ahead.state is not AheadState.DROPPING:
            tx.aheads.save(ahead.model_copy(update={"state": AheadState.DROPPING}))


def await_reader(
    acquisition_id: str,
    *,
    catalogue: Catalogue,
    keep_on: Callable[[], None],
    wait: Callable[[float], object] = time.sleep,
) -> None:
    """Wait until nobody reads the run ahead any more, for 15 s at most.

    Whoever does stops within a second or so, since the run is complete. One that hangs is not waited for: what it still
    brings is on no record, and goes with what the commit purges.
    """
    for _ in range(_MOST_WAITS):
        with catalogue.begin() as tx:
            works = tx.inbox.list(state=WorkState.LEASED, subject=acquisition_id)
        if not any(work.kind is WorkKind.AHEAD for work in works):
            return
        keep_on()
        wait(_WAIT_SECONDS)


def take_over(
    plan: ReadPlan,
    ahead: TakenAhead,
    *,
    meter: Meter,
    taken: Callable[[int, ReadFile], None],
    zone: LandingZone,
    store: ObjectStore,
    tables: TableFile,
) -> TakenOver:
    """Take over every file whose record holds, and tell which changed; what is not taken over is to be read.

    One batch is in memory at a time. A batch whose table is not there as it was written counts for nothing.

    Args:
        plan: To read all files.
        ahead: What was read ahead into the plan's staging.
        meter: That would measure the images now.
        taken: Called with the place in the listing and the result of each file that is taken over.
        zone: Of the instrument.
        store: The archive.
        tables: Reads the batches.

    Raises:
        SourceChanged, SourceUnavailable, StoreUnavailable: As said there, and whatever `keep_on` raises.
    """
    over = TakenOver(dict(plan.known))
    places = {file.path: place for place, file in enumerate(plan.listing.files)}
    digests = _digest_sample(plan, ahead.seen, zone=zone)
    visited: set[str] = set()
    for batch in reversed(ahead.batches):
        plan.keep_on()
        for file in _load(batch, plan, store=store, tables=tables):
            path = file.seen.path
            place = places.get(path)
            if place is None or path in visited:
                continue
            visited.add(path)
            if not is_same(file.seen, plan.listing.files[place]):
                over.early.append(path)
            elif digests.get(path, file.result.entry.sha512) != file.result.entry.sha512:
                over.distrusted.append(path)
            elif _is_usable(file, plan, meter=meter_names(meter.names)):
                over.places.add(place)
                taken(place, _fitted(file, plan, over.known))
    if over.distrusted:
        return TakenOver(dict(plan.known), early=over.early, distrusted=over.distrusted)
    return over


def tell_taken_over(
    over: TakenOver, acquisition_id: str, *, lease: Attempt, catalogue: Catalogue, clock: Clock
) -> None:
    """Say once which files changed after they had counted as settled. A second run finds that told."""
    if not (over.early or over.distrusted):
        return
    with catalogue.begin() as tx:
        tx.inbox.require_lease(lease)
        ahead = tx.aheads.lock(acquisition_id)
        if ahead is None or ahead.is_told:
            return
        again = ahead.again + len(over.early) + len(over.distrusted)
        tx.aheads.save(ahead.model_copy(update={"is_told": True, "again": again}))
        acquisition = tx.acquisitions.get(acquisition_id)
        if over.early:
            tell_settled_early(tx, acquisition, over.early, clock=clock)
        if over.distrusted:
            how = "gave other bytes without any sign of a change"
            tell_settled_early(tx, acquisition, over.distrusted, clock=clock, how=how)


def _load(batch: AheadBatch, plan: ReadPlan, *, store: ObjectStore, tables: TableFile) -> Iterator[AheadFile]:
    try:
        body, _ = store.get(f"{plan.object_root}/{batch.content_path}")
        yield from load_ahead(body, tables=tables) if sha512_of(body) == batch.sha512 else ()
    except (ObjectNotFound, InvalidInput):
        return


def _is_usable(file: AheadFile, plan: ReadPlan, *, meter: str) -> bool:
    """Tell whether the file's bytes are in the store, and all that is wanted of them was found when they were read."""
    entry, reading = file.result.entry, file.result.reading
    found = {"sha512": entry.sha512, "sha256": entry.sha256}
    delivered = plan.delivered.get(entry.path, {})
    return (
        plan.arrivals.sizes.get(entry.content_path or "") == entry.size_bytes
        and (plan.algorithm == "sha512" or entry.sha256 is not None)
        and all(found.get(name) == digest for name, digest in delivered.items())
        and plan.is_measured(entry.path) == (reading is not None)
        and (reading is None or file.meter == meter)
    )


def _fitted(file: AheadFile, plan: ReadPlan, known: dict[str, str]) -> ReadFile:
    """Give the result as the one read would have: equal bytes lie in one place."""
    entry = file.result.entry
    told: dict[str, object] = {
        "content_path": known.setdefault(entry.sha512, entry.content_path or ""),
        "delivered": plan.delivered.get(entry.path, {}),
        "sha256": entry.sha256 if plan.algorithm == "sha256" else None,
    }
    return ReadFile(entry.model_copy(update=told), file.result.reading)


def _digest_sample(plan: ReadPlan, seen: Mapping[str, SeenFile], *, zone: LandingZone) -> dict[str, str]:
    """Read a fiftieth of the bytes again, spread over the run: digests by path."""
    same = [file for file in plan.listing.files if is_same(seen.get(file.path), file)]
    budget = sum(file.size_bytes for file in same) // SAMPLE_SHARE
    digests: dict[str, str] = {}
    buffer = memoryview(bytearray(READ_BYTES))
    with zone.entered(plan.folder) as folder:
        for file in same[:: max(1, len(same) // _MOST_SAMPLED)]:
            if file.size_bytes > budget:
                continue
            budget -= file.size_bytes
            plan.keep_on()
            plan.pace(file.size_bytes)
            digest = hashlib.sha512()
            with folder.open(file.path) as source:
                require_same(file, source.opened)
                while count := source.readinto(buffer):
                    digest.update(buffer[:count])
                require_same(file, source.still())
            digests[file.path] = digest.hexdigest()
    return digests
