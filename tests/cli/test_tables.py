"""What people read stays readable in a narrow terminal: no id is broken, and no name is a command to the terminal."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from cisterna.cli.answer import pairs, table, writing_words
from cisterna.cli.dataset import COLUMNS
from cisterna.domain.writing import Forecast
from cisterna.services.overview import Overview
from cisterna.testing.clock import START

ID = "ds-2nmj4em1gxaa3vfag1c7kmd755"
REASON = (
    "1 of 16 checks failed: the median focus is 0.8 and at least 3.2 is expected, in quality/metrics.parquet and "
    "s3://cisterna-archive/b44/2dc/bc0/b442dcbc0b4caefdbc683280b809a75644f323359d0035f32b0b124b4c98c16e"
)
ROW: dict[str, Any] = {
    "identifier": ID,
    "version": "v12.3",
    "state": "complete",
    "stage": "in-review",
    "verdict": "quarantined",
    "told": f"plate 7: {REASON}",
}


def printed(show: Any, *, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    show(console)
    out = console.file
    assert isinstance(out, io.StringIO)
    return out.getvalue().splitlines()


@pytest.mark.parametrize("width", [40, 80, 120])
def test_ids_and_addresses_are_never_broken(width: int) -> None:
    lines = printed(table([ROW, ROW], COLUMNS, told={"told": ""}, empty=""), width=width)

    assert sum(ID in line for line in lines) == 2
    assert sum("s3://cisterna-archive/b44/2dc/bc0/" in line and line.endswith("4c98c16e") for line in lines) == 2
    words = " ".join(lines).split()
    assert words.count("quarantined") == 2
    assert words.count("focus") == 2


@pytest.mark.parametrize("width", [80, 120])
def test_a_row_of_the_list_takes_one_line_and_its_reason_the_next(width: int) -> None:
    lines = printed(table([ROW], COLUMNS, told={"told": ""}, empty=""), width=width)

    assert lines[0].split() == ["id", "version", "state", "stage", "verdict"]
    assert lines[1].split() == [ID, "v12.3", "complete", "in-review", "quarantined"]
    assert lines[2].startswith("  plate 7: ")
    assert all(len(line) <= width for line in lines if "s3://" not in line)


def test_a_name_from_outside_cannot_command_the_terminal() -> None:
    evil = {**ROW, "told": "plate\x1b]0;owned\x07 \x9b31m\u202etxt.exe [bold]loud[/bold]\r\nid"}

    shown = "\n".join(printed(table([evil], COLUMNS, told={"told": ""}, empty=""), width=200))

    assert not {"\x1b", "\x07", "\x9b", "\u202e", "\r"} & set(shown)
    assert "[bold]loud[/bold]" in shown


def test_a_thing_is_told_field_by_field() -> None:
    digest = "b" * 128

    lines = printed(pairs({"dataset_id": ID, "digest": digest, "empty": None, "reason": REASON, "ok": False}), width=80)

    assert lines[0] == f"dataset id  {ID}"
    assert lines[1] == f"digest      {digest}"
    assert not any(line.startswith("empty") for line in lines)
    assert lines[-1].split() == ["ok", "no"]


def test_nothing_is_said_in_words() -> None:
    assert printed(table([], COLUMNS, empty="Nothing waits."), width=80) == ["Nothing waits."]


def test_a_run_that_is_written_is_told_with_its_pace_its_end_and_what_is_read_ahead() -> None:
    told = Forecast(
        at=START, files=1200, expected_files=4800, files_per_hour=360.0, bytes_per_hour=2e9, words="about 14:20 UTC"
    )
    row = Overview(
        title="run", reason="written", changed_at=START, writing=told, ahead_files=1000, ahead_bytes=5_000_000_000
    )

    assert writing_words(row) == (
        "1,200 of 4,800 files, 360 files and 2.0 GB an hour; expected end: about 14:20 UTC; "
        "1,000 files, 5.0 GB, are read ahead"
    )
    without_plan = row.model_copy(
        update={"writing": told.model_copy(update={"expected_files": None}), "ahead_files": 0}
    )
    assert writing_words(without_plan) == "1,200 files, 360 files and 2.0 GB an hour; expected end: about 14:20 UTC"
    assert writing_words(row.model_copy(update={"writing": None})) is None
