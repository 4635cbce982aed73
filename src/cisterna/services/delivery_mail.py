"""Keeps what became of the mail of a delivery, so that one that reaches nobody is told to who delivered."""

from __future__ import annotations

from cisterna.domain.delivery import LONGEST_PROBLEM, Delivery, DeliveryState
from cisterna.domain.text import without_mail_addresses
from cisterna.ports.catalogue import Transaction
from cisterna.ports.clock import Clock
from cisterna.services.delivery import tell_delivery

MOST_REFUSALS = 5
"""Refusals that a mail server calls final before it is believed: some are a mistake of a minute."""
_TOO_LATE = "it expired before a mail server had taken its mail"


def note_mailed(tx: Transaction, delivery_id: str, *, clock: Clock) -> None:
    """Note that the mail server took the mail."""
    tx.deliveries.put(tx.deliveries.get(delivery_id).model_copy(update={"mailed_at": clock.now()}))


def note_refused(tx: Transaction, delivery_id: str, *, problem: str, clock: Clock) -> bool:
    """Count a final refusal of the recipient, or of the mail; tell whether that is enough to give it up."""
    delivery = tx.deliveries.get(delivery_id)
    counted = delivery.model_copy(update={"mail_refusals": delivery.mail_refusals + 1})
    if counted.mail_refusals < MOST_REFUSALS:
        tx.deliveries.put(counted)
        return False
    _give_up(tx, counted, problem, clock=clock)
    return True


def note_too_late(tx: Transaction, delivery: Delivery, *, clock: Clock) -> None:
    """Give the mail of a delivery up that expired while it waited; harmless for every other."""
    waited = delivery.by_mail and delivery.mailed_at is None and delivery.mail_given_up_at is None
    if waited and delivery.state(now=clock.now()) is DeliveryState.EXPIRED:
        _give_up(tx, delivery, _TOO_LATE, clock=clock)


def _give_up(tx: Transaction, delivery: Delivery, problem: str, *, clock: Clock) -> None:
    words = without_mail_addresses(problem)[:LONGEST_PROBLEM]
    given_up = delivery.model_copy(update={"mail_given_up_at": clock.now(), "mail_problem": words})
    tx.deliveries.put(given_up)
    version = tx.datasets.get_version(delivery.version_id)
    dataset = tx.datasets.get(version.dataset_id)
    tell_delivery(tx, "delivery.unmailed", given_up, version, dataset, clock=clock, person=delivery.by, problem=words)
