"""`cisterna alerts` on a catalogue: what stands, as lines and as one document, and a word that somebody knows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.cli import run
from cisterna.domain.alert import Alert, Place
from cisterna.services.alert import raise_alert
from cisterna.testing.clock import SettableClock
from cisterna.testing.factory import make_acquisition, make_alert, make_instrument, make_project

NOWHERE = "http://127.0.0.1:1"


@pytest.fixture
def home(dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose parts are all elsewhere, so that a catalogue is enough for it."""
    elsewhere = {"DATABASE__DSN": dsn, "STORE__ENDPOINT": NOWHERE, "PREFECT__API_URL": NOWHERE}
    for name, value in {**elsewhere, "WEB__PUBLIC_URL": NOWHERE}.items():
        monkeypatch.setenv(f"CISTERNA_{name}", value)
    return tmp_path


@pytest.fixture
def alert(catalogue: SqlCatalogue, clock: SettableClock) -> Alert:
    place = Place.of("0/B3_0_0_DAPI.tiff", region="B3\x1b[2J", field="0", channel="DAPI", t=0)
    with catalogue.begin() as tx:
        tx.instruments.add(make_instrument())
        tx.projects.add(make_project())
        acquisition = tx.acquisitions.save(make_acquisition(project="cells"))
        made = make_alert(place=place, places=(place,), words=f"The first dark image: {place.words}\x1b[2J")
        return raise_alert(tx, made, acquisition, clock=clock)


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = run(list(arguments))
    return code, capsys.readouterr().out


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    code, said = asked(capsys, *arguments, "--json")
    assert code == 0, said
    return json.loads(said)


def test_what_stands_is_listed_in_lines_and_as_one_document(
    home: Path, alert: Alert, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = asked(capsys, "alerts", "--home", str(home))
    assert code == 0
    assert alert.alert_id in said
    assert "\x1b[2J" not in said

    (row,) = document(capsys, "alerts", "--home", str(home))
    assert (row["alert_id"], row["kind"], row["known"]) == (alert.alert_id, "dark", None)


def test_a_word_that_somebody_knows_is_kept_and_a_dry_run_keeps_nothing(
    home: Path, alert: Alert, capsys: pytest.CaptureFixture[str]
) -> None:
    act = ["alerts", "acknowledge", alert.alert_id, "--reason", "on it", "--home", str(home)]
    assert document(capsys, *act, "--dry-run")["dry_run"] is True
    (row,) = document(capsys, "alerts", "--home", str(home))
    assert row["known"] is None

    done = document(capsys, *act)

    assert done["acknowledged"]["reason"] == "on it"
    (row,) = document(capsys, "alerts", "--home", str(home))
    assert row["known"].endswith(": on it")
    assert run([*act, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["error"] == "conflict"


def test_what_does_not_exist_is_said_so(home: Path, alert: Alert, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["alerts", "acknowledge", f"{alert.alert_id}x", "--reason", "r", "--home", str(home), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["error"] == "not-found"


def test_where_nothing_stands_there_is_an_empty_list(
    home: Path, catalogue: SqlCatalogue, capsys: pytest.CaptureFixture[str]
) -> None:
    assert document(capsys, "alerts", "--home", str(home)) == []
