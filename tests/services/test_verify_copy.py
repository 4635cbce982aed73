"""Which of anybody's files are safe: by the very bytes, by fresh receipts, and of what the asker may see."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from cisterna.adapters.landing_folder import LandingFolder
from cisterna.adapters.s3_obstore import S3Store
from cisterna.domain.account import Account, Grant, Role
from cisterna.domain.digest import sha512_of
from cisterna.domain.errors import InvalidInput, StoreUnavailable
from cisterna.ports.catalogue import Catalogue
from cisterna.services.verify_copy import ArchivedDigests, FoundFile, verify_folder
from cisterna.testing.clock import SettableClock
from cisterna.testing.factory import make_account
from tests.archive.facility import RUN, Facility

STEWARD = make_account("sten")
STRANGER = Account(name="otto", grants=(Grant(role=Role.STEWARD, project="other"),), created_at=STEWARD.created_at)


@pytest.fixture
def facility(catalogue: Catalogue, clock: SettableClock, tmp_path: Path, object_store: S3Store) -> Facility:
    """A facility with one archived and verified run, on a real store."""
    landing = tmp_path / "landing"
    landing.mkdir()
    object_store.name = "archive"
    made = Facility(catalogue, clock, landing, store=object_store)
    made.write("run-1", RUN)
    made.ingest(made.detect("run-1").version_id)
    return made


def archived(facility: Facility, *stores: str) -> ArchivedDigests:
    return ArchivedDigests(
        catalogue=facility.catalogue,
        store=facility.store,
        stores=stores or ("archive", "second"),
        tables=facility.tables,
        clock=facility.clock,
        longest_age=timedelta(days=30),
    )


def look(facility: Facility, folder: Path, account: Account = STEWARD) -> dict[str, FoundFile]:
    found = verify_folder(
        folder.name, zone=LandingFolder(str(folder.parent)), archived=archived(facility), account=account
    )
    return {one.path: one for one in found}


def test_the_same_bytes_are_safe_under_whatever_name_and_others_are_not(facility: Facility, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "renamed.tif").write_bytes(RUN["0/A1_0_BF.tiff"])
    (mine / "A1_0_BF.tiff").write_bytes(RUN["0/A1_0_BF.tiff"][:-1] + b"?")
    (mine / "empty").write_bytes(b"")

    found = look(facility, mine)

    assert found["renamed.tif"].stores == ("archive",)
    assert found["A1_0_BF.tiff"].stores == ()
    assert found["empty"].stores == ("archive",)  # an empty file is archived too
    assert found["renamed.tif"].sha512 == sha512_of(RUN["0/A1_0_BF.tiff"])


def test_each_store_with_a_fresh_receipt_is_named(facility: Facility, clock: SettableClock) -> None:
    digest = sha512_of(RUN["0/A1_0_BF.tiff"])
    with facility.catalogue.begin() as tx:
        (version,) = tx.datasets.list_versions()
        (receipt,) = tx.datasets.receipts(version.version_id)
        for store in ("second", "nobody-uses-it"):
            more = {"receipt_id": clock.new_id(), "store": store, "verified_at": clock.now() + timedelta(days=20)}
            tx.datasets.add_receipt(receipt.model_copy(update=more))
    index = archived(facility)

    assert index.stores_of([digest], account=STEWARD) == {digest: ("archive", "second")}
    clock.advance(timedelta(days=31))
    assert index.stores_of([digest], account=STEWARD) == {digest: ("second",)}
    clock.advance(timedelta(days=31))
    assert index.stores_of([digest], account=STEWARD) == {}


def test_what_a_person_may_not_see_is_as_if_it_were_not_there(facility: Facility) -> None:
    digest = sha512_of(RUN["0/A1_0_BF.tiff"])
    index = archived(facility)

    assert index.stores_of([digest], account=STEWARD) == {digest: ("archive",)}
    assert index.stores_of([digest], account=STRANGER) == {}
    assert index.stores_of([digest], account=STEWARD.model_copy(update={"active": False})) == {}


def test_a_damaged_manifest_vouches_for_nothing_and_a_store_that_is_away_is_an_error(
    facility: Facility, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = sha512_of(RUN["0/A1_0_BF.tiff"])
    with facility.catalogue.begin() as tx:
        (version,) = tx.datasets.list_versions()
    key = f"{facility.root_of(version.version_id)}/{version.staged['provenance/manifest.parquet'].content_path}"
    body = facility.store.get(key)[0]
    facility.store.put(key, body[:-1] + b"x")
    assert archived(facility).stores_of([digest], account=STEWARD) == {}

    def away(_key: str) -> None:
        raise StoreUnavailable("no answer")

    monkeypatch.setattr(facility.store, "get", away)
    with pytest.raises(StoreUnavailable):
        archived(facility).stores_of([digest], account=STEWARD)


@pytest.mark.parametrize("digest", ["", "abc", "G" * 128, "A" * 128, "0" * 127, "0" * 129, "é" * 128])
def test_what_is_no_digest_is_refused(facility: Facility, digest: str) -> None:
    with pytest.raises(InvalidInput, match="no SHA-512"):
        archived(facility).stores_of([digest], account=STEWARD)


def test_what_cannot_be_read_is_named_and_never_safe(facility: Facility, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "good").write_bytes(RUN["acquisition.yaml"])
    (mine / "link").symlink_to(mine / "good")
    os.mkfifo(mine / "pipe")

    found = look(facility, mine)

    assert found["good"].stores == ("archive",)
    assert {path for path, one in found.items() if one.problem} == {"link", "pipe"}
    assert all(one.stores == () for one in found.values() if one.problem)
    assert sorted(one.name for one in mine.iterdir()) == ["good", "link", "pipe"]
