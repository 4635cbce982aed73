"""The catalogue: what is true now, and everything that must be done or told because of it.

All access goes through a transaction. A change and the events that tell of it are written in the same transaction, so
either both are there after a kill or neither. Every method may raise `CatalogueUnavailable`.

Writers use optimistic records: `save` names the record that was read and raises `Conflict` when it has changed since;
it returns the value with its new record.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Protocol

from cisterna.domain.acquisition import Acquisition, AcquisitionState
from cisterna.domain.dataset import Dataset, Stage, Version
from cisterna.domain.erasure import Erasure
from cisterna.domain.finding import Finding
from cisterna.domain.hold import Hold, HoldScope
from cisterna.domain.instrument import Instrument
from cisterna.domain.project import Binding, Project
from cisterna.domain.publication import Publication
from cisterna.domain.receipt import CopyReceipt
from cisterna.domain.release import Release
from cisterna.domain.review import Decision
from cisterna.domain.stored_copy import StoredCopy
from cisterna.ports.access import AccessBook
from cisterna.ports.account import Accounts
from cisterna.ports.adoption import Adoptions
from cisterna.ports.ahead import Aheads, Writings
from cisterna.ports.alert import Alerts
from cisterna.ports.delivery import Deliveries
from cisterna.ports.deposit import Deposits
from cisterna.ports.hint import Hints
from cisterna.ports.inbox import Inbox, Outbox
from cisterna.ports.instrument_health import InstrumentHealthBook
from cisterna.ports.public_index import PublicIndex
from cisterna.ports.record import Rebuilding, Records, Recoveries
from cisterna.ports.retention import Protections, RetentionRules
from cisterna.ports.roster import Roster
from cisterna.ports.sighting import Sightings
from cisterna.ports.trend import TrendBook
from cisterna.ports.usage import UsageBook


class Instruments(Protocol):
    """Declared instruments."""

    def add(self, instrument: Instrument) -> None:
        """Declare one. Raises `AlreadyExists` unless an equal one is there, its time and word on copies aside."""
        ...

    def save(self, instrument: Instrument) -> None:
        """Replace the declaration of that name. Raises `NotFound`."""
        ...

    def get(self, name: str) -> Instrument:
        """Raises `NotFound`."""
        ...

    def lock(self, name: str) -> Instrument:
        """Like `get`, and nobody else locks it until this transaction ends: whoever changes a part of it locks it."""
        ...

    def list(self) -> Sequence[Instrument]:
        """All of them, by name."""
        ...


class Projects(Protocol):
    """Projects and the rules that bind acquisitions to them."""

    def add(self, project: Project) -> None:
        """Raises `AlreadyExists`."""
        ...

    def save(self, project: Project) -> Project:
        """Raises `NotFound`, `Conflict`."""
        ...

    def get(self, slug: str) -> Project:
        """Raises `NotFound`."""
        ...

    def list(self) -> Sequence[Project]:
        """All of them, by slug."""
        ...

    def bind(self, binding: Binding) -> None:
        """Add a rule; the same rule again is a no-op. Raises `NotFound` for an unknown project."""
        ...

    def unbind(self, binding: Binding) -> None:
        """Take a rule away. Raises `NotFound`."""
        ...

    def bindings(self) -> Sequence[Binding]:
        """All rules, in the order in which they were added; the first that matches wins."""
        ...


class Acquisitions(Protocol):
    """Runs as they were last looked at."""

    def get(self, acquisition_id: str) -> Acquisition:
        """Raises `NotFound`."""
        ...

    def find(self, acquisition_id: str) -> Acquisition | None:
        """Like `get`, with None for an unknown id."""
        ...

    def refresh(self, known: Mapping[str, Acquisition], *, instrument: str) -> dict[str, Acquisition]:
        """All of an instrument's, by id; those that are still as they are known are not read again."""
        ...

    def lock(self, acquisition_id: str) -> Acquisition | None:
        """Like `find`, and nobody else saves it until this transaction ends."""
        ...

    def save(self, acquisition: Acquisition) -> Acquisition:
        """Insert (record 0) or update. Raises `Conflict`."""
        ...

    def list(
        self,
        *,
        instrument: str | None = None,
        state: AcquisitionState | None = None,
        held: bool | None = None,
        limit: int | None = None,
    ) -> Sequence[Acquisition]:
        """Newest first."""
        ...


