"""What the documentation says is there, is there: pages, links, commands, settings, events, codes and tests."""

from __future__ import annotations

import ast
import importlib.util
import re
import shlex
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer

from cisterna.cli.answer import ExitCode
from cisterna.cli.commands import app
from cisterna.domain.errors import SettingsInvalid
from cisterna.domain.event import EVENT_NAMES
from cisterna.settings import Settings, load_settings

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "deployments" / "README.md"])
GENERATED = {"cli.md", "settings.md", "errors.md", "http-api.md"}
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_COMMAND = re.compile(r"(?:^|\$\s|\$\(|/bin/)cisterna\s+(?P<rest>.*)$")


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


@cache
def builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_reference", ROOT / "tools" / "build_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def tree() -> Any:
    """Give the command that all others are below; making it takes a twentieth of a second."""
    return typer.main.get_command(app)


@cache
def below(command: Any) -> dict[str, Any]:
    found: dict[str, Any] = builder().children(command)
    return found


@cache
def generated() -> dict[str, str]:
    pages: dict[str, str] = builder().pages()
    return pages


def blocks(page: Path, *languages: str) -> list[str]:
    return [body for language, body in _FENCE.findall(page.read_text("utf-8")) if language in languages]


def prose(page: Path) -> str:
    return _FENCE.sub("", page.read_text("utf-8"))


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(page: Path) -> Iterator[str]:
    """Yield what follows `cisterna` in every command that the page shows, in code blocks and in running text."""
    for block in blocks(page, "console", "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            for part in re.split(r"(?<=\()(?=cisterna )|\s[|&;]+\s", line.removeprefix("$ ")):
                found = re.search(r"(?:^|\$\(|/bin/)cisterna\s+(.*)$", part)
                if found:
                    yield re.split(r"\)|\s#", found[1])[0]
    yield from re.findall(r"`cisterna\s+([^`]+)`", prose(page).replace("\n", " "))


def resolve(words: str) -> tuple[Any, list[str]]:
    """Walk the tree of commands; return where it ends and the words that are left."""
    here, left = tree(), shlex.split(words.replace("...", ""))
    while left and not left[0].startswith("-") and (named_here := below(here)):
        assert left[0] in named_here, f"there is no command `cisterna {words}`"
        here = named_here[left.pop(0)]
    return here, left


@pytest.mark.parametrize(
    "name", ["cli.md", "settings.md", "settings.schema.json", "errors.md", "http-api.md", "openapi.json"]
)
def test_the_generated_reference_is_what_the_code_says(name: str) -> None:
    written = (DOCS / "reference" / name).read_text("utf-8")

    assert written == generated()[name], "run `python tools/build_reference.py`"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in _LINK.findall(prose(page)):
        if link.startswith(("https://", "http://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{named(page)} links to {link}"
        if anchor:
            assert anchor in anchors(target), f"{named(page)} links to {link}"


def test_every_page_is_reached_from_the_index() -> None:
    index = DOCS / "index.md"
    linked = {(index.parent / link.partition("#")[0]).resolve() for link in _LINK.findall(index.read_text("utf-8"))}

    assert {page for page in DOCS.rglob("*.md") if page != index} <= linked


@pytest.mark.parametrize("page", [page for page in PAGES if page.name not in GENERATED], ids=named)
def test_every_command_shown_exists_with_its_options(page: Path) -> None:
    for words in commands(page):
        command, left = resolve(words)
        options = {option for one in command.params for option in one.opts if option.startswith("--")} | {"--help"}
        used = {word.partition("=")[0] for word in left if word.startswith("--")}
        assert used <= options, f"{named(page)}: `cisterna {words}` has no {', '.join(sorted(used - options))}"


@pytest.mark.parametrize(
    "page", sorted((DOCS / "tutorials").glob("*.md")) + sorted((DOCS / "how-to").glob("*.md")), ids=named
)
def test_commands_in_examples_lack_nothing_that_is_required(page: Path) -> None:
    for block in blocks(page, "console", "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            found = _COMMAND.match(line)
            if not found or "|" in line or "#" in line:
                continue
            command, left = resolve(found["rest"])
            for one in command.params:
                if one.required and one.param_type_name == "option":
                    assert one.opts[0] in left, f"{named(page)}: `{line}` lacks {one.opts[0]}"


def test_the_commands_that_pages_show_are_found() -> None:
    shown = {words.split()[0] for page in PAGES if page.name not in GENERATED for words in commands(page)}

    assert shown == set(below(tree()))


def test_a_command_that_does_not_exist_would_be_noticed() -> None:
    with pytest.raises(AssertionError, match="there is no command"):
        resolve("metadat show ds-1")


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_settings_shown_are_valid(page: Path) -> None:
    for block in blocks(page, "toml"):
        content = tomllib.loads(block)
        if "build-system" not in content:  # a package's own file is no settings
            Settings(**content)


def test_a_setting_of_the_reference_is_accepted_from_the_environment(tmp_path: Path) -> None:
    names = re.findall(r"`(CISTERNA_\w+__\w+)`", (DOCS / "reference" / "settings.md").read_text("utf-8"))

    assert len(names) > 20
    with pytest.raises(SettingsInvalid, match="CISTERNA_WEB__PROT"):
        load_settings(home=tmp_path, environ={"CISTERNA_WEB__PROT": "1"})
    load_settings(home=tmp_path, environ=dict.fromkeys(names, "x"))  # known names; values come from the process


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_python_shown_can_be_compiled(page: Path) -> None:
    for block in blocks(page, "python"):
        ast.parse(block)


@pytest.mark.parametrize("name", EVENT_NAMES)
def test_every_event_has_its_section(name: str) -> None:
    assert f"\n### {name}\n" in (DOCS / "reference" / "events.md").read_text("utf-8")


def test_no_event_is_described_that_is_not_sent() -> None:
    described = re.findall(r"^### (\S+)$", (DOCS / "reference" / "events.md").read_text("utf-8"), re.MULTILINE)

    assert set(described) == set(EVENT_NAMES)


@pytest.mark.parametrize("code", ExitCode, ids=lambda code: code.name)
def test_every_exit_code_is_explained(code: ExitCode) -> None:
    words = code.name.lower().replace("_", " ")

    assert f"| {int(code)} | {words} |" in (DOCS / "reference" / "exit-codes.md").read_text("utf-8")


@pytest.mark.parametrize("page", sorted((DOCS / "explanation").rglob("*.md")), ids=named)
def test_every_test_that_is_named_exists(page: Path) -> None:
    text = page.read_text("utf-8")
    files = [ROOT / path for path in re.findall(r"`(tests/[\w/]+\.py)`", text)]
    assert all(file.exists() for file in files), f"{named(page)} names a file that is not there"
    defined = {name for file in files for name in re.findall(r"def (test_\w+)\(", file.read_text("utf-8"))}

    assert set(re.findall(r"`(test_\w+)`", text)) <= defined
