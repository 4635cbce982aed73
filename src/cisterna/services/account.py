"""People: who they are, what they may do, and who may change that."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from pydantic import ValidationError

from cisterna.domain.account import Account, Grant, Role
from cisterna.domain.errors import Forbidden, InvalidInput, NotFound, NotSignedIn
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.ports.password import Passwords

SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 256
_EMAIL = re.compile(r"[^@\s\x00-\x1f<>,;]{1,64}@[A-Za-z0-9.-]{1,190}")


def require_role(account: Account | None, role: Role, *, project: str | None) -> Account:
    """Return the account if it may act in that role.

    Args:
        account: None when nobody is signed in.
        role: The least that is needed.
        project: Where; None asks for the role everywhere.

    Raises:
        NotSignedIn: Nobody is signed in.
        Forbidden: The person has less than that role there, or is deactivated.
    """
    if account is None:
        raise NotSignedIn("nobody is signed in; sign in, or send an API token")
    if not account.has_role(role, project=project):
        place = f"project '{project}'" if project else "every project"
        msg = f"'{account.name}' needs the role {role.value} in {place}; an administrator can grant it"
        raise Forbidden(msg, account=account.name, role=role.value, project=project)
    return account


def create_account(
    name: str,
    *,
    by: Account,
    catalogue: Catalogue,
    clock: Clock,
    passwords: Passwords,
    password: str | None = None,
    full_name: str = "",
    email: str | None = None,
    grants: Sequence[Grant] = (),
) -> Account:
    """Create an account; without a password it can only use API tokens.

    Raises:
        Forbidden: `by` is no administrator.
        InvalidInput: A field does not have its form, or the password is too weak.
        NotFound: A grant names an unknown project.
        AlreadyExists: The name is taken.
    """
    require_role(by, Role.ADMIN, project=None)
    account = build_account(
        name, password=password, full_name=full_name, email=email, grants=grants, clock=clock, passwords=passwords
    )
    with catalogue.begin() as tx:
        _require_projects(tx, account.grants)
        tx.accounts.add(account)
    return account


def build_account(
    name: str,
    *,
    password: str | None,
    full_name: str,
    email: str | None,
    grants: Sequence[Grant],
    clock: Clock,
    passwords: Passwords,
) -> Account:
    """Check what a person typed and make an account of it, without keeping it. Raises `InvalidInput`."""
    if email is not None and not _EMAIL.fullmatch(email):
        msg = f"{email!r:.80} is not an e-mail address; write it as name@example.org"
        raise InvalidInput(msg, field="email")
    if len(full_name) > 200 or not full_name.isprintable():
        raise InvalidInput("a full name has at most 200 printable characters; shorten it", field="full_name")
    try:
        account = Account(
            name=name,
            full_name=full_name.strip(),
            email=email,
            grants=tuple(dict.fromkeys(grants)),
            created_at=clock.now(),
        )
    except ValidationError as error:
        msg = f"{name!r:.80} is not an account name; use a-z, 0-9, '.', '_' and '-', at most 63 characters"
        raise InvalidInput(msg, field="name") from error
    if password is None:
        return account
    return account.model_copy(update={"password_hash": hash_password(password, name=name, passwords=passwords)})


def hash_password(password: str, *, name: str, passwords: Passwords) -> str:
    """Refuse a password that is easily guessed, and hash the others. Raises `InvalidInput`."""
    text = normal_password(password)
    if text is None or len(text) < SHORTEST_PASSWORD:
        msg = f"a password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters; a few unrelated words do well"
        raise InvalidInput(msg, field="password")
    if len(set(text.casefold())) < 5 or (name and name.casefold() in text.casefold() and len(text) < 2 * len(name) + 8):
        msg = "that password is easily guessed; take a few unrelated words"
        raise InvalidInput(msg, field="password")
    return passwords.hash(text)


def normal_password(password: str) -> str | None:
    """Bring a password to Unicode's NFKC form, as NIST SP 800-63B asks; None when it cannot be a password of ours."""
    if not 0 < len(password) <= LONGEST_PASSWORD:
        return None
    text = unicodedata.normalize("NFKC", password)
    if len(text) > 4 * LONGEST_PASSWORD or any("\ud800" <= character <= "\udfff" for character in text):
        return None
    return text


