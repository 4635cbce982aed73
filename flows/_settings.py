"""Prefect's settings, as environment variables, for processes that run flows.

Those of the server are in `cisterna.adapters.embedded_prefect`. Kept apart from all that imports Prefect, which reads
the environment at its first import.
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


def prepare(environ: MutableMapping[str, str], *, api_url: str | None = None) -> None:
    """Put what is not set yet into an environment, before Prefect is imported in it."""
    for name, value in CLIENT_SETTINGS.items():
        environ.setdefault(name, value)
    if api_url is not None:
        environ.setdefault("PREFECT_API_URL", api_url)
