"""People of this installation, and how they prove who they are, as part of a transaction of the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from cisterna.domain.account import Account, ApiToken, Session, SetupLink


class Accounts(Protocol):
    """People, their sessions and tokens."""

    def add(self, account: Account) -> None:
        """Raises `AlreadyExists`."""
        ...

    def save(self, account: Account) -> None:
        """Raises `NotFound`."""
        ...

    def find(self, name: str) -> Account | None:
        """None for an unknown name."""
        ...

    def list(self) -> Sequence[Account]:
        """By name."""
        ...

    def list_for_change(self) -> Sequence[Account]:
        """Like `list`, with the rows locked for this transaction, so that what is decided on them still holds."""
        ...

    def put_session(self, session: Session) -> None:
        """Insert or replace."""
        ...

    def find_session(self, secret_sha256: str) -> Session | None:
        """By the digest of the cookie's secret."""
        ...

    def drop_sessions(
        self,
        *,
        secret_sha256: str | None = None,
        account: str | None = None,
        expired_before: datetime | None = None,
    ) -> None:
        """Remove one session, all of a person's, and those that ended before a moment."""
        ...

    def put_token(self, token: ApiToken) -> None:
        """Insert or replace."""
        ...

    def find_token(self, secret_sha256: str) -> ApiToken | None:
        """By the digest of the secret."""
        ...

    def tokens(self, account: str) -> Sequence[ApiToken]:
        """Newest first."""
        ...

    def put_setup_link(self, link: SetupLink) -> None:
        """Insert or replace."""
        ...

    def retire_setup_links(self, *, now: datetime) -> None:
        """Mark every link that is not used as used."""
        ...

    def find_setup_link(self, secret_sha256: str) -> SetupLink | None:
        """By the digest of the secret; the row is locked for this transaction."""
        ...

    def note_sign_in_failure(self, bucket: str, *, now: datetime, since: datetime) -> int:
        """Count one more failure of a bucket (a name, an address) and return how many there are.

        Counting begins anew when the last failure lies before `since`. The number of buckets is bounded.
        """
        ...

    def forget_sign_in_failures(self, bucket: str) -> None:
        """Begin anew."""
        ...
