"""Erasure and disposal by page and API: the plan first, a decision that is typed, and a worker that carries it out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from fastapi.testclient import TestClient
from httpx import Response

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.embedded_seaweedfs import EmbeddedSeaweedFS
from cisterna.adapters.s3_access import S3Access
from cisterna.adapters.s3_erasure import S3Eraser
from cisterna.adapters.s3_obstore import S3Store
from cisterna.adapters.s3_survey import S3Survey
from cisterna.domain.account import Grant, Role
from cisterna.domain.dataset import Stage, Version
from cisterna.domain.erasure import Erasure, ErasureState
from cisterna.domain.retention import RetentionRule
from cisterna.domain.review import Act
from cisterna.domain.work import WorkKind, WorkState
from cisterna.services.erase import execute_erasure
from cisterna.services.erase_plan import ErasureSite
from cisterna.services.hold import place_hold
from cisterna.testing.clock import START, SettableClock
from cisterna.testing.fault_proxy import FaultProxy
from cisterna.web.removal_api import router
from tests.web.application import app_on
from tests.web.client import Browser
from tests.web.site import Site

Visit = Callable[..., Browser]
Call = Callable[..., Response]
LESSER = {"vera": 403, "rita": 403, "stina": 403, "sten": 403, "olga": 403, "otto": 404, "ada": 403}
"""Everybody but the administrator: roles in the project, the project's owner, and a steward of another project."""
ORDER = {
    "controller": "Example University",
    "basis": "GDPR Art. 17(1)(b)",
    "decision": "12/2026",
    "reason": "consent withdrawn",
}


@pytest.fixture
def site(
    catalogue: SqlCatalogue, clock: SettableClock, new_store: Callable[..., S3Store], s3_endpoint: S3Access
) -> Iterator[Site]:
    """A site whose archive and public bucket lie on a real store, seen as the web process sees them."""
    archive, public = new_store(), new_store()
    archive.name, public.name = "archive", "public"
    made = Site(catalogue, clock, store=archive, public=public)
    survey = S3Survey(s3_endpoint, bucket=archive.bucket, store="archive", clock=clock)
    made.onlookers["archive"] = survey
    made.settle_people()
    yield made
    survey.close()


@pytest.fixture
def worker(site: Site, s3_endpoint: S3Access) -> Iterator[Callable[[], Erasure]]:
    """Give what a worker does with the erasure that was asked for last."""
    erasers = {
        store.name: S3Eraser(s3_endpoint, bucket=store.bucket, store=store.name, clock=site.clock)
        for store in (site.store, site.public)
    }
    erasing = ErasureSite(
        catalogue=site.catalogue,
        store=site.store,
        copies={},
        onlooker_of=lambda name: erasers[name],
        eraser_of=lambda name: erasers[name],
        public=site.portal,
        public_store="public",
        clock=site.clock,
        end_of_life=site.end_of_life,
    )

    def carry_out() -> Erasure:
        with site.catalogue.begin() as tx:
            claim = tx.inbox.claim(
                owner="worker",
                run_id=site.clock.new_id(),
                now=site.clock.now(),
                lease=timedelta(minutes=1),
                kinds=[WorkKind.ERASE],
            )
        assert claim is not None
        person = str(claim.work.parameters["person"])
        done = execute_erasure(claim.work.subject, person=person, lease=claim.attempt, site=erasing)
        with site.catalogue.begin() as tx:
            tx.inbox.finish(claim.attempt, outcome=done.words)
        return done

    yield carry_out
    for one in erasers.values():
        one.close()


@pytest.fixture
def version(site: Site) -> Version:
    return site.lay_version("plate-7", title="Plate 07", stage=Stage.IN_REVIEW)


def below(site: Site, version: Version) -> list[str]:
    return [one.key for one in site.store.list(f"{site.dataset(version).object_root}/")]


def decided(site: Site) -> list[Erasure]:
    with site.catalogue.begin() as tx:
        return list(tx.erasures.list())


def expire(site: Site, version: Version) -> None:
    """Let the end of life of a settled version come."""
    site.decide(version, Act.REJECT)
    with site.catalogue.begin() as tx:
        tx.retention_rules.add(
            RetentionRule(
                rule_id="rule-1", project="atlas", keep_days=1, person="root", reason="policy 7", set_at=START
            )
        )
    site.clock.advance(timedelta(days=2))


def a_body(version: Version, seen: str, **changes: str) -> dict[str, str]:
    return {**ORDER, "scope": seen, "confirm": version.dataset_id, **changes}


@pytest.mark.parametrize(("method", "path"), [(next(iter(one.methods)), one.path) for one in router.routes], ids=str)
def test_nobody_is_answered_without_a_token_or_a_session(visit: Visit, method: str, path: str) -> None:
    answer = visit().client.request(method, path.replace("{", "").replace("}", ""), json={})

    assert answer.status_code == 401
    assert answer.json()["code"] == "not-signed-in"


