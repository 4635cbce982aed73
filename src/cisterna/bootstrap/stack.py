"""The embedded stack: what it is made of, in which order it starts and stops, and what happens when a part dies."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import SecretStr

from cisterna.adapters.child import Child
from cisterna.adapters.free_port import PortClaim, PortLost, await_listening, claim_port
from cisterna.adapters.life_sign import HUNG_SECONDS, Asked, Sign, TouchedFile, answers
from cisterna.adapters.system_clock import SystemClock
from cisterna.bootstrap.home import Endpoints, Home
from cisterna.domain.errors import CisternaError
from cisterna.settings import PREFECT_PORT, STORE_PORT, WEB_PORT, Settings

if TYPE_CHECKING:
    from cisterna.adapters.embedded_prefect import EmbeddedPrefect
    from cisterna.adapters.postgres_endpoint import PostgresEndpoint
    from cisterna.adapters.s3_access import S3Access

RESTART_SECONDS = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0)
"""How long a part that keeps dying is left alone before each new start."""


class Part(Protocol):
    """One process of the stack."""

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        ...

    @property
    def exit_code(self) -> int | None:
        """How it ended, or None."""
        ...

    def start(self) -> object:
        """Start it."""
        ...

    def stop(self) -> None:
        """Stop it."""
        ...

    def kill(self) -> None:
        """End it at once."""
        ...


@dataclass
class PartStatus:
    """What is known of one part: for the screen, and for restarts."""

    name: str
    state: str = "waiting"
    detail: str = ""
    seconds: float = 0.0
    deaths: int = 0
    next_start: float = 0.0


Report = Callable[[PartStatus], None]


class EmbeddedStack:
    """PostgreSQL, Prefect, SeaweedFS, the dispatcher and the web application, as direct children of this process."""

    def __init__(self, settings: Settings, *, report: Report = lambda _status: None) -> None:
        self.settings = settings
        self.home = Home(settings.home)
        self.status: dict[str, PartStatus] = {}
        self._report = report
        self._parts: list[tuple[str, Part]] = []
        self._began = time.monotonic()
        self._web_claim: PortClaim | None = None
        self._signs: dict[str, Sign] = {}

    def start(self) -> Endpoints:
        """Start every part, each as soon as what it needs answers, and return when all answer.

        Raises:
            NotReady: A part did not come up; what was started has been stopped.
            PortLost: Other programs took ports of our choice again and again.
            SettingsInvalid: A port that was set explicitly is taken.
        """
        self._began = time.monotonic()
        tries_left = PORT_TRIES
        while True:
            tries_left -= 1
            try:
                return self._start()
            except PortLost:  # of our own choice: the next start chooses among what is free by then
                self.stop()
                if not tries_left:
                    raise
            except BaseException:
                self.stop()
                raise

    @contextlib.contextmanager
    def ground(self) -> Iterator[None]:
        """Run only the database and the store, for a command that nobody may disturb; both end with the block.

        Raises:
            NotReady: The home is in use, or a part did not come up.
        """
        with self.home.locked():
            try:
                self._publish_endpoints(self._start_postgres(), self._start_store(), web_url="", prefect_api_url="")
                yield
            finally:
                self.stop()

    def stop(self) -> None:
        """Stop every part in the order in which nothing is left half done, and say that nothing runs here."""
        self.home.withdraw_endpoints()
        for sign in self._signs.values():
            sign.close()
        self._signs.clear()
        for name, part in sorted(self._parts, key=lambda pair: _STOP_ORDER.index(pair[0])):
            self._say(name, "stopping")
            part.stop()
            self._say(name, "stopped")
        self._parts.clear()
        if self._web_claim is not None:
            self._web_claim.release()
        for socket_left in self.home.run.glob("*.sock"):  # of a companion that was ended while it was still loading
            socket_left.unlink(missing_ok=True)

    def tend(self) -> Endpoints | None:
        """Start again what has died or hangs; call it about twice a second.

        Returns:
            Where everything answers from now on, when another program took the address of a part that had died: then
            everything was started anew, since each process was told at its start where the others are.

        Raises:
            NotReady, PortLost, SettingsInvalid: As `start`, when that did not succeed.
        """
        now = time.monotonic()
        for name, part in self._parts:
            status = self.status[name]
            if part.exit_code is None:
                self._look_for_life(name, part)
                continue
            if status.state == "ready":
                pause = RESTART_SECONDS[min(status.deaths, len(RESTART_SECONDS) - 1)]
                status.deaths, status.next_start = status.deaths + 1, now + pause
                self._say(name, "died", f"code {part.exit_code}; starts again in {pause:.0f} s")
            if now < status.next_start:
                continue
            try:
                self._restart(name, part, status)
            except PortLost as loss:
                self._say(name, "died", f"{loss}; everything starts anew")
                self.stop()
                endpoints = self.start()
                self.home.announce_ready()
                return endpoints
        return None

    def _look_for_life(self, name: str, part: Part) -> None:
        sign = self._signs.get(name)
        if sign is not None and sign.silent_seconds() > HUNG_SECONDS:
            self._say(name, "ready", f"gave no sign of life for {HUNG_SECONDS:.0f} s; it is killed")
            part.kill()

    def _restart(self, name: str, part: Part, status: PartStatus) -> None:
        try:
            part.start()
        except PortLost:
            raise
        except CisternaError as error:
            pause = RESTART_SECONDS[min(status.deaths, len(RESTART_SECONDS) - 1)]
            status.deaths, status.next_start = status.deaths + 1, time.monotonic() + max(pause, 0.5)
            self._say(name, "died", str(error))
            return
        self._say(name, "ready", f"started again, {status.deaths} times so far")
        if name in self._signs:
            self._signs[name].begin_anew()

    def _say(self, name: str, state: str, detail: str = "") -> None:
        status = self.status.setdefault(name, PartStatus(name))
        status.state, status.detail, status.seconds = state, detail, time.monotonic() - self._began
        self._report(status)

    def _add(self, name: str, part: Part) -> None:
        self._parts.append((name, part))
        self._say(name, "starting")

    def _start(self) -> Endpoints:
        from cisterna.adapters.embedded_postgres import EmbeddedPostgres
        from cisterna.adapters.embedded_prefect import EmbeddedPrefect, client_environment
        from cisterna.adapters.embedded_seaweedfs import EmbeddedSeaweedFS

        settings, home = self.settings, self.home
        listening = settings.web
        claim = self._web_claim = claim_port(
            listening.port or WEB_PORT, is_fixed=listening.port is not None, setting="web.port", host=listening.host
        )
        database = self._start_postgres()
        prefect = self._begin_prefect(database)  # the slowest by far, so it starts first and is waited for last
        endpoints = self._publish_endpoints(
            database,
            self._start_store(),
            web_url=f"http://{_shown(listening.host)}:{claim.port}",
            prefect_api_url=prefect.api_url if prefect else settings.prefect.api_url or "",
        )

        web = self._own("web", "cisterna.web.serve", prefect_env={})
        self._add("web", web)
        web.start()
        client = client_environment(endpoints.prefect_api_url, home=home.prefect)
        dispatcher = self._own("dispatcher", "flows.dispatcher", prefect_env=client)
        ready = home.run / "dispatcher.ready"
        ready.unlink(missing_ok=True)  # one that was killed leaves it behind
        self._add("dispatcher", dispatcher)
        dispatcher.start()
        self._arrange_buckets()  # here, since everything that is waited for next takes longer
        is_healthy = partial(answers, f"{endpoints.web_url}/healthz")
        await_listening(web, claim, is_healthy, timeout_seconds=START_SECONDS)
        self._say("web", "ready")
        if prefect:
            prefect.await_ready(timeout_seconds=START_SECONDS)
            self._say("prefect", "ready")
        dispatcher.await_ready(ready.exists, timeout_seconds=START_SECONDS)
        self._say("dispatcher", "ready")
        self._signs["dispatcher"] = TouchedFile(ready)
        self._signs["web"] = Asked(is_healthy)
        for name, part in self._parts:
            if isinstance(part, EmbeddedPostgres | EmbeddedPrefect | EmbeddedSeaweedFS):
                self._signs[name] = Asked(part.is_healthy)
        return endpoints

    def _publish_endpoints(
        self, database: PostgresEndpoint | None, store: Mapping[str, Any], *, web_url: str, prefect_api_url: str
    ) -> Endpoints:
        """Bring the catalogue's schema to this version, and say where everything answers."""
        from cisterna.adapters.catalogue_sql import SqlCatalogue

        dsn = self.settings.database.dsn or SecretStr(database.url("cisterna") if database else "")
        catalogue = SqlCatalogue(dsn.get_secret_value())
        catalogue.migrate()
        catalogue.close()
        endpoints = Endpoints(
            supervisor_pid=os.getpid(),
            started_at=SystemClock().now(),
            web_url=web_url,
            prefect_api_url=prefect_api_url,
            dsn=dsn,
            **store,
        )
        self.home.publish_endpoints(endpoints)
        return endpoints

    def _start_postgres(self) -> PostgresEndpoint | None:
        """Start the embedded server, unless neither the catalogue nor Prefect needs it."""
        from cisterna.adapters.embedded_postgres import EmbeddedPostgres

        if self.settings.database.dsn and self.settings.prefect.api_url:
            return None
        postgres = EmbeddedPostgres(self.home.postgres)
        self._add("postgres", postgres)
        database = postgres.start()
        postgres.ensure_database("cisterna")
        postgres.ensure_database("prefect", extensions=["pg_trgm"])
        self._say("postgres", "ready")
        return database

    def _begin_prefect(self, database: PostgresEndpoint | None) -> EmbeddedPrefect | None:
        from cisterna.adapters.embedded_prefect import EmbeddedPrefect

        port = self.settings.prefect.port
        if self.settings.prefect.api_url or database is None:
            return None
        prefect = EmbeddedPrefect(
            self.home.prefect,
            log=self.home.logs / "prefect.log",
            database_url=database.asyncpg_url("prefect"),
            port=port or PREFECT_PORT,
            port_is_fixed=port is not None,
        )
        self._add("prefect", prefect)
        prefect.begin()
        return prefect

    def _start_store(self) -> dict[str, Any]:
        """Start the embedded store, or take the one that is set; return where it answers, as `Endpoints` says it."""
        from cisterna.adapters.embedded_seaweedfs import EmbeddedSeaweedFS
        from cisterna.adapters.s3_access import S3Access

        configured = self.settings.store
        if configured.endpoint is not None:
            asked = [configured.credentials(public=public) for public in (False, True)]
            return _store_facts(
                *(
                    S3Access(
                        endpoint=configured.endpoint,
                        region=configured.region,
                        access_key_id=key,
                        secret_access_key=secret,
                    )
                    for key, secret in asked
                )
            )
        store = EmbeddedSeaweedFS(
            self.home.store,
            log=self.home.logs / "store.log",
            port=configured.port or STORE_PORT,
            port_is_fixed=configured.port is not None,
            archive_bucket=configured.archive_bucket,
            public_bucket=configured.public_bucket,
        )
        self._add("store", store)
        store.start()
        self._say("store", "ready")
        return _store_facts(store.archive_access, store.public_access)

    def _arrange_buckets(self) -> None:
        """Bring the buckets of the embedded store to their plan; what cannot be done is told and stops nothing."""
        from cisterna.adapters.embedded_seaweedfs import EmbeddedSeaweedFS
        from cisterna.bootstrap.embedded_bucket import arranging_words

        for name, part in self._parts:
            if isinstance(part, EmbeddedSeaweedFS):
                words = arranging_words(
                    part.archive_access, archive_bucket=part.archive_bucket, public_bucket=part.public_bucket
                )
                self._say(name, "ready", words)

    def _own(self, name: str, module: str, *, prefect_env: Mapping[str, str]) -> Child:
        """Describe a process of ours: `python -m module` with this home."""
        ours = {"CISTERNA_HOME": str(self.home.folder), "PYTHONUNBUFFERED": "1", "PYTHONSAFEPATH": "1"}
        env = {**os.environ, **prefect_env, **ours}  # a folder `flows` where somebody stands is not ours
        return Child(name, [sys.executable, "-m", module], log=self.home.logs / f"{name}.log", env=env)


_STOP_ORDER = ["dispatcher", "web", "prefect", "store", "postgres"]
_LOOPBACK = "127.0.0.1"
PORT_TRIES = 3
"""How often everything is started when another program takes a port between our choice and our listening."""
START_SECONDS = 90.0
"""How long a part may take to answer on a machine that is busy."""


def _shown(host: str) -> str:
    """Give the host of a link: a wildcard address is no place to go to."""
    return _LOOPBACK if host in {"0.0.0.0", "::"} else host  # noqa: S104 - compared, not listened on


def _store_facts(archive: S3Access, public: S3Access) -> dict[str, Any]:
    return {
        "s3_endpoint": archive.endpoint,
        "s3_region": archive.region,
        "archive_access_key_id": archive.access_key_id,
        "archive_secret_access_key": archive.secret_access_key,
        "public_access_key_id": public.access_key_id,
        "public_secret_access_key": public.secret_access_key,
    }
