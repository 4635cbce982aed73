"""The targets of messages, as the settings name them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cisterna.domain.alert_message import AlertMessage, MessageKind
from cisterna.domain.errors import NotFound
from cisterna.ports.catalogue import Catalogue
from cisterna.settings import Settings

if TYPE_CHECKING:
    from cisterna.adapters.sink_apprise import AppriseSink


def alert_sinks(settings: Settings, *, catalogue: Catalogue, base_url: str) -> Sequence[AppriseSink]:
    """Make a sink of each target."""
    from cisterna.adapters.sink_apprise import AppriseSink

    return [AppriseSink(one, catalogue=catalogue, base_url=base_url) for one in settings.alerts.targets]


def try_target(name: str, settings: Settings, *, catalogue: Catalogue, base_url: str) -> None:
    """Send a message to a target that says that it is a trial.

    Raises:
        NotFound: No target has that name.
        SinkUnavailable: It does not take it.
    """
    for target, sink in zip(
        settings.alerts.targets, alert_sinks(settings, catalogue=catalogue, base_url=base_url), strict=True
    ):
        if target.name == name:
            lines = (f"This is a trial of the target '{name}'. It will be told of:", ", ".join(target.kinds))
            sink.tell(AlertMessage(kind=MessageKind.ALERT, subject="A trial", lines=lines, address=base_url))
            return
    there = ", ".join(one.name for one in settings.alerts.targets) or "none"
    raise NotFound(f"no alert target is called '{name[:100]}'; there are: {there}", target=name[:100])