def test_the_api_plans_decides_and_follows_to_the_end(
    site: Site, call: Call, version: Version, worker: Callable[[], Erasure]
) -> None:
    derived = site.lay_version("labels", title="Labels", source=version, model="nuclei@1")
    path = f"/datasets/{version.dataset_id}/erasure"
    kept = below(site, version)

    plan = call("root", "GET", f"{path}/plan").json()

    assert [one["dataset_id"] for one in plan["objects"]] == [version.dataset_id, derived.dataset_id]
    assert plan["stores"][0]["content"]["keys"] == len(kept)
    assert plan["objections"] == []
    assert below(site, version) == kept
    answer = call("root", "POST", path, a_body(version, plan["scope"]))
    assert answer.status_code == 202, answer.text
    assert (answer.json()["erasure"]["state"], answer.json()["is_under_way"]) == ("announced", True)
    assert below(site, version) == kept, "the web process deletes nothing"
    erasure_id = answer.json()["erasure"]["erasure_id"]
    assert call("root", "POST", path, a_body(version, plan["scope"])).json()["erasure"]["erasure_id"] == erasure_id
    assert worker().state is ErasureState.DONE
    assert below(site, version) == below(site, derived) == []
    ended = call("root", "GET", f"/erasures/{erasure_id}").json()
    assert (ended["erasure"]["state"], ended["is_under_way"], ended["problem"]) == ("done", False, None)
    assert [one["erasure"]["erasure_id"] for one in call("root", "GET", "/erasures").json()] == [erasure_id]
    assert call("root", "POST", f"/erasures/{erasure_id}/attempts").json()["is_under_way"] is False


@pytest.mark.parametrize("lesser", LESSER.items(), ids=lambda one: one[0])
def test_nobody_but_an_administrator_plans_decides_or_follows(
    site: Site, call: Call, visit: Visit, version: Version, lesser: tuple[str, int]
) -> None:
    name, status = lesser
    scope = call("root", "GET", f"/datasets/{version.dataset_id}/erasure/plan").json()["scope"]
    path = f"/datasets/{version.dataset_id}"
    body, browser = a_body(version, scope), visit(name)
    disposal = {"reason": "x", "scope": scope, "confirm": version.dataset_id}
    answers = [
        call(name, "GET", f"{path}/erasure/plan"),
        call(name, "GET", f"{path}/disposal/plan"),
        call(name, "POST", f"{path}/erasure", body),
        call(name, "POST", f"{path}/disposal", disposal),
        browser.get(f"{path}/erasure"),
        browser.get(f"{path}/disposal"),
        browser.submit(f"{path}/erasure", **body),
        browser.submit(f"{path}/disposal", **disposal),
    ]

    assert [one.status_code for one in answers] == [status] * 8
    said = "".join(one.text for one in answers)
    assert not any(word in said for word in ("Plate 07", site.dataset(version).pid, site.dataset(version).object_root))
    assert decided(site) == []
    seen = browser.get(path)
    assert f"{path}/erasure" not in seen.text
    root = call("root", "POST", f"{path}/erasure", body).json()["erasure"]
    for answer in (
        call(name, "GET", f"/erasures/{root['erasure_id']}"),
        call(name, "POST", f"/erasures/{root['erasure_id']}/attempts"),
        browser.submit(f"/erasures/{root['erasure_id']}/attempts"),
        browser.get(f"{path}/erasure"),
    ):
        assert answer.status_code == status
        assert "Example University" not in answer.text
    assert call(name, "GET", "/erasures").json() == []


def test_an_administrator_of_another_project_learns_and_does_nothing(site: Site, call: Call, version: Version) -> None:
    with site.catalogue.begin() as tx:
        otto = tx.accounts.find("otto")
        assert otto is not None
        tx.accounts.save(otto.model_copy(update={"grants": (Grant(role=Role.ADMIN, project="other"),)}))
    path = f"/datasets/{version.dataset_id}"

    assert call("otto", "GET", f"{path}/erasure/plan").status_code == 404
    assert call("otto", "POST", f"{path}/erasure", a_body(version, "x")).status_code == 404
    made_up = call("otto", "GET", "/erasures/made-up").json()["detail"]
    root = call("root", "GET", f"{path}/erasure/plan").json()["scope"]
    erasure_id = call("root", "POST", f"{path}/erasure", a_body(version, root)).json()["erasure"]["erasure_id"]
    assert call("otto", "GET", f"/erasures/{erasure_id}").json()["detail"] == made_up.replace("made-up", erasure_id)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"confirm": "ds-00000000000000000000000000"}, 422),
        ({"confirm": "yes"}, 422),
        ({"confirm": ""}, 422),
        ({"scope": "0" * 32}, 409),
        ({"scope": ""}, 409),
        ({"controller": " "}, 422),
        ({"decision": "12\n2026"}, 422),
        ({"reason": "\x00"}, 422),
        ({"basis": "x" * 501}, 422),
        ({"execute": "true"}, 422),
    ],
    ids=str,
)
def test_a_decision_that_is_not_exactly_one_is_refused_and_nothing_is_decided(
    site: Site, call: Call, version: Version, changes: dict[str, str], status: int
) -> None:
    scope = call("root", "GET", f"/datasets/{version.dataset_id}/erasure/plan").json()["scope"]

    answer = call("root", "POST", f"/datasets/{version.dataset_id}/erasure", a_body(version, scope, **changes))

    assert answer.status_code == status, answer.text
    assert decided(site) == []


