"""People see what is in each well, and give a plate map where they may; what it says is text and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from typing import Any

from httpx import Response

from cisterna.adapters.table_parquet import ParquetTables
from cisterna.domain.dataset import Version
from cisterna.domain.project import Access, HumanData
from cisterna.domain.work import WorkKind
from cisterna.metadata.samples_table import SAMPLES_PATH, samples_columns
from cisterna.metadata.sheet_grid import read_grids
from cisterna.metadata.sheet_text import read_text_grid
from cisterna.services.api_token import issue_token
from cisterna.web.samples_view import table_of_wells
from tests.web.client import Browser
from tests.web.site import Site
from tests.web.test_dataset_page import HOSTILE

Visit = Callable[..., Browser]

SHEET = b"Well,Cell line,Compound,Dose (uM),Time,Compound 2,Passage\nA1,HeLa,DMSO,5,24 h,X,7\nB1,HeLa,DMSO,0,24 h,,7\n"


def columns_of(body: bytes) -> dict[str, list[object]]:
    return samples_columns(read_grids([read_text_grid(body, "x.csv")], "x.csv"))


def lay(site: Site, columns: Mapping[str, list[object]], **more: Any) -> Version:
    rows = len(columns["well"])
    facts = {
        "path": "data/samples.csv",
        "form": "table",
        "rows": rows,
        "wells": rows,
        "remarks": ["wells: <b>none</b>"],
    }
    table = ParquetTables().dump(columns)
    return site.lay_version("plate-7", quality={SAMPLES_PATH: table}, said={"sample_sheet": facts}, **more)


def upload(browser: Browser, version: Version, body: bytes, name: str = "plate.csv", **fields: str) -> Response:
    told = {"csrf": browser.csrf(), "version_id": version.version_id, "reason": "the plate map", **fields}
    return browser.client.post(f"/datasets/{version.dataset_id}/samples", data=told, files={"sheet": (name, body)})


def token(site: Site, name: str) -> dict[str, str]:
    with site.catalogue.begin() as tx:
        account = tx.accounts.find(name)
    assert account is not None
    secret, _ = issue_token(
        name, label="test", by=account, catalogue=site.catalogue, clock=site.clock, passwords=site.passwords
    )
    return {"authorization": f"Bearer {secret}"}


def test_a_treatment_stands_with_dose_and_time_in_one_cell_and_empty_columns_are_left_out() -> None:
    told = table_of_wells(columns_of(SHEET), more=0)

    assert told.headers == ["Well", "Cell line", "Treatment", "Passage"]
    assert told.rows[0] == ["A1", "HeLa", "DMSO 5 uM 24 h, X", "7"]


def test_the_page_shows_what_is_in_each_well_as_text(site: Site, visit: Visit) -> None:
    hostile = {name: [HOSTILE] * len(cells) for name, cells in columns_of(SHEET).items() if name == "treatment"}
    version = lay(site, {**columns_of(SHEET), **hostile})

    page = visit("vera").get(f"/datasets/{version.dataset_id}").text

    assert "Wells and samples" in page
    assert "HeLa" in page
    assert escape(HOSTILE) in page.replace("&#34;", "&quot;").replace("&#39;", "&#x27;")
    assert HOSTILE not in page
    assert "wells: &lt;b&gt;none&lt;/b&gt;" in page
    assert "Give a plate map" not in page


def test_of_very_many_wells_the_first_are_shown(site: Site, visit: Visit) -> None:
    rows = b"".join(b"well %d,S%d,DMSO\n" % (number, number) for number in range(500))
    version = lay(site, columns_of(b"Passage,Sample,Compound\n" + rows))

    page = visit("vera").get(f"/datasets/{version.dataset_id}").text

    assert "S399" in page
    assert "S400" not in page
    assert "100 more rows are in metadata/samples.parquet" in page


def test_a_researcher_gives_a_plate_map_and_a_revision_is_asked_for(site: Site, visit: Visit) -> None:
    version = site.lay_version("plate-7")
    rita = visit("rita")

    assert "Give a plate map" in rita.get(f"/datasets/{version.dataset_id}").text
    answer = upload(rita, version, SHEET)

    assert (answer.status_code, answer.headers["location"].partition("?")[2]) == (
        303,
        "version=v1.1&flash=reprocessing",
    )
    with site.catalogue.begin() as tx:
        opened = tx.datasets.versions(version.dataset_id)[-1]
        dataset = tx.datasets.get(version.dataset_id)
        (work,) = tx.inbox.list(subject=opened.version_id)
    kept = opened.staged["metadata/sample-sheet.csv"]
    assert work.kind is WorkKind.REPROCESS
    assert site.store.get(f"{dataset.object_root}/{kept.content_path}")[0] == SHEET


def test_nothing_else_opens_a_revision(site: Site, visit: Visit) -> None:
    version = site.lay_version("plate-7")
    rita, flood = visit("rita"), b"Well,X\n" + b"x" * 1024 * 1024

    answers = [
        upload(rita, version, b"nothing of the kind"),
        upload(rita, version, SHEET, csrf="wrong"),
        upload(visit("vera"), version, SHEET),
        upload(visit("otto"), version, SHEET),
        upload(rita, version, flood),
    ]

    assert [one.status_code for one in answers] == [422, 403, 403, 404, 413]
    assert "no column is called Well" in answers[0].text
    with site.catalogue.begin() as tx:
        assert len(tx.datasets.versions(version.dataset_id)) == 1


def test_programs_look_first_and_then_give(site: Site, visit: Visit) -> None:
    version = site.lay_version("plate-7")
    client, headers = visit().client, token(site, "rita")
    address = f"/api/v1/versions/{version.version_id}/samples"

    seen = client.post(f"{address}/look", headers=headers, files={"sheet": ("plate.csv", SHEET)}).json()
    given = client.post(address, headers=headers, files={"sheet": ("plate.csv", SHEET)}, data={"reason": "the map"})

    assert [one["label"] for one in seen["samples"]["treatments"]] == ["DMSO", "X"]
    assert (seen["sheet"]["rows"], seen["problems"]) == (2, [])
    assert (given.status_code, given.json()["version"]["version_id"]) == (202, f"{version.version_id}.1")


def test_what_the_samples_of_restricted_data_are_stays_inside(site: Site, visit: Visit) -> None:
    version = lay(site, columns_of(SHEET), access=Access.RESTRICTED, human=HumanData.YES, project="patients")

    stranger = visit("otto").get(f"/datasets/{version.dataset_id}")
    guest = visit().get(f"/datasets/{version.dataset_id}")

    assert stranger.status_code == 404
    assert "HeLa" not in stranger.text + guest.text
