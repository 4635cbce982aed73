"""A gated version is described from what the archive holds, once, and whatever goes wrong is said."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.sheet_file import SheetFiles
from cisterna.adapters.table_parquet import ParquetTables
from cisterna.domain.dataset import Stage, Version
from cisterna.domain.errors import ChecksumMismatch, IllegalTransition, LeaseLost, StoreUnavailable
from cisterna.domain.project import Access, HumanData
from cisterna.domain.work import Claim, WorkKind
from cisterna.metadata.record import Given, MetadataRecord, Origin, SoftwareFacts, read_record
from cisterna.services.attempt import abort_expired
from cisterna.services.describe import (
    DATACITE_PATH,
    DATACITE_XML_PATH,
    RECORD_PATH,
    SCHEMA_ORG_PATH,
    describe_version,
    evidence_digest,
)
from cisterna.services.staging import read_staged
from cisterna.testing.clock import SettableClock
from cisterna.testing.memory_store import MemoryStore
from cisterna.testing.memory_vocabulary import small_vocabulary
from tests.metadata.form_reading import read_datacite, read_datacite_xml
from tests.metadata.rocrate import required_issues
from tests.services.world import (
    FILES,
    FINDINGS,
    LEASE,
    PLACE,
    NotesProfile,
    add_acquisition,
    add_version,
    add_work,
    begin,
    found_facility,
)

OURS = {
    "README.md",
    "ro-crate-metadata.json",
    "provenance/manifest-sha512.txt",
    RECORD_PATH,
    DATACITE_PATH,
    DATACITE_XML_PATH,
    SCHEMA_ORG_PATH,
}


class Bench:
    """A catalogue, a store and a gated version of one acquisition, with a lease on the work."""

    def __init__(
        self, catalogue: SqlCatalogue, clock: SettableClock, files: Mapping[str, bytes] = FILES, **defaults: Any
    ) -> None:
        self.catalogue, self.clock, self.store = catalogue, clock, MemoryStore()
        found_facility(catalogue, clock, **defaults)
        self.acquisition = add_acquisition(catalogue, clock)
        add_work(catalogue, clock, self.acquisition.acquisition_id)
        self.claim = begin(catalogue, clock)
        self.version = add_version(catalogue, clock, self.store, acquisition=self.acquisition, files=files)

    def describe(self, version: Version | None = None, *, claim: Claim | None = None, **more: Any) -> Version:
        return describe_version(
            (version or self.version).version_id,
            lease=(claim or self.claim).attempt,
            catalogue=self.catalogue,
            store=self.store,
            tables=ParquetTables(),
            clock=self.clock,
            **{"profile": NotesProfile(), **more},
        )

    def file(self, version: Version, path: str) -> bytes:
        with self.catalogue.begin() as tx:
            dataset = tx.datasets.get(version.dataset_id)
        return read_staged(version, path, dataset=dataset, store=self.store)

    def stored(self) -> Version:
        with self.catalogue.begin() as tx:
            return tx.datasets.get_version(self.version.version_id)


def test_a_described_version_has_its_record_its_files_and_its_pid(
    catalogue: SqlCatalogue, clock: SettableClock
) -> None:
    bench = Bench(catalogue, clock)

    version = bench.describe()

    assert version.stage is Stage.DESCRIBED
    assert set(version.staged) == OURS | {"provenance/manifest.parquet"}
    assert version.metadata is not None
    record = MetadataRecord.model_validate(version.metadata)
    assert record.title == "Nuclei, plate 7"
    assert record.imaging is not None
    assert (record.imaging.images, record.imaging.fields) == (2, 2)
    assert version.metadata_missing == ()
    assert json.loads(bench.file(version, RECORD_PATH)) == version.metadata
    assert record.pid in bench.file(version, "README.md").decode()
    assert read_datacite_xml(bench.file(version, DATACITE_XML_PATH)) == read_datacite(
        bench.file(version, DATACITE_PATH)
    )
    assert version.evidence_digest == evidence_digest(record, FINDINGS)
    with catalogue.begin() as tx:
        told = tx.outbox.history([version.version_id])[-1]
        assert tx.datasets.get(version.dataset_id).title == "Nuclei, plate 7"
    assert (told.name, told.data["pid"], told.data["missing"]) == ("version.stage", record.pid, [])
    assert told.restricted is False


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "derived", [pytest.param(False, marks=pytest.mark.torture, id="raw"), pytest.param(True, id="derived")]
)
def test_what_is_staged_is_a_valid_crate(
    catalogue: SqlCatalogue, clock: SettableClock, tmp_path: Path, *, derived: bool
) -> None:
    files = {**FILES, "samples.csv": b"Well,Compound,Passage\nA1,DMSO,7\n"}
    bench = Bench(catalogue, clock, files)
    version = bench.describe(sheets=SheetFiles())
    if derived:
        made = add_version(catalogue, clock, bench.store, acquisition=None, source=version)
        version = bench.describe(made, profile=None)
    crate = tmp_path / "crate"
    files = {f"data/{path}": body for path, body in (FILES if derived else files).items()}
    files |= {path: bench.file(version, path) for path in version.staged}
    for path, body in files.items():
        (crate / path).parent.mkdir(parents=True, exist_ok=True)
        (crate / path).write_bytes(body)

    assert required_issues(crate, scratch=tmp_path) == []


def test_describing_twice_changes_nothing(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    bench = Bench(catalogue, clock)
    first = bench.describe()
    clock.advance(5)

    assert bench.describe() == first == bench.stored()


def test_a_worker_whose_lease_is_lost_writes_nothing(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    bench = Bench(catalogue, clock)
    clock.advance(LEASE * 2)
    abort_expired(catalogue=catalogue, clock=clock, place=PLACE)

    with pytest.raises(LeaseLost):
        bench.describe()

    assert bench.stored() == bench.version
    assert bench.describe(claim=begin(catalogue, clock)).stage is Stage.DESCRIBED


@pytest.mark.parametrize("nth", range(1, 7))
def test_a_store_that_fails_at_any_file_leaves_the_version_as_it_was(
    catalogue: SqlCatalogue, clock: SettableClock, nth: int
) -> None:
    bench = Bench(catalogue, clock)

    bench.store.fail_on("put", nth=nth)
    with pytest.raises(StoreUnavailable):
        bench.describe()

    assert bench.stored() == bench.version
    assert bench.describe().stage is Stage.DESCRIBED


def test_metadata_yaml_beside_the_data_is_heard(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    said = b"title: Named by hand\naccess: restricted\n"
    bench = Bench(catalogue, clock, {**FILES, "metadata.yaml": said})

    version = bench.describe()

    record = MetadataRecord.model_validate(version.metadata)
    assert record.title == "Named by hand"
    assert record.origins["title"] is Origin.FILE
    assert version.is_restricted
    with catalogue.begin() as tx:
        assert tx.outbox.history([version.version_id])[-1].restricted is True


@pytest.mark.parametrize(
    "body", [b"a: &a [*a]", b"\xff\xfe", b"titel: x", b"x" * 300_000, b"title: '" + b"t" * 100_000 + b"'"]
)
def test_a_bad_metadata_yaml_is_told_and_keeps_nothing_from_the_archive(
    catalogue: SqlCatalogue, clock: SettableClock, body: bytes
) -> None:
    bench = Bench(catalogue, clock, {**FILES, "metadata.yaml": body})

    version = bench.describe()

    record = MetadataRecord.model_validate(version.metadata)
    assert version.stage is Stage.DESCRIBED
    assert version.metadata_missing == ("problems",)
    assert "metadata.yaml" in record.problems[0]
    assert "metadata.yaml" in bench.file(version, "README.md").decode().replace("\\", "")


def test_an_unanswered_human_data_question_is_named(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    version = Bench(catalogue, clock, human_data=HumanData.UNANSWERED).describe()

    assert version.metadata_missing == ("human_data",)
    assert version.is_restricted


def test_a_manifest_that_was_swapped_is_noticed(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    bench = Bench(catalogue, clock)
    with catalogue.begin() as tx:
        tx.datasets.save_version(bench.version.model_copy(update={"manifest_digest": "00" * 64}))

    with pytest.raises(ChecksumMismatch, match="measure it again"):
        bench.describe()


def test_a_version_that_is_not_gated_is_not_described(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    bench = Bench(catalogue, clock)
    with catalogue.begin() as tx:
        tx.datasets.save_version(bench.version.model_copy(update={"stage": Stage.MEASURED}))

    with pytest.raises(IllegalTransition, match="measured"):
        bench.describe()


def test_a_derived_dataset_names_its_model_and_its_source(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    bench = Bench(catalogue, clock)
    source = bench.describe()
    made = add_version(catalogue, clock, bench.store, acquisition=None, source=source)

    version = bench.describe(made, profile=None)

    record = MetadataRecord.model_validate(version.metadata)
    assert record.derived
    assert record.instrument is None
    assert record.model is not None
    assert (record.model.name, record.model.version) == ("nuclei", "1.0")
    assert record.relations[0].title == "Nuclei, plate 7"
    datacite = json.loads(bench.file(version, DATACITE_PATH))
    assert datacite["relatedIdentifiers"][0]["relationType"] == "IsDerivedFrom"


def test_a_derived_dataset_names_the_program_that_made_its_bytes_whoever_describes_them_anew(
    catalogue: SqlCatalogue, clock: SettableClock
) -> None:
    bench = Bench(catalogue, clock)
    source = bench.describe()
    made = add_version(catalogue, clock, bench.store, acquisition=None, source=source)
    first = bench.describe(made, profile=None)
    earlier = {**(first.metadata or {}), "software": {"name": "cisterna", "version": "0.0.9"}}
    with catalogue.begin() as tx:
        kept = tx.datasets.get_version(first.version_id)
        tx.datasets.save_version(kept.model_copy(update={"metadata": earlier}))
    same = add_version(catalogue, clock, bench.store, acquisition=None, source=source, number=2)
    files = {**FILES, "new.txt": b"new"}
    other = add_version(catalogue, clock, bench.store, acquisition=None, source=source, files=files, number=3)

    described = [bench.describe(one, profile=None) for one in (same, other)]

    present = SoftwareFacts(name="cisterna", version=version_of("cisterna"))
    told = [MetadataRecord.model_validate(one.metadata).software for one in (source, first, *described)]
    assert told == [None, present, SoftwareFacts(name="cisterna", version="0.0.9"), present]


def test_what_is_made_from_a_restricted_version_is_restricted(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    bench = Bench(catalogue, clock, {**FILES, "metadata.yaml": b"human_data: yes\naccess: closed\n"})
    made = add_version(catalogue, clock, bench.store, acquisition=None, source=bench.describe())

    record = MetadataRecord.model_validate(bench.describe(made, profile=None).metadata)

    assert record.human_data is HumanData.YES
    assert record.access is Access.CLOSED


def test_what_a_steward_said_of_one_version_holds_for_the_next(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    bench = Bench(catalogue, clock)
    first = bench.describe(edits=Given(title="Named by Rosa"))
    more = add_version(
        catalogue, clock, bench.store, acquisition=bench.acquisition, files={**FILES, "new.txt": b"new"}, number=2
    )

    second = bench.describe(more, edits=Given(description="Second look"))

    assert MetadataRecord.model_validate(first.metadata).title == "Named by Rosa"
    record = MetadataRecord.model_validate(second.metadata)
    assert (record.title, record.description) == ("Named by Rosa", "Second look")
    assert record.origins["title"] is Origin.STEWARD


def as_version_1(bench: Bench, version: Version) -> Version:
    """Keep a version's record as it was written before there was schema version 2."""
    new = ("contributors", "publisher_ror", "embargo_until", "subjects", "language", "funding", "references", "samples")
    new = (*new, "software")
    old = {name: value for name, value in (version.metadata or {}).items() if name not in new}
    old["instrument"] = {name: dict(old["instrument"])[name] for name in ("name", "profile", "model", "serial")}
    with bench.catalogue.begin() as tx:
        kept = tx.datasets.get_version(version.version_id)
        return tx.datasets.save_version(kept.model_copy(update={"metadata": {**old, "schema_version": 1}}))


