"""How InvenioRDM's target knows its own records again, so that no version gets a second one, nor a second DOI."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from cisterna.domain.errors import TargetRefused, TargetUnavailable
from cisterna.ports.target import DepositRequest
from cisterna.testing.fault_proxy import Effect, Rule
from cisterna.testing.target_request import FILES, REASON, deposit_request, tombstone_of
from tests.targets.invenio_stage import InvenioStage


@pytest.fixture
def stage(stack: ExitStack) -> InvenioStage:
    return InvenioStage(stack)


def lost(stage: InvenioStage, *, end: str) -> DepositRequest:
    """Break a deposit off after the repository did what was asked at a place, so that its answer never came."""
    request = deposit_request("zenodo")
    stage.proxy.add(Rule(Effect.LOSE, when=lambda asked: asked.method == "POST" and asked.path.endswith(end)))
    with pytest.raises(TargetUnavailable):
        stage.target.deposit(request, known=None, files=FILES)
    return request


def test_a_record_that_the_search_does_not_find_yet_is_not_published_twice(stage: InvenioStage) -> None:
    stage.server.stop_indexing()
    request = lost(stage, end="/actions/publish")

    done = stage.target.deposit(request, known=None, files=FILES)

    assert stage.made(request.key) == stage.standing(request.key) == [done.outside_id]


def test_a_record_that_the_search_knows_as_a_draft_is_known_as_public(stage: InvenioStage) -> None:
    """Whoever begins anew, as after a restart, knows nothing but what the search says."""
    request = lost(stage, end="/files")
    stage.server.stop_indexing()
    done = stage.target.deposit(request, known=None, files=FILES)

    again = stage.restarted().deposit(request, known=None, files=FILES)

    assert again.outside_id == done.outside_id
    assert stage.made(request.key) == [done.outside_id]


def test_a_draft_that_the_search_still_knows_and_is_gone_is_begun_anew(stage: InvenioStage) -> None:
    request = lost(stage, end="/files")
    stage.server.stop_indexing()
    stage.target.withdraw(tombstone_of(request), known=None, reason=REASON)

    done = stage.restarted().deposit(request, known=None, files=FILES)

    assert stage.standing(request.key) == [done.outside_id]


def test_a_record_that_says_no_more_that_it_is_ours_is_for_a_person(stage: InvenioStage) -> None:
    request = deposit_request("zenodo")
    known = stage.target.deposit(request, known=None, files=FILES)
    stage.server.records[known.outside_id]["metadata"]["version"] = "1.0"

    with pytest.raises(TargetRefused, match="says no more that it is"):
        stage.target.deposit(request, known=known, files=FILES)
    with pytest.raises(TargetRefused, match="says no more that it is"):
        stage.target.withdraw(tombstone_of(request), known=known, reason=REASON)

    assert list(stage.server.records) == [known.outside_id]


def test_what_was_public_and_is_gone_there_gets_no_second_doi(stage: InvenioStage) -> None:
    request = deposit_request("zenodo")
    known = stage.target.deposit(request, known=None, files=FILES)
    stage.server.remove(known.outside_id)

    with pytest.raises(TargetRefused, match="is gone there"):
        stage.target.deposit(request, known=known, files=FILES)

    assert stage.server.records == stage.server.drafts == {}


def test_a_draft_that_was_thrown_away_is_begun_anew_whatever_doi_it_was_to_have(stage: InvenioStage) -> None:
    """A person may have a DOI reserved for a draft there; nobody was ever led by it."""
    request = lost(stage, end="/files")
    (draft,) = stage.server.drafts.values()
    draft["pids"] = {"doi": {"identifier": "10.5072/zenodo.reserved", "provider": "datacite"}}
    gone = stage.target.withdraw(tombstone_of(request), known=None, reason=REASON)

    done = stage.target.deposit(request, known=gone, files=FILES)

    assert stage.standing(request.key) == [done.outside_id]
