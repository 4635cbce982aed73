"""Every command gives one JSON document on stdout, whatever happens, a code that means something, and a reason."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from cisterna.cli import run
from cisterna.testing.virtual_squid import Fault, VirtualSquid

Ask = Callable[..., tuple[int, Any]]

NEEDS_A_STACK = (
    "doctor",
    "ingest . --profile squid",
    "ingest . --profile squid --dry-run",
    "list",
    "show ds-x",
    "check",
    "check ds-x",
    "restore ds-x --to there",
    "lineage ds-x",
    "lineage ds-x --format openlineage",
    "metadata show ds-x",
    "metadata score ds-x",
    "metadata set ds-x licence=CC0-1.0 --reason why",
    "publish ds-x",
    "withdraw ds-x --reason why",
    "reprocess ds-x --reason why",
    "review list",
    "review accept ds-x --reason why",
    "alerts test room",
    "review reject ds-x --reason why",
    "review discard ds-x --reason why",
    "review request-changes ds-x --reason why",
    "review assign ds-x --to somebody --reason why",
    "instrument add squid-1 --profile squid --path .",
    "instrument add sequencer --profile folder --path s3://runs/novaseq",
    "instrument list",
    "instrument sentinel squid-1",
    "instrument set squid-1 --set quiet_seconds=5 --reason why",
    "instrument accept-change squid-1 --reason why",
    "project add study --title Study",
    "project set study --language en",
    "project list",
    "project bind study --path /data",
    "store provision",
    "store provision --dry-run",
    "store policy archive",
    "config env",
)
SLIPS = (
    "no-such-command",
    "ingest",
    "ingest . ",
    "list --no-such-option",
    "show",
    "withdraw ds-x",
    "review accept ds-x",
    "review",
    "reprocess ds-x --reason why --from nowhere",
    "lineage ds-x --format xml",
    "ingest . --profile squid --wait-seconds soon",
)


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Ask:
    """Run a command in an empty folder, with a home that is not there; give exit code and document."""
    monkeypatch.chdir(tmp_path)
    for name in ("CISTERNA_HOME", "CISTERNA_OCFL_PY", "CISTERNA_ROCRATE_VALIDATOR", "CISTERNA_SPECS"):
        monkeypatch.delenv(name, raising=False)

    def asked(arguments: str | Sequence[str]) -> tuple[int, Any]:
        capfd.readouterr()
        words = arguments.split() if isinstance(arguments, str) else list(arguments)
        code = run([*words, "--json"])
        out = capfd.readouterr().out
        assert out.endswith("\n")
        return code, json.loads(out)

    return asked


@pytest.mark.parametrize("arguments", NEEDS_A_STACK)
def test_where_nothing_runs_a_command_says_so_and_makes_nothing(ask: Ask, tmp_path: Path, arguments: str) -> None:
    code, document = ask(arguments)

    assert code == 5
    assert "cisterna up" in json.dumps(document)
    assert document["reason"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", SLIPS)
def test_a_slip_in_the_arguments_is_usage(ask: Ask, tmp_path: Path, arguments: str) -> None:
    code, document = ask(arguments)

    assert (code, document["error"]) == (2, "usage")
    assert document["reason"]
    assert list(tmp_path.iterdir()) == []


def test_what_goes_together_is_said(ask: Ask) -> None:
    code, document = ask("up --exit-when-done")

    assert code == 1
    assert "--demo" in document["reason"]


def test_settings_and_their_schema_are_shown_without_secrets(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CISTERNA_STORE__SECRET_ACCESS_KEY", "very-secret")

    shown, schema = ask("config show"), ask("config schema")

    assert shown[0] == schema[0] == 0
    assert shown[1]["web"]["host"] == "127.0.0.1"
    assert "very-secret" not in json.dumps(shown[1])
    assert schema[1]["properties"]


def test_a_settings_file_that_is_wrong_is_named_with_its_line(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / ".cisterna").mkdir()
    (tmp_path / ".cisterna" / "cisterna.toml").write_text("[web]\nport = 'many'\n[wbe]\nport = 1\n")

    code, document = ask("config show")

    assert code == 1
    assert "cisterna.toml" in document["reason"]
    assert "web.port" in document["reason"]
    assert "wbe" in document["reason"]


@pytest.mark.parametrize(
    ("fault", "code", "state"),
    [(Fault.NONE, 0, "complete"), (Fault.ABORT, 3, "aborted"), (Fault.MISSING, 3, "partial")],
)
def test_a_folder_is_explained_without_a_stack(ask: Ask, tmp_path: Path, fault: Fault, code: int, state: str) -> None:
    folder = VirtualSquid(wells=("A1",), fault=fault, run_json=tmp_path / "run.json").write(tmp_path / "zone")

    told, document = ask(
        ["instrument", "check", str(folder), "--profile", "squid", "--set", f"run_json={tmp_path}/run.json"]
    )

    assert told == code, document
    assert document["when_quiet"]["state"] == state
    assert document["reason"]
    assert not (tmp_path / ".cisterna").exists()


def test_a_folder_that_nobody_claims_is_explained(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()

    code, document = ask("instrument check letters")

    assert (code, document["error"]) == (1, "unclaimed-folder")
    assert "squid" in document["reason"]


def test_a_home_that_is_a_file_is_no_home(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / ".cisterna").write_text("")

    listed, started = ask("list"), ask("up")

    assert listed[0] == 5
    assert (started[0], ".cisterna" in started[1]["reason"]) == (1, True)


def test_an_error_that_nobody_foresaw_is_still_one_document(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ZeroDivisionError("by nought")

    monkeypatch.setattr("cisterna.cli.config.load_settings", lambda **_: fail())

    code, document = ask("config show")

    assert (code, document["error"]) == (1, "unexpected")
    assert "by nought" in document["reason"]
