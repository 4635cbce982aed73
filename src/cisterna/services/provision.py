"""Brings a bucket to what it must be, and says of each point whether it is, was made so, or has to be by a person."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from functools import partial
from typing import NamedTuple

from cisterna.domain.base import Value
from cisterna.domain.errors import StoreForbids, StoreLacks
from cisterna.ports.bucket import BucketAdmin, BucketPlan


class Outcome(StrEnum):
    """How one point stands after the look or the change."""

    AS_WANTED = "as-wanted"
    CHANGED = "changed"
    TO_CHANGE = "to-change"
    """It differs, and only a look was asked for."""
    LACKING = "lacking"
    """The store has no such function, or takes the setting and does not keep it."""
    FORBIDDEN = "forbidden"
    """These keys may not look or change; whether it is as wanted is not known."""


class Provision(Value):
    """One point of one bucket, how it stands, and in words what was found or done."""

    store: str
    bucket: str
    point: str
    outcome: Outcome
    message: str


class _Point(NamedTuple):
    name: str
    wanted: bool | int
    found: Callable[[], bool | int | None]
    make: Callable[[], None]
    so: str
    """How it is told when it is so; `{}` stands for a number."""
    not_so: str

    def told(self, value: bool | int | None) -> str:
        return self.not_so if value is None or value is False else self.so.format(value)


def provision_bucket(admin: BucketAdmin, plan: BucketPlan, *, dry_run: bool) -> Iterator[Provision]:
    """Look at each point of the plan, change what differs, and read it back.

    Nothing is turned off or removed, and what others set stays. Stopped anywhere, the next run goes on with what still
    differs. Where the bucket is absent and only a look is asked for, every point is to change.

    Raises:
        StoreUnavailable: The store does not answer.
    """
    create = partial(_create, admin, object_lock=plan.object_lock)
    bucket = _settle(admin, _Point("bucket", True, admin.exists, create, "there", "absent"), dry_run=dry_run)
    yield bucket
    is_there = bucket.outcome in {Outcome.AS_WANTED, Outcome.CHANGED}
    for point in _points(admin, plan):
        if is_there:
            yield _settle(admin, point, dry_run=dry_run)
        else:
            yield _said(
                admin, point, bucket.outcome, f"{point.told(point.wanted)} wanted; there is no bucket to look at"
            )


def _points(admin: BucketAdmin, plan: BucketPlan) -> Iterator[_Point]:
    if plan.versioning:  # before object lock, which wants it
        yield _Point("versioning", True, admin.versioning, admin.turn_on_versioning, "on", "off")
    if plan.object_lock:
        yield _Point("object lock", True, admin.object_lock, admin.turn_on_object_lock, "possible", "not possible")
    if (days := plan.unfinished_uploads_days) is not None:
        make = partial(admin.drop_unfinished_uploads, days=days)
        so, not_so = "dropped after {} days", "never dropped"
        yield _Point("unfinished uploads", days, admin.unfinished_uploads_days, make, so, not_so)
    if (days := plan.replaced_days) is not None:
        make = partial(admin.keep_replaced, days=days)
        so, not_so = "kept for {} days", "kept by no rule"
        yield _Point("replaced objects", days, admin.replaced_days, make, so, not_so)
    for storage_class in plan.tiers:
        found, make = partial(admin.moves_to, storage_class), partial(admin.move_to, storage_class)
        yield _Point(f"tier {storage_class}", True, found, make, "what is marked for it is moved", "nothing is moved")
    if plan.refuses_deletion:
        yield _Point(
            "deletion of the bucket", True, admin.refuses_deletion, admin.refuse_deletion, "refused", "possible"
        )


def _settle(admin: BucketAdmin, point: _Point, *, dry_run: bool) -> Provision:
    wanted = point.told(point.wanted)
    try:
        found = point.found()
        if found == point.wanted:
            return _said(admin, point, Outcome.AS_WANTED, wanted)
        if dry_run:
            return _said(admin, point, Outcome.TO_CHANGE, f"{point.told(found)} now, {wanted} wanted")
        point.make()
        now = point.found()
    except StoreLacks as error:
        return _said(admin, point, Outcome.LACKING, str(error))
    except StoreForbids as error:
        return _said(admin, point, Outcome.FORBIDDEN, str(error))
    if now != point.wanted:
        msg = f"the store took '{wanted}' and says '{point.told(now)}' when it is asked"
        return _said(admin, point, Outcome.LACKING, msg)
    return _said(admin, point, Outcome.CHANGED, f"{point.told(found)} before, {wanted} now")


def _create(admin: BucketAdmin, *, object_lock: bool) -> None:
    """Make the bucket with object lock where the store has it, since many stores cannot turn it on later."""
    try:
        admin.create(object_lock=object_lock)
    except StoreLacks:
        admin.create(object_lock=False)


def _said(admin: BucketAdmin, point: _Point, outcome: Outcome, message: str) -> Provision:
    return Provision(store=admin.store, bucket=admin.bucket, point=point.name, outcome=outcome, message=message)
