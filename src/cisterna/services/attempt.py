"""Begins and ends attempts at work, and tells of each: one start and one end per run id, whatever is killed when."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from datetime import timedelta

from cisterna.domain.errors import (
    CisternaError,
    Conflict,
    IdentifierPending,
    LeaseLost,
    NoRoom,
    NotFound,
    PreconditionFailed,
)
from cisterna.domain.work import Claim, WorkKind, WorkState
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.services.erased import erasure_on
from cisterna.services.lineage import Place, RunFacts, Subject, look_up, parent_of, run_facts, written_since
from cisterna.services.transition import announce

FIRST_DELAY = timedelta(seconds=2)
LONGEST_DELAY = timedelta(minutes=5)
"""Also how long work that has no room, or waits for a DOI, waits before it looks again."""

_ERROR_LIMIT = 2000
_SECRETS = (
    re.compile(r"(?i)(://[^\s:/@]*):[^\s@/]+@"),
    re.compile(r"(?i)\b((?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]+"),
    re.compile(
        r"(?i)((?:password|passwd|secret|token|api[_-]?key|access[_-]?key(?:[_-]id)?|signature|credential|authorization)"
        r"[\"']?\s*[=:]\s*[\"']?)[^\s\"',;&]+"
    ),
)
_SILENT = "the worker gave no sign of life until its lease ran out"
_ENDED = "the worker process ended before its work did"


class Begun(Claim):
    """A claim, with what the catalogue knew of the work's subject at that moment."""

    subject: Subject


def start_attempt(
    *,
    catalogue: Catalogue,
    clock: Clock,
    owner: str,
    lease: timedelta,
    place: Place,
    attempts_max: int,
    kinds: Sequence[WorkKind] | None = None,
    work_id: str | None = None,
) -> Begun | None:
    """Take the next piece of work, or the one named, and tell that it was begun, in one transaction.

    None means that nothing is ready. Attempts whose lease ran out are ended first, so that their end is told before
    the work begins anew. Work on data that were erased, or are about to be, is ended unbegun. Work that was begun too
    often without an end (it kills its worker each time) is given up at once instead of handed out again.

    Killed before the commit, nothing has happened; after it, the lease runs out and `abort_expired` tells the end.
    """
    while True:
        with catalogue.begin() as tx:
            _end_expired(tx, clock=clock, place=place)
            run_id, now = clock.new_id(), clock.now()
            claim = tx.inbox.claim(owner=owner, run_id=run_id, now=now, lease=lease, kinds=kinds, work_id=work_id)
            if claim is None:
                return None
            erased = erasure_on(tx, claim.work.subject)
            if erased is not None:  # asked for by who did not know yet
                tx.inbox.finish(claim.attempt, outcome=f"not begun: {erased.words}")
                continue
            subject = look_up(tx, claim.work, place=place)
            facts = run_facts(claim, subject, parent=parent_of(tx, claim.work))
            _tell(tx, "attempt.started", claim, facts, restricted=subject.restricted, clock=clock)
            if claim.work.attempts <= attempts_max:
                return Begun(work=claim.work, attempt=claim.attempt, subject=subject)
        times = claim.work.attempts - 1
        words = f"it was begun {times} times and never came to an end; look at the workers' logs, then ask for it again"
        _give_up(claim, words, code="worn-out", catalogue=catalogue, clock=clock, place=place)


def complete_attempt(
    claim: Claim,
    *,
    outcome: str,
    catalogue: Catalogue,
    clock: Clock,
    place: Place,
    outputs: Sequence[str] = (),
) -> None:
    """Tell that the work is done, with what it made; a second call finds the lease gone and raises.

    Args:
        claim: Whose lease is still held.
        outcome: In words.
        catalogue: Where both are written, in one transaction.
        clock: Dates the end.
        place: Where things lie.
        outputs: Ids of the versions that this attempt made; without any, those that changed since it began.

    Raises:
        LeaseLost: Somebody else has ended this attempt; nothing was written.
    """
    with catalogue.begin() as tx:
        tx.inbox.require_lease(claim.attempt)
        tx.inbox.finish(claim.attempt, outcome=outcome)
        written = outputs or written_since(tx, claim.work, claim.attempt.started_at)
        subject = look_up(tx, claim.work, place=place, outputs=written)
        facts = run_facts(claim, subject, parent=parent_of(tx, claim.work), outcome=outcome)
        _tell(tx, "attempt.completed", claim, facts, restricted=subject.restricted, clock=clock)


