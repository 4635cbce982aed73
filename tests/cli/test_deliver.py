"""`cisterna deliver`, `deliveries` and `usage` on a catalogue: as lines, as one document, and as CSV."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.cli import run
from cisterna.domain.dataset import Stage, Version
from cisterna.domain.finding import Verdict
from cisterna.testing.factory import keep_version, make_account, make_receipt, make_sha512

NOWHERE = "http://127.0.0.1:1"


@pytest.fixture
def home(dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A home whose parts are all elsewhere, so that a catalogue is enough for it."""
    elsewhere = {"DATABASE__DSN": dsn, "STORE__ENDPOINT": NOWHERE, "PREFECT__API_URL": NOWHERE}
    elsewhere |= {"STORE__ACCESS_KEY_ID": "none", "STORE__SECRET_ACCESS_KEY": "none"}
    for name, value in {**elsewhere, "WEB__PUBLIC_URL": "https://c.example.org"}.items():
        monkeypatch.setenv(f"CISTERNA_{name}", value)
    return str(tmp_path)


@pytest.fixture
def version(catalogue: SqlCatalogue) -> Version:
    made = keep_version(
        catalogue,
        stage=Stage.ACCEPTED,
        verdict=Verdict.PASSED,
        metadata={"human_data": "no", "access": "open"},
        manifest_digest=make_sha512("manifest"),
        ocfl_version=1,
        file_count=3,
        total_bytes=77,
    )
    with catalogue.begin() as tx:
        tx.datasets.add_receipt(make_receipt(made))
        tx.accounts.add(make_account("vera", email="vera@example.org\x1b[2J"))
    return made


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = run(list(arguments))
    said = capsys.readouterr()
    return code, said.out, said.err


def document(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> Any:
    found, said, _ = asked(capsys, *arguments, "--json")
    assert found == code, said
    return json.loads(said)


def test_an_address_is_shown_once_and_a_dry_run_delivers_nothing(
    home: str, version: Version, capsys: pytest.CaptureFixture[str]
) -> None:
    act = ["deliver", version.version_id, "--to", "vera", "--to", "guest@example.org", "--print-link", "--home", home]

    rehearsed = document(capsys, *act, "--dry-run")
    assert document(capsys, "deliveries", "--home", home) == []
    made = document(capsys, *act)
    listed = document(capsys, "deliveries", "--uses", "--home", home)

    assert [one["address"] for one in rehearsed] == [None, None]
    assert [one["person"] or one["guest"] for one in made] == ["vera", "guest@example.org"]
    for one in made:
        assert one["address"].startswith("https://c.example.org/delivered/cistd_")
        assert one["address"].rpartition("/")[2] not in json.dumps(listed)
    code, said, _ = asked(capsys, "deliveries", "--home", home)
    assert code == 0
    assert "guest@example.org" in said


def test_one_is_revoked_by_its_id_and_listed_as_ended(
    home: str, version: Version, capsys: pytest.CaptureFixture[str]
) -> None:
    (made,) = document(capsys, "deliver", version.version_id, "--to", "vera", "--print-link", "--home", home)

    revoked = document(capsys, "deliveries", "revoke", made["delivery_id"], "--home", home)

    assert revoked["revoked_at"] is not None
    assert document(capsys, "deliveries", "--home", home) == []
    (row,) = document(capsys, "deliveries", "--ended", "--home", home)
    assert row["state"] == "revoked"
    assert document(capsys, "deliveries", "revoke", "none", "--home", home, code=1)["error"] == "not-found"


@pytest.mark.parametrize(
    ("more", "error"),
    [
        (["--to", "vera"], "invalid-input"),  # no mail server is set
        (["--to", "nobody", "--print-link"], "not-found"),
        (["--to", "vera", "--print-link", "--days", "91"], "invalid-input"),
        (["--to", "vera", "--print-link", "--copy-to", "s3://bucket/prefix"], "invalid-input"),
        (["--to", "vera", "--to", "guest@example.org", "--print-link", "--copy-to", "out"], "invalid-input"),
    ],
)
def test_what_cannot_be_delivered_says_why(
    home: str, version: Version, capsys: pytest.CaptureFixture[str], more: list[str], error: str
) -> None:
    said = document(capsys, "deliver", version.version_id, *more, "--home", home, code=1)

    assert said["error"] == error
    assert said["reason"]


def test_usage_is_told_as_lines_one_document_and_csv(
    home: str, version: Version, capsys: pytest.CaptureFixture[str]
) -> None:
    month = f"{make_receipt(version).verified_at:%Y-%m}"
    act = ["usage", "--month", month, "--home", home]

    (row,) = document(capsys, *act)["rows"]
    _, lines, _ = asked(capsys, *act)
    _, text, _ = asked(capsys, *act, "--csv")

    assert (row["project"], row["total_bytes"], row["versions_added"]) == ("cells", 77, 1)
    assert "77 B" in lines
    assert text.splitlines()[1].startswith(f"cells,{month},1,1,1,1,0,3,3,77,77,")
    assert document(capsys, "usage", "--month", "2026-13", "--home", home, code=1)["error"] == "invalid-input"
