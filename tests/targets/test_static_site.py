"""A site of plain pages as a target: every link leads somewhere, nothing runs, and kills leave it whole."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from defusedxml import ElementTree

from cisterna.adapters.s3_obstore import S3Store
from cisterna.adapters.static_pages import INDEX_ROWS, Shelf, index_pages
from cisterna.adapters.target_place import BucketPlace, FolderPlace, Place
from cisterna.adapters.target_static import SHELF, StaticSiteTarget
from cisterna.domain.errors import TargetRefused, TargetUnavailable
from cisterna.testing.clock import START, SettableClock
from cisterna.testing.memory_store import READS, WRITES, MemoryStore
from cisterna.testing.memory_store import Fault as StoreFault
from cisterna.testing.outside_server import Fault
from cisterna.testing.target_contract import TargetContract
from cisterna.testing.target_request import FILES, REASON, SITE, deposit_request, narrowed_of, tombstone_of

URL = "https://mirror.example.org/site"
HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)> & \u00e5'


class StaticStage:
    secret = "bucket-secret-0123"
    faults = frozenset({Fault.BROKEN, Fault.LOST})

    def __init__(self, place: Place, store: MemoryStore | None = None) -> None:
        self.place = place
        self.store = store or MemoryStore()
        self.target = StaticSiteTarget(
            place, name="mirror", title="Mirror", url=URL, site="Imaging data", clock=SettableClock()
        )

    def strike(self, fault: Fault, *, skip: int) -> StoreFault:
        methods = READS | WRITES
        return self.store.fail_on(methods, nth=skip + 1, after=fault is Fault.LOST)

    def heal(self) -> None:
        self.store.heal()

    def standing(self, key: str) -> Sequence[str]:
        return [one.folder for one in self._shelf().standing if one.folder == _folder(key)]

    def made(self, key: str) -> Sequence[str]:
        return [one.folder for one in self._shelf().rows if one.folder == _folder(key)]

    def told(self, key: str) -> str:
        """Give everything: pages of the whole site name versions too."""
        del key
        bodies = {path: self.place.read(path) or b"" for path in self.place.below("")}
        return "".join(f"{path} {body.decode(errors='replace')}" for path, body in bodies.items())

    def writes(self) -> int:
        return sum(self.store.calls[name] for name in ("put", "delete", "begin_upload"))

    def strayed(self) -> Sequence[object]:
        return []

    def _shelf(self) -> Shelf:
        body = self.place.read(SHELF)
        return Shelf.model_validate_json(body) if body else Shelf()


def _folder(key: str) -> str:
    dataset, _, version = key.partition("@")[0].partition(":")
    return f"12345/{dataset.removeprefix('ds-')}/{version}/"


def in_bucket() -> StaticStage:
    store = MemoryStore()
    return StaticStage(BucketPlace(store, prefix="site/"), store)


class TestStaticSite(TargetContract):
    """Every promise, in a bucket."""

    @pytest.fixture
    def stage(self) -> StaticStage:
        return in_bucket()


@pytest.mark.torture
class TestStaticSiteInARealBucket(TargetContract):
    """The same, but for faults, in a bucket of SeaweedFS."""

    struck_by = "TestStaticSite"

    @pytest.fixture
    def stage(self, new_store: Callable[..., S3Store]) -> StaticStage:
        stage = StaticStage(BucketPlace(new_store(), prefix="site/"))
        stage.faults = frozenset()
        return stage


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.tags: set[str] = set()
        self.handlers: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.targets += [value for name, value in attrs if name in {"href", "src"} and value is not None]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]


def pages(place: Place) -> Iterator[tuple[str, _Links]]:
    for path in place.below(""):
        if path.endswith(".html"):
            links = _Links()
            links.feed((place.read(path) or b"").decode())
            yield path, links


def test_every_link_leads_to_a_page_of_the_site_or_to_where_it_comes_from(tmp_path: Path) -> None:
    place = FolderPlace(tmp_path, target="mirror")
    stage = StaticStage(place)
    first = deposit_request("mirror", doi="10.1234/abc")
    gone = deposit_request("mirror", name="gone")
    stage.target.deposit(first, known=None, files=FILES)
    stage.target.deposit(deposit_request("mirror", number=2), known=None, files=FILES)
    known = stage.target.deposit(gone, known=None, files=FILES)
    stage.target.withdraw(tombstone_of(gone), known=known, reason=REASON)

    present = set(place.below(""))
    seen = set()
    for path, links in pages(place):
        assert not links.tags & {"script", "img", "iframe"}
        for target in links.targets:
            parts = urlsplit(target)
            if parts.scheme:
                assert target.startswith((SITE, "https://doi.org/10.1234/abc", "https://spdx.org/licenses/")), target
                continue
            led_to = posixpath.normpath(posixpath.join(posixpath.dirname(path), unquote(parts.path)))
            assert led_to in present, (path, target)
            seen.add(led_to)
    assert {path for path in present if path.startswith("12345/")} <= seen
    for name in ("sitemap.xml", "feed.xml"):
        tree = ElementTree.fromstring(place.read(name) or b"")
        addresses = [one.text or "" for one in tree.iter() if one.tag.endswith("}loc")]
        addresses += [one.get("href", "") for one in tree.iter() if one.tag.endswith("}link")]
        for address in addresses:
            assert address.removeprefix(f"{URL}/") in present, address


def test_what_a_title_says_is_text_and_runs_nowhere() -> None:
    stage = in_bucket()
    request = deposit_request("mirror")
    record = request.record.model_copy(
        update={"title": HOSTILE, "metadata": {**request.record.metadata, "title": HOSTILE}}
    )

    stage.target.deposit(request.model_copy(update={"record": record}), known=None, files=FILES)
    stage.target.withdraw(tombstone_of(request.model_copy(update={"record": record})), known=None, reason=REASON)

    for _path, links in pages(stage.place):
        assert not links.tags & {"script", "img"}
        assert links.handlers == []
    for name in ("sitemap.xml", "feed.xml"):
        ElementTree.fromstring(stage.place.read(name) or b"")


def test_nothing_of_what_was_withdrawn_stays_but_how_it_was_called_and_why() -> None:
    stage = in_bucket()
    request = deposit_request("mirror")
    known = stage.target.deposit(request, known=None, files=FILES)

    stage.target.withdraw(tombstone_of(request), known=known, reason=REASON)

    assert list(stage.place.below(known.outside_id)) == [f"{known.outside_id}index.html"]
    page = (stage.place.read(f"{known.outside_id}index.html") or b"").decode()
    assert REASON in page
    assert "tiff" not in page
    assert known.outside_id not in (stage.place.read("index.html") or b"").decode()
    assert known.outside_id not in (stage.place.read("sitemap.xml") or b"").decode()


def test_when_only_the_description_stays_public_no_file_is_named_on_the_site_and_all_are_again_later() -> None:
    stage = in_bucket()
    request = deposit_request("mirror")
    first = stage.target.deposit(request, known=None, files=FILES)
    before = set(stage.place.below(""))

    stage.target.deposit(narrowed_of(request), known=first, files=FILES)

    told = b"".join(stage.place.read(path) or b"" for path in stage.place.below(""))
    assert (b"Nuclei of plate" in told, b"tiff" in told) == (True, False)
    stage.target.deposit(request, known=first, files=FILES)
    assert set(stage.place.below("")) == before


def test_a_list_that_is_not_ours_is_left_alone() -> None:
    stage = in_bucket()
    stage.place.write(SHELF, b'{"rows": [{"pid": "of somebody else"}]}', media_type="application/json")

    with pytest.raises(TargetRefused, match="is not a list of ours"):
        stage.target.deposit(deposit_request("mirror"), known=None, files=FILES)

    assert not stage.target.test().is_usable
    assert b"somebody else" in (stage.place.read(SHELF) or b"")


def test_a_folder_that_is_not_mounted_is_not_written_beneath(tmp_path: Path) -> None:
    stage = StaticStage(FolderPlace(tmp_path / "mount", target="mirror"))

    with pytest.raises(TargetUnavailable, match="is it mounted"):
        stage.target.deposit(deposit_request("mirror"), known=None, files=FILES)

    assert list(tmp_path.iterdir()) == []


def test_many_datasets_are_listed_on_pages_that_lead_to_each_other() -> None:
    shelf = Shelf.model_validate(
        {
            "rows": [
                {
                    "pid": f"ark:/12345/a{number}",
                    "version": "v1",
                    "title": "T",
                    "published_at": START,
                    "changed_at": START,
                }
                for number in range(INDEX_ROWS + 1)
            ]
        }
    )

    listed = dict(index_pages(shelf, site="S"))

    assert list(listed) == ["index.html", "index-2.html"]
    assert b'href="index-2.html"' in listed["index.html"]
    assert b'href="index.html"' in listed["index-2.html"]


def test_what_was_killed_before_its_page_stood_is_removed_by_a_withdrawal_that_knows_nothing() -> None:
    stage = in_bucket()
    request = deposit_request("mirror")
    stage.store.fail_on({"put"}, nth=3)
    with pytest.raises(TargetUnavailable):
        stage.target.deposit(request, known=None, files=FILES)
    stage.heal()

    done = stage.target.withdraw(tombstone_of(request), known=None, reason=REASON)

    assert done is not None
    assert [path for path in stage.place.below(done.outside_id) if not path.endswith("/index.html")] == []


@pytest.mark.parametrize("name", ["data/run.part", "data/.half.part"])
def test_a_folder_hides_no_file_for_its_name(tmp_path: Path, name: str) -> None:
    """Neither data that are called so, nor what a kill left: of what is withdrawn nothing stays."""
    place = FolderPlace(tmp_path, target="mirror")
    place.write(f"a/{name}", b"x", media_type="text/plain")

    assert list(place.below("a/")) == [f"a/{name}"]
