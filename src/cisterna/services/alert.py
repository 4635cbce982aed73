"""Raises, counts and closes alerts, and lets people see and acknowledge them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from cisterna.domain.account import Account, Role
from cisterna.domain.acquisition import Acquisition
from cisterna.domain.alert import MOST_PLACES, Acknowledgement, Alert, AlertKind, Place
from cisterna.domain.baseline import Tally
from cisterna.domain.errors import Conflict, Forbidden, InvalidInput, NotFound
from cisterna.domain.permission import may_see
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.services.person import require_account
from cisterna.services.transition import announce

RUN_ENDED = "the run ended"


def raise_alert(tx: Transaction, alert: Alert, acquisition: Acquisition, *, clock: Clock) -> Alert:
    """Put an alert on record and tell it. The caller has locked the acquisition and seen that none of its kind stands.

    Raises:
        AlreadyExists: One of its kind stands after all.
    """
    tx.alerts.put(alert)
    _tell(tx, "alert.raised", alert, acquisition, clock=clock)
    return alert


def count_in(tx: Transaction, alert: Alert, places: Sequence[Place], *, count: int, is_more: bool) -> Alert:
    """Count more places in an alert that stands, and tell nobody anew."""
    merged = (*alert.places, *places)[:MOST_PLACES]
    counted = alert.model_copy(update={"places": merged, "count": max(count, alert.count), "is_more": is_more})
    if counted != alert:
        tx.alerts.put(counted)
    return counted


def close_alert(tx: Transaction, alert: Alert, acquisition: Acquisition, *, reason: str, clock: Clock) -> Alert:
    """Note that an alert stands no longer, and tell it. The caller has locked the acquisition."""
    closed = alert.model_copy(update={"closed_at": clock.now(), "closed_reason": reason})
    tx.alerts.put(closed)
    _tell(tx, "alert.closed", closed, acquisition, clock=clock, reason=reason)
    return closed


def end_alerts(tx: Transaction, acquisition: Acquisition, *, clock: Clock) -> None:
    """Close what stands on a run that ended, and forget what it had so far; a second run finds nothing to do."""
    for alert in tx.alerts.of(acquisition.acquisition_id):
        if alert.is_open:
            close_alert(tx, alert, acquisition, reason=f"{RUN_ENDED}: {acquisition.state.value}", clock=clock)
    tx.alerts.forget_baseline(acquisition.acquisition_id)


def standing(tx: Transaction, acquisition_id: str, kind: AlertKind) -> Alert | None:
    """Find the alert of a kind that stands on a run."""
    return next((one for one in tx.alerts.of(acquisition_id) if one.is_open and one.kind is kind), None)


def list_alerts(
    *, account: Account, catalogue: Catalogue, closed: bool = False, limit: int | None = None
) -> Sequence[Alert]:
    """Give the alerts on what a person may see, newest first; those that stand no longer only when asked for."""
    with catalogue.begin() as tx:
        told = frozenset(one.slug for one in tx.projects.list() if may_see(account, one))
        unclaimed = may_see(account, None)
        return tx.alerts.list(projects=told, unclaimed=unclaimed, is_open=None if closed else True, limit=limit)


def alerts_of(acquisition_id: str, *, catalogue: Catalogue) -> Sequence[Alert]:
    """Give all alerts of a run, newest first; the caller has made sure that the person may see it."""
    with catalogue.begin() as tx:
        return list(reversed(tx.alerts.of(acquisition_id)))


def unjudged_of(acquisition_id: str, *, catalogue: Catalogue) -> Mapping[str, Tally]:
    """Tell of a run that is being written how many places no alert could be made of, by the reason in words."""
    with catalogue.begin() as tx:
        return tx.alerts.baseline(acquisition_id).unjudged


def picture_of(alert_id: str, *, account: Account, catalogue: Catalogue) -> bytes:
    """Give the picture of an alert to a person who may see the run's data.

    Raises:
        NotFound: There is no such alert or picture, or the person may not know of it; all in the same words.
    """
    with catalogue.begin() as tx:
        _visible(tx, alert_id, account)
        picture = tx.alerts.picture(alert_id)
    if picture is None:
        raise _unknown(alert_id)
    return picture


def acknowledge_alert(alert_id: str, *, person: str, reason: str, catalogue: Catalogue, clock: Clock) -> Alert:
    """Record that a person knows of an alert: it is counted on and shown at the run, and waits for nobody any more.

    Args:
        alert_id: Of an alert.
        person: Account name; a steward of the run's project, or an operator.
        reason: In words.
        catalogue: Keeps it, with an event.
        clock: Dates it.

    Raises:
        InvalidInput: There is no reason.
        NotFound: There is no such alert, or the person may not know of it.
        Forbidden: The person may not.
        Conflict: Somebody has acknowledged it already.
    """
    words = reason.strip()
    if not words or len(words) > 10_000:
        msg = f"acknowledging {alert_id[:200]} needs a reason in words, of at most 10,000 characters"
        raise InvalidInput(msg, alert_id=alert_id[:200])
    with catalogue.begin() as tx:
        account = require_account(tx, person)
        acquisition = _visible(tx, alert_id, account)
        locked = tx.acquisitions.lock(acquisition.acquisition_id) or acquisition
        alert = tx.alerts.get(alert_id)
        if not account.has_role(Role.STEWARD, project=locked.project):
            msg = f"{person} is neither a steward of the run's project nor an operator; ask one to acknowledge it"
            raise Forbidden(msg, person=person, alert_id=alert_id)
        if alert.acknowledged is not None:
            msg = f"{alert.acknowledged.person} has acknowledged it already: {alert.acknowledged.reason}"
            raise Conflict(msg, alert_id=alert_id)
        known = alert.model_copy(update={"acknowledged": Acknowledgement(person=person, reason=words, at=clock.now())})
        tx.alerts.put(known)
        _tell(tx, "alert.acknowledged", known, locked, clock=clock, person=person, reason=words)
        return known


def _visible(tx: Transaction, alert_id: str, account: Account) -> Acquisition:
    if not alert_id.isprintable():
        raise _unknown(alert_id)
    try:
        alert = tx.alerts.get(alert_id)
    except NotFound as unknown:
        raise _unknown(alert_id) from unknown
    acquisition = tx.acquisitions.get(alert.acquisition_id)
    if not may_see(account, tx.projects.get(acquisition.project) if acquisition.project else None):
        raise _unknown(alert_id)
    return acquisition


def _unknown(alert_id: str) -> NotFound:
    msg = f"there is no alert '{alert_id[:200]}', or no picture of it; `cisterna alerts` lists those you may see"
    return NotFound(msg, alert_id=alert_id[:200])


def _tell(
    tx: Transaction, name: str, alert: Alert, acquisition: Acquisition, *, clock: Clock, **more: JsonValue
) -> None:
    data: dict[str, JsonValue] = {
        "alert_id": alert.alert_id,
        "acquisition_id": alert.acquisition_id,
        "instrument": alert.instrument,
        "project": acquisition.project,
        "kind": alert.kind.value,
        "severity": alert.severity.value,
        "message": alert.words,
        "measure": alert.measure,
        "observed": alert.observed,
        "limit": alert.limit,
        "limit_origin": alert.limit_origin,
        "place": alert.place.model_dump(mode="json") if alert.place else None,
        "count": alert.count,
    }
    announce(tx, name, alert.acquisition_id, project=acquisition.project, clock=clock, data=data | more)
