"""What is tracked runs anywhere: no address of a registry, no path of a machine, and nothing too long to read."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
MOST_LINES = 600
_REGISTRY = re.compile(
    r"https?://[\w.:@/-]*(?:pypi\.org/simple|files\.pythonhosted|registry\.npmjs|registry\.yarnpkg|artifactory|nexus|"
    r"/simple/?\b|\bproxy\b)[\w./-]*|^\s*(?:--extra)?-?-?index-url|--find-links|--trusted-host",
    re.MULTILINE,
)
_MACHINE = re.compile(r"(?<![\w.])/(?:work|root|home/\w+|Users/\w+)/[\w.]")
_LOCKS = {"requirements.lock", "servers-hypha.lock", "validators-crate.lock", "validators-ocfl.lock"}
_LONG = {*_LOCKS, "package-lock.json", "openapi.json", "settings.schema.json", "cli.md"}
"""Written by programs."""
_PICTURES = {".png", ".jpg", ".npy", ".onnx", ".ico", ".woff2"}


def tracked() -> list[Path]:
    """Give the files that git knows, in a checkout that git knows."""
    done = subprocess.run(
        ["git", "ls-files", "-z"], cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=30
    )
    if done.returncode != 0:
        pytest.skip("NOT A GIT CHECKOUT: tracked files are not looked at here")
    found = [CHECKOUT / name for name in done.stdout.split("\0") if name]
    return [file for file in found if file.is_file() and file.suffix not in _PICTURES and file != Path(__file__)]


def told(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{file.relative_to(CHECKOUT)}: {match.group()}"
        for file in tracked()
        for match in pattern.finditer(file.read_text("utf-8", errors="replace"))
    ]


def test_no_tracked_file_names_a_registry() -> None:
    assert told(_REGISTRY) == []


def test_no_tracked_file_names_a_path_of_some_machine() -> None:
    assert told(_MACHINE) == []


def test_no_file_is_too_long_to_read() -> None:
    long = {
        str(file.relative_to(CHECKOUT)): count
        for file in tracked()
        if file.name not in _LONG
        if (count := len(file.read_text("utf-8", errors="replace").splitlines())) > MOST_LINES
    }

    assert long == {}


@pytest.mark.parametrize("name", sorted(_LOCKS))
def test_a_lock_has_a_version_and_hashes_for_everything_and_names_no_index(name: str) -> None:
    text = (CHECKOUT / name).read_text("utf-8").replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]

    assert len(lines) > 10
    assert [
        line for line in lines if not re.match(r"[a-zA-Z0-9][\w.\[\],-]*==[^\s;]+(\s*;[^#]*?)?\s+--hash=sha256:", line)
    ] == []
    assert [line for line in lines if "://" in line] == []


def test_what_is_locked_is_what_is_asked_for() -> None:
    import tomllib

    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    wanted += project["project"]["optional-dependencies"]["demo"]
    locked = {
        line.split("==")[0].split("[")[0].lower().replace("_", "-").replace(".", "-")
        for line in (CHECKOUT / "requirements.lock").read_text("utf-8").splitlines()
        if "==" in line
    }

    names = {re.split(r"[\[<>=!; ]", one)[0].lower().replace("_", "-").replace(".", "-") for one in wanted}
    assert names - locked == set()
