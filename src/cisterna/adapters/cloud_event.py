"""CloudEvents 1.0 over HTTP, in binary and structured mode."""

from __future__ import annotations

from collections.abc import Mapping

from cisterna.domain.errors import InvalidInput

_VERSION = "1.0"


def read_cloud_event(headers: Mapping[str, str], body: bytes) -> object:
    """Return the data of an event; its attributes must be those of an event, and are otherwise passed over.

    Args:
        headers: Of the request.
        body: Of the request, which is bounded in size and depth.

    Raises:
        InvalidInput: It is no CloudEvent 1.0, or its data are no JSON.
    """
    from cloudevents.core.bindings.http import HTTPMessage, from_http_event
    from cloudevents.core.exceptions import BaseCloudEventException, CloudEventValidationError

    names = {name.lower(): value for name, value in headers.items()}
    try:
        event = from_http_event(HTTPMessage(headers=names, body=body))
    except CloudEventValidationError as error:
        wrong = "; ".join(str(one) for found in error.errors.values() for one in found)
        raise InvalidInput(f"the message is no CloudEvent {_VERSION}: {wrong[:500]}") from error
    except (BaseCloudEventException, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        said = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise InvalidInput(f"the message is no CloudEvent {_VERSION}: {said}") from error
    if event.get_specversion() != _VERSION:
        raise InvalidInput(f"the message is a CloudEvent {event.get_specversion()}; send {_VERSION}")
    return event.get_data()
