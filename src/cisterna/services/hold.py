"""Holds: placed and lifted in the name of a person, and asked of the systems beside ours."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from pydantic import JsonValue

from cisterna.domain.account import Account, Role
from cisterna.domain.acquisition import Acquisition
from cisterna.domain.dataset import Dataset
from cisterna.domain.erasure import ErasureState, erased_error
from cisterna.domain.errors import Forbidden, InvalidInput, NotFound
from cisterna.domain.hold import Hold, HoldAnswer, HoldOutcome, HoldQuestion, HoldScope
from cisterna.domain.permission import may_see
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.ports.hold import SourceHold
from cisterna.services.attempt import error_words
from cisterna.services.erased import erasure_on
from cisterna.services.person import require_account, require_no_part
from cisterna.services.transition import announce


def place_hold(
    target: str, *, person: str, reason: str, catalogue: Catalogue, clock: Clock, legal: bool = False
) -> Hold:
    """Place a hold on an acquisition, a dataset or a project; whoever may see the data may.

    A second call places a second hold, which has to be lifted as well: two people's reasons are two holds.

    Args:
        target: Id of an acquisition, id or ARK of a dataset, or slug of a project.
        person: Account name of who places it.
        reason: In words.
        catalogue: Keeps it.
        clock: Dates it.
        legal: Have the stores keep every object of it as well; a steward of the project may. The stores are asked by
            `services.protect`, now or in its next round.

    Raises:
        InvalidInput: There is no reason, or it is a part.
        NotFound: There is no such thing, or the person may not know of it.
        Erased: It is gone for good.
        Forbidden: There is no such person, or they may not place a legal hold.
    """
    words = _words(reason)
    with catalogue.begin() as tx:
        account = require_account(tx, person)
        scope, identity, project = _resolve(tx, target)
        _require_visible(tx, account, project, target)
        if scope is HoldScope.DATASET:
            require_no_part(tx, tx.datasets.get(identity))
        if legal:
            _require_steward(account, project, f"place a legal hold on {identity}")
        _require_there(tx, identity)
        hold = Hold(
            hold_id=clock.new_id(),
            scope=scope,
            target=identity,
            person=person,
            reason=words,
            placed_at=clock.now(),
            legal=legal,
        )
        tx.holds.place(hold)
        _tell(tx, "hold.placed", hold, project=project, clock=clock)
        return hold


def lift_hold(hold_id: str, *, person: str, reason: str, catalogue: Catalogue, clock: Clock) -> Hold:
    """Lift a hold: who placed it may, and stewards of the project; a legal hold only they.

    Raises:
        Conflict: Somebody has lifted it already.
        Forbidden: The person may not.
        InvalidInput: There is no reason.
        NotFound: There is no such hold, or the person may not know of it.
    """
    words = _words(reason)
    with catalogue.begin() as tx:
        account = require_account(tx, person)
        hold = tx.holds.get(hold_id)
        project = _project_of(tx, hold)
        _require_visible(tx, account, project, hold_id)
        if hold.legal:
            _require_steward(account, project, f"lift the legal hold {hold_id}")
        elif person != hold.person and not account.has_role(Role.STEWARD, project=project):
            msg = f"{hold.person} placed the hold {hold_id}; they or a steward of the project can lift it"
            raise Forbidden(msg, person=person, hold_id=hold_id)
        ended = {"lifted_at": clock.now(), "lifted_by": person, "lifted_reason": words}
        lifted = hold.model_copy(update=ended)
        tx.holds.lift(lifted)
        _tell(tx, "hold.lifted", lifted, project=project, clock=clock)
        return lifted


def list_holds(*, account: Account, catalogue: Catalogue, lifted: bool = False) -> Sequence[Hold]:
    """Give the holds on what a person may see, newest first; those that were lifted only when asked for."""
    with catalogue.begin() as tx:
        shown = []
        for hold in tx.holds.list(standing=None if lifted else True):
            slug = _project_of(tx, hold)
            if may_see(account, tx.projects.get(slug) if slug else None):
                shown.append(hold)
        return shown


def standing_holds(tx: Transaction, acquisition: Acquisition, dataset: Dataset | None) -> Sequence[Hold]:
    """Give every hold that stands on an acquisition: its own, its dataset's and its project's."""
    targets = [(HoldScope.ACQUISITION, acquisition.acquisition_id)]
    if dataset is not None:
        targets.append((HoldScope.DATASET, dataset.dataset_id))
    projects = {acquisition.project, dataset.project if dataset else None} - {None}
    targets += [(HoldScope.PROJECT, project) for project in sorted(filter(None, projects))]
    return tx.holds.standing_on(targets)


def ask_holds(
    question: HoldQuestion, *, systems: Sequence[SourceHold], patience_seconds: float, clock: Clock
) -> tuple[HoldAnswer, ...]:
    """Ask every system at once; one that fails, hangs or answers in no known form could not be asked.

    A system that hangs keeps a thread of ours until it comes back; nothing waits for it.
    """
    said: dict[int, str | BaseException | None] = {}

    def ask(place: int, system: SourceHold) -> None:
        try:
            answer: object = system.ask(question)
            said[place] = answer if answer is None or isinstance(answer, str) else TypeError(f"it said {answer!r:.100}")
        except BaseException as error:  # noqa: BLE001 - whatever goes wrong in a plug-in, the answer is "could not ask"
            said[place] = error

    threads = [
        threading.Thread(target=ask, args=(place, system), name=f"hold-{place}", daemon=True)
        for place, system in enumerate(systems)
    ]
    began = clock.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, patience_seconds - (clock.monotonic() - began)))
    heard = dict(said)  # what comes in later comes too late
    silence = f"it did not answer within {patience_seconds:g} s"
    return tuple(
        _answer(system, heard.get(place, TimeoutError(silence)), clock=clock) for place, system in enumerate(systems)
    )


def _answer(system: SourceHold, said: str | BaseException | None, *, clock: Clock) -> HoldAnswer:
    if said is None:
        outcome, reason = HoldOutcome.FREE, ""
    elif isinstance(said, str):
        outcome, reason = HoldOutcome.HELD, said[:2000] or "it gave no reason"
    else:
        outcome, reason = HoldOutcome.COULD_NOT_ASK, error_words(said)
    return HoldAnswer(system=system.name, outcome=outcome, reason=reason, asked_at=clock.now())


def _words(reason: str) -> str:
    words = reason.strip()
    if not words or len(words) > 10_000:
        raise InvalidInput("a hold needs a reason in words, of at most 10,000 characters")
    return words


def _require_there(tx: Transaction, identity: str) -> None:
    """Refuse a hold on what is going or gone. Until the first deletion a hold stops an erasure that was decided.

    Raises:
        Erased: Saying when, by whom and under which decision.
    """
    found = erasure_on(tx, identity)
    if found is None:
        return
    for dataset in found.dataset_ids:
        tx.datasets.lock(dataset)  # whoever begins to delete takes these as well
    present = tx.erasures.get(found.erasure_id)
    if present.state is not ErasureState.ANNOUNCED:
        raise erased_error(present, identity)


def _resolve(tx: Transaction, target: str) -> tuple[HoldScope, str, str | None]:
    """Find what is meant, and the project it belongs to."""
    try:
        if target.startswith("acq-"):
            acquisition = tx.acquisitions.get(target)
            return HoldScope.ACQUISITION, target, acquisition.project
        if target.startswith("ark:/"):
            dataset = tx.datasets.by_pid(target)
            if dataset is None:
                raise _unknown(target)
            return HoldScope.DATASET, dataset.dataset_id, dataset.project
        if target.startswith("ds-"):
            dataset = tx.datasets.get(target.partition(":")[0])
            return HoldScope.DATASET, dataset.dataset_id, dataset.project
        return HoldScope.PROJECT, tx.projects.get(target).slug, target
    except NotFound as unknown:
        raise _unknown(target) from unknown


def _project_of(tx: Transaction, hold: Hold) -> str | None:
    """Name the project that a hold's target belongs to now."""
    match hold.scope:
        case HoldScope.ACQUISITION:
            return tx.acquisitions.get(hold.target).project
        case HoldScope.DATASET:
            return tx.datasets.get(hold.target).project
        case HoldScope.PROJECT:
            return hold.target


