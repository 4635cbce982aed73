"""Landing pages: what the public sees, and that it sees nothing else."""

from __future__ import annotations

import asyncio
import html
import json
import re
from collections.abc import Callable, Iterable
from hashlib import sha512
from html.parser import HTMLParser

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cisterna.domain.errors import PublicationRefused
from cisterna.domain.project import Access, HumanData
from cisterna.web.app import create_app
from cisterna.web.byte_range import Span, UnsatisfiableRange, parse_range
from tests.web.client import Browser
from tests.web.site import Site

Visit = Callable[..., Browser]

FILE = "data/0/A1_0_0_BF.tiff"
BYTES = (b"bytes of 0/A1_0_0_BF.tiff in plate-7\n") * 50


class Blocks(HTMLParser):
    """Collects what stands in script elements, as a browser would read it."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str | None, str]] = []
        self._kind: str | None = None
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "script":
            self._inside, self._kind = True, dict(attrs).get("type")
            self.found.append((self._kind, ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            kind, text = self.found[-1]
            self.found[-1] = (kind, text + data)


def test_a_landing_page_tells_what_it_is_how_to_cite_it_and_what_is_in_it(site: Site, visit: Visit) -> None:
    version = site.lay_published("plate-7", title="Plate 7")
    pid = site.dataset(version).pid

    page = visit().get(f"/{pid}")

    assert page.status_code == 200
    for words in (
        "Plate 7",
        "Test identifier",
        f"Ada Holm; Björn Ek (2026). Plate 7. v1. National Imaging Facility. http://testserver/{pid}/v1",
        FILE,
        "image/tiff",
        sha512(b"bytes of 0/A1_0_0_BF.tiff in Plate 7\n" * 50).hexdigest()[:16],
        "CC-BY-4.0",
        f"/{pid}/v1/preview/{FILE}",
    ):
        assert words in page.text, words
    assert f'<http://testserver/{pid}>; rel="cite-as"' in page.headers["link"]
    assert visit().get(f"/{pid}/v1/preview/{FILE}").content.startswith(b"\x89PNG")
    assert visit().get(f"/{pid.replace('ark:/', 'ark:')}").headers["location"] == f"/{pid}"


@pytest.mark.parametrize(
    "title", ["</script><script>alert(1)</script>", "<!--<script>", "a & b < c > d", '"quoted" \\ slashed']
)
def test_a_title_cannot_leave_the_data_block_and_comes_out_unchanged(site: Site, visit: Visit, title: str) -> None:
    version = site.lay_published("plate-7", title=title)

    page = visit().get(f"/{site.dataset(version).pid}").text

    blocks = Blocks()
    blocks.feed(page)
    data = [text for kind, text in blocks.found if kind == "application/ld+json"]
    assert [text.strip() for kind, text in blocks.found if kind is None] == ["", "", ""]
    assert json.loads(data[0])["name"] == title
    assert "<script>alert" not in page


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/ld+json", "application/ld+json"),
        ("application/vnd.datacite.datacite+json", "application/vnd.datacite.datacite+json"),
        ("text/html;q=0.5, application/ld+json", "application/ld+json"),
        ("text/html, application/ld+json;q=0.5", "text/html"),
        ("application/json", "application/ld+json"),
        ("*/*", "text/html"),
        ("", "text/html"),
        ("garbage;;;q=x,,/", "text/html"),
    ],
)
def test_programs_get_the_form_they_ask_for(site: Site, visit: Visit, accept: str, kind: str) -> None:
    version = site.lay_published("plate-7")

    answer = visit().get(f"/{site.dataset(version).pid}", accept=accept)

    assert answer.headers["content-type"].split(";")[0] == kind
    assert answer.headers["vary"] == "accept"


ODD = (
    "caf%E9.tiff",
    "two%0Alines/%2541",
    "A",
    "%41",
    "e\u0301.txt",
    "é.txt",
    'a;b,c=d "e".txt',
    "back\\slash",
    "<b>.tiff",
)


async def fetched(app: FastAPI, addresses: Iterable[str]) -> list[httpx.Response]:
    """Open addresses as a server hands them on: Starlette's own test client decodes `%2541` twice."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        return [await client.get(address) for address in addresses]


