"""People, sessions, tokens and failed sign-ins, in PostgreSQL; of every secret only a digest."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import case, delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from cisterna.adapters.catalogue_connection import Statements, body_of
from cisterna.adapters.catalogue_tables import accounts, api_tokens, sessions, setup_links, sign_in_failures
from cisterna.domain.account import Account, ApiToken, Session, SetupLink
from cisterna.domain.errors import AlreadyExists, NotFound

_MOST_BUCKETS = 10_000


class SqlAccounts:
    """Implements `ports.account.Accounts`."""

    def __init__(self, statements: Statements) -> None:
        self._sql = statements

    def add(self, account: Account) -> None:
        """Add it."""
        row = {"name": account.name, "body": body_of(account)}
        if not self._sql.run(insert(accounts).values(row).on_conflict_do_nothing()).rowcount:
            raise AlreadyExists(f"an account '{account.name}' is there already; choose another name", name=account.name)

    def save(self, account: Account) -> None:
        """Replace it."""
        change = update(accounts).where(accounts.c.name == account.name).values(body=body_of(account))
        if not self._sql.run(change).rowcount:
            raise NotFound(f"no account '{account.name}'", name=account.name)

    def find(self, name: str) -> Account | None:
        """Read one, if it is there."""
        body = self._sql.run(select(accounts.c.body).where(accounts.c.name == name)).scalar()
        return None if body is None else Account.model_validate_json(body)

    def list(self) -> Sequence[Account]:
        """By name."""
        found = self._sql.run(select(accounts.c.body).order_by(accounts.c.name)).scalars()
        return [Account.model_validate_json(body) for body in found]

    def list_for_change(self) -> Sequence[Account]:
        """By name, locked; in one order, so that two who do so wait for each other and never for ever."""
        wanted = select(accounts.c.body).order_by(accounts.c.name).with_for_update()
        return [Account.model_validate_json(body) for body in self._sql.run(wanted).scalars()]

    def put_session(self, session: Session) -> None:
        """Insert or replace."""
        put = insert(sessions).values(session.model_dump())
        change = {name: put.excluded[name] for name in ("account", "csrf", "created_at", "expires_at")}
        self._sql.run(put.on_conflict_do_update(index_elements=["secret_sha256"], set_=change))

    def find_session(self, secret_sha256: str) -> Session | None:
        """By the digest of the cookie's secret."""
        row = self._sql.run(select(sessions).where(sessions.c.secret_sha256 == secret_sha256)).mappings().one_or_none()
        return None if row is None else Session(**row)

    def drop_sessions(
        self,
        *,
        secret_sha256: str | None = None,
        account: str | None = None,
        expired_before: datetime | None = None,
    ) -> None:
        """Remove one session, all of a person's, and those that ended before a moment."""
        gone = []
        if secret_sha256 is not None:
            gone.append(sessions.c.secret_sha256 == secret_sha256)
        if account is not None:
            gone.append(sessions.c.account == account)
        if expired_before is not None:
            gone.append(sessions.c.expires_at <= expired_before)
        if gone:
            self._sql.run(delete(sessions).where(or_(*gone)))

    def put_token(self, token: ApiToken) -> None:
        """Insert or replace."""
        put = insert(api_tokens).values(token.model_dump())
        change = {name: put.excluded[name] for name in ("label", "expires_at", "revoked_at")}
        self._sql.run(put.on_conflict_do_update(index_elements=["token_id"], set_=change))

    def find_token(self, secret_sha256: str) -> ApiToken | None:
        """By the digest of the secret."""
        wanted = select(api_tokens).where(api_tokens.c.secret_sha256 == secret_sha256)
        row = self._sql.run(wanted).mappings().one_or_none()
        return None if row is None else ApiToken(**row)

    def tokens(self, account: str) -> Sequence[ApiToken]:
        """Newest first."""
        wanted = select(api_tokens).where(api_tokens.c.account == account)
        found = self._sql.run(wanted.order_by(api_tokens.c.created_at.desc(), api_tokens.c.token_id.desc()))
        return [ApiToken(**row) for row in found.mappings()]

    def put_setup_link(self, link: SetupLink) -> None:
        """Insert or replace."""
        put = insert(setup_links).values(link.model_dump())
        change = {"used_at": put.excluded.used_at}
        self._sql.run(put.on_conflict_do_update(index_elements=["secret_sha256"], set_=change))

    def retire_setup_links(self, *, now: datetime) -> None:
        """Mark every link that is not used as used."""
        self._sql.run(update(setup_links).where(setup_links.c.used_at.is_(None)).values(used_at=now))

    def find_setup_link(self, secret_sha256: str) -> SetupLink | None:
        """By the digest of the secret; its row is locked."""
        wanted = select(setup_links).where(setup_links.c.secret_sha256 == secret_sha256).with_for_update()
        row = self._sql.run(wanted).mappings().one_or_none()
        return None if row is None else SetupLink(**row)

    def note_sign_in_failure(self, bucket: str, *, now: datetime, since: datetime) -> int:
        """Count one more and return how many there are; the oldest buckets go when there are too many."""
        put = insert(sign_in_failures).values(bucket=bucket, failures=1, last_at=now)
        goes_on = case((sign_in_failures.c.last_at >= since, sign_in_failures.c.failures + 1), else_=1)
        change = {"failures": goes_on, "last_at": put.excluded.last_at}
        counted = put.on_conflict_do_update(index_elements=["bucket"], set_=change)
        found: int = self._sql.run(counted.returning(sign_in_failures.c.failures)).scalar_one()
        if found == 1:
            self._sweep_failures(since=since)
        return found

    def forget_sign_in_failures(self, bucket: str) -> None:
        """Begin anew, after a sign-in that worked."""
        self._sql.run(delete(sign_in_failures).where(sign_in_failures.c.bucket == bucket))

    def _sweep_failures(self, *, since: datetime) -> None:
        """Remove what is too old or too much; rows that others are counting on are left to the next sweep."""
        newest = select(sign_in_failures.c.last_at).order_by(sign_in_failures.c.last_at.desc())
        bound = newest.offset(_MOST_BUCKETS).limit(1).scalar_subquery()
        old = (
            select(sign_in_failures.c.bucket)
            .where(or_(sign_in_failures.c.last_at < since, sign_in_failures.c.last_at <= bound))
            .with_for_update(skip_locked=True)
        )
        self._sql.run(delete(sign_in_failures).where(sign_in_failures.c.bucket.in_(old)))
