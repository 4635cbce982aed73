"""Messages to chat rooms, webhooks, mail and whatever else Apprise knows, by the addresses that a site names.

An address holds a secret: neither it nor what Apprise says of it goes into a log or an error.
"""

from __future__ import annotations

import functools
import logging
import re
import threading
import warnings
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import Field, SecretStr, StringConstraints, model_validator

from cisterna.domain.alert_message import WANTED, AlertMessage, MessageKind
from cisterna.domain.base import Value
from cisterna.domain.errors import SinkUnavailable
from cisterna.domain.event import Event
from cisterna.domain.identifier import Slug
from cisterna.ports.catalogue import Catalogue
from cisterna.services.alert_message import alert_message

_CODE = re.compile(r"\berror=(\d{3})\b")
_EXAMPLES = "slack://TOKEN_A/TOKEN_B/TOKEN_C/#room, jsons://host/path or mailtos://USER:PASSWORD@host"
_LONGEST = 12
"""Of the characters of a scheme that are told in an error: a secret pasted in its place is longer."""


class AlertTarget(Value):
    """A room, webhook or mailbox that gets messages, by an address of Apprise's."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,31}$")] = Field(
        description="What `doctor` and the logs call it, which never tell its address."
    )
    url: SecretStr = Field(description="Its address, such as slack://..., mailtos://... or jsons://...; a secret.")
    kinds: tuple[MessageKind, ...] = Field(WANTED, min_length=1, description="What it is told; all but `review`.")
    projects: tuple[Slug, ...] = Field((), description="Only of data of these projects; empty: of all.")
    instruments: tuple[Slug, ...] = Field((), description="Only of data of these instruments; empty: of all.")

    @model_validator(mode="after")
    def _is_usable(self) -> AlertTarget:
        fault = target_fault(self.url.get_secret_value())
        if fault is not None:
            msg = f"the address of the target '{self.name}' cannot be used: {fault}"
            raise ValueError(msg)
        return self

    def wants(self, message: AlertMessage) -> bool:
        """Tell whether a message is for this target."""
        return (
            message.kind in self.kinds
            and (not self.projects or message.project in self.projects)
            and (not self.instruments or message.instrument in self.instruments)
        )


class AppriseSink:
    """Implements `ports.sink.EventSink` for one target: an event that is no message for it is nothing to it.

    Each target is a sink of its own, so that one that is dead holds up no other, and what it did not take is kept for
    it alone. A message goes out once: that the target took it is on record in the outbox; only a kill between the two
    sends it again.
    """

    inside = True

    def __init__(self, target: AlertTarget, *, catalogue: Catalogue, base_url: str) -> None:
        self.name = sink_name(target.name)
        self._target = target
        self._catalogue = catalogue
        self._base_url = base_url
        self._notifier: Any = None

    def send(self, event: Event) -> None:
        """Send the event's message. Raises `SinkUnavailable` when the target does not take it."""
        message = alert_message(event, catalogue=self._catalogue, base_url=self._base_url)
        if message is not None and self._target.wants(message):
            self.tell(message)

    def tell(self, message: AlertMessage) -> None:
        """Send a message, whatever the target wants. Raises `SinkUnavailable`."""
        apprise = _apprise()
        if self._notifier is None:
            self._notifier = apprise.Apprise(asset=_asset())
            self._notifier.add(_instantiate(self._target.url.get_secret_value()))
        _codes.found.clear()
        is_taken = self._notifier.notify(
            title=f"[Cisterna] {message.subject}",
            body=message.body,
            notify_type=apprise.NotifyType.WARNING,
            body_format=apprise.NotifyFormat.TEXT,
        )
        if not is_taken:
            said = f", it answered {' and '.join(_codes.found)}" if _codes.found else ""
            msg = f"the alert target '{self._target.name}' did not take a message{said}; it is kept and tried again"
            raise SinkUnavailable(msg, sink=self.name)


def sink_name(target: str) -> str:
    """Give what the outbox calls a target's sink."""
    return f"alerts-{target}"


def target_fault(url: str) -> str | None:
    """Say what is wrong with an address, without telling it, or None when Apprise can use it. Nothing is sent."""
    scheme = url.partition("://")[0]
    if _instantiate(url) is not None:
        return None
    shown = scheme if scheme.isascii() and scheme.isalnum() and len(scheme) <= _LONGEST and "://" in url else None
    if shown is None or shown.lower() not in _schemes():
        named = f"Apprise knows no service '{shown}'" if shown else "it is no address of the form service://..."
        return f"{named}; name one such as {_EXAMPLES}"
    return f"Apprise cannot use it: a part of what {shown}:// needs is missing or wrong; see its page of the service"


def _schemes() -> Iterable[str]:
    found: list[str] = []
    for plugin in _apprise().Apprise(asset=_asset()).details()["schemas"]:
        found += [*(plugin["protocols"] or ()), *(plugin["secure_protocols"] or ())]
    return found


def _instantiate(url: str) -> Any:
    try:
        return _apprise().Apprise.instantiate(url, asset=_asset())
    except Exception:  # noqa: BLE001 - whatever a service's parser raises on what somebody typed: it is not usable
        return None


def _asset() -> Any:
    """Keep Apprise to the target: no pictures from elsewhere in the message, no files on disk, no plug-ins."""
    apprise = _apprise()
    return apprise.AppriseAsset(
        app_id="Cisterna",
        app_desc="Cisterna",
        app_url="",
        image_url_mask="",
        image_url_logo="",
        image_path_mask="",
        plugin_paths=(),
        storage_mode=apprise.PersistentStoreMode.MEMORY,
        async_mode=False,
        secure_logging=True,
    )


class _Codes(logging.Filter):
    """Takes what Apprise logs, which holds addresses, out of every log. Of it all, the status codes stay."""

    def __init__(self) -> None:
        super().__init__()
        self._of_thread = threading.local()

    def filter(self, record: logging.LogRecord) -> bool:
        """Look for a status code, and drop the record before any handler sees it."""
        self.found.extend(_CODE.findall(record.getMessage()))
        return False

    @property
    def found(self) -> list[str]:
        """Those of this thread since it last cleared them: each target has a thread of its own."""
        found: list[str] = self._of_thread.__dict__.setdefault("found", [])
        return found


_codes = _Codes()


_loading = threading.Lock()


def _apprise() -> Any:
    """Import Apprise when it is first needed, and keep what it logs to ourselves, whatever level is set."""
    with _loading:
        return _loaded()


@functools.cache
def _loaded() -> Any:
    import apprise

    logging.getLogger("apprise").addFilter(_codes)
    http = logging.getLogger("urllib3.connectionpool")  # logs the path of each request, where tokens are
    http.setLevel(max(http.level, logging.INFO))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of what the services' modules import, all of them at once
        apprise.Apprise.instantiate("json://127.0.0.1")
    return apprise
