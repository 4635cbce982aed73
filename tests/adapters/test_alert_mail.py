"""Mail about alerts, to a real SMTP server of the test's own: the picture only of what is open."""

from __future__ import annotations

import email
from collections.abc import Iterator
from email.message import Message
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as MessageHandler

from cisterna.adapters.free_port import spare_ports
from cisterna.adapters.mail_server import MailServer
from cisterna.adapters.sink_mail import MailSink
from cisterna.domain.account import Account, Grant, Role
from cisterna.domain.acquisition import Acquisition
from cisterna.domain.alert import Acknowledgement, Alert, AlertKind, Place
from cisterna.domain.event import Event
from cisterna.domain.project import Access, HumanData
from cisterna.ports.catalogue import Catalogue
from cisterna.services.alert import raise_alert
from cisterna.testing.clock import START, SettableClock
from cisterna.testing.factory import make_acquisition, make_alert, make_instrument, make_project

PNG = b"\x89PNG\r\n\x1a\n" + b"the picture of a secret-patient-name"
SECRET = "secret-patient-name"
PLACE = Place.of(
    f"0/{SECRET}_0_0_DAPI.tiff", region=f"B3\r\nBcc: x@example.org {SECRET}", field="0", channel="DAPI", t=0
)


class Kept(MessageHandler):
    def __init__(self) -> None:
        super().__init__()
        self.mails: list[Message] = []

    def handle_message(self, message: Message) -> None:
        self.mails.append(message)


@pytest.fixture
def server() -> Iterator[Controller]:
    controller = Controller(Kept(), hostname="127.0.0.1", port=spare_ports(1)[0])
    controller.start()
    yield controller
    controller.stop()


def settle(catalogue: Catalogue, *, project: str | None = "cells", **defaults: Any) -> Acquisition:
    """Lay a run of a project with people, and a site with an operator and an administrator."""
    made = make_project("cells", owner="ada", people=("pia", "mute"))
    made = made.model_copy(update={"defaults": made.defaults.model_copy(update=defaults)})
    people = {"ada": (), "pia": (), "mute": (), "olga": (Grant(role=Role.OPERATOR),), "root": (Grant(role=Role.ADMIN),)}
    with catalogue.begin() as tx:
        tx.outbox.register(["mail"])
        tx.instruments.add(make_instrument())
        tx.projects.add(made)
        for name, grants in people.items():
            address = None if name == "mute" else f"{name}@example.org"
            tx.accounts.add(Account(name=name, email=address, grants=grants, created_at=START))
        return tx.acquisitions.save(make_acquisition(f"{SECRET} run", project=project))


def raised(catalogue: Catalogue, clock: SettableClock, run: Acquisition, **fields: Any) -> tuple[Alert, Event]:
    made = make_alert(
        run.folder, place=PLACE, places=(PLACE,), words=f"The first dark image of the run: {PLACE.words}.", **fields
    )
    with catalogue.begin() as tx:
        alert = raise_alert(tx, made, run, clock=clock)
        tx.alerts.put_picture(alert.alert_id, PNG)
        (event,) = [one for one in tx.outbox.history([run.acquisition_id]) if one.name == "alert.raised"]
    return alert, event


def send(server: Controller, catalogue: Catalogue, event: Event) -> list[Message]:
    where = MailServer(host="127.0.0.1", port=server.port, sender="cisterna@example.org", security="none")
    MailSink(where, catalogue=catalogue, base_url="https://cisterna.example.org/").send(event)
    handler = server.handler
    assert isinstance(handler, Kept)
    return handler.mails


def text_of(mail: Message) -> str:
    parts = [one.get_payload(decode=True) for one in mail.walk() if one.get_content_type() == "text/plain"]
    return b"".join(part for part in parts if isinstance(part, bytes)).decode()


def pictures_of(mail: Message) -> list[object]:
    return [one.get_payload(decode=True) for one in mail.walk() if one.get_content_maintype() == "image"]


def test_people_of_the_project_and_operators_get_the_number_the_limit_and_the_picture(
    server: Controller, catalogue: Catalogue, clock: SettableClock
) -> None:
    run = settle(catalogue)
    alert, event = raised(catalogue, clock, run)

    (mail,) = send(server, catalogue, event)

    assert mail["To"] == "ada@example.org, olga@example.org, pia@example.org"
    assert str(email.header.make_header(email.header.decode_header(mail["Subject"]))) == (
        "[Cisterna] Alert at squid-1: dark"
    )
    assert "102, where the limit is 900" in text_of(mail)
    assert f"https://cisterna.example.org/acquisitions/{run.acquisition_id}" in text_of(mail)
    assert pictures_of(mail) == [PNG]
    assert mail["Message-ID"] == f"<{event.event_id}@cisterna>"
    assert alert.waits


