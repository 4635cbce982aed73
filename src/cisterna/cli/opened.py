"""What every command that works on a home begins with."""

from __future__ import annotations

import contextlib
import getpass
from collections.abc import Iterator
from pathlib import Path

from cisterna.bootstrap import Parts, open_parts
from cisterna.domain.account import Account
from cisterna.services.account import ensure_local_account
from cisterna.settings import load_settings


@contextlib.contextmanager
def opened(home: Path | None) -> Iterator[Parts]:
    """Open the parts of a running home. Raises `NotReady`, `SettingsInvalid`."""
    with open_parts(load_settings(home=home)) as parts:
        if parts.endpoints is not None:
            parts.home.require_ready()
        yield parts


def local_account(parts: Parts) -> Account:
    """Return the person at this keyboard: who may read the home's secrets acts as an administrator of it."""
    return ensure_local_account(getpass.getuser(), catalogue=parts.catalogue, clock=parts.clock)


def local_person(parts: Parts) -> str:
    """Name the person at this keyboard, as decisions are signed."""
    return local_account(parts).name
