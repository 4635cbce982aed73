"""Says what is wanted of places outside: when a version becomes public, when somebody asks, when it is taken back."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from pydantic import JsonValue

from cisterna.domain.access import Extent
from cisterna.domain.dataset import Dataset, Version
from cisterna.domain.deposit import (
    DepositState,
    DepositWish,
    begun_again,
    deposit_key,
    once_public,
    own_doi,
    shown_anew,
    to_withdraw,
)
from cisterna.domain.errors import Forbidden, NotFound, PublicationRefused
from cisterna.domain.permission import may_withdraw
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.services.person import require_account, visible_version
from cisterna.services.public_record import standing
from cisterna.services.transition import announce

RESTRICTED_AGAIN = "Access to it is restricted at present."
"""For the public to read, in the place of what was there: it tells nothing of what is not public."""


def new_wish(
    version: Version, dataset: Dataset, target: str, *, person: str, next_at: datetime | None, now: datetime
) -> DepositWish:
    """Want a version at a target, of which nothing is wanted there yet."""
    return DepositWish(
        key=deposit_key(version.version_id, target=target),
        dataset_id=dataset.dataset_id,
        pid=dataset.pid,
        version_id=version.version_id,
        version=version.label,
        target=target,
        asked_by=person,
        next_at=next_at,
        created_at=now,
        changed_at=now,
    )


def want_deposits(
    tx: Transaction, version: Version, dataset: Dataset, targets: Sequence[str], *, person: str, clock: Clock
) -> None:
    """Let a version that has just become public go to these targets, in the transaction that makes it public."""
    now = clock.now()
    for target in targets:
        known = tx.deposits.find(deposit_key(version.version_id, target=target))
        tx.deposits.put(
            once_public(known, now=now)
            if known
            else new_wish(version, dataset, target, person=person, next_at=now, now=now)
        )


def request_deposit(
    version_id: str, target: str, *, targets: Collection[str], person: str, catalogue: Catalogue, clock: Clock
) -> DepositWish:
    """Ask for a public version to go to a target, or to go on with what was given up there; again is harmless.

    Args:
        version_id: A public version.
        target: Name of a target.
        targets: Those that there are.
        person: Account name of the project's owner or of a steward.
        catalogue: Keeps it.
        clock: Dates it.

    Raises:
        Forbidden: The person may not.
        NotFound: There is no such target or version.
        PublicationRefused: The version is not public.
    """
    if target not in targets:
        msg = f"there is no target '{target[:63]}'; there are: {', '.join(sorted(targets)) or 'none'}"
        raise NotFound(msg, target=target[:63])
    with catalogue.begin() as tx:
        account = require_account(tx, person)
        version, dataset, project = visible_version(tx, version_id, account)
        if not may_withdraw(account, project):
            msg = f"{person} may not send {version_id} to {target}; the project's owner or a steward may"
            raise Forbidden(msg, person=person, version_id=version_id)
        tx.datasets.lock(dataset.dataset_id)
        publication = standing(tx.datasets.publications(version_id))
        if publication is None or not publication.is_shown:
            msg = f"{version_id} is not public, and only what is goes to {target}; publish it first"
            raise PublicationRefused(msg, version_id=version_id)
        now = clock.now()
        known = tx.deposits.find(deposit_key(version_id, target=target))
        wish = (
            begun_again(known, extent=publication.extent, person=person, now=now)
            if known
            else new_wish(version, dataset, target, person=person, next_at=now, now=now)
        )
        tx.deposits.put(wish)
        return wish


def withdraw_deposits(
    tx: Transaction,
    dataset_id: str,
    *,
    version_id: str | None,
    reason: str,
    keeps_description: bool,
    is_erased: bool = False,
    clock: Clock,
) -> None:
    """Want a version, or all of a dataset, withdrawn wherever it went, in the transaction that takes it back here.

    Args:
        tx: Of what makes it necessary.
        dataset_id: Of the version.
        version_id: None for all.
        reason: For the public to read.
        keeps_description: Whether the description stays public: then it may stay there too, without its files.
        is_erased: Whether the description may stay nowhere, not even where it is hidden already.
        clock: Dates it.
    """
    for one in tx.deposits.of(dataset_id):
        if version_id is None or one.version_id == version_id:
            held = tx.deposits.find(one.key) or one
            wanted = {"keeps_description": keeps_description, "is_erased": is_erased}
            tx.deposits.put(to_withdraw(held, reason, **wanted, now=clock.now()))


def want_deposits_again(tx: Transaction, dataset_id: str, *, version_id: str, extent: Extent, clock: Clock) -> None:
    """Let a version of which more is public now go again wherever it went, in the transaction that shows it."""
    for one in tx.deposits.of(dataset_id):
        if one.version_id == version_id:
            held = tx.deposits.find(one.key) or one
            tx.deposits.put(shown_anew(held, extent=extent, now=clock.now()))


def deposits_of(tx: Transaction, version: Version) -> tuple[DepositWish, ...]:
    """Give what is wanted of a version, oldest first."""
    return tuple(one for one in tx.deposits.of(version.dataset_id) if one.version_id == version.version_id)


def reserved_doi(tx: Transaction, version: Version, targets: Sequence[str]) -> str | None:
    """Give the DOI that is a version's own: reserved at one of the targets that its project names.

    What a repository gave it is no such one, and the draft at a target that is named no longer never leads anywhere.
    """
    return own_doi(one for one in deposits_of(tx, version) if one.target in targets)


def unreserved(tx: Transaction, version: Version) -> tuple[DepositWish, ...]:
    """Give the wishes whose identifiers a version waits for before it can be made public."""
    return tuple(
        one
        for one in deposits_of(tx, version)
        if one.next_at is None and one.doi is None and one.state in {DepositState.WANTED, DepositState.FAILED}
    )


def tell_deposit(tx: Transaction, name: str, wish: DepositWish, *, clock: Clock) -> None:
    """Append the event that tells what has become of a version at a target."""
    data: dict[str, JsonValue] = {
        "dataset_id": wish.dataset_id,
        "version": wish.version,
        "key": wish.key,
        "target": wish.target,
        "state": wish.state.value,
        "deposit": wish.deposit.model_dump(mode="json") if wish.deposit else None,
        "reason": wish.problem or wish.reason,
    }
    announce(tx, name, wish.version_id, project=tx.datasets.get(wish.dataset_id).project, clock=clock, data=data)
