"""Programs in pages of other sites, such as viewers of OME-Zarr, read what is public and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.web.client import Browser
from tests.web.site import Site
from tests.web.test_delivered_page import deliver

Visit = Callable[..., Browser]

FILE = "data/0/A1_0_0_BF.tiff"
VIEWER = "https://viewer.example"


@pytest.mark.parametrize(
    "rest",
    ["", "/v1", "?format=json-ld", "/linkset", f"/v1/files/{FILE}", f"/v1/preview/{FILE}", "/v1/manifest-sha512.txt"],
)
def test_a_page_of_another_site_reads_what_is_public(site: Site, visit: Visit, rest: str) -> None:
    address = f"/{site.dataset(site.lay_published('plate-7')).pid}{rest}"

    whole = visit().get(address, origin=VIEWER)
    known = visit().get(address, origin=VIEWER, if_none_match=whole.headers["etag"])

    for answer in (whole, known):
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
        assert "access-control-allow-credentials" not in answer.headers
        exposed = {one.strip() for one in answer.headers["access-control-expose-headers"].split(",")}
        assert {"link", "etag", "content-range", "repr-digest"} <= exposed


def test_a_part_of_a_file_is_read_from_another_site_and_a_tombstone_is(site: Site, visit: Visit) -> None:
    version = site.lay_published("plate-7")
    address = f"/{site.dataset(version).pid}/v1/files/{FILE}"

    part = visit().get(address, origin=VIEWER, range="bytes=0-9")
    beyond = visit().get(address, origin=VIEWER, range="bytes=99999999-")
    site.withdraw(version)
    gone = visit().get(address, origin=VIEWER)

    assert [one.status_code for one in (part, beyond, gone)] == [206, 416, 410]
    assert {one.headers["access-control-allow-origin"] for one in (part, beyond, gone)} == {"*"}


def test_no_page_of_another_site_reads_what_was_delivered_or_what_staff_sees(site: Site, visit: Visit) -> None:
    version = site.decide(site.lay_version("plate-1"))
    _, path = deliver(site, version)
    staff = visit("sten")

    answers = [
        visit().get(path, origin=VIEWER),
        visit().get(f"{path}/files/{FILE}", origin=VIEWER),
        visit().get(f"{path}/all.tar", origin=VIEWER),
        staff.get("/", origin=VIEWER),
        staff.get(f"/datasets/{version.dataset_id}", origin=VIEWER),
        staff.get(f"/datasets/{version.dataset_id}/files/{FILE}?version=v1", origin=VIEWER),
        staff.get("/api/v1/datasets", origin=VIEWER),
    ]

    assert {one.status_code for one in answers} == {200}
    for answer in answers:
        assert "access-control-allow-origin" not in answer.headers
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
