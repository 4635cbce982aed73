"""People, sessions, tokens and failed sign-ins, in PostgreSQL; of every secret only a digest."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import RowMapping, delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from cisterna.adapters.catalogue_connection import Statements, body_of
from cisterna.adapters.catalogue_tables import accounts, api_tokens, sessions, setup_links, sign_in_failures
from cisterna.domain.account import Account, ApiToken, Session, SetupLink
from cisterna.domain.errors import AlreadyExists, NotFound

_MOST_BUCKETS = 10_000


class SqlAccounts:
    """Implements `ports.catalogue.Accounts`."""

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
        gone = [
            condition
            for value, condition in (
                (secret_sha256, sessions.c.secret_sha256 == secret_sha256),
                (account, sessions.c.account == account),
                (expired_before, sessions.c.expires_at < expired_before),
            )
            if value is not None
        ]
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

    def find_setup_link(self, secret_sha256: str) -> SetupLink | None:
        """By the digest of the secret; its row is locked."""
        wanted = select(setup_links).where(setup_links.c.secret_sha256 == secret_sha256).with_for_update()
        row = self._sql.run(wanted).mappings().one_or_none()
        return None if row is None else SetupLink(**row)

    def sign_in_failures(self, bucket: str, *, since: datetime) -> int:
        """Count the failures of a bucket, 0 when the last one was before a moment."""
        wanted = select(sign_in_failures.c.failures).where(
            sign_in_failures.c.bucket == bucket, sign_in_failures.c.last_at >= since
        )
        found: int | None = self._sql.run(wanted).scalar()
        return found or 0

    def note_sign_in_failure(self, bucket: str, *, now: datetime, since: datetime) -> None:
        """Count one more; counts of before a moment begin anew, and the oldest buckets go when there are too many."""
        counted = self._counted(bucket, since=since)
        put = insert(sign_in_failures).values(bucket=bucket, failures=counted + 1, last_at=now)
        change = {"failures": put.excluded.failures, "last_at": put.excluded.last_at}
        self._sql.run(put.on_conflict_do_update(index_elements=["bucket"], set_=change))
        self._sql.run(delete(sign_in_failures).where(sign_in_failures.c.last_at < since))
        newest = select(sign_in_failures.c.bucket).order_by(sign_in_failures.c.last_at.desc()).offset(_MOST_BUCKETS)
        self._sql.run(delete(sign_in_failures).where(sign_in_failures.c.bucket.in_(newest)))

    def forget_sign_in_failures(self, bucket: str) -> None:
        """Begin anew, after a sign-in that worked."""
        self._sql.run(delete(sign_in_failures).where(sign_in_failures.c.bucket == bucket))

    def _counted(self, bucket: str, *, since: datetime) -> int:
        wanted = select(sign_in_failures).where(sign_in_failures.c.bucket == bucket).with_for_update()
        row: RowMapping | None = self._sql.run(wanted).mappings().one_or_none()
        return row["failures"] if row is not None and row["last_at"] >= since else 0
