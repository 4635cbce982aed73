"""Work to be done and what is to be told: the inbox and the outbox, as parts of a transaction of the catalogue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from cisterna.domain.event import Event, Refusal, Sending
from cisterna.domain.progress import Progress
from cisterna.domain.work import Attempt, Claim, Work, WorkKind, WorkState


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

    def is_waiting(self, *, kinds: Sequence[WorkKind], now: datetime) -> bool:
        """Tell whether work of these kinds is ready and nobody has taken it."""
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
        """Tell of each open attempt that said so how far it has come, by the subject of its work; not of `ahead`."""
        ...

    def put_off(self) -> Mapping[str, str]:
        """Tell of each piece of work that was put back, and waits, why: by its subject; not of `ahead`."""
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

    def due(self, *, sink: str, now: datetime, limit: int) -> Sequence[Sending]:
        """Lock what is due, in the order of events per subject; subjects that others hold are skipped.

        After one that is postponed, the later ones of its subject must not be sent.
        """
        ...

    def delivered(self, deliveries: Sequence[Sending]) -> None:
        """The sink has these."""
        ...

    def postponed(self, delivery: Sending, *, not_before: datetime, reason: str) -> None:
        """The sink did not take it; try again later."""
        ...

    def undelivered(self) -> dict[str, int]:
        """Count what waits, per sink."""
        ...

    def refusals(self) -> Sequence[Refusal]:
        """Tell of each registered sink that did not take something, the most tries first."""
        ...

    def history(self, subjects: Sequence[str]) -> Sequence[Event]:
        """Every event about these subjects, oldest first."""
        ...
