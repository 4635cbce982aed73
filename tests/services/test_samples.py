"""What a plate map says is in the record and the object, and is held to the images; whenever it came."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.sheet_file import SheetFiles
from cisterna.adapters.table_parquet import ParquetTables
from cisterna.domain.account import Account, Grant, Role
from cisterna.domain.dataset import Stage, Version
from cisterna.domain.errors import Conflict, Forbidden, InvalidInput, NotFound, StoreUnavailable
from cisterna.metadata.record import Given, MetadataRecord, Origin, read_record
from cisterna.metadata.samples_table import SAMPLES_PATH
from cisterna.ports.sample_sheet import WaitingSheet
from cisterna.services.give_samples import SheetGiven, give_samples, look_at_samples
from cisterna.services.measurement import METRICS_PATH
from cisterna.services.staging import stage_files
from cisterna.testing.clock import SettableClock
from tests.services.test_describe import Bench
from tests.services.world import FILES, add_acquisition, add_version, begin

SHEET = b"Well,Organism,Compound,Dose (uM),Stain\nA01,Human,DMSO,0,Hoechst\n"


def described(bench: Bench, version: Version | None = None, **more: Any) -> tuple[Version, MetadataRecord]:
    made = bench.describe(version, sheets=SheetFiles(), **more)
    return made, read_record(made.metadata or {})


def beside(catalogue: SqlCatalogue, clock: SettableClock, **files: bytes) -> Bench:
    return Bench(catalogue, clock, {**FILES, **{name.replace("__", "."): body for name, body in files.items()}})


def test_a_sheet_beside_the_data_says_what_the_samples_are(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    bench = beside(catalogue, clock, samples__csv=SHEET)

    version, record = described(bench)

    assert record.samples is not None
    assert [one.label for one in record.samples.treatments] == ["DMSO"]
    assert (record.samples.wells, record.origins["samples.treatments"]) == (1, Origin.SHEET)
    assert record.sample_sheet is not None
    assert (record.sample_sheet.path, record.sample_sheet.rows) == ("data/samples.csv", 1)
    assert (record.problems, version.metadata_missing) == ((), ())
    table = ParquetTables().load(bench.file(version, SAMPLES_PATH))
    assert (table["well"], table["treatment"], table["dose_value"]) == (["A1"], ["DMSO"], [0.0])
    assert list(record.sample_sheet.columns) == list(table)


def test_the_crate_and_the_readme_lead_to_the_table(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    bench = beside(catalogue, clock, samples__csv=SHEET)

    version, record = described(bench)

    graph = {one["@id"]: one for one in json.loads(bench.file(version, "ro-crate-metadata.json"))["@graph"]}
    columns = [graph[one["@id"]]["name"] for one in graph["#samples-schema"]["csvw:column"]]
    assert graph[SAMPLES_PATH]["csvw:tableSchema"] == {"@id": "#samples-schema"}
    assert record.sample_sheet is not None
    assert columns == list(record.sample_sheet.columns)
    assert "sample sheet" in graph["data/samples.csv"]["description"]
    assert SAMPLES_PATH in bench.file(version, "README.md").decode().replace("\\", "")


def test_a_plate_of_1536_wells_does_not_blow_the_crate(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    letters = [*"ABCDEFGHIJKLMNOPQRSTUVWXYZ", "AA", "AB", "AC", "AD", "AE", "AF"]
    rows = "\n".join(f"{row}{column},DMSO" for row in letters for column in range(1, 49))
    small, large = (
        beside(catalogue, clock, samples__csv=SHEET),
        f"Well,Compound\n{rows}\n".encode(),
    )
    version, _ = described(small)

    again = add_version(
        catalogue, clock, small.store, acquisition=small.acquisition, files={**FILES, "samples.csv": large}, number=2
    )
    second, record = described(small, again)

    sizes = [len(small.file(one, "ro-crate-metadata.json")) for one in (version, second)]
    assert record.samples is not None
    assert record.samples.wells == 1536
    assert sizes[1] < sizes[0] + 2_000


@pytest.mark.parametrize(
    ("sheet", "problem"),
    [
        (b"Well,Compound\nB2,DMSO\n", "none of the 1 wells of the sample sheet was imaged"),
        (b"Well,Compound\nA1,DMSO\nA1,X\n", "not used: samples.csv cannot be used: rows 2 and 3 say different"),
        (b"Well,Plate,Compound\nA1,P1,DMSO\nA1,P2,X\n", "speaks of 2 plates"),
        (b"x" * (4 * 1024 * 1024 + 1), "at most 4,194,304 are read"),
    ],
    ids=["another plate", "contradiction", "several plates", "large"],
)
def test_what_is_wrong_with_a_sheet_is_told_and_stops_nothing(
    catalogue: SqlCatalogue, clock: SettableClock, sheet: bytes, problem: str
) -> None:
    version, record = described(beside(catalogue, clock, samples__csv=sheet))

    assert version.stage is Stage.DESCRIBED
    assert version.metadata_missing == ("problems",)
    assert problem in record.problems[0]


def test_imaged_wells_that_nobody_described_are_a_problem_and_wells_not_imaged_a_remark(
    catalogue: SqlCatalogue, clock: SettableClock
) -> None:
    more = {"0/B1_0_0_DAPI.tiff": b"three", "samples.csv": b"Well,Compound\nA1,DMSO\nH12,X\n"}

    version, record = described(Bench(catalogue, clock, {**FILES, **more}))

    assert record.sample_sheet is not None
    assert [one.partition(";")[0] for one in record.problems] == [
        "the sample sheet does not know every well that was imaged"
    ]
    assert record.sample_sheet.remarks == ("1 of the 2 wells of the sample sheet were not imaged: H12",)
    assert SAMPLES_PATH in version.staged


def test_wells_in_files_of_makers_are_known_by_what_was_measured(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    bench = beside(catalogue, clock, samples__csv=SHEET)
    table = ParquetTables().dump({"path": ["a.czi", "a.czi"], "region": ["C3", None]})
    with catalogue.begin() as tx:
        dataset = tx.datasets.get(bench.version.dataset_id)
    measured = stage_files(bench.version, {METRICS_PATH: table}, dataset=dataset, store=bench.store)
    with catalogue.begin() as tx:
        tx.datasets.save_version(measured)

    _, record = described(bench)

    assert "C3" in record.problems[0]


def test_of_two_sheets_one_is_read_and_both_are_named(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    _, record = described(beside(catalogue, clock, samples__csv=SHEET, plate_map__csv=SHEET))

    assert record.sample_sheet is not None
    assert record.sample_sheet.path == "data/plate_map.csv"
    assert "data/samples.csv" in record.problems[0]


class Shelf:
    """Keeps one sheet for every run of the project."""

    def find(self, project: str, *, run: str) -> WaitingSheet | None:
        assert (project, run) == ("atlas", "run 1")
        return WaitingSheet("plate 1.csv", SHEET)


def test_a_sheet_that_waited_for_its_run_is_read_and_kept_where_none_lies_beside_the_data(
    catalogue: SqlCatalogue, clock: SettableClock
) -> None:
    bench = Bench(catalogue, clock)
    own = add_version(
        catalogue,
        clock,
        bench.store,
        acquisition=add_acquisition(catalogue, clock, "run 2"),
        files={**FILES, "samples.csv": b"Well,Compound\nA1,beside\n"},
    )

    version, record = described(bench, waiting=Shelf())
    _, beside_it = described(bench, own, waiting=Shelf())

    assert bench.file(version, "metadata/sample-sheet.csv") == SHEET
    assert record.sample_sheet is not None
    assert record.sample_sheet.path == "metadata/sample-sheet.csv"
    assert beside_it.samples is not None
    assert [one.label for one in beside_it.samples.treatments] == ["beside"]


def test_other_files_of_such_names_are_no_sheets(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    _, record = described(
        Bench(catalogue, clock, {**FILES, "SampleSheet.csv": b"[Header]\n", "0/samples.csv": b"other", "a_b.txt": b"x"})
    )

    assert (record.sample_sheet, record.problems) == (None, ())


def test_a_steward_outranks_a_sheet_and_a_sheet_metadata_yaml(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    said = b"samples: {treatments: [by hand], organisms: [Mouse], tissues: [liver]}\n"
    bench = Bench(catalogue, clock, {**FILES, "samples.csv": SHEET, "metadata.yaml": said})

    _, record = described(bench, edits=Given.model_validate({"samples": {"stains": ["DAPI"]}}))

    origins = {kind: record.origins[f"samples.{kind}"] for kind in ("stains", "treatments", "organisms", "tissues")}
    assert origins == {
        "stains": Origin.STEWARD,
        "treatments": Origin.SHEET,
        "organisms": Origin.SHEET,
        "tissues": Origin.FILE,
    }


def test_what_is_made_of_a_run_is_made_of_its_samples(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    bench = beside(catalogue, clock, samples__csv=SHEET)
    source, _ = described(bench)

    made = add_version(catalogue, clock, bench.store, acquisition=None, source=source)
    version, record = described(bench, made, profile=None)

    assert record.samples is not None
    assert [one.label for one in record.samples.treatments] == ["DMSO"]
    assert (record.sample_sheet, SAMPLES_PATH in version.staged) == (None, False)


class Desk:
    """A described version that is archived, and people who may or may not give it a sheet."""

    def __init__(self, catalogue: SqlCatalogue, clock: SettableClock, **files: bytes) -> None:
        self.bench = beside(catalogue, clock, **files)
        self.catalogue, self.clock = catalogue, clock
        version, _ = described(self.bench)
        self.version = self.archived(version, 1)
        with catalogue.begin() as tx:
            for name, grants in {
                "rita": (Grant(role=Role.RESEARCHER, project="atlas"),),
                "vera": (Grant(role=Role.VIEWER, project="atlas"),),
                "otto": (),
            }.items():
                account = Account(
                    name=name, full_name=name, grants=grants, password_hash="none", created_at=clock.now()
                )
                tx.accounts.add(account)

    def archived(self, version: Version, number: int) -> Version:
        with self.catalogue.begin() as tx:
            fresh = tx.datasets.get_version(version.version_id)
            done = fresh.model_copy(update={"stage": Stage.ACCEPTED, "ocfl_version": number})
            return tx.datasets.save_version(done)

    def give(self, body: bytes, name: str = "plate.csv", *, person: str = "rita") -> Version:
        return give_samples(
            self.version.version_id,
            SheetGiven(name, body),
            person=person,
            reason="the plate map",
            catalogue=self.catalogue,
            store=self.bench.store,
            tables=ParquetTables(),
            sheets=SheetFiles(),
            clock=self.clock,
        ).version

    def work(self, opened: Version) -> MetadataRecord:
        self.clock.advance(timedelta(seconds=2))
        self.claim = begin(self.catalogue, self.clock, owner="another")
        assert self.claim.work.subject == opened.version_id
        return described(self.bench, opened, claim=self.claim)[1]

    def file(self, version: Version, path: str) -> bytes:
        with self.catalogue.begin() as tx:
            fresh = tx.datasets.get_version(version.version_id)
        return self.bench.file(fresh, path)


def test_a_sheet_given_after_the_run_is_kept_byte_for_byte_in_a_revision(
    catalogue: SqlCatalogue, clock: SettableClock
) -> None:
    desk = Desk(catalogue, clock)

    opened = desk.give(SHEET)
    record = desk.work(opened)

    assert (opened.label, opened.submitter, opened.cause) == ("v1.1", "rita", "the plate map")
    assert desk.file(opened, "metadata/sample-sheet.csv") == SHEET
    assert record.sample_sheet is not None
    assert record.sample_sheet.path == "metadata/sample-sheet.csv"
    assert record.samples is not None
    assert [one.label for one in record.samples.treatments] == ["DMSO"]


def test_a_sheet_given_later_outranks_the_one_beside_the_data_and_holds_for_later_versions(
    catalogue: SqlCatalogue, clock: SettableClock
) -> None:
    desk = Desk(catalogue, clock, samples__csv=b"Well,Compound\nA1,beside\n")
    opened = desk.give(SHEET)
    desk.work(opened)
    desk.archived(opened, 2)

    more = add_version(
        catalogue,
        clock,
        desk.bench.store,
        acquisition=desk.bench.acquisition,
        files={**FILES, "samples.csv": b"Well,Compound\nA1,other\n"},
        number=3,
    )
    _, record = described(desk.bench, more)

    assert record.samples is not None
    assert [one.label for one in record.samples.treatments] == ["DMSO"]
    assert desk.file(more, "metadata/sample-sheet.csv") == SHEET


def test_looking_first_says_what_a_sheet_would_say_and_writes_nothing(
    catalogue: SqlCatalogue, clock: SettableClock
) -> None:
    desk = Desk(catalogue, clock)
    keys = list(desk.bench.store.list(""))

    known = look_at_samples(
        desk.version.version_id,
        SheetGiven("plate.csv", SHEET),
        person="rita",
        catalogue=catalogue,
        store=desk.bench.store,
        tables=ParquetTables(),
        sheets=SheetFiles(),
    )

    assert [one.label for one in known.facts.treatments] == ["DMSO"]
    assert list(desk.bench.store.list("")) == keys
    with catalogue.begin() as tx:
        assert len(tx.datasets.versions(desk.version.dataset_id)) == 1


def test_who_may_not_edit_gives_no_sheet_and_a_wrong_one_opens_no_revision(
    catalogue: SqlCatalogue, clock: SettableClock
) -> None:
    desk = Desk(catalogue, clock)
    cases: tuple[tuple[dict[str, Any], type[Exception]], ...] = (
        ({"body": b"nothing"}, InvalidInput),
        ({"name": "plate.exe"}, InvalidInput),
        ({"name": "../../plate"}, InvalidInput),
        ({"person": "vera"}, Forbidden),
        ({"person": "otto"}, NotFound),
    )

    for given, refusal in cases:
        with pytest.raises(refusal):
            desk.give(**{"body": SHEET, **given})

    with catalogue.begin() as tx:
        assert len(tx.datasets.versions(desk.version.dataset_id)) == 1


def test_a_sheet_that_never_reached_the_store_frees_the_way_in_the_end(
    catalogue: SqlCatalogue, clock: SettableClock
) -> None:
    desk = Desk(catalogue, clock)
    desk.bench.store.fail_on("put", nth=1)

    with pytest.raises(StoreUnavailable):
        desk.give(SHEET)
    with pytest.raises(Conflict):
        desk.give(SHEET)
    with catalogue.begin() as tx:
        opened = tx.datasets.versions(desk.version.dataset_id)[-1]
    with pytest.raises(StoreUnavailable, match="has not arrived in the store; if it does not, give it again"):
        desk.work(opened)
    with catalogue.begin() as tx:
        tx.inbox.give_up(desk.claim.attempt, outcome="given up")

    assert desk.give(SHEET).label == "v1.1"
