"""`cisterna review` on a catalogue: what is said of data in quarantine, and giving them up."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.cli import run
from cisterna.domain.dataset import Stage, Version
from cisterna.domain.finding import Verdict
from cisterna.domain.review import Act
from cisterna.testing.factory import (
    make_acquisition,
    make_dataset,
    make_instrument,
    make_project,
    make_sha512,
    make_version,
)

NOWHERE = "http://127.0.0.1:1"
HOSTILE = "No cell is in it \x1b[2J\u202e."


@pytest.fixture
def home(dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose parts are all elsewhere, so that a catalogue is enough for it."""
    elsewhere = {"DATABASE__DSN": dsn, "STORE__ENDPOINT": NOWHERE, "PREFECT__API_URL": NOWHERE}
    keys = {
        f"STORE__{name}{key}": f"{name}{key}"
        for name in ("", "PUBLIC_")
        for key in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY")
    }
    for name, value in {**elsewhere, **keys, "WEB__PUBLIC_URL": NOWHERE}.items():
        monkeypatch.setenv(f"CISTERNA_{name}", value)
    return tmp_path


@pytest.fixture
def version(catalogue: SqlCatalogue) -> Version:
    acquisition = make_acquisition(project="cells")
    dataset = make_dataset(acquisition=acquisition)
    with catalogue.begin() as tx:
        tx.instruments.add(make_instrument())
        tx.projects.add(make_project())
        tx.acquisitions.save(acquisition)
        tx.datasets.add(dataset)
        return tx.datasets.add_version(
            make_version(
                dataset,
                stage=Stage.IN_REVIEW,
                verdict=Verdict.QUARANTINED,
                evidence_digest=make_sha512("seen"),
                ocfl_version=1,
            )
        )


def test_accepting_what_is_quarantined_says_what_that_means(
    home: Path, version: Version, capsys: pytest.CaptureFixture[str]
) -> None:
    act = ["review", "accept", version.version_id, "--reason", "The dark wells are blanks.", "--home", str(home)]

    assert run([*act, "--inside"]) == 0

    said = " ".join(capsys.readouterr().out.split())
    assert f"{version.version_id} is accepted although quarantined, for use inside alone" in said
    assert "the project's model may run on it now" in said
    assert "nothing is published on this word" in said


def test_discarding_is_rehearsed_done_once_and_refused_the_second_time(
    home: Path, version: Version, catalogue: SqlCatalogue, capsys: pytest.CaptureFixture[str]
) -> None:
    act = ["review", "discard", version.version_id, "--reason", HOSTILE, "--home", str(home)]
    assert run([*act, "--dry-run"]) == 0
    with catalogue.begin() as tx:
        assert list(tx.datasets.decisions(version.version_id)) == []
    capsys.readouterr()

    assert run([*act, "--json"]) == 0
    done = json.loads(capsys.readouterr().out)
    assert run([*act, "--json"]) == 1
    again = json.loads(capsys.readouterr().out)
    assert run(act) == 1

    assert (done["stage"], again["error"]) == ("rejected", "decision-refused")
    assert "\x1b[2J" not in capsys.readouterr().err
    with catalogue.begin() as tx:
        assert [one.act for one in tx.datasets.decisions(version.version_id)] == [Act.DISCARD]


def test_no_model_is_asked_for_on_what_is_discarded(
    home: Path, version: Version, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--home", str(home), "--json"]
    assert run(["review", "discard", version.version_id, "--reason", "empty", *where]) == 0
    capsys.readouterr()

    assert run(["reprocess", version.version_id, "--from", "gated", "--reason", "again", *where]) == 1

    assert json.loads(capsys.readouterr().out)["error"] == "quarantined"
