"""What people see and do on the pages of the house, and what they do not."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape

import pytest

from cisterna.domain.acquisition import AcquisitionState
from cisterna.domain.dataset import Relation, Stage
from cisterna.domain.finding import Outcome, Verdict
from cisterna.domain.ocfl import object_root
from cisterna.domain.part import Part, part_pid
from cisterna.domain.review import Act
from cisterna.domain.work import WorkKind
from cisterna.testing.factory import make_dataset, make_finding, make_sha512, make_version
from tests.web.client import Browser
from tests.web.site import Site

Visit = Callable[..., Browser]

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{7*7}}"


def failing(site: Site, **fields: object) -> object:
    return site.lay_version(
        "plate-8",
        title="Plate 8",
        verdict=Verdict.QUARANTINED,
        reason="1 of 2 images is out of focus",
        findings=(
            make_finding("readable", Outcome.PASSED, message="All images can be read"),
            make_finding(
                "focus-min", Outcome.FAILED, message="A1 field 1 is out of focus", files=("0/A1_1_0_BF.tiff",)
            ),
        ),
        missing=("licence",),
        **fields,
    )


def test_an_empty_site_says_what_to_do_next(visit: Visit) -> None:
    page = visit("sten").get("/").text

    assert "Nothing has arrived yet" in page
    assert "cisterna ingest" in page


def test_the_dashboard_shows_what_waits_failing_first_what_is_written_what_is_held_and_why(
    site: Site, visit: Visit
) -> None:
    site.lay_version("plate-7", title="Plate 7", verdict=Verdict.REVIEW)
    failing(site)
    site.lay_acquisition("plate-9", state=AcquisitionState.WRITING, reason="17 of 48 images are there", progress=0.35)
    site.lay_acquisition(
        "plate-10", state=AcquisitionState.ABORTED, held="The operator aborted the run", reason="aborted"
    )

    page = visit("sten").get("/").text

    assert page.index("Plate 8") < page.index("Plate 7")
    for words in ("17 of 48 images are there", 'value="35"', "The operator aborted the run", "aborted"):
        assert words in page


def test_people_see_how_far_a_reading_has_come_how_fast_and_how_long_it_will_take(site: Site, visit: Visit) -> None:
    acquisition = site.lay_acquisition("plate-9", state=AcquisitionState.COMPLETE, reason="all images are there")
    site.lay_reading(acquisition, done_bytes=31_200_000_000, total_bytes=104_000_000_000, rate=118e6)
    stuck = site.lay_acquisition("plate-10", state=AcquisitionState.COMPLETE, reason="all images are there")
    site.lay_reading(stuck, done_bytes=0, total_bytes=10, rate=0)

    sten = visit("sten")
    pages = [sten.get(address).text for address in ("/", f"/acquisitions/{acquisition.acquisition_id}")]

    for page in pages:
        assert "31.2 GB of 104 GB read, 118 MB/s, 10 min left" in page
        assert 'value="30"' in page
    assert "0 B of 10 B read, 0 B/s, nothing moves" in pages[0]


def test_people_see_how_fast_a_run_is_written_when_it_ends_and_what_of_it_is_read_ahead(
    site: Site, visit: Visit
) -> None:
    acquisition = site.lay_acquisition("plate-9", state=AcquisitionState.WRITING, reason="written", progress=0.25)
    planless = site.lay_acquisition("plate-10", state=AcquisitionState.WRITING, reason="written")
    site.lay_writing(acquisition, files=100, expected_files=400, ahead_files=90)
    site.lay_writing(planless, files=7, expected_files=None)

    sten = visit("sten")
    pages = [sten.get(address).text for address in ("/", f"/acquisitions/{acquisition.acquisition_id}")]
    told = sten.get(f"/api/v1/datasets/{acquisition.acquisition_id}").json()

    for page in pages:
        assert "Expected end: about " in page
        assert "360 files and 360 MB an hour." in page
        assert "90 files, 90.0 MB, are read ahead." in page
    assert "Expected end: cannot be told: no plan." in pages[0]
    assert (told["writing"]["files"], told["writing"]["expected_files"], told["ahead_files"]) == (100, 400, 90)
    assert told["writing"]["earliest"] <= told["writing"]["latest"]


def test_the_evidence_comes_before_the_buttons_and_what_failed_before_what_passed(site: Site, visit: Visit) -> None:
    version = failing(site)

    page = visit("sten").get(f"/datasets/{version.dataset_id}").text

    places = [
        page.index(words)
        for words in (
            "A1 field 1 is out of focus",
            "All images can be read",
            "Failing, worst first",
            "Others (1)",
            "Creators",
            "README.md",
            'value="accept"',
        )
    ]
    assert places == sorted(places)
    assert '<a href="#field-licence">Licence</a>' in page


def test_a_steward_accepts_rejects_and_sees_it_kept_with_the_reason(site: Site, visit: Visit) -> None:
    version = failing(site)
    browser, address = visit("sten"), f"/datasets/{version.dataset_id}"
    fields = {"version_id": version.version_id, "evidence_digest": version.evidence_digest}

    answer = browser.submit(
        f"{address}/decision", page=address, act="reject", reason="blurred <b>all</b> over", **fields
    )
    page = browser.get(answer.headers["location"]).text

    assert site.now(version).stage is Stage.REJECTED
    assert "Your decision is recorded" in page
    assert "blurred &lt;b&gt;all&lt;/b&gt; over" in page


def test_a_decision_on_evidence_that_changed_is_a_visible_conflict(site: Site, visit: Visit) -> None:
    version = failing(site)
    browser, address = visit("sten"), f"/datasets/{version.dataset_id}"
    fields = {"version_id": version.version_id, "evidence_digest": version.evidence_digest}
    site.decide(version, Act.REJECT, person="stina", reason="out of focus")

    answer = browser.submit(f"{address}/decision", page=address, act="accept", reason="fine", **fields)

    assert answer.status_code == 409
    assert "stina decided" in answer.text
    assert site.now(version).stage is Stage.REJECTED


@pytest.mark.parametrize("name", ["vera", "rita", "ada"])
def test_who_is_no_steward_sees_the_evidence_and_no_buttons_and_may_not_decide(
    site: Site, visit: Visit, name: str
) -> None:
    version = failing(site)
    browser, address = visit(name), f"/datasets/{version.dataset_id}"

    page = browser.get(address).text
    fields = {"version_id": version.version_id, "evidence_digest": version.evidence_digest}
    answer = browser.submit(f"{address}/decision", act="accept", reason="please", **fields)

    assert "A1 field 1 is out of focus" in page
    assert 'value="accept"' not in page
    assert answer.status_code == 403
    assert site.now(version).stage is Stage.IN_REVIEW


def addresses(site: Site, version: object) -> list[str]:
    dataset = site.dataset(version)
    return [
        f"/datasets/{dataset.dataset_id}",
        f"/datasets/{dataset.dataset_id}?version=v1",
        f"/datasets/{dataset.dataset_id}/preview?version=v1&path=data/0/A1_0_0_BF.tiff",
        f"/datasets/{dataset.dataset_id}/files/data/0/A1_0_0_BF.tiff?version=v1",
        f"/datasets/{dataset.dataset_id}/files/README.md?version=v1",
        f"/acquisitions/{dataset.acquisition_id}",
        f"/api/v1/datasets/{dataset.dataset_id}",
        f"/api/v1/datasets/{version.version_id}",
        f"/api/v1/datasets/{dataset.acquisition_id}",
        f"/api/v1/datasets/{dataset.pid}",
    ]


def test_nothing_of_another_project_is_seen_not_even_that_it_exists(site: Site, visit: Visit) -> None:
    secret = site.lay_version("secret-run", title="Secret title", project="other")
    insider, outsider = visit("otto"), visit("stina")
    unknown = "/datasets/ds-00000000000000000000000000"

    for address in addresses(site, secret):
        assert insider.get(address).status_code == 200, address
        assert outsider.get(address).status_code == 404, address
    for page in (
        "/",
        "/projects",
        "/instruments",
        "/api/v1/datasets",
        "/api/v1/review",
        "/api/v1/projects",
        "/metrics",
    ):
        text = outsider.get(page).text
        assert "Secret" not in text, page
        assert secret.dataset_id not in text, page
        assert "secret-run" not in text, page
    hidden, missing = outsider.get(addresses(site, secret)[0]), outsider.get(unknown)
    assert re.sub("ds-[0-9a-z]+", "", hidden.text) == re.sub("ds-[0-9a-z]+", "", missing.text)


def test_acts_on_another_project_are_answered_as_if_it_did_not_exist(site: Site, visit: Visit) -> None:
    secret = site.lay_version("secret-run", project="other")
    outsider, address = visit("stina"), f"/datasets/{secret.dataset_id}"
    fields = {"version_id": secret.version_id, "reason": "x", "confirm": "secret-run"}

    ends = [
        outsider.submit(f"{address}/decision", act="accept", evidence_digest=secret.evidence_digest, **fields),
        outsider.submit(f"{address}/publication", **fields),
        outsider.submit(f"{address}/withdrawal", **fields),
        outsider.submit(f"{address}/reprocessing", what="stage:gated", **fields),
        outsider.get("/projects/other"),
        outsider.submit("/projects/other", title="Mine now", owner="stina"),
    ]

    assert [end.status_code for end in ends] == [404] * len(ends)
    assert site.now(secret).record == secret.record


def test_a_version_of_another_dataset_is_not_reached_through_ones_own(site: Site, visit: Visit) -> None:
    own, secret = site.lay_version("own-run"), site.lay_version("secret-run", project="other")

    answer = visit("stina").submit(
        f"/datasets/{own.dataset_id}/decision",
        act="accept",
        reason="x",
        version_id=secret.version_id,
        evidence_digest=secret.evidence_digest,
    )

    assert answer.status_code == 404


def test_hostile_names_titles_and_reasons_are_shown_as_text(site: Site, visit: Visit) -> None:
    name = "0/<img src=x onerror=alert(1)>&'\".tiff"
    version = site.lay_version(
        "plate <b>",
        title=HOSTILE,
        reason=HOSTILE,
        files=(name, "acquisition.yaml"),
        findings=(make_finding("focus-min", Outcome.FAILED, message=HOSTILE, files=(name,)),),
    )
    site.lay_acquisition(HOSTILE, held=HOSTILE, state=AcquisitionState.ABORTED, reason=HOSTILE)
    browser = visit("sten")

    for address in ("/", f"/datasets/{version.dataset_id}", "/projects/atlas"):
        text = browser.get(address).text
        assert "<script>alert" not in text
        assert "<img src=x" not in text
        assert "49" not in re.findall(r"onerror=alert\(2\)&gt;(\d+)", text)
        assert str(escape("<script>alert(1)</script>")) in text


def test_thumbnails_and_files_are_served_to_those_who_may_see_them_and_never_as_pages(site: Site, visit: Visit) -> None:
    version = site.lay_version("plate-7")
    browser, base = visit("vera"), f"/datasets/{version.dataset_id}"

    picture = browser.get(f"{base}/preview?version=v1&path=data/0/A1_0_0_BF.tiff")
    file = browser.get(f"{base}/files/data/0/A1_0_0_BF.tiff?version=v1", range="bytes=0-4")

    assert picture.headers["content-type"] == "image/png"
    assert picture.content.startswith(b"\x89PNG")
    assert (file.status_code, file.content) == (206, b"bytes")
    for answer in (picture, file):
        assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
        assert answer.headers["cache-control"].startswith("private")
    assert visit().get(f"{base}/preview?version=v1&path=data/0/A1_0_0_BF.tiff").status_code == 303


@pytest.mark.parametrize(
    "path", ["../../etc/passwd", "data/../../x", "/etc/passwd", "data/0/nothing.tiff", "%2e%2e/x", "v1/content/t1"]
)
def test_only_files_of_the_version_are_served(site: Site, visit: Visit, path: str) -> None:
    version = site.lay_version("plate-7")

    answer = visit("sten").get(f"/datasets/{version.dataset_id}/files/{path}?version=v1")

    assert answer.status_code == 404


def test_when_the_store_does_not_answer_the_page_says_so_and_the_rest_is_there(site: Site, visit: Visit) -> None:
    version = failing(site)
    browser = visit("sten")

    site.store.fail_on({"get"}, times=100)
    page = browser.get(f"/datasets/{version.dataset_id}")

    assert page.status_code == 200
    assert "previews cannot be read" in page.text
    assert "A1 field 1 is out of focus" in page.text


def test_publishing_asks_for_the_name_and_then_asks_for_the_work(site: Site, visit: Visit) -> None:
    version = site.decide(site.lay_version("plate-7", title="Plate 7", verdict=Verdict.REVIEW))
    browser, base = visit("ada"), f"/datasets/{version.dataset_id}"

    wrong = browser.submit(f"{base}/publication", page=base, version_id=version.version_id, confirm="plate")
    right = browser.submit(f"{base}/publication", page=base, version_id=version.version_id, confirm=" Plate  7 ")

    with site.catalogue.begin() as tx:
        works = [work for work in tx.inbox.list(subject=version.version_id) if work.kind is WorkKind.PUBLISH]
        agreed = [one for one in tx.datasets.decisions(version.version_id) if one.act is Act.CONSENT]
    assert (wrong.status_code, right.status_code) == (422, 303)
    assert len(works) == 1
    assert [(one.person, one.evidence_digest) for one in agreed] == [("ada", version.evidence_digest)]


def test_under_an_embargo_the_owner_agrees_on_the_page_and_takes_it_back_there(site: Site, visit: Visit) -> None:
    said = {
        "access": "embargoed",
        "embargo_until": "2027-06-30",
        "references": [{"kind": "lab-notebook", "identifier": "http://elab/7"}],
    }
    version = site.decide(site.lay_version("plate-7", title="Plate 7", verdict=Verdict.REVIEW, said=said))
    browser, base = visit("ada"), f"/datasets/{version.dataset_id}"
    before = browser.get(base).text

    browser.submit(f"{base}/publication", page=base, version_id=version.version_id, confirm="Plate 7")
    agreed = browser.get(base).text
    taken = browser.submit(f"{base}/revocation", page=base, version_id=version.version_id, reason="a patent")
    after = browser.get(base).text

    assert "on 2027-06-30 at 00:00 UTC" in before
    assert "http://elab/7 is an address inside your house" in before
    assert "ada has agreed" in agreed
    assert taken.status_code == 303
    assert "ada has agreed" not in after
    assert "Took the consent back" in after

    browser.submit(f"{base}/publication", page=base, version_id=version.version_id, confirm="Plate 7")
    with site.catalogue.begin() as tx:
        tx.projects.save(tx.projects.get("atlas").model_copy(update={"owner": "vera"}))
    present = visit("vera").get(base).text
    assert "ada has agreed" not in present  # who is no owner any more; the present one can
    assert "Agree to it now" in present


def test_what_bars_a_publication_is_said_instead_of_a_button(site: Site, visit: Visit) -> None:
    version = site.decide(site.lay_version("biopsy", project="patients", human="yes", access="restricted"))

    page = visit("ada").get(f"/datasets/{version.dataset_id}").text

    assert "access is not open" in page
    assert "human-data question" in page
    assert "/publication" not in page


def test_asking_for_reprocessing_opens_a_revision_with_a_name_and_a_reason(site: Site, visit: Visit) -> None:
    version = site.lay_version("plate-7")
    browser, base = visit("rita"), f"/datasets/{version.dataset_id}"

    answer = browser.submit(
        f"{base}/reprocessing", page=base, version_id=version.version_id, what="stage:gated", reason="new limits"
    )
    page = browser.get(answer.headers["location"]).text

    assert answer.status_code == 303
    assert "v1.1" in page
    assert "new limits" in page
    with site.catalogue.begin() as tx:
        assert tx.datasets.get_version(f"{version.dataset_id}:v1.1").submitter == "rita"


@pytest.mark.parametrize(("name", "status"), [("root", 200), ("olga", 404), ("sten", 404), ("vera", 404)])
def test_people_are_administrated_by_administrators_only(visit: Visit, name: str, status: int) -> None:
    browser = visit(name)

    assert browser.get("/people").status_code == status
    added = browser.submit("/people", name="neo", password="four words of mine")
    given = browser.submit("/people/vera/grants", role="admin", change="grant")
    assert {added.status_code, given.status_code} == ({303} if status == 200 else {404})


def test_a_token_is_shown_once_and_works_until_it_is_revoked(site: Site, visit: Visit) -> None:
    browser, script = visit("vera"), visit()

    shown = browser.submit("/account/tokens", label="my script").text
    secret = re.search(r'value="(cist_[^"]+)"', shown)
    assert secret
    headers = {"authorization": f"Bearer {secret[1]}"}
    assert script.get("/api/v1/me", **headers).json()["name"] == "vera"
    assert secret[1] not in browser.get("/account").text
    with site.catalogue.begin() as tx:
        token = tx.accounts.tokens("vera")[0]
    browser.submit("/account/tokens/revoke", token_id=token.token_id)
    assert script.get("/api/v1/me", **headers).status_code == 401


def test_a_project_is_added_and_changed_and_of_two_changes_one_is_told(site: Site, visit: Visit) -> None:
    browser = visit("olga")
    fields = {
        "slug": "lungs",
        "title": "Lungs",
        "owner": "ada",
        "creators": "Ada Holm; 0000-0002-1825-0097; Farm\nBo Ek",
    }

    added = browser.submit("/projects", **fields)
    changed = browser.submit("/projects/lungs", **{**fields, "title": "Lungs again", "record": 0})
    late = browser.submit("/projects/lungs", **{**fields, "title": "Too late", "record": 0})

    assert added.status_code == 303, added.text
    with site.catalogue.begin() as tx:
        kept = tx.projects.get("lungs")
    assert [one.name for one in kept.defaults.creators] == ["Ada Holm", "Bo Ek"]
    assert kept.policy.publish.value == "never"
    assert (changed.status_code, late.status_code) == (303, 409), changed.text
    assert kept.title == "Lungs again"


@pytest.mark.parametrize(
    "fields",
    [{"slug": "A b"}, {"owner": "nobody"}, {"creators": "X; 1234-1234-1234-1234"}, {"licence": "<b>"}, {"title": ""}],
)
def test_a_project_with_a_wrong_field_is_refused_and_the_form_keeps_what_was_typed(
    visit: Visit, fields: dict[str, str]
) -> None:
    answer = visit("olga").submit("/projects", **{"slug": "lungs", "title": "Lungs of mice", "owner": "ada", **fields})

    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert fields.get("title", "Lungs of mice") in answer.text


def test_the_page_names_the_parts_that_hold_the_files_and_lists_show_one_dataset(site: Site, visit: Visit) -> None:
    version = site.lay_version("plate-7", title="Plate 7")
    with site.catalogue.begin() as tx:
        whole = tx.datasets.get(version.dataset_id)
        parts = []
        for number, (first, last) in enumerate([("0/a.tiff", "0/<b>&.tiff"), ("1/a.tiff", "1/b.tiff")], start=1):
            relation = Relation(kind="IsPartOf", dataset_id=whole.dataset_id, version="v1")
            pid = part_pid(whole.pid, number)
            dataset = make_dataset(f"part {number}", title=f"Part {number}", relations=(relation,))
            dataset = dataset.model_copy(update={"pid": pid, "object_root": object_root(pid), "project": "atlas"})
            tx.datasets.add(dataset)
            held = tx.datasets.add_version(make_version(dataset, stage=Stage.VERIFIED, ocfl_version=1))
            parts.append(
                Part(
                    number=number,
                    dataset_id=dataset.dataset_id,
                    version_id=held.version_id,
                    pid=pid,
                    ocfl_version=1,
                    algorithm="sha512",
                    manifest_digest=make_sha512(pid),
                    file_count=100_000,
                    total_bytes=12_000_000,
                    first=first,
                    last=last,
                )
            )
        fresh = tx.datasets.get_version(version.version_id)
        tx.datasets.save_version(fresh.model_copy(update={"parts": tuple(parts)}))

    sten = visit("sten")
    page = sten.get(f"/datasets/{version.dataset_id}").text
    dashboard = sten.get("/").text

    for part in parts:
        assert part.pid in page
    assert escape("0/<b>&.tiff") in page
    assert "Parts" in page
    assert "Part 1" not in dashboard
    assert "Plate 7" in dashboard
    rows = sten.get("/api/v1/datasets").text
    assert parts[0].dataset_id not in rows
