"""API tokens: secrets with which scripts act as an account."""

from __future__ import annotations

from datetime import timedelta

from cisterna.domain.account import Account, ApiToken, Role
from cisterna.domain.errors import InvalidInput, NotFound, NotSignedIn
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.clock import Clock
from cisterna.ports.password import Passwords
from cisterna.services.account import require_role
from cisterna.services.sign_in import digest_secret

PREFIX = "cist_"
"""Lets secret scanners know our tokens."""

_LONGEST_LIFETIME = timedelta(days=366)
_LONGEST_TOKEN = 200


def issue_token(
    account: str,
    *,
    label: str,
    by: Account,
    catalogue: Catalogue,
    clock: Clock,
    passwords: Passwords,
    lifetime: timedelta | None = timedelta(days=90),
) -> tuple[str, ApiToken]:
    """Make a token for oneself, or as an administrator for anybody; its secret is shown this once and kept nowhere.

    Args:
        account: Whose name it acts in.
        label: What it is for, in the words of whoever asks.
        by: Who asks.
        catalogue: Keeps the token's digest.
        clock: Dates it.
        passwords: Makes the secret.
        lifetime: How long it is good; None for ever, which only an administrator may ask for.

    Raises:
        Forbidden, NotFound, InvalidInput: `by` may not, the account is not known or deactivated, or a field is wrong.
    """
    if by.name != account or lifetime is None:
        require_role(by, Role.ADMIN, project=None)
    text = label.strip()
    if not 0 < len(text) <= 100 or not text.isprintable():
        raise InvalidInput("a token's label has 1 to 100 printable characters; say what it is for", field="label")
    if lifetime is not None and not timedelta(0) < lifetime <= _LONGEST_LIFETIME:
        raise InvalidInput("a token lives up to 366 days; ask for less, and renew it", field="lifetime")
    secret, now = PREFIX + passwords.new_secret(), clock.now()
    token = ApiToken(
        token_id=clock.new_id(),
        secret_sha256=digest_secret(secret),
        account=account,
        label=text,
        created_at=now,
        expires_at=None if lifetime is None else now + lifetime,
    )
    with catalogue.begin() as tx:
        owner = tx.accounts.find(account)
        if owner is None or not owner.active:
            raise NotFound(f"no active account {account!r:.80}", account=account[:80])
        tx.accounts.put_token(token)
    return secret, token


def authenticate_token(secret: str, *, catalogue: Catalogue, clock: Clock) -> Account:
    """Tell whose token it is.

    Raises:
        NotSignedIn: It is unknown, revoked or expired, or its account was deactivated.
    """
    if secret.startswith(PREFIX) and len(secret) <= _LONGEST_TOKEN:
        with catalogue.begin() as tx:
            token = tx.accounts.find_token(digest_secret(secret))
            account = tx.accounts.find(token.account) if token else None
        is_good = token and token.revoked_at is None and (token.expires_at is None or clock.now() < token.expires_at)
        if is_good and account and account.active:
            return account
    raise NotSignedIn("the API token is not good, or no longer; issue another")


def revoke_token(token_id: str, *, account: str, by: Account, catalogue: Catalogue, clock: Clock) -> ApiToken:
    """End a token of one's own, or as an administrator anybody's; twice is no error. Raises `NotFound`, `Forbidden`."""
    if by.name != account:
        require_role(by, Role.ADMIN, project=None)
    with catalogue.begin() as tx:
        found = next((token for token in tx.accounts.tokens(account) if token.token_id == token_id), None)
        if found is None:
            raise NotFound(f"'{account}' has no token {token_id!r:.80}", account=account, token_id=token_id[:80])
        if found.revoked_at is not None:
            return found
        revoked = found.model_copy(update={"revoked_at": clock.now()})
        tx.accounts.put_token(revoked)
    return revoked
