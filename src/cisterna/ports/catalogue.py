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

from cisterna.domain.account import Account, ApiToken, Session, SetupLink
from cisterna.domain.acquisition import Acquisition, AcquisitionState
from cisterna.domain.dataset import Dataset, Stage, Version
from cisterna.domain.erasure import Erasure
from cisterna.domain.event import Delivery, Event
from cisterna.domain.finding import Finding
from cisterna.domain.hold import Hold, HoldScope
from cisterna.domain.instrument import Instrument
from cisterna.domain.progress import Progress
from cisterna.domain.project import Binding, Project
from cisterna.domain.publication import Publication
from cisterna.domain.receipt import CopyReceipt
from cisterna.domain.release import Release
from cisterna.domain.review import Decision
from cisterna.domain.stored_copy import StoredCopy
from cisterna.domain.work import Attempt, Claim, Work, WorkKind, WorkState
from cisterna.ports.hint import Hints
from cisterna.ports.record import Rebuilding, Records, Recoveries
from cisterna.ports.retention import Protections, RetentionRules
from cisterna.ports.roster import Roster


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

        The datasets' own rows stay, and the acquisition's; so do holds and what the erasure itself told. The erasure
        must be on record and not done. Again is harmless.
        """
        ...


class Inbox(Protocol):
    """Work to be done, and the leases on it."""

    def request(self, work: Work) -> Work:
        """Add work, or return what already has the same key."""
        ...

    def get(self, work_id: str) -> Work:
        """Raises `NotFound`."""
        ...

    def list(self, *, state: WorkState | None = None, subject: str | None = None) -> Sequence[Work]:
        """Oldest first."""
        ...

    def claim(
        self,
        *,
        owner: str,
        run_id: str,
        now: datetime,
        lease: timedelta,
        kinds: Sequence[WorkKind] | None = None,
        work_id: str | None = None,
    ) -> Claim | None:
        """Take one ready piece of work (or the one named), or one whose lease ran out; None when there is none.

        Rows that others are taking are skipped, never waited for. Instruments (`fairness`) take turns: the one whose
        work was begun longest ago comes first. A lease that ran out is ended as its old attempt's, see `expired`.
        """
        ...

    def expired(self, *, now: datetime) -> Sequence[Claim]:
        """Attempts whose lease ran out and whose end was not told yet; each is returned once and its work made ready.

        The caller writes `attempt.aborted` for each in the same transaction.
        """
        ...

    def claims_of(self, owner: str) -> Sequence[Claim]:
        """Attempts that an owner holds, so that a supervisor can end those of a worker it saw die."""
        ...

    def renew(self, attempt: Attempt, *, expires_at: datetime) -> None:
        """Heartbeat. Raises `LeaseLost`."""
        ...

    def note_flow_run(self, attempt: Attempt, flow_run_id: str) -> None:
        """Remember Prefect's run. Raises `LeaseLost`."""
        ...

    def require_lease(self, attempt: Attempt) -> None:
        """Lock the lease for this transaction, so that nothing is written after it is lost. Raises `LeaseLost`."""
        ...

    def note_progress(self, attempt: Attempt, progress: Progress) -> None:
        """Remember how far the attempt has come, and lock the lease as `require_lease` does. Raises `LeaseLost`."""
        ...

    def progress(self) -> Mapping[str, Progress]:
        """Tell of each open attempt that said so how far it has come, by the subject of its work."""
        ...

    def put_off(self) -> Mapping[str, str]:
        """Tell of each piece of work that was put back, and waits, why: by its subject."""
        ...

    def reading_beside(self, attempt: Attempt, *, instrument: str) -> Sequence[Progress]:
        """Tell what other open attempts said last that read from the instrument.

        Whoever asks takes turns with all who ask for the same instrument, until this transaction ends: what they take
        of its limit by the answer, and note, the next one knows. An attempt that was killed counts until its end is
        told.
        """
        ...

    def finish(self, attempt: Attempt, *, outcome: str) -> None:
        """The work is done. Raises `LeaseLost`."""
        ...

    def put_back(self, attempt: Attempt, *, not_before: datetime, outcome: str, counts: bool = True) -> None:
        """The attempt failed, or began nothing and does not count; try again later. Raises `LeaseLost`."""
        ...

    def give_up(self, attempt: Attempt, *, outcome: str) -> None:
        """The work failed for good; a person has to look. Raises `LeaseLost`."""
        ...