def test_a_file_of_whatever_name_is_listed_and_served_by_its_own_address(site: Site, visit: Visit) -> None:
    pid = site.dataset(site.lay_published("odd names", files=ODD)).pid
    browser = visit()
    links = re.findall(r'href="([^"]+/files/data/[^"]+)"', browser.get(f"/{pid}").text)
    listed = [one["contentUrl"] for one in browser.get(f"/{pid}?format=json-ld").json()["distribution"]]

    for found in ({html.unescape(link) for link in links}, {one for one in listed if "/files/data/" in one}):
        answers = asyncio.run(fetched(create_app(site.parts), found))
        bodies = {answer.content.split(b" in ", 1)[0] for answer in answers}
        assert bodies == {f"bytes of {name}".encode() for name in ODD}
        for answer in answers:
            told = answer.headers["content-disposition"]
            assert told.isascii()
            assert told.isprintable()


def test_json_ld_names_address_and_files(site: Site, visit: Visit) -> None:
    version = site.lay_published("plate-7")
    pid = site.dataset(version).pid

    document = visit().get(f"/{pid}?format=json-ld").json()

    assert document["url"] == f"http://testserver/{pid}"
    assert any(FILE in one["contentUrl"] for one in document["distribution"])


def test_a_file_is_served_whole_in_part_and_not_again_when_it_is_known(site: Site, visit: Visit) -> None:
    pid = site.dataset(site.lay_published("plate-7")).pid
    browser, address = visit(), f"/{pid}/files/{FILE}"

    whole, head = browser.get(address), browser.client.head(address)
    etag = whole.headers["etag"]

    assert whole.content == BYTES
    assert etag == f'"{sha512(BYTES).hexdigest()}"'
    assert (head.content, head.headers["content-length"]) == (b"", str(len(BYTES)))
    assert whole.headers["content-disposition"].startswith("attachment")
    part = browser.get(address, range="bytes=5-9")
    assert (part.status_code, part.content) == (206, BYTES[5:10])
    assert part.headers["content-range"] == f"bytes 5-9/{len(BYTES)}"
    assert browser.get(address, range="bytes=-7").content == BYTES[-7:]
    assert browser.get(address, range="bytes=1800-").content == BYTES[1800:]
    beyond = browser.get(address, range=f"bytes={len(BYTES)}-")
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(BYTES)}")
    assert browser.get(address, if_none_match=etag).status_code == 304
    assert browser.get(address, range="bytes=0-1", if_range='"another"').status_code == 200
    assert browser.get(f"/{pid}/v1/files/{FILE}").content == BYTES


@given(
    header=st.one_of(st.none(), st.text(max_size=40), st.from_regex(r"bytes=[0-9]{0,22}-[0-9]{0,22}", fullmatch=True)),
    size=st.integers(0, 2**40),
)
def test_a_range_lies_within_the_file_or_is_refused(header: str | None, size: int) -> None:
    try:
        span = parse_range(header, size)
    except UnsatisfiableRange:
        return

    assert span is None or 0 <= span.start < span.end <= size


def test_ranges_at_the_edges() -> None:
    assert parse_range("bytes=0-0", 5) == Span(0, 1)
    assert parse_range("bytes=3-99", 5) == Span(3, 5)
    assert parse_range("bytes=-99", 5) == Span(0, 5)
    assert parse_range("bytes=4-2", 5) is None
    assert parse_range("bytes=0-1,3-4", 5) is None
    for outside in ("bytes=5-", "bytes=-0"):
        with pytest.raises(UnsatisfiableRange):
            parse_range(outside, 5)


