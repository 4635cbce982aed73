"""The folder that holds all state of an embedded stack, and what a running stack says of itself there."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from pydantic import SecretStr, ValidationError, field_serializer

from cisterna.domain.base import Moment, Value
from cisterna.domain.errors import NotReady, SettingsInvalid


class Endpoints(Value):
    """Where the parts of a running stack answer. Kept in a file that only its owner may read."""

    supervisor_pid: int
    started_at: Moment
    web_url: str
    prefect_api_url: str
    dsn: SecretStr
    s3_endpoint: str
    s3_region: str
    archive_access_key_id: str
    archive_secret_access_key: SecretStr
    public_access_key_id: str
    public_secret_access_key: SecretStr

    @field_serializer("dsn", "archive_secret_access_key", "public_secret_access_key", when_used="json")
    def _reveal(self, secret: SecretStr) -> str:
        return secret.get_secret_value()


class Home:
    """Paths below one home; nothing is created by asking for them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def name(self) -> str:
        """Name the home as no other is, for what several homes on one catalogue must not take from each other.

        A home that is made anew has another name: what it claimed before is free when the claims have run out.

        Raises:
            SettingsInvalid: The name cannot be read or written.
        """
        file = self.folder / "name"
        try:
            with contextlib.suppress(FileNotFoundError):
                return file.read_text("utf-8")
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=self.folder, encoding="utf-8") as fresh:
                fresh.write(secrets.token_hex(8))
                fresh.flush()
                os.fsync(fresh.fileno())
                with contextlib.suppress(FileExistsError):
                    os.link(fresh.name, file)  # whole or not at all, and never in place of another
            return file.read_text("utf-8")
        except OSError as error:
            raise self._unusable(error) from error

    @property
    def run(self) -> Path:
        """Locks, sockets, and the endpoints of the running stack."""
        return self.folder / "run"

    @property
    def logs(self) -> Path:
        """One log file a process."""
        return self.folder / "logs"

    @property
    def postgres(self) -> Path:
        """Data of the embedded PostgreSQL."""
        return self.folder / "postgres"

    @property
    def store(self) -> Path:
        """Data and credentials of the embedded object store."""
        return self.folder / "store"

    @property
    def prefect(self) -> Path:
        """Prefect's own files."""
        return self.folder / "prefect"

    @property
    def lineage(self) -> Path:
        """OpenLineage events, one a line."""
        return self.folder / "lineage" / "events.jsonl"

    @property
    def spool(self) -> Path:
        """Bytes of makers' files while they are measured, in files without names."""
        return self.folder / "spool"

    @property
    def models(self) -> Path:
        """Admitted BioImage.IO packages."""
        return self.folder / "models"

    @property
    def vocabulary(self) -> Path:
        """What was read of vocabularies, in a form that is looked up quickly; it is made anew where it is missing."""
        return self.folder / "vocabulary"

    @property
    def endpoints_file(self) -> Path:
        """What `up` writes when everything answers."""
        return self.run / "endpoints.json"

    def publish_endpoints(self, endpoints: Endpoints) -> None:
        """Write the endpoints in one step, readable by the owner alone."""
        self.run.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self.run)  # mode 0600
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(endpoints.model_dump_json(indent=1))
        Path(name).replace(self.endpoints_file)

    def endpoints(self) -> Endpoints:
        """Read where the running stack answers.

        Raises:
            NotReady: Nothing runs on this home.
        """
        if not self.is_held():
            msg = f"nothing runs on {self.folder}; start it with `cisterna up --home {self.folder}`"
            raise NotReady(msg, home=str(self.folder))
        try:
            return Endpoints.model_validate_json(self.endpoints_file.read_text("utf-8"))
        except FileNotFoundError:
            raise self._still_starting() from None
        except (ValidationError, PermissionError) as error:
            msg = f"{self.endpoints_file} cannot be used ({type(error).__name__}); restart `cisterna up`"
            raise NotReady(msg, home=str(self.folder)) from None

    def withdraw_endpoints(self) -> None:
        """Say that nothing runs here any more."""
        self._ready.unlink(missing_ok=True)
        self.endpoints_file.unlink(missing_ok=True)

    @property
    def _ready(self) -> Path:
        return self.run / "ready"

    def announce_ready(self) -> None:
        """Say that everything answers: the parts themselves need the endpoints earlier than people do."""
        self._ready.touch(mode=0o600)

    def require_ready(self) -> None:
        """Refuse to go on while the stack is still starting.

        Raises:
            NotReady: Nothing runs on this home, or not everything answers yet.
        """
        self.endpoints()
        if not self._ready.exists():
            raise self._still_starting()

    def _still_starting(self) -> NotReady:
        msg = f"the stack on {self.folder} is still starting; try again in some seconds"
        return NotReady(msg, home=str(self.folder))

    def is_held(self) -> bool:
        """Tell whether a process holds the home; a stack that was killed leaves its endpoints behind, but not this.

        Raises:
            NotReady: This account may not look.
        """
        try:
            file = (self.run / "lock").open("r", encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            return False
        except PermissionError as error:
            msg = f"{self.run} may be read by its owner only; use the account that runs `cisterna up`"
            raise NotReady(msg, home=str(self.folder)) from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False

    def _lock_file(self) -> IO[str]:
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # its logs name what is restricted
            self.run.mkdir(mode=0o700, parents=True, exist_ok=True)
            return (self.run / "lock").open("a+", encoding="utf-8")
        except OSError as error:
            raise self._unusable(error) from error

    def _unusable(self, error: OSError) -> SettingsInvalid:
        msg = f"the home {self.folder} cannot be used ({error.strerror}); mend that, or name another with --home"
        return SettingsInvalid(msg, home=str(self.folder))

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the home for this process; the kernel lets go of it however the process ends.

        Raises:
            NotReady: Another process holds it.
            SettingsInvalid: The folder cannot be made or written.
        """
        with self._lock_file() as file:
            self.logs.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                holder = file.read().strip() or "unknown"
                msg = f"the home {self.folder} is in use by process {holder}; stop that one or name another with --home"
                raise NotReady(msg, home=str(self.folder), holder=holder) from None
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            self.withdraw_endpoints()  # a holder that was killed could not
            yield
