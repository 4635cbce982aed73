"""Puts on record that a dataset goes: who decided it, under what, and of exactly what they were shown.

Nothing here deletes. The decision stands in the catalogue from then on, nobody begins work on the data any more, and
whoever holds the keys carries it out: a worker, or an administrator in a terminal.
"""

from __future__ import annotations

from collections.abc import Sequence

from cisterna.domain.account import Account, Role
from cisterna.domain.base import Value
from cisterna.domain.erasure import (
    Erasure,
    ErasureState,
    Objection,
    Order,
    objections,
    scope_of,
)
from cisterna.domain.errors import Conflict, ErasureRefused, Forbidden, InvalidInput, NotFound
from cisterna.domain.permission import may_see
from cisterna.domain.work import Work, WorkKind, WorkState
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.services.erase_plan import (
    SurveySite,
    doomed,
    find_dataset,
    look_at,
    obstacles,
    require_admin,
    stores_of,
    subjects_of,
)
from cisterna.services.erase_record import tell_erasure
from cisterna.services.person import require_account
from cisterna.services.work_request import request_work


class ErasureStanding(Value):
    """An erasure, and what a worker does about it.

    Attributes:
        is_under_way: Whether a worker carries it out, or will as soon as one is free.
        problem: Why the last attempt came to nothing, in words; None when it came to its end or none was made.
    """

    erasure: Erasure
    is_under_way: bool
    problem: str | None = None

    @property
    def may_go_on(self) -> bool:
        """Tell whether asking again would do anything."""
        return self.erasure.state is not ErasureState.DONE and not self.is_under_way


def decide_erasure(
    identifier: str, *, person: str, order: Order | None, site: SurveySite, seen: str | None = None
) -> Erasure:
    """Put a decision on record, or find the one that is there.

    Args:
        identifier: Of a dataset or an acquisition, or a PID.
        person: Account name of the administrator whose decision it is.
        order: The decision; None to go on with the one that is on record.
        site: Where data lie.
        seen: The `scope` of the plan that the person was shown; None where nobody was shown one.

    Raises:
        Conflict: Other datasets or versions would go than those that the person was shown.
        ErasureRefused: A hold, a lock, work under way or a release speaks against it; the message names each.
        Forbidden, NotFound: As said there.
        InvalidInput: There is no decision, or another one than the one on record.
    """
    return _decide(identifier, person=person, order=order, site=site, seen=seen, asks_worker=False)


def request_erasure(
    identifier: str, *, person: str, order: Order | None, site: SurveySite, seen: str | None
) -> ErasureStanding:
    """Put a decision on record and ask a worker to carry it out, in one transaction; again is harmless.

    Of an erasure that is on record and has not come to its end, the same call asks for another attempt.

    Raises:
        Conflict, ErasureRefused, Forbidden, InvalidInput, NotFound: As `decide_erasure` says.
    """
    erasure = _decide(identifier, person=person, order=order, site=site, seen=seen, asks_worker=True)
    return ask_again(erasure.erasure_id, person=person, catalogue=site.catalogue, clock=site.clock)


def ask_again(erasure_id: str, *, person: str, catalogue: Catalogue, clock: Clock) -> ErasureStanding:
    """Ask a worker to go on with an erasure that has not come to its end; one that is under way is asked for once.

    Raises:
        Forbidden: The person is no administrator of the data.
        NotFound: There is no such erasure, or the person may not know of it.
    """
    with catalogue.begin() as tx:
        erasure = _of_administrator(tx, erasure_id, require_account(tx, person))
        if erasure.state is not ErasureState.DONE:
            tx.datasets.lock(erasure.target)  # two who ask at once take turns
            _ask_worker(tx, erasure, person=person, clock=clock)
        return _standing(tx, erasure)


def standing_of(erasure_id: str, *, account: Account, catalogue: Catalogue) -> ErasureStanding:
    """Tell how far an erasure has come.

    Raises:
        Forbidden: The person is no administrator of the data.
        NotFound: There is no such erasure, or the person may not know of it.
    """
    with catalogue.begin() as tx:
        return _standing(tx, _of_administrator(tx, erasure_id, account))


def list_standings(*, account: Account, catalogue: Catalogue) -> Sequence[ErasureStanding]:
    """List the erasures of data that the person administrates: first what is not at its end, then the newest."""
    with catalogue.begin() as tx:
        mine = [
            one
            for one in reversed(tx.erasures.list())
            if account.has_role(Role.ADMIN, project=tx.datasets.get(one.target).project)
        ]
        return [_standing(tx, one) for one in sorted(mine, key=lambda one: one.state is ErasureState.DONE)]


