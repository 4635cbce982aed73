"""Where an embedded PostgreSQL listens, and how each client is told."""

from __future__ import annotations

import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from cisterna.domain.errors import NotReady

_LONGEST_FOLDER_BYTES = 88  # sun_path holds 107 bytes, of which "/.s.PGSQL.5432.lock" takes 19
_RECORD = "socket_folder"
USER = "cisterna"
"""The database's superuser; the socket's folder decides who may be it."""


@dataclass(frozen=True, kw_only=True)
class PostgresEndpoint:
    """A server that is reached through a unix socket and nothing else.

    Attributes:
        socket_folder: Private to the operating system's user.
        user: Name to connect as; there is no password.
    """

    socket_folder: Path
    user: str = USER

    def url(self, database: str) -> str:
        """Give SQLAlchemy's URL with psycopg, as the catalogue takes it."""
        return f"postgresql+psycopg://{self.user}@/{database}?host={self._host}"

    def asyncpg_url(self, database: str) -> str:
        """Give SQLAlchemy's URL with asyncpg, as Prefect's server takes it."""
        return f"postgresql+asyncpg://{self.user}@/{database}?host={self._host}"

    def libpq_uri(self, database: str) -> str:
        """Give the URI for psql and pg_dump."""
        return f"postgresql://{self.user}@/{database}?host={self._host}"

    @property
    def _host(self) -> str:
        return quote(str(self.socket_folder), safe="/")


def recorded_endpoint(folder: Path) -> PostgresEndpoint:
    """Find the endpoint of a server that was started on a folder, from any process of the same user.

    Args:
        folder: As given to `EmbeddedPostgres`.

    Raises:
        NotReady: No server was ever started there.
    """
    try:
        return PostgresEndpoint(socket_folder=Path(os.fsdecode((folder / _RECORD).read_bytes())))
    except FileNotFoundError:
        msg = f"no PostgreSQL has been started in {folder}; start it with `cisterna up`"
        raise NotReady(msg, part="postgres") from None


def make_socket_folder(folder: Path) -> Path:
    """Make the private folder for the socket and record where it is; the recorded one is kept while it is fit.

    A socket's path is limited to 107 bytes by the kernel, so a home that lies deep gets a folder elsewhere.
    """
    record = folder / _RECORD
    inside = folder / "socket"
    if len(os.fsencode(inside)) <= _LONGEST_FOLDER_BYTES:
        inside.mkdir(mode=0o700, exist_ok=True)
        inside.chmod(0o700)
        chosen = inside
    else:
        recorded = Path(os.fsdecode(record.read_bytes())) if record.exists() else None
        chosen = recorded if recorded and _is_private(recorded) else _short_folder()
    replacement = record.with_suffix(".new")
    replacement.write_bytes(os.fsencode(chosen))
    replacement.replace(record)
    return chosen


def _short_folder() -> Path:
    candidates = [os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), "/tmp"]  # noqa: S108 - mkdtemp makes it ours
    for parent in candidates:
        if parent and Path(parent).is_dir() and len(os.fsencode(parent)) + 20 <= _LONGEST_FOLDER_BYTES:
            return Path(tempfile.mkdtemp(prefix="cisterna-", dir=parent))
    msg = "no folder with a short path is there for PostgreSQL's socket; set XDG_RUNTIME_DIR to one of your own"
    raise NotReady(msg, part="postgres")


def _is_private(folder: Path) -> bool:
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) == 0o700
