"""Our events reach Prefect in its words, restricted content does not, and a server that is away holds nobody up."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from cisterna.adapters.system_clock import SystemClock
from cisterna.domain.errors import NotReady
from cisterna.domain.event import EVENT_NAMES, Event
from flows.doorbell import PrefectEvents, as_prefect

if TYPE_CHECKING:
    from .conftest import Bench, PrefectServer

pytestmark = pytest.mark.timeout(240)

SECRET = "patient 4711, a lymph node"


def event(*, restricted: bool = False, name: str = "version.stage", **data: Any) -> Event:
    return Event(
        event_id=SystemClock().new_id(),
        name=name,
        subject="ds-0123456789abcdefghjkmnpqrs:v1",
        occurred_at=datetime.now(UTC),
        restricted=restricted,
        data={"dataset_id": "ds-0123456789abcdefghjkmnpqrs", "stage": "archived", **data},
    )


def test_an_event_arrives_once_under_our_name_with_labels_to_match_on(bench: Bench, prefect: PrefectServer) -> None:
    sink, sent = PrefectEvents(prefect.url), event()

    sink.send(sent)
    sink.send(sent)
    sink.close()

    wanted = {"filter": {"event": {"name": ["cisterna.version.stage"]}, "id": {"id": [sent.event_id]}}}
    found = bench.wait_for(lambda: prefect.ask("/events/filter", wanted)["events"], what="the event")
    assert [one["event"] for one in found] == ["cisterna.version.stage"]
    assert found[0]["resource"]["cisterna.stage"] == "archived"
    assert found[0]["resource"]["prefect.resource.id"] == "cisterna.version.ds-0123456789abcdefghjkmnpqrs:v1"


def test_a_socket_that_the_server_gave_up_is_replaced_at_once(bench: Bench, prefect: PrefectServer) -> None:
    sink, first, second = PrefectEvents(prefect.url), event(), event()
    sink.send(first)
    socket = sink._client._websocket  # type: ignore[union-attr]
    socket.transport.abort()

    sink.send(second)
    sink.close()

    wanted = {"filter": {"event": {"name": ["cisterna.version.stage"]}, "id": {"id": [second.event_id]}}}
    bench.wait_for(lambda: prefect.ask("/events/filter", wanted)["events"], what="the second event")


@pytest.mark.parametrize("name", EVENT_NAMES)
def test_of_a_restricted_thing_only_identifiers_and_names_of_ours_are_told(name: str) -> None:
    hostile = event(
        restricted=True,
        name=name,
        reason=SECRET,
        title=SECRET,
        instrument=SECRET,
        project=SECRET,
        nested_id={"title": SECRET},
        files=[SECRET],
    )

    told = as_prefect(hostile)

    assert SECRET not in told.model_dump_json()
    assert told.resource["cisterna.stage"] == "archived"
    assert told.payload["dataset_id"] == "ds-0123456789abcdefghjkmnpqrs"


def test_a_server_that_is_away_is_told_of_within_the_time_allowed() -> None:
    sink = PrefectEvents("http://127.0.0.1:9/api")
    begun = time.monotonic()

    with pytest.raises(NotReady, match="sent again later"):
        sink.send(event())

    assert time.monotonic() - begun < 30  # Prefect's own emitter holds a process for 15 s at its end as well
    sink.close()
