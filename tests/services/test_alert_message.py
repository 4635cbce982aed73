"""Which events are messages, what they say of open and of restricted data, and what is told no more."""

from __future__ import annotations

from typing import Any

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.domain.acquisition import AcquisitionState
from cisterna.domain.alert import AlertKind
from cisterna.domain.alert_message import AlertMessage, MessageKind
from cisterna.domain.dataset import Stage
from cisterna.domain.event import EVENT_NAMES, Event
from cisterna.domain.finding import Verdict
from cisterna.domain.fixity import Fixity
from cisterna.services.alert import acknowledge_alert
from cisterna.services.alert_message import alert_message
from cisterna.services.reprocess import request_reprocess
from cisterna.services.transition import advance
from cisterna.testing.clock import SettableClock
from cisterna.testing.factory import make_event
from tests.web.site import Site

BASE = "https://cisterna.example.org"
SECRET = "secret-patient-name"


@pytest.fixture
def site(catalogue: SqlCatalogue, clock: SettableClock) -> Site:
    made = Site(catalogue, clock)
    made.settle_people()
    return made


def message(site: Site, event: Event) -> AlertMessage | None:
    return alert_message(event, catalogue=site.catalogue, base_url=f"{BASE}/")


def told(site: Site, name: str, subject: str) -> Event:
    with site.catalogue.begin() as tx:
        return next(one for one in reversed(tx.outbox.history([subject])) if one.name == name)


def made(name: str, subject: str, **data: Any) -> Event:
    return make_event(subject=subject, data=data).model_copy(update={"name": name, "restricted": False})


@pytest.mark.parametrize(
    ("kind", "wanted"), [(AlertKind.BLURRED, MessageKind.ALERT), (AlertKind.SILENT, MessageKind.SILENT)]
)
@pytest.mark.parametrize("project", ["atlas", "patients", None])
def test_an_alert_is_told_until_somebody_knows_of_it(
    site: Site, kind: AlertKind, wanted: MessageKind, project: str | None
) -> None:
    run = site.lay_acquisition(SECRET, state=AcquisitionState.WRITING, project=project)
    alert = site.lay_alert(run, kind=kind, words=f"It is dark in {SECRET}.", advice="Look at the lamp.")
    event = told(site, "alert.raised", run.acquisition_id)

    found = message(site, event)

    assert found is not None
    assert (found.kind, found.instrument, found.project) == (wanted, "squid-1", project)
    assert found.address == f"{BASE}/acquisitions/{run.acquisition_id}"
    assert (SECRET in found.body, "lamp" in found.body) == ((project == "atlas"), (project == "atlas"))
    assert SECRET not in found.subject

    acknowledge_alert(alert.alert_id, person="sten", reason="on it", catalogue=site.catalogue, clock=site.clock)
    assert message(site, event) is None


def test_a_guarded_landing_zone_is_told_without_the_names_of_its_runs(site: Site) -> None:
    site.lay_guard("squid-2", examples=(SECRET,))

    found = message(site, made("instrument.guarded", "squid-2"))

    assert found is not None
    assert (found.kind, found.address) == (MessageKind.GUARDED, f"{BASE}/instruments/squid-2")
    assert SECRET not in found.body
    assert message(site, made("instrument.guarded", "squid-1")) is None


@pytest.mark.parametrize(("project", "is_named"), [("atlas", True), ("patients", False)])
def test_damage_is_told_once_and_only_while_it_is_there(site: Site, project: str, is_named: bool) -> None:
    version = site.lay_version("plate-7", title=SECRET, project=project)
    site.lay_copies(version, Fixity.DAMAGED, mirrored=False)
    damage = {"store": "archive", "fixity": "damaged"}

    found = message(site, made("copy.fixity", version.version_id, **damage))

    assert found is not None
    assert (found.kind, SECRET in found.body) == (MessageKind.DAMAGED, is_named)
    assert found.address == f"{BASE}/datasets/{version.dataset_id}#stores"
    assert message(site, made("copy.fixity", version.version_id, **damage, **{"from": "damaged"})) is None
    assert message(site, made("copy.fixity", version.version_id, store="archive", fixity="ok")) is None
    assert message(site, made("copy.fixity", version.version_id, store="elsewhere", fixity="damaged")) is None


def test_a_dataset_is_not_named_any_more_once_a_later_description_closes_it(site: Site) -> None:
    version = site.lay_version("plate-7", title=SECRET)
    site.lay_copies(version, Fixity.DAMAGED, mirrored=False)
    event = made("copy.fixity", version.version_id, store="archive", fixity="damaged")
    with site.catalogue.begin() as tx:
        closed = {**(version.metadata or {}), "human_data": "unanswered"}
        tx.datasets.add_version(
            version.model_copy(
                update={"version_id": f"{version.version_id}.1", "revision": 1, "record": 0, "metadata": closed}
            )
        )

    found = message(site, event)

    assert found is not None
    assert SECRET not in f"{found.subject} {found.body}"


@pytest.mark.parametrize(
    ("verdict", "is_told"), [(Verdict.QUARANTINED, False), (Verdict.NOT_ASSESSED, True), (Verdict.PASSED, False)]
)
def test_data_that_are_judged_anew_are_told_only_when_something_else_came_of_it(
    site: Site, verdict: Verdict, is_told: bool
) -> None:
    version = site.lay_version("plate-7", verdict=Verdict.QUARANTINED)
    assert message(site, told(site, "version.stage", version.version_id)) is not None
    opened = request_reprocess(
        version.version_id,
        from_stage=Stage.GATED,
        person="rita",
        reason="limits of 2026",
        catalogue=site.catalogue,
        clock=site.clock,
    ).version
    with site.catalogue.begin() as tx:
        judged = opened.model_copy(update={"stage": Stage.VERIFIED, "verdict": verdict, "ocfl_version": 2})
        advance(tx, tx.datasets.save_version(judged), Stage.IN_REVIEW, clock=site.clock)

    assert (message(site, told(site, "version.stage", opened.version_id)) is not None) == is_told


@pytest.mark.parametrize("name", ["release.refused", "release.stopped"])
def test_a_release_that_did_not_come_to_its_end_is_told_by_ids_alone(site: Site, name: str) -> None:
    run = site.lay_acquisition(SECRET, state=AcquisitionState.COMPLETE)

    event = made(name, run.acquisition_id, release={"acquisition_id": run.acquisition_id, "reason": SECRET})
    found = message(site, event)

    assert found is not None
    assert (found.kind, found.project) == (MessageKind.RELEASE_REFUSED, "atlas")
    assert SECRET not in f"{found.subject} {found.body}"


def test_an_event_about_nothing_that_is_known_is_no_message_and_harms_nobody(site: Site) -> None:
    odd: list[dict[str, Any]] = [
        {},
        {"stage": "in-review", "verdict": "quarantined", "fixity": "damaged", "release": {"acquisition_id": "x\0"}},
        {"stage": "in-review", "verdict": ["quarantined"], "fixity": {}, "release": "x", "alert_id": 7},
    ]
    for name in EVENT_NAMES:
        for data in odd:
            assert message(site, made(name, "ds-0000000000000000000000000z:v1", **data)) is None
