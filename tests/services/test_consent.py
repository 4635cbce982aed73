"""Consent to publication: on record for a version and its evidence, revocable, and never another policy's."""

from __future__ import annotations

from typing import Any

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.domain.dataset import Stage, Version
from cisterna.domain.errors import Forbidden, InvalidInput, NotFound, PublicationRefused
from cisterna.domain.project import Policy, PublishPolicy
from cisterna.domain.review import Act, standing_consent
from cisterna.domain.work import Work
from cisterna.services.consent import revoke_consent
from cisterna.services.publish import bars_to_publication, request_publication
from cisterna.testing.clock import SettableClock
from tests.web.site import Site


@pytest.fixture
def site(catalogue: SqlCatalogue, clock: SettableClock) -> Site:
    made = Site(catalogue, clock)
    made.settle_people()
    return made


def set_policy(site: Site, publish: PublishPolicy) -> None:
    with site.catalogue.begin() as tx:
        project = tx.projects.get("atlas")
        tx.projects.save(project.model_copy(update={"policy": Policy(accept_passed=True, publish=publish)}))


def ask(site: Site, version: Version, person: str = "ada") -> object:
    return request_publication(version.version_id, person=person, catalogue=site.catalogue, clock=site.clock)


def revoke(site: Site, version: Version, person: str = "ada", reason: str = "A patent comes first.") -> object:
    return revoke_consent(version.version_id, person=person, reason=reason, catalogue=site.catalogue, clock=site.clock)


def agreed(site: Site, version: Version) -> list[tuple[Act, str]]:
    with site.catalogue.begin() as tx:
        decisions = tx.datasets.decisions(version.version_id)
    return [(one.act, one.person) for one in decisions if one.act in {Act.CONSENT, Act.REVOKE}]


def test_asking_puts_the_owners_consent_on_record_for_exactly_what_was_seen(site: Site) -> None:
    set_policy(site, PublishPolicy.CONSENT)
    version = site.decide(site.lay_version("plate-7"))
    other = site.decide(site.lay_version("plate-8"))

    asked = ask(site, version)
    ask(site, version)

    assert isinstance(asked, Work)
    assert agreed(site, version) == [(Act.CONSENT, "ada")]
    with site.catalogue.begin() as tx:
        (given,) = [one for one in tx.datasets.decisions(version.version_id) if one.act is Act.CONSENT]
        events = [event for event in tx.outbox.history([version.version_id]) if event.name == "decision.made"]
    assert given.evidence_digest == version.evidence_digest
    assert events[-1].data["act"] == "consent"
    assert site.publish(version, consent=None).consent == "ada"
    with pytest.raises(PublicationRefused, match="nobody has agreed"):
        site.publish(other, consent=None)


def test_consent_to_other_evidence_is_none(site: Site) -> None:
    version = site.decide(site.lay_version("plate-7"))
    with site.catalogue.begin() as tx:
        decisions = tx.datasets.decisions(version.version_id)

    assert standing_consent(decisions, evidence_digest=version.evidence_digest) is not None
    assert standing_consent(decisions, evidence_digest="0" * 128) is None
    assert standing_consent(decisions, evidence_digest=None) is None


def test_who_is_neither_owner_nor_administrator_cannot_agree(site: Site) -> None:
    set_policy(site, PublishPolicy.CONSENT)
    version = site.decide(site.lay_version("plate-7"))

    for person in ("rita", "vera", "stina", "sten", "olga"):
        with pytest.raises(PublicationRefused, match="nobody has agreed"):
            ask(site, version, person)

    assert agreed(site, version) == []


def test_publication_takes_two_people_where_the_owner_submitted_it(site: Site) -> None:
    set_policy(site, PublishPolicy.CONSENT)
    version = site.lay_version("plate-7", submitter="ada")

    with pytest.raises(PublicationRefused, match="a steward has to accept it first"):
        ask(site, version)

    assert isinstance(ask(site, site.decide(version, person="sten")), Work)


