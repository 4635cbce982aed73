"""Gives the names and sizes of a known run's files: from where it lies, or from the archive's manifest."""

from __future__ import annotations

from collections.abc import Callable

from cisterna.domain.acquisition import Acquisition
from cisterna.domain.errors import CisternaError
from cisterna.domain.instrument import Instrument
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.quality import TableFile
from cisterna.ports.source import LandingZone
from cisterna.services.data_manifest import MANIFEST_PATH, load_manifest
from cisterna.services.public_files import read_verified


def contents_of(
    acquisition: Acquisition,
    *,
    catalogue: Catalogue,
    zone_of: Callable[[Instrument], LandingZone],
    store: Callable[[], ObjectStore],
    tables: TableFile,
) -> frozenset[tuple[str, int]] | None:
    """Give the path and size of each file; None when neither the source nor the archive tells.

    Args:
        acquisition: That is known.
        catalogue: Says where it lies.
        zone_of: Opens its landing zone.
        store: Opens the archive, which is asked only where the source is gone.
        tables: Reads manifests.
    """
    with catalogue.begin() as tx:
        instrument = tx.instruments.get(acquisition.instrument)
        dataset = tx.datasets.get(acquisition.dataset_id) if acquisition.dataset_id else None
        versions = tx.datasets.versions(dataset.dataset_id) if dataset else ()
    try:
        files = zone_of(instrument).listing(acquisition.folder).files
        return frozenset((one.path, one.size_bytes) for one in files)
    except CisternaError:
        newest = next((one for one in reversed(versions) if one.is_archived and not one.parts), None)
    if newest is None or dataset is None:
        return None
    try:
        manifest = load_manifest(read_verified(newest, MANIFEST_PATH, dataset=dataset, store=store()), tables=tables)
    except CisternaError:
        return None
    return frozenset((one.path, one.size_bytes) for one in manifest.files)