@pytest.mark.parametrize("what", ["erasure", "disposal"])
@pytest.mark.parametrize(
    "identifier", ["ds-00000000000000000000000000", "%2e%2e", "ds-%00", "acq-x", "*", "ark%3a%2f99999%2fx", "%25"]
)
def test_what_names_no_dataset_is_not_found(site: Site, call: Call, visit: Visit, what: str, identifier: str) -> None:
    body = {"reason": "x", "scope": "x", "confirm": identifier, **(ORDER if what == "erasure" else {})}

    assert call("root", "GET", f"/datasets/{identifier}/{what}/plan").status_code in {404, 422}
    assert call("root", "POST", f"/datasets/{identifier}/{what}", body).status_code in {404, 405, 422}
    assert visit("root").get(f"/datasets/{identifier}/{what}").status_code in {404, 422}
    assert decided(site) == []


def test_a_version_names_no_dataset_since_all_of_them_go(site: Site, call: Call, version: Version) -> None:
    path = f"/datasets/{version.version_id}/erasure"

    assert call("root", "GET", f"{path}/plan").status_code == 404
    assert call("root", "POST", path, a_body(version, "x", confirm=version.version_id)).status_code == 404
    assert decided(site) == []


def test_deciding_sends_the_archive_nothing_but_reads(
    *, site: Site, s3_endpoint: S3Access, seaweedfs: EmbeddedSeaweedFS, version: Version, clock: SettableClock
) -> None:
    """So the web process may have keys that only read."""
    bucket = site.parts.store.bucket
    with FaultProxy(seaweedfs.endpoint) as proxy:
        access = s3_endpoint.model_copy(update={"endpoint": proxy.url})
        store = S3Store(access, bucket=bucket, name="archive")
        survey = S3Survey(access, bucket=bucket, store="archive", clock=clock)
        parts = replace(
            site.parts, store=store, survey=replace(site.parts.survey, store=store, onlooker_of=lambda _name: survey)
        )
        browser = Browser(TestClient(app_on(parts), base_url=site.base_url, follow_redirects=False))
        browser.sign_in("root")
        path = f"/datasets/{version.dataset_id}/erasure"
        assert browser.get(f"/datasets/{version.dataset_id}").status_code == 200
        assert browser.get(path).status_code == 200
        scope = browser.get(f"/api/v1{path}/plan").json()["scope"]
        assert browser.submit(path, page=path, **a_body(version, scope)).status_code == 303
        assert browser.get(path).status_code == 200
        asked = [one for one in proxy.requests if bucket in one.path]
        survey.close()
        store.close()

    assert {one.method for one in asked} <= {"GET", "HEAD"}
    assert any("versions" in one.query for one in asked)


def test_a_session_decides_only_by_a_form_of_its_own(site: Site, visit: Visit, version: Version) -> None:
    browser, other = visit("root"), visit("root")
    path = f"/datasets/{version.dataset_id}/erasure"
    scope = browser.get(f"/api/v1{path}/plan").json()["scope"]
    body = a_body(version, scope)

    assert browser.client.post(f"/api/v1{path}", json=body).status_code == 403
    assert browser.submit(path, csrf="", **body).status_code == 403
    assert browser.submit(path, csrf="forged", **body).status_code == 403
    assert browser.submit(path, csrf=other.csrf(), **body).status_code == 403
    foreign = {"origin": "https://elsewhere.example", "sec-fetch-site": "cross-site"}
    sent = browser.client.post(path, data={"csrf": browser.csrf(), **body}, headers=foreign)
    assert sent.status_code == 403
    assert decided(site) == []
    assert browser.submit(path, page=path, **body).status_code == 303


