"""`cisterna adopt` from the keyboard: what is asked is kept, and a dry run keeps nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.share_folder import ShareFolder
from cisterna.cli import adopt, run
from cisterna.domain.adoption import AdoptionState, Order
from cisterna.testing.clock import SettableClock
from cisterna.testing.factory import make_project
from tests.adopt.share import PROFILES, Taken, lay, squid_run

Command = Callable[..., tuple[int, Any]]


@pytest.fixture
def taken(quick_path: Path, catalogue: SqlCatalogue, clock: SettableClock) -> Taken:
    (quick_path / "old nas").mkdir()
    with catalogue.begin() as tx:
        tx.projects.add(make_project("cells"))
    made = Taken(quick_path / "old nas", catalogue, clock)
    squid_run(made.top / "cells")
    lay(made.top, "odd/a.bin")
    return made


@pytest.fixture
def command(taken: Taken, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command on the catalogue of the test, as `olga`, and give its exit code and document."""
    zones = SimpleNamespace(share=ShareFolder)
    parts = SimpleNamespace(catalogue=taken.catalogue, clock=taken.clock, profiles=PROFILES, zones=zones)

    @contextmanager
    def opened(_home: Path | None) -> Iterator[Any]:
        yield parts

    monkeypatch.setattr(adopt, "opened", opened)
    monkeypatch.setattr(adopt, "local_person", lambda _parts: "olga")

    def ran(*words: str) -> tuple[int, Any]:
        code = run(["adopt", *words, "--json"])
        return code, json.loads(capsys.readouterr().out)

    return ran


def test_a_share_is_taken_in_from_the_keyboard(taken: Taken, command: Command) -> None:
    code, begun = command("scan", str(taken.top), "--files-per-second", "500", "--hours", "0:00-24:00")
    assert (code, begun["adoption"]["name"], begun["walk"]) == (0, "old-nas", None)
    taken.scan()

    code, found = command("list", "old-nas", "--kind", "run")
    assert (code, found["total"]) == (0, 1)
    assert found["finds"][0]["profile"]["value"] == "squid"
    assert "a folder on its way" in found["finds"][0]["why"]

    under = str(taken.top / "cells")
    assert command("assign", "old-nas", "--under", under, "--project", "cells", "--reason", "lab book")[1]["finds"] == 1
    assert command("register", "old-nas", "--sure", "certain")[0] == 0
    code, told = command("archive", "old-nas", "--hours", "20-6", "--bytes-per-second", "20MB/s", "--order", "smallest")
    asked = told["adoption"]["archiving"]
    assert (asked["order"], asked["bytes_per_second"], asked["hours"]["begin_minute"]) == (Order.SMALLEST, 20e6, 1200)
    assert command("pause", "old-nas")[1]["state"] == "paused"
    assert command("resume", "old-nas")[1]["state"] == "active"
    assert command("end", "old-nas")[1]["state"] == "ended"
    assert [one["name"] for one in command("list")[1]] == ["old-nas"]


@pytest.mark.parametrize(
    "words",
    [
        ("register", "old-nas"),
        ("archive", "old-nas"),
        ("assign", "old-nas", "--project", "cells", "--reason", "lab book"),
        ("pause", "old-nas"),
        ("end", "old-nas"),
        ("scan", "TOP", "--name", "another"),
    ],
    ids=lambda words: words[0],
)
def test_a_dry_run_keeps_nothing(taken: Taken, command: Command, words: tuple[str, ...]) -> None:
    command("scan", str(taken.top))
    taken.scan()
    with taken.catalogue.begin() as tx:
        before, finds = tx.adoptions.list(), taken.finds
    elsewhere = taken.top.with_name("another")
    elsewhere.mkdir()

    code, _ = command(*(str(elsewhere) if word == "TOP" else word for word in words), "--dry-run")

    assert code == 0
    with taken.catalogue.begin() as tx:
        assert (tx.adoptions.list(), taken.finds) == (before, finds)


def test_a_share_that_is_away_could_not_be_checked_and_says_why(taken: Taken, command: Command) -> None:
    command("scan", str(taken.top))
    taken.top.rename(taken.top.with_name("away"))
    taken.top.mkdir()
    taken.scan()

    code, told = command("status", "old-nas")

    assert code == 4
    assert "is not the folder that was declared" in told["reason"]
    with taken.catalogue.begin() as tx:
        assert tx.adoptions.get("old-nas").state is AdoptionState.ACTIVE


@pytest.mark.parametrize(
    "words",
    [
        ("status", "none"),
        ("scan", "/nowhere/at/all"),
        ("scan", "TOP", "--hours", "late"),
        ("scan", "TOP", "--read-limit", "08-18=4MB/s"),
        ("list", "old-nas", "--under", "/elsewhere"),
        ("assign", "old-nas", "--reason", "none"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(taken: Taken, command: Command, words: tuple[str, ...]) -> None:
    command("scan", str(taken.top))

    code, told = command(*(str(taken.top) if word == "TOP" else word for word in words))

    assert code == 1
    assert told["error"] in {"not-found", "source-unavailable", "invalid-input"}