def fail_attempt(
    claim: Claim,
    error: BaseException,
    *,
    attempts_max: int,
    catalogue: Catalogue,
    clock: Clock,
    place: Place,
    at_once: bool = False,
) -> WorkState | None:
    """Tell that an attempt failed, and plan the next one or give the work up.

    What may pass by itself is tried again after a delay that doubles each time, with jitter. All else, and the last
    allowed attempt, is given up; an acquisition is then held, with the reason in words. What found no room, or waits
    for a DOI, has begun nothing: it waits for as long as that lasts, and no attempt is counted.

    Args:
        claim: What failed.
        error: Why.
        attempts_max: How often work is begun before a person is asked.
        catalogue: Where all of it is written, in one transaction.
        clock: Dates it, and gives the jitter.
        place: Where things lie.
        at_once: The worker is asked to stop: the error says nothing of the work, which is ready again at once.

    Returns:
        `ready` when it is tried again, `failed` when it was given up; None when the lease was lost, since whoever ended
        the attempt has told so.
    """
    if isinstance(error, LeaseLost):
        return None
    words = error_words(error)
    code = error.code if isinstance(error, CisternaError) else type(error).__name__
    try:
        counts = not isinstance(error, NoRoom | IdentifierPending)
        if not at_once and counts and (not is_retryable(error) or claim.work.attempts >= attempts_max):
            _give_up(claim, words, code=code, catalogue=catalogue, clock=clock, place=place)
            return WorkState.FAILED
        wanted = delay_before(claim.work.attempts + 1, jitter_id=clock.new_id()) if counts else LONGEST_DELAY
        not_before = clock.now() + (timedelta() if at_once else wanted)
        with catalogue.begin() as tx:
            tx.inbox.require_lease(claim.attempt)
            tx.inbox.put_back(claim.attempt, not_before=not_before, outcome=words, counts=counts)
            _tell_end(tx, "attempt.failed", claim, words, code=code, clock=clock, place=place)
    except LeaseLost:
        return None
    return WorkState.READY


def abort_expired(*, catalogue: Catalogue, clock: Clock, place: Place) -> Sequence[Claim]:
    """Tell the end of each attempt whose lease ran out; its work is ready again. Each is told once."""
    with catalogue.begin() as tx:
        return _end_expired(tx, clock=clock, place=place)


def abort_owned_by(owner: str, *, catalogue: Catalogue, clock: Clock, place: Place) -> Sequence[Claim]:
    """Tell the end of each attempt of a worker that was seen to die; its work is ready again at once.

    A second call, or one that races with `abort_expired`, finds the leases gone and tells nothing twice.
    """
    with catalogue.begin() as tx:
        held = tx.inbox.claims_of(owner)
    ended = []
    for claim in held:
        try:
            with catalogue.begin() as tx:
                tx.inbox.require_lease(claim.attempt)
                tx.inbox.put_back(claim.attempt, not_before=clock.now(), outcome=_ENDED)
                _tell_end(tx, "attempt.aborted", claim, _ENDED, code="worker-ended", clock=clock, place=place)
        except LeaseLost:
            continue
        ended.append(claim)
    return ended


def delay_before(attempt: int, *, jitter_id: str) -> timedelta:
    """Return how long to wait before the given attempt (from 2): 2, 4, 8 ... 300 s, times 0.5 to 1.5.

    The jitter comes from the last 32 bits of a new id, which are random, so that many failures do not come back at
    once and the clock stays the only source of chance.
    """
    share = (uuid.UUID(jitter_id).int & 0xFFFFFFFF) / 0xFFFFFFFF
    doubled: int = 2 ** max(0, min(attempt - 2, 16))
    return min(FIRST_DELAY * doubled, LONGEST_DELAY) * (0.5 + share)


