"""What every answer has in common."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from cisterna.adapters import report_page
from cisterna.domain import errors
from cisterna.domain.errors import CatalogueUnavailable, CisternaError
from cisterna.web.problem import STATUS
from cisterna.web.security import host_name
from cisterna.web.view import HERE
from cisterna.web.wording import TEXT
from tests.web.client import Browser
from tests.web.site import Site

Visit = Callable[..., Browser]


@pytest.mark.parametrize(
    "path", ["/sign-in", "/nothing", "/static/cisterna.css", "/api/v1/me", "/healthz", "/ark:/99999/x"]
)
def test_every_answer_carries_the_headers_that_a_browser_obeys(visit: Visit, path: str) -> None:
    headers = visit().get(path).headers

    assert headers["content-security-policy"].startswith("default-src 'self'")
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "testserver.evil.example:80"])
def test_a_foreign_host_name_is_refused(visit: Visit, host: str) -> None:
    assert visit().get("/sign-in", host=host).status_code == 400


@pytest.mark.parametrize(("header", "name"), [("[::1]:8080", "[::1]"), ("A.example:1", "a.example"), ("::1", "")])
def test_a_host_header_is_read_without_its_port(header: str, name: str) -> None:
    assert host_name(header) == name


def test_a_body_beyond_the_limit_is_refused_whether_or_not_it_says_so(visit: Visit) -> None:
    browser = visit("sten")

    def flood() -> object:
        for _ in range(40):
            yield b"x" * 65_536

    said = browser.client.post("/sign-out", content=b"x" * 2_000_000)
    unsaid = browser.client.post("/sign-out", content=flood(), headers={"content-type": "application/octet-stream"})

    assert said.status_code == 413
    assert unsaid.status_code in {403, 413}


@pytest.mark.parametrize("length", ["-1", "+1", "1e3", "\u00b2", "0x10", "9" * 5000])
def test_a_length_that_is_none_is_refused(visit: Visit, length: str) -> None:
    answer = visit().client.get("/browse", headers=[(b"content-length", length.encode("latin-1"))])

    assert answer.status_code == 413


def every_error() -> list[type[CisternaError]]:
    return [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, CisternaError)]


@pytest.mark.parametrize("error", every_error(), ids=lambda one: one.__name__)
def test_every_named_error_has_a_status_and_words(error: type[CisternaError]) -> None:
    status = STATUS[error.code]

    assert f"problem.{status}.title" in TEXT
    assert f"problem.{status}.next" in TEXT
    assert (status == 503) == (error.retryable and error.code != "throttled")


def test_no_status_is_kept_for_an_error_that_is_gone() -> None:
    assert set(STATUS) == {one.code for one in every_error()}


def test_when_the_catalogue_does_not_answer_people_get_a_page_and_programs_a_problem(
    site: Site, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = visit("sten")

    def down() -> object:
        raise CatalogueUnavailable("PostgreSQL did not answer; is it running?")

    monkeypatch.setattr(site.catalogue, "begin", down)
    page, problem = browser.get("/"), browser.get("/api/v1/datasets")

    assert page.status_code == problem.status_code == 503
    assert "retry-after" in page.headers
    assert "does not answer" in page.text
    assert "PostgreSQL" not in page.text + problem.text, "nobody can be known to be signed in now"
    assert "Traceback" not in page.text
    assert problem.json()["code"] == "catalogue-unavailable"
    assert browser.get("/readyz").status_code == 503
    assert browser.get("/healthz").status_code == 200


def test_a_fault_of_ours_shows_no_traceback(site: Site, visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = visit("sten")

    def broken() -> object:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(site.catalogue, "begin", broken)
    answer = browser.get("/")

    assert answer.status_code == 500
    assert "secret detail" not in answer.text
    assert "Traceback" not in answer.text


_ASKED = re.compile(r"""\bt\('([a-z][A-Za-z0-9_.-]*)'(?!\s*~)""")
_BUILT = re.compile(r"""\bt\('([a-z][a-z_.]*\.)'\s*~""")


def every_template() -> list[Path]:
    """Of our pages, and of the report that they include."""
    return [*(HERE / "templates").glob("*.html"), *report_page.TEMPLATES.glob("*.html")]


def asked_for() -> tuple[set[str], set[str]]:
    text = "\n".join(path.read_text() for path in every_template())
    code = "\n".join(path.read_text() for path in HERE.glob("*.py") if path.name != "wording.py")
    code += Path(report_page.__file__).read_text()
    whole = set(_ASKED.findall(text)) | set(re.findall(r"""say\(\s*"([a-z][A-Za-z0-9_.-]*)\"""", code))
    begun = set(_BUILT.findall(text)) | set(re.findall(r"""say\(f"([a-z_]+\.)""", code))
    marks = set(re.findall(r"badge\('([a-z]+)'", text))
    return whole, begun | {f"{mark}." for mark in marks}


def test_every_word_that_pages_ask_for_is_in_the_table() -> None:
    whole, begun = asked_for()

    assert whole - set(TEXT) == set()
    assert [prefix for prefix in begun if not any(key.startswith(prefix) for key in TEXT)] == []


def test_no_word_is_kept_that_no_page_asks_for() -> None:
    whole, begun = asked_for()
    in_loops = {key for key in TEXT if key.startswith("nav.")}

    assert [key for key in TEXT if key not in whole | in_loops and not key.startswith(tuple(begun))] == []


def test_templates_hold_no_words_of_their_own_and_nothing_inline() -> None:
    for path in every_template():
        text = path.read_text()
        bare = re.sub(r"<svg.*?</svg>|<pre>.*?</pre>", "", text, flags=re.DOTALL)
        bare = re.sub(r"\{[{%].*?[%}]\}", "", bare, flags=re.DOTALL)
        visible = re.sub(r"<[^>]*>", " ", bare, flags=re.DOTALL)
        assert re.findall(r"[A-Za-z]{3,}", re.sub(r"&#?\w+;", "", visible)) == [], path.name
        assert not re.search(r"\sstyle=|\son[a-z]+=|javascript:|\|\s*safe", text), path.name
        assert not re.search(r"<script(?![^>]*(src=|ld\+json))", text), path.name
