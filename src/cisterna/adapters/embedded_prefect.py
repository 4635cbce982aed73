"""The Prefect server as a process of ours; Prefect itself is never imported here."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from cisterna.adapters.child import Child, Supervised
from cisterna.adapters.free_port import HOST, PortClaim, PortLost, await_listening, claim_again, claim_port
from cisterna.adapters.life_sign import answers
from cisterna.domain.errors import NotReady

_QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
    "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
}
"""Nothing phones home, and a client that finds no server says so instead of starting one."""

_SERVER = {
    "PYTHONSAFEPATH": "1",  # a folder `prefect` where somebody stands is not the one that is meant
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "PREFECT_MESSAGING_BROKER": "prefect.server.utilities.messaging.memory",
    "PREFECT_MESSAGING_CACHE": "prefect.server.utilities.messaging.memory",
    "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
    # By default each task's change of state is a transaction of its own: 424 ms of CPU for a run of seven tasks where
    # these take 138. They bound how late a task run shows up in Prefect's pages: one second.
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_READ_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_FLUSH_INTERVAL": "2",
    "PREFECT_SERVER_SERVICES_TRIGGERS_READ_BATCH_SIZE": "100",
    "PYTHONUNBUFFERED": "1",
}

_LAUNCH = (
    "import gc, runpy; gc.disable(); import prefect.server.api.server; gc.freeze(); gc.enable(); "
    "runpy.run_module('prefect', run_name='__main__', alter_sys=True)"
)
"""`python -m prefect` with its imports done before the garbage collector looks at them: a CPU second of six."""


def client_environment(api_url: str, *, home: Path) -> dict[str, str]:
    """Give what a process needs to speak to the server: add it to its environment before Prefect is imported.

    Args:
        api_url: Such as `http://127.0.0.1:4200/api`.
        home: Prefect's own folder; clients may share it with the server.
    """
    profiles = home / "profiles.toml"  # the user's own profile must not decide which server is ours
    return {
        **_QUIET,
        "PREFECT_API_URL": api_url,
        "PREFECT_HOME": str(home),
        "PREFECT_PROFILES_PATH": str(profiles),
    }


class EmbeddedPrefect(Supervised):
    """One Prefect server on a PostgreSQL database of its own.

    Args:
        folder: Prefect's home; made if absent, for its owner only.
        log: Its log file.
        database_url: SQLAlchemy's, with asyncpg, such as `postgresql+asyncpg://user@/prefect?host=/run/pg`.
        port: Port that is tried first.
        port_is_fixed: Refuse to start elsewhere.
    """

    def __init__(
        self, folder: Path, *, log: Path, database_url: str, port: int = 4200, port_is_fixed: bool = False
    ) -> None:
        super().__init__()
        self.folder = folder.absolute()
        self._log = log
        self._database_url = database_url
        self._port = port
        self._port_is_fixed = port_is_fixed
        self._claim: PortClaim | None = None
        self._is_known = False  # to clients, by its address

    @property
    def api_url(self) -> str:
        """Address of the API, from `start` on. Raises `NotReady`."""
        return f"http://{HOST}:{self._claimed().port}/api"

    def begin(self) -> None:
        """Start the process and return at once, so that other parts may start meanwhile; harmless while it runs.

        Until `stop`, it is started again at the same address.

        Raises:
            PortLost: Another program took that port since the last start.
            SettingsInvalid: The port that was set explicitly is taken.
        """
        if self.pid is not None:
            return
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._claim = claim_again(self._claim) or claim_port(
            self._port, is_fixed=self._port_is_fixed, setting="prefect.port"
        )
        argv = [sys.executable, "-c", _LAUNCH, "server", "start", "--host", HOST, "--port", str(self._claim.port)]
        self._child = Child(
            "the Prefect server", argv, log=self._log, env=self.environment(), stop_signal=signal.SIGINT
        )
        self._child.start()

    def await_ready(self, *, timeout_seconds: float = 90.0) -> None:
        """Wait until the API says that it is healthy.

        Raises:
            NotReady: It ended, or did not get there in time; the message ends with its log.
            PortLost: Another program took the port meanwhile.
            SettingsInvalid: The same, and it is the port that was set explicitly.
        """
        claim = self._claimed()
        if self._child is None:
            raise NotReady("the embedded Prefect server was not started")
        try:
            await_listening(self._child, claim, self.is_healthy, timeout_seconds=timeout_seconds)
        except BaseException as failure:
            self._child.stop()
            if isinstance(failure, PortLost) or not self._is_known:
                claim.release()
            raise
        self._is_known = True

    def start(self, *, timeout_seconds: float = 90.0) -> None:
        """Start it and wait until it is healthy; the first time it makes its tables."""
        self.begin()
        self.await_ready(timeout_seconds=timeout_seconds)

    def is_healthy(self) -> bool:
        """Ask the API once; False when it does not answer within two seconds."""
        return answers(f"{self.api_url}/health")

    def stop(self, *, timeout_seconds: float = 10.0) -> None:
        """Stop it politely, then by force; harmless when it does not run."""
        if self._child is not None:
            self._child.stop(timeout_seconds=timeout_seconds)
        if self._claim is not None:
            self._claim.release()

    def kill(self) -> None:
        """End it at once, as a power cut would; `start` brings it back."""
        if self._child is not None:
            self._child.kill()

    def environment(self) -> dict[str, str]:
        """Give the server's environment: ours without any Prefect setting, and then what this server is to be."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        ours = client_environment(self.api_url, home=self.folder) | _SERVER
        # SQLAlchemy's URL may hold a password: an environment is read by its owner only, arguments by everybody.
        return inherited | ours | {"PREFECT_SERVER_DATABASE_CONNECTION_URL": self._database_url}

    def _claimed(self) -> PortClaim:
        if self._claim is None:
            raise NotReady("the embedded Prefect server was not started")
        return self._claim
