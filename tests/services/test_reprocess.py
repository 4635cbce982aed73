"""Asking for the same data again: a revision with a name and a reason, and never an overwrite."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.domain.dataset import Stage, Version
from cisterna.domain.errors import Conflict, DecisionRefused, Forbidden, IllegalTransition, InvalidInput, NotFound
from cisterna.domain.finding import Outcome
from cisterna.domain.project import ViewFormat
from cisterna.domain.work import WorkKind
from cisterna.services.reprocess import Reprocessing, request_reprocess
from cisterna.testing.clock import SettableClock
from cisterna.testing.factory import make_finding
from tests.web.site import Site

OURS_FROM_MEASURE = {"provenance/manifest.parquet", "quality/previews.parquet"}


@pytest.fixture
def site(catalogue: SqlCatalogue, clock: SettableClock) -> Site:
    made = Site(catalogue, clock)
    made.settle_people()
    return made


def ask(
    site: Site,
    version: Version,
    *,
    from_stage: Stage | None = None,
    model: str | None = None,
    convert: ViewFormat | None = None,
    person: str = "rita",
    reason: str = "new limits",
) -> Reprocessing:
    return request_reprocess(
        version.version_id,
        from_stage=from_stage,
        model=model,
        convert=convert,
        person=person,
        reason=reason,
        catalogue=site.catalogue,
        clock=site.clock,
    )


@pytest.mark.parametrize(
    ("begin", "stage", "kept"),
    [
        (Stage.MEASURED, Stage.DETECTED, set()),
        (Stage.GATED, Stage.MEASURED, OURS_FROM_MEASURE),
        (Stage.DESCRIBED, Stage.GATED, OURS_FROM_MEASURE),
    ],
)
def test_a_revision_begins_before_the_stage_that_is_done_again(
    site: Site, begin: Stage, stage: Stage, kept: set[str]
) -> None:
    finding = make_finding("focus-min", Outcome.WARNING)
    version = site.lay_version("plate-7", findings=(finding,))

    asked = ask(site, version, from_stage=begin)

    opened = asked.version
    assert (opened.label, opened.stage, set(opened.staged)) == ("v1.1", stage, kept)
    assert (opened.submitter, opened.cause) == ("rita", "new limits")
    assert site.now(version) == version
    assert asked.work.kind is WorkKind.REPROCESS
    assert asked.work.subject == opened.version_id
    with site.catalogue.begin() as tx:
        assert list(tx.datasets.findings(opened.version_id)) == ([finding] if begin is Stage.DESCRIBED else [])
    if begin is Stage.MEASURED:
        assert opened.staging is None
    else:
        assert opened.staging is not None
        assert opened.staging.startswith("v2/content/")


def test_who_asked_for_a_revision_may_not_approve_it(site: Site) -> None:
    opened = ask(site, site.lay_version("plate-7"), person="stina").version
    with site.catalogue.begin() as tx:
        tx.datasets.save_version(opened.model_copy(update={"stage": Stage.IN_REVIEW, "evidence_digest": "e" * 128}))

    with pytest.raises(DecisionRefused, match="submitted"):
        site.decide(site.now(opened), person="stina")

    assert site.decide(site.now(opened), person="sten").stage is Stage.ACCEPTED


def test_one_revision_at_a_time_is_on_its_way(site: Site) -> None:
    version = site.lay_version("plate-7")
    ask(site, version)

    with pytest.raises(Conflict, match="on its way"):
        ask(site, version)


def test_a_revision_that_was_given_up_bars_no_other(site: Site) -> None:
    version = site.lay_version("plate-7", findings=(make_finding("focus-min"),))
    asked = ask(site, version, from_stage=Stage.DESCRIBED)
    with site.catalogue.begin() as tx:
        claim = tx.inbox.claim(
            owner="me",
            run_id=site.clock.new_id(),
            now=site.clock.now(),
            lease=timedelta(60),
            kinds=[WorkKind.REPROCESS],
        )
        assert claim is not None
        tx.inbox.give_up(claim.attempt, outcome="the source changed")

    again = ask(site, version, reason="once more")

    assert asked.version.version_id != version.version_id
    assert (again.version.label, again.version.cause) == ("v1.1", "once more")
    assert again.work.work_id != asked.work.work_id


def test_of_two_who_ask_at_once_one_is_told_to_wait(site: Site) -> None:
    version = site.lay_version("plate-7")
    barrier = Barrier(2)

    def at_once(person: str) -> object:
        barrier.wait()
        try:
            return ask(site, version, person=person)
        except Conflict as refusal:
            return refusal

    with ThreadPoolExecutor(2) as pool:
        ends = list(pool.map(at_once, ("rita", "stina")))

    assert sorted(type(end).__name__ for end in ends) == ["Conflict", "Reprocessing"]
    with site.catalogue.begin() as tx:
        assert [one.label for one in tx.datasets.versions(version.dataset_id)] == ["v1", "v1.1"]


def test_a_model_is_asked_for_on_the_version_itself_and_may_be_asked_for_again(site: Site) -> None:
    version = site.lay_version("plate-7")

    first, second = ask(site, version, model="nuclei"), ask(site, version, model="nuclei")

    assert first.work.kind is WorkKind.INFER
    assert first.work.parameters == {"model": "nuclei", "person": "rita", "reason": "new limits"}
    assert first.work.work_id != second.work.work_id
    assert first.version == version


def test_another_form_is_asked_for_on_the_version_itself(site: Site) -> None:
    version = site.lay_version("plate-7")

    asked = ask(site, version, convert=ViewFormat.OME_ZARR)

    assert asked.work.kind is WorkKind.CONVERT
    assert asked.work.parameters == {"format": "ome-zarr", "person": "rita", "reason": "new limits"}
    assert asked.version == version


@pytest.mark.parametrize("person", ["rita", "ada", "stina", "sten", "olga", "root"])
def test_researchers_the_owner_and_whoever_may_more_can_ask(site: Site, person: str) -> None:
    assert ask(site, site.lay_version("plate-7"), person=person).version.submitter == person


@pytest.mark.parametrize(("person", "refusal"), [("vera", Forbidden), ("otto", NotFound), ("nobody", Forbidden)])
def test_others_cannot_ask_and_leave_no_trace(site: Site, person: str, refusal: type[Exception]) -> None:
    version = site.lay_version("plate-7")

    with pytest.raises(refusal):
        ask(site, version, person=person)

    with site.catalogue.begin() as tx:
        assert len(tx.datasets.versions(version.dataset_id)) == 1
        assert tx.inbox.list(subject=f"{version.dataset_id}:v1.1") == []


def test_what_is_asked_for_has_a_form(site: Site) -> None:
    version = site.lay_version("plate-7")

    for wrong in (
        {"reason": "  "},
        {"reason": "x" * 10_001},
        {"from_stage": Stage.PUBLISHED},
        {"from_stage": Stage.GATED, "model": "nuclei"},
        {"from_stage": Stage.GATED, "convert": ViewFormat.OME_ZARR},
        {"model": "nuclei", "convert": ViewFormat.OME_ZARR},
    ):
        with pytest.raises(InvalidInput):
            ask(site, version, **wrong)


def test_what_is_not_archived_yet_cannot_be_done_again(site: Site) -> None:
    with pytest.raises(IllegalTransition, match="not archived"):
        ask(site, site.lay_version("plate-7", stage=Stage.DESCRIBED))


def test_a_derived_dataset_has_no_source_to_be_read_again(site: Site) -> None:
    source = site.lay_version("plate-7")
    derived = site.lay_version("labels", source=source, model="m@1")

    with pytest.raises(InvalidInput, match="derived"):
        ask(site, derived, from_stage=Stage.MEASURED)
