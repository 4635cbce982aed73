"""Work that this process holds: the lease is kept alive beside the flow, and the end is told once."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Self

from cisterna.domain.errors import CisternaError, LeaseLost
from cisterna.domain.work import Attempt, Work, WorkKind
from cisterna.services import attempt as attempts
from cisterna.services.lineage import Place
from flows.parts import CoreParts

Body = Callable[["Held"], str]
"""What a flow does with the work it holds; it returns the outcome in words."""


class Held:
    """A claim whose lease is renewed by a thread of its own for as long as the `with` block lasts.

    Services ask for the lease in each of their transactions, so nothing is written after it was lost; `require` tells
    earlier, between two steps.

    Attributes:
        claim: The work and the attempt.
        outcome: What the flow's body returned, or None while it has not.
        error: What went wrong, in full; Prefect is told less of restricted work.
        is_restricted: Whether names and reasons must not reach Prefect's pages, events and logs.
        title: What the subject is called, or its identifier where that says too much.
    """

    def __init__(self, claim: attempts.Begun, core: CoreParts) -> None:
        self.claim = claim
        self.outcome: str | None = None
        self.error: BaseException | None = None
        self.is_restricted = claim.subject.restricted
        titles = () if self.is_restricted else (source.title for source in claim.subject.inputs if source.title)
        self.title = next(iter(titles), claim.work.subject)
        self._core = core
        self._lease = timedelta(seconds=core.settings.dispatch.lease_seconds)
        self._lost = threading.Event()
        self._ended = threading.Event()
        self._heart = threading.Thread(target=self._beat, name="lease", daemon=True)

    @property
    def work(self) -> Work:
        """What is to be done."""
        return self.claim.work

    @property
    def lease(self) -> Attempt:
        """What services take as `lease`."""
        return self.claim.attempt

    def is_done(self) -> bool:
        """Tell whether the flow's body came to its end; what Prefect makes of the run is another matter."""
        return self.outcome is not None

    @property
    def is_lost(self) -> bool:
        """Whether another attempt has taken over."""
        return self._lost.is_set()

    def require(self) -> None:
        """Raises `LeaseLost` as soon as the heartbeat has found out."""
        if self._lost.is_set():
            msg = f"the lease on {self.work.work_id} was lost; another worker carries on"
            raise LeaseLost(msg, work_id=self.work.work_id, run_id=self.lease.run_id)

    def __enter__(self) -> Self:
        self._heart.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._heart.join(5.0)

    def _beat(self) -> None:
        pause = self._lease.total_seconds() / 3
        while not self._ended.wait(pause):
            try:
                with self._core.catalogue.begin() as tx:
                    tx.inbox.renew(self.lease, expires_at=self._core.clock.now() + self._lease)
            except LeaseLost:
                self._lost.set()
                return
            except CisternaError:
                continue  # the lease may still be ours when the catalogue is back: the next beat finds out


_held: Held | None = None


@contextmanager
def holding(held: Held) -> Iterator[Held]:
    """Let the flow that runs in this process find the claim that its worker made for it."""
    global _held  # noqa: PLW0603 - a process runs one flow at a time, and Prefect's task threads must see it too
    before, _held = _held, held
    try:
        with held:
            yield held
    finally:
        _held = before


def current() -> Held:
    """Return what this process holds.

    Raises:
        LeaseLost: It holds nothing.
    """
    if _held is None:
        raise LeaseLost("a step ran outside of a flow that holds work; run the flow instead")
    return _held


def carry_out(work_id: str, body: Body, core: Callable[[], CoreParts]) -> str:
    """Run a flow's body on work that is held: by the worker around it, or else by a claim of its own.

    A second run of the same work is harmless: whoever comes too late does not get the claim and returns in words what
    has become of it.

    Args:
        work_id: The work.
        body: What to do.
        core: Opens what the claim needs, when the flow was started through a deployment.

    Raises:
        NotFound: There is no such work.
    """
    if _held is not None and _held.work.work_id == work_id:
        _held.outcome = _shielded(body, _held)
        return _held.outcome
    return _carry_out_alone(work_id, body, core())


def _shielded(body: Body, held: Held) -> str:
    try:
        return body(held)
    except Exception as error:
        told = withhold(error)
        if told is error:
            raise
        raise told from None


def _carry_out_alone(work_id: str, body: Body, core: CoreParts) -> str:
    claim = start(core, owner=owner_name("pool"), work_id=work_id)
    if claim is None:
        with core.catalogue.begin() as tx:
            work = tx.inbox.get(work_id)
        return work.outcome or f"the work is {work.state.value}; nothing was left to do here"
    held = Held(claim, core)
    with holding(held):
        try:
            held.outcome = _shielded(body, held)
        except BaseException as error:
            tell_failure(held, error, core, stopping=not isinstance(error, Exception))
            raise
        tell_success(held, core)
    return held.outcome


def start(
    core: CoreParts, *, owner: str, kinds: Sequence[WorkKind] | None = None, work_id: str | None = None
) -> attempts.Begun | None:
    """Take the next piece of work, or the one named; None when there is none to be had."""
    dispatch = core.settings.dispatch
    return attempts.start_attempt(
        owner=owner,
        lease=timedelta(seconds=dispatch.lease_seconds),
        attempts_max=dispatch.attempts,
        kinds=kinds,
        work_id=work_id,
        place=place_of(core),
        catalogue=core.catalogue,
        clock=core.clock,
    )


def tell_success(held: Held, core: CoreParts) -> None:
    """Record that the work is done. Raises `LeaseLost`, `CatalogueUnavailable`."""
    attempts.complete_attempt(
        held.claim,
        outcome=held.outcome or "done",
        place=place_of(core),
        catalogue=core.catalogue,
        clock=core.clock,
    )


def tell_failure(held: Held, error: BaseException, core: CoreParts, *, stopping: bool) -> None:
    """Put the work back or give it up, as the error and the number of attempts say.

    When even that cannot be recorded the lease runs out, which is told then, and the work goes on elsewhere.

    Args:
        held: What failed.
        error: Why.
        core: Where it is recorded.
        stopping: This process is asked to stop: the work is ready again at once.
    """
    with suppress(CisternaError):
        attempts.fail_attempt(
            held.claim,
            error if stopping else held.error or error,
            attempts_max=core.settings.dispatch.attempts,
            at_once=stopping,
            place=place_of(core),
            catalogue=core.catalogue,
            clock=core.clock,
        )


def withhold(error: Exception) -> Exception:
    """Return what Prefect may be told of an error: all of it, or, of restricted work, its code alone."""
    if _held is None or not _held.is_restricted or isinstance(error, Withheld):
        return error
    _held.error = error
    code = error.code if isinstance(error, CisternaError) else type(error).__name__
    may_help = isinstance(error, CisternaError) and error.retryable
    msg = f"{code}; the data are restricted: `cisterna show {_held.work.subject}` tells the reason"
    return (WithheldForNow if may_help else Withheld)(msg, of=code)


class Withheld(CisternaError):
    """Something went wrong with restricted data; the reason is in the catalogue and nowhere else."""

    code = "withheld"


class WithheldForNow(Withheld):
    """The same, and waiting may help."""

    retryable = True


def place_of(core: CoreParts) -> Place:
    """Say where this installation's data lie, as lineage names them."""
    return Place(host=socket.gethostname(), bucket=core.settings.store.archive_bucket)


def owner_name(kind: str, *, pid: int | None = None) -> str:
    """Name a process of this machine, this one by default, as the owner of leases: host, kind and process id."""
    return f"{socket.gethostname()}:{kind}:{os.getpid() if pid is None else pid}"
