"""What is kept in parts is described, copied, checked, held, judged and rebuilt as one thing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.domain.account import Account, Grant, Role
from cisterna.domain.dataset import Stage, Version
from cisterna.domain.errors import CisternaError, InvalidInput
from cisterna.domain.finding import Verdict
from cisterna.domain.fixity import Fixity
from cisterna.domain.part import part_pid
from cisterna.domain.rebuild import RebuildOutcome
from cisterna.domain.recovery import ObjectState
from cisterna.domain.review import Act
from cisterna.domain.work import Work
from cisterna.services import rebuild_read
from cisterna.services.check import archived_datasets, objects_of
from cisterna.services.describe import describe_version
from cisterna.services.detail import detail_of
from cisterna.services.hold import place_hold
from cisterna.services.measurement import EVEN_PREVIEWS, METRICS_PATH, PREVIEWS_PATH, WORST_PREVIEWS
from cisterna.services.overview import overview_of
from cisterna.services.part_table import PARTS_PATH
from cisterna.services.publish import request_publication, withdraw_version
from cisterna.services.rebuild import rebuild_catalogue
from cisterna.services.recovery_round import RoundMemory, recover_interrupted
from cisterna.services.reprocess import request_reprocess
from cisterna.services.restore import restore_version
from cisterna.services.retention import holds_on, list_retentions
from cisterna.services.review import decide
from cisterna.services.staging import read_staged
from cisterna.services.transition import advance
from cisterna.testing.factory import make_sha512
from cisterna.testing.memory_store import MemoryStore
from tests.archive.facility import Facility
from tests.archive.test_kill import Killed
from tests.archive.test_parts import IMAGES, MOST, RUN, ingest, parts_of, restore
from tests.archive.test_restore import tree
from tests.archive.told import Told
from tests.archive.told import dump as rows_of
from tests.archive.vault import Vault
from tests.metadata.rocrate import required_issues


@pytest.fixture
def facility(facility: Facility) -> Facility:
    facility.most_files = MOST
    return facility


def described(facility: Facility, *, verdict: Verdict = Verdict.PASSED) -> Version:
    """Take a run to `described` by the real description."""
    facility.write("run", RUN)
    version = facility.detect("run").version_id
    lease = facility.lease(version)
    facility.measure(version, lease)
    with facility.catalogue.begin() as tx:
        advance(
            tx,
            tx.datasets.get_version(version).model_copy(update={"verdict": verdict}),
            Stage.GATED,
            clock=facility.clock,
        )
    return describe_version(
        version,
        lease=lease,
        catalogue=facility.catalogue,
        store=facility.store,
        tables=facility.tables,
        profile=facility.profile,
        clock=facility.clock,
    )


def archived(facility: Facility) -> Version:
    version = described(facility).version_id
    lease = facility.lease(version)
    facility.archive(version, lease)
    facility.verify(version, lease)
    return facility.version(version)


def staged(facility: Facility, version: Version, path: str) -> bytes:
    with facility.catalogue.begin() as tx:
        dataset = tx.datasets.get(version.dataset_id)
    return read_staged(version, path, dataset=dataset, store=facility.store)


def test_the_whole_names_its_parts_and_each_part_its_whole(facility: Facility) -> None:
    version = archived(facility)

    crate = json.loads(staged(facility, version, "ro-crate-metadata.json"))
    entities = {one["@id"]: one for one in crate["@graph"]}
    pids = [part.pid for part in version.parts]
    assert [one["@id"] for one in entities["./"]["hasPart"]][: len(pids)] == pids
    assert all(entities[pid]["@type"] == "Dataset" for pid in pids)
    assert "data/" not in entities
    datacite = json.loads(staged(facility, version, "metadata/datacite.json"))
    assert [(one["relationType"], one["relatedIdentifier"]) for one in datacite["relatedIdentifiers"]] == [
        ("HasPart", pid) for pid in pids
    ]
    readme = staged(facility, version, "README.md").decode()
    assert "3 parts" in readme
    assert pids[0] in readme.replace("\\", "")
    whole = pids[0].partition("/part-")[0]
    for part in parts_of(facility, version):
        said = {one["@id"]: one for one in json.loads(staged(facility, part, "ro-crate-metadata.json"))["@graph"]}
        assert said["./"]["isPartOf"] == {"@id": whole}
        about = json.loads(staged(facility, part, "metadata/datacite.json"))
        assert [(one["relationType"], one["relatedIdentifier"]) for one in about["relatedIdentifiers"]] == [
            ("IsPartOf", whole)
        ]


@pytest.mark.torture
@pytest.mark.timeout(300)
def test_rocrate_validator_finds_nothing_required_amiss(facility: Facility, tmp_path: Path) -> None:
    version = archived(facility)

    for one in (version, parts_of(facility, version)[0]):
        folder = tmp_path / one.dataset_id
        if one is version:
            folder.mkdir()
            for path in one.staged:
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(staged(facility, one, path))
        else:
            restore_version(
                one.version_id, to=folder, catalogue=facility.catalogue, store=facility.store, tables=facility.tables
            )
        assert required_issues(folder, scratch=tmp_path) == []


def test_what_is_measured_and_described_is_of_all_parts(facility: Facility) -> None:
    version = archived(facility)

    metrics = facility.tables.load(staged(facility, version, METRICS_PATH))
    assert metrics["path"] == sorted(IMAGES, key=str.encode)
    assert None not in metrics["focus"]
    previews = facility.tables.load(staged(facility, version, PREVIEWS_PATH))
    assert set(previews["path"]) == set(IMAGES)
    assert version.metadata is not None
    imaging: Any = version.metadata["imaging"]
    assert imaging["images"] == len(IMAGES)
    assert version.metadata["file_count"] == len(RUN)


def test_previews_of_many_parts_are_no_more_than_those_of_one(facility: Facility) -> None:
    facility.most_files = 40
    facility.write("run", {f"{n:03d}/A1_{n}_BF.tiff": bytes([n % 251]) * 70 for n in range(300)})
    version = facility.detect("run").version_id
    facility.measure(version, facility.lease(version))

    previews = facility.tables.load(staged(facility, facility.version(version), PREVIEWS_PATH))

    shown = previews["path"]
    assert EVEN_PREVIEWS // 2 < len(shown) <= EVEN_PREVIEWS + WORST_PREVIEWS
    assert len(set(shown)) == len(shown)
    assert "000/A1_0_BF.tiff" in shown, "the worst by focus is of all parts"


def test_a_part_tells_the_outside_nothing(facility: Facility) -> None:
    version = archived(facility)

    with facility.catalogue.begin() as tx:
        assert not tx.projects.get("cells").is_restricted
        for part in version.parts:
            told = tx.outbox.history([part.version_id])
            assert len(told) > 4
            assert all(event.restricted for event in told)


def test_the_rebuilt_catalogue_is_equal_table_by_table(told: Told, empty_catalogue: SqlCatalogue) -> None:
    told.facility.most_files = MOST
    version = ingest(told.facility)
    told.decide(version.version_id)
    told.record()

    found = rebuild_catalogue(catalogue=empty_catalogue, store=told.store, readers=3)

    before, after = rows_of(told.catalogue), rows_of(empty_catalogue)
    for work in before["works"]:
        work["state"] = "ready" if work["state"] == "leased" else work["state"]
    assert (found.outcome, found.faults) == (RebuildOutcome.REBUILT, ())
    assert after == before
    with empty_catalogue.begin() as tx:
        assert [one.part_of for one in tx.datasets.parts_of(version.dataset_id)] == [version.dataset_id] * 3


def test_a_deletion_record_of_very_many_files_is_no_fault_of_the_archive(
    told: Told, empty_catalogue: SqlCatalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = told.ingest("run")
    told.record()
    root = told.facility.root_of(version)
    told.store.put(f"{root}/logs/20261122T103655.134538Z-release.begun-1.json", b"{" * 20_000)
    monkeypatch.setattr(rebuild_read, "LARGEST_LOG_BYTES", 19_999)

    found = rebuild_catalogue(catalogue=empty_catalogue, store=told.store, readers=3)

    assert (found.outcome, found.faults) == (RebuildOutcome.REBUILT, ())


def test_a_part_cut_short_in_its_commit_is_recovered_by_the_clock_and_left_alone_while_it_is_worked_on(
    facility: Facility,
) -> None:
    facility.write("run", RUN)
    version = facility.detect("run")
    store = facility.store
    assert isinstance(store, MemoryStore)
    store.fail_on("put", key_ends="0=ocfl_object_1.1", nth=2, error=Killed())
    with pytest.raises(Killed):
        facility.ingest(version.version_id)
    store.heal()

    def look() -> list[ObjectState]:
        round_ = recover_interrupted(
            catalogue=facility.catalogue, store=store, clock=facility.clock, memory=RoundMemory()
        )
        return [one.state for one in round_]

    assert look() == [], "an attempt holds the work"
    with facility.catalogue.begin() as tx:
        lease = facility.leases.pop(version.version_id)
        tx.inbox.put_back(lease, not_before=facility.clock.now(), outcome="its worker is gone")
    assert look() == [ObjectState.RECOVERED]
    facility.ingest(version.version_id)
    assert facility.version(version.version_id).stage is Stage.VERIFIED


def test_a_store_has_a_copy_when_it_has_every_part_and_damage_to_one_is_the_wholes(
    facility: Facility, tmp_path: Path
) -> None:
    second = MemoryStore()
    second.name = "second"
    vault = Vault(facility, facility.store, second)
    version = ingest(facility)

    def row() -> Any:
        return overview_of(version.dataset_id, catalogue=facility.catalogue, bucket="archive")

    asked: list[Work] = []
    while work := vault.ask(second):
        for one in work:
            assert (row().copies, row().copies_wanted) == (1, 2)
            vault.do(one)
        asked += work
    assert len({one.subject for one in asked}) == 4
    assert (row().copies, row().fixity) == (2, Fixity.OK)
    restore_version(
        version.version_id, to=tmp_path / "out", catalogue=facility.catalogue, store=second, tables=facility.tables
    )
    assert {path[5:]: body for path, body in tree(tmp_path / "out").items() if path.startswith("data/")} == RUN

    key = vault.key_of(version.parts[2].dataset_id, b"the end")
    second.put(key, b"another")
    vault.keep(version.parts[2].dataset_id, second, repair=False)

    assert row().fixity is Fixity.DAMAGED
    assert "part 0003" in (row().fixity_reason or "")
    detail = detail_of(version.dataset_id, catalogue=facility.catalogue, bucket="archive")
    assert detail.fixity is Fixity.DAMAGED
    vault.keep(version.parts[2].dataset_id, second)
    assert row().fixity is Fixity.OK
    assert set(objects_of(version.dataset_id, catalogue=facility.catalogue)) == set(
        archived_datasets(facility.catalogue)
    )


@pytest.fixture
def people(facility: Facility) -> Facility:
    with facility.catalogue.begin() as tx:
        for name, role in (("ada", Role.ADMIN), ("sten", Role.STEWARD)):
            tx.accounts.add(Account(name=name, grants=(Grant(role=role),), created_at=facility.clock.now()))
    return facility


ACTS: dict[str, Callable[[Facility, str], object]] = {
    "decide": lambda one, part: decide(
        part,
        Act.ACCEPT,
        person="sten",
        reason="good",
        evidence_digest=make_sha512("x"),
        catalogue=one.catalogue,
        clock=one.clock,
    ),
    "reprocess": lambda one, part: request_reprocess(
        part, person="ada", reason="again", catalogue=one.catalogue, clock=one.clock
    ),
    "publish": lambda one, part: request_publication(part, person="ada", catalogue=one.catalogue, clock=one.clock),
    "withdraw": lambda one, part: withdraw_version(
        part, person="ada", reason="oops", catalogue=one.catalogue, publisher=None, clock=one.clock
    ),
    "hold": lambda one, part: place_hold(part, person="sten", reason="paper", catalogue=one.catalogue, clock=one.clock),
}


@pytest.mark.parametrize("act", ACTS)
def test_nothing_is_done_to_a_part_by_hand_and_its_whole_is_named(people: Facility, act: str) -> None:
    version = ingest(people)

    with pytest.raises(InvalidInput, match=version.dataset_id):
        ACTS[act](people, version.parts[1].version_id)


def test_a_part_is_typed_by_its_pid(people: Facility) -> None:
    version = ingest(people)
    pid = version.parts[0].pid

    with pytest.raises(InvalidInput, match=version.dataset_id):
        place_hold(pid, person="sten", reason="paper", catalogue=people.catalogue, clock=people.clock)
    for typed in (f"{pid}0", pid.replace("part-0001", "part-9999"), f"{pid}/", pid.upper(), f"{pid}\n"):
        with pytest.raises(CisternaError):
            overview_of(typed, catalogue=people.catalogue, bucket="archive")


def test_a_hold_on_the_whole_stands_on_its_parts(people: Facility) -> None:
    version = ingest(people)
    held = place_hold(version.dataset_id, person="sten", reason="paper", catalogue=people.catalogue, clock=people.clock)

    with people.catalogue.begin() as tx:
        for part in version.parts:
            assert [one.hold_id for one in holds_on(tx, tx.datasets.get(part.dataset_id))] == [held.hold_id]
        account = tx.accounts.find("ada")
    assert account is not None
    judged = list_retentions(account=account, catalogue=people.catalogue, clock=people.clock, due_only=False)
    assert [dataset.dataset_id for dataset, _ in judged] == [version.dataset_id]


def test_it_is_judged_and_described_anew_without_touching_its_parts(people: Facility, tmp_path: Path) -> None:
    version = archived(people)
    keys = [people.keys(part.version_id) for part in version.parts]

    opened = request_reprocess(
        version.version_id,
        from_stage=Stage.DESCRIBED,
        person="ada",
        reason="another title",
        catalogue=people.catalogue,
        clock=people.clock,
    ).version
    lease = people.lease(opened.version_id)
    describe_version(
        opened.version_id,
        lease=lease,
        catalogue=people.catalogue,
        store=people.store,
        tables=people.tables,
        profile=people.profile,
        clock=people.clock,
    )
    people.archive(opened.version_id, lease)
    people.verify(opened.version_id, lease)

    revised = people.version(opened.version_id)
    assert (revised.label, revised.stage, revised.parts) == ("v1.1", Stage.VERIFIED, version.parts)
    assert PARTS_PATH in revised.staged
    assert restore(people, revised, tmp_path / "out") == RUN
    assert [people.keys(part.version_id) for part in version.parts] == keys


def archived_again(facility: Facility) -> Version:
    """Archive the run that was detected already."""
    with facility.catalogue.begin() as tx:
        (version,) = tx.datasets.list_versions()
    lease = facility.lease(version.version_id)
    facility.measure(version.version_id, lease)
    with facility.catalogue.begin() as tx:
        passed = tx.datasets.get_version(version.version_id).model_copy(update={"verdict": Verdict.PASSED})
        advance(tx, passed, Stage.GATED, clock=facility.clock)
    describe_version(
        version.version_id,
        lease=lease,
        catalogue=facility.catalogue,
        store=facility.store,
        tables=facility.tables,
        profile=facility.profile,
        clock=facility.clock,
    )
    facility.archive(version.version_id, lease)
    facility.verify(version.version_id, lease)
    return facility.version(version.version_id)


def test_objects_of_sha256_are_parts_too(facility: Facility, tmp_path: Path) -> None:
    facility.digest = "sha256"

    version = ingest(facility)

    assert {part.algorithm for part in version.parts} == {"sha256"}
    for one in (version, *parts_of(facility, version)):
        assert "inventory.json.sha256" in facility.keys(one.version_id)
    assert restore(facility, version, tmp_path / "out") == RUN


def test_names_of_parts_follow_from_their_whole(facility: Facility) -> None:
    version = ingest(facility)

    whole = version.parts[0].pid.partition("/part-")[0]
    assert [part.pid for part in version.parts] == [part_pid(whole, number) for number in (1, 2, 3)]