def test_what_was_described_by_schema_version_1_is_carried_on(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    bench = Bench(catalogue, clock, keywords=("nuclei",))
    first = as_version_1(bench, bench.describe(edits=Given(title="Named by Rosa")))
    made = add_version(catalogue, clock, bench.store, acquisition=None, source=first)
    more = add_version(
        catalogue, clock, bench.store, acquisition=bench.acquisition, files={**FILES, "new.txt": b"new"}, number=2
    )

    derived = read_record(bench.describe(made, profile=None).metadata or {})
    second = read_record(bench.describe(more).metadata or {})

    assert derived.access is Access.OPEN
    assert (second.title, second.origins["title"], second.schema_version) == ("Named by Rosa", Origin.STEWARD, 2)
    assert bench.stored() == first


def test_funding_and_approvals_said_beside_the_data_hold_for_what_is_made_of_them(
    catalogue: SqlCatalogue, clock: SettableClock
) -> None:
    said = b"funding: [Research Council; 2026-01]\nreferences: ['ethics-approval: Dnr 7', 'paper: 10.5555/1']\n"
    bench = Bench(catalogue, clock, {**FILES, "metadata.yaml": said})
    made = add_version(catalogue, clock, bench.store, acquisition=None, source=bench.describe())

    record = read_record(bench.describe(made, profile=None).metadata or {})

    assert [one.line for one in record.funding] == ["Research Council; 2026-01"]
    assert [one.line for one in record.references] == ["ethics-approval: Dnr 7"]


def test_an_unclaimed_acquisition_is_described_closed(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    bench = Bench(catalogue, clock)
    with catalogue.begin() as tx:
        dataset = tx.datasets.get(bench.version.dataset_id)
        tx.datasets.save(dataset.model_copy(update={"project": None}))

    version = bench.describe()

    assert MetadataRecord.model_validate(version.metadata).access is Access.CLOSED
    assert version.metadata_missing == ("creators", "publisher", "licence", "human_data")


def test_other_kinds_of_work_may_describe_too(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    bench = Bench(catalogue, clock)
    add_work(catalogue, clock, bench.version.version_id, WorkKind.REPROCESS)

    assert bench.describe(claim=begin(catalogue, clock, owner="another")).stage is Stage.DESCRIBED


def test_a_term_that_is_none_is_told_and_keeps_nothing_from_the_archive(
    catalogue: SqlCatalogue, clock: SettableClock
) -> None:
    body = b"subjects: [{label: mouse, curie: 'NCBITaxon:10009'}, {label: brain, curie: 'UBERON:0000955'}]\n"
    bench = Bench(catalogue, clock, {**FILES, "metadata.yaml": body})

    version = bench.describe(vocabulary=small_vocabulary())

    assert (version.stage, version.metadata_missing) == (Stage.DESCRIBED, ("problems",))
    record = read_record(json.loads(bench.file(version, RECORD_PATH)))
    assert [one.line for one in record.subjects] == ["mouse", "brain; UBERON:0000955"]
    assert "did you mean 'Mus musculus; NCBITaxon:10090'?" in record.problems[0]
    assert "UBERON:0000955 ('brain') is not checked" in record.notes[0]
    assert b"10009" not in bench.file(version, DATACITE_XML_PATH)
    assert "NCBITaxon:10009 is no term" in bench.file(version, "README.md").decode()