def is_retryable(error: BaseException) -> bool:
    """Tell whether to begin anew; of a group, whether that may help every error in it.

    A lost race is over once the state is read anew. An error that has no name of ours is a defect or the machine's
    trouble: it is tried again, since a person's time is dearer.
    """
    if isinstance(error, BaseExceptionGroup):
        return all(is_retryable(one) for one in error.exceptions)
    if isinstance(error, Conflict | PreconditionFailed):
        return True
    return error.retryable if isinstance(error, CisternaError) else True


def error_words(error: BaseException) -> str:
    """Say what went wrong, without secrets, in at most 2,000 characters."""
    if isinstance(error, BaseExceptionGroup):
        words = "; ".join(dict.fromkeys(error_words(one) for one in error.exceptions))
    else:
        words = str(error) if isinstance(error, CisternaError) else f"{type(error).__name__}: {error}"
    for pattern in _SECRETS:
        words = pattern.sub(r"\1***" + ("@" if pattern is _SECRETS[0] else ""), words)
    visible = "".join(max(character, " ") for character in words).strip()
    shown = (visible or type(error).__name__).encode("utf-8", "backslashreplace").decode()
    return shown[:_ERROR_LIMIT]


def _end_expired(tx: Transaction, *, clock: Clock, place: Place) -> Sequence[Claim]:
    claims = tx.inbox.expired(now=clock.now())
    for claim in claims:
        _tell_end(tx, "attempt.aborted", claim, _SILENT, code="lease-lost", clock=clock, place=place)
    return claims


def _give_up(claim: Claim, words: str, *, code: str, catalogue: Catalogue, clock: Clock, place: Place) -> None:
    """End the work for good."""
    with catalogue.begin() as tx:
        tx.inbox.require_lease(claim.attempt)
        tx.inbox.give_up(claim.attempt, outcome=words)
        _tell_end(tx, "attempt.failed", claim, words, code=code, clock=clock, place=place)
        _hold(tx, claim, words, clock=clock)
        _tell_unpublished(tx, claim, words, code=code, clock=clock)


def _hold(tx: Transaction, claim: Claim, words: str, *, clock: Clock) -> None:
    """Say on the acquisition why it is not on its way; other kinds of work say it themselves."""
    acquisition = tx.acquisitions.lock(claim.work.subject) if claim.work.kind is WorkKind.INGEST else None
    if acquisition is None:
        return
    tx.acquisitions.save(acquisition.model_copy(update={"held": words}))
    announce(
        tx,
        "acquisition.held",
        acquisition.acquisition_id,
        project=acquisition.project,
        clock=clock,
        data={
            "acquisition_id": acquisition.acquisition_id,
            "instrument": acquisition.instrument,
            "project": acquisition.project,
            "dataset_id": acquisition.dataset_id,
            "reason": words,
        },
    )


def _tell_unpublished(tx: Transaction, claim: Claim, words: str, *, code: str, clock: Clock) -> None:
    """Tell that what was to become public has not, and may be public by half."""
    if claim.work.kind is not WorkKind.PUBLISH:
        return
    try:
        version = tx.datasets.get_version(claim.work.subject)
    except NotFound:
        return
    dataset = tx.datasets.get(version.dataset_id)
    announce(
        tx,
        "publication.failed",
        version.version_id,
        project=dataset.project,
        clock=clock,
        data={"dataset_id": dataset.dataset_id, "version": version.label, "code": code, "reason": words},
        version=version,
    )


def _tell_end(tx: Transaction, name: str, claim: Claim, words: str, *, code: str, clock: Clock, place: Place) -> None:
    subject = look_up(tx, claim.work, place=place)
    facts = run_facts(claim, subject, parent=parent_of(tx, claim.work), error=words, error_code=code)
    _tell(tx, name, claim, facts, restricted=subject.restricted, clock=clock)


def _tell(tx: Transaction, name: str, claim: Claim, facts: RunFacts, *, restricted: bool, clock: Clock) -> None:
    data = facts.model_dump(mode="json")
    announce(tx, name, claim.work.subject, project=facts.project, clock=clock, data=data, restricted=restricted)
