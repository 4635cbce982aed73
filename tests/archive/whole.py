"""What an object must be when everything is over, whoever was killed and whatever failed on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from cisterna.domain.digest import sha512_of
from cisterna.domain.fixity import Fixity
from cisterna.domain.ocfl import storage_root_files
from cisterna.domain.ocfl_parse import parse_inventory
from cisterna.domain.release import Release, ReleaseState
from cisterna.domain.source_name import logical_path
from cisterna.ports.object_store import ObjectStore
from cisterna.services.check import check_object
from cisterna.services.release_record import DeletionRecord
from tests.archive.facility import Facility

STAGES = ["measured", "gated", "described", "archived", "verified"]
NAMED_BY_THE_RUN = {"README.md", "metadata/record.json", "provenance/manifest.parquet"}
"""What differs between equal runs by design: titles, and the staging folders' names."""


def require_whole(facility: Facility, version: str) -> None:
    """No orphan, nothing twice, nothing corrupt: the object is exactly its inventory, as are its bytes; told once.

    Records of what was done to it, in `logs/`, are no part of any version.
    """
    keys = facility.keys(version)
    inventory = parse_inventory(keys["inventory.json"])
    pair = ("inventory.json", f"inventory.json.{facility.digest}")
    folders = ["", *(f"v{number}/" for number in range(1, inventory.head + 1))]
    own = {"0=ocfl_object_1.1", *(folder + name for folder in folders for name in pair)}
    assert {path for path in keys if not path.startswith("logs/")} == own | inventory.content_paths
    assert len(inventory.content_paths) == len(inventory.manifest)
    found = facility.version(version)
    check = check_object(found.dataset_id, catalogue=facility.catalogue, store=facility.store)
    assert (check.fixity, check.damaged, check.leftovers) == (Fixity.OK, (), ()), check
    with facility.catalogue.begin() as tx:
        events, receipts = tx.outbox.history([version]), tx.datasets.receipts(version)
        versions = tx.datasets.versions(found.dataset_id)
    stages = [event.data["stage"] for event in events if event.name == "version.stage"]
    stages = stages[stages[:1] == ["detected"] :]
    assert stages[: len(STAGES)] == STAGES
    assert ([one.store for one in receipts].count(facility.store.name), len(versions)) == (1, inventory.head)


def require_no_strangers(facility: Facility) -> None:
    """The bucket holds the objects that the catalogue knows and the storage root's own files."""
    with facility.catalogue.begin() as tx:
        roots = tuple(f"{dataset.object_root}/" for dataset in tx.datasets.list())
    others = {one.key for one in facility.store.list("") if not one.key.startswith(roots)}
    assert others == storage_root_files().keys(), others ^ storage_root_files().keys()
    assert not list(facility.store.unfinished_uploads(""))


def logical_state(facility: Facility, version: str) -> dict[str, dict[str, str]]:
    """Give digests by logical path of each OCFL version, of all that is the same in equal runs."""
    inventory = parse_inventory(facility.keys(version)["inventory.json"])
    return {
        f"v{number}": {path: one for path, one in inventory.files(number).items() if path not in NAMED_BY_THE_RUN}
        for number in range(1, inventory.head + 1)
    }


def require_nothing_lost(
    files: Mapping[str, bytes], release: Release, *, facility: Facility, folder: Path, stores: Sequence[ObjectStore]
) -> None:
    """Each file is at the source as it was, or it is on record with its digest and every store has the object whole."""
    there = {str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*") if one.is_file()}
    assert there == {path: files[path] for path in there}
    gone = files.keys() - there.keys()
    if not gone:
        return
    assert release.state in {ReleaseState.BEGUN, ReleaseState.DONE}
    assert release.proof is not None
    record = DeletionRecord.model_validate_json(facility.store.get(release.proof.record_key)[0])
    recorded = {file.path: file.sha512 for file in record.files}
    assert {recorded[logical_path(path.encode())] for path in gone} == {sha512_of(files[path]) for path in gone}
    for store in stores:
        is_copy = store.name != facility.store.name
        check = check_object(release.dataset_id, catalogue=facility.catalogue, store=store, is_copy=is_copy)
        assert (check.fixity, check.damaged) == (Fixity.OK, ()), check
