"""InvenioRDM and Zenodo as targets, against a stand-in over real HTTP whose every answer can be broken."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from pydantic import SecretStr, ValidationError

from cisterna.adapters.target_http import ANSWER_LIMIT_BYTES, Credential, TargetHttp
from cisterna.adapters.target_setting import Carries, Invenio
from cisterna.domain.access import Extent
from cisterna.domain.deposit import DepositState
from cisterna.domain.erasure import PUBLIC_WORDS
from cisterna.domain.errors import ChecksumMismatch, TargetRefused, TargetUnavailable
from cisterna.ports.publisher import PublicFile
from cisterna.testing.clock import SettableClock
from cisterna.testing.fault_proxy import Effect, Rule
from cisterna.testing.outside_server import FLOOD_BYTES, PASSING, Fault, OutsideServer, said, strike
from cisterna.testing.target_contract import DESCRIPTIVE, TargetContract
from cisterna.testing.target_request import (
    BODIES,
    FILES,
    REASON,
    MemoryBytes,
    deposit_request,
    erased_of,
    narrowed_of,
    tombstone_of,
)
from tests.targets.invenio_stage import TOKEN, InvenioStage


@pytest.fixture
def stage(stack: ExitStack) -> InvenioStage:
    return InvenioStage(stack)


class TestInvenio(TargetContract):
    """Every promise, with records that may be restricted."""

    @pytest.fixture
    def stage(self, stage: InvenioStage) -> InvenioStage:
        return stage


@pytest.mark.parametrize("carries", ["all", "description"])
def test_when_only_the_description_stays_public_the_files_are_hidden_there_and_the_doi_stays(
    stack: ExitStack, carries: str
) -> None:
    stage = InvenioStage(stack, carries=carries)
    request = deposit_request("zenodo")
    first = stage.target.deposit(request, known=None, files=FILES)

    narrowed = stage.target.deposit(narrowed_of(request), known=first, files=FILES)
    access = dict(stage.server.records[first.outside_id]["access"])
    whole = stage.target.deposit(request, known=narrowed, files=FILES)

    assert (access["record"], access["files"]) == ("public", "restricted")
    assert narrowed.doi == whole.doi == first.doi
    assert stage.server.records[first.outside_id]["access"]["files"] == "public"


@pytest.mark.parametrize("restricts_records", [True, False], ids=["InvenioRDM", "Zenodo"])
def test_what_was_narrowed_and_is_withdrawn_shows_no_description_where_one_can_be_hidden(
    stack: ExitStack, *, restricts_records: bool
) -> None:
    stage = InvenioStage(stack, restricts_records=restricts_records)
    request = deposit_request("zenodo")
    first = stage.target.deposit(request, known=None, files=FILES)
    narrowed = stage.target.deposit(narrowed_of(request), known=first, files=FILES)

    done = stage.target.withdraw(tombstone_of(request), known=narrowed, reason=REASON)

    assert done is not None
    record = stage.server.records[first.outside_id]
    assert record["access"]["record"] == ("restricted" if restricts_records else "public")
    assert record["access"]["files"] == "restricted"
    assert (done.remark is None) == restricts_records


def test_what_was_erased_shows_a_record_that_tells_nothing_where_none_can_be_hidden(stack: ExitStack) -> None:
    """Zenodo hides no record; the DOI and the identifier by which it is found stay."""
    stage = InvenioStage(stack, restricts_records=False)
    request = deposit_request("zenodo")
    first = stage.target.deposit(request, known=None, files=FILES)
    hidden = stage.target.withdraw(tombstone_of(request), known=first, reason=REASON)

    done = stage.target.withdraw(erased_of(request), known=hidden, reason=PUBLIC_WORDS)

    assert done is not None
    assert "goes on showing a record without its description" in str(done.remark)
    assert (done.outside_id, done.doi) == (first.outside_id, first.doi)
    assert not [one for one in DESCRIPTIVE if one in stage.told(request.key)]


def test_what_was_closed_is_described_again_where_no_record_can_be_hidden(stack: ExitStack) -> None:
    """Its description alone is public again: who may see what has not changed at Zenodo, and what it says has."""
    stage = InvenioStage(stack, restricts_records=False)
    request = deposit_request("zenodo")
    first = stage.target.deposit(request, known=None, files=FILES)
    closed = stage.target.withdraw(erased_of(request), known=first, reason=REASON)

    again = stage.target.deposit(narrowed_of(request), known=closed, files=FILES)

    assert again.outside_id == first.outside_id
    record = stage.server.records[first.outside_id]
    assert record["access"] == {"record": "public", "files": "restricted"}
    assert record["metadata"]["title"] == "Nuclei of plate"
    assert record["metadata"]["description"]


def test_files_and_description_are_there_as_they_are_here(stage: InvenioStage) -> None:
    request = deposit_request("zenodo")

    done = stage.target.deposit(request, known=None, files=FILES)

    record = stage.server.records[done.outside_id]
    assert stage.server.bodies[done.outside_id] == dict(BODIES)
    assert {key: one["checksum"] for key, one in record["entries"].items()} == {
        path: f"md5:{hashlib.md5(body, usedforsecurity=False).hexdigest()}" for path, body in BODIES.items()
    }
    assert record["metadata"]["title"] == "Nuclei of plate"
    assert done.doi == f"10.5072/zenodo.{done.outside_id}"
    assert done.address == f"{stage.proxy.url}/records/{done.outside_id}"


def test_a_version_is_a_version_of_the_same_concept_with_its_own_files_alone(stage: InvenioStage) -> None:
    first = stage.target.deposit(deposit_request("zenodo"), known=None, files=FILES)
    bodies = {"data/other.csv": b"1\n"}
    second = deposit_request("zenodo", number=2, bodies=bodies, earlier=(first,))

    done = stage.target.deposit(second, known=None, files=MemoryBytes(bodies))

    before, after = (stage.server.records[one.outside_id] for one in (first, done))
    assert before["parent"] == after["parent"]
    assert stage.server.bodies[done.outside_id] == bodies
    assert done.doi != first.doi


def test_what_was_uploaded_already_is_not_sent_again_and_other_bytes_are_replaced(stage: InvenioStage) -> None:
    request = deposit_request("zenodo")
    rule = strike(stage.proxy, Fault.BROKEN, skip=0, elsewhere="")
    rule.when = lambda asked: asked.path.endswith("/publish")
    with pytest.raises(TargetUnavailable):
        stage.target.deposit(request, known=None, files=FILES)
    (draft,) = stage.server.drafts.values()
    draft["entries"]["README.md"]["checksum"] = "md5:" + "0" * 32
    draft["entries"]["left over"] = {"key": "left over", "status": "completed"}
    before = len(stage.server.seen)

    done = stage.target.deposit(request, known=None, files=FILES)

    sent = [one.path for one in stage.server.seen[before:] if one.path.endswith("/content")]
    assert sent == [f"/api/records/{done.outside_id}/draft/files/README.md/content"]
    assert stage.server.records[done.outside_id]["entries"].keys() == BODIES.keys()


def test_bytes_that_arrive_otherwise_are_taken_out_and_nothing_is_public(stage: InvenioStage) -> None:
    request = deposit_request("zenodo")
    spoiled = said(200, {"key": "README.md", "status": "completed", "checksum": "md5:" + "1" * 32, "size": 9.0})
    stage.proxy.add(Rule(Effect.ANSWER, when=lambda asked: asked.path.endswith("/commit"), answer=lambda _: spoiled))

    with pytest.raises(ChecksumMismatch):
        stage.target.deposit(request, known=None, files=FILES)

    assert stage.standing(request.key) == []
    (draft,) = stage.server.drafts.values()
    assert draft["entries"] == {}


def test_bytes_that_are_not_what_was_archived_are_never_committed(stage: InvenioStage) -> None:
    class Spoiled(MemoryBytes):
        @contextmanager
        def open(self, file: PublicFile) -> Iterator[Iterator[bytes]]:
            with super().open(file) as chunks:
                yield self._then_refused(chunks)

        def _then_refused(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
            yield from chunks
            raise ChecksumMismatch("not what was archived")

    with pytest.raises(ChecksumMismatch, match="not what was archived"):
        stage.target.deposit(deposit_request("zenodo"), known=None, files=Spoiled(BODIES))

    assert not [one for one in stage.server.seen if one.path.endswith("/commit")]


@pytest.mark.parametrize(("limit", "value"), [("files_most", 1), ("bytes_most", 3)])
def test_what_is_too_much_is_refused_before_anything_is_begun(stack: ExitStack, limit: str, value: int) -> None:
    stage = InvenioStage(stack, **{limit: value})

    with pytest.raises(TargetRefused, match="takes at most"):
        stage.target.deposit(deposit_request("zenodo"), known=None, files=FILES)

    assert stage.writes() == 0


def test_only_the_description_goes_where_that_is_wanted(stack: ExitStack) -> None:
    stage = InvenioStage(stack, carries=Carries.DESCRIPTION, files_most=1)

    done = stage.target.deposit(deposit_request("zenodo"), known=None, files=FILES)

    assert stage.server.bodies[done.outside_id].keys() == {"README.md"}


def test_what_zenodo_cannot_hide_it_says_and_the_files_are_hidden(stack: ExitStack) -> None:
    stage = InvenioStage(stack, restricts_records=False)
    request = deposit_request("zenodo")
    known = stage.target.deposit(request, known=None, files=FILES)

    done = stage.target.withdraw(tombstone_of(request), known=known, reason=REASON)
    writes = stage.writes()
    again = stage.target.withdraw(tombstone_of(request), known=None, reason=REASON)

    assert stage.server.records[known.outside_id]["access"] == {"record": "public", "files": "restricted"}
    assert done is not None
    assert again is not None
    assert "ask its administrators" in str(done.remark)
    assert again.remark == done.remark
    assert stage.writes() == writes


def test_a_draft_that_is_no_more_wanted_is_thrown_away(stage: InvenioStage) -> None:
    request = deposit_request("zenodo")
    rule = strike(stage.proxy, Fault.BROKEN, skip=0, elsewhere="")
    rule.when = lambda asked: asked.path.endswith("/publish")
    with pytest.raises(TargetUnavailable):
        stage.target.deposit(request, known=None, files=FILES)

    done = stage.target.withdraw(tombstone_of(request), known=None, reason=REASON)

    assert done is not None
    assert done.state is DepositState.WITHDRAWN
    assert stage.made(request.key) == []


def test_a_description_that_is_not_taken_is_told_by_its_fields_and_nothing_is_public(stage: InvenioStage) -> None:
    request = deposit_request("zenodo")
    (media_type,) = [name for name in request.record.documents if "invenio" in name]
    document = json.loads(request.record.documents[media_type])
    del document["metadata"]["title"]
    record = request.record.model_copy(
        update={"documents": {**request.record.documents, media_type: json.dumps(document)}}
    )

    with pytest.raises(TargetRefused, match=r"metadata\.title: Missing data"):
        stage.target.deposit(request.model_copy(update={"record": record}), known=None, files=FILES)

    assert stage.server.records == {}


def test_a_token_that_is_not_taken_is_a_report_and_never_repeated(
    stack: ExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    stage = InvenioStage(stack, token="wrong-token-987654")

    report = stage.target.test()

    assert not report.is_usable
    assert "does not accept the credential" in report.words
    assert "wrong-token" not in report.words
    assert "wrong-token" not in caplog.text


def test_no_request_writes_a_secret_to_the_log(stage: InvenioStage, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    stage.target.deposit(deposit_request("zenodo"), known=None, files=FILES)

    assert TOKEN not in caplog.text


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (("Retry-After", "90"), 90),
        (("Retry-After", "Mon, 23 Nov 2026 08:02:00 GMT"), 120),
        (("Retry-After", "Mon, 23 Nov 2020 08:02:00 GMT"), 0),
        (("Retry-After", "999999999"), 86_400),
        (("X-RateLimit-Reset", "1795420860"), 60),
        (("Retry-After", "soon"), None),
        (("Retry-After", "-5"), None),
    ],
)
def test_how_long_to_wait_is_read_in_every_form_and_believed_within_reason(
    stage: InvenioStage, header: tuple[str, str], expected: int | None
) -> None:
    stage.proxy.add(Rule(Effect.ANSWER, answer=lambda _: (429, [header], b"")))

    with pytest.raises(TargetUnavailable) as refusal:
        stage.target.test()

    assert refusal.value.facts.get("retry_after_seconds") == expected


def test_an_answer_is_read_no_further_than_its_limit(stage: InvenioStage) -> None:
    assert FLOOD_BYTES > ANSWER_LIMIT_BYTES
    stage.strike(Fault.FLOOD, skip=0)

    report = stage.target.test()

    assert "more than 4,194,304 bytes" in report.words


def test_an_address_of_another_host_in_an_answer_is_not_used(stack: ExitStack) -> None:
    trap = stack.enter_context(OutsideServer())
    http = TargetHttp(
        "http://127.0.0.1:9", target="x", credential=Credential("Bearer", SecretStr(TOKEN)), clock=SettableClock()
    )
    stack.callback(http.close)

    with pytest.raises(TargetRefused, match="another host"):
        http.ask("GET", f"{trap.url}/api")

    assert trap.seen == []


@pytest.mark.parametrize("said_doi", ["javascript:alert(1)", "10.5072", 7, {"a": 1}])
def test_a_doi_that_is_none_is_refused(stage: InvenioStage, said_doi: object) -> None:
    request = deposit_request("zenodo")
    stage.target.deposit(request, known=None, files=FILES)
    for record in stage.server.records.values():
        record["pids"]["doi"]["identifier"] = said_doi

    with pytest.raises(TargetRefused, match="a DOI that is none"):
        stage.target.deposit(request, known=None, files=FILES)


def test_a_token_goes_to_no_address_that_others_could_read() -> None:
    with pytest.raises(ValidationError, match="has to begin with https"):
        Invenio.model_validate({"name": "zenodo", "url": "http://zenodo.org", "token": TOKEN})


@pytest.mark.parametrize("fault", [Fault.HTML, Fault.ELSEWHERE, Fault.CUT, Fault.BROKEN, Fault.UNREACHED])
def test_what_is_no_answer_of_its_kind_is_named_and_goes_nowhere_else(stage: InvenioStage, fault: Fault) -> None:
    stage.strike(fault, skip=1)

    with pytest.raises((TargetRefused, TargetUnavailable)) as refusal:
        stage.target.deposit(deposit_request("zenodo"), known=None, files=FILES)

    assert isinstance(refusal.value, TargetUnavailable) is (fault in PASSING)
    assert TOKEN not in str(refusal.value)
    assert "<" not in str(refusal.value)
    assert stage.strayed() == []


def test_a_token_that_an_answer_repeats_is_not_told_in_part_either(stage: InvenioStage) -> None:
    stage.proxy.add(Rule(Effect.ANSWER, answer=lambda _: said(400, {"message": "x" * 290 + TOKEN})))

    report = stage.target.test()

    assert TOKEN[:8] not in report.words


@pytest.mark.parametrize("restricts_records", [True, False])
def test_what_was_hidden_is_shown_again_and_is_no_second_record(stack: ExitStack, restricts_records: bool) -> None:
    stage = InvenioStage(stack, restricts_records=restricts_records)
    request = deposit_request("zenodo")
    first = stage.target.deposit(request, known=None, files=FILES)
    gone = stage.target.withdraw(tombstone_of(request), known=first, reason=REASON)

    again = stage.target.deposit(request, known=gone, files=FILES)

    assert again.outside_id == first.outside_id
    assert stage.made(request.key) == [first.outside_id]
    assert stage.server.records[first.outside_id]["access"] == {"record": "public", "files": "public"}


def test_what_has_only_its_description_public_waits_for_its_files(stage: InvenioStage) -> None:
    """A record that was published without files takes none ever after."""
    request = deposit_request("zenodo", bodies={})
    record = request.record.model_copy(update={"extent": Extent.METADATA})

    with pytest.raises(TargetRefused, match="by itself once they are"):
        stage.target.deposit(request.model_copy(update={"record": record}), known=None, files=FILES)

    assert stage.writes() == 0


def test_a_file_that_is_not_taken_is_named(stage: InvenioStage) -> None:
    refusal = said(400, {"message": "Invalid file name"})
    announces = lambda asked: asked.method == "POST" and asked.path.endswith("/files")  # noqa: E731
    stage.proxy.add(Rule(Effect.ANSWER, skip=1, when=announces, answer=lambda _: refusal))

    with pytest.raises(TargetRefused, match=r"data/0/A1 0\.tiff.*: zenodo says 400: Invalid file name"):
        stage.target.deposit(deposit_request("zenodo"), known=None, files=FILES)


def test_an_empty_file_goes_there_too(stage: InvenioStage) -> None:
    bodies = {**BODIES, "data/empty.csv": b""}

    done = stage.target.deposit(deposit_request("zenodo", bodies=bodies), known=None, files=MemoryBytes(bodies))

    assert stage.server.bodies[done.outside_id] == bodies


def test_a_draft_of_as_many_files_as_the_settings_allow_is_gone_on_with(stack: ExitStack) -> None:
    """InvenioRDM tells about a kilobyte of each file, and all of them in one answer."""
    stage = InvenioStage(stack, files_most=10_000)
    request = deposit_request("zenodo")
    rule = strike(stage.proxy, Fault.BROKEN, skip=0, elsewhere="")
    rule.when = lambda asked: asked.path.endswith("/publish")
    with pytest.raises(TargetUnavailable):
        stage.target.deposit(request, known=None, files=FILES)
    (draft,) = stage.server.drafts.values()
    for entry in draft["entries"].values():
        entry["links"] = {"self": "x" * 5_000 * 1_000}

    done = stage.target.deposit(request, known=None, files=FILES)

    assert stage.standing(request.key) == [done.outside_id]
