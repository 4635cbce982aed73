"""An announced release on the page of its run: visible to all who see the run, cancelled by those who may."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from cisterna.domain.release import Release, ReleaseState
from cisterna.testing.factory import make_id
from tests.web.client import Browser
from tests.web.site import Site

Visit = Callable[..., Browser]


@pytest.fixture
def release(site: Site) -> Release:
    version = site.lay_version("plate-1")
    with site.catalogue.begin() as tx:
        dataset = tx.datasets.get(version.dataset_id)
        release = Release(
            release_id=make_id("release"),
            acquisition_id=dataset.acquisition_id,
            dataset_id=dataset.dataset_id,
            version_id=version.version_id,
            manifest_digest=version.manifest_digest,
            file_count=version.file_count,
            total_bytes=version.total_bytes,
            person="sten",
            announced_at=site.clock.now(),
            due_at=site.clock.now() + timedelta(hours=72),
        )
        tx.releases.add(release)
    return release


def test_a_steward_and_the_owner_cancel_and_a_viewer_only_sees(site: Site, visit: Visit, release: Release) -> None:
    path = f"/acquisitions/{release.acquisition_id}"
    for name, may in {"vera": False, "rita": False, "stina": True, "olga": True, "ada": True}.items():
        shown = visit(name).get(path).text
        assert "will be deleted on" in shown, name
        assert ("/release/cancel" in shown) == may, name

    assert visit("vera").submit(f"{path}/release/cancel", reason="no").status_code == 403
    assert visit("otto").submit(f"{path}/release/cancel", reason="no").status_code == 404
    assert visit("stina").submit(f"{path}/release/cancel", csrf="forged", reason="no").status_code == 403
    answer = visit("stina").submit(f"{path}/release/cancel", reason="needed at the microscope")

    assert answer.status_code == 303
    with site.catalogue.begin() as tx:
        ended = tx.releases.get(release.release_id)
    assert (ended.state, ended.ended_by) == (ReleaseState.CANCELLED, "stina")
    after = visit("vera").get(path).text
    assert "will be deleted on" not in after
    assert "needed at the microscope" in after
