"""What lies in parts is published, found, sent and withdrawn as one dataset, and no page or record holds all of it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx import Response

from cisterna.domain.dataset import Stage, Version
from cisterna.domain.errors import CisternaError, PublicationRefused, StoreUnavailable
from cisterna.domain.manifest import Manifest
from cisterna.domain.project import Policy, PublishPolicy, ViewFormat
from cisterna.domain.publishing import publication_bars
from cisterna.domain.work import WorkKind, WorkState
from cisterna.ports.publisher import PublicRecord
from cisterna.services import public_files
from cisterna.services.part_table import read_part_manifest
from cisterna.services.publish import publish_version, withdraw_version
from cisterna.services.reprocess import request_reprocess
from cisterna.services.review import settle_version
from cisterna.testing.memory_store import MemoryStore
from cisterna.web import landing, landing_page
from tests.archive.facility import Facility
from tests.archive.test_kill import Killed
from tests.archive.test_parts import MOST, RUN
from tests.archive.test_parts_kept import archived_again, people
from tests.web.application import app_on
from tests.web.site import BASE_URL, Site

__all__ = ["people"]

FILE = "data/movie.avi"


@dataclass
class Public:
    """A facility whose project publishes what passes, and its pages."""

    facility: Facility
    site: Site
    policy: Policy | None = None

    def accepted(self, files: dict[str, bytes] = RUN) -> Version:
        self.facility.write("run", files)
        self.facility.detect("run")
        with self.facility.catalogue.begin() as tx:
            policy = self.policy or Policy(accept_passed=True, publish=PublishPolicy.PASSED)
            tx.projects.save(tx.projects.get("cells").model_copy(update={"policy": policy}))
        version = archived_again(self.facility)
        lease = self.facility.lease(version.version_id)
        return settle_version(
            version.version_id,
            lease=lease,
            desk=self.site.desk,
            catalogue=self.facility.catalogue,
            clock=self.facility.clock,
        )

    def publish(self, version: Version) -> str:
        done = publish_version(
            version.version_id,
            lease=None,
            catalogue=self.facility.catalogue,
            store=self.facility.store,
            publisher=self.site.portal,
            tables=self.facility.tables,
            clock=self.facility.clock,
            base_url=BASE_URL,
        )
        return done.pid

    def withdraw(self, version: Version) -> None:
        withdraw_version(
            version.version_id,
            person="ada",
            reason="the wrong plate",
            catalogue=self.facility.catalogue,
            publisher=self.site.portal,
            clock=self.facility.clock,
        )

    def get(self, path: str, **headers: str) -> Response:
        client = TestClient(
            app_on(self.site.parts), base_url=BASE_URL, follow_redirects=False, raise_server_exceptions=False
        )
        return client.get(path, headers=headers)

    def record(self, version: Version) -> PublicRecord | None:
        with self.facility.catalogue.begin() as tx:
            pid = tx.datasets.get(version.dataset_id).pid
        return self.site.portal.find(pid, version=version.label)

    def part_manifest(self, version: Version, number: int) -> tuple[str, Manifest]:
        part = version.parts[number - 1]
        with self.facility.catalogue.begin() as tx:
            held, dataset = tx.datasets.get_version(part.version_id), tx.datasets.get(part.dataset_id)
        manifest = read_part_manifest(held, dataset=dataset, store=self.facility.store, tables=self.facility.tables)
        return dataset.object_root, manifest


@pytest.fixture
def public(people: Facility, monkeypatch: pytest.MonkeyPatch) -> Public:
    people.most_files = MOST
    monkeypatch.setattr(landing_page, "_FILES_SHOWN", 15)
    assert people.catalogue is not None
    return Public(people, Site(people.catalogue, people.clock, store=people.store))  # type: ignore[arg-type]


def test_it_is_asked_for_by_the_policy_and_published(public: Public) -> None:
    version = public.accepted()

    with public.facility.catalogue.begin() as tx:
        assert [one.kind for one in tx.inbox.list(state=WorkState.READY)] == [WorkKind.PUBLISH]
    pid = public.publish(version)

    record = public.record(version)
    assert record is not None
    assert record.file_count == len(RUN) + len(version.staged)
    assert [one.pid for one in record.lists] == [f"{pid}/part-000{number}" for number in (1, 2, 3)]
    assert public.facility.version(version.version_id).stage is Stage.PUBLISHED


def test_a_policy_asks_for_labels_and_a_view_of_it_too(public: Public) -> None:
    public.policy = Policy(
        accept_passed=True, publish=PublishPolicy.PASSED, model="nuclei", convert=ViewFormat.OME_ZARR
    )
    public.accepted()

    with public.facility.catalogue.begin() as tx:
        asked = {one.kind for one in tx.inbox.list(state=WorkState.READY)}
    assert asked == {WorkKind.PUBLISH, WorkKind.INFER, WorkKind.CONVERT}


@pytest.mark.parametrize("asked", [{"model": "nuclei"}, {"convert": ViewFormat.OME_ZARR}], ids=str)
def test_a_researcher_may_ask_for_what_is_derived_from_it(public: Public, asked: dict[str, Any]) -> None:
    version = public.accepted()

    made = request_reprocess(
        version.version_id,
        **asked,
        person="ada",
        reason="to count them",
        catalogue=public.facility.catalogue,
        clock=public.facility.clock,
    )

    assert made.work.subject == version.version_id


def test_each_file_is_found_in_its_part_and_sent_whole_or_in_part(public: Public) -> None:
    pid = public.publish(public.accepted())

    for path, body in RUN.items():
        assert public.get(f"/{pid}/files/data/{path}").content == body, path
    part = public.get(f"/{pid}/v1/files/{FILE}", range="bytes=5-9")
    assert (part.status_code, part.content) == (206, b"E" * 5)
    assert part.headers["content-range"] == "bytes 5-9/9000"
    assert public.get(f"/{pid}/files/README.md").status_code == 200
    for absent in ("data/none", "data/0/A1_0_BF.tif", "movie.avi", "data/%F0%28", "data/zzz", "data/"):
        assert public.get(f"/{pid}/files/{absent}").status_code == 404, absent


def test_the_landing_page_shows_a_page_of_files_and_the_pages_together_show_all(public: Public) -> None:
    version = public.accepted()
    pid = public.publish(version)

    seen: list[str] = []
    address, pages = f"/{pid}/v1", 0
    while address:
        pages += 1
        text = public.get(address).text
        links = re.findall(rf'href="/{pid}/v1/files/([^"]+)"', text)
        assert len(links) <= 15
        seen += links
        following = re.search(r'rel="next" href="([^"]+)"', text)
        address = following[1].partition("#")[0] if following else ""

    assert pages == -(-(len(RUN) + len(version.staged)) // 15)
    assert sorted(seen) == sorted([*(f"data/{path}" for path in RUN), *version.staged])
    assert f"of {len(RUN) + len(version.staged)}, page 1 of {pages}" in public.get(f"/{pid}").text
    assert public.get(f"/{pid}?page={pages + 1}").status_code == 404
    assert public.get(f"/{pid}?page=0").status_code == 422


def test_the_digests_of_all_files_are_one_list(public: Public, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landing, "_LINES_AT_ONCE", 7)
    version = public.accepted()
    pid = public.publish(version)

    lines = public.get(f"/{pid}/v1/manifest-sha512.txt").text.splitlines()

    assert len(lines) == len(RUN) + len(version.staged)
    found = dict(reversed(line.split("  ", 1)) for line in lines)
    assert {path for path in found if path.startswith("data/")} == {f"data/{path}" for path in RUN}
    entry = public.part_manifest(version, 2)[1].files[3]
    assert found[f"data/{entry.path}"] == entry.sha512


def test_programs_get_a_description_that_names_files_of_the_first_part(public: Public) -> None:
    pid = public.publish(public.accepted())

    document = public.get(f"/{pid}?format=json-ld").json()

    named = [one["contentUrl"] for one in document["distribution"]]
    assert f"{BASE_URL}/{pid}/v1/files/data/0/A1_0_BF.tiff" in named
    assert all(public.get(one.removeprefix(BASE_URL)).status_code == 200 for one in named)
    crate = public.get(f"/{pid}?format=crate").json()
    whole = next(one for one in crate["@graph"] if one["@id"] == "./")
    assert {"@id": f"{pid}/part-0001"} in whole["hasPart"]


def test_the_identifier_of_a_part_leads_to_its_files_on_the_page_of_its_whole(public: Public) -> None:
    version = public.accepted()
    pid = public.publish(version)

    answer = public.get(f"/{pid}/part-0002")

    assert answer.status_code == 303
    assert f"/files/data/{version.parts[1].first}" in public.get(answer.headers["location"].partition("#")[0]).text
    for absent in ("part-0004", "part-0000", "part-2", "part-00002"):
        assert public.get(f"/{pid}/{absent}").status_code in {404, 422}, absent


def test_nothing_of_a_part_but_its_data_files_is_public(public: Public) -> None:
    """A part describes itself as closed; the record speaks of the whole."""
    version = public.accepted()
    pid = public.publish(version)

    for path in ("provenance/manifest.parquet", "provenance/manifest-sha512.txt"):
        assert public.get(f"/{pid}/files/{path}").status_code == 404
    record = public.record(version)
    assert record is not None
    assert all("restricted" not in body for body in record.documents.values())


def test_a_withdrawal_leaves_a_tombstone_and_no_name_of_a_file(public: Public) -> None:
    version = public.accepted()
    pid = public.publish(version)

    public.withdraw(version)

    assert public.get(f"/{pid}").status_code == 410
    for path in (f"/{pid}/files/{FILE}", f"/{pid}/v1/files/{FILE}", f"/{pid}/v1/manifest-sha512.txt"):
        answer = public.get(path)
        assert (answer.status_code, b"EEEE" in answer.content) == (410, False), path
    assert public.get(f"/{pid}/part-0002").headers["location"] == f"/{pid}"
    kept = b"".join(public.site.public.get(one.key)[0] for one in public.site.public.list(""))
    assert b"the wrong plate" in kept
    for name in (b"A1_", b"movie", b"last.txt", b"parquet", b"content"):
        assert name not in kept


def test_what_a_killed_run_wrote_is_confirmed_or_taken_back(public: Public) -> None:
    version = public.accepted()
    bucket = public.site.public
    assert isinstance(bucket, MemoryStore)
    bucket.fail_on("put", after=True)
    with pytest.raises(StoreUnavailable):
        public.publish(version)
    before = public.record(version)
    bucket.heal()

    pid = public.publish(version)

    assert public.record(version) == before
    bucket.fail_on("put", after=True)
    with pytest.raises(StoreUnavailable):
        public.withdraw(version)
    bucket.heal()
    assert public.get(f"/{pid}/files/{FILE}").status_code == 410
    public.withdraw(version)
    assert public.facility.version(version.version_id).stage is Stage.WITHDRAWN


@pytest.mark.parametrize("nth", range(1, 7))
def test_killed_at_any_read_of_the_archive_it_publishes_nothing_and_then_all(public: Public, nth: int) -> None:
    version = public.accepted()
    store = public.facility.store
    assert isinstance(store, MemoryStore)
    fault = store.fail_on("get", nth=nth, error=Killed())

    if nth < 6:
        with pytest.raises(Killed):
            public.publish(version)
        assert (public.record(version), fault.fired) == (None, 1)
        assert public.facility.version(version.version_id).stage is Stage.ACCEPTED
    store.heal()

    assert public.get(f"/{public.publish(version)}/files/{FILE}").content == RUN["movie.avi"]


def test_a_part_without_a_receipt_bars_the_way(public: Public) -> None:
    version = public.accepted()
    with public.facility.catalogue.begin() as tx:
        receipts = [
            one
            for subject in (version.version_id, version.parts[0].version_id, version.parts[2].version_id)
            for one in tx.datasets.receipts(subject)
        ]
        bars = publication_bars(
            version,
            tx.projects.get("cells"),
            day=public.facility.clock.now().date(),
            decisions=tx.datasets.decisions(version.version_id),
            receipts=receipts,
            consent="ada",
        )

    assert [bar.condition for bar in bars] == ["no receipt proves the archived copy of its part 0002"]


def test_a_part_whose_manifest_is_another_is_not_published(public: Public) -> None:
    version = public.accepted()
    root, _ = public.part_manifest(version, 3)
    with public.facility.catalogue.begin() as tx:
        staged = tx.datasets.get_version(version.parts[2].version_id).staged["provenance/manifest.parquet"]
    public.facility.store.put(f"{root}/{staged.content_path}", b"forged")

    with pytest.raises(CisternaError, match=r"parquet|Parquet"):
        public.publish(version)

    assert public.record(version) is None


def test_a_manifest_that_is_changed_later_is_not_believed(public: Public) -> None:
    version = public.accepted()
    pid = public.publish(version)
    record = public.record(version)
    assert record is not None
    forged = public.facility.tables.dump(
        {"path": ["movie.avi"], "size_bytes": [1], "sha512": ["0" * 128], "content_path": ["../../secret"]}
    )
    for one in record.lists:
        public.facility.store.put(one.table_key, forged)
    public.facility.store.put("secret", b"bytes of nobody")

    answer = public.get(f"/{pid}/files/{FILE}")

    assert answer.status_code >= 400
    assert b"bytes of nobody" not in answer.content


def test_restricted_data_in_parts_are_refused(public: Public) -> None:
    version = public.accepted()
    with public.facility.catalogue.begin() as tx:
        found = tx.datasets.get_version(version.version_id)
        assert found.metadata is not None
        tx.datasets.save_version(found.model_copy(update={"metadata": {**found.metadata, "access": "restricted"}}))

    with pytest.raises(PublicationRefused, match="access is not open"):
        public.publish(version)

    assert list(public.site.public.list("")) == []


def test_a_record_of_many_files_in_one_object_is_as_small(public: Public, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(public_files, "NAMED_FILES", 10)
    public.facility.most_files = 1000
    version = public.accepted()

    pid = public.publish(version)

    record = public.record(version)
    assert record is not None
    assert [file.path for file in record.files if file.path.startswith("data/")] == []
    assert [one.file_count for one in record.lists] == [len(RUN)]
    for path, body in RUN.items():
        assert public.get(f"/{pid}/files/data/{path}").content == body, path
    assert len(public.get(f"/{pid}/v1/manifest-sha512.txt").text.splitlines()) == record.file_count
    named: Any = json.loads(record.documents["application/ld+json"])["distribution"]
    assert any("/files/data/" in one["contentUrl"] for one in named)
