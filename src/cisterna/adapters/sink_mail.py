"""Mail to the people whom a release of a source copy, an alert, or the report of a shadow mode concerns, by SMTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from email.utils import format_datetime

from pydantic import ValidationError

from cisterna.adapters.alert_mail import RAISED, alert_message
from cisterna.adapters.mail_server import MailServer, mail_session
from cisterna.domain.account import Account, Role
from cisterna.domain.event import Event
from cisterna.domain.release import Release
from cisterna.ports.catalogue import Catalogue

_SUBJECTS: Mapping[str, str] = {
    "release.announced": "The instrument's copy will be deleted on {due}",
    "release.cancelled": "The instrument's copy will not be deleted: the release was cancelled",
    "release.refused": "The instrument's copy was not deleted: the release was refused",
    "release.stopped": "The deletion of the instrument's copy was stopped",
    "release.done": "The instrument's copy was deleted",
}
_REPORT = "instrument.shadow-report"


class MailSink:
    """Implements `ports.sink.EventSink` for what becomes of releases, for alerts, and for the report of a shadow mode.

    Every other event is nothing to it. Of a release the owner of the project gets the mail, and who announced it; of a
    report, who asked for the shadow mode and every operator. Both hold ids, counts, dates and a link and nothing that
    the data say of themselves, so that they may leave the house whatever the data are. The same event again is the same
    message, by its Message-ID.
    """

    name = "mail"
    inside = True

    def __init__(self, server: MailServer, *, catalogue: Catalogue, base_url: str) -> None:
        self._server = server
        self._catalogue = catalogue
        self._base_url = base_url.rstrip("/")

    def send(self, event: Event) -> None:
        """Send the event's mail. Raises `SinkUnavailable` when the server does not take it for everybody."""
        if event.name == RAISED:
            self._send_alert(event)
        if event.name == _REPORT:
            self._send_report(event)
        if event.name not in _SUBJECTS:
            return
        try:
            release = Release.model_validate(event.data.get("release"))
        except ValidationError:
            return  # not an event of ours: there is nothing to tell
        recipients = self._recipients(event, release)
        if recipients:
            self._hand_in(self._message(event, release, recipients))

    def _send_report(self, event: Event) -> None:
        name, person = event.data.get("instrument"), event.data.get("person")
        if not isinstance(name, str) or not name.isprintable():
            return  # not an event of ours: there is nothing to tell
        with self._catalogue.begin() as tx:
            accounts = tx.accounts.list()
        people = [one for one in accounts if one.name == person or one.has_role(Role.OPERATOR, project=None)]
        recipients = [one.email for one in people if one.active and one.email]
        if not recipients:
            return
        message = self._begin(event, f"What shadow mode saw of {name} in {event.data.get('days')} days", recipients)
        lines = [
            f"Instrument    {name}",
            f"Since         {event.data.get('begun_at')}",
            f"Asked for by  {person}",
            "",
            "The report is ready. The mode goes on until an operator ends it:",
            f"{self._base_url}/instruments/{name}/shadow",
        ]
        message.set_content("\n".join(lines) + "\n")
        self._hand_in(message)

    def _recipients(self, event: Event, release: Release) -> list[str]:
        project = event.data.get("project")
        with self._catalogue.begin() as tx:
            owner = tx.projects.get(project).owner if isinstance(project, str) else None
            people: list[Account | None] = [tx.accounts.find(name) for name in (owner, release.person) if name]
        return list(dict.fromkeys(one.email for one in people if one is not None and one.active and one.email))

    def _message(self, event: Event, release: Release, recipients: list[str]) -> EmailMessage:
        due = f"{release.due_at:%Y-%m-%d %H:%M} UTC"
        message = self._begin(event, _SUBJECTS[event.name].format(due=due), recipients)
        lines = [
            f"Acquisition   {release.acquisition_id}",
            f"Archived as   {release.version_id}",
            f"Files         {release.file_count}, {release.total_bytes} bytes",
            f"Asked for by  {release.person}",
            f"Due           {due}",
            f"Now           {release.state.value}",
            "",
            "Look at it, cancel it while there is time, or place a hold:",
            f"{self._base_url}/acquisitions/{release.acquisition_id}",
        ]
        message.set_content("\n".join(lines) + "\n")
        return message

    def _send_alert(self, event: Event) -> None:
        found = alert_message(event, catalogue=self._catalogue, base_url=self._base_url)
        if found is not None and found[1]:
            message, recipients = found
            self._address(message, event, recipients)
            self._hand_in(message)

    def _begin(self, event: Event, subject: str, recipients: list[str]) -> EmailMessage:
        message = EmailMessage()
        message["Subject"] = f"[Cisterna] {subject}"
        self._address(message, event, recipients)
        return message

    def _address(self, message: EmailMessage, event: Event, recipients: Sequence[str]) -> None:
        message["From"] = self._server.sender
        message["To"] = ", ".join(recipients)
        message["Date"] = format_datetime(event.occurred_at)
        message["Message-ID"] = f"<{event.event_id}@cisterna>"
        message["Auto-Submitted"] = "auto-generated"

    def _hand_in(self, message: EmailMessage) -> None:
        with mail_session(self._server, sink=self.name) as session:
            session.send(message)
