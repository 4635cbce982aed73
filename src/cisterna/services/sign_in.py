"""Sessions of browsers: sign in, out, and who it is that asks."""

from __future__ import annotations

import hashlib
import hmac
from datetime import timedelta

from cisterna.domain.account import Account, Session
from cisterna.domain.base import Value
from cisterna.domain.errors import Forbidden, NotSignedIn, Throttled
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.ports.password import Passwords
from cisterna.services.account import normal_password

SESSION_LIFETIME = timedelta(hours=12)
THROTTLE_WINDOW = timedelta(minutes=15)
FAILURES_OF_A_NAME = 8
FAILURES_OF_A_CLIENT = 40
_LONGEST_SECRET = 200
_WRONG = "that name and password do not belong together; try again, or ask an administrator"


class SignedIn(Value):
    """A person and the session that brought them."""

    account: Account
    session: Session


def digest_secret(secret: str) -> str:
    """Return the SHA-256 of a secret of ours; of 256 random bits, so that nothing slower is needed."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def sign_in(
    name: str,
    *,
    password: str,
    catalogue: Catalogue,
    clock: Clock,
    passwords: Passwords,
    client: str | None = None,
) -> tuple[str, SignedIn]:
    """Check a name and password; return the cookie's secret, which is kept nowhere, and the new session.

    Every attempt counts as failed until it succeeded, so that many at once gain nothing. Unknown names, accounts
    without a password and deactivated ones take as long and get the same answer as a wrong password.

    Args:
        name: As typed.
        password: As typed.
        catalogue: Knows accounts and keeps sessions.
        clock: Dates the session.
        passwords: Judges the password.
        client: Address it came from, when it is known.

    Raises:
        NotSignedIn: They do not belong together.
        Throttled: Too many attempts failed for that name or from that client.
    """
    known_as = name.strip().casefold()[:64]
    buckets = [_bucket("name", known_as)] + ([_bucket("client", client)] if client else [])
    with catalogue.begin() as tx:
        _count_attempt(tx, buckets, clock=clock)
        account = tx.accounts.find(known_as) if known_as.isascii() and known_as.isprintable() else None
    text = normal_password(password)
    is_right = passwords.verify(text or "", password_hash=account.password_hash if account else None)
    if account is None or not account.active or text is None or not is_right:
        raise NotSignedIn(_WRONG)
    secret, now = passwords.new_secret(), clock.now()
    session = Session(
        secret_sha256=digest_secret(secret),
        account=account.name,
        csrf=passwords.new_secret(),
        created_at=now,
        expires_at=now + SESSION_LIFETIME,
    )
    if account.password_hash and passwords.is_outdated(account.password_hash):
        account = _renew_hash(account, passwords.hash(text), catalogue=catalogue)
    with catalogue.begin() as tx:
        tx.accounts.forget_sign_in_failures(buckets[0])
        tx.accounts.drop_sessions(expired_before=now)
        tx.accounts.put_session(session)
    return secret, SignedIn(account=account, session=session)


def find_session(secret: str | None, *, catalogue: Catalogue, clock: Clock) -> SignedIn:
    """Tell who a cookie belongs to.

    Raises:
        NotSignedIn: There is no cookie, it is unknown or expired, or the account was deactivated.
    """
    if secret and len(secret) <= _LONGEST_SECRET:
        with catalogue.begin() as tx:
            session = tx.accounts.find_session(digest_secret(secret))
            account = tx.accounts.find(session.account) if session else None
        if session and account and account.active and clock.now() < session.expires_at:
            return SignedIn(account=account, session=session)
    raise NotSignedIn("the session has ended; sign in again")


def require_csrf(session: Session, given: str | None) -> None:
    """Refuse a change that did not come from a page of ours. Raises `Forbidden`."""
    if not given or not hmac.compare_digest(session.csrf.encode(), given.encode("utf-8", "surrogatepass")):
        raise Forbidden("the form is not one of this session; load the page again and repeat what you did")


def sign_out(secret: str, *, catalogue: Catalogue) -> None:
    """End a session; an unknown one is no error."""
    if len(secret) > _LONGEST_SECRET:
        return
    with catalogue.begin() as tx:
        tx.accounts.drop_sessions(secret_sha256=digest_secret(secret))


def _renew_hash(seen: Account, password_hash: str, *, catalogue: Catalogue) -> Account:
    """Keep the password under today's care, unless the account was changed since it was read."""
    with catalogue.begin() as tx:
        present = next((one for one in tx.accounts.list_for_change() if one.name == seen.name), None)
        if present != seen:
            return seen
        renewed = seen.model_copy(update={"password_hash": password_hash})
        tx.accounts.save(renewed)
    return renewed


def _bucket(kind: str, name: str) -> str:
    return f"{kind}:{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"


def _count_attempt(tx: Transaction, buckets: list[str], *, clock: Clock) -> None:
    """Count before looking, so that attempts at once gain nothing; one that is throttled is not counted itself."""
    now = clock.now()
    since = now - THROTTLE_WINDOW
    for bucket, most in zip(buckets, (FAILURES_OF_A_NAME, FAILURES_OF_A_CLIENT), strict=False):
        if tx.accounts.note_sign_in_failure(bucket, now=now, since=since) > most:
            seconds = int(THROTTLE_WINDOW.total_seconds())
            msg = f"too many attempts to sign in failed; wait {seconds // 60} minutes and try again"
            raise Throttled(msg, retry_after_seconds=seconds)