class Datasets(Protocol):
    """Datasets, their versions and what is known about each."""

    def add(self, dataset: Dataset) -> Dataset:
        """Add it, or return the one already there for the same origin."""
        ...

    def save(self, dataset: Dataset) -> Dataset:
        """Replace title, project, relations. Raises `NotFound`."""
        ...

    def get(self, dataset_id: str) -> Dataset:
        """Raises `NotFound`."""
        ...

    def lock(self, dataset_id: str) -> Dataset:
        """Like `get`, and nobody else locks or saves it until this transaction ends: versions take turns by it."""
        ...

    def by_pid(self, pid: str) -> Dataset | None:
        """The dataset with that ARK."""
        ...

    def list(
        self, *, project: str | None = None, acquisition_id: str | None = None, limit: int | None = None
    ) -> Sequence[Dataset]:
        """Newest first."""
        ...

    def derived_from(self, dataset_id: str) -> Sequence[Dataset]:
        """Datasets with an `IsDerivedFrom` relation to this one."""
        ...

    def parts_of(self, dataset_id: str) -> Sequence[Dataset]:
        """Parts that were ever begun for this one, by their numbers; a version says which of them it has."""
        ...

    def add_version(self, version: Version) -> Version:
        """Add it. Raises `AlreadyExists` for a taken number."""
        ...

    def save_version(self, version: Version) -> Version:
        """Update it. Raises `Conflict`, `NotFound`."""
        ...

    def remove_version(self, version: Version) -> None:
        """Remove a version that never was archived (its bytes turned out to be known). Raises `Conflict`."""
        ...

    def get_version(self, version_id: str) -> Version:
        """Raises `NotFound`."""
        ...

    def versions(self, dataset_id: str) -> Sequence[Version]:
        """By number and revision, oldest first."""
        ...

    def list_versions(self, *, stage: Stage | None = None, limit: int | None = None) -> Sequence[Version]:
        """Newest change first."""
        ...

    def set_findings(self, version_id: str, findings: Sequence[Finding]) -> None:
        """Replace the version's findings (a repeated gate replaces what it found before)."""
        ...

    def findings(self, version_id: str) -> Sequence[Finding]:
        """In the order in which they were set."""
        ...

    def add_receipt(self, receipt: CopyReceipt) -> None:
        """The same id again is a no-op."""
        ...

    def receipts(self, version_id: str) -> Sequence[CopyReceipt]:
        """Oldest first."""
        ...

    def add_decision(self, decision: Decision) -> None:
        """The same id again is a no-op; a decision is never changed."""
        ...

    def decisions(self, version_id: str) -> Sequence[Decision]:
        """Oldest first."""
        ...

    def put_publication(self, publication: Publication) -> None:
        """Insert, or replace the one with the same id (a withdrawal adds its date)."""
        ...

    def publications(self, version_id: str) -> Sequence[Publication]:
        """Oldest first."""
        ...

    def publications_of(self, version_ids: Sequence[str]) -> Sequence[Publication]:
        """Those of many versions, oldest first."""
        ...

    def lacking_publications(self, *, limit: int) -> Sequence[Publication]:
        """Give some of those that stand and lack a form, others each time."""
        ...

    def standing_publications(self, *, after: str | None = None, limit: int | None = None) -> Sequence[tuple[str, str]]:
        """Name what is not withdrawn, by id: each publication and its version."""
        ...

    def agreed_versions(self) -> Sequence[str]:
        """Name the accepted versions to which somebody once agreed, by id: not whether that stands."""
        ...


class Copies(Protocol):
    """Which stores keep copies, and what is known of each object in each of them."""

    def register(self, stores: Sequence[str]) -> None:
        """Say which stores there are, the first one first; what is known of one that is dropped stays."""
        ...

    def stores(self) -> Sequence[str]:
        """The registered stores, the first one first."""
        ...

    def get(self, dataset_id: str, store: str) -> StoredCopy | None:
        """What is known, or None; nobody else changes it until this transaction ends."""
        ...

    def put(self, copy: StoredCopy) -> None:
        """Insert or replace."""
        ...

    def of(self, dataset_id: str) -> Sequence[StoredCopy]:
        """Those of one object in the registered stores, in their order."""
        ...

    def list(self) -> Sequence[StoredCopy]:
        """All in the registered stores."""
        ...

    def proven(self, dataset_id: str | None = None) -> Mapping[str, frozenset[str]]:
        """The registered stores that gave a receipt, by version; of one dataset, or of all."""
        ...

    def lacking(self, store: str, *, first: str, now: datetime, limit: int) -> Sequence[Version]:
        """Versions with a receipt of the first store and none of this one, one a dataset, that may be tried now."""
        ...

    def due(self, store: str, *, checked_before: datetime, now: datetime, limit: int) -> Sequence[StoredCopy]:
        """Objects that were last read in full before a moment, and those whose last look ended badly; oldest first."""
        ...

    def count(self, store: str, *, checked_since: datetime | None = None) -> int:
        """How many objects are known in a store; or of how many the last full check ended since a moment."""
        ...


