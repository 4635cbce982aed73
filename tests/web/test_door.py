"""Signing in and out, forms that are one's own, and the link of the first administrator."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from cisterna.services.account import set_active
from cisterna.services.setup_link import issue_setup_link
from tests.web.client import Browser
from tests.web.site import PASSWORD, Site

Visit = Callable[..., Browser]

PAGES = [
    "/",
    "/datasets",
    "/projects",
    "/instruments",
    "/people",
    "/account",
    "/events/stream",
    "/datasets/ds-1",
    "/projects/atlas",
]
FORMS = [
    "/sign-out",
    "/projects",
    "/projects/atlas",
    "/people",
    "/people/vera/grants",
    "/people/vera/state",
    "/account/tokens",
    "/account/tokens/revoke",
    "/datasets/ds-1/decision",
    "/datasets/ds-1/publication",
    "/datasets/ds-1/withdrawal",
    "/datasets/ds-1/reprocessing",
]
EVERY_FIELD = {
    "version_id": "ds-1:v1",
    "act": "accept",
    "reason": "because",
    "evidence_digest": "0",
    "confirm": "x",
    "what": "stage:gated",
    "name": "new",
    "password": PASSWORD,
    "role": "admin",
    "change": "grant",
    "state": "inactive",
    "label": "x",
    "token_id": "x",
    "title": "x",
}


@pytest.mark.parametrize("path", PAGES)
def test_a_page_leads_to_the_door_and_back(visit: Visit, path: str) -> None:
    answer = visit().get(path)

    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/sign-in?next=")


def test_signing_in_leads_to_where_one_wanted_to_go(visit: Visit) -> None:
    browser = visit()

    answer = browser.submit("/sign-in", page="/sign-in", name="sten", password=PASSWORD, next="/projects")

    assert answer.headers["location"] == "/projects"
    assert browser.get("/projects").status_code == 200


@pytest.mark.parametrize(
    "hostile", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"]
)
def test_nobody_is_led_elsewhere_by_signing_in(visit: Visit, hostile: str) -> None:
    answer = visit().submit("/sign-in", page="/sign-in", name="sten", password=PASSWORD, next=hostile)

    assert answer.headers["location"] == "/"


@pytest.mark.parametrize(
    ("name", "password"), [("sten", "wrong password"), ("nobody", PASSWORD), ("", ""), ("\x00", "x")]
)
def test_a_wrong_name_and_a_wrong_password_get_the_same_answer(visit: Visit, name: str, password: str) -> None:
    answer = visit().submit("/sign-in", page="/sign-in", name=name, password=password)

    assert answer.status_code in {401, 422}
    assert "session" not in str(answer.headers.get_list("set-cookie"))


def test_many_wrong_passwords_close_the_door_for_a_while(visit: Visit) -> None:
    browser = visit()

    ends = [
        browser.submit("/sign-in", page="/sign-in", name="sten", password=f"guess {n}").status_code for n in range(12)
    ]

    assert ends[0] == 401
    assert ends[-1] == 429


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(visit: Visit) -> None:
    answer = visit().sign_in("sten")

    cookie = next(one for one in answer.headers.get_list("set-cookie") if one.startswith("cisterna_session="))
    assert "httponly" in cookie.lower()
    assert "samesite=strict" in cookie.lower()


def test_a_session_ends_by_signing_out_by_time_and_by_deactivation(site: Site, visit: Visit) -> None:
    leaves, sleeps, removed = visit("sten"), visit("vera"), visit("rita")
    with site.catalogue.begin() as tx:
        root = tx.accounts.find("root")

    leaves.submit("/sign-out")
    assert root is not None
    set_active("rita", active=False, by=root, catalogue=site.catalogue)
    assert leaves.get("/").status_code == 303
    assert removed.get("/").status_code == 303
    assert sleeps.get("/").status_code == 200
    site.clock.advance(timedelta(hours=13))
    assert sleeps.get("/").status_code == 303


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize("csrf", ["", "guessed", "\udcff"])
def test_a_form_that_is_not_ones_own_does_nothing(visit: Visit, path: str, csrf: str) -> None:
    browser = visit("root")

    answer = browser.client.post(
        path,
        content="&".join(
            [f"csrf={csrf.encode('utf-8', 'surrogatepass').hex()}", *(f"{k}={v}" for k, v in EVERY_FIELD.items())]
        ),
        headers={"content-type": "application/x-www-form-urlencoded"},
    )

    assert answer.status_code == 403
    assert browser.get("/").status_code == 200


@pytest.mark.parametrize("path", FORMS)
def test_the_form_of_another_person_does_nothing(visit: Visit, path: str) -> None:
    others = visit("sten").csrf()

    assert visit("root").submit(path, csrf=others, **EVERY_FIELD).status_code == 403


@pytest.mark.parametrize("path", ["/sign-in", *FORMS])
def test_a_request_sent_from_another_site_is_refused(visit: Visit, path: str) -> None:
    browser = visit("root")

    for headers in ({"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}, {"origin": "null"}):
        assert browser.client.post(path, data={"csrf": browser.csrf()}, headers=headers).status_code == 403


def test_the_first_administrator_comes_in_by_a_link_that_works_once(site: Site, visit: Visit) -> None:
    with site.catalogue.begin() as tx:
        root = tx.accounts.find("root")
        assert root is not None
        tx.accounts.save(root.model_copy(update={"grants": ()}))
    path = issue_setup_link(catalogue=site.catalogue, clock=site.clock, passwords=site.passwords)
    assert path is not None
    browser = visit()
    fields = {"name": "maja", "full_name": "Maja", "password": "four words of mine", "again": "four words of mine"}

    differs = browser.submit(path, page=path, **{**fields, "again": "something else"})
    weak = browser.submit(path, page=path, **{**fields, "password": "short", "again": "short"})
    made = browser.submit(path, page=path, **fields)

    assert (differs.status_code, weak.status_code, made.status_code) == (422, 422, 303)
    assert browser.get("/people").status_code == 200
    assert visit().get(path).status_code == 404


def test_a_link_that_was_made_up_leads_nowhere(visit: Visit) -> None:
    assert visit().get("/setup/guessed").status_code == 404
    assert visit().submit("/setup/guessed", page="/sign-in", name="x", password="y", again="y").status_code == 404
