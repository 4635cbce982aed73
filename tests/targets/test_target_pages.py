"""Where a version stands outside, on pages, for programs, and on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from cisterna.cli import run
from cisterna.domain.deposit import DepositState
from cisterna.services.deposit import carry_next
from cisterna.services.health import Condition, look_at_deposits
from cisterna.services.publish import publish_version
from cisterna.testing.memory_target import MemoryTarget
from cisterna.testing.outside_server import Fault
from tests.targets.test_deposit import ask, deposits_on, opt_in, wishes
from tests.web.application import app_on
from tests.web.client import Browser
from tests.web.site import Site

Visit = Callable[..., Browser]


@pytest.fixture
def visit(site: Site) -> Visit:
    app = app_on(replace(site.parts, targets=("memory",)))

    def opened(name: str | None = None) -> Browser:
        client = TestClient(app, base_url=site.base_url, follow_redirects=False, raise_server_exceptions=False)
        browser = Browser(client)
        if name is not None:
            browser.sign_in(name)
        return browser

    return opened


def test_a_steward_sends_a_version_from_its_page_and_sees_how_far_it_is(site: Site, visit: Visit) -> None:
    version = site.lay_published("plate-7")
    page = f"/datasets/{version.dataset_id}"
    assert "Send to another place" in visit("sten").get(page).text
    assert "Send to another place" not in visit("vera").get(page).text

    asked = visit("sten").submit(f"{page}/deposits", version_id=version.version_id, target="memory")
    target = MemoryTarget(site.clock)
    target.strike(Fault.UNREACHED)
    carry_next(target, site=deposits_on(site))

    assert asked.status_code == 303
    shown = visit("sten").get(page).text
    assert "memory is unreached" in shown
    assert "on its way" in shown
    site.clock.advance(120.0)
    carry_next(target, site=deposits_on(site))
    shown = visit("sten").get(page).text
    assert 'href="https://memory.example.org/memory-1"' in shown
    assert "Sent to memory" in shown


def test_programs_ask_and_are_refused_as_people_are(site: Site, visit: Visit) -> None:
    version = site.lay_published("plate-7")

    answers = [
        visit(name).submit(f"/datasets/{version.dataset_id}/deposits", version_id=version.version_id, target=target)
        for name, target in (("sten", "nowhere"), ("rita", "memory"), ("otto", "memory"))
    ]

    assert [one.status_code for one in answers] == [404, 403, 404]
    assert wishes(site, version) == []


def test_the_landing_page_leads_elsewhere_once_it_stands_there_and_is_cited_by_its_doi(
    site: Site, visit: Visit
) -> None:
    minter, target = MemoryTarget(site.clock, name="minter", reserves=True), MemoryTarget(site.clock)
    opt_in(site, "minter", "memory")
    version = site.decide(site.lay_version("plate-7"))
    publish_version(
        version.version_id,
        lease=None,
        catalogue=site.catalogue,
        store=site.store,
        publisher=site.portal,
        tables=site.tables,
        clock=site.clock,
        base_url=site.base_url,
        targets={"minter": minter, "memory": target},
    )
    pid = site.dataset(version).pid

    before = visit().get(f"/{pid}").text
    carry_next(target, site=deposits_on(site))
    carry_next(minter, site=deposits_on(site))
    after = visit().get(f"/{pid}").text

    assert "Also at" not in before
    assert "10.5072/minter-1" in before
    assert "https://doi.org/10.5072/minter-1</textarea>" in after
    assert 'href="https://memory.example.org/memory-1">Memory</a>: 10.5072/memory-1' in after


def test_doctor_tells_what_was_given_up_and_what_has_no_target_left(site: Site) -> None:
    version, other = site.lay_published("plate-7"), site.lay_published("plate-8")
    ask(site, version)
    ask(site, other)
    assert look_at_deposits(site.catalogue, ["memory"]).condition is Condition.OK
    with site.catalogue.begin() as tx:
        (wish,) = tx.deposits.of(version.dataset_id)
        tx.deposits.put(wish.model_copy(update={"state": DepositState.FAILED, "problem": "no room", "next_at": None}))

    told = look_at_deposits(site.catalogue, [])

    assert told.condition is Condition.WARNING
    assert told.message == f"2 need a person, such as: {version.version_id} was given up at memory: no room"


NOWHERE = "http://127.0.0.1:1"


@pytest.fixture
def home(dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    elsewhere = {"DATABASE__DSN": dsn, "STORE__ENDPOINT": NOWHERE, "PREFECT__API_URL": NOWHERE}
    keys = {f"STORE__{name}{key}": "k" for name in ("", "PUBLIC_") for key in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY")}
    for name, value in {**elsewhere, **keys, "WEB__PUBLIC_URL": NOWHERE}.items():
        monkeypatch.setenv(f"CISTERNA_{name}", value)
    (tmp_path / "mirror").mkdir()
    (tmp_path / "cisterna.toml").write_text(
        f'[[targets.static]]\nname = "mirror"\nfolder = "{tmp_path}/mirror"\nurl = "https://mirror.example.org"\n'
        '[[targets.invenio]]\nname = "zenodo"\nurl = "http://127.0.0.1:1"\ntoken = "zn-0123456789"\n'
        '[[targets.figshare]]\nname = "figshare"\nurl = "http://127.0.0.1:1/v2"\ntoken = "fs-0123456789"\n'
        '[[targets.hypha]]\nname = "hypha"\nurl = "http://127.0.0.1:1"\ntoken = "hy-0123456789"\n'
        'workspace = "imaging"\ncollection = "data"\n'
        '[[targets.scicat]]\nname = "scicat"\nurl = "http://127.0.0.1:1"\nusername = "us"\npassword = "sc-0123456789"\n'
        'pid_prefix = "20.1"\nowner = "us"\ncontact_email = "us@example.org"\nowner_group = "g"\nlocation = "/site"\n'
        f'[[targets.bia]]\nname = "bia"\nfolder = "{tmp_path}/packages"\n'
    )
    return tmp_path


def test_the_command_line_lists_and_tries_targets_and_tells_no_secret(
    home: Path, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["target", "list", "--home", str(home), "--json"]) == 0
    assert [one["target"] for one in json.loads(capsys.readouterr().out)] == [
        "mirror",
        "zenodo",
        "figshare",
        "hypha",
        "scicat",
        "bia",
    ]
    assert run(["target", "test", "mirror", "--home", str(home), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["is_usable"] is True
    assert run(["target", "test", "zenodo", "--home", str(home), "--json"]) != 0
    assert run(["target", "test", "nowhere", "--home", str(home), "--json"]) == 1
    said = capsys.readouterr()
    assert "zn-0123456789" not in said.out + said.err
    assert list((home / "mirror").iterdir()) == []


def test_a_version_is_sent_by_the_command_line_and_a_rehearsal_sends_nothing(
    home: Path, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    version = site.lay_published("plate-7")

    code = run(
        ["publish", version.version_id, "--target", "mirror", "--dry-run", "--home", str(home), "--json"],
    )

    assert code == 0
    assert json.loads(capsys.readouterr().out)["target"] == "mirror"
    assert wishes(site, version) == []
