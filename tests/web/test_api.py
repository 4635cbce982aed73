"""The API: who may call what, and what it answers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from httpx import Response

from cisterna.domain.dataset import Stage, Version
from cisterna.domain.finding import Verdict
from cisterna.domain.recovery import ObjectNote, ObjectState
from cisterna.testing.clock import START
from cisterna.web.api import router
from tests.web.client import Browser
from tests.web.site import Site

Visit = Callable[..., Browser]
Call = Callable[..., Response]

SHARED = [
    "acquisition_id",
    "dataset_id",
    "version",
    "state",
    "stage",
    "verdict",
    "reason",
    "pid",
    "source_state",
    "object_url",
]


def every_route() -> list[tuple[str, str]]:
    return [(next(iter(one.methods)), one.path) for one in router.routes]


@pytest.mark.parametrize(("method", "path"), every_route(), ids=str)
def test_nobody_is_answered_without_a_token_or_a_session(visit: Visit, method: str, path: str) -> None:
    answer = visit().client.request(method, path.replace("{", "").replace("}", "").replace(":path", ""), json={})

    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "not-signed-in"


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer ", "Bearer x", "Basic eDp5", "Bearer cist_" + "a" * 500, "bearer \udcff"]
)
def test_a_token_that_is_not_good_is_refused(visit: Visit, header: str) -> None:
    raw = header.encode("utf-8", "surrogateescape")

    assert visit().client.get("/api/v1/me", headers={b"authorization": raw}).status_code == 401


def test_a_session_may_read_and_changes_only_with_the_secret_of_its_pages(site: Site, visit: Visit) -> None:
    version, browser = site.lay_version("plate-7"), visit("sten")
    body = {"act": "accept", "reason": "fine", "evidence_digest": version.evidence_digest, "inside_only": True}
    path = f"/api/v1/versions/{version.version_id}/decisions"

    assert browser.get("/api/v1/datasets").status_code == 200
    assert browser.client.post(path, json=body).status_code == 403
    assert browser.client.post(path, json=body, headers={"x-csrf-token": browser.csrf()}).status_code == 201


def test_rows_carry_what_the_command_line_carries(site: Site, call: Call) -> None:
    version = site.lay_version("plate-7")
    site.lay_acquisition("plate-9")

    rows = call("vera", "GET", "/datasets").json()

    assert {frozenset(SHARED) <= frozenset(row) for row in rows} == {True}
    row = next(row for row in rows if row["dataset_id"] == version.dataset_id)
    assert row["pid"] == site.dataset(version).pid
    assert row["object_url"] == f"s3://cisterna-archive/{site.dataset(version).object_root}"
    assert (row["state"], row["stage"], row["verdict"], row["version"]) == ("complete", "in-review", "passed", "v1")
    assert row["changed_at"].endswith("Z")
    fresh = next(row for row in rows if row["dataset_id"] is None)
    assert [fresh[name] for name in ("version", "stage", "verdict", "pid", "object_url")] == [None] * 5
    assert fresh["reason"]


def test_all_that_is_known_is_found_by_any_of_its_names(site: Site, call: Call) -> None:
    version = site.lay_version("plate-7")
    dataset = site.dataset(version)

    found = [
        call("vera", "GET", f"/datasets/{name}").json()
        for name in (dataset.dataset_id, version.version_id, dataset.acquisition_id, dataset.pid)
    ]

    assert {one["version_id"] for one in found} == {version.version_id}
    assert found[0]["receipts"][0]["files_read"] == version.file_count
    assert found[0]["history"][0]["data"]["stage"] == "in-review"


def body_of(act: str, version: Version) -> dict[str, object]:
    return {"act": act, "reason": "because", "evidence_digest": version.evidence_digest}


WHO_MAY = [
    ("vera", 403, 403),
    ("rita", 403, 202),
    ("ada", 403, 202),
    ("stina", 201, 202),
    ("sten", 201, 202),
    ("root", 201, 202),
    ("otto", 404, 404),
]


@pytest.mark.parametrize(("name", "decides", "reprocesses"), WHO_MAY)
def test_who_may_decide_and_who_may_ask_for_reprocessing(
    site: Site, call: Call, name: str, decides: int, reprocesses: int
) -> None:
    version = site.lay_version("plate-7")
    base = f"/versions/{version.version_id}"

    asked = call(name, "POST", f"{base}/reprocessing", {"from_stage": "gated", "reason": "new limits"})
    decided = call(name, "POST", f"{base}/decisions", body_of("reject", version))

    assert (decided.status_code, asked.status_code) == (decides, reprocesses), (decided.text, asked.text)
    assert (site.now(version).stage is Stage.REJECTED) == (decides == 201)


def test_publishing_takes_the_owner_and_withdrawing_leaves_a_reason(site: Site, call: Call) -> None:
    version = site.decide(site.lay_version("plate-7", verdict=Verdict.REVIEW))
    base = f"/versions/{version.version_id}"

    assert call("sten", "POST", f"{base}/publication").status_code == 409
    asked = call("ada", "POST", f"{base}/publication")
    assert asked.status_code == 202
    assert call("ada", "POST", f"{base}/publication").json()["work_id"] == asked.json()["work_id"]
    assert call("ada", "GET", f"/inbox/{asked.json()['work_id']}").json()["state"] == "ready"
    assert call("otto", "GET", f"/inbox/{asked.json()['work_id']}").status_code == 404
    site.publish(version)
    assert call("vera", "POST", f"{base}/withdrawal", {"reason": "x"}).status_code == 403
    assert (
        call("ada", "POST", f"{base}/withdrawal", {"reason": "wrong stain"}).json()["withdrawn_reason"] == "wrong stain"
    )
    assert call("ada", "POST", f"{base}/withdrawal", {"reason": "again"}).status_code == 409


HOSTILE = [
    {},
    {"act": "accept"},
    {"act": "burn", "reason": "x", "evidence_digest": "x"},
    {"act": "accept", "reason": "x" * 10_001, "evidence_digest": "x"},
    {"act": "accept", "reason": "x", "evidence_digest": "x" * 129},
    {"act": "accept", "reason": "x", "evidence_digest": "x", "extra": 1},
    [],
    "text",
]


@pytest.mark.parametrize("body", HOSTILE, ids=str)
def test_a_malformed_request_is_a_problem_that_says_which_field(site: Site, call: Call, body: object) -> None:
    version = site.lay_version("plate-7")

    answer = call("sten", "POST", f"/versions/{version.version_id}/decisions", body)

    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid-input"
    assert site.now(version).stage is Stage.IN_REVIEW


@pytest.mark.parametrize(
    "identifier",
    ["nothing", "ds-1", "acq-1", "ark:/99999/x", "../x", "%00", "ds-1:v1", "x" * 500, "'; DROP TABLE versions; --"],
)
def test_an_unknown_or_hostile_identifier_is_not_found(call: Call, identifier: str) -> None:
    assert call("root", "GET", f"/datasets/{identifier}").status_code in {404, 422}


def test_operators_see_and_add_projects_and_instruments_and_others_what_is_theirs(site: Site, call: Call) -> None:
    body = {"slug": "lungs", "title": "Lungs", "owner": "ada"}

    assert call("stina", "POST", "/projects", body).status_code == 403
    assert call("olga", "POST", "/projects", body).status_code == 201
    assert call("olga", "POST", "/projects", body).status_code == 409
    assert [one["slug"] for one in call("stina", "GET", "/projects").json()] == ["atlas"]
    assert len(call("olga", "GET", "/instruments").json()) == 3
    assert call("vera", "GET", "/instruments").json() == []
    site.lay_acquisition("plate-1", instrument="squid-2")
    assert [one["name"] for one in call("vera", "GET", "/instruments").json()] == ["squid-2"]


def test_an_operator_accepts_a_mass_change_that_they_looked_at_and_nobody_else_does(site: Site, call: Call) -> None:
    guard = site.lay_guard("squid-2", examples=("secret-1",))
    site.lay_acquisition("plate-1", instrument="squid-2")
    path, body = "/instruments/squid-2/accepted-change", {"reason": "moved to tape", "evidence": guard.evidence}

    assert call("stina", "POST", path, body).status_code == 403
    assert call("olga", "POST", path, {**body, "evidence": "f" * 64}).status_code == 409
    assert call("olga", "POST", "/instruments/squid-1/accepted-change", body).status_code == 409
    accepted = call("olga", "POST", path, body)
    assert (accepted.status_code, accepted.json()["accepted"]["person"]) == (201, "olga")


def test_the_names_of_runs_in_a_guard_are_told_to_operators_alone(site: Site, call: Call, visit: Visit) -> None:
    site.lay_guard("squid-2", examples=("secret-1",))
    site.lay_acquisition("plate-1", instrument="squid-2")

    page = visit("vera").get("/instruments").text
    assert "4 of 10 known runs are gone" in page
    assert "guarded" in page
    for told in (page, call("vera", "GET", "/instruments").text):
        assert "secret-1" not in told
    assert "secret-1" in call("olga", "GET", "/instruments").text
    assert "secret-1" in visit("olga").get("/instruments").text


def test_the_api_describes_itself_and_asks_no_other_host_for_it(visit: Visit) -> None:
    described = visit().get("/api/v1/openapi.json").json()

    assert set(described["paths"]) >= {"/api/v1/datasets", "/api/v1/versions/{version_id}/decisions"}
    assert visit().get("/docs").status_code == 404


def test_metrics_count_and_name_nothing(site: Site, visit: Visit) -> None:
    site.lay_version("secret-run")
    site.lay_acquisition("plate-2", held="a symlink")
    note = ObjectNote(
        object_root="0ab/1cd/2ef/secret-run",
        dataset_id=None,
        state=ObjectState.REFUSED,
        reason="secret-run is damaged",
        recoveries=2,
        noted_at=START,
    )
    with site.catalogue.begin() as tx:
        tx.recoveries.put(note)

    text = visit().get("/metrics").text

    assert 'cisterna_versions{stage="in-review"} 1.0' in text
    assert "cisterna_held_acquisitions 1.0" in text
    assert 'cisterna_interrupted_objects{state="refused"} 1.0' in text
    assert "cisterna_recoveries 2.0" in text
    assert "secret-run" not in text
