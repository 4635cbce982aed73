"""`cisterna --help` answers at once, and what it says of each command is what the command says of itself."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer

from cisterna.cli.commands import COMMANDS, Place, app

HEAVY = (
    "alembic",
    "bioimageio",
    "boto3",
    "botocore",
    "fastapi",
    "great_expectations",
    "httpx",
    "numba",
    "numpy",
    "obstore",
    "onnxruntime",
    "openlineage",
    "pandas",
    "prefect",
    "psycopg",
    "pyarrow",
    "pydantic",
    "pydantic_settings",
    "rich",
    "sqlalchemy",
    "tifffile",
)
_ASK = (
    "import sys; from cisterna.cli import run; code = run({arguments!r}); "
    "print('LOADED', *sorted(sys.modules)); sys.exit(code)"
)


def asked(*arguments: str) -> tuple[int, str, set[str]]:
    """Ask in a process of its own; returns exit code, what was said and which packages were imported."""
    done = subprocess.run(
        [sys.executable, "-c", _ASK.format(arguments=list(arguments))],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    said, _, loaded = done.stdout.partition("LOADED")
    return done.returncode, said + done.stderr, {name.split(".")[0] for name in loaded.split()}


@pytest.mark.parametrize("arguments", [("--help",), ()], ids=["help", "nothing"])
def test_asking_for_help_imports_nothing_heavy(arguments: tuple[str, ...]) -> None:
    _, said, loaded = asked(*arguments)

    assert said
    assert loaded
    assert sorted(loaded & set(HEAVY)) == []


def test_no_command_needs_an_engine_to_explain_itself() -> None:
    script = "import sys; from cisterna.cli import run; "
    script += f"codes = [run([name, '--help']) for name in {list(COMMANDS)!r}]; "
    script += "print('LOADED', codes, *sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)

    said, _, loaded = done.stdout.partition("LOADED")
    assert said.count("Usage: cisterna ") == len(COMMANDS)
    assert str([0] * len(COMMANDS)) in loaded
    engines = {"prefect", "great_expectations", "numba", "bioimageio", "onnxruntime", "pandas"}
    assert sorted({name.split(".")[0] for name in loaded.split()} & engines) == []


@pytest.mark.parametrize(("name", "place"), COMMANDS.items(), ids=list(COMMANDS))
def test_the_list_says_of_a_command_what_it_says_of_itself(name: str, place: Place) -> None:
    group = typer.main.get_group(app)
    command = group.get_command(None, name)  # type: ignore[arg-type]

    assert command is not None
    assert command.help is not None
    assert command.help.startswith(place.summary.rstrip("."))


def test_a_slip_of_the_keys_is_answered_with_the_command_that_was_meant() -> None:
    code, said, _ = asked("reprocss")

    assert code == 2
    assert "reprocess" in said
