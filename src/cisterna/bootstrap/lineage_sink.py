"""The sink of lineage, as the settings name its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cisterna.bootstrap.home import Home
from cisterna.domain.errors import SettingsInvalid
from cisterna.settings import LineageTransport, Settings

if TYPE_CHECKING:
    from cisterna.adapters.sink_openlineage import OpenLineageSink


def lineage_sink(settings: Settings, home: Home) -> OpenLineageSink:
    """Make the sink: into a file of the home, or to a backend.

    Raises:
        SettingsInvalid: A backend is wanted and none is named.
    """
    from cisterna.adapters.sink_openlineage import LineageBackend, LineageFile, LineageTarget, OpenLineageSink

    lineage = settings.lineage
    if lineage.transport is LineageTransport.HTTP and not lineage.url:
        msg = "lineage.transport is http and lineage.url is empty; give the address of the backend"
        raise SettingsInvalid(msg)
    target: LineageTarget = LineageFile(home.lineage)
    if lineage.transport is LineageTransport.HTTP and lineage.url:
        key = lineage.api_key.get_secret_value() if lineage.api_key else None
        target = LineageBackend(lineage.url, api_key=key)
    return OpenLineageSink(target, namespace=lineage.namespace, inside=lineage.inside)