def test_a_consent_that_was_taken_back_publishes_nothing_and_the_policy_is_silent_too(site: Site) -> None:
    version = site.decide(site.lay_version("plate-7"))
    assert agreed(site, version) == [(Act.CONSENT, "policy:atlas")]

    revoke(site, version)

    with pytest.raises(PublicationRefused, match="nobody has agreed"):
        site.publish(version, consent=None)
    assert site.public.list("") is not None
    assert not list(site.public.list(""))
    with pytest.raises(PublicationRefused, match="nothing to take back"):
        revoke(site, version)
    site.decide(site.now(version), Act.REQUEST_CHANGES)
    site.decide(site.now(version))  # accepted anew, which is no word on that
    assert agreed(site, version)[-1] == (Act.REVOKE, "ada")
    ask(site, version)
    assert site.publish(version, consent=None).consent == "ada"


WRONG: list[tuple[str, str, type[Exception]]] = [
    ("vera", "x", Forbidden),
    ("rita", "x", Forbidden),
    ("otto", "x", NotFound),
    ("ada", " ", InvalidInput),
    ("ada", "x" * 10_001, InvalidInput),
    ("ada", "a\0b", InvalidInput),
]


def test_taking_consent_back_takes_the_right_person_and_a_reason(site: Site) -> None:
    version = site.decide(site.lay_version("plate-7"))

    for person, reason, refusal in WRONG:
        with pytest.raises(refusal):
            revoke(site, version, person, reason)

    assert agreed(site, version) == [(Act.CONSENT, "policy:atlas")]


def test_what_is_public_is_withdrawn_and_not_revoked(site: Site) -> None:
    version = site.lay_published("plate-7")

    with pytest.raises(PublicationRefused, match="withdraw it"):
        revoke(site, version)

    assert site.now(version).stage is Stage.PUBLISHED


def test_a_later_policy_does_not_publish_what_was_accepted_under_another(site: Site) -> None:
    set_policy(site, PublishPolicy.NEVER)
    version = site.decide(site.lay_version("plate-7"))

    set_policy(site, PublishPolicy.PASSED)

    (bar,) = bars_to_publication(version.version_id, person="vera", catalogue=site.catalogue, clock=site.clock)
    assert bar.condition == "nobody has agreed to it"
    assert "speaks for what is accepted while it holds" in bar.remedy
    with pytest.raises(PublicationRefused):
        ask(site, version, "vera")
    with pytest.raises(PublicationRefused):
        site.publish(version, consent=None)
    assert site.publish(version, consent="ada").consent == "ada"


def test_a_policy_that_no_longer_says_yes_publishes_nothing_that_it_agreed_to(site: Site) -> None:
    version = site.decide(site.lay_version("plate-7"))

    for after in (PublishPolicy.NEVER, PublishPolicy.CONSENT):
        set_policy(site, after)
        with pytest.raises(PublicationRefused, match="nobody has agreed"):
            site.publish(version, consent=None)


def test_an_owner_who_is_none_any_more_has_no_word(site: Site) -> None:
    set_policy(site, PublishPolicy.CONSENT)
    version = site.decide(site.lay_version("plate-7"))
    ask(site, version)
    with site.catalogue.begin() as tx:
        tx.projects.save(tx.projects.get("atlas").model_copy(update={"owner": "otto"}))

    with pytest.raises(PublicationRefused, match="its owner otto has to agree, on its page or by `cisterna publish "):
        site.publish(version, consent=None)


def test_consent_is_no_word_on_the_data(site: Site) -> None:
    version = site.decide(site.lay_version("plate-7"))
    ask(site, version)

    with pytest.raises(InvalidInput, match="no steward's decision"):
        site.decide(version, Act.CONSENT)

    reopened: Any = site.decide(version, Act.REQUEST_CHANGES, person="stina")
    assert reopened.stage is Stage.IN_REVIEW
    with pytest.raises(PublicationRefused, match="in-review"):
        site.publish(version, consent=None)
