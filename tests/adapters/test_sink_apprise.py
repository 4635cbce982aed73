"""Messages by Apprise, to real servers of the tests' own: webhooks and mail, on 127.0.0.1 alone."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as MessageHandler
from pydantic import SecretStr

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.free_port import spare_ports
from cisterna.adapters.sink_apprise import AlertTarget, AppriseSink, target_fault
from cisterna.domain.alert_message import WANTED, AlertMessage, MessageKind
from cisterna.domain.dataset import Stage, Version
from cisterna.domain.errors import SettingsInvalid, SinkUnavailable
from cisterna.domain.finding import Verdict
from cisterna.domain.project import HumanData
from cisterna.domain.review import Act
from cisterna.services.health import Condition, look_at_sinks
from cisterna.services.send_events import send_due
from cisterna.settings import load_settings
from cisterna.testing.clock import SettableClock
from tests.web.site import Site

TOKEN = "t0kenthatnobodyreads"
BASE = "https://cisterna.example.org"


class Webhook:
    """An HTTP server that keeps what it is sent and answers as it is told."""

    def __init__(self) -> None:
        self.given: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.status = 200
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.paths.append(self.path)
                outer.given.append(json.loads(body))
                self.send_response(outer.status)
                self.end_headers()

            def log_message(self, *_words: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self._server.server_port}/{TOKEN}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Kept(MessageHandler):
    def __init__(self) -> None:
        super().__init__()
        self.mails: list[Message] = []

    def handle_message(self, message: Message) -> None:
        self.mails.append(message)


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    made = Webhook()
    yield made
    made.stop()


@pytest.fixture
def site(catalogue: SqlCatalogue, clock: SettableClock) -> Site:
    made = Site(catalogue, clock)
    made.settle_people()
    with catalogue.begin() as tx:
        tx.outbox.register(["alerts-room"])
    return made


def sink(site: Site, url: str, **fields: Any) -> AppriseSink:
    target = AlertTarget(name="room", url=SecretStr(url), **fields)
    return AppriseSink(target, catalogue=site.catalogue, base_url=f"{BASE}/")


def deliver(site: Site, to: AppriseSink) -> int:
    return send_due(to, catalogue=site.catalogue, clock=site.clock)


def quarantined(site: Site, name: str = "plate-8", **fields: Any) -> Version:
    return site.lay_version(
        name, **{"verdict": Verdict.QUARANTINED, "reason": "2 images are out of focus", "title": "Plate 8", **fields}
    )


def waiting(site: Site) -> int:
    with site.catalogue.begin() as tx:
        return tx.outbox.undelivered()["alerts-room"]


def test_what_is_in_quarantine_is_told_to_a_webhook_with_the_address_of_its_page(site: Site, webhook: Webhook) -> None:
    version = quarantined(site)

    deliver(site, sink(site, webhook.url))

    (told,) = webhook.given
    assert told["title"] == "[Cisterna] A dataset is in quarantine: squid-1"
    assert told["message"].splitlines() == [
        "Plate 8",
        "2 images are out of focus",
        f"Version     {version.version_id}",
        "Instrument  squid-1",
        f"{BASE}/datasets/{version.dataset_id}?version=v1",
    ]
    assert told["type"] == "warning"
    assert waiting(site) == 0


def test_a_message_is_sent_once_whatever_is_drained_or_opened_again(site: Site, webhook: Webhook) -> None:
    version = quarantined(site)
    deliver(site, sink(site, webhook.url))

    deliver(site, sink(site, webhook.url))  # another process, after a restart
    site.decide(version)
    site.decide(site.now(version), Act.REQUEST_CHANGES)
    deliver(site, sink(site, webhook.url))

    assert len(webhook.given) == 1


def test_what_was_decided_before_the_target_answered_is_not_told(site: Site, webhook: Webhook) -> None:
    site.decide(quarantined(site), Act.REJECT)

    deliver(site, sink(site, webhook.url))

    assert webhook.given == []
    assert waiting(site) == 0


def test_what_a_target_did_not_take_is_kept_and_tried_again_after_growing_pauses(site: Site, webhook: Webhook) -> None:
    quarantined(site)
    webhook.status = 500
    told, pauses = sink(site, webhook.url), []
    for tries in range(1, 7):
        before = site.clock.now()
        while len(webhook.given) < tries:
            deliver(site, told)
            site.clock.advance(timedelta(seconds=1))
        pauses.append((site.clock.now() - before).total_seconds())

    assert pauses[5] > pauses[1]
    with site.catalogue.begin() as tx:
        (refusal,) = tx.outbox.refusals()
    assert (refusal.sink, refusal.attempts) == ("alerts-room", 6)
    assert "it answered 500" in refusal.reason
    webhook.status = 200
    site.clock.advance(timedelta(hours=1))
    deliver(site, told)
    assert len(webhook.given) == 7
    with site.catalogue.begin() as tx:
        assert list(tx.outbox.refusals()) == []


def test_a_dead_target_is_named_by_doctor_with_what_to_do(site: Site, webhook: Webhook) -> None:
    quarantined(site)
    webhook.stop()
    dead = sink(site, webhook.url)
    for _ in range(3):
        deliver(site, dead)
        site.clock.advance(timedelta(minutes=10))

    (found,) = look_at_sinks(site.catalogue)

    assert (found.part, found.condition) == ("sink alerts-room", Condition.WARNING)
    assert "cisterna alerts test" in found.fix
    assert TOKEN not in found.message


@pytest.mark.parametrize("status", [302, 404, 500, None])
def test_the_secret_in_an_address_is_in_no_error_and_no_log(
    site: Site, webhook: Webhook, caplog: pytest.LogCaptureFixture, status: int | None
) -> None:
    caplog.set_level(logging.DEBUG)
    quarantined(site)
    if status is None:
        webhook.stop()
    webhook.status = status or 200
    event_sink = sink(site, webhook.url)

    with pytest.raises(SinkUnavailable) as refused:
        event_sink.tell(AlertMessage(kind=MessageKind.ALERT, subject="s", lines=("l",), address=BASE))

    assert "'room'" in str(refused.value)
    assert TOKEN not in f"{refused.value} {refused.value.facts} {caplog.text} {event_sink.__dict__}"


def test_nothing_of_restricted_data_is_told_but_that_they_wait_and_where(site: Site, webhook: Webhook) -> None:
    secret = "secret-patient-name"
    versions = [
        quarantined(site, "a", title=secret, reason=secret, project="patients"),
        quarantined(site, "b", title=secret, reason=secret, human=HumanData.UNANSWERED),
        quarantined(site, "c", title=secret, reason=secret, project=None),
    ]

    deliver(site, sink(site, webhook.url))

    assert len(webhook.given) == 3
    for told, version in zip(webhook.given, versions, strict=True):
        assert secret not in json.dumps(told)
        assert "restricted" in told["message"]
        assert f"{BASE}/datasets/{version.dataset_id}?version=v1" in told["message"]


def test_data_that_were_closed_meanwhile_are_not_named(site: Site, webhook: Webhook) -> None:
    quarantined(site, title="A name")
    with site.catalogue.begin() as tx:
        project = tx.projects.get("atlas")
        closed = project.defaults.model_copy(update={"human_data": HumanData.YES})
        tx.projects.save(project.model_copy(update={"defaults": closed}))

    deliver(site, sink(site, webhook.url))

    (told,) = webhook.given
    assert "A name" not in json.dumps(told)


@pytest.mark.parametrize(
    ("fields", "count"),
    [
        ({}, 2),
        ({"kinds": tuple(MessageKind)}, 3),
        ({"kinds": (MessageKind.NOT_ASSESSED,)}, 1),
        ({"projects": ("atlas",)}, 1),
        ({"projects": ("nobody",)}, 0),
        ({"instruments": ("squid-2",)}, 1),
    ],
)
def test_a_target_gets_what_it_asks_for(site: Site, webhook: Webhook, fields: dict[str, Any], count: int) -> None:
    quarantined(site)
    site.lay_version("b", verdict=Verdict.NOT_ASSESSED, project="other", instrument="squid-2")
    site.lay_version("c", verdict=Verdict.REVIEW, project="other")
    site.lay_version("d")

    deliver(site, sink(site, webhook.url, **fields))

    assert len(webhook.given) == count


def test_what_is_in_review_by_rule_is_told_only_to_who_asks_for_it() -> None:
    assert set(MessageKind) - set(WANTED) == {MessageKind.REVIEW}


def test_hostile_titles_are_text_of_one_line(site: Site, webhook: Webhook) -> None:
    quarantined(site, title="<script>x</script>\r\n<!channel> @everyone \u202e\x1b[2J", reason="r" * 50_000)

    deliver(site, sink(site, webhook.url))

    (told,) = webhook.given
    first, reason, *_rest = told["message"].splitlines()
    assert first.startswith("<script>x</script>  <!channel> @everyone")
    assert not set(told["message"]) & {"\x1b", "\u202e", "\r"}
    assert len(reason) == 1000


def test_a_message_holds_no_address_of_anybody_else(site: Site, webhook: Webhook) -> None:
    quarantined(site)

    deliver(site, sink(site, webhook.url))

    (told,) = webhook.given
    assert "github" not in json.dumps(told).lower()
    assert json.dumps(told).count("http") == 1


def test_mail_goes_out_by_a_real_server(site: Site) -> None:
    controller = Controller(Kept(), hostname="127.0.0.1", port=spare_ports(1)[0])
    controller.start()
    try:
        version = quarantined(site, title="Plate <b>8</b>")
        url = f"mailto://127.0.0.1:{controller.port}?from=cisterna@example.org&to=core@example.org&mode=insecure"

        deliver(site, sink(site, url))
    finally:
        controller.stop()

    assert isinstance(controller.handler, Kept)
    (mail,) = controller.handler.mails
    assert "core@example.org" in str(mail["To"])
    assert "A dataset is in quarantine" in str(mail["Subject"])
    parts = [one.get_payload(decode=True) for one in mail.walk() if not one.is_multipart()]
    assert any(version.dataset_id.encode() in part for part in parts if isinstance(part, bytes))
    assert not any(b"<b>8</b>" in part for part in parts if isinstance(part, bytes) and b"<html" in part)


WRONG = {
    "no scheme": "xoxb-a-secret-pasted-alone",
    "unknown": "slak://a/b/c",
    "too little": "slack://a-secret",
    "empty": "",
    "half": "json://[::1",
}


@pytest.mark.parametrize("url", WRONG.values(), ids=WRONG)
def test_an_address_that_cannot_be_used_is_refused_at_load_without_being_told(
    tmp_path: Path, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    targets = json.dumps([{"name": "room", "url": url}])

    with pytest.raises(SettingsInvalid, match="the address of the target 'room' cannot be used") as refused:
        _load(tmp_path, targets)

    assert "a-secret" not in f"{refused.value} {caplog.text}"


def _load(home: Path, targets: str) -> None:
    (home / "cisterna.toml").write_text(f"alerts.targets = {_toml(targets)}\n", encoding="utf-8")
    load_settings(home=home, environ={})


def _toml(targets: str) -> str:
    shown = [", ".join(f"{key} = {json.dumps(value)}" for key, value in one.items()) for one in json.loads(targets)]
    return f"[{', '.join(f'{{{one}}}' for one in shown)}]"


def test_targets_come_from_the_environment_and_their_addresses_are_masked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = [{"name": "room", "url": f"slack://{TOKEN}/b/c", "kinds": ["quarantined"], "projects": ["atlas"]}]
    monkeypatch.setenv("CISTERNA_ALERTS__TARGETS", json.dumps(wanted))

    settings = load_settings(home=tmp_path)

    (target,) = settings.alerts.targets
    assert target.url.get_secret_value() == f"slack://{TOKEN}/b/c"
    assert TOKEN not in f"{settings!r} {settings.model_dump_json()}"


@pytest.mark.parametrize(
    ("targets", "words"),
    [
        ([{"name": "room", "url": "json://h"}, {"name": "room", "url": "json://i"}], "two targets have one name"),
        ([{"name": "A room!", "url": "json://h"}], "name"),
        ([{"name": "room", "url": "json://h", "kinds": []}], "kinds"),
        ([{"name": "room", "url": "json://h", "kinds": ["everything"]}], "kinds"),
        ([{"name": "room", "url": "json://h", "project": "x"}], "project"),
    ],
)
def test_targets_that_make_no_sense_are_refused_at_load(tmp_path: Path, targets: Any, words: str) -> None:
    with pytest.raises(SettingsInvalid, match=words):
        _load(tmp_path, json.dumps(targets))


def test_an_address_that_can_be_used_has_no_fault_and_nothing_is_sent_to_find_out() -> None:
    assert target_fault("jsons://user:pass@example.org/path") is None
    assert target_fault("mailtos://user:pass@example.org") is None


def test_settings_without_targets_do_not_import_apprise() -> None:
    program = "import cisterna.bootstrap.parts, cisterna.cli, sys; sys.exit('apprise' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", program], check=False, timeout=60)

    assert done.returncode == 0


def test_an_event_of_the_version_that_is_no_message_is_nothing_to_the_target(site: Site, webhook: Webhook) -> None:
    site.lay_version("plate-1", stage=Stage.VERIFIED, verdict=Verdict.QUARANTINED)

    deliver(site, sink(site, webhook.url))

    assert webhook.given == []
    assert waiting(site) == 0
