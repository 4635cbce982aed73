"""Passwords by argon2id (RFC 9106), secrets by the operating system."""

from __future__ import annotations

import secrets
import threading

import argon2
from argon2.exceptions import Argon2Error, InvalidHashError

_AT_ONCE = 2


class Argon2Passwords:
    """Implements `ports.password.Passwords`; the defaults are the second recommended choice of RFC 9106, section 4.

    Args:
        time_cost: Passes over the memory.
        memory_kib: Memory of one hash, in KiB.
        lanes: Threads of one hash.
    """

    def __init__(self, *, time_cost: int = 3, memory_kib: int = 64 * 1024, lanes: int = 4) -> None:
        self._hasher = argon2.PasswordHasher(time_cost=time_cost, memory_cost=memory_kib, parallelism=lanes)
        self._decoy = self._hasher.hash(secrets.token_urlsafe(16))
        # A flood of sign-ins must not take the machine's memory: 64 MiB each.
        self._turn = threading.BoundedSemaphore(_AT_ONCE)

    def hash(self, password: str) -> str:
        """Turn a password into what may be kept."""
        with self._turn:
            return self._hasher.hash(password)

    def verify(self, password: str, *, password_hash: str | None) -> bool:
        """Tell whether the password is the one."""
        with self._turn:
            try:
                return self._hasher.verify(password_hash or self._decoy, password) and password_hash is not None
            except InvalidHashError:
                self._verify_decoy(password)
                return False
            except Argon2Error:
                return False

    def is_outdated(self, password_hash: str) -> bool:
        """Tell whether the hash was made with other parameters."""
        return self._hasher.check_needs_rehash(password_hash)

    def new_secret(self) -> str:
        """Return 256 random bits."""
        return secrets.token_urlsafe(32)

    def _verify_decoy(self, password: str) -> None:
        try:
            self._hasher.verify(self._decoy, password)
        except Argon2Error:
            return
