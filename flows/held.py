"""Work that this process holds: the lease is kept alive beside the flow, and the end is told once."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from cisterna.domain.errors import CatalogueUnavailable, CisternaError, LeaseLost
from cisterna.domain.work import Attempt, Claim, Work, WorkState
from cisterna.services import attempt as attempts
from flows import _policy
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
    """

    def __init__(self, claim: Claim, core: CoreParts) -> None:
        self.claim = claim
        self.outcome: str | None = None
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

    @property
    def is_lost(self) -> bool:
        """Whether another attempt has taken over."""
        return self._lost.is_set()

    def require(self) -> None:
        """Raises `LeaseLost` as soon as the heartbeat has found out."""
        if self._lost.is_set():
            msg = f"the lease on {self.work.work_id} was lost; another worker carries on"
            raise LeaseLost(msg, work_id=self.work.work_id, run_id=self.lease.run_id)

    def __enter__(self) -> Held:
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
        _held.outcome = body(_held)
        return _held.outcome
    return _carry_out_alone(work_id, body, core())


def _carry_out_alone(work_id: str, body: Body, core: CoreParts) -> str:
    claim = attempts.start_attempt(
        owner=owner_name("pool"),
        lease=timedelta(seconds=core.settings.dispatch.lease_seconds),
        work_id=work_id,
        catalogue=core.catalogue,
        clock=core.clock,
    )
    if claim is None:
        with core.catalogue.begin() as tx:
            work = tx.inbox.get(work_id)
        return work.outcome or f"the work is {work.state.value}; nothing was left to do here"
    held = Held(claim, core)
    with holding(held):
        try:
            held.outcome = body(held)
        except BaseException as error:
            tell_failure(held, error, core)
            raise
        tell_success(held, core)
    return held.outcome


def owner_name(kind: str, *, pid: int | None = None) -> str:
    """Name a process of this machine, this one by default, as the owner of leases: host, kind and process id."""
    return f"{socket.gethostname()}:{kind}:{os.getpid() if pid is None else pid}"


def tell_success(held: Held, core: CoreParts) -> None:
    """Record that the work is done. Raises `LeaseLost`, `CatalogueUnavailable`."""
    attempts.complete_attempt(
        held.claim, outcome=held.outcome or "done", catalogue=core.catalogue, clock=core.clock
    )


def tell_failure(held: Held, error: BaseException, core: CoreParts, *, now: bool = False) -> WorkState | None:
    """Put the work back or give it up, as the error and the number of attempts say; tell which, None if it is not ours.

    Args:
        held: What failed.
        error: Why.
        core: Where it is recorded.
        now: Whether the work is to be ready at once (this process is asked to stop).
    """
    if isinstance(error, LeaseLost) or held.is_lost:
        return None
    words = str(error) or type(error).__name__
    if not isinstance(error, CisternaError):
        words = f"{type(error).__name__}: {words}"
    again = now or (
        _policy.beginning_anew_may_help(error) and held.work.attempts < core.settings.dispatch.attempts
    )
    pause = timedelta() if now else _policy.pause_before_attempt(held.work.attempts)
    try:
        return attempts.fail_attempt(
            held.claim,
            reason=words,
            retry_after=pause if again else None,
            catalogue=core.catalogue,
            clock=core.clock,
        )
    except (LeaseLost, CatalogueUnavailable):
        return None  # the lease runs out and the work goes on elsewhere
