"""`cisterna instrument health` on a catalogue, as lines and as one document."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.cli import run
from cisterna.domain.finding import Outcome, Verdict
from cisterna.testing.factory import (
    make_acquisition,
    make_dataset,
    make_finding,
    make_instrument,
    make_project,
    make_version,
)

NOWHERE = "http://127.0.0.1:1"


@pytest.fixture
def home(dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose parts are all elsewhere, so that a catalogue is enough for it."""
    elsewhere = {"DATABASE__DSN": dsn, "STORE__ENDPOINT": NOWHERE, "PREFECT__API_URL": NOWHERE}
    keys = {"STORE__ACCESS_KEY_ID": "a", "STORE__SECRET_ACCESS_KEY": "b"}
    for name, value in {**elsewhere, **keys, "WEB__PUBLIC_URL": NOWHERE}.items():
        monkeypatch.setenv(f"CISTERNA_{name}", value)
    return tmp_path


def test_it_says_what_passed_and_what_fails(
    home: Path, catalogue: SqlCatalogue, capsys: pytest.CaptureFixture[str]
) -> None:
    acquisition = make_acquisition(project="cells")
    dataset = make_dataset(acquisition=acquisition)
    with catalogue.begin() as tx:
        tx.instruments.add(make_instrument())
        tx.projects.add(make_project())
        saved = tx.acquisitions.save(acquisition)
        tx.datasets.add(dataset)
        tx.acquisitions.save(saved.model_copy(update={"dataset_id": dataset.dataset_id}))
        version = tx.datasets.add_version(make_version(dataset, verdict=Verdict.QUARANTINED))
        tx.datasets.set_findings(version.version_id, [make_finding("focus-min", Outcome.FAILED)])
        name = acquisition.instrument

    assert run(["instrument", "health", name, "--home", str(home)]) == 0
    said = capsys.readouterr().out
    assert run(["instrument", "health", name, "--home", str(home), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert run(["instrument", "health", "no-such", "--home", str(home), "--json"]) == 1

    assert name in said
    assert "too few beginnings of runs are known to say what is usual" in said
    assert document["name"] == name
    assert json.loads(capsys.readouterr().out)["error"] == "not-found"
