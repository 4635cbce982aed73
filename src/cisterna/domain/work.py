"""Work to be done, who is doing it, and each attempt at it."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field, JsonValue

from cisterna.domain.base import Moment, Value


class WorkKind(StrEnum):
    """Which flow does the work."""

    INGEST = "ingest"
    AHEAD = "ahead"
    INFER = "infer"
    PUBLISH = "publish"
    REPROCESS = "reprocess"
    CONVERT = "convert"
    COPY = "copy"
    CHECK = "check"
    RETAIN = "retain"
    ERASE = "erase"


KEEPING = frozenset({WorkKind.COPY, WorkKind.CHECK})
"""Work on what is archived already: it waits for nobody, takes long, and must not hold up an ingest."""

SPARE = frozenset({WorkKind.AHEAD})
"""Work for a worker that has nothing else to do; it gives way as soon as there is something else."""

INLINE_ONLY = frozenset({WorkKind.RETAIN, WorkKind.ERASE})
"""Work that never goes to a pool: it deletes, so it runs on our own machine, where the landing zones are mounted."""


class WorkState(StrEnum):
    """Where a piece of work stands."""

    READY = "ready"
    LEASED = "leased"
    DONE = "done"
    FAILED = "failed"
    """Given up: a person has to look; nothing is lost."""


class Work(Value):
    """One row of the inbox.

    Attributes:
        key: The same key is the same work: a second request for it is a no-op.
        subject: What it is about: an acquisition's id for `ingest` and `ahead`, an erasure's for `erase`, a version's
            otherwise; `copy` and `check` are of that version's whole object.
        parameters: The rest of what the flow needs, JSON-able.
        fairness: What it takes turns with: the instrument's name.
        attempts: How often it was begun.
        not_before: When it may be tried (again).
        outcome: In words, once it is done or failed.
    """

    work_id: str
    key: str
    kind: WorkKind
    subject: str
    parameters: dict[str, JsonValue] = Field(default_factory=dict)
    fairness: str = ""
    state: WorkState = WorkState.READY
    attempts: int = 0
    not_before: Moment
    created_at: Moment
    outcome: str | None = None


class Attempt(Value):
    """One try at a piece of work; also one OpenLineage run.

    Attributes:
        run_id: A UUID of its own, so that a retry is another run.
        owner: The worker that holds the lease: host, process id and start.
        flow_run_id: Prefect's, once the flow has begun.
    """

    run_id: str
    work_id: str
    owner: str
    started_at: Moment
    expires_at: Moment
    flow_run_id: str | None = None


class Claim(Value):
    """A piece of work and the attempt that holds its lease; once it is lost, the attempt writes nothing more."""

    work: Work
    attempt: Attempt
