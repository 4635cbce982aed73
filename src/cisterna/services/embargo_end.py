"""Asks for the publication of what somebody agreed to before its embargo ended."""

from __future__ import annotations

from collections.abc import Sequence

from cisterna.domain.access import access_of
from cisterna.domain.work import WorkKind
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.clock import Clock
from cisterna.services.apart import read_apart
from cisterna.services.publish import ended_embargo
from cisterna.services.work_request import request_work


def request_ended(*, catalogue: Catalogue, clock: Clock, failed: dict[str, str]) -> list[str]:
    """Ask for each whose embargo has ended, and name those that were asked for; the same end asks once.

    Args:
        catalogue: Where the work is requested.
        clock: Tells the day.
        failed: Gets those that could not be looked at, each with why.

    Raises:
        CatalogueUnavailable: It did not answer; look again later.
    """

    def over(version_ids: Sequence[str]) -> dict[str, bool]:
        with catalogue.begin() as tx:
            said = tx.access.said([_dataset_of(one) for one in version_ids])
        found = {}
        for version_id in version_ids:
            dataset, *sources = said[_dataset_of(version_id)]
            its = next((one for one in dataset.versions if one.version_id == version_id), None)
            found[version_id] = its is not None and access_of(its, dataset, sources, day=day).ended is not None
        return found

    def requested(version_ids: Sequence[str]) -> dict[str, bool]:
        return {one: _request(one, catalogue=catalogue, clock=clock) for one in version_ids}

    day = clock.now().date()
    with catalogue.begin() as tx:
        agreed = tx.datasets.agreed_versions()
    ended = [version_id for version_id, is_over in read_apart(agreed, over, failed).items() if is_over]
    return [one for one in ended if read_apart([one], requested, failed).get(one)]


def _request(version_id: str, *, catalogue: Catalogue, clock: Clock) -> bool:
    with catalogue.begin() as tx:
        version = tx.datasets.get_version(version_id)
        dataset = tx.datasets.get(version.dataset_id)
        ended = ended_embargo(tx, version, dataset, clock=clock)
        key = f"publish:{version_id}:embargo:{ended}"
        if ended is None or any(work.key == key for work in tx.inbox.list(subject=version_id)):
            return False
        request_work(tx, WorkKind.PUBLISH, version_id, key=key, clock=clock)
    return True


def _dataset_of(version_id: str) -> str:
    return version_id.partition(":")[0]
