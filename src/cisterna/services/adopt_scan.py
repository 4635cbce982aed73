"""Makes the inventory of a share: one slice of work at a time, from wherever the last one left it.

Strictly reading: folders are listed, and of files only those are opened that a profile needs to know a run. What is
done is written down in batches of folders, each in one transaction; a slice that is killed costs its last batch, which
is walked again and counted once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cisterna.domain.adoption import MOST_EXAMPLES, Adoption, AdoptionState, Walk
from cisterna.domain.errors import Conflict, HostileInput, NotFound, SourceUnavailable
from cisterna.domain.hours import are_open
from cisterna.ports.adoption import PendingFolder, WalkedThrough
from cisterna.ports.booking import BookingTables
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.ports.profile import Profile
from cisterna.ports.share import Share
from cisterna.services.adopt_guess import Known
from cisterna.services.adopt_walk import Walker
from cisterna.services.pace import Bucket

SLICE_SECONDS = 2.0
DEEPEST = 128
_BATCH_SECONDS = 1.0
_BATCH_ENTRIES = 20_000
_BATCH_FOLDERS = 256
_LOOKED_UP_SECONDS = 5.0
_OLD_SHARE = 0.7
"""How much of the rate that is told is that of before."""


class Halted(BaseException):
    """The slice has to end now: a person paused it, or the process stops. What was not written is walked again.

    It may strike while a profile reads, and whatever a profile catches, it must not catch this.
    """


@dataclass(frozen=True, kw_only=True)
class AdoptSite:
    """What taking in shares stands on.

    Attributes:
        share_of: Opens a share, and no other folder that stands in its place.
        profiles: In the order in which a folder is shown to them.
        keep_on: Called again and again; raises `Halted` when the process has to stop.
        wait: Sleeps so many seconds.
    """

    catalogue: Catalogue
    clock: Clock
    share_of: Callable[[Adoption], Share]
    profiles: Mapping[str, Profile]
    tables: BookingTables
    keep_on: Callable[[], None]
    wait: Callable[[float], object]


def scan_slice(name: str, *, site: AdoptSite, seconds: float = SLICE_SECONDS) -> bool:
    """Work on the inventory of a share for some seconds; tell whether there is more to do now.

    A second one goes on where this one was, killed or not. Two at once do no harm: one of them writes nothing.

    Args:
        name: Of the adoption.
        site: What it stands on.
        seconds: After which no further batch is begun.

    Raises:
        NotFound: There is no such adoption.
        CatalogueUnavailable: What was not written is walked again.
    """
    with site.catalogue.begin() as tx:
        adoption = tx.adoptions.get(name)
        if adoption.state is not AdoptionState.ACTIVE:
            return False
        walk = _walk_of(tx, adoption, clock=site.clock)
        known = _known(tx)
    if walk.ended_at is not None or not are_open(adoption.scanning.hours, site.clock.now().astimezone()):
        return False
    slice_ = _Slice(adoption, walk, known, site)
    try:
        return slice_.run(seconds)
    except Halted:
        return False
    except Conflict:
        return True  # somebody else wrote this batch, or asked for another inventory: look anew
    except SourceUnavailable as gone:
        slice_.tell_problem(str(gone))
        return False


class _Slice:
    """One slice under way."""

    def __init__(self, adoption: Adoption, walk: Walk, known: Known, site: AdoptSite) -> None:
        self._adoption = adoption
        self._walk = walk
        self._site = site
        self._share = site.share_of(adoption)
        self._looked_up = site.clock.monotonic()
        self._entries = 0
        self._names, self._bytes = (
            self._bucket(rate) for rate in (adoption.scanning.files_per_second, adoption.scanning.bytes_per_second)
        )
        self._walker = Walker(
            adoption=adoption,
            share=self._share,
            known=known,
            profiles=site.profiles,
            tables=site.tables,
            catalogue=site.catalogue,
            clock=site.clock,
            looked_at=self._looked_at,
            was_read=self._bytes.take,
        )

    def run(self, seconds: float) -> bool:
        """Walk batch after batch. Raises `SourceUnavailable`, `Conflict`, `Halted`."""
        clock = self._site.clock
        self._share.require_identity(self._adoption.identity)
        end = clock.monotonic() + seconds
        while True:
            self._keep_on()
            with self._site.catalogue.begin() as tx:
                batch = tx.adoptions.next_folders(self._adoption.name, limit=_BATCH_FOLDERS)
            if not batch:
                self._end()
                return False
            self._take(batch)
            if clock.monotonic() >= end:
                return True

    def tell_problem(self, reason: str) -> None:
        """Say why nothing goes on; what is there already stays as it is."""
        if self._walk.problem == reason:
            return
        told = self._walk.model_copy(update={"problem": reason[:1000], "changed_at": self._site.clock.now()})
        try:
            with self._site.catalogue.begin() as tx:
                tx.adoptions.save_walk(self._adoption.name, told)
        except Conflict:
            return  # somebody else goes on

    def _take(self, batch: Sequence[PendingFolder]) -> None:
        """Walk some folders and write that down: all of it or nothing."""
        clock = self._site.clock
        began, self._entries = clock.monotonic(), 0
        walked: list[WalkedThrough] = []
        walk = self._walk
        for folder in batch:
            one, walk = self._through(folder, walk)
            walked.append(one)
            if self._entries >= _BATCH_ENTRIES or clock.monotonic() - began >= _BATCH_SECONDS:
                break
        # The share may have gone meanwhile, and what it then no longer shows is not known to be no more.
        self._share.require_identity(self._adoption.identity)
        spent = clock.monotonic() - began
        told = {
            "problem": None,
            "seconds": walk.seconds + spent,
            "entries_per_second": _rate(walk, self._entries, spent),
            "changed_at": clock.now(),
        }
        with self._site.catalogue.begin() as tx:
            self._walk = tx.adoptions.checkpoint(self._adoption.name, walk.model_copy(update=told), walked)

    def _through(self, folder: PendingFolder, walk: Walk) -> tuple[WalkedThrough, Walk]:
        """Walk one folder; one that cannot be listed is named, and stops no other."""
        nothing, shown = WalkedThrough(folder), f"'{folder.path[:200]}'"
        if folder.path.count("/") >= DEEPEST:
            return nothing, _refused(walk, f"{shown} lies more than {DEEPEST} folders deep")
        try:
            with self._share.walked(folder.path) as opened:
                if opened.is_own_ancestor:
                    return nothing, _refused(walk, f"{shown} is a folder that it lies in: it is mounted into itself")
                counted = self._walker.count(folder, opened)
        except NotFound:
            return nothing, walk  # it went away since its parent was listed
        except HostileInput as refusal:
            return nothing, _refused(walk, str(refusal))
        except SourceUnavailable as fault:
            self._share.require_identity(self._adoption.identity)  # raises if it is the share that is gone
            return nothing, _refused(walk, str(fault))
        through = counted.through
        more = {
            "folders": walk.folders + 1,
            "files": walk.files + through.file_count,
            "total_bytes": walk.total_bytes + through.total_bytes,
            "others": walk.others + counted.others,
        }
        return through, walk.model_copy(update=more)

    def _end(self) -> None:
        self._share.require_identity(self._adoption.identity)
        now = self._site.clock.now()
        with self._site.catalogue.begin() as tx:
            tx.adoptions.save_walk(
                self._adoption.name,
                self._walk.model_copy(update={"ended_at": now, "changed_at": now, "problem": None}),
            )

    def _bucket(self, rate: int) -> Bucket:
        """Make what keeps to a rate; outside the hours nothing passes, and a folder that is half listed waits."""
        site, hours = self._site, self._adoption.scanning.hours
        return Bucket(
            lambda: float(rate) if are_open(hours, site.clock.now().astimezone()) else 0.0,
            clock=site.clock,
            keep_on=self._keep_on,
            wait=site.wait,
        )

    def _looked_at(self, count: int) -> None:
        self._entries += count
        self._names.take(count)

    def _keep_on(self) -> None:
        """Stop when this process or a person says so; the person is asked every few seconds. Raises `Halted`."""
        self._site.keep_on()
        now = self._site.clock.monotonic()
        if now - self._looked_up < _LOOKED_UP_SECONDS:
            return
        self._looked_up = now
        with self._site.catalogue.begin() as tx:
            found = tx.adoptions.get(self._adoption.name)
        if (found.state, found.scanning) != (self._adoption.state, self._adoption.scanning):
            raise Halted


def _walk_of(tx: Transaction, adoption: Adoption, *, clock: Clock) -> Walk:
    """Give the inventory that is wanted, begun if it was not: a rebuilt catalogue has none."""
    walk, wanted = tx.adoptions.walk(adoption.name), adoption.scanning.round
    if walk is not None and walk.round >= wanted:
        return walk
    now, record = clock.now(), 0 if walk is None else walk.record + 1
    return tx.adoptions.begin_walk(adoption.name, Walk(round=wanted, began_at=now, changed_at=now, record=record))


def _known(tx: Transaction) -> Known:
    instruments = (one for one in tx.instruments.list() if one.watched)
    return Known(
        instruments=tuple(instruments), projects=tuple(tx.projects.list()), bindings=tuple(tx.projects.bindings())
    )


def _refused(walk: Walk, reason: str) -> Walk:
    examples = walk.examples if len(walk.examples) >= MOST_EXAMPLES else (*walk.examples, reason[:500])
    return walk.model_copy(update={"refused": walk.refused + 1, "examples": examples})


def _rate(walk: Walk, entries: int, spent: float) -> float:
    """Give the rate that is told: mostly that of before, so that it does not jump."""
    rate = entries / spent if spent > 0 else walk.entries_per_second
    return round(_OLD_SHARE * walk.entries_per_second + (1 - _OLD_SHARE) * rate if walk.seconds else rate, 1)
