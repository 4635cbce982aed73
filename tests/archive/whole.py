"""What an object must be when everything is over, whoever was killed and whatever failed on the way."""

from __future__ import annotations

from cisterna.domain.fixity import Fixity
from cisterna.domain.ocfl import storage_root_files
from cisterna.domain.ocfl_parse import parse_inventory
from cisterna.services.check import check_object
from tests.archive.facility import Facility

STAGES = ["measured", "gated", "described", "archived", "verified"]
NAMED_BY_THE_RUN = {"README.md", "metadata/record.json", "provenance/manifest.parquet"}
"""What differs between equal runs by design: titles, and the staging folders' names."""


def require_whole(facility: Facility, version: str) -> None:
    """No orphan, nothing twice, nothing corrupt: the object is exactly its inventory, as are its bytes; told once."""
    keys = facility.keys(version)
    inventory = parse_inventory(keys["inventory.json"])
    own = {"0=ocfl_object_1.1", "inventory.json", "inventory.json.sha512"}
    folders = [f"v{number}" for number in range(1, inventory.head + 1)]
    own |= {f"{folder}/{name}" for folder in folders for name in ("inventory.json", "inventory.json.sha512")}
    assert keys.keys() == own | inventory.content_paths
    assert len(inventory.content_paths) == len(inventory.manifest)
    found = facility.version(version)
    check = check_object(found.dataset_id, catalogue=facility.catalogue, store=facility.store)
    assert (check.fixity, check.damaged, check.leftovers) == (Fixity.OK, (), ()), check
    with facility.catalogue.begin() as tx:
        events, receipts = tx.outbox.history([version]), tx.datasets.receipts(version)
        versions = tx.datasets.versions(found.dataset_id)
    assert [event.data["stage"] for event in events if event.name == "version.stage"] == STAGES
    assert (len(receipts), len(versions)) == (1, inventory.head)


def require_no_strangers(facility: Facility) -> None:
    """The bucket holds the objects that the catalogue knows, the storage root's own files, and nothing else."""
    with facility.catalogue.begin() as tx:
        roots = tuple(f"{dataset.object_root}/" for dataset in tx.datasets.list())
    assert {one.key for one in facility.store.list("") if not one.key.startswith(roots)} == storage_root_files().keys()
    assert not list(facility.store.unfinished_uploads(""))


def logical_state(facility: Facility, version: str) -> dict[str, dict[str, str]]:
    """Give digests by logical path of each OCFL version, of all that is the same in equal runs."""
    inventory = parse_inventory(facility.keys(version)["inventory.json"])
    return {
        f"v{number}": {path: one for path, one in inventory.files(number).items() if path not in NAMED_BY_THE_RUN}
        for number in range(1, inventory.head + 1)
    }
