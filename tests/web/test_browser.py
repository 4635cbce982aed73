"""The pages in Chromium: live without a reload, usable without scripts, and free of serious barriers."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from cisterna.domain.acquisition import AcquisitionState
from cisterna.domain.alert import AlertKind
from cisterna.domain.dataset import Stage, Version
from cisterna.domain.finding import Outcome, Verdict
from cisterna.domain.fixity import Fixity
from cisterna.domain.review import Act
from cisterna.services.data_manifest import MANIFEST_PATH, load_manifest
from cisterna.services.hold import place_hold
from cisterna.services.setup_link import issue_setup_link
from cisterna.services.staging import read_staged
from cisterna.testing.factory import make_acquisition, make_dataset, make_finding, make_sample, make_version
from cisterna.web.view import HERE
from tests.adopt.share import NAME
from tests.shadow.bench import Bench, live_through
from tests.web.full_description import EVERYTHING
from tests.web.quality_files import curve_table, plate_metrics, quality_files
from tests.web.reviewing import accept
from tests.web.site import PASSWORD, Site, draw_cells
from tests.web.test_adoption_page import lay_share
from tests.web.test_delivered_page import deliver

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(180),
    pytest.mark.skipif(not CHROMIUM.exists(), reason="no Chromium on this machine"),
]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def site(served: Site) -> Site:
    """All pages of one site by its own address."""
    return served


def lay_shadow(site: Site) -> str:
    """Let an instrument have been in shadow mode for some days."""
    bench = Bench(site.catalogue, site.clock, days=5)
    live_through(bench)
    return bench.name


def lay_trend(site: Site, shown: Version) -> None:
    """Let an instrument have a past, in which the version is the worst."""
    verdicts = [Verdict.PASSED, Verdict.PASSED, Verdict.REVIEW, Verdict.PASSED, Verdict.NOT_ASSESSED]
    for number in range(14):
        version = site.lay_version(
            f"past-{number}",
            title=f"Plate of day {number}",
            stage=Stage.GATED,
            verdict=verdicts[number % 5],
            files=("notes.txt",),
        )
        keep_values(site, version, focus_median=0.05 + 0.004 * math.sin(number), snr_median=40.0 + number % 7)
        site.clock.advance(timedelta(days=2))
    keep_values(site, shown, focus_median=0.024, snr_median=41.0)


def keep_values(site: Site, version: Version, **values: float) -> None:
    at, verdict = site.clock.now(), site.now(version).verdict
    samples = [make_sample(version, metric=name, value=value, verdict=verdict, at=at) for name, value in values.items()]
    with site.catalogue.begin() as tx:
        tx.trends.add(samples)


def lay_drift(site: Site, instrument: str) -> None:
    """Let a metric have moved: ten runs three weeks ago, and three of these days."""
    now = site.clock.now()
    with site.catalogue.begin() as tx:
        for number in range(13):
            days = 1 + number if number < 3 else 18 + number
            seen = make_acquisition(f"old-{number}", instrument=instrument, project="atlas")
            seen = tx.acquisitions.save(seen.model_copy(update={"first_seen": now - timedelta(days=days)}))
            dataset = tx.datasets.add(make_dataset(f"old-{number}", acquisition=seen, title=f"Old run {number}"))
            tx.acquisitions.save(seen.model_copy(update={"dataset_id": dataset.dataset_id}))
            version = tx.datasets.add_version(
                make_version(
                    dataset, verdict=Verdict.PASSED, stage=Stage.ACCEPTED, created_at=now - timedelta(days=days)
                )
            )
            value = 3.0 if number < 3 else 11.0 + number % 3
            tx.trends.add([make_sample(version, channel="DAPI", value=value)])


def fill(site: Site) -> dict[str, str]:
    """Lay something of everything and return the addresses worth looking at."""
    shadowed = lay_shadow(site)
    public = site.lay_published("plate-7", title="Plate 07, untreated nuclei", said=EVERYTHING)
    gone = site.lay_published("plate-3", title="Plate 03, wrong stain")
    site.withdraw(gone, reason="The stain on the plate was mislabelled.")
    site.decide(site.lay_version("plate-2", title="Plate 02, treated"), Act.REJECT, reason="Condensation on the lid.")
    files = tuple(f"0/A1_{number}_0_BF_LED_matrix_full.tiff" for number in range(8))
    blurred = site.lay_version(
        "plate-8",
        title="Plate 08, out of focus",
        verdict=Verdict.QUARANTINED,
        reason="2 of 8 images are out of focus: the worst reaches 23 where 180 is needed.",
        findings=(
            make_finding("readable", message="All 8 images can be read.", observed=8, expected=8),
            make_finding(
                "focus-min",
                Outcome.FAILED,
                message="2 images are out of focus.",
                observed=23.4,
                expected=180.0,
                files=files[:2],
            ),
        ),
        missing=("licence", "creators"),
        files=(*files, "acquisition.yaml"),
        blurred=files[:2],
        quality=quality_files(plate_metrics(8, 12, blurred=["A1"]), curves=curve_table(12), focus_median=0.045),
    )
    lay_trend(site, blurred)
    site.lay_version(
        "labels", title="Nuclei of plate 07", source=public, model="nuclei@1", verdict=Verdict.NOT_ASSESSED
    )
    site.lay_copies(public, Fixity.COULD_NOT_CHECK, mirrored=True)
    site.lay_copies(blurred, Fixity.DAMAGED, mirrored=False)
    running = site.lay_acquisition(
        "plate-12", state=AcquisitionState.WRITING, reason="17 of 48 images are there.", progress=0.35
    )
    blurry = {"measure": "focus", "observed": 0.0053, "limit": 0.02, "limit_origin": "focus_min of the suite's limits"}
    site.lay_alert(running, picture=draw_cells(3, blur=4), kind=AlertKind.BLURRED, count=3, **blurry)
    words = "Nothing was written for 42 min; by the run's own plan something was due every 10 min."
    silence: dict[str, Any] = {"measure": "seconds without a change", "observed": 2520.0, "limit": 1800.0}
    silence["limit_origin"] = "3 times the plan's interval of 10 min"
    site.lay_alert(running, kind=AlertKind.SILENT, place=None, places=(), words=words, **silence)
    read = site.lay_acquisition("plate-13", state=AcquisitionState.COMPLETE, reason="48 of 48 images are there.")
    site.lay_reading(read, done_bytes=31_200_000_000, total_bytes=104_000_000_000, rate=118e6)
    doomed = site.lay_version("plate-4", title="Plate 04, consent withdrawn")
    site.lay_version("labels-4", title="Nuclei of plate 04", source=doomed, model="nuclei@1")
    over = site.lay_version("plate-1", title="Plate 01, of a pilot study nobody asks for")
    site.lay_over(over)
    stuck = site.lay_version("plate-5", title="Plate 05, a store was away")
    site.lay_erasure(stuck)
    held_back = site.lay_version("plate-6", title="Plate 06, before a court")
    place_hold(
        held_back.dataset_id, person="sten", reason="File 4711 of the court", catalogue=site.catalogue, clock=site.clock
    )
    site.lay_guard("squid-2", examples=(f"{'a-long-name-' * 8}2026-11-22_12-00-00", "plate-11"))
    covered = site.lay_version("plate-11", title="Plate 11, the cover was on", verdict=Verdict.QUARANTINED)
    words = "The cover was on: no cell is in it, and the plate is gone."
    site.discard(covered, reason=words)
    lay_drift(site, "squid-1")
    given = accept(site, site.lay_version("plate-14", title="Plate 14, for its sender"))
    _, delivered = deliver(site, given)
    held = site.lay_acquisition("plate-10", state=AcquisitionState.ABORTED, held="The operator aborted the run.")
    return {
        "dashboard": "/",
        "dataset": f"/datasets/{blurred.dataset_id}",
        "quality": f"/datasets/{blurred.dataset_id}/v1/quality",
        "alerts": "/alerts",
        "alerted": f"/acquisitions/{running.acquisition_id}",
        "acquisition": f"/acquisitions/{held.acquisition_id}",
        "reviewed": f"/datasets/{given.dataset_id}",
        "deliveries": f"/datasets/{given.dataset_id}/deliveries?version=v1",
        "delivered": delivered,
        "usage": "/usage",
        "vocabulary": "/vocabulary?words=mouse",
        "landing": f"/{site.dataset(public).pid}",
        "tombstone": f"/{site.dataset(gone).pid}",
        "browse": "/browse?words=nucleii&data_type=microscopy",
        "statistics": "/browse/statistics",
        "datasets": "/datasets?words=plate",
        "projects": "/projects",
        "project": "/projects/atlas",
        "new-project": "/projects/new",
        "instruments": "/instruments",
        "trend": "/instruments/squid-1/trend",
        "instrument": "/instruments/squid-1",
        "instrument-empty": "/instruments/codex-1",
        "discarded": f"/datasets/{covered.dataset_id}",
        "shadow": f"/instruments/{shadowed}/shadow",
        "people": "/people",
        "end-of-life": "/end-of-life",
        "shares": "/shares",
        "share": f"/shares/{NAME}",
        "removable": f"/datasets/{over.dataset_id}",
        "erasure-plan": f"/datasets/{doomed.dataset_id}/erasure",
        "erasure-refused": f"/datasets/{held_back.dataset_id}/erasure",
        "erasure-incomplete": f"/datasets/{stuck.dataset_id}/erasure",
        "erased": f"/datasets/{stuck.dataset_id}",
        "disposal-plan": f"/datasets/{over.dataset_id}/disposal",
        "account": "/account",
        "verify": "/verify",
        "problem": "/nothing-here",
        "sign-in": "/sign-in",
    }


_UNHEADED = """[...document.querySelectorAll("table.stacked td")]
    .filter(cell => cell.checkVisibility() && !cell.querySelector("button, .button"))
    .filter(cell => !/[a-z]/i.test(getComputedStyle(cell, "::before").content.replace("none", "")))
    .map(cell => cell.outerHTML.slice(0, 160))"""
"""Cells that say their value where the heads of columns are out of sight, and not what it is of."""


def sign_in(page: Page, site: Site, name: str) -> None:
    page.goto(f"{site.base_url}/sign-in")
    page.get_by_label("Account name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")


def keep_picture(page: Page, name: str) -> None:
    """Keep a picture to be looked at, where the environment names a folder for it."""
    folder = os.environ.get("PICTURES")
    if folder:
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def open_context(chromium: Browser, **options: object) -> BrowserContext:
    return chromium.new_context(**{"viewport": {"width": 1360, "height": 900}, **options})


@pytest.mark.parametrize(
    ("scheme", "width"),
    [
        pytest.param("light", 1360, marks=pytest.mark.torture),
        ("dark", 1360),
        ("light", 390),
        pytest.param("dark", 390, marks=pytest.mark.torture),
    ],
)
def test_no_page_has_a_serious_barrier_a_blocked_resource_or_a_sideways_scroll(
    chromium: Browser, site: Site, quick_path: Path, scheme: str, width: int
) -> None:
    addresses = fill(site)
    lay_share(site, quick_path)
    context = open_context(chromium, color_scheme=scheme, viewport={"width": width, "height": 900})
    page, complaints, faults = context.new_page(), [], []
    page.on("console", lambda message: complaints.append(message.text) if "Refused" in message.text else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    sign_in(page, site, "root")

    for name, address in addresses.items():
        page.goto(f"{site.base_url}{address}")
        keep_picture(page, f"{name}-{scheme}-{width}")
        found = Axe().run(page).response["violations"]
        faults += [
            (name, one["id"], one["nodes"][0]["html"][:160])
            for one in found
            if one["impact"] in {"serious", "critical"}
        ]
        if name in {"deliveries", "end-of-life"} and width == 390:
            faults += [(name, "no heading", cell) for cell in page.evaluate(_UNHEADED)]
        if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            faults.append((name, "scrolls sideways", ""))

    context.close()
    assert faults == []
    assert complaints == []


def test_the_dashboard_shows_what_happens_without_a_reload(chromium: Browser, site: Site) -> None:
    context = open_context(chromium)
    page = context.new_page()
    sign_in(page, site, "sten")
    expect(page.get_by_text("Nothing has arrived yet")).to_be_visible()

    site.lay_version("plate-7", title="Plate 07, just arrived")

    expect(page.get_by_role("link", name="Plate 07, just arrived").first).to_be_visible(timeout=20_000)
    context.close()


def test_a_reason_being_typed_survives_what_happens_meanwhile(chromium: Browser, site: Site) -> None:
    version = site.lay_version("plate-7", title="Plate 07")
    context = open_context(chromium)
    page = context.new_page()
    sign_in(page, site, "sten")
    page.goto(f"{site.base_url}/datasets/{version.dataset_id}")
    page.get_by_label("Reason").first.fill("I am still thinking")

    site.decide(version, Act.REJECT, person="stina", reason="out of focus")

    expect(page.locator("#live .stage-rejected").first).to_be_visible(timeout=20_000)
    expect(page.get_by_label("Reason").first).to_have_value("I am still thinking")
    page.get_by_role("button", name="Accept").click()
    expect(page.get_by_text("stina decided on")).to_be_visible()
    context.close()


@pytest.mark.parametrize("scripts", [True, False])
def test_a_steward_judges_from_the_queue_with_and_without_scripts(chromium: Browser, site: Site, scripts: bool) -> None:
    site.lay_version("plate-7", title="Plate 07", verdict=Verdict.REVIEW)
    context = open_context(chromium, java_script_enabled=scripts)
    page = context.new_page()
    sign_in(page, site, "sten")

    page.get_by_role("link", name=re.compile("Review Plate 07")).click()
    page.get_by_label("Reason").first.fill("Looked at every image.")
    page.get_by_role("button", name="Accept").click()
    expect(page.get_by_text("cannot be accepted by the review checklist yet")).to_be_visible()
    expect(page.get_by_label("Reason").first).to_have_value("Looked at every image.")
    for tick in page.locator("#checklist").get_by_role("checkbox").all():
        tick.check()
    for because in page.get_by_label("Overruled because").all():
        because.fill("It is a test.")
    page.get_by_role("button", name="Accept").click()

    expect(page.get_by_text("Your decision is recorded.")).to_be_visible()
    expect(page.locator(".decisions")).to_contain_text("Looked at every image.")
    context.close()


@pytest.mark.parametrize("scripts", [True, False])
def test_an_administrator_sees_the_plan_types_the_id_and_follows_it(
    chromium: Browser, site: Site, scripts: bool
) -> None:
    version = site.lay_version("plate-7", title="Plate 07")
    context = open_context(chromium, java_script_enabled=scripts)
    page = context.new_page()
    sign_in(page, site, "root")
    page.goto(f"{site.base_url}/datasets/{version.dataset_id}")
    page.get_by_role("link", name="See what an erasure takes").click()
    expect(page.get_by_role("heading", name="What stays, and why")).to_be_visible()
    page.get_by_label("Controller").fill("Example University")
    page.get_by_label("Legal basis").fill("GDPR Art. 17(1)(b)")
    page.get_by_label("Number of the decision").fill("12/2026")
    page.get_by_label("Reason").fill("consent withdrawn")
    page.get_by_label("Type the dataset's id").fill("Plate 07")
    page.get_by_role("button", name="Erase for good").click()
    expect(page.get_by_text("Nothing was decided.")).to_be_visible()
    expect(page.get_by_label("Controller")).to_have_value("Example University")

    page.get_by_label("Type the dataset's id").fill(version.dataset_id)
    page.get_by_role("button", name="Erase for good").click()

    expect(page.get_by_text("The decision is on record.")).to_be_visible()
    expect(page.get_by_text("under way")).to_be_visible()
    with site.catalogue.begin() as tx:
        erasure = tx.erasures.of(version.dataset_id)
    assert erasure is not None
    assert (erasure.person, erasure.order.decision) == ("root", "12/2026")
    if scripts:
        site.end_erasure(version)
        expect(page.locator("#live .removal-incomplete")).to_be_visible(timeout=20_000)
    context.close()


def test_the_first_administrator_sets_the_site_up_and_is_in(chromium: Browser, site: Site) -> None:
    with site.catalogue.begin() as tx:
        root = tx.accounts.find("root")
        assert root is not None
        tx.accounts.save(root.model_copy(update={"grants": ()}))
    path = issue_setup_link(catalogue=site.catalogue, clock=site.clock, passwords=site.passwords)
    context = open_context(chromium)
    page = context.new_page()
    page.goto(f"{site.base_url}{path}")
    keep_picture(page, "setup")

    page.get_by_label("Account name").fill("maja")
    page.get_by_label("Your name").fill("Maja Lind")
    page.get_by_label("Password", exact=True).fill("four words of mine")
    page.get_by_label("The same password again").fill("four words of mine")
    assert Axe().run(page).response["violations"] == []
    page.get_by_role("button", name="Create the administrator").click()

    expect(page.get_by_role("link", name="Maja Lind")).to_be_visible()
    keep_picture(page, "empty")
    context.close()


def test_the_public_reads_cites_and_downloads_without_an_account(chromium: Browser, site: Site) -> None:
    version = site.lay_published("plate-7", title="Plate 07")
    context = open_context(chromium, permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(f"{site.base_url}/{site.dataset(version).pid}")

    page.get_by_role("region", name="Cite as").get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert "Ada Holm" in page.evaluate("navigator.clipboard.readText()")
    with page.expect_download() as download:
        page.get_by_role("link", name="data/0/A1_0_0_BF.tiff").click()

    assert download.value.suggested_filename == "A1_0_0_BF.tiff"
    context.close()


@pytest.mark.parametrize("limit_bytes", [64 * 1024 * 1024, 1], ids=["whole", "streamed"])
def test_a_folder_is_verified_in_the_browser_and_only_digests_are_sent(
    chromium: Browser, site: Site, tmp_path: Path, limit_bytes: int
) -> None:
    version = site.lay_version("plate-7", title="Plate 07")
    with site.catalogue.begin() as tx:
        dataset = tx.datasets.get(version.dataset_id)
        (receipt,) = tx.datasets.receipts(version.version_id)
        second = {"receipt_id": site.clock.new_id(), "store": "second"}
        tx.datasets.add_receipt(receipt.model_copy(update=second))
    manifest = load_manifest(read_staged(version, MANIFEST_PATH, dataset=dataset, store=site.store), tables=site.tables)
    mine = tmp_path / "secret-names"
    (mine / "below").mkdir(parents=True)
    archived = site.store.get(f"{dataset.object_root}/{manifest.files[0].content_path}")[0]
    (mine / "below" / "mine.tiff").write_bytes(archived)
    (mine / "new.tiff").write_bytes(archived + b"!")
    context = open_context(chromium)
    page = context.new_page()
    sign_in(page, site, "vera")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(f"{request.url} {request.post_data or ''}"))
    page.route(
        "**/static/verify.js",
        lambda route: route.fulfill(
            body=(HERE / "static" / "verify.js").read_text().replace("64 * 1024 * 1024", str(limit_bytes)),
            content_type="text/javascript",
        ),
    )
    page.goto(f"{site.base_url}/verify")

    page.get_by_label("Choose a folder").set_input_files(mine)

    expect(page.get_by_text("1 of 2 files are safe at 2 or more stores.")).to_be_visible()
    rows = page.locator("#rows tr")
    expect(rows.nth(0)).to_contain_text("not archived")
    expect(rows.nth(0)).to_contain_text("new.tiff")
    expect(rows.nth(1)).to_contain_text("safe")
    assert not any("secret-names" in one or "new.tiff" in one for one in sent)
    assert any(manifest.files[0].sha512 in one for one in sent)
    assert Axe().run(page).response["violations"] == []
    keep_picture(page, f"verify-{limit_bytes}")
    context.close()
