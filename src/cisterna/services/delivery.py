"""Delivers a version to a person or a guest: makes the delivery, lists deliveries, and ends one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from pydantic import JsonValue, TypeAdapter, ValidationError

from cisterna.domain.access import Extent
from cisterna.domain.account import Account, Role
from cisterna.domain.base import Value
from cisterna.domain.dataset import Dataset, Version
from cisterna.domain.delivery import (
    LONGEST_REASON,
    Delivery,
    DeliveryKey,
    DeliveryRules,
    DeliveryState,
    DeliveryUse,
    GuestMail,
    delivery_bars,
    lifetime_of,
    may_deliver,
    still_bars,
)
from cisterna.domain.errors import DeliveryRefused, Forbidden, InvalidInput, NotFound
from cisterna.domain.project import Project
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.ports.password import Passwords
from cisterna.services.disclosure import access_now, project_of
from cisterna.services.person import require_account, visible_version
from cisterna.services.quarantine import is_given_up
from cisterna.services.sign_in import digest_secret
from cisterna.services.transition import announce

PREFIX = "cistd_"
"""Lets secret scanners know the secrets of deliveries."""
ADDRESS = "/delivered/"
"""What the path of a delivery's address begins with; the secret follows."""

_GUEST_MAIL: TypeAdapter[str] = TypeAdapter(GuestMail)
_MOST_LISTED = 1000
_USES_SHOWN = 200


class DeliveryRow(Value):
    """A delivery as it is listed."""

    delivery: Delivery
    state: DeliveryState
    title: str
    project: str | None
    uses: tuple[DeliveryUse, ...] = ()


def deliver_version(
    version_id: str,
    *,
    to: str,
    person: str,
    rules: DeliveryRules,
    days: int | None = None,
    reason: str | None = None,
    with_link: bool = False,
    copy_to: str | None = None,
    catalogue: Catalogue,
    clock: Clock,
    passwords: Passwords,
) -> tuple[Delivery, str | None]:
    """Give somebody a version by an address that expires; return the delivery, and that address's path if asked for.

    While a delivery to the same recipient stands, asking again is the same delivery: nothing is mailed twice and it
    does not live longer. `with_link` then gives a further address of it.

    Args:
        version_id: Of a version whose archived copy was read back.
        to: Account name of somebody who may see the project's data, or the mail address of a guest.
        person: Account name of the project's owner or of a steward of it.
        rules: Of the site.
        days: How long the address is good; None for as long as the site's rules say.
        reason: Why, in words; what nobody accepted, what is in quarantine, and what is not open and goes to a guest
            take one.
        with_link: Return the address, which is shown this once, instead of mailing it.
        copy_to: Folder that a copy is made in by `services.hand_over`, after which the recipient is told.
        catalogue: Keeps it, with an event.
        clock: Dates it.
        passwords: Makes the secret.

    Raises:
        DeliveryRefused: A condition is not met; the message names each.
        Forbidden: The person may not deliver.
        InvalidInput: A value does not have its form, or the address cannot reach the recipient by mail.
        NotFound: There is no such version or account, or the person may not know of it.
    """
    words = _words(reason)
    with catalogue.begin() as tx:
        account, version, dataset, project = _deliverable(tx, version_id, person)
        recipient, guest = _recipient(tx, to)
        _require_way(recipient, to=to, rules=rules, with_link=with_link)
        is_free = is_open(tx, version, dataset, clock=clock)
        _require_allowed(tx, version, project, is_open=is_free, recipient=recipient, by=account, reason=words)
        tx.datasets.lock(dataset.dataset_id)  # of two who deliver to the same recipient at once, one finds the other's
        standing = _standing(tx, version_id, to=to, copy_to=copy_to, now=clock.now())
        lets_in = guest is not None and not is_free
        delivery = (
            _asked_again(standing, by_mail=not with_link, lets_guest_in=lets_in, reason=words)
            if standing is not None
            else Delivery(
                delivery_id=clock.new_id(),
                version_id=version_id,
                person=recipient.name if recipient else None,
                guest=guest,
                by=account.name,
                reason=words,
                lets_guest_in=lets_in,
                delivered_at=clock.now(),
                expires_at=clock.now() + _lifetime(days, rules),
                by_mail=not with_link,
                copy_to=copy_to,
            )
        )
        if delivery != standing:
            tx.deliveries.put(delivery)
            tell_delivery(tx, "delivery.made", delivery, version, dataset, clock=clock, person=account.name)
        path = add_key(tx, delivery, clock=clock, passwords=passwords)[0] if with_link else None
    return delivery, path


