"""Prefect's settings, as environment variables, for processes that run flows and for the server they talk to.

Kept apart from everything that imports Prefect, which reads the environment at its first import.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping

QUIET: Mapping[str, str] = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
    "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
    "PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED": "false",
}
"""Nothing phones home, and no server is started by surprise."""

CLIENT_SETTINGS: Mapping[str, str] = {
    **QUIET,
    "PREFECT_LOGGING_LEVEL": "WARNING",
    "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "false",
}
"""For workers and the dispatcher: only warnings are logged, and those go to the server too."""

SERVER_SETTINGS: Mapping[str, str] = {
    **QUIET,
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_READ_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_FLUSH_INTERVAL": "2",
    "PREFECT_SERVER_SERVICES_TRIGGERS_READ_BATCH_SIZE": "100",
}
"""For the server. By default it writes each task's change of state in a transaction of its own: 424 ms of CPU for a run
of seven tasks where these take 138 (and PostgreSQL 58 where these take 13). They bound how late a task run shows up in
Prefect's pages: one second."""


def prepare(environ: MutableMapping[str, str], *, api_url: str | None = None) -> None:
    """Put what is not set yet into an environment, before Prefect is imported in it."""
    for name, value in CLIENT_SETTINGS.items():
        environ.setdefault(name, value)
    if api_url is not None:
        environ.setdefault("PREFECT_API_URL", api_url)
