"""Mail to the recipient of a delivery, to a real SMTP server of the test's own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from email.message import Message

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as MessageHandler

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.free_port import spare_ports
from cisterna.adapters.mail_server import MailServer
from cisterna.adapters.sink_delivery_mail import DeliveryMailSink
from cisterna.domain.alert_message import MessageKind
from cisterna.domain.dataset import Stage, Version
from cisterna.domain.delivery import Delivery, DeliveryRules
from cisterna.domain.errors import SinkUnavailable
from cisterna.domain.event import Event
from cisterna.domain.finding import Verdict
from cisterna.domain.project import Access, HumanData
from cisterna.services.alert_message import alert_message
from cisterna.services.delivery import deliver_version, revoke_delivery
from cisterna.services.delivery_mail import MOST_REFUSALS
from cisterna.services.delivery_use import open_delivery
from cisterna.services.health import Condition, look_at_deliveries
from cisterna.services.send_events import send_due
from cisterna.testing.clock import SettableClock
from cisterna.testing.factory import keep_version, make_account, make_receipt, make_sha512
from tests.web.site import quick_passwords

MAILS = DeliveryRules(mails=True)
TITLE = "Secret patient name"


class Kept(MessageHandler):
    def __init__(self) -> None:
        super().__init__()
        self.mails: list[Message] = []
        self.refuses: str | None = None

    def handle_message(self, message: Message) -> None:
        self.mails.append(message)

    async def handle_RCPT(  # noqa: N802 - the library's name
        self, server: object, session: object, envelope: object, address: str, options: object
    ) -> str:
        del server, session, options
        if self.refuses:
            return self.refuses
        envelope.rcpt_tos.append(address)  # type: ignore[attr-defined]
        return "250 OK"


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def server(kept: Kept) -> Iterator[Controller]:
    controller = Controller(kept, hostname="127.0.0.1", port=spare_ports(1)[0])
    controller.start()
    yield controller
    controller.stop()


@pytest.fixture
def version(catalogue: SqlCatalogue) -> Version:
    said = {
        "stage": Stage.ACCEPTED,
        "verdict": Verdict.PASSED,
        "metadata": {"human_data": "no", "access": "open"},
        "manifest_digest": make_sha512("manifest"),
        "ocfl_version": 1,
    }
    made = keep_version(catalogue, TITLE, **said)
    with catalogue.begin() as tx:
        tx.datasets.add_receipt(make_receipt(made))
        tx.accounts.add(make_account("ada", email="ada@example.org"))
        tx.accounts.add(make_account("vera", email="vera@example.org"))
        cells = tx.projects.get("cells")
        closed = cells.defaults.model_copy(update={"human_data": HumanData.NO, "access": Access.OPEN})
        tx.projects.save(cells.model_copy(update={"owner": "ada", "defaults": closed}))
        tx.outbox.register([DeliveryMailSink.name])
    return made


def sink(port: int, catalogue: SqlCatalogue, clock: SettableClock) -> DeliveryMailSink:
    where = MailServer(host="127.0.0.1", port=port, sender="cisterna@example.org", security="none")
    return DeliveryMailSink(
        where, catalogue=catalogue, base_url="https://c.example.org/", clock=clock, passwords=quick_passwords()
    )


def deliver(
    catalogue: SqlCatalogue, clock: SettableClock, version: Version, *, to: str = "guest@example.org", **more: object
) -> Delivery:
    delivery, _ = deliver_version(
        version.version_id,
        to=to,
        person="ada",
        rules=MAILS,
        catalogue=catalogue,
        clock=clock,
        passwords=quick_passwords(),
        **more,  # type: ignore[arg-type]
    )
    return delivery


def made_event(catalogue: SqlCatalogue, version: Version) -> Event:
    with catalogue.begin() as tx:
        (event,) = [one for one in tx.outbox.history([version.version_id]) if one.name == "delivery.made"]
    return event


def text_of(mail: Message) -> str:
    body = mail.get_payload(decode=True)
    assert isinstance(body, bytes)
    return body.decode()


def secret_in(mail: Message) -> str:
    (secret,) = re.findall(r"https://c\.example\.org/delivered/(\S+)", text_of(mail))
    return str(secret)


def keys(catalogue: SqlCatalogue) -> int:
    with catalogue._engine.connect() as connection:
        return int(connection.exec_driver_sql("SELECT count(*) FROM delivery_keys").scalar_one())


def test_a_guest_gets_an_address_that_opens_what_was_delivered_and_is_kept_nowhere(
    server: Controller, kept: Kept, catalogue: SqlCatalogue, clock: SettableClock, version: Version
) -> None:
    delivery = deliver(catalogue, clock, version)

    assert send_due(sink(server.port, catalogue, clock), catalogue=catalogue, clock=clock) == 1

    (mail,) = kept.mails
    assert mail["To"] == "guest@example.org"
    assert f"{delivery.expires_at:%Y-%m-%d %H:%M} UTC" in text_of(mail)
    assert TITLE in text_of(mail)
    opened = open_delivery(secret_in(mail), catalogue=catalogue, clock=clock)
    assert opened.delivery.delivery_id == delivery.delivery_id
    assert opened.delivery.mailed_at == clock.now()


def test_a_mail_tells_nothing_that_closed_data_say(
    server: Controller, kept: Kept, catalogue: SqlCatalogue, clock: SettableClock, version: Version
) -> None:
    with catalogue.begin() as tx:
        cells = tx.projects.get("cells")
        closed = cells.defaults.model_copy(update={"access": Access.RESTRICTED})
        tx.projects.save(cells.model_copy(update={"defaults": closed}))
    deliver(catalogue, clock, version, to="vera", reason="Their own patients: Zero Doe.")

    send_due(sink(server.port, catalogue, clock), catalogue=catalogue, clock=clock)

    (mail,) = kept.mails
    assert mail["To"] == "vera@example.org"
    assert TITLE not in mail.as_string()
    assert "Zero Doe" not in mail.as_string()


def test_the_same_event_again_sends_no_second_mail(
    server: Controller, kept: Kept, catalogue: SqlCatalogue, clock: SettableClock, version: Version
) -> None:
    deliver(catalogue, clock, version)
    event = made_event(catalogue, version)

    for _ in range(3):
        sink(server.port, catalogue, clock).send(event)

    assert len(kept.mails) == 1
    assert keys(catalogue) == 1


def test_a_kill_after_the_server_took_the_mail_sends_it_once_more_and_both_addresses_are_good(
    server: Controller, kept: Kept, catalogue: SqlCatalogue, clock: SettableClock, version: Version
) -> None:
    delivery = deliver(catalogue, clock, version)
    event = made_event(catalogue, version)
    sink(server.port, catalogue, clock).send(event)
    with catalogue.begin() as tx:  # as if it had been killed before it noted that the mail was sent
        tx.deliveries.put(tx.deliveries.get(delivery.delivery_id).model_copy(update={"mailed_at": None}))

    sink(server.port, catalogue, clock).send(event)

    first, second = kept.mails
    assert first["Message-ID"] == second["Message-ID"]
    for mail in kept.mails:
        opened = open_delivery(secret_in(mail), catalogue=catalogue, clock=clock)
        assert opened.delivery.delivery_id == delivery.delivery_id


def test_a_server_that_is_away_leaves_the_mail_waiting_and_no_secret_behind(
    catalogue: SqlCatalogue, clock: SettableClock, version: Version
) -> None:
    delivery = deliver(catalogue, clock, version)

    assert send_due(sink(spare_ports(1)[0], catalogue, clock), catalogue=catalogue, clock=clock) == 0

    assert keys(catalogue) == 0
    with catalogue.begin() as tx:
        assert tx.outbox.undelivered()[DeliveryMailSink.name] == 1
        assert tx.deliveries.get(delivery.delivery_id).mailed_at is None


def test_a_refused_recipient_is_told_and_leaves_no_secret_behind(
    server: Controller, kept: Kept, catalogue: SqlCatalogue, clock: SettableClock, version: Version
) -> None:
    deliver(catalogue, clock, version)
    kept.refuses = "550 no such user <guest@example.org>"

    with pytest.raises(SinkUnavailable, match="no such user") as refusal:
        sink(server.port, catalogue, clock).send(made_event(catalogue, version))

    assert "@" not in str(refusal.value)  # whom it was for is nobody's business who reads what failed

    assert keys(catalogue) == 0


@pytest.mark.parametrize("ends", ["revoked", "expired", "deactivated", "left the project", "with a link"])
def test_nobody_is_written_to_of_what_ended_or_what_needs_no_mail(
    ends: str, *, server: Controller, kept: Kept, catalogue: SqlCatalogue, clock: SettableClock, version: Version
) -> None:
    delivery = deliver(catalogue, clock, version, to="vera", with_link=ends == "with a link")
    match ends:
        case "revoked":
            revoke_delivery(delivery.delivery_id, person="ada", catalogue=catalogue, clock=clock)
        case "expired":
            clock.advance(timedelta(days=14))
        case "deactivated":
            with catalogue.begin() as tx:
                tx.accounts.save(make_account("vera", email="vera@example.org", active=False))
        case "left the project":
            with catalogue.begin() as tx:
                tx.accounts.save(make_account("vera", email="vera@example.org", grants=()))
        case _:
            pass

    sink(server.port, catalogue, clock).send(made_event(catalogue, version))

    assert kept.mails == []


def try_often(port: int, catalogue: SqlCatalogue, clock: SettableClock, *, times: int = MOST_REFUSALS) -> None:
    """Drain as a dispatcher does, after every pause."""
    for _ in range(times):
        send_due(sink(port, catalogue, clock), catalogue=catalogue, clock=clock)
        clock.advance(timedelta(minutes=10))


def told(catalogue: SqlCatalogue, version: Version) -> list[Event]:
    with catalogue.begin() as tx:
        return [one for one in tx.outbox.history([version.version_id]) if one.name == "delivery.unmailed"]


def test_a_recipient_that_is_refused_for_good_is_told_once_and_keeps_no_mail_of_others_back(
    server: Controller, kept: Kept, catalogue: SqlCatalogue, clock: SettableClock, version: Version
) -> None:
    delivery = deliver(catalogue, clock, version, to="gone@example.org")
    kept.refuses = "550 no such user <gone@example.org>"
    try_often(server.port, catalogue, clock)
    kept.refuses = None
    deliver(catalogue, clock, version, to="vera")

    send_due(sink(server.port, catalogue, clock), catalogue=catalogue, clock=clock)
    send_due(sink(server.port, catalogue, clock), catalogue=catalogue, clock=clock)

    assert [mail["To"] for mail in kept.mails] == ["vera@example.org"]
    (event,) = told(catalogue, version)
    assert event.data["by"] == "ada"
    assert "no such user" in str(event.data["problem"])
    assert "@" not in str(event.data["problem"])
    assert keys(catalogue) == 1
    message = alert_message(event, catalogue=catalogue, base_url="https://c.example.org")
    assert message is not None
    assert message.kind is MessageKind.DELIVERY_UNMAILED
    assert delivery.delivery_id in message.body
    assert "gone@example.org" not in message.body
    assert message.address == f"https://c.example.org/datasets/{version.dataset_id}/deliveries?version=v1"
    found = look_at_deliveries(catalogue, clock=clock)
    assert found.condition is Condition.WARNING
    assert delivery.delivery_id in found.message
    assert "no such user" in found.message


@pytest.mark.parametrize("refusal", ["450 try again later", "421 too busy"])
def test_a_server_that_wants_to_be_asked_later_is_asked_later_however_often(
    refusal: str, *, server: Controller, kept: Kept, catalogue: SqlCatalogue, clock: SettableClock, version: Version
) -> None:
    delivery = deliver(catalogue, clock, version)
    kept.refuses = refusal
    try_often(server.port, catalogue, clock, times=3 * MOST_REFUSALS)
    kept.refuses = None

    send_due(sink(server.port, catalogue, clock), catalogue=catalogue, clock=clock)

    assert len(kept.mails) == 1
    assert told(catalogue, version) == []
    with catalogue.begin() as tx:
        assert tx.deliveries.get(delivery.delivery_id).mailed_at == clock.now()


def test_a_mail_that_was_given_up_is_sent_when_it_is_asked_for_again(
    server: Controller, kept: Kept, catalogue: SqlCatalogue, clock: SettableClock, version: Version
) -> None:
    first = deliver(catalogue, clock, version)
    kept.refuses = "550 no such user"
    try_often(server.port, catalogue, clock)
    (event,) = told(catalogue, version)
    kept.refuses = None

    again = deliver(catalogue, clock, version)
    send_due(sink(server.port, catalogue, clock), catalogue=catalogue, clock=clock)

    assert again.delivery_id == first.delivery_id
    assert [mail["To"] for mail in kept.mails] == ["guest@example.org"]
    assert alert_message(event, catalogue=catalogue, base_url="https://c.example.org") is None
    assert look_at_deliveries(catalogue, clock=clock).condition is Condition.OK


def test_a_delivery_that_expired_before_its_mail_was_taken_is_told(
    catalogue: SqlCatalogue, clock: SettableClock, version: Version
) -> None:
    deliver(catalogue, clock, version)
    nowhere = spare_ports(1)[0]
    try_often(nowhere, catalogue, clock, times=2)
    clock.advance(timedelta(days=14))

    try_often(nowhere, catalogue, clock, times=2)

    (event,) = told(catalogue, version)
    assert "expired" in str(event.data["problem"])
    with catalogue.begin() as tx:
        assert [one for one in tx.outbox.refusals() if one.sink == DeliveryMailSink.name] == []


def test_a_delivery_that_was_revoked_before_its_mail_was_taken_is_nobody_s_worry(
    catalogue: SqlCatalogue, clock: SettableClock, version: Version
) -> None:
    delivery = deliver(catalogue, clock, version)
    nowhere = spare_ports(1)[0]
    try_often(nowhere, catalogue, clock, times=2)
    revoke_delivery(delivery.delivery_id, person="ada", catalogue=catalogue, clock=clock)
    clock.advance(timedelta(days=14))

    try_often(nowhere, catalogue, clock, times=2)

    assert told(catalogue, version) == []