def _require_steward(account: Account, project: str | None, act: str) -> None:
    if not account.has_role(Role.STEWARD, project=project):
        msg = f"{account.name} may not {act}; a steward of the project can"
        raise Forbidden(msg, person=account.name)


def _require_visible(tx: Transaction, account: Account, project: str | None, target: str) -> None:
    if not may_see(account, tx.projects.get(project) if project else None):
        raise _unknown(target)


def _unknown(target: str) -> NotFound:
    msg = (
        f"there is no acquisition, dataset, project or hold '{target[:200]}' that you may see; look at `cisterna list`"
    )
    return NotFound(msg, target=target[:200])


def _tell(tx: Transaction, name: str, hold: Hold, *, project: str | None, clock: Clock) -> None:
    data: dict[str, JsonValue] = {
        "hold": hold.model_dump(mode="json"),
        "project": project,
        "person": hold.lifted_by or hold.person,
        "reason": hold.lifted_reason or hold.reason,
        "version_id": _newest_version(tx, hold),
    }
    announce(tx, name, hold.target, project=project, clock=clock, data=data)


def _newest_version(tx: Transaction, hold: Hold) -> str | None:
    """Name the version whose object keeps the record of the hold, if there is one."""
    dataset_id: str | None = None
    if hold.scope is HoldScope.DATASET:
        dataset_id = hold.target
    elif hold.scope is HoldScope.ACQUISITION:
        dataset_id = tx.acquisitions.get(hold.target).dataset_id
    versions = tx.datasets.versions(dataset_id) if dataset_id else ()
    return versions[-1].version_id if versions else None