def test_the_page_shows_the_plan_first_keeps_what_was_typed_and_follows_what_was_decided(
    site: Site, visit: Visit, version: Version, worker: Callable[[], Erasure]
) -> None:
    site.lay_version("labels", title="Labels <b>", source=version, model="nuclei@1")
    browser = visit("root")
    path = f"/datasets/{version.dataset_id}/erasure"
    assert path in browser.get(f"/datasets/{version.dataset_id}").text

    shown = browser.get(path).text

    assert "Labels &lt;b&gt;" in shown
    assert "the name of the run&#39;s folder" in shown
    assert "Datasets that go: 2" in shown
    scope = browser.get(f"/api/v1{path}/plan").json()["scope"]
    wrong = browser.submit(path, page=path, **a_body(version, scope, confirm="Plate 07"))
    assert wrong.status_code == 422
    assert 'value="Example University"' in wrong.text
    assert "Nothing was decided." in wrong.text
    answer = browser.submit(path, page=path, **a_body(version, scope))
    assert answer.headers["location"] == f"{path}?flash=removing"
    waiting = browser.get(path).text
    assert "under way" in waiting
    assert 'name="confirm"' not in waiting
    assert worker().state is ErasureState.DONE
    after = browser.get(path).text
    assert "GDPR Art. 17(1)(b)" in after
    assert "What remains" in after
    assert "Plate 07" not in after
    assert "/attempts" not in after
    assert "12/2026" in browser.get("/end-of-life").text


def test_what_speaks_against_it_is_shown_in_place_of_the_form(site: Site, visit: Visit, version: Version) -> None:
    place_hold(version.dataset_id, person="sten", reason="a <court>", catalogue=site.catalogue, clock=site.clock)
    browser = visit("root")
    path = f"/datasets/{version.dataset_id}/erasure"

    shown = browser.get(path).text

    assert "a &lt;court&gt;" in shown
    assert 'name="confirm"' not in shown
    scope = browser.get(f"/api/v1{path}/plan").json()["scope"]
    assert browser.submit(path, **a_body(version, scope)).status_code == 409
    assert decided(site) == []


def test_only_what_is_due_is_disposed_of_and_a_steward_sees_what_is(
    site: Site, visit: Visit, call: Call, version: Version, worker: Callable[[], Erasure]
) -> None:
    path = f"/datasets/{version.dataset_id}/disposal"
    early = call("root", "GET", f"{path}/plan").json()
    assert [one["condition"] for one in early["objections"]] == ["is-due"]
    body = {"reason": "nobody asked for it", "scope": early["scope"], "confirm": version.dataset_id}
    assert call("root", "POST", path, body).status_code == 409
    assert visit("sten").get("/end-of-life").text.count("Plate 07") == 0
    expire(site, version)

    for name, sees in {"sten": True, "stina": True, "otto": False, "olga": True}.items():
        page = visit(name).get("/end-of-life").text
        assert ("Plate 07" in page) == sees, name
        assert path not in page
        told = [one["dataset_id"] for one in call(name, "GET", "/retention/due").json()]
        assert told == ([version.dataset_id] if sees else []), name
    for name in ("vera", "rita", "ada"):
        assert visit(name).get("/end-of-life").status_code == 404
    assert path in visit("root").get("/end-of-life").text
    assert visit("root").submit(path, page=path, **body).status_code == 303
    done = worker()
    assert (done.state, done.order.decision, done.person) == (ErasureState.DONE, "rule rule-1", "root")
    assert below(site, version) == []
    assert call("root", "GET", "/retention/due").json() == []
    again = call("root", "POST", path, body)
    assert (again.status_code, again.json()["erasure"]["state"]) == (202, "done")


def test_what_came_to_nothing_says_why_and_may_be_asked_for_again(
    site: Site, visit: Visit, call: Call, version: Version
) -> None:
    path = f"/datasets/{version.dataset_id}/erasure"
    scope = call("root", "GET", f"{path}/plan").json()["scope"]
    erasure = call("root", "POST", path, a_body(version, scope)).json()["erasure"]
    with site.catalogue.begin() as tx:
        claim = tx.inbox.claim(owner="w", run_id="r", now=site.clock.now(), lease=timedelta(1), kinds=[WorkKind.ERASE])
        assert claim is not None
        tx.inbox.give_up(claim.attempt, outcome="the archive <did> not answer")
    browser = visit("root")

    shown = browser.get(path).text

    assert "the archive &lt;did&gt; not answer" in shown
    assert browser.submit(f"/erasures/{erasure['erasure_id']}/attempts", page=path).status_code == 303
    assert "under way" in browser.get(path).text
    with site.catalogue.begin() as tx:
        states = [one.state for one in tx.inbox.list(subject=erasure["erasure_id"])]
    assert states == [WorkState.FAILED, WorkState.READY]
    assert call("root", "GET", f"/inbox/{claim.work.work_id}").status_code == 200
    assert call("sten", "GET", f"/inbox/{claim.work.work_id}").status_code == 403
    assert call("otto", "GET", f"/inbox/{claim.work.work_id}").status_code == 404