def test_a_withdrawn_version_leaves_a_tombstone_with_the_reason_and_no_bytes(site: Site, visit: Visit) -> None:
    version = site.lay_published("plate-7", title="Plate 7")
    pid = site.dataset(version).pid
    site.withdraw(version, reason="The stain was <b>mislabelled</b>.")
    browser = visit()

    page = browser.get(f"/{pid}")

    assert page.status_code == 410
    assert "The stain was &lt;b&gt;mislabelled&lt;/b&gt;." in page.text
    assert "Plate 7" in page.text
    for path in (f"/{pid}/files/{FILE}", f"/{pid}/v1/files/{FILE}", f"/{pid}?format=json-ld", f"/{pid}/v1"):
        assert browser.get(path).status_code == 410, path
    assert browser.get(f"/{pid}/v1/preview/{FILE}").status_code == 404
    assert all(FILE.encode() not in site.public.get(one.key)[0] for one in site.public.list(""))


@pytest.mark.parametrize(
    "path",
    [
        "ark:/99999/nothing",
        "ark:/99999/UPPER",
        "ark:/9999/short",
        "ark:/99999/x/v0",
        "ark:/99999/x/v1/files/../../y",
        "ark:/99999/..%2f..%2fx",
        "ark:/99999/x/v1/preview/%00",
    ],
)
def test_what_is_not_public_is_not_found(visit: Visit, path: str) -> None:
    assert visit().get(f"/{path}").status_code in {404, 422}


@pytest.mark.parametrize(
    "hostile", ["../../secret", "data/../../x", "/etc/passwd", "v1/content/t1/abc", "metadata/record.json"]
)
def test_only_files_listed_in_the_public_record_are_served(site: Site, visit: Visit, hostile: str) -> None:
    pid = site.dataset(site.lay_published("plate-7")).pid
    site.store.put("secret", b"hidden")

    assert visit().get(f"/{pid}/files/{hostile}").status_code == 404


def test_pages_for_the_public_never_ask_the_catalogue(
    site: Site, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = site.dataset(site.lay_published("plate-7")).pid
    browser = visit()

    def forbidden() -> object:
        raise AssertionError("a landing page opened the catalogue")

    monkeypatch.setattr(site.catalogue, "begin", forbidden)

    for path in (
        f"/{pid}",
        f"/{pid}/v1",
        f"/{pid}/files/{FILE}",
        f"/{pid}?format=datacite",
        f"/{pid}/v1/preview/{FILE}",
    ):
        assert browser.get(path).status_code == 200, path


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_nothing_restricted_reaches_a_public_page_or_bucket(site: Site, visit: Visit, data: st.DataObject) -> None:
    number = site.clock.new_id()[-6:]
    project = data.draw(st.sampled_from(["atlas", "patients", "other", None]))
    access = data.draw(st.sampled_from(Access))
    human = data.draw(st.sampled_from(HumanData))
    is_accepted = data.draw(st.booleans())
    secret = f"secret{number}"
    version = site.lay_version(
        secret, title=secret, project=project, access=access, human=human, files=(f"{secret}.tiff",)
    )
    if is_accepted:
        version = site.decide(version)
    may = is_accepted and project == "atlas" and access is Access.OPEN and human is HumanData.NO

    try:
        site.publish(version)
        done = True
    except PublicationRefused:
        done = False

    pid = site.dataset(version).pid
    public = b"".join(site.public.get(one.key)[0] for one in site.public.list(""))
    page = visit().get(f"/{pid}")
    assert done == may
    assert (secret.encode() in public) == may
    assert (page.status_code == 200) == may
    assert (secret in page.text) == may
    assert visit().get(f"/{pid}/files/data/{secret}.tiff").status_code == (200 if may else 404)


def test_a_derived_dataset_is_public_only_after_what_it_names(site: Site, visit: Visit) -> None:
    source = site.decide(site.lay_version("plate-7", title="Hidden source"))
    derived = site.decide(site.lay_version("labels", source=source, model="m@1"))
    with pytest.raises(PublicationRefused, match="derived from is not public"):
        site.publish(derived)
    public = b"".join(site.public.get(one.key)[0] for one in site.public.list(""))
    assert public == b""

    site.publish(source)
    site.publish(derived)

    assert site.dataset(source).pid in visit().get(f"/{site.dataset(derived).pid}").text
