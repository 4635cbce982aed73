"""Making public and taking back, with kills in between, on the real catalogue."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event
from typing import Any

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.domain.dataset import Stage, Version
from cisterna.domain.errors import (
    ChecksumMismatch,
    DecisionRefused,
    Forbidden,
    InvalidInput,
    LeaseLost,
    NotFound,
    PublicationRefused,
    StoreUnavailable,
)
from cisterna.domain.finding import Verdict
from cisterna.domain.project import HumanData
from cisterna.domain.review import Act
from cisterna.domain.work import Work, WorkKind
from cisterna.metadata.forms import FORMS
from cisterna.ports.publisher import PublicRecord
from cisterna.services.publish import publish_version, request_publication
from cisterna.testing.clock import SettableClock
from cisterna.testing.factory import make_work
from tests.metadata.form_reading import READERS
from tests.web.site import Site


@pytest.fixture
def site(catalogue: SqlCatalogue, clock: SettableClock) -> Site:
    made = Site(catalogue, clock)
    made.settle_people()
    return made


def public_record(site: Site, version: Version) -> PublicRecord | None:
    return site.portal.find(site.dataset(version).pid, version=version.label)


def publish(site: Site, version: Version, **rest: Any) -> Any:
    if consent := rest.pop("consent", None):
        site.agree(version, person=consent)
    parts = {
        "lease": None,
        "catalogue": site.catalogue,
        "store": site.store,
        "publisher": site.portal,
        "tables": site.tables,
        "clock": site.clock,
        "base_url": site.base_url,
    }
    return publish_version(version.version_id, **{**parts, **rest})


def test_what_passed_is_published_by_policy_and_the_record_says_so(site: Site) -> None:
    version = site.decide(site.lay_version("plate-7"))

    made = publish(site, version)

    record = public_record(site, version)
    assert record is not None
    assert made.consent == "policy:atlas"
    assert made.url == f"http://testserver/{made.pid}"
    assert site.now(version).stage is Stage.PUBLISHED
    assert {file.path for file in record.files} >= {"data/0/A1_0_0_BF.tiff", "README.md", "provenance/manifest.parquet"}
    for file in record.files:
        assert site.store.head(file.content_key) is not None
    with site.catalogue.begin() as tx:
        names = [event.name for event in tx.outbox.history([version.version_id])]
    assert names.count("publication.made") == 1


def test_what_was_described_by_schema_version_1_can_be_published(site: Site) -> None:
    version = site.decide(site.lay_version("plate-7"))
    new = ("contributors", "publisher_ror", "embargo_until", "subjects", "language", "funding", "references", "samples")
    old = {name: value for name, value in (version.metadata or {}).items() if name not in new}
    with site.catalogue.begin() as tx:
        kept = tx.datasets.get_version(version.version_id)
        before = tx.datasets.save_version(kept.model_copy(update={"metadata": {**old, "schema_version": 1}}))

    publish(site, before)

    record = public_record(site, version)
    assert record is not None
    assert record.metadata == before.metadata
    assert json.loads(record.documents["application/ld+json"])["name"] == record.title
    assert site.now(version).evidence_digest == version.evidence_digest


def test_every_form_is_public_and_says_when_it_became_so(site: Site) -> None:
    site.clock.advance(timedelta(days=40))  # it was described long before
    version = site.decide(site.lay_version("plate-7"))

    made = publish(site, version)

    record = public_record(site, version)
    assert record is not None
    assert set(record.documents) == {form.media_type for form in FORMS}
    for form in FORMS:
        if form.archived_as is None:
            said = READERS[form.name](record.documents[form.media_type].encode())
            assert (said.pid, said.issued) == (record.pid, f"{made.published_at:%Y-%m-%d}"), form.name
    staged = version.staged["ro-crate-metadata.json"]
    archived, _ = site.store.get(f"{site.dataset(version).object_root}/{staged.content_path}")
    assert record.documents['application/ld+json;profile="https://w3id.org/ro/crate"'].encode() == archived


def test_publishing_twice_changes_nothing(site: Site) -> None:
    version = site.decide(site.lay_version("plate-7"))
    first, written = publish(site, version), site.public.calls["put"]

    site.clock.advance(timedelta(hours=1))
    again = publish(site, version)

    assert again == first
    assert site.public.calls["put"] == written


def test_a_kill_between_record_and_commit_is_made_good_by_the_next_run(site: Site) -> None:
    version = site.decide(site.lay_version("plate-7"))
    site.public.fail_on("put", after=True)
    with pytest.raises(StoreUnavailable):
        publish(site, version)
    assert site.now(version).stage is Stage.ACCEPTED
    before = public_record(site, version)
    assert before is not None

    site.clock.advance(timedelta(hours=1))
    made = publish(site, version)

    assert site.now(version).stage is Stage.PUBLISHED
    assert public_record(site, version) == before
    assert made.published_at == before.published_at


def test_what_a_killed_run_made_public_is_taken_back_when_it_may_no_longer_be(site: Site) -> None:
    version = site.decide(site.lay_version("plate-7", title="Secret title"))
    site.public.fail_on("put", after=True)
    with pytest.raises(StoreUnavailable):
        publish(site, version)
    with site.catalogue.begin() as tx:
        project = tx.projects.get("atlas")
        closed = project.defaults.model_copy(update={"human_data": HumanData.YES})
        tx.projects.save(project.model_copy(update={"defaults": closed}))

    with pytest.raises(PublicationRefused):
        publish(site, version)

    record = public_record(site, version)
    assert record is not None
    assert record.tombstone is not None
    assert all(b"Secret title" not in site.public.get(one.key)[0] for one in site.public.list(""))


def test_nobody_opens_the_review_again_while_the_record_is_being_written(site: Site) -> None:
    version = site.decide(site.lay_version("plate-7"))
    begun, go_on = Event(), Event()

    class Slow:
        name = "portal"
        find = site.portal.find
        withdraw = site.portal.withdraw

        def publish(self, record: PublicRecord) -> str:
            begun.set()
            assert go_on.wait(20)
            return site.portal.publish(record)

    with ThreadPoolExecutor(2) as pool:
        publishing = pool.submit(publish, site, version, publisher=Slow())
        assert begun.wait(20)
        reopening = pool.submit(site.decide, version, Act.REQUEST_CHANGES, person="stina")
        go_on.set()
        publishing.result(20)
        with pytest.raises(DecisionRefused):
            reopening.result(20)

    assert site.now(version).stage is Stage.PUBLISHED


def test_bytes_that_are_not_what_was_archived_are_not_described_to_the_public(site: Site) -> None:
    version = site.decide(site.lay_version("plate-7"))
    staged = version.staged["ro-crate-metadata.json"]
    site.store.put(f"{site.dataset(version).object_root}/{staged.content_path}", b'{"forged": true}')

    with pytest.raises(ChecksumMismatch):
        publish(site, version)

    assert public_record(site, version) is None


def test_without_its_lease_a_worker_publishes_nothing(site: Site) -> None:
    version = site.decide(site.lay_version("plate-7"))
    with site.catalogue.begin() as tx:
        tx.inbox.request(make_work("publish-it", kind=WorkKind.PUBLISH, subject=version.version_id))
        claim = tx.inbox.claim(
            owner="me", run_id=site.clock.new_id(), now=site.clock.now(), lease=timedelta(60), kinds=[WorkKind.PUBLISH]
        )
        assert claim is not None
        tx.inbox.finish(claim.attempt, outcome="done by somebody else")

    with pytest.raises(LeaseLost):
        publish(site, version, lease=claim.attempt)

    assert public_record(site, version) is None


@pytest.mark.parametrize(
    ("consent", "is_enough"),
    [
        ("ada", True),
        ("root", True),
        ("sten", False),
        ("stina", False),
        ("otto", False),
        ("nobody", False),
        (None, False),
    ],
)
def test_what_did_not_pass_takes_the_word_of_the_owner_or_an_administrator(
    site: Site, consent: str | None, is_enough: bool
) -> None:
    version = site.decide(site.lay_version("plate-7", verdict=Verdict.QUARANTINED))

    if is_enough:
        assert publish(site, version, consent=consent).consent == consent
    else:
        with pytest.raises(PublicationRefused, match="nobody has agreed"):
            publish(site, version, consent=consent)


def test_asking_again_while_a_request_is_on_its_way_is_the_same_request(site: Site) -> None:
    version = site.decide(site.lay_version("plate-7", verdict=Verdict.REVIEW))

    with pytest.raises(PublicationRefused):
        request_publication(version.version_id, person="sten", catalogue=site.catalogue, clock=site.clock)
    first = request_publication(version.version_id, person="ada", catalogue=site.catalogue, clock=site.clock)
    again = request_publication(version.version_id, person="ada", catalogue=site.catalogue, clock=site.clock)

    assert isinstance(first, Work)
    assert again == first
    with pytest.raises(NotFound):
        request_publication(version.version_id, person="otto", catalogue=site.catalogue, clock=site.clock)


def test_a_withdrawal_leaves_a_tombstone_and_a_kill_leaves_nothing_public(site: Site) -> None:
    version = site.lay_published("plate-7")
    site.public.fail_on("put", after=True)

    with pytest.raises(StoreUnavailable):
        site.withdraw(version, reason="wrong stain")
    half = public_record(site, version)
    site.withdraw(version, reason="wrong stain")
    whole = public_record(site, version)

    for record in (half, whole):
        assert record is not None
        assert (record.tombstone, record.files, record.previews, record.documents) == ("wrong stain", (), {}, {})
    assert site.now(version).stage is Stage.WITHDRAWN
    with site.catalogue.begin() as tx:
        assert tx.datasets.publications(version.version_id)[0].withdrawn_reason == "wrong stain"


WRONG: list[tuple[str, str, type[Exception]]] = [
    ("vera", "x", Forbidden),
    ("rita", "x", Forbidden),
    ("otto", "x", NotFound),
    ("ada", " ", InvalidInput),
    ("ada", "a\0b", InvalidInput),
    ("ada", "a\ud800b", InvalidInput),
]


def test_a_withdrawal_takes_the_right_person_and_a_reason(site: Site) -> None:
    version = site.lay_published("plate-7")

    for person, reason, refusal in WRONG:
        with pytest.raises(refusal):
            site.withdraw(version, person=person, reason=reason)

    assert site.now(version).stage is Stage.PUBLISHED


def test_what_is_not_published_cannot_be_withdrawn(site: Site) -> None:
    with pytest.raises(PublicationRefused, match="not published"):
        site.withdraw(site.lay_version("plate-7"))
