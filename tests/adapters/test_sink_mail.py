"""Mail about releases, to a real SMTP server of the test's own."""

from __future__ import annotations

import email
from collections.abc import Iterator
from datetime import timedelta
from email.message import Message

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as MessageHandler

from cisterna.adapters.free_port import spare_ports
from cisterna.adapters.mail_server import MailServer
from cisterna.adapters.sink_mail import MailSink
from cisterna.domain.account import Account, Role
from cisterna.domain.errors import SinkUnavailable
from cisterna.domain.event import Event
from cisterna.domain.release import Release
from cisterna.ports.catalogue import Catalogue
from cisterna.services.send_events import send_due
from cisterna.testing.clock import START, SettableClock
from cisterna.testing.factory import keep_version, make_account, make_event, make_id, make_sha512


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


@pytest.fixture
def release(catalogue: Catalogue) -> Release:
    version = keep_version(catalogue, "secret-patient-name")
    with catalogue.begin() as tx:
        dataset = tx.datasets.get(version.dataset_id)
        tx.accounts.add(make_account("ada", Role.VIEWER, email="ada@example.org"))
        tx.accounts.add(make_account("sten", email="sten@example.org"))
    return Release(
        release_id=make_id("release"),
        acquisition_id=dataset.acquisition_id,
        dataset_id=dataset.dataset_id,
        version_id=version.version_id,
        manifest_digest=make_sha512("manifest"),
        file_count=24,
        total_bytes=12_345,
        person="sten",
        announced_at=START,
        due_at=START + timedelta(hours=72),
    )


def event(release: Release, name: str = "release.announced") -> Event:
    data = {"release": release.model_dump(mode="json"), "project": "cells", "reason": "secret-patient-name"}
    return make_event(subject=release.version_id, data=data).model_copy(update={"name": name})


def sink(server: Controller, catalogue: Catalogue) -> MailSink:
    where = MailServer(host="127.0.0.1", port=server.port, sender="cisterna@example.org", security="none")
    return MailSink(where, catalogue=catalogue, base_url="https://cisterna.example.org/")


def mails(server: Controller) -> list[Message]:
    handler = server.handler
    assert isinstance(handler, Kept)
    return handler.mails


def test_owner_and_announcer_are_told_when_and_where_to_cancel(
    server: Controller, catalogue: Catalogue, release: Release
) -> None:
    sink(server, catalogue).send(event(release))

    (mail,) = mails(server)
    assert mail["To"] == "ada@example.org, sten@example.org"
    assert "will be deleted on" in str(email.header.make_header(email.header.decode_header(mail["Subject"])))
    body = mail.get_payload()
    assert f"https://cisterna.example.org/acquisitions/{release.acquisition_id}" in body
    assert f"{release.due_at:%Y-%m-%d %H:%M} UTC" in body
    assert "secret-patient-name" not in mail.as_string()


def test_the_same_event_again_is_the_same_message(server: Controller, catalogue: Catalogue, release: Release) -> None:
    told = event(release)
    for _ in range(2):
        sink(server, catalogue).send(told)

    first, second = mails(server)
    assert first["Message-ID"] == second["Message-ID"] == f"<{told.event_id}@cisterna>"


@pytest.mark.parametrize("name", ["version.stage", "hold.placed", "release.begun"])
def test_other_events_are_no_mail(server: Controller, catalogue: Catalogue, release: Release, name: str) -> None:
    sink(server, catalogue).send(event(release, name))

    assert mails(server) == []


def test_an_event_that_holds_no_release_harms_nobody(server: Controller, catalogue: Catalogue) -> None:
    odd = make_event(data={"release": {"person": "x\r\nBcc: y"}}).model_copy(update={"name": "release.announced"})

    sink(server, catalogue).send(odd)

    assert mails(server) == []


def test_without_an_address_nobody_is_written_to(server: Controller, catalogue: Catalogue, release: Release) -> None:
    with catalogue.begin() as tx:
        for name in ("ada", "sten"):
            tx.accounts.save(Account(name=name, created_at=START))

    sink(server, catalogue).send(event(release))

    assert mails(server) == []


def test_who_asked_for_a_shadow_mode_and_operators_are_told_that_its_report_is_ready(
    server: Controller, catalogue: Catalogue
) -> None:
    with catalogue.begin() as tx:
        for name, role in (("olga", Role.OPERATOR), ("sten", Role.STEWARD), ("otto", Role.OPERATOR)):
            tx.accounts.add(make_account(name, role, email=f"{name}@example.org"))
        tx.accounts.add(make_account("gone", Role.OPERATOR, email="gone@example.org", active=False))
    data = {"instrument": "squid-1", "person": "sten", "days": 30.0, "begun_at": START.isoformat(), "reason": "secret"}
    ready = make_event(subject="squid-1", data=data).model_copy(update={"name": "instrument.shadow-report"})

    sink(server, catalogue).send(ready)
    sink(server, catalogue).send(ready.model_copy(update={"name": "instrument.shadow-begun"}))
    sink(server, catalogue).send(ready.model_copy(update={"data": {**data, "instrument": "x\r\nBcc: y"}}))

    (mail,) = mails(server)
    assert mail["To"] == "olga@example.org, otto@example.org, sten@example.org"
    assert "https://cisterna.example.org/instruments/squid-1/shadow" in mail.get_payload()
    assert "secret" not in mail.as_string()


def test_while_the_server_is_away_mail_waits_in_the_outbox(
    catalogue: Catalogue, clock: SettableClock, release: Release
) -> None:
    port = spare_ports(1)[0]
    where = MailServer(host="127.0.0.1", port=port, sender="cisterna@example.org", security="none")
    mail = MailSink(where, catalogue=catalogue, base_url="https://cisterna.example.org")
    with catalogue.begin() as tx:
        tx.outbox.register(["mail"])
        tx.outbox.append(event(release))

    with pytest.raises(SinkUnavailable, match="did not take a mail"):
        mail.send(event(release))
    assert send_due(mail, catalogue=catalogue, clock=clock) == 0
    controller = Controller(Kept(), hostname="127.0.0.1", port=port)
    controller.start()
    try:
        clock.advance(timedelta(minutes=10))
        assert send_due(mail, catalogue=catalogue, clock=clock) == 1
        assert len(mails(controller)) == 1
    finally:
        controller.stop()
