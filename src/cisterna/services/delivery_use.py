"""What a recipient does with a delivery: opens it by its secret, takes files, and says that they checked them."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from cisterna.domain.dataset import Dataset, Version
from cisterna.domain.delivery import Delivery, DeliveryUse
from cisterna.domain.errors import NotFound
from cisterna.domain.month import month_of
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.services.delivery import PREFIX, ended_by, tell_delivery
from cisterna.services.sign_in import digest_secret

DAYS_TOLD = timedelta(days=62)
"""How long it is told, after a month, which file was taken on which of its days."""
_FOLDED_AT_ONCE = 10_000
_LONGEST_SECRET = 200
_NOT_GOOD = "this address is not good, or no longer; ask whoever gave it to you for another"


class OpenDelivery(NamedTuple):
    """A delivery that is good now, and what it is of."""

    delivery: Delivery
    version: Version
    dataset: Dataset


def open_delivery(secret: str, *, catalogue: Catalogue, clock: Clock) -> OpenDelivery:
    """Find what a secret opens; whether it still may be had is judged at every use.

    The secret is looked up by its digest, so that the time which a wrong one takes tells nothing of right ones.

    Raises:
        NotFound: The secret is unknown, or its delivery expired, was revoked, or is not for this recipient any more;
            all in the same words.
    """
    with catalogue.begin() as tx:
        return _opened(tx, secret, clock=clock)


def note_use(delivery: Delivery, path: str, *, bytes_sent: int, catalogue: Catalogue, clock: Clock) -> None:
    """Put on record what was taken of a file; an empty path stands for pages and lists.

    An erasure may have taken the delivery away meanwhile: then nothing of it is kept.
    """
    use = DeliveryUse.of(delivery, path, bytes_sent=bytes_sent, at=clock.now())
    try:
        with catalogue.begin() as tx:
            tx.deliveries.note_use(use)
    except NotFound:
        return


def fold_uses(*, catalogue: Catalogue, clock: Clock) -> int:
    """Put what was taken in months that are long over together, by delivery and month, and tell how many rows went.

    A delivery of a hundred thousand files else leaves as many rows a day for ever. Usage is told by months, so that its
    numbers stay as they are; of each month the days are told for `DAYS_TOLD` after its end. A second run finds none.
    """
    before, folded = month_of(clock.now() - DAYS_TOLD).begin.date(), 0
    while True:
        with catalogue.begin() as tx:
            count = tx.deliveries.fold_uses(before=before, limit=_FOLDED_AT_ONCE)
        folded += count
        if count < _FOLDED_AT_ONCE:
            return folded


def acknowledge_delivery(secret: str, *, catalogue: Catalogue, clock: Clock) -> Delivery:
    """Record that the recipient checked what they got; again changes nothing. Raises `NotFound` as `open_delivery`."""
    with catalogue.begin() as tx:
        found = _opened(tx, secret, clock=clock)
        delivery = tx.deliveries.get(found.delivery.delivery_id)
        if delivery.acknowledged_at is not None:
            return delivery
        said = delivery.model_copy(update={"acknowledged_at": clock.now()})
        tx.deliveries.put(said)
        tell_delivery(
            tx, "delivery.acknowledged", said, found.version, found.dataset, clock=clock, person=delivery.person
        )
    return said


def _opened(tx: Transaction, secret: str, *, clock: Clock) -> OpenDelivery:
    is_ours = secret.startswith(PREFIX) and len(secret) <= _LONGEST_SECRET
    delivery = tx.deliveries.by_key(digest_secret(secret)) if is_ours else None
    if delivery is None or not delivery.state(now=clock.now()).is_good:
        raise NotFound(_NOT_GOOD)
    version = tx.datasets.get_version(delivery.version_id)
    dataset = tx.datasets.get(version.dataset_id)
    if ended_by(tx, delivery, version, dataset, clock=clock) is not None:
        raise NotFound(_NOT_GOOD)
    return OpenDelivery(delivery, version, dataset)