def _decide(
    identifier: str, *, person: str, order: Order | None, site: SurveySite, seen: str | None, asks_worker: bool
) -> Erasure:
    with site.catalogue.begin() as tx:
        require_admin(tx, identifier, person)
        erasure = tx.erasures.of(find_dataset(tx, identifier).dataset_id)
    if erasure is None:
        wanted = _required(order, identifier)
        return _announce(identifier, person=person, order=wanted, site=site, seen=seen, asks_worker=asks_worker)
    if order is not None and _decision(order) != _decision(erasure.order):
        msg = f"{identifier} has an erasure under another decision: {erasure.words}; leave the options out to go on"
        raise InvalidInput(msg, identifier=identifier, erasure_id=erasure.erasure_id)
    return erasure


def _announce(
    identifier: str, *, person: str, order: Order, site: SurveySite, seen: str | None, asks_worker: bool
) -> Erasure:
    """Put the decision on record, unless something speaks against it. From here on nobody begins work on the data."""
    with site.catalogue.begin() as tx:
        objects = doomed(tx, find_dataset(tx, identifier), kind=order.kind)
        stores = stores_of(tx, objects, site)
    contents = [look_at(store, one, site) for store in stores for one in objects]
    locks = [(f"{one.dataset_id} in {one.store}", one.content.lock) for one in contents if one.content]
    with site.catalogue.begin() as tx:
        target = find_dataset(tx, identifier)
        require_admin(tx, identifier, person)
        objects = doomed(tx, target, kind=order.kind)
        for one in objects:
            tx.datasets.lock(one.dataset_id)
        if seen is not None and seen != scope_of(objects):
            msg = f"other data would go with {identifier} now than were shown; nothing was decided: look again"
            raise Conflict(msg, identifier=identifier)
        subjects = subjects_of(tx, objects)
        found = obstacles(tx, objects, target, kind=order.kind, site=site)
        begun = tx.erasures.halt_work(subjects, datasets=[one.dataset_id for one in objects], outcome="erased")
        told = {
            "locks": tuple((where, lock) for where, lock in locks if lock),
            "under_way": tuple(sorted({*found.under_way, *begun})),
        }
        against = objections(found.model_copy(update=told), kind=order.kind, now=site.clock.now())
        if against:
            raise erasure_refused(identifier, against)
        erasure = Erasure(
            erasure_id=site.clock.new_id(),
            target=target.dataset_id,
            acquisition_id=target.acquisition_id,
            objects=objects,
            stores=stores,
            person=person,
            order=order,
            announced_at=site.clock.now(),
        )
        tx.erasures.add(erasure)
        tell_erasure(tx, "erasure.announced", erasure, person=person, clock=site.clock)
        if asks_worker:
            _ask_worker(tx, erasure, person=person, clock=site.clock)
    return erasure


def erasure_refused(identifier: str, against: Sequence[Objection]) -> ErasureRefused:
    """Make the error that names everything that speaks against an erasure."""
    words = "; ".join(one.words for one in against)
    conditions = [one.condition for one in against]
    return ErasureRefused(f"{identifier} is not erased: {words}", identifier=identifier, conditions=conditions)


def _required(order: Order | None, identifier: str) -> Order:
    if order is None:
        msg = f"{identifier} has no decision on record; give --controller, --basis, --decision and --reason"
        raise InvalidInput(msg, identifier=identifier)
    return order


def _decision(order: Order) -> tuple[str, ...]:
    return (order.kind.value, order.controller, order.basis, order.decision)


def _ask_worker(tx: Transaction, erasure: Erasure, *, person: str, clock: Clock) -> None:
    """Ask for an attempt, unless one is under way. Its subject is the erasure: work on the data goes with them."""
    earlier = tx.inbox.list(subject=erasure.erasure_id)
    if any(work.state in {WorkState.READY, WorkState.LEASED} for work in earlier):
        return
    key = f"erase:{erasure.erasure_id}:{len(earlier) + 1}"
    parameters = {"person": person}
    request_work(tx, WorkKind.ERASE, erasure.erasure_id, key=key, parameters=parameters, clock=clock)


def _of_administrator(tx: Transaction, erasure_id: str, account: Account) -> Erasure:
    """Find an erasure; whoever may not see the data is told what somebody is told who made the id up."""
    erasure = tx.erasures.get(erasure_id)
    project = tx.datasets.get(erasure.target).project
    if account.has_role(Role.ADMIN, project=project):
        return erasure
    if not may_see(account, tx.projects.get(project) if project else None):
        raise NotFound(f"no erasure '{erasure_id[:200]}'", erasure_id=erasure_id[:200])
    msg = f"{account.name} is no administrator of the data; only one can say whether they go"
    raise Forbidden(msg, person=account.name)


def _standing(tx: Transaction, erasure: Erasure) -> ErasureStanding:
    work: Work | None = next(iter(reversed(tx.inbox.list(subject=erasure.erasure_id))), None)
    if work is None or work.state is WorkState.DONE:
        return ErasureStanding(erasure=erasure, is_under_way=False)
    return ErasureStanding(
        erasure=erasure, is_under_way=work.state is not WorkState.FAILED, problem=work.outcome or None
    )
