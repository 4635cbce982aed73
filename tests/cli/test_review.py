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


LIST = """
id = "ours"
version = "2026-12"
title = "What we look at"

[[points]]
id = "quality"
part = "Files"
text = "The gate let it pass"
judge = "gate-passed"

[[points]]
id = "looked"
part = "Files"
text = "Somebody looked"
"""


@pytest.fixture
def own(home: Path) -> Path:
    """A list of the site's own, that judges nothing which lies in the store."""
    file = home / "review-checklist.toml"
    file.write_text(LIST)
    return file


def test_the_list_that_holds_here_is_told_with_its_file(
    home: Path, version: Version, own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["review", "checklist", "--home", str(home), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    own.unlink()
    assert run(["review", "checklist", "--home", str(home), "--json"]) == 0
    ours = json.loads(capsys.readouterr().out)

    assert (told["id"], told["file"], [one["id"] for one in told["points"]]) == (
        "ours",
        str(own),
        ["quality", "looked"],
    )
    assert (ours["id"], ours["own"]) == ("repository-review", str(own))
    assert Path(ours["file"]).read_text("utf-8").startswith("# The review checklist")


@pytest.mark.usefixtures("own")
def test_a_version_is_held_against_the_list_answered_and_accepted(
    home: Path, version: Version, catalogue: SqlCatalogue, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--home", str(home), "--json"]
    act = ["review", "accept", version.version_id, "--reason", "Blanks.", *where]
    assert run(["review", "checklist", version.version_id, *where]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert {one["point"]["id"]: one["met"] for one in shown["points"]} == {"quality": False, "looked": None}

    assert run(act) == 1
    bare = json.loads(capsys.readouterr().out)
    assert run([*act, "--tick", "quality", "--tick", "looked"]) == 1
    unreasoned = json.loads(capsys.readouterr().out)
    assert run([*act, "--tick", "looked", "--overrule", "quality=dark = blanks", "--seen", "0" * 64]) == 1
    unseen = json.loads(capsys.readouterr().out)
    answered = [*act, "--tick", "looked", "--overrule", "quality=dark = blanks", "--seen", shown["seen"]]
    assert run([*answered, "--dry-run"]) == 0
    with catalogue.begin() as tx:
        assert list(tx.datasets.decisions(version.version_id)) == []
    capsys.readouterr()
    assert run([*answered, "--remark", "looked=twice"]) == 0
    done = json.loads(capsys.readouterr().out)

    assert (bare["error"], bare["points"]) == ("decision-refused", ["quality", "looked"])
    assert unreasoned["points"] == ["quality"]
    assert "not what was shown to you" in unseen["reason"]
    assert done["stage"] == "accepted"
    with catalogue.begin() as tx:
        (decision,) = tx.datasets.decisions(version.version_id)
    assert decision.checklist is not None
    assert [(one.id, one.ticked, one.remark) for one in decision.checklist.points] == [
        ("quality", True, "dark = blanks"),
        ("looked", True, "twice"),
    ]


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    "answers",
    [
        ["--overrule", "quality"],
        ["--overrule", "quality= "],
        ["--remark", "looked=a", "--remark", "looked=b"],
        ["--tick", "quality", "--overrule", "quality=so"],
        ["--tick", "no-such-point"],
        ["--remark", "looked=" + "x" * 1001],
    ],
)
def test_answers_that_are_none_are_named_and_decide_nothing(
    home: Path, version: Version, catalogue: SqlCatalogue, capsys: pytest.CaptureFixture[str], answers: list[str]
) -> None:
    act = ["review", "accept", version.version_id, "--reason", "Blanks.", "--home", str(home), "--json"]

    assert run([*act, *answers]) == 1

    assert json.loads(capsys.readouterr().out)["error"] == "invalid-input"
    with catalogue.begin() as tx:
        assert list(tx.datasets.decisions(version.version_id)) == []


def test_a_bad_list_is_named_and_accepts_nothing_and_keeps_nobody_from_rejecting(
    home: Path, version: Version, own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own.write_text(LIST.replace("gate-passed", "magic"))
    act = ["review", "accept", version.version_id, "--reason", "Blanks.", "--home", str(home), "--json"]

    assert run([*act, "--tick", "looked"]) == 1

    told = json.loads(capsys.readouterr().out)
    assert (told["error"], told["file"]) == ("settings-invalid", str(own))
    assert "point 1 (quality): there is no judgement 'magic'" in told["reason"]
    assert run(["review", "reject", version.version_id, "--reason", "Blurred.", "--home", str(home)]) == 0
