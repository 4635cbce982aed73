"""Where an object lies, and that something is wrong with it, is seen by whoever may see the object."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cisterna.domain.dataset import Stage
from cisterna.domain.fixity import Fixity
from tests.web.client import Browser
from tests.web.site import Site

Visit = Callable[..., Browser]


@pytest.mark.parametrize(("fixity", "word"), [(Fixity.DAMAGED, "damaged"), (Fixity.COULD_NOT_CHECK, "could not check")])
def test_what_was_not_found_whole_is_on_the_dashboard_and_the_datasets_page(
    site: Site, visit: Visit, fixity: Fixity, word: str
) -> None:
    version = site.lay_version("plate-7", title="Plate 7")
    site.lay_copies(version, fixity, mirrored=False)
    steward = visit("sten")

    dashboard, page = steward.get("/").text, steward.get(f"/datasets/{version.dataset_id}").text

    assert f'class="badge fixity-{fixity.value}">{word}<' in dashboard
    assert "Not found whole" in dashboard
    assert "1 of 2 copies" in page
    assert f'class="badge fixity-{fixity.value}">{word}<' in page
    assert "data/plate.tiff" in page
    assert '<th scope="row">mirror</th>' in page
    assert steward.get(f"/api/v1/datasets/{version.dataset_id}").json()["stores_missing"] == ["mirror"]
    (row,) = (one for one in steward.get("/api/v1/datasets").json() if one["dataset_id"] == version.dataset_id)
    assert (row["fixity"], row["copies"], row["copies_wanted"]) == (fixity.value, 1, 2)


def test_whole_copies_raise_no_alarm(site: Site, visit: Visit) -> None:
    version = site.lay_version("plate-7", title="Plate 7")
    site.lay_copies(version, Fixity.OK, mirrored=True)
    steward = visit("sten")

    assert "Not found whole" not in steward.get("/").text
    page = steward.get(f"/datasets/{version.dataset_id}").text
    assert "2 of 2 copies" in page
    assert "No copy yet" not in page


def test_what_is_not_archived_has_no_copies(site: Site, visit: Visit) -> None:
    version = site.lay_version("plate-7", stage=Stage.DESCRIBED)

    (row,) = visit("sten").get("/api/v1/datasets").json()

    assert row["dataset_id"] == version.dataset_id
    assert (row["fixity"], row["copies"], row["copies_wanted"]) == (None, 0, 0)


def test_damage_of_another_projects_data_is_not_told(site: Site, visit: Visit) -> None:
    version = site.lay_version("plate-7", title="Plate 7")
    site.lay_copies(version, Fixity.DAMAGED, mirrored=False)

    page = visit("otto").get("/").text

    assert "Plate 7" not in page
    assert "Not found whole" not in page


def test_metrics_count_damage_and_missing_copies(site: Site, visit: Visit) -> None:
    version = site.lay_version("plate-7", title="Plate 7")
    site.lay_copies(version, Fixity.DAMAGED, mirrored=False)

    told = visit("sten").get("/metrics").text

    assert 'cisterna_copies{fixity="damaged",store="archive"} 1.0' in told
    assert 'cisterna_missing_copies{store="archive"} 0.0' in told
    assert 'cisterna_missing_copies{store="mirror"} 1.0' in told
    assert "Plate 7" not in told