def add_key(tx: Transaction, delivery: Delivery, *, clock: Clock, passwords: Passwords) -> tuple[str, DeliveryKey]:
    """Make a secret that opens a delivery; return the path with it, which is kept nowhere, and the key."""
    secret = PREFIX + passwords.new_secret()
    key = DeliveryKey(
        secret_sha256=digest_secret(secret),
        delivery_id=delivery.delivery_id,
        version_id=delivery.version_id,
        made_at=clock.now(),
    )
    tx.deliveries.add_key(key)
    return ADDRESS + secret, key


def revoke_delivery(delivery_id: str, *, person: str, catalogue: Catalogue, clock: Clock) -> Delivery:
    """End a delivery at once; twice is no error. A copy that was made for it stays where it is.

    Raises:
        Forbidden: The person is neither the project's owner nor a steward of it.
        NotFound: There is no such delivery, or the person may not know of it.
    """
    with catalogue.begin() as tx:
        try:
            delivery = tx.deliveries.get(delivery_id)
            account, version, dataset, _ = _deliverable(tx, delivery.version_id, person)
        except NotFound as unknown:  # the same words, whether there is none or this person may not know of it
            raise NotFound("there is no such delivery; `cisterna deliveries` shows those there are") from unknown
        if delivery.revoked_at is not None:
            return delivery
        revoked = delivery.model_copy(update={"revoked_at": clock.now(), "revoked_by": account.name})
        tx.deliveries.put(revoked)
        tell_delivery(tx, "delivery.revoked", revoked, version, dataset, clock=clock, person=account.name)
    return revoked


def list_deliveries(
    *,
    account: Account,
    catalogue: Catalogue,
    clock: Clock,
    version_id: str | None = None,
    standing: bool = True,
    with_uses: bool = False,
) -> Sequence[DeliveryRow]:
    """Give the deliveries of data that a person may deliver, newest first; those that ended only when asked for.

    Args:
        account: Who asks.
        catalogue: Where they are.
        clock: Tells which have expired.
        version_id: Of this version alone.
        standing: Only those that are prepared or whose address is good.
        with_uses: With what was taken of each, latest first.
    """
    now, rows = clock.now(), []
    with catalogue.begin() as tx:
        projects = frozenset(one.slug for one in tx.projects.list() if may_deliver(account, one))
        found = (
            tx.deliveries.list(projects=projects, good_at=now if standing else None, limit=_MOST_LISTED)
            if version_id is None
            else [*reversed(tx.deliveries.of(version_id))]
        )
        for delivery in found:
            state = delivery.state(now=now)
            if standing and state in {DeliveryState.EXPIRED, DeliveryState.REVOKED}:
                continue
            dataset = tx.datasets.get(delivery.version_id.partition(":")[0])
            if dataset.project not in projects:
                continue
            uses = tx.deliveries.uses(delivery.delivery_id, limit=_USES_SHOWN) if with_uses else ()
            rows.append(
                DeliveryRow(
                    delivery=delivery, state=state, title=dataset.title, project=dataset.project, uses=tuple(uses)
                )
            )
    return rows


def is_open(tx: Transaction, version: Version, dataset: Dataset, *, clock: Clock) -> bool:
    """Tell whether everybody may have the files today.

    As for publication, the project, every newer description, and all that the data were made from have a word.
    """
    return access_now(tx, version, dataset, clock=clock).extent is Extent.FILES


def ended_by(tx: Transaction, delivery: Delivery, version: Version, dataset: Dataset, *, clock: Clock) -> str | None:
    """Say what has come between a delivery and its use since it was made, as everything stands now; None is nothing."""
    return still_bars(
        delivery,
        project_of(tx, dataset),
        is_given_up=is_given_up(tx, version),
        is_open=is_open(tx, version, dataset, clock=clock),
        recipient=tx.accounts.find(delivery.person) if delivery.person else None,
    )


def tell_delivery(
    tx: Transaction,
    name: str,
    delivery: Delivery,
    version: Version,
    dataset: Dataset,
    *,
    clock: Clock,
    person: str | None,
    **more: JsonValue,
) -> None:
    """Append the event of what became of a delivery. It names no guest: their address goes to nobody else."""
    data: dict[str, JsonValue] = {
        "delivery_id": delivery.delivery_id,
        "version_id": version.version_id,
        "dataset_id": dataset.dataset_id,
        "project": dataset.project,
        "to": delivery.person or "a guest",
        "by": delivery.by,
        "person": person,
        "reason": delivery.reason,
        "expires_at": delivery.expires_at.isoformat(),
        **more,
    }
    announce(tx, name, version.version_id, project=dataset.project, clock=clock, data=data, version=version)


