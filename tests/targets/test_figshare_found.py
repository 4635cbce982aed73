"""How Figshare's target knows its own articles again, so that no version gets a second one, nor a second DOI."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from cisterna.domain.errors import ReviewPending, TargetRefused, TargetUnavailable
from cisterna.ports.target import DepositRequest
from cisterna.testing.fault_proxy import Effect, Request, Rule
from cisterna.testing.outside_server import said
from cisterna.testing.target_request import FILES, REASON, deposit_request, tombstone_of
from tests.targets.figshare_stage import FigshareStage


@pytest.fixture
def stage(stack: ExitStack) -> FigshareStage:
    return FigshareStage(stack)


def begun(stage: FigshareStage) -> tuple[DepositRequest, int]:
    """Break a deposit off before its publication, so that nobody here knows of its article."""
    request = deposit_request("figshare")
    stage.break_at("/publish")
    with pytest.raises(TargetUnavailable):
        stage.target.deposit(request, known=None, files=FILES)
    (number,) = (one["id"] for one, _ in stage.server.of(f"{request.address}/v1"))
    return request, number


def test_an_article_is_found_however_many_are_newer(stage: FigshareStage) -> None:
    request, number = begun(stage)
    for _ in range(150):
        stage.server.write()

    done = stage.target.deposit(request, known=None, files=FILES)

    assert done.outside_id == f"{number}.v1"
    assert stage.made(request.key) == [done.outside_id]


def test_an_article_is_found_whatever_its_title_was_changed_to(stage: FigshareStage) -> None:
    request, number = begun(stage)
    stage.server.change(number, title="A better title")

    done = stage.target.deposit(request, known=None, files=FILES)

    assert stage.made(request.key) == [done.outside_id] == [f"{number}.v1"]


def test_an_article_that_only_cites_ours_is_left_alone(stage: FigshareStage) -> None:
    request = deposit_request("figshare")
    page = f"{request.address}/v1"
    cites = {"identifier": page, "identifier_type": "URL", "relation": "References", "title": "", "is_linkout": False}
    words = f"<p>Made from the data of {request.pid.rpartition('/')[2]}: {page}</p>"
    other = stage.server.write(title=f"{request.record.title} again", description=words, related_materials=[cites])
    before = dict(stage.server.articles[other])

    done = stage.target.deposit(request, known=None, files=FILES)

    assert done.outside_id != f"{other}.v1"
    assert stage.server.articles[other] == before


def test_what_was_public_and_is_gone_there_gets_no_second_doi(stage: FigshareStage) -> None:
    request = deposit_request("figshare")
    known = stage.target.deposit(request, known=None, files=FILES)
    (number,) = stage.server.articles
    del stage.server.articles[number]

    with pytest.raises(TargetRefused, match="is gone"):
        stage.target.deposit(request, known=known, files=FILES)

    assert stage.server.articles == {}


def test_a_version_that_broke_off_after_the_one_before_it_was_reviewed_goes_on(stack: ExitStack) -> None:
    stage = FigshareStage(stack, reviews=True)
    first, second = deposit_request("figshare"), deposit_request("figshare", number=2)
    with pytest.raises(ReviewPending):
        stage.target.deposit(first, known=None, files=FILES)
    (number,) = stage.server.articles
    stage.server.approve(number)
    stage.break_at("/publish")
    with pytest.raises(TargetUnavailable):
        stage.target.deposit(second, known=None, files=FILES)

    with pytest.raises(ReviewPending):
        stage.target.deposit(second, known=None, files=FILES)

    stage.server.approve(number)
    assert stage.target.deposit(second, known=None, files=FILES).outside_id == f"{number}.v2"


def test_an_article_that_was_opened_is_not_opened_again_until_it_changes(stage: FigshareStage) -> None:
    others = [stage.server.write() for _ in range(20)]
    stage.target.deposit(deposit_request("figshare"), known=None, files=FILES)
    assert sorted(stage.opened()) == others

    stage.server.change(others[7], title="Other words")
    before = len(stage.opened())
    stage.target.deposit(deposit_request("figshare", name="another"), known=None, files=FILES)

    (ours,) = set(stage.opened()[before:]) - {others[7]}
    assert sorted(stage.opened()[before:]) == [others[7], ours]
    assert ours not in others


def test_an_article_that_a_person_made_ours_is_found(stage: FigshareStage) -> None:
    request, number = begun(stage)
    named = stage.server.articles[number]["related_materials"]
    stage.server.change(number, related_materials=[], description="")
    stage.target.withdraw(tombstone_of(request), known=None, reason=REASON)  # it looks at all, and remembers

    stage.server.change(number, related_materials=named)
    done = stage.target.deposit(request, known=None, files=FILES)

    assert done.outside_id == f"{number}.v1"


@pytest.mark.parametrize("page_most", [1000, 3], ids=["pages as asked for", "shorter pages"])
def test_an_article_is_found_on_whichever_page_it_is(stage: FigshareStage, page_most: int) -> None:
    request, number = begun(stage)
    stage.server.page_most = page_most
    for _ in range(7):
        stage.server.write()

    done = stage.target.deposit(request, known=None, files=FILES)

    assert done.outside_id == f"{number}.v1"


def test_an_article_that_moves_to_a_page_that_was_turned_is_found(stage: FigshareStage) -> None:
    """Who deletes a newer article while the list is walked moves all that are older."""
    newest = [stage.server.write() for _ in range(2)]
    request, number = begun(stage)
    newest += [stage.server.write() for _ in range(2)]
    stage.server.page_most = 2

    def delete(_: Request) -> None:
        del stage.server.articles[newest[-1]]

    stage.proxy.add(Rule(Effect.NONE, when=lambda asked: "page=2" in asked.query, before=delete))

    done = stage.target.deposit(request, known=None, files=FILES)

    assert done.outside_id == f"{number}.v1"


def test_many_articles_are_opened_in_several_goes_and_none_of_them_twice(stage: FigshareStage) -> None:
    """A deposit is claimed for half an hour only; nothing is made before all were looked at."""
    request, number = begun(stage)
    others = {stage.server.write() for _ in range(10)}
    slow = Rule(Effect.NONE, times=1000, when=lambda asked: asked.path[-1].isdecimal() and asked.method == "GET")
    slow.before = lambda _: stage.clock.advance(150)
    stage.proxy.add(slow)

    for _ in range(2):
        with pytest.raises(TargetUnavailable, match=r"has 11 articles, .* looked at so far"):
            stage.target.deposit(request, known=None, files=FILES)
    assert len(stage.opened()) == len(set(stage.opened())) == 10
    slow.times = 0
    done = stage.target.deposit(request, known=None, files=FILES)

    assert done.outside_id == f"{number}.v1"
    assert set(stage.opened()) == {*others, number}
    assert stage.made(request.key) == [done.outside_id]


def test_articles_that_both_say_that_they_are_ours_are_for_a_person(stage: FigshareStage) -> None:
    """As of one that somebody made a copy of there."""
    request, number = begun(stage)
    said = {name: stage.server.articles[number][name] for name in ("title", "description", "related_materials")}
    copy = stage.server.write(**said)

    with pytest.raises(TargetRefused, match=f"articles {copy}, {number} at figshare all say"):
        stage.target.deposit(request, known=None, files=FILES)
    del stage.server.articles[copy]

    assert stage.target.deposit(request, known=None, files=FILES).outside_id == f"{number}.v1"


def test_what_comes_back_from_the_review_of_a_later_version_is_for_a_person(stack: ExitStack) -> None:
    """Also where the repository tells of a review no more than when it began."""
    stage = FigshareStage(stack, reviews=True)
    first, second = deposit_request("figshare"), deposit_request("figshare", number=2)
    with pytest.raises(ReviewPending):
        stage.target.deposit(first, known=None, files=FILES)
    (number,) = stage.server.articles
    stage.server.approve(number)
    with pytest.raises(ReviewPending):
        stage.target.deposit(second, known=None, files=FILES)
    stage.server.turn_down(number)
    stage.server.change(number, curation_status="")

    with pytest.raises(TargetRefused, match="came back from its review"):
        stage.target.deposit(second, known=None, files=FILES)


def test_what_was_reviewed_and_withdrawn_is_submitted_anew(stack: ExitStack) -> None:
    """Its review is over, also where the repository tells of it no more than when it began."""
    stage = FigshareStage(stack, reviews=True)
    request = deposit_request("figshare")
    with pytest.raises(ReviewPending):
        stage.target.deposit(request, known=None, files=FILES)
    (number,) = stage.server.articles
    stage.server.approve(number)
    known = stage.target.deposit(request, known=None, files=FILES)
    gone = stage.target.withdraw(tombstone_of(request), known=known, reason=REASON)
    stage.server.change(number, curation_status="", timeline={"submission": "2026-11-29"})

    with pytest.raises(ReviewPending):
        stage.target.deposit(request, known=gone, files=FILES)

    assert stage.server.articles[number]["status"] == "in review"


def test_an_article_of_others_that_says_little_of_itself_keeps_nothing_back(stage: FigshareStage) -> None:
    """One of many years ago, or of another kind."""
    other = stage.server.write()
    bare = said(200, {"id": other, "title": "Old", "description": None, "related_materials": None, "timeline": None})
    rule = Rule(Effect.ANSWER, times=9, answer=lambda _: bare)
    rule.when = lambda asked: asked.path.endswith(f"/account/articles/{other}")
    stage.proxy.add(rule)
    request = deposit_request("figshare")

    done = stage.target.deposit(request, known=None, files=FILES)

    assert stage.standing(request.key) == [done.outside_id]