class Holds(Protocol):
    """Who needs data to stay; none is ever removed."""

    def place(self, hold: Hold) -> None:
        """The same id again is a no-op."""
        ...

    def lift(self, hold: Hold) -> None:
        """Write the hold with its end. Raises `Conflict` when somebody has lifted it already, `NotFound`."""
        ...

    def get(self, hold_id: str) -> Hold:
        """Raises `NotFound`."""
        ...

    def list(self, *, standing: bool | None = None) -> Sequence[Hold]:
        """Newest first."""
        ...

    def standing_on(self, targets: Sequence[tuple[HoldScope, str]]) -> Sequence[Hold]:
        """Those on any of these that nobody has lifted."""
        ...


class Releases(Protocol):
    """Deletions of source copies: announced, under way and ended; none is ever removed."""

    def add(self, release: Release) -> None:
        """Add an announced one. Raises `AlreadyExists` when another one of the acquisition is open."""
        ...

    def save(self, release: Release) -> Release:
        """Raises `Conflict`, `NotFound`."""
        ...

    def get(self, release_id: str) -> Release:
        """Raises `NotFound`."""
        ...

    def of(self, acquisition_id: str) -> Sequence[Release]:
        """All of an acquisition, oldest first."""
        ...

    def open_ones(self) -> Sequence[Release]:
        """Those that are announced or under way, by the time they are due."""
        ...


class Erasures(Protocol):
    """What was erased for good, and under which decision; none is ever removed."""

    def add(self, erasure: Erasure) -> None:
        """Add an announced one. Raises `AlreadyExists` when one of its datasets has one."""
        ...

    def save(self, erasure: Erasure) -> Erasure:
        """Raises `Conflict`, `NotFound`."""
        ...

    def get(self, erasure_id: str) -> Erasure:
        """Raises `NotFound`."""
        ...

    def of(self, dataset_id: str) -> Erasure | None:
        """The one that names the dataset, whatever its state."""
        ...

    def list(self) -> Sequence[Erasure]:
        """Oldest first."""
        ...

    def halt_work(self, subjects: Sequence[str], *, datasets: Sequence[str], outcome: str) -> Sequence[str]:
        """End work on these subjects, and on versions of these datasets, that nobody has begun.

        Returns what somebody has begun, in words: kind and subject. Whoever is taking a piece of work is waited for.
        """
        ...

    def purge(self, erasure: Erasure) -> int:
        """Remove every row that tells of its datasets: versions and all about them, events, work; count them.

        The datasets' own rows stay, and the acquisition's; so do holds and what the erasure itself told. What a sink
        still waits for of an attempt is told with the erasure as its subject and nothing of the data in it, so that a
        run which began for the sink also ends for it. The erasure must be on record and not done. Again is harmless.
        """
        ...


class Transaction(Protocol):
    """One unit of work: commits when its block ends, rolls back when it raises."""

    instruments: Instruments
    projects: Projects
    acquisitions: Acquisitions
    aheads: Aheads
    writings: Writings
    datasets: Datasets
    access: AccessBook
    copies: Copies
    deliveries: Deliveries
    deposits: Deposits
    holds: Holds
    releases: Releases
    retention_rules: RetentionRules
    protections: Protections
    erasures: Erasures
    roster: Roster
    sightings: Sightings
    hints: Hints
    adoptions: Adoptions
    inbox: Inbox
    outbox: Outbox
    accounts: Accounts
    alerts: Alerts
    instrument_health: InstrumentHealthBook
    trends: TrendBook
    usage: UsageBook
    public_index: PublicIndex
    records: Records
    rebuilding: Rebuilding
    recoveries: Recoveries


class Catalogue(Protocol):
    """A PostgreSQL database of ours."""

    def begin(self) -> AbstractContextManager[Transaction]:
        """Open a transaction."""
        ...

    def migrate(self) -> None:
        """Bring the schema to this version of Cisterna; harmless when it is there already."""
        ...

    def listen(self, *, timeout: timedelta) -> Iterator[str]:
        """Yield a topic when something was committed there, and `""` when the timeout passed.

        Topics are `inbox`, `outbox`, `pages` (what pages show changed, and nobody else is told) and, of instruments
        worth a look, `hint:NAME`.

        A doorbell only: what it tells may be lost, so whoever listens looks for itself at every wake-up.
        """
        ...
