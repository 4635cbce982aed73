"""The sink `prefect-events`: our events as Prefect's, `cisterna.<name>`, so that a facility hangs flows on them.

A doorbell, never the record: Prefect's server keeps events in memory before it acts on them. Each is sent on a socket
of our own and confirmed before the outbox counts it as delivered; no thread of Prefect's is started, which would hold
the process back at its end.
"""

from __future__ import annotations

import asyncio
import contextlib
from uuid import UUID

from prefect.events import Event as PrefectEvent
from prefect.events.clients import PrefectEventsClient
from pydantic import JsonValue

from cisterna.domain.errors import NotReady
from cisterna.domain.event import Event

SEND_SECONDS = 20.0
"""How long one event may take before the server counts as away."""

_OPEN_FIELDS = frozenset({"kind", "stage", "from", "state"})
"""What may be told of restricted things, besides identifiers: names of ours that say nothing of the content."""


class PrefectEvents:
    """Implements `ports.sink.EventSink`; one thread at a time.

    Args:
        api_url: Prefect's API.
    """

    name = "prefect-events"
    inside = False  # Prefect's event sockets have been open to anybody who reaches the port

    def __init__(self, api_url: str) -> None:
        self._api_url = api_url
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: PrefectEventsClient | None = None

    def send(self, event: Event) -> None:
        """Emit the event and wait until the server has it. Raises `NotReady`."""
        told = as_prefect(event)
        if self._client is not None and self._try(told) is None:
            return  # else: the server hangs up on a socket that was silent for long, so try a new one
        fault = self._try(told)
        if fault is not None:
            msg = f"the Prefect server took no event ({type(fault).__name__}); it is sent again later"
            raise NotReady(msg, part="prefect") from fault

    def _try(self, event: PrefectEvent) -> Exception | None:
        try:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
            self._loop.run_until_complete(asyncio.wait_for(self._emit(event), SEND_SECONDS))
        except Exception as error:  # noqa: BLE001 - whatever a socket raises: the event stays in the outbox
            self.close()
            return error
        return None

    def close(self) -> None:
        """Hang up; harmless when nothing is open."""
        loop, client = self._loop, self._client
        self._loop = self._client = None
        if loop is None:
            return
        if client is not None:
            with contextlib.suppress(Exception):
                loop.run_until_complete(asyncio.wait_for(client.__aexit__(None, None, None), 1.0))
        loop.close()

    async def _emit(self, event: PrefectEvent) -> None:
        if self._client is None:
            client = PrefectEventsClient(api_url=self._api_url, reconnection_attempts=0, checkpoint_every=1)
            self._client = await client.__aenter__()
        await self._client.emit(event)


def as_prefect(event: Event) -> PrefectEvent:
    """Say an event in Prefect's words; of a restricted one only identifiers and names of ours are left."""
    content = redacted(event.data) if event.restricted else event.data
    resource = {
        "prefect.resource.id": f"cisterna.{_kind_of(event.subject, event.name)}.{event.subject}",
        "prefect.resource.name": event.subject,
        **{f"cisterna.{key}": value for key, value in content.items() if isinstance(value, str) and len(value) <= 200},
    }
    return PrefectEvent.model_validate(
        {
            "id": UUID(event.event_id),
            "occurred": event.occurred_at,
            "event": f"cisterna.{event.name}",
            "resource": resource,
            "payload": {**content, "subject": event.subject, "restricted": event.restricted},
        }
    )


def redacted(data: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Keep identifiers, which are opaque, and names of ours; drop the rest, whatever it is."""
    return {
        key: value
        for key, value in data.items()
        if isinstance(value, str) and (key in _OPEN_FIELDS or key.endswith("_id"))
    }


def _kind_of(subject: str, name: str) -> str:
    if subject.startswith("acq-"):
        return "acquisition"
    if subject.startswith("ds-"):
        return "version" if ":v" in subject else "dataset"
    return name.partition(".")[0]
