"""`cisterna metadata samples` on a catalogue: what a plate map would say is shown first, a wrong one told as such."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.cli import run
from cisterna.domain.dataset import Version
from tests.cli.test_review import home, version
from tests.metadata.described import a_full_record

__all__ = ["home", "version"]


@pytest.fixture
def described(version: Version, catalogue: SqlCatalogue) -> Version:
    sheet = {"path": "data/samples.csv", "form": "table", "rows": 96, "wells": 96, "remarks": ["H12 was not imaged"]}
    record = a_full_record().model_dump(mode="json") | {"sample_sheet": sheet}
    with catalogue.begin() as tx:
        return tx.datasets.save_version(version.model_copy(update={"metadata": record}))


def test_a_rehearsal_says_what_a_plate_map_would_say(
    home: Path, described: Version, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet = tmp_path / "plate 7.csv"
    sheet.write_text("Well,Compound,Cell line\nA1,DMSO,HeLa\nA2,X,HeLa\n")
    asked = ["metadata", "samples", described.version_id, str(sheet), "--reason", "the map", "--dry-run"]

    assert run([*asked, "--home", str(home)]) == 0
    told = capsys.readouterr().out
    assert run([*asked, "--home", str(home), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)

    assert "2 rows, 2 wells" in " ".join(told.split())
    assert "treatments: DMSO, X" in told
    assert (document["sheet"]["path"], document["problems"]) == ("metadata/sample-sheet.csv", [])


@pytest.mark.parametrize(
    ("name", "body", "words"),
    [
        ("plate.csv", b"a,b\n1,2\n", "no column is called Well"),
        ("plate.doc", b"a,b\n1,2\n", "is no kind of file"),
        ("plate.csv", None, "cannot be read"),
    ],
)
def test_a_wrong_file_is_told_and_nothing_is_asked_for(
    home: Path,
    described: Version,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    *,
    name: str,
    body: bytes | None,
    words: str,
) -> None:
    if body is not None:
        (tmp_path / name).write_bytes(body)
    asked = ["metadata", "samples", described.version_id, str(tmp_path / name), "--reason", "the map"]

    assert run([*asked, "--home", str(home), "--json"]) == 1

    assert words in json.loads(capsys.readouterr().out)["reason"]


def test_what_is_known_of_the_sheet_is_shown(
    home: Path, described: Version, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["metadata", "show", described.version_id, "--home", str(home)]) == 0

    told = capsys.readouterr().out
    assert "data/samples.csv: 96 rows, 96 wells" in told
    assert "H12 was not imaged" in told
