"""The page of a version's quality, and the file made from it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest
from httpx import Response

from cisterna.domain.finding import Outcome, Verdict
from cisterna.domain.project import Access
from cisterna.services.measurement import CURVES_PATH, METRICS_PATH, PREVIEWS_PATH
from cisterna.services.validate import FINDINGS_FILE, SUITE_FILE, SUMMARY_FILE
from cisterna.testing.factory import make_finding
from tests.web.client import Browser
from tests.web.quality_files import CHANNELS, curve_table, image_path, plate_metrics, quality_files
from tests.web.site import Site

Visit = Callable[..., Browser]


def lay_plate(site: Site, **fields: object) -> str:
    """Lay a version of a 96-well plate with one blurred well, and return the address of its quality."""
    blurred = [image_path("C5", field, channel) for field in range(2) for channel in CHANNELS]
    findings = (
        make_finding("images-found", message="Images found: 384 images (expected at least 1 images)."),
        make_finding(
            "focus-some-lost",
            Outcome.WARNING,
            message="Images out of focus in the worst channel: 4 % (expected at most 2 %). Look at those listed.",
            observed=0.04,
            expected="at most 2 %",
            files=tuple(blurred),
        ),
    )
    given = {
        "title": "Plate 9",
        "verdict": Verdict.REVIEW,
        "reason": "Images out of focus in the worst channel: 4 %.",
        "findings": findings,
        "files": (*blurred[:2], "acquisition.yaml"),
        "quality": quality_files(plate_metrics(8, 12, blurred=["C5"]), curves=curve_table(3)),
        **fields,
    }
    version = site.lay_version("plate-9", **given)  # type: ignore[arg-type]
    return f"/datasets/{version.dataset_id}/{version.label}/quality"


def test_the_page_shows_verdict_number_limit_advice_and_the_failing_image(site: Site, visit: Visit) -> None:
    address = lay_plate(site)

    page = visit("sten").get(address).text

    assert "<dd>Look at those listed.</dd>" in page
    assert "Images out of focus in the worst channel: 4 % (expected at most 2 %).</p>" in page
    assert "0.04" in page
    assert f"/preview?version=v1&amp;path=data%2F0%2FC5_0_0_{CHANNELS[0].replace(' ', '_')}.tiff" in page
    assert "microscopy/default" in page
    assert "great_expectations 1.24.0" in page
    assert "images-found" in page
    assert page.count('class="heat-') >= 96
    assert "Worst: C5 with 0.006 (2 images)." in page
    assert "at least 0.02: 2 of 192 are below" in page
    assert "at most 130: " in page
    assert "(the check background-high)" in page


def test_another_map_is_drawn_when_it_is_asked_for_and_nonsense_gives_the_first(site: Site, visit: Visit) -> None:
    address = lay_plate(site)
    browser = visit("sten")

    first = browser.get(address).text
    number = re.search(r'<option value="(\d+)">background_counts · ' + CHANNELS[1], first)
    assert number
    asked = browser.get(f"{address}?map={number[1]}").text

    assert 'aria-label="Map of background_counts over 96 wells' in asked
    assert "Worst: H12 with " in asked  # the suite says on which side it is worse
    for nonsense in ("99999", "-1", "x", "\u0661", ""):
        assert "Worst: C5 with 0.006 (2 images)." in browser.get(f"{address}?map={nonsense}").text


def test_the_report_is_one_file_to_keep(site: Site, visit: Visit) -> None:
    answer = visit("sten").get(f"{lay_plate(site)}.html")

    assert answer.headers["content-disposition"].startswith("attachment; filename*=UTF-8''quality-ds-")
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert answer.text.count("data:image/png;base64,") == 2
    assert "/static/" not in answer.text


@pytest.mark.parametrize("end", ["", ".html"])
def test_who_may_not_see_the_dataset_sees_no_quality_of_it(site: Site, visit: Visit, end: str) -> None:
    address = lay_plate(site, access=Access.RESTRICTED) + end

    assert visit("otto").get(address).status_code == 404
    assert visit().get(address).status_code in {303, 401}
    assert visit("sten").get(address).status_code == 200


@pytest.mark.parametrize("label", ["v2", "v1.1", "", "%2e%2e", "v1%00", "V1"])
def test_a_version_that_is_not_there_has_no_quality(site: Site, visit: Visit, label: str) -> None:
    address = lay_plate(site)

    assert visit("sten").get(address.replace("/v1/", f"/{label}/")).status_code == 404


def test_the_quality_of_erased_data_is_gone(site: Site, visit: Visit) -> None:
    address = lay_plate(site)
    with site.catalogue.begin() as tx:
        version = tx.datasets.get_version(address.split("/")[2] + ":v1")

    site.lay_erasure(version)

    assert visit("root").get(address).status_code == 404


def test_what_cannot_be_read_is_said_and_the_rest_is_there(site: Site, visit: Visit) -> None:
    broken = dict.fromkeys((METRICS_PATH, CURVES_PATH, PREVIEWS_PATH), b"PAR1 but no table")
    broken |= {FINDINGS_FILE: b"{" * 100_000, SUMMARY_FILE: b"[]", SUITE_FILE: b"\xff"}
    address = lay_plate(site, quality=broken)

    page = visit("sten").get(address).text

    for path in broken:
        assert f"{path} cannot be read" in page
    assert "Look at those listed." in page
    assert visit("sten").get(f"{address}.html").status_code == 200


def test_what_was_changed_in_the_store_is_not_shown_as_measured(site: Site, visit: Visit) -> None:
    address = lay_plate(site)
    with site.catalogue.begin() as tx:
        version = tx.datasets.get_version(address.split("/")[2] + ":v1")
        dataset = tx.datasets.get(version.dataset_id)
    staged = version.staged[METRICS_PATH]
    site.store.put(f"{dataset.object_root}/{staged.content_path}", b"something else")

    assert "is not what was archived" in visit("sten").get(address).text


def test_a_version_that_nobody_judged_yet_has_a_page(site: Site, visit: Visit) -> None:
    version = site.lay_version("fresh", findings=(), files=("notes.txt",))

    page = visit("sten").get(f"/datasets/{version.dataset_id}/v1/quality").text

    assert "No check has spoken yet." in page
    assert "Nothing was measured of single files." in page


def test_the_page_of_a_hundred_thousand_images_is_small_and_made_within_seconds(site: Site, visit: Visit) -> None:
    many = plate_metrics(32, 48, fields=33, blurred=["AF48"])
    assert len(many["path"]) > 100_000
    address = lay_plate(site, quality=quality_files(many))
    browser = visit("sten")

    began = time.perf_counter()
    page = browser.get(address)
    took = time.perf_counter() - began

    assert len(page.content) < 1_000_000
    assert "Worst: AF48 with 0.006 (33 images)." in page.text
    assert took < 10  # a second on a machine that is not shared; this finds what grows with the square
    assert len(browser.get(f"{address}.html").content) < 1_000_000


def test_programs_get_the_same_report(site: Site, call: Callable[..., Response]) -> None:
    version_id = f"{lay_plate(site).split('/')[2]}:v1"

    report = call("sten", "GET", f"/quality/reports/{version_id}").json()

    assert report["plate"]["worst"] == "C5"
    assert [one["finding"]["check"] for one in report["findings"]] == ["focus-some-lost", "images-found"]
    assert call("otto", "GET", f"/quality/reports/{version_id}").status_code == 404
    assert call("sten", "GET", f"/quality/reports/{version_id}9").status_code == 404