def set_password(name: str, *, password: str, by: Account, catalogue: Catalogue, passwords: Passwords) -> None:
    """Set one's own password, or as an administrator anybody's; every session of that account ends.

    Raises:
        Forbidden, InvalidInput, NotFound: As in `create_account`.
    """
    if by.name != name:
        require_role(by, Role.ADMIN, project=None)
    password_hash = hash_password(password, name=name, passwords=passwords)
    with catalogue.begin() as tx:
        account = _known(tx.accounts.list_for_change(), name)
        tx.accounts.save(account.model_copy(update={"password_hash": password_hash}))
        tx.accounts.drop_sessions(account=name)


def add_grant(name: str, *, grant: Grant, by: Account, catalogue: Catalogue) -> Account:
    """Give a role, in one project or everywhere; the same again changes nothing.

    Raises:
        Forbidden: `by` is no administrator there.
        NotFound: The account or the project is not known.
    """
    require_role(by, Role.ADMIN, project=grant.project)
    with catalogue.begin() as tx:
        _require_projects(tx, [grant])
        account = _known(tx.accounts.list_for_change(), name)
        changed = account.model_copy(update={"grants": tuple(dict.fromkeys((*account.grants, grant)))})
        tx.accounts.save(changed)
    return changed


def remove_grant(name: str, *, grant: Grant, by: Account, catalogue: Catalogue) -> Account:
    """Take a role away; one that the account does not have is no error.

    Raises:
        Forbidden: `by` is no administrator there, or nobody would be administrator any more.
        NotFound: The account is not known.
    """
    require_role(by, Role.ADMIN, project=grant.project)
    with catalogue.begin() as tx:
        accounts = tx.accounts.list_for_change()
        account = _known(accounts, name)
        left = tuple(kept for kept in account.grants if kept != grant)
        changed = account.model_copy(update={"grants": left})
        _require_administrator(accounts, instead=changed)
        tx.accounts.save(changed)
    return changed


def set_active(name: str, *, active: bool, by: Account, catalogue: Catalogue) -> Account:
    """Deactivate an account, which ends its sessions and its tokens' use and keeps its decisions; or bring it back.

    Raises:
        Forbidden: `by` is no administrator, or nobody would be administrator any more.
        NotFound: The account is not known.
    """
    require_role(by, Role.ADMIN, project=None)
    with catalogue.begin() as tx:
        accounts = tx.accounts.list_for_change()
        changed = _known(accounts, name).model_copy(update={"active": active})
        _require_administrator(accounts, instead=changed)
        tx.accounts.save(changed)
        if not active:
            tx.accounts.drop_sessions(account=name)
    return changed


def ensure_local_account(user: str, *, catalogue: Catalogue, clock: Clock) -> Account:
    """Return the account as which the operating system's user of the home decides: administrator, without a password.

    Whoever may run `cisterna` on a home could change its database anyway. An account of that name that has less is
    lent the role for this call only, so that signing in to the dashboard with it gives no more than before.

    Args:
        user: Name at the operating system; what a name of ours cannot hold becomes `-`.
        catalogue: Keeps the account.
        clock: Dates it.

    Raises:
        Forbidden: The account was deactivated.
    """
    name = re.sub(r"[^a-z0-9._-]+", "-", user.casefold()).strip("-._")[:63] or "operator"
    everything = Grant(role=Role.ADMIN)
    with catalogue.begin() as tx:
        account = tx.accounts.find(name)
        if account is None:
            account = Account(
                name=name,
                full_name=f"{name} at the command line",
                grants=(everything,),
                created_at=clock.now(),
            )
            tx.accounts.add(account)
    if not account.active:
        msg = f"the account '{name}' was deactivated; use another user of this machine, or have it brought back"
        raise Forbidden(msg, account=name)
    if account.has_role(Role.ADMIN, project=None):
        return account
    return account.model_copy(update={"grants": (*account.grants, everything)})


def _known(accounts: Sequence[Account], name: str) -> Account:
    for account in accounts:
        if account.name == name:
            return account
    raise NotFound(f"no account {name!r:.80}", account=name[:80])


def _require_projects(tx: Transaction, grants: Sequence[Grant]) -> None:
    for slug in {grant.project for grant in grants if grant.project is not None}:
        tx.projects.get(slug)


def _require_administrator(accounts: Sequence[Account], *, instead: Account) -> None:
    """Refuse a change after which nobody could administer."""
    others = (account for account in accounts if account.name != instead.name)
    if not any(account.has_role(Role.ADMIN, project=None) for account in (instead, *others)):
        msg = f"'{instead.name}' is the last administrator; make somebody else administrator first"
        raise Forbidden(msg, account=instead.name)
