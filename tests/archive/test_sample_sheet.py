"""A plate map that is given after the run lies in the object, byte for byte, in that version and all later ones."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cisterna.adapters.sheet_file import SheetFiles
from cisterna.domain.account import Role
from cisterna.domain.dataset import Stage, Version
from cisterna.domain.work import Attempt
from cisterna.metadata.record import read_record
from cisterna.metadata.samples_table import SAMPLES_PATH
from cisterna.services.describe import describe_version
from cisterna.services.give_samples import SheetGiven, give_samples
from cisterna.services.held_object import read_held
from cisterna.services.recover import recover_object
from cisterna.services.transition import advance
from cisterna.testing.factory import make_account
from tests.archive.facility import LEASE, RUN, Facility

SHEET = b'Well,Compound\r\nA1,"DMSO"\r\n'
GIVEN = "metadata/sample-sheet.csv"


class Describing(Facility):
    """A facility that describes as the real one does; nothing judges here."""

    def describe(self, version: str, lease: Attempt) -> Version:
        with self.catalogue.begin() as tx:
            found = tx.datasets.get_version(version)
            if found.stage is Stage.MEASURED:
                advance(tx, found.model_copy(update={"verdict": self.verdict}), Stage.GATED, clock=self.clock)
        return describe_version(
            version,
            lease=lease,
            catalogue=self.catalogue,
            store=self.store,
            tables=self.tables,
            profile=self.profile,
            clock=self.clock,
            sheets=SheetFiles(),
        )


@pytest.fixture
def facility(facility: Facility) -> Describing:
    made = Describing(facility.catalogue, facility.clock, facility.landing)
    made.write("run", RUN)
    made.ingest(made.detect("run").version_id)
    return made


def give(facility: Facility, version: Version) -> Version:
    opened = give_samples(
        version.version_id,
        SheetGiven("Plate 7.csv", SHEET),
        person="ada",
        reason="the plate map",
        catalogue=facility.catalogue,
        store=facility.store,
        tables=facility.tables,
        sheets=SheetFiles(),
        clock=facility.clock,
    ).version
    now = facility.clock.advance(timedelta(seconds=2))
    with facility.catalogue.begin() as tx:
        claim = tx.inbox.claim(owner="test", run_id=facility.clock.new_id(), now=now, lease=LEASE)
        assert claim is not None
        tx.inbox.finish(claim.attempt, outcome="done under another lease")
    return opened


def kept(facility: Facility, version: Version, number: int) -> tuple[bytes, str]:
    """Give the sheet as an OCFL client finds it, and where its bytes lie."""
    with facility.catalogue.begin() as tx:
        dataset = tx.datasets.get(version.dataset_id)
    held = read_held(dataset.object_root, pid=dataset.pid, store=facility.store)
    assert held is not None
    (path,) = held.inventory.manifest[held.inventory.files(number)[GIVEN]]
    return facility.store.get(f"{dataset.object_root}/{path}")[0], path


def test_a_sheet_given_later_is_archived_as_it_is_and_holds_for_later_versions(facility: Describing) -> None:
    with facility.catalogue.begin() as tx:
        tx.accounts.add(make_account("ada", Role.ADMIN))
        first = tx.datasets.get_version(tx.datasets.list()[0].dataset_id + ":v1")

    opened = give(facility, first)
    recover_object(first.dataset_id, lease=None, catalogue=facility.catalogue, store=facility.store)
    facility.ingest(opened.version_id)
    facility.write("run", {"0/A1_0_BF.tiff": b"changed"})
    later = facility.detect("run", number=2)
    facility.ingest(later.version_id)

    found = [facility.version(one.version_id) for one in (opened, later)]
    bytes_and_places = [kept(facility, one, number) for one, number in zip(found, (2, 3), strict=True)]
    assert {body for body, _ in bytes_and_places} == {SHEET}
    assert len({place for _, place in bytes_and_places}) == 1
    assert all(SAMPLES_PATH in one.staged and one.stage is Stage.VERIFIED for one in found)
    records = [read_record(one.metadata or {}) for one in found]
    assert all(one.samples is not None and one.samples.treatments[0].label == "DMSO" for one in records)