class Outbox(Protocol):
    """Events waiting to be delivered, per sink."""

    def append(self, event: Event) -> None:
        """Add an event for every sink that is registered; the same id again is a no-op."""
        ...

    def register(self, sinks: Sequence[str]) -> None:
        """Say which sinks there are. A new one gets what is appended from now on; a dropped one gets nothing more."""
        ...

    def due(self, *, sink: str, now: datetime, limit: int) -> Sequence[Delivery]:
        """Lock what is due, in the order of events per subject; subjects that others hold are skipped.

        After one that is postponed, the later ones of its subject must not be sent.
        """
        ...

    def delivered(self, deliveries: Sequence[Delivery]) -> None:
        """The sink has these."""
        ...

    def postponed(self, delivery: Delivery, *, not_before: datetime, reason: str) -> None:
        """The sink did not take it; try again later."""
        ...

    def undelivered(self) -> dict[str, int]:
        """Count what waits, per sink."""
        ...

    def history(self, subjects: Sequence[str]) -> Sequence[Event]:
        """Every event about these subjects, oldest first."""
        ...


class Accounts(Protocol):
    """People, their sessions and tokens."""

    def add(self, account: Account) -> None:
        """Raises `AlreadyExists`."""
        ...

    def save(self, account: Account) -> None:
        """Raises `NotFound`."""
        ...

    def find(self, name: str) -> Account | None:
        """None for an unknown name."""
        ...

    def list(self) -> Sequence[Account]:
        """By name."""
        ...

    def list_for_change(self) -> Sequence[Account]:
        """Like `list`, with the rows locked for this transaction, so that what is decided on them still holds."""
        ...

    def put_session(self, session: Session) -> None:
        """Insert or replace."""
        ...

    def find_session(self, secret_sha256: str) -> Session | None:
        """By the digest of the cookie's secret."""
        ...

    def drop_sessions(
        self,
        *,
        secret_sha256: str | None = None,
        account: str | None = None,
        expired_before: datetime | None = None,
    ) -> None:
        """Remove one session, all of a person's, and those that ended before a moment."""
        ...

    def put_token(self, token: ApiToken) -> None:
        """Insert or replace."""
        ...

    def find_token(self, secret_sha256: str) -> ApiToken | None:
        """By the digest of the secret."""
        ...

    def tokens(self, account: str) -> Sequence[ApiToken]:
        """Newest first."""
        ...

    def put_setup_link(self, link: SetupLink) -> None:
        """Insert or replace."""
        ...

    def retire_setup_links(self, *, now: datetime) -> None:
        """Mark every link that is not used as used."""
        ...

    def find_setup_link(self, secret_sha256: str) -> SetupLink | None:
        """By the digest of the secret; the row is locked for this transaction."""
        ...

    def note_sign_in_failure(self, bucket: str, *, now: datetime, since: datetime) -> int:
        """Count one more failure of a bucket (a name, an address) and return how many there are.

        Counting begins anew when the last failure lies before `since`. The number of buckets is bounded.
        """
        ...

    def forget_sign_in_failures(self, bucket: str) -> None:
        """Begin anew."""
        ...


class Transaction(Protocol):
    """One unit of work: commits when its block ends, rolls back when it raises."""

    instruments: Instruments
    projects: Projects
    acquisitions: Acquisitions
    datasets: Datasets
    copies: Copies
    holds: Holds
    releases: Releases
    retention_rules: RetentionRules
    protections: Protections
    erasures: Erasures
    roster: Roster
    hints: Hints
    inbox: Inbox
    outbox: Outbox
    accounts: Accounts
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

        Topics are `inbox`, `outbox` and, of instruments worth a look, `hint:NAME`.

        A doorbell only: what it tells may be lost, so whoever listens looks for itself at every wake-up.
        """
        ...
