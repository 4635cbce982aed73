"""Waits for what was asked for, woken by the catalogue's doorbell and looking for itself each time."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, TypeVar

import typer

from cisterna.domain.errors import CisternaError, NotReady
from cisterna.domain.work import Work, WorkState
from cisterna.ports.catalogue import Catalogue

Found = TypeVar("Found")

WaitSeconds = Annotated[float, typer.Option("--wait-seconds", help="How long to wait at most.", min=0.0)]


class WorkFailed(CisternaError):
    """The work was given up; its outcome says why."""

    code = "work-failed"


def await_that(look: Callable[[], Found | None], *, catalogue: Catalogue, wait_seconds: float, what: str) -> Found:
    """Look until something is found. Raises `NotReady` when the time is over."""
    deadline = time.monotonic() + wait_seconds
    found = look()
    bells = catalogue.listen(timeout=timedelta(seconds=0.25))
    while found is None and time.monotonic() < deadline:
        next(bells, None)
        found = look()
    if found is None:
        msg = f"{what} took longer than {wait_seconds:.0f} s; it goes on, and `cisterna show` tells how far it is"
        raise NotReady(msg)
    return found


def await_work(work_id: str, *, catalogue: Catalogue, wait_seconds: float) -> Work:
    """Return the work when it is done. Raises `WorkFailed`, `NotReady`."""

    def look() -> Work | None:
        with catalogue.begin() as tx:
            work = tx.inbox.get(work_id)
        return work if work.state in {WorkState.DONE, WorkState.FAILED} else None

    work = await_that(look, catalogue=catalogue, wait_seconds=wait_seconds, what="the work")
    if work.state is WorkState.FAILED:
        msg = work.outcome or "the work was given up; the dispatcher's log says why"
        raise WorkFailed(msg, work_id=work_id)
    return work
