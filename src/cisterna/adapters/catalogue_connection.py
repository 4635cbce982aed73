"""One connection to PostgreSQL: statements go through here, so that each of its errors becomes one of ours."""

from __future__ import annotations

import json
import re
import select
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import psycopg
from pydantic import JsonValue
from pydantic_core import PydanticSerializationError
from sqlalchemy import Connection, CursorResult, Engine, Executable, create_engine
from sqlalchemy import exc as alchemy
from sqlalchemy import text as sql_text
from sqlalchemy.event import listens_for

from cisterna.domain.base import Value
from cisterna.domain.errors import (
    AlreadyExists,
    CatalogueUnavailable,
    CisternaError,
    InvalidInput,
    NotFound,
    NotReady,
)

_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
"""As JSON has it; behind an odd number of backslashes it is something else."""

CHANNEL = "cisterna"
"""The NOTIFY channel; its payloads are topics."""

_NOTIFY = sql_text(f"SELECT pg_notify('{CHANNEL}', :topic)")

CONNECT: dict[str, Any] = {
    "connect_timeout": 5,
    # A server that vanished without a word (a pulled cable) is noticed within half a minute.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}
"""How every connection of ours is made."""

_SESSION = "-c timezone=UTC -c jit=off -c idle_in_transaction_session_timeout=180s"


class Usage(NamedTuple):
    """How the connections of one catalogue are used.

    Attributes:
        connections: Kept open.
        further: Opened under load.
        wait_seconds: How long one is waited for.
        statement_seconds, lock_seconds: How long a statement may take, and wait for a lock.
        only_reads: Whether the database refuses whatever writes.
    """

    connections: int
    further: int = 2
    wait_seconds: float = 15
    statement_seconds: float = 60
    lock_seconds: float = 15
    only_reads: bool = False

    @property
    def session(self) -> str:
        """Options of a connection."""
        times = {"statement_timeout": self.statement_seconds, "lock_timeout": self.lock_seconds}
        options = [f"-c {name}={int(seconds * 1000)}ms" for name, seconds in times.items()]
        return " ".join([_SESSION, *options, *(["-c default_transaction_read_only=on"] if self.only_reads else [])])


PUBLIC_USAGE = Usage(connections=4, further=0, wait_seconds=1, statement_seconds=5, lock_seconds=2, only_reads=True)
"""Of what anybody may ask: what takes long is given up, and nobody who works here waits for it."""


def connect_engine(url: str, *, usage: Usage) -> Engine:
    """Make an engine with a small pool; bodies pass as JSON text, because pydantic is what reads and writes it."""
    engine = create_engine(
        url,
        pool_size=usage.connections,
        max_overflow=usage.further,
        pool_timeout=usage.wait_seconds,
        execution_options={"preserve_rowcount": True},  # else SQLAlchemy says -1 for every INSERT
        json_serializer=_as_is,
        json_deserializer=_as_is,
        hide_parameters=True,  # what is written may be restricted, and errors go to logs
        connect_args={**CONNECT, "application_name": "cisterna", "options": usage.session},
    )
    listens_for(engine, "checkout")(_require_alive)
    return engine


def _require_alive(connection: psycopg.Connection, _record: object, _proxy: object) -> None:
    """Refuse a pooled connection that has something to say: one at rest hears only that its server ends.

    The pool then makes another. SQLAlchemy's own `pool_pre_ping` asks the server each time, which nearly doubles the
    round trips of transactions as short as ours. A server that vanished without a word shows at the first statement.
    """
    said = select.poll()
    said.register(connection.fileno(), select.POLLIN)
    if said.poll(0):
        raise alchemy.DisconnectionError("the server has closed this connection")


def body_of(value: Value) -> str:
    """Write a value as JSON text. Raises `InvalidInput` when a field holds what it must not, or is not Unicode."""
    try:
        return _readable(value.model_dump_json(warnings="error"))
    except PydanticSerializationError as error:
        raise InvalidInput(f"a {type(value).__name__} cannot be kept: {error}") from error


def json_of(content: Mapping[str, JsonValue]) -> str:
    """Write content as JSON text. Raises `InvalidInput` for numbers that JSON does not have."""
    try:
        return _readable(json.dumps(content, allow_nan=False, ensure_ascii=False))
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"content that is not JSON cannot be kept: {error}") from error


def _readable(body: str) -> str:
    """Put the sign for what is no text in the place of NUL, which PostgreSQL keeps, and then reads nothing beside it.

    One run whose instrument wrote it would else keep everybody from every list.
    """
    return _NUL.sub("\\1\N{REPLACEMENT CHARACTER}", body) if "\\u0000" in body else body


def _as_is(body: Any) -> Any:
    return body


class Statements:
    """Runs statements in one transaction and remembers what to ring for when it commits."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._topics: set[str] = set()

    def run(
        self, statement: Executable, values: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None
    ) -> CursorResult[Any]:
        """Execute a statement. Raises what `translated` makes of a failure."""
        with translated():
            return self._connection.execute(statement, values)

    def ring(self, topic: str) -> None:
        """Notify listeners of a topic once this transaction has committed."""
        self._topics.add(topic)

    def send_notifications(self) -> None:
        """Queue the notifications; PostgreSQL sends them if and only if the transaction commits."""
        for topic in sorted(self._topics):
            self.run(_NOTIFY, {"topic": topic})


@contextmanager
def translated() -> Iterator[None]:
    """Turn errors of SQLAlchemy and psycopg into ours.

    Raises:
        CatalogueUnavailable: No connection, a lost one, a time-out, a deadlock, a full disk: the same call may succeed
            later. A commit that ended so may or may not have happened, which is why every write may be repeated.
        AlreadyExists, NotFound, InvalidInput: A unique, foreign key or check constraint, or a value that the database
            cannot hold (NUL in text), refused the write.
        NotReady: The schema is missing.
    """
    try:
        yield
    except (alchemy.DBAPIError, alchemy.TimeoutError, psycopg.Error) as error:
        ours = _ours(error)
        if ours is None:
            raise
        raise ours from error
    except UnicodeEncodeError as error:
        raise InvalidInput(f"the catalogue cannot hold text that is not Unicode: {error.reason}") from error


def _ours(error: Exception) -> CisternaError | None:
    """Name the error, or return None for a statement of ours that is wrong: neither waiting nor the caller mends it."""
    cause = error.orig if isinstance(error, alchemy.DBAPIError) else error
    state = getattr(cause, "sqlstate", None) or ""
    said = (str(cause).strip() or type(cause).__name__).splitlines()[0]
    constraint = getattr(getattr(cause, "diag", None), "constraint_name", None)
    if state == "23505":
        return AlreadyExists(f"the catalogue has that already ({constraint}); read it again", constraint=constraint)
    if state == "23503":
        msg = f"the catalogue does not hold what this refers to, or something still refers to it ({constraint})"
        return NotFound(msg, constraint=constraint)
    if state in {"42P01", "3D000"}:
        msg = f"the catalogue's schema is not there ({said}); `cisterna up` brings it to this version"
        return NotReady(msg, part="catalogue")
    if isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError | alchemy.TimeoutError):
        return CatalogueUnavailable(f"PostgreSQL did not answer: {said}; it is tried again", sqlstate=state or None)
    if isinstance(cause, psycopg.DataError | psycopg.IntegrityError):
        return InvalidInput(f"the catalogue cannot hold that value: {said}", constraint=constraint)
    return None
