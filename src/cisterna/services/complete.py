"""Opens the version that will hold a run that is all there."""

from __future__ import annotations

from cisterna.domain.acquisition import INCOMPLETE, Acquisition, AcquisitionState
from cisterna.domain.dataset import Dataset, Stage, Version, version_id
from cisterna.domain.errors import SourceChanged, SourceUnavailable
from cisterna.domain.identifier import TEST_ARKS, Arks, dataset_id
from cisterna.domain.listing import Listing
from cisterna.domain.ocfl import object_root
from cisterna.domain.work import Attempt
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.ports.profile import Described, Profile
from cisterna.ports.source import LandingZone
from cisterna.services.erased import require_not_erased
from cisterna.services.judgement import assess
from cisterna.services.look import FolderLook
from cisterna.services.transition import announce_opened

__all__ = ["assess", "open_version"]


def open_version(
    acquisition_id: str,
    *,
    lease: Attempt,
    zone: LandingZone,
    profile: Profile,
    catalogue: Catalogue,
    clock: Clock,
    arks: Arks = TEST_ARKS,
) -> Version:
    """Look once more, freeze what is there, and open the version that will hold it.

    A second run finds the version of the same listing and returns it, however far it has come. One that was opened for
    an older listing and of which nothing was read yet is turned to the present one.

    Args:
        acquisition_id: Of a run that the sweep judged complete and bound to a project.
        lease: On the work; nothing is written without it.
        zone: Where the run lies.
        profile: Of its instrument; it reads the title.
        catalogue: Where dataset and version are written.
        clock: Dates them.
        arks: Make the dataset's.

    Raises:
        SourceChanged: The run is no longer the one that was judged complete. The sweep sees that as well and asks anew.
        SourceUnavailable: The landing zone cannot be looked at now.
        Erased: Its data were erased; the same run is never taken in again.
        LeaseLost: Somebody else does the work.
    """
    with catalogue.begin() as tx:
        seen = tx.acquisitions.get(acquisition_id)
    listing = zone.listing(seen.folder)
    described = profile.describe(FolderLook(seen.folder, listing, zone))
    with catalogue.begin() as tx:
        tx.inbox.require_lease(lease)
        require_not_erased(tx, acquisition_id)
        acquisition = tx.acquisitions.get(acquisition_id)
        _require_the_one_judged(acquisition, listing)
        dataset = _dataset(tx, acquisition, described, arks=arks, clock=clock)
        return _version(tx, dataset, acquisition, clock=clock)


def _require_the_one_judged(acquisition: Acquisition, listing: Listing) -> None:
    name = f"{acquisition.name} ({acquisition.acquisition_id})"
    if acquisition.state is AcquisitionState.UNAVAILABLE:
        msg = f"{name} cannot be looked at: {acquisition.reason}"
        raise SourceUnavailable(msg, acquisition_id=acquisition.acquisition_id)
    is_on_its_way = acquisition.state in {AcquisitionState.COMPLETE, *INCOMPLETE} and acquisition.held is None
    if not is_on_its_way:
        msg = f"{name} is {acquisition.state.value} and not on its way: {acquisition.held or acquisition.reason}"
        raise SourceChanged(msg, acquisition_id=acquisition.acquisition_id)
    if listing.obstacles or listing.fingerprint != acquisition.fingerprint:
        msg = f"{name} changed after it was judged complete; the next sweep or `cisterna ingest` judges it anew"
        raise SourceChanged(
            msg,
            acquisition_id=acquisition.acquisition_id,
            expected=acquisition.fingerprint,
            found=listing.fingerprint,
        )


def _dataset(tx: Transaction, acquisition: Acquisition, described: Described, *, arks: Arks, clock: Clock) -> Dataset:
    """Add the run's dataset, or find the one it has; the ids follow from the acquisition's."""
    identity = dataset_id(origin=acquisition.acquisition_id)
    pid = arks.of(identity)
    dataset = tx.datasets.add(
        Dataset(
            dataset_id=identity,
            origin=acquisition.acquisition_id,
            title=described.title,
            data_type=described.data_type,
            project=acquisition.project,
            acquisition_id=acquisition.acquisition_id,
            instrument=acquisition.instrument,
            pid=pid,
            object_root=object_root(pid),
            created_at=clock.now(),
        )
    )
    if acquisition.dataset_id != dataset.dataset_id:
        tx.acquisitions.save(acquisition.model_copy(update={"dataset_id": dataset.dataset_id}))
    return dataset


def _version(tx: Transaction, dataset: Dataset, acquisition: Acquisition, *, clock: Clock) -> Version:
    versions = [one for one in tx.datasets.versions(dataset.dataset_id) if one.revision == 0]
    same = next((one for one in reversed(versions) if one.source_fingerprint == acquisition.fingerprint), None)
    label = acquisition.state if acquisition.state in INCOMPLETE else None
    if same is not None and (same.stage is not Stage.DETECTED or same.incomplete is label):
        return same
    if versions and versions[-1].stage is Stage.DETECTED:
        turned: dict[str, object] = {"source_fingerprint": acquisition.fingerprint, "staging": None, "staged": {}}
        turned["incomplete"] = label
        return tx.datasets.save_version(versions[-1].model_copy(update=turned))
    number, now = (versions[-1].number if versions else 0) + 1, clock.now()
    version = tx.datasets.add_version(
        Version(
            version_id=version_id(dataset.dataset_id, number),
            dataset_id=dataset.dataset_id,
            number=number,
            stage_at=now,
            created_at=now,
            submitter=acquisition.submitter,
            source_fingerprint=acquisition.fingerprint,
            incomplete=label,
        )
    )
    announce_opened(tx, version, dataset, clock=clock)
    return version