def _deliverable(tx: Transaction, version_id: str, person: str) -> tuple[Account, Version, Dataset, Project | None]:
    account = require_account(tx, person)
    version, dataset, project = visible_version(tx, version_id, account)
    if not (may_deliver(account, project) or (project is None and account.has_role(Role.STEWARD, project=None))):
        msg = f"{person} may not deliver {version_id}, nor end its deliveries; the project's owner or a steward may"
        raise Forbidden(msg, person=person, version_id=version_id)
    return account, version, dataset, project


def _require_allowed(
    tx: Transaction,
    version: Version,
    project: Project | None,
    *,
    is_open: bool,
    recipient: Account | None,
    by: Account,
    reason: str | None,
) -> None:
    """Refuse what may not be delivered so. Raises `DeliveryRefused` with every condition that is not met."""
    subjects = (version.version_id, *(part.version_id for part in version.parts))
    bars = delivery_bars(
        version,
        project,
        receipts=[receipt for subject in subjects for receipt in tx.datasets.receipts(subject)],
        is_given_up=is_given_up(tx, version),
        is_open=is_open,
        recipient=recipient,
        by=by,
        reason=reason,
    )
    if bars:
        words = "; ".join(f"{bar.condition} ({bar.remedy})" for bar in bars)
        msg = f"{version.version_id} may not be delivered so: {words}"
        raise DeliveryRefused(msg, version_id=version.version_id, conditions=[bar.condition for bar in bars])


def _recipient(tx: Transaction, to: str) -> tuple[Account | None, str | None]:
    """Tell whom a delivery is for: an active account, or a guest by mail address."""
    if "@" in to:
        try:
            return None, _GUEST_MAIL.validate_python(to)
        except ValidationError as error:
            msg = f"{to[:80]!a} is not a mail address that a delivery can go to; write it as name@example.org"
            raise InvalidInput(msg, field="to") from error
    account = tx.accounts.find(to) if to.isprintable() else None
    if account is None or not account.active:
        msg = f"there is no active account {to[:80]!a}; name one that there is, or the mail address of a guest"
        raise NotFound(msg, account=to[:80])
    return account, None


def _require_way(recipient: Account | None, *, to: str, rules: DeliveryRules, with_link: bool) -> None:
    """Refuse a delivery that nobody would be told of."""
    if with_link:
        return
    if not rules.mails:
        msg = "no mail server is set (mail.host), so nobody would be told; add --print-link and pass the address on"
        raise InvalidInput(msg, field="to")
    if recipient is not None and not recipient.email:
        msg = f"the account {to} has no mail address; add --print-link and pass the address on, or give it one"
        raise InvalidInput(msg, field="to")


def _standing(tx: Transaction, version_id: str, *, to: str, copy_to: str | None, now: datetime) -> Delivery | None:
    """Find the delivery to that recipient that has not ended; nobody else changes it until the transaction ends."""
    for found in tx.deliveries.of(version_id):
        if (found.recipient, found.copy_to) != (to, copy_to):
            continue
        delivery = tx.deliveries.get(found.delivery_id)
        if delivery.state(now=now) not in {DeliveryState.EXPIRED, DeliveryState.REVOKED}:
            return delivery
    return None


def _asked_again(standing: Delivery, *, by_mail: bool, lets_guest_in: bool, reason: str | None) -> Delivery:
    """Give a delivery that stands what it lacks.

    That is a mail, also in place of one that was given up, or the owner's word for data that were closed since.
    """
    lacks: dict[str, object] = {}
    if by_mail and not standing.by_mail:
        lacks["by_mail"] = True
    if by_mail and standing.mail_given_up_at is not None:
        lacks |= {"mail_refusals": 0, "mail_given_up_at": None, "mail_problem": None}
    if lets_guest_in and not standing.lets_guest_in:
        lacks |= {"lets_guest_in": True, "reason": reason}
    return standing.model_copy(update=lacks)


def _lifetime(days: int | None, rules: DeliveryRules) -> timedelta:
    lifetime = lifetime_of(days, rules)
    if lifetime is None:
        msg = f"a delivery lives 1 to {rules.most_days} days; ask for less, or raise deliver.most_days"
        raise InvalidInput(msg, field="days")
    return lifetime


def _words(reason: str | None) -> str | None:
    words = (reason or "").strip()
    if len(words) > LONGEST_REASON:
        msg = f"a reason has at most {LONGEST_REASON:,} characters; shorten it"
        raise InvalidInput(msg, field="reason")
    return words or None
