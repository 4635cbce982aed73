"""The page of an erased dataset says so, and nothing that hung on it can be reached."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cisterna.domain.dataset import Version
from cisterna.domain.erasure import ERASED_TITLE, ErasedObject, Erasure, ErasureState, Order
from cisterna.domain.ocfl import object_root
from cisterna.services.deposit import carry_next
from cisterna.services.deposit_wish import request_deposit
from cisterna.testing.memory_target import MemoryTarget
from cisterna.web.wording import say
from tests.targets.test_deposit import deposits_on
from tests.web.client import Browser
from tests.web.site import Site

Visit = Callable[..., Browser]


@pytest.fixture
def erased(site: Site) -> Version:
    version = site.lay_version("plate-1", title="Patient Zero")
    with site.catalogue.begin() as tx:
        dataset = tx.datasets.get(version.dataset_id)
        one = ErasedObject(
            dataset_id=dataset.dataset_id, pid=dataset.pid, object_root=object_root(dataset.pid), versions=("v1",)
        )
        erasure = Erasure(
            erasure_id="e1",
            target=dataset.dataset_id,
            acquisition_id=dataset.acquisition_id,
            objects=(one,),
            stores=("archive",),
            person="root",
            order=Order(controller="Example University", basis="GDPR Art. 17", decision="12/2026"),
            announced_at=site.clock.now(),
        )
        tx.erasures.add(erasure)
        tx.erasures.purge(erasure)
        tx.datasets.save(dataset.model_copy(update={"title": ERASED_TITLE}))
        tx.erasures.save(erasure.model_copy(update={"state": ErasureState.DONE, "ended_at": site.clock.now()}))
    return version


def test_its_page_says_when_by_whom_and_under_which_decision(site: Site, visit: Visit, erased: Version) -> None:
    del site
    shown = visit("root").get(f"/datasets/{erased.dataset_id}")

    assert shown.status_code == 200
    assert "by root, decision 12/2026 of Example University (GDPR Art. 17)" in shown.text
    assert "Patient Zero" not in shown.text
    for vacuous in ("Not described yet", "There are no previews", "no verdict yet", "no retention rule"):
        assert vacuous not in shown.text
    assert visit("root").get("/").status_code == 200
    assert visit("otto").get(f"/datasets/{erased.dataset_id}").status_code == 404


def test_its_page_says_how_far_it_is_taken_back_outside_and_what_stays_there(site: Site, visit: Visit) -> None:
    target = MemoryTarget(site.clock)
    version = site.lay_published("plate-1", title="Patient Zero")
    request_deposit(
        version.version_id, "memory", targets={"memory"}, person="sten", catalogue=site.catalogue, clock=site.clock
    )
    carry_next(target, site=deposits_on(site))
    site.lay_erasure(version)
    page = f"/datasets/{version.dataset_id}"

    before = visit("root").get(page).text
    done = carry_next(target, site=deposits_on(site))
    assert done is not None
    assert done.deposit is not None
    with site.catalogue.begin() as tx:
        told = done.deposit.model_copy(update={"remark": "ask its support to remove the rest"})
        tx.deposits.put(done.model_copy(update={"deposit": told}))
    after = visit("root").get(page).text

    assert say("deposit.withdrawing") in before
    assert say("deposit.withdrawn") in after
    assert "ask its support to remove the rest" in after
    assert "Patient Zero" not in before + after


def test_its_versions_and_files_are_gone_and_programs_are_told_so(site: Site, visit: Visit, erased: Version) -> None:
    del site
    browser = visit("root")

    assert browser.get(f"/datasets/{erased.dataset_id}?version=v1").status_code == 404
    answer = browser.get(f"/api/v1/datasets/{erased.dataset_id}")

    assert answer.status_code == 200
    assert "12/2026" in answer.json()["erased"]
    assert answer.json()["erasure"]["state"] == "done"
