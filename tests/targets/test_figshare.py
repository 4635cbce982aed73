"""Figshare as a target, against a stand-in over real HTTP whose every answer can be broken."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

import pytest
from pydantic import ValidationError

from cisterna.adapters.target_http import TargetHttp
from cisterna.adapters.target_setting import Carries, Figshare
from cisterna.domain.deposit import DepositState
from cisterna.domain.errors import ChecksumMismatch, ReviewPending, TargetRefused, TargetUnavailable
from cisterna.ports.publisher import PublicFile
from cisterna.testing.clock import SettableClock
from cisterna.testing.fault_proxy import Effect, Request, Rule
from cisterna.testing.outside_server import Fault, said
from cisterna.testing.target_contract import Stage, TargetContract
from cisterna.testing.target_request import (
    BODIES,
    FILES,
    REASON,
    MemoryBytes,
    deposit_request,
    narrowed_of,
    tombstone_of,
)
from tests.targets.figshare_stage import TOKEN, FigshareStage


@pytest.fixture
def stage(stack: ExitStack) -> FigshareStage:
    return FigshareStage(stack)


WORST = [pytest.param(one, marks=() if one is Fault.LOST else pytest.mark.torture) for one in Fault]
"""A deposit takes two dozen requests; the fault that tempts to do a thing twice is tried at each of them every time."""


class TestFigshare(TargetContract):
    """Every promise, where nobody reviews."""

    forgets = False

    @pytest.fixture
    def stage(self, stage: FigshareStage) -> FigshareStage:
        return stage

    @pytest.mark.parametrize("fault", WORST)
    def test_whatever_breaks_where_the_same_call_again_ends_with_one_deposit(self, stage: Stage, fault: Fault) -> None:
        super().test_whatever_breaks_where_the_same_call_again_ends_with_one_deposit(stage, fault)

    @pytest.mark.parametrize("fault", WORST)
    def test_whatever_breaks_where_the_same_withdrawal_again_hides_it(self, stage: Stage, fault: Fault) -> None:
        super().test_whatever_breaks_where_the_same_withdrawal_again_hides_it(stage, fault)

    def test_what_went_out_as_a_description_gets_its_files_once_they_are_public(self, stage: FigshareStage) -> None:
        """Not here: an article that was published as a record of metadata alone stays one, and leads to the files."""
        request = deposit_request("figshare")
        first = stage.target.deposit(narrowed_of(request), known=None, files=FILES)

        done = stage.target.deposit(request, known=first, files=FILES)

        (article,) = stage.server.articles.values()
        assert done.outside_id == first.outside_id
        assert article["is_metadata_record"] is True
        assert article["metadata_reason"] == f"The data are held at {request.address}"


def test_files_and_description_are_there_as_they_are_here(stage: FigshareStage) -> None:
    request = deposit_request("figshare")

    done = stage.target.deposit(request, known=None, files=FILES)

    (article,) = stage.server.articles.values()
    sent = {one["name"]: stage.server.bodies[article["id"]][one["id"]] for one in article["files"]}
    assert sent == {"README.md": BODIES["README.md"], "data__0__A1 0.tiff": BODIES["data/0/A1 0.tiff"]}
    assert (article["title"], article["license"], article["categories"]) == ("Nuclei of plate", 1, [7])
    assert article["is_metadata_record"] is False
    assert done.outside_id == f"{article['id']}.v1"
    assert done.doi == f"10.6084/m9.figshare.{article['id']}.v1"
    assert done.address == f"https://repository.example.org/articles/dataset/x/{article['id']}/1"


def test_a_version_is_a_version_of_the_same_article_with_its_own_files_alone(stage: FigshareStage) -> None:
    first = stage.target.deposit(deposit_request("figshare"), known=None, files=FILES)
    bodies = {"README.md": BODIES["README.md"], "data/other.csv": b"1\n"}
    second = deposit_request("figshare", number=2, bodies=bodies)  # nobody tells it of the first

    done = stage.target.deposit(second, known=None, files=MemoryBytes(bodies))

    (article,) = stage.server.articles.values()
    before, after = stage.server.public[article["id"]].values()
    assert [one["name"] for one in after["files"]] == ["README.md", "data__other.csv"]
    assert [one["name"] for one in before["files"]] == ["README.md", "data__0__A1 0.tiff"]
    assert done.doi != first.doi


def test_an_older_version_never_buries_a_newer_one(stage: FigshareStage) -> None:
    stage.target.deposit(deposit_request("figshare", number=2), known=None, files=FILES)

    with pytest.raises(TargetRefused, match="a newer version"):
        stage.target.deposit(deposit_request("figshare"), known=None, files=FILES)


def test_of_what_was_begun_only_the_parts_that_are_missing_are_sent(stage: FigshareStage) -> None:
    request = deposit_request("figshare")
    stage.break_at("/upload/2/2", method="PUT")
    with pytest.raises(TargetUnavailable):
        stage.target.deposit(request, known=None, files=FILES)
    before = len(stage.server.seen)

    stage.target.deposit(request, known=None, files=FILES)

    sent = [one for one in stage.server.seen[before:] if one.method == "PUT" and one.path.startswith("/upload")]
    assert [(one.path, one.body) for one in sent] == [("/upload/2/2", BODIES["data/0/A1 0.tiff"][8:])]
    assert len(stage.server.articles) == 1


def test_nothing_is_public_before_the_repository_has_checked_what_it_has(stage: FigshareStage) -> None:
    request = deposit_request("figshare")
    stage.server.computes = False
    with pytest.raises(TargetUnavailable, match="has not checked") as refusal:
        stage.target.deposit(request, known=None, files=FILES)
    (article,) = stage.server.articles.values()
    for file in article["files"]:
        stage.server.compute(article["id"], file["id"])

    done = stage.target.deposit(request, known=None, files=FILES)

    assert refusal.value.facts["retry_after_seconds"] == 60
    assert stage.standing(request.key) == [done.outside_id]


def test_bytes_that_arrive_otherwise_are_taken_out_and_nothing_is_public(stage: FigshareStage) -> None:
    request = deposit_request("figshare")
    stage.server.computes = False
    with pytest.raises(TargetUnavailable):
        stage.target.deposit(request, known=None, files=FILES)
    (article,) = stage.server.articles.values()
    for file in article["files"]:
        file |= {"status": "available", "computed_md5": "1" * 32}

    with pytest.raises(ChecksumMismatch, match="README"):
        stage.target.deposit(request, known=None, files=FILES)

    assert [one["name"] for one in article["files"]] == ["data__0__A1 0.tiff"]
    assert stage.standing(request.key) == []


def test_bytes_that_are_not_what_was_archived_are_never_completed(stage: FigshareStage) -> None:
    class Spoiled(MemoryBytes):
        opened = 0

        @contextmanager
        def open(self, file: PublicFile) -> Iterator[Iterator[bytes]]:
            self.opened += 1
            with super().open(file) as chunks:
                yield self._then_refused(chunks) if self.opened == 2 else chunks

        def _then_refused(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
            yield from chunks
            raise ChecksumMismatch("not what was archived")

    with pytest.raises(ChecksumMismatch, match="not what was archived"):
        stage.target.deposit(deposit_request("figshare"), known=None, files=Spoiled(BODIES))

    (article,) = stage.server.articles.values()
    assert [one["status"] for one in article["files"]] == ["created"]


@pytest.mark.parametrize(
    "change", [{"endOffset": 99}, {"startOffset": 1}, {"startOffset": 5, "endOffset": 2}], ids=["long", "gap", "back"]
)
def test_parts_that_are_not_the_file_are_refused(stage: FigshareStage, change: dict[str, int]) -> None:
    request = deposit_request("figshare")
    stage.break_at("/upload/1/1", method="PUT")
    with pytest.raises(TargetUnavailable):
        stage.target.deposit(request, known=None, files=FILES)
    (article,) = stage.server.articles.values()
    article["files"][0]["parts"][0] |= change

    with pytest.raises(TargetRefused, match="parts that are not the file"):
        stage.target.deposit(request, known=None, files=FILES)


def test_two_paths_that_would_have_one_name_are_refused(stage: FigshareStage) -> None:
    bodies = {"data/a__b": b"1", "data/a/b": b"2"}

    with pytest.raises(TargetRefused, match="rename one"):
        stage.target.deposit(deposit_request("figshare", bodies=bodies), known=None, files=MemoryBytes(bodies))

    assert stage.server.public == {20_000_000: {}}


@pytest.mark.parametrize(("limit", "value"), [("files_most", 1), ("bytes_most", 3)])
def test_what_is_too_much_is_refused_before_anything_is_begun(stack: ExitStack, limit: str, value: int) -> None:
    stage = FigshareStage(stack, **{limit: value})

    with pytest.raises(TargetRefused, match="takes at most"):
        stage.target.deposit(deposit_request("figshare"), known=None, files=FILES)

    assert stage.server.seen == []


@pytest.mark.parametrize(
    ("carries", "bodies"), [(Carries.NONE, BODIES), (Carries.ALL, {"README.md": b"x"})], ids=["set", "no data"]
)
def test_a_record_of_metadata_alone_leads_to_our_page(
    stack: ExitStack, carries: Carries, bodies: dict[str, bytes]
) -> None:
    stage = FigshareStage(stack, carries=carries)
    request = deposit_request("figshare", bodies=bodies)

    done = stage.target.deposit(request, known=None, files=MemoryBytes(bodies))

    (article,) = stage.server.articles.values()
    assert article["is_metadata_record"] is True
    assert article["metadata_reason"] == f"The data are held at {request.address}"
    assert article["files"] == []
    assert article["related_materials"][0]["identifier"] == f"{request.address}/v1"
    assert article["related_materials"][0]["relation"] == "IsMetadataFor"
    assert stage.standing(request.key) == [done.outside_id]


def test_only_the_description_goes_where_that_is_wanted(stack: ExitStack) -> None:
    stage = FigshareStage(stack, carries=Carries.DESCRIPTION, files_most=1)

    stage.target.deposit(deposit_request("figshare"), known=None, files=FILES)

    (article,) = stage.server.articles.values()
    assert [one["name"] for one in article["files"]] == ["README.md"]


def test_what_its_people_review_is_waited_for_and_not_touched_meanwhile(stack: ExitStack) -> None:
    stage = FigshareStage(stack, reviews=True)
    request = deposit_request("figshare")
    with pytest.raises(ReviewPending, match="its review") as pending:
        stage.target.deposit(request, known=None, files=FILES)
    writes = stage.writes()
    for again in (request, deposit_request("figshare", number=2)):
        with pytest.raises(ReviewPending):
            stage.target.deposit(again, known=None, files=FILES)
    assert stage.writes() == writes
    assert stage.standing(request.key) == []

    (number,) = stage.server.articles
    stage.server.approve(number)
    done = stage.target.deposit(request, known=None, files=FILES)

    assert pending.value.facts["retry_after_seconds"] == 3600
    assert stage.standing(request.key) == [done.outside_id]
    assert stage.writes() == writes


def test_what_comes_back_from_review_is_for_a_person_and_not_submitted_again(stack: ExitStack) -> None:
    stage = FigshareStage(stack, reviews=True)
    request = deposit_request("figshare")
    with pytest.raises(ReviewPending):
        stage.target.deposit(request, known=None, files=FILES)
    (number,) = stage.server.articles
    stage.server.turn_down(number)
    writes = stage.writes()

    with pytest.raises(TargetRefused, match="came back from its review"):
        stage.target.deposit(request, known=None, files=FILES)

    assert stage.writes() == writes


def test_what_is_withdrawn_while_it_is_reviewed_is_never_forgotten(stack: ExitStack) -> None:
    stage = FigshareStage(stack, reviews=True)
    request = deposit_request("figshare")
    with pytest.raises(ReviewPending):
        stage.target.deposit(request, known=None, files=FILES)

    with pytest.raises(TargetRefused, match="cannot be deleted"):
        stage.target.withdraw(tombstone_of(request), known=None, reason=REASON)
    (number,) = stage.server.articles
    stage.server.approve(number)
    done = stage.target.withdraw(tombstone_of(request), known=None, reason=REASON)

    assert done is not None
    assert stage.standing(request.key) == []


def test_a_publication_that_was_taken_and_is_not_shown_yet_is_not_made_again(stage: FigshareStage) -> None:
    request = deposit_request("figshare")
    stage.target.deposit(request, known=None, files=FILES)
    ((number, shown),) = stage.server.public.items()
    stage.server.public[number] = {}

    with pytest.raises(ReviewPending, match="or to be shown"):
        stage.target.deposit(request, known=None, files=FILES)
    stage.server.public[number] = shown

    assert stage.target.deposit(request, known=None, files=FILES).outside_id == f"{number}.v1"
    assert list(shown) == [1]


def test_an_article_whose_relations_the_reviewers_changed_is_known_by_its_description(stack: ExitStack) -> None:
    stage = FigshareStage(stack, reviews=True)
    request = deposit_request("figshare")
    with pytest.raises(ReviewPending):
        stage.target.deposit(request, known=None, files=FILES)
    ((number, article),) = stage.server.articles.items()
    article["related_materials"] = []
    stage.server.approve(number)

    done = stage.target.deposit(request, known=None, files=FILES)

    assert done.outside_id == f"{number}.v1"
    assert len(stage.server.articles) == 1


def test_what_is_known_to_be_ours_and_says_so_no_more_is_for_a_person(stage: FigshareStage) -> None:
    request = deposit_request("figshare")
    known = stage.target.deposit(request, known=None, files=FILES)
    (article,) = stage.server.articles.values()
    article |= {"related_materials": [], "description": "Something else"}

    with pytest.raises(TargetRefused, match="says no more that it is"):
        stage.target.deposit(request, known=known, files=FILES)
    with pytest.raises(TargetRefused, match="says no more that it is"):
        stage.target.withdraw(tombstone_of(request), known=known, reason=REASON)

    assert len(stage.server.articles) == 1


def test_an_account_that_may_hide_nothing_says_who_can(stack: ExitStack) -> None:
    stage = FigshareStage(stack, lets_unpublish=False)
    request = deposit_request("figshare")
    known = stage.target.deposit(request, known=None, files=FILES)

    done = stage.target.withdraw(tombstone_of(request), known=known, reason=REASON)

    assert done is not None
    assert done.state is DepositState.WITHDRAWN
    assert "ask its administrators to unpublish" in str(done.remark)


def test_a_withdrawal_hides_no_version_that_stands(stage: FigshareStage) -> None:
    first = deposit_request("figshare")
    one = stage.target.deposit(first, known=None, files=FILES)
    second = deposit_request("figshare", number=2, earlier=(one,))
    two = stage.target.deposit(second, known=None, files=FILES)

    done = stage.target.withdraw(tombstone_of(second), known=two, reason=REASON)

    assert done is not None
    assert "hides whole articles only, and version 1" in str(done.remark)
    assert stage.standing(first.key) == [one.outside_id]


def test_the_last_version_takes_those_withdrawn_before_with_it(stage: FigshareStage) -> None:
    first = deposit_request("figshare")
    one = stage.target.deposit(first, known=None, files=FILES)
    two = stage.target.deposit(deposit_request("figshare", number=2, earlier=(one,)), known=None, files=FILES)
    one = stage.target.withdraw(tombstone_of(first), known=one, reason=REASON) or one
    second = tombstone_of(deposit_request("figshare", number=2, earlier=(one,)))

    done = stage.target.withdraw(second, known=two, reason=REASON)

    assert done is not None
    assert done.remark is None
    assert stage.standing(first.key) == stage.standing(second.key) == []


def test_an_article_that_was_never_public_is_deleted(stage: FigshareStage) -> None:
    request = deposit_request("figshare")
    stage.break_at("/publish")
    with pytest.raises(TargetUnavailable):
        stage.target.deposit(request, known=None, files=FILES)

    done = stage.target.withdraw(tombstone_of(request), known=None, reason=REASON)

    assert done is not None
    assert stage.server.articles == {}


def test_nothing_goes_out_under_another_licence(stage: FigshareStage) -> None:
    request = deposit_request("figshare")
    metadata = {**request.record.metadata, "licence": "MIT"}
    record = request.record.model_copy(update={"metadata": metadata})

    with pytest.raises(TargetRefused, match=r"MIT, which figshare does not offer; it has: CC BY 4\.0, CC0"):
        stage.target.deposit(request.model_copy(update={"record": record}), known=None, files=FILES)

    assert stage.server.articles == {}


def test_what_it_wants_before_it_publishes_is_told_in_its_words(stack: ExitStack) -> None:
    stage = FigshareStage(stack, categories=())

    assert any("no categories" in limit for limit in stage.target.test().limits)
    with pytest.raises(TargetRefused, match="cannot be published: categories"):
        stage.target.deposit(deposit_request("figshare"), known=None, files=FILES)


@pytest.mark.parametrize(
    ("field", "value"),
    [("doi", "javascript:alert(1)"), ("url_public_html", "javascript:alert(1)"), ("related_materials", {"a": 1})],
)
def test_what_it_says_of_an_article_is_believed_only_if_it_can_be(
    stage: FigshareStage, field: str, value: object
) -> None:
    request = deposit_request("figshare")
    stage.target.deposit(request, known=None, files=FILES)
    for versions in stage.server.public.values():
        versions[1][field] = value

    with pytest.raises(TargetRefused):
        stage.target.deposit(request, known=None, files=FILES)


@pytest.mark.parametrize("location", ["https://evil.example/x", "/files/../../1", "", "7" * 40])
def test_a_place_that_is_no_article_is_refused(stage: FigshareStage, location: str) -> None:
    made = said(201, {"location": location})
    stage.proxy.add(
        Rule(
            Effect.ANSWER,
            when=lambda asked: asked.path == "/v2/account/articles" and asked.method == "POST",
            answer=lambda _: made,
        )
    )

    with pytest.raises(TargetRefused, match="which is none"):
        stage.target.deposit(deposit_request("figshare"), known=None, files=FILES)


@pytest.mark.parametrize(
    "address",
    [
        "http://up.figshare.com/upload/1",
        "https://up.figshare.com.evil.example/upload/1",
        "https://evilfigshare.com/upload/1",
        "https://figshare.com@evil.example/upload/1",
        "https://evil.example\\.figshare.com/upload/1",
        "https://up.figshare.com:8443/upload/1",
        "https://evil.example/.figshare.com",
    ],
)
def test_files_go_to_no_host_outside_the_domain_of_the_settings(address: str) -> None:
    http = TargetHttp("http://127.0.0.1:9", target="x", credential=None, clock=SettableClock(), domain="figshare.com")

    with closing(http), pytest.raises(TargetRefused, match="another host"):
        http.ask("PUT", address)


def test_files_go_to_a_host_of_the_domain_by_https(stack: ExitStack) -> None:
    http = TargetHttp(
        "http://127.0.0.1:9", target="x", credential=None, clock=SettableClock(), domain="figshare.invalid"
    )
    stack.callback(http.close)

    with pytest.raises(TargetUnavailable):  # it was tried, and there is no such host
        http.ask("GET", "https://up.figshare.invalid/upload/1")


def test_a_token_is_never_repeated(stack: ExitStack, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    stage = FigshareStage(stack, token="wrong-token-987654")

    report = stage.target.test()

    assert not report.is_usable
    assert "does not accept the credential" in report.words
    assert "wrong-token" not in report.words + caplog.text


def test_a_token_goes_to_no_address_that_others_could_read() -> None:
    with pytest.raises(ValidationError, match="has to begin with https"):
        Figshare.model_validate({"name": "figshare", "url": "http://api.figshare.com/v2", "token": TOKEN})


def test_versions_that_are_all_withdrawn_are_hidden_in_whichever_order(stage: FigshareStage) -> None:
    """As `v10` comes before `v2` when a whole dataset is erased."""
    first = deposit_request("figshare")
    one = stage.target.deposit(first, known=None, files=FILES)
    second = deposit_request("figshare", number=2, earlier=(one,))
    two = stage.target.deposit(second, known=None, files=FILES)
    two = stage.target.withdraw(tombstone_of(second), known=two, reason=REASON) or two
    assert stage.standing(second.key) == [two.outside_id]

    done = stage.target.withdraw(tombstone_of(first).model_copy(update={"later": (two,)}), known=one, reason=REASON)

    assert done is not None
    assert done.remark is None
    assert stage.standing(first.key) == stage.standing(second.key) == []


def test_a_token_that_is_revoked_is_never_taken_for_an_account_that_may_hide_nothing(stage: FigshareStage) -> None:
    """Both are told by the same status, and what was to be hidden would stay to be seen for ever."""
    request = deposit_request("figshare")
    known = stage.target.deposit(request, known=None, files=FILES)
    revoked = said(403, {"message": "Invalid OAuth token", "code": "OAuthInvalidToken"})
    begun: list[object] = []

    def is_over(asked: Request) -> bool:
        begun.extend([asked] if asked.path.endswith("/unpublish") else [])
        return bool(begun)

    stage.proxy.add(Rule(Effect.ANSWER, times=9, when=is_over, answer=lambda _: revoked))

    with pytest.raises(TargetRefused, match="does not accept the credential"):
        stage.target.withdraw(tombstone_of(request), known=known, reason=REASON)

    assert stage.standing(request.key) == [known.outside_id]


def test_a_file_that_is_not_taken_is_named(stage: FigshareStage) -> None:
    refusal = said(400, {"message": "Invalid file name"})
    is_second = Rule(Effect.ANSWER, skip=1, when=_announces, answer=lambda _: refusal)
    stage.proxy.add(is_second)

    with pytest.raises(TargetRefused, match=r"data/0/A1 0\.tiff.*: figshare says 400: Invalid file name"):
        stage.target.deposit(deposit_request("figshare"), known=None, files=FILES)


def test_an_empty_file_goes_there_too(stage: FigshareStage) -> None:
    bodies = {**BODIES, "data/empty.csv": b""}

    done = stage.target.deposit(deposit_request("figshare", bodies=bodies), known=None, files=MemoryBytes(bodies))

    (article,) = stage.server.articles.values()
    assert done.outside_id == f"{article['id']}.v1"
    assert [one["size"] for one in article["files"] if one["name"] == "data__empty.csv"] == [0]


def _announces(asked: Request) -> bool:
    return asked.method == "POST" and asked.path.endswith("/files")


def test_what_is_withdrawn_before_it_is_shown_is_hidden_once_it_is(stage: FigshareStage) -> None:
    """Its publication was taken: it would be shown for ever."""
    request = deposit_request("figshare")
    known = stage.target.deposit(request, known=None, files=FILES)
    ((number, shown),) = stage.server.public.items()
    stage.server.public[number] = {}

    with pytest.raises(ReviewPending):
        stage.target.withdraw(tombstone_of(request), known=known, reason=REASON)
    stage.server.public[number] = shown
    done = stage.target.withdraw(tombstone_of(request), known=known, reason=REASON)
    again = stage.target.withdraw(tombstone_of(request), known=done, reason=REASON)

    assert done is not None
    assert again is not None
    assert again.state is DepositState.WITHDRAWN
    assert stage.standing(request.key) == []
