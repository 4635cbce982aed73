"""What lies in parts is erased as one thing: every part, every copy of each, and nothing of it comes back."""

from __future__ import annotations

import pytest

from cisterna.domain.erasure import ERASED_TITLE, ErasureState
from cisterna.domain.errors import Erased, InvalidInput
from cisterna.services.copy_object import copy_object
from cisterna.services.erase import erase_dataset
from cisterna.services.erase_plan import plan_erasure
from tests.archive.test_parts import MOST, RUN
from tests.erasure.yard import ORDER, SECRET, Yard

pytestmark = pytest.mark.timeout(180)


def in_parts(yard: Yard) -> list[str]:
    """Archive and copy a run in parts; give its datasets' ids, the whole's first."""
    facility = yard.facility
    facility.most_files = MOST
    facility.write("run", {**RUN, "zz/last.txt": SECRET.encode()})
    version = facility.detect("run").version_id
    facility.ingest(version)
    found = facility.version(version)
    datasets = [found.dataset_id, *(part.dataset_id for part in found.parts)]
    for dataset_id in datasets:
        copy_object(
            dataset_id,
            source=yard.archive,
            target=yard.copy,
            lease=facility.leases[version],
            catalogue=yard.catalogue,
            clock=facility.clock,
        )
    yard.finish(version)
    return datasets


def test_every_part_goes_with_the_whole_from_every_store(yard: Yard) -> None:
    datasets = in_parts(yard)
    roots = [yard.root(one) for one in datasets]
    assert all(yard.below(store, root) for store in (yard.archive, yard.copy) for root in roots)
    plan = plan_erasure(datasets[0], person="anna", site=yard.site)
    assert [one.dataset_id for one in plan.objects] == datasets

    done = erase_dataset(datasets[0], person="anna", order=ORDER, site=yard.site)

    assert done.state is ErasureState.DONE, done.remains
    assert not any(yard.below(store, root) for store in (yard.archive, yard.copy) for root in roots)
    with yard.catalogue.begin() as tx:
        for one in datasets:
            assert tx.datasets.get(one).title == ERASED_TITLE
            with pytest.raises(Erased):
                tx.datasets.get_version(f"{one}:v1")
    assert not [key for key, body in yard.everything(yard.archive).items() if SECRET.encode() in body]


def test_a_part_alone_is_not_erased(yard: Yard) -> None:
    whole, first, *_ = in_parts(yard)

    with pytest.raises(InvalidInput, match=whole):
        erase_dataset(first, person="anna", order=ORDER, site=yard.site)
    with pytest.raises(InvalidInput, match=whole):
        plan_erasure(first, person="anna", site=yard.site)

    assert yard.below(yard.archive, yard.root(first))
