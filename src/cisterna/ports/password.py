"""Passwords and secrets."""

from __future__ import annotations

from typing import Protocol


class Passwords(Protocol):
    """Makes secrets and judges passwords. Nothing that it returns for keeping lets anybody sign in."""

    def hash(self, password: str) -> str:
        """Turn a password into what may be kept: slow, salted, different at every call."""
        ...

    def verify(self, password: str, *, password_hash: str | None) -> bool:
        """Tell whether the password is the one.

        It takes as long when there is no hash, or a broken one, so that nobody learns by the clock which names exist.
        """
        ...

    def is_outdated(self, password_hash: str) -> bool:
        """Tell whether the hash was made with less care than is taken now and should be made again."""
        ...

    def new_secret(self) -> str:
        """Return 256 random bits in characters that are safe in an address and a header."""
        ...