def test_what_a_file_is_called_adds_no_header_and_no_recipient(
    server: Controller, catalogue: Catalogue, clock: SettableClock
) -> None:
    _, event = raised(catalogue, clock, settle(catalogue))

    (mail,) = send(server, catalogue, event)

    assert mail["Bcc"] is None
    assert "x@example.org" not in mail["To"]


@pytest.mark.parametrize(
    ("project", "defaults"),
    [
        pytest.param("cells", {"human_data": HumanData.YES}, id="human-data"),
        pytest.param("cells", {"human_data": HumanData.UNANSWERED}, id="unanswered"),
        pytest.param("cells", {"access": Access.EMBARGOED}, id="embargoed"),
        pytest.param(None, {}, id="unclaimed"),
    ],
)
def test_of_restricted_data_there_is_no_picture_and_nothing_that_they_say_of_themselves(
    server: Controller, catalogue: Catalogue, clock: SettableClock, project: str | None, defaults: dict[str, Any]
) -> None:
    run = settle(catalogue, project=project, **defaults)
    _, event = raised(catalogue, clock, run)
    assert event.restricted

    (mail,) = send(server, catalogue, event)

    assert pictures_of(mail) == []
    whole = mail.as_string() + text_of(mail)
    for word in (SECRET, "B3", "DAPI", "102", "time point"):
        assert word not in whole
    assert run.acquisition_id in text_of(mail)


def test_a_project_that_became_restricted_before_the_mail_left_is(
    server: Controller, catalogue: Catalogue, clock: SettableClock
) -> None:
    _, event = raised(catalogue, clock, settle(catalogue))
    assert not event.restricted
    with catalogue.begin() as tx:
        project = tx.projects.get("cells")
        closed = project.defaults.model_copy(update={"human_data": HumanData.YES})
        tx.projects.save(project.model_copy(update={"defaults": closed}))

    (mail,) = send(server, catalogue, event)

    assert pictures_of(mail) == []
    assert SECRET not in mail.as_string() + text_of(mail)


def test_of_an_unclaimed_run_only_operators_are_told(
    server: Controller, catalogue: Catalogue, clock: SettableClock
) -> None:
    _, event = raised(catalogue, clock, settle(catalogue, project=None))

    (mail,) = send(server, catalogue, event)

    assert mail["To"] == "olga@example.org"


def test_silence_has_no_picture(server: Controller, catalogue: Catalogue, clock: SettableClock) -> None:
    run = settle(catalogue)
    words = "Nothing was written for 42 min; by the run's own plan something was due every 10 min."
    made = make_alert(run.folder, kind=AlertKind.SILENT, place=None, places=(), words=words)
    with catalogue.begin() as tx:
        raise_alert(tx, made, run, clock=clock)
        (event,) = tx.outbox.history([run.acquisition_id])

    (mail,) = send(server, catalogue, event)

    assert pictures_of(mail) == []
    assert words in text_of(mail).replace("\n", " ")


@pytest.mark.parametrize("answered", ["acknowledged", "closed", "gone"])
def test_what_was_answered_before_the_mail_left_is_not_mailed(
    server: Controller, catalogue: Catalogue, clock: SettableClock, answered: str
) -> None:
    alert, event = raised(catalogue, clock, settle(catalogue))
    known = Acknowledgement(person="olga", reason="on it", at=START)
    changes: dict[str, dict[str, Any]] = {
        "acknowledged": {"acknowledged": known},
        "closed": {"closed_at": START, "closed_reason": "over"},
        "gone": {},
    }
    with catalogue.begin() as tx:
        tx.alerts.put(alert.model_copy(update=changes[answered]))
    if answered == "gone":
        event = event.model_copy(update={"data": {**event.data, "alert_id": "no such alert"}})

    assert send(server, catalogue, event) == []


@pytest.mark.parametrize("name", ["alert.acknowledged", "alert.closed"])
def test_other_events_of_alerts_are_no_mail(
    server: Controller, catalogue: Catalogue, clock: SettableClock, name: str
) -> None:
    _, event = raised(catalogue, clock, settle(catalogue))

    assert send(server, catalogue, event.model_copy(update={"name": name})) == []
