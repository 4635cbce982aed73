"""`cisterna quality` on a facility whose gate is the real one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.gx_gate import GxGate
from cisterna.adapters.shared_data import shared_folder
from cisterna.bootstrap.home import Home
from cisterna.cli import quality as command
from cisterna.cli import run
from cisterna.settings import Settings
from cisterna.testing.clock import SettableClock
from tests.quality.judged import Judged
from tests.quality.test_suite_file import RULE

STRICT = {**RULE, "kwargs": {"column": "bad_share", "max_value": 0.125}, "severity": "warning"}


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """The facility's own folder of suites, with one in force."""
    folder = tmp_path / "home" / "expectations"
    (folder / "cells").mkdir(parents=True)
    write(folder / "cells" / "default.json", STRICT)
    return folder


@pytest.fixture
def judged(
    catalogue: SqlCatalogue, clock: SettableClock, own: Path, gate: GxGate, monkeypatch: pytest.MonkeyPatch
) -> Judged:
    """A facility with 24 datasets, and commands that find it."""
    made = Judged(catalogue, clock)
    made.add_many(24)
    home = Home(own.parent)
    parts = SimpleNamespace(
        catalogue=catalogue,
        archive_store=made.store,
        clock=clock,
        settings=Settings(home=home.folder),
        home=home,
        suite_desk=GxGate(gate.socket, expectations=[own, shared_folder("expectations")]),
    )

    @contextmanager
    def opened(_home: Path | None) -> Iterator[Any]:
        yield parts

    monkeypatch.setattr(command, "opened", opened)
    return made


def write(file: Path, *rules: dict[str, Any]) -> Path:
    file.write_text(json.dumps({"suite": "cells/default", "expectations": list(rules)}), "utf-8")
    return file


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    code = run(["quality", *arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_a_proposal_is_written_beside_the_suite_in_force_and_never_over_anything(
    judged: Judged, own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    in_force = (own / "cells" / "default.json").read_bytes()
    file = own / "cells" / "proposed.json"

    code, dry = asked(capsys, "init", "cells", "--dry-run")
    assert (code, dry["dry_run"], file.exists()) == (0, True, False)
    code, made = asked(capsys, "init", "cells")
    assert (code, made["file"], made["datasets"]) == (0, str(file), 24)
    assert json.loads(file.read_text("utf-8")) == made["suite"] == dry["suite"]
    written = file.read_bytes()
    for again in (["init", "cells"], ["init", "cells", "--dry-run"]):
        code, refused = asked(capsys, *again)
        assert (code, refused["error"]) == (1, "already-exists")
        assert "not overwritten" in refused["reason"]

    assert file.read_bytes() == written
    assert (own / "cells" / "default.json").read_bytes() == in_force
    assert run(["quality", "try", str(file)]) == 0
    assert "0 of 24 verdicts would be others" in capsys.readouterr().out


def test_a_trial_answers_with_a_table_counts_and_a_code(
    judged: Judged, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = write(tmp_path / "mine.json", STRICT)

    code, found = asked(capsys, "try", str(suite), "--on", "last:10")
    assert code == 3
    assert found["counts"] == {"passed -> passed": 6, "passed -> review": 4}
    assert found["reason"].startswith("4 of 10 verdicts would be others")
    assert run(["quality", "try", str(suite), "--on", "last:10"]) == 3
    said = capsys.readouterr().out
    assert "passed -> review: 4" in said
    assert "Images out of focus: 14 %" in said


def test_a_trial_of_nothing_says_that_it_could_not_look(
    judged: Judged, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = tmp_path / "other.json"
    suite.write_text(json.dumps({"suite": "nothing/default", "expectations": [STRICT]}), "utf-8")

    code, found = asked(capsys, "try", str(suite))

    assert code == 4
    assert found["reason"] == "no dataset could be tried (0 summaries could not be read)"


def test_a_bad_suite_is_refused_with_its_line(
    judged: Judged, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = tmp_path / "bad.json"
    suite.write_text('{\n"suite": "cells/default",\n"expectations": [,]\n}', "utf-8")

    code, found = asked(capsys, "try", str(suite))

    assert (code, found["error"]) == (1, "invalid-input")
    assert "line 3" in found["reason"]


def test_suites_in_force_are_listed_the_facility_s_own_before_ours(
    judged: Judged, own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, rows = asked(capsys, "list")
    by_type = {row["data_type"]: row for row in rows}
    assert code == 0
    assert (by_type["cells"]["own"], by_type["cells"]["rules"]) == (True, 1)
    assert by_type["microscopy"]["own"] is False

    (own / "microscopy").mkdir()
    (own / "microscopy" / "default.json").write_text("{", "utf-8")
    code, rows = asked(capsys, "list")
    assert code == 1
    assert "not JSON" in next(row["reason"] for row in rows if row["data_type"] == "microscopy")


def test_only_what_would_differ_is_judged_anew_and_a_dry_run_asks_for_nothing(
    judged: Judged, capsys: pytest.CaptureFixture[str]
) -> None:
    act = ["regate", "--data-type", "cells", "--on", "last:10", "--reason", "stricter"]
    code, dry = asked(capsys, *act, "--dry-run")
    assert (code, len(dry["versions"])) == (0, 4)
    code, found = asked(capsys, *act)

    assert code == 0
    assert {one["differs"] for one in found["versions"]} == {"passed -> review: focus-lost"}
    assert all(one["revision"].endswith(":v1.1") for one in found["versions"])
    code, again = asked(capsys, *act)
    assert code == 1
    assert all("on its way" in one["reason"] for one in again["versions"])


def test_what_a_trial_could_not_see_is_said_when_datasets_are_judged_anew(
    judged: Judged, own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = {"suite": "cells/default", "limits": {"focus_min": 0.1}, "expectations": [STRICT]}
    (own / "cells" / "default.json").write_text(json.dumps(suite), "utf-8")
    broken = judged.add("broken", day=90, body=b"{}")

    code, found = asked(capsys, "regate", "--data-type", "cells", "--reason", "limits of 2026", "--dry-run")

    assert code == 0
    assert "regate --all" in found["notes"][0]
    assert found["notes"][1].startswith(f"{broken.version_id}: the summary of")


def test_a_suite_that_cannot_be_read_or_a_place_that_cannot_be_written_is_named(
    judged: Judged, own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    large = tmp_path / "large.json"
    large.write_bytes(b" " * 3_000_000)
    (own / "cells" / "default.json").unlink()
    (own / "cells").rmdir()
    (own / "cells").write_text("")

    assert asked(capsys, "try", str(large))[1]["error"] == "invalid-input"
    code, refused = asked(capsys, "init", "cells")
    assert (code, refused["error"]) == (1, "invalid-input")
    assert "cannot be written" in refused["reason"]


def test_a_named_version_is_judged_anew(judged: Judged, capsys: pytest.CaptureFixture[str]) -> None:
    with judged.catalogue.begin() as tx:
        version = tx.datasets.list_versions(limit=1)[0]

    code, found = asked(capsys, "regate", version.version_id, "--reason", "look again")

    assert code == 0
    assert found["versions"][0]["revision"] == f"{version.dataset_id}:v1.1"
    assert run(["quality", "regate", "--reason", "of what?"]) == 1
