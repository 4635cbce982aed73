"""The one-time link by which the first administrator comes in."""

from __future__ import annotations

from datetime import timedelta

from cisterna.domain.account import Account, Grant, Role, SetupLink
from cisterna.domain.errors import AlreadyExists, NotSignedIn
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.ports.password import Passwords
from cisterna.services.account import build_account
from cisterna.services.sign_in import digest_secret

LINK_LIFETIME = timedelta(hours=24)
_LONGEST_SECRET = 200
_ADMIN = Grant(role=Role.ADMIN)


def issue_setup_link(*, catalogue: Catalogue, clock: Clock, passwords: Passwords) -> str | None:
    """Return the path of a fresh link, `/setup/<secret>`, or None when an administrator can sign in already.

    Call it at every start: links of earlier starts stop working, since their secrets are kept nowhere.
    """
    secret, now = passwords.new_secret(), clock.now()
    with catalogue.begin() as tx:
        if _has_administrator(tx):
            return None
        tx.accounts.retire_setup_links(now=now)
        tx.accounts.put_setup_link(SetupLink(secret_sha256=digest_secret(secret), created_at=now))
    return f"/setup/{secret}"


def check_setup_link(secret: str, *, catalogue: Catalogue, clock: Clock) -> None:
    """Refuse a link that is not good. Raises `NotSignedIn`."""
    with catalogue.begin() as tx:
        _good_link(tx, secret, clock=clock)


def use_setup_link(
    secret: str,
    *,
    name: str,
    password: str,
    catalogue: Catalogue,
    clock: Clock,
    passwords: Passwords,
    full_name: str = "",
    email: str | None = None,
) -> Account:
    """Create the first administrator and use the link up, in one transaction; of two who try at once one wins.

    The administrator of the command line may take the link to get a password.

    Raises:
        NotSignedIn: The link is unknown, used, too old, or an administrator is there already.
        InvalidInput: The name or the password does not do; the link stays good.
        AlreadyExists: The name belongs to somebody else; the link stays good.
    """
    check_setup_link(secret, catalogue=catalogue, clock=clock)  # before the hash, which costs
    account = build_account(
        name,
        password=password,
        full_name=full_name,
        email=email,
        grants=(_ADMIN,),
        clock=clock,
        passwords=passwords,
    )
    with catalogue.begin() as tx:
        link = _good_link(tx, secret, clock=clock)
        present = tx.accounts.find(account.name)
        if present is None:
            tx.accounts.add(account)
        elif present.password_hash is None and present.has_role(Role.ADMIN, project=None):
            account = present.model_copy(
                update={"password_hash": account.password_hash, "full_name": account.full_name or present.full_name}
            )
            tx.accounts.save(account)
        else:
            raise AlreadyExists(f"an account '{account.name}' is there already; choose another name", name=account.name)
        tx.accounts.put_setup_link(link.model_copy(update={"used_at": clock.now()}))
    return account


def _good_link(tx: Transaction, secret: str, *, clock: Clock) -> SetupLink:
    link = tx.accounts.find_setup_link(digest_secret(secret)) if 0 < len(secret) <= _LONGEST_SECRET else None
    if link is None or link.used_at or clock.now() >= link.created_at + LINK_LIFETIME or _has_administrator(tx):
        raise NotSignedIn("the set-up link is not good, or no longer; `cisterna up` shows one that is")
    return link


def _has_administrator(tx: Transaction) -> bool:
    return any(
        account.password_hash is not None and account.has_role(Role.ADMIN, project=None)
        for account in tx.accounts.list()
    )
