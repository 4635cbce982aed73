"""Write the pages of docs/reference that the code itself determines.

Run `python tools/build_reference.py` after a change of the command line, the settings, the errors or the API; with
`--check` it changes nothing and exits with 1 when a page is stale. A test does the same.
"""

from __future__ import annotations

import argparse
import inspect
import json
import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import typer

from cisterna.cli.answer import ExitCode, code_of
from cisterna.cli.commands import app
from cisterna.domain import errors
from cisterna.domain.errors import CisternaError
from cisterna.metadata.fair_criteria import CRITERIA
from cisterna.metadata.fair_criterion import Criterion, RestsOn
from cisterna.settings import Settings
from cisterna.web.app import create_app
from cisterna.web.parts import WebParts
from cisterna.web.problem import STATUS

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "reference"
NOTE = "<!-- Written by tools/build_reference.py. Change the code it is made from, then run that. -->\n"
COMMON = {"--json", "--home", "--dry-run", "--help"}
"""Options told of once, at the top of the page."""


def pages() -> dict[str, str]:
    """Return the content of every page by its file's name."""
    return {
        "cli.md": _cli(),
        "settings.md": _settings(),
        "settings.schema.json": _json(Settings.model_json_schema()),
        "errors.md": _errors(),
        "http-api.md": _http_api(openapi()),
        "openapi.json": _json(openapi()),
        "fair-criteria.md": _fair_criteria(),
    }


def stale() -> list[str]:
    """Name the files that are not what the code says now."""
    found = []
    for name, content in pages().items():
        file = FOLDER / name
        if not file.exists() or file.read_text("utf-8") != content:
            found.append(name)
    return found


def commands(command: Any | None = None, words: tuple[str, ...] = ("cisterna",)) -> Iterator[tuple[str, Any]]:
    """Yield every command that does something, by the words that one types."""
    command = command or typer.main.get_command(app)
    inner = children(command)
    if not inner or getattr(command, "invoke_without_command", False):
        yield " ".join(words), command
    for name, child in inner.items():
        yield from commands(child, (*words, name))


def children(command: Any) -> dict[str, Any]:
    """Return the commands below one, by name; some are imported only when they are asked for."""
    if not hasattr(command, "list_commands"):
        return {}
    return {name: command.get_command(None, name) for name in command.list_commands(None)}


def openapi() -> dict[str, Any]:
    """Return the OpenAPI document of the application; making it opens nothing."""
    nothing = SimpleNamespace(catalogue=None, base_url="http://127.0.0.1", hosts=(), upload_limit_bytes=0)
    return create_app(cast("WebParts", nothing)).openapi()


def _cli() -> str:
    out = [
        NOTE,
        "# Command line\n",
        "`cisterna COMMAND`. `cisterna COMMAND --help` says the same in the terminal.\n",
        "| option of many commands | what it does |",
        "| --- | --- |",
        "| `--json` | one JSON document on stdout, also on failure; then it has `error` and `reason` |",
        "| `--home DIR` | the home; else the environment's `CISTERNA_HOME`, else `.cisterna` in the working folder |",
        "| `--dry-run` | say what would be done, and do nothing |",
        "",
        "What the shell is told is in [Exit codes](exit-codes.md).\n",
    ]
    for words, command in commands():
        out += [f"## {words}\n", f"```\n{_usage(words, command)}\n```\n", f"{_sentence(command.help or '')}\n"]
        rows = [row for row in map(_parameter, command.params) if row]
        if rows:
            out += ["| | |", "| --- | --- |", *rows, ""]
        common = [option for one in command.params for option in one.opts if option in COMMON - {"--help"}]
        if common:
            out += ["Also: " + ", ".join(f"`{option}`" for option in sorted(common)) + ".\n"]
    return "\n".join(out)


def _usage(words: str, command: Any) -> str:
    parts = [words]
    for one in command.params:
        if one.param_type_name == "argument":
            name = (one.metavar or one.name.upper()).strip("[]")
            parts.append(name if one.required else f"[{name}]")
        elif one.required:
            parts.append(f"{one.opts[0]} {_value(one)}".rstrip())
    return " ".join([*parts, "[OPTIONS]"])


def _parameter(one: Any) -> str | None:
    if one.param_type_name == "argument":
        return f"| `{(one.metavar or one.name.upper()).strip('[]')}` | {one.help or ''} |"
    if one.opts[0] in COMMON:
        return None
    value = _value(one)
    words = (one.help or "").rstrip()
    default = one.default.value if isinstance(one.default, Enum) else one.default
    if default not in (None, False, "", [], ()) and not callable(default):
        words += f" Default: `{default}`."
    if one.required:
        words += " Required."
    return f"| `{' '.join(filter(None, (one.opts[0], value)))}` | {words.replace('|', ' or ')} |"


def _value(one: Any) -> str:
    """Say what an option takes."""
    if getattr(one, "is_flag", False):
        return ""
    if one.metavar:
        return str(one.metavar)
    kind = one.type_descriptor.annotation
    if isinstance(kind, type) and issubclass(kind, Enum):
        return f"({', '.join(str(member.value) for member in kind)})"
    return {Path: "PATH", float: "NUMBER", int: "NUMBER"}.get(kind, "TEXT")


def _sentence(text: str) -> str:
    return " ".join(inspect.cleandoc(text).split())


def _settings() -> str:
    out = [
        NOTE,
        "# Settings\n",
        "Settings are read from `cisterna.toml` in the home and from the environment; the environment wins. A key that",
        "does not exist is refused, and the message names it. `cisterna config show` prints the settings in force,",
        "with secrets masked; `cisterna config schema` prints the JSON Schema, which is also kept as",
        "[settings.schema.json](settings.schema.json).\n",
        "```toml\n[dispatch]\nworkers = 4\nsweep_seconds = 10.0\n```\n",
        "is the same as `CISTERNA_DISPATCH__WORKERS=4 CISTERNA_DISPATCH__SWEEP_SECONDS=10`. The home itself is",
        "chosen by `--home` or `CISTERNA_HOME`.\n",
    ]
    schema = Settings.model_json_schema()
    for section, field in schema["properties"].items():
        reference = field.get("$ref") or next((one["$ref"] for one in field.get("allOf", [])), None)
        if reference is None:
            continue
        described = schema["$defs"][reference.rpartition("/")[2]]
        out += [f"## {section}\n", f"{described['description']}\n"]
        out += ["| key | environment | takes | default | what it is |", "| --- | --- | --- | --- | --- |"]
        for key, one in described["properties"].items():
            takes, default = _takes(one, schema), _default(one)
            variable = f"CISTERNA_{section}__{key}".upper()
            out.append(f"| `{key}` | `{variable}` | {takes} | {default} | {one['description']} |")
        out.append("")
        for key, one in described["properties"].items():
            if "$ref" in one.get("items", {}):
                out += _table_of(f"{section}.{key}", one, schema)
    return "\n".join(out)


def _table_of(name: str, one: dict[str, Any], schema: dict[str, Any]) -> list[str]:
    """Describe what each `[[table]]` of a list holds; in the environment the whole list is one JSON array."""
    described = schema["$defs"][one["items"]["$ref"].rpartition("/")[2]]
    out = [f"### `[[{name}]]`\n", f"{described['description']}\n"]
    out += ["| key | takes | default | what it is |", "| --- | --- | --- | --- |"]
    for key, inner in described["properties"].items():
        default = _default(inner) if "default" in inner else "must be given"
        out.append(f"| `{key}` | {_takes(inner, schema)} | {default} | {inner['description']} |")
    return [*out, ""]


def _takes(one: dict[str, Any], schema: dict[str, Any]) -> str:
    options = [kind for kind in one.get("anyOf", [one]) if kind.get("type") != "null"]
    kind = options[0]
    if "$ref" in kind:
        kind = schema["$defs"][kind["$ref"].rpartition("/")[2]]
    if "enum" in kind:
        return " or ".join(f"`{value}`" for value in kind["enum"])
    if kind.get("type") == "array":
        return "tables, or a JSON array of objects" if "$ref" in kind["items"] else "a list, or a JSON array of texts"
    if kind.get("type") == "object":
        return "a table of texts, or a JSON object"
    if kind.get("format") == "password":
        return "a secret"
    if "pattern" in kind:
        return f"text that matches `{kind['pattern'].replace('|', chr(92) + '|')}`"
    names = {"integer": "a whole number", "number": "a number", "string": "text", "boolean": "`true` or `false`"}
    return names[kind["type"]] + _bounds(kind)


def _bounds(kind: dict[str, Any]) -> str:
    low, above, high = kind.get("minimum"), kind.get("exclusiveMinimum"), kind.get("maximum")
    words = [f"from {low}"] if low is not None else [f"above {above}"] if above is not None else []
    words += [f"to {high}"] if high is not None else []
    return f" {' '.join(words)}" if words else ""


def _default(one: dict[str, Any]) -> str:
    return "" if one.get("default") is None else f"`{json.dumps(one['default']).strip(chr(34))}`"


def _errors() -> str:
    out = [
        NOTE,
        "# Errors\n",
        "Every refusal and failure has a code that does not change. The command line prints it before the reason (with",
        "`--json` as `error`), the API as `code`. *Waiting may help* tells whether the same call may succeed later",
        "without anybody changing anything; work that failed so is tried again by itself. Exit codes are explained in",
        "[Exit codes](exit-codes.md).\n",
        "| code | what happened | waiting may help | exit code | HTTP status |",
        "| --- | --- | --- | --- | --- |",
    ]
    for kind in _kinds(CisternaError):
        words = _sentence(kind.__doc__ or "").replace('`facts["retry_after_seconds"]`', "`retry_after_seconds`")
        status = STATUS.get(kind.code, 500)
        helps = "yes" if kind.retryable else "no"
        out.append(f"| `{kind.code}` | {words} | {helps} | {int(code_of(kind('')))} | {status} |")
    out += [
        "",
        "The command line has two more of its own: `usage` (a command or an option that does not exist; exit code",
        f"{int(ExitCode.USAGE)}) and `stopped` (Ctrl-C; exit code {int(ExitCode.FAILED)}).",
        "",
    ]
    return "\n".join(out)


def _kinds(parent: type[CisternaError]) -> Iterator[type[CisternaError]]:
    """Yield every named error, in the order in which they are defined."""
    named = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, parent)]
    yield from (one for one in named if one is not parent)


def _http_api(document: dict[str, Any]) -> str:
    out = [
        NOTE,
        "# HTTP API\n",
        "The API does what the dashboard does, for programs: `/api/v1`, JSON in and out. It asks for an API token,",
        "which a person makes on the page *Your account*, sent as `Authorization: Bearer cist_...`. The token acts in",
        "that person's name, with that person's roles. A running Cisterna serves this description at",
        "`/api/v1/openapi.json`; it is also kept as [openapi.json](openapi.json).\n",
        "```console",
        '$ curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8080/api/v1/review',
        "```\n",
        "Errors are `application/problem+json` (RFC 9457) with `code`, `detail` and `facts`; the codes are in",
        "[Errors](errors.md). What the person may not see answers 404, as if it did not exist.",
        "`POST /api/v1/events` asks for a sender's signature, not a token: [Send events](../how-to/send-events.md).\n",
        "## Endpoints\n",
        "| | | takes | gives |",
        "| --- | --- | --- | --- |",
    ]
    models: dict[str, Any] = document["components"]["schemas"]
    bodies: list[str] = []
    for path, methods in document["paths"].items():
        for method, one in methods.items():
            query = [f"`?{two['name']}`" for two in one.get("parameters", []) if two["in"] == "query"]
            body = one.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            name = body.get("$ref", "").rpartition("/")[2]
            if name and name not in bodies:
                bodies.append(name)
            takes = ", ".join([*query, *([f"[{name}](#{name.lower()})"] if name else [])])
            good = next(code for code in one["responses"] if code.startswith("2"))
            out.append(f"| `{method.upper()} {path}` | {_sentence(one['description'])} | {takes} | {good} |")
    out += ["", "## Bodies\n", "A field that is not named here is refused.\n"]
    for name in bodies:
        model = models[name]
        out += [
            f"### {name}\n",
            f"{_sentence(model['description'])}\n",
            "| field | takes | needed |",
            "| --- | --- | --- |",
        ]
        for field, one in model["properties"].items():
            needed = "yes" if field in model.get("required", []) else "no"
            out.append(f"| `{field}` | {_kind(one, models)} | {needed} |")
        out.append("")
    return "\n".join([*out, OTHER_DOORS])


_LANDING = (
    "the landing page of the newest published version; with `Accept`, or `?format=json-ld`, `datacite` or `crate`, the"
)
OTHER_DOORS = "\n".join(
    [
        "## Other addresses\n",
        "These are not in the OpenAPI document, and but for `/metrics` none needs a token of a person. Landing pages",
        "show only what is public.\n",
        "| address | what it gives |",
        "| --- | --- |",
        "| `POST /hooks/s3` | events of an object store as hints: [Send events](../how-to/send-events.md) |",
        f"| `GET /ark:/NAAN/NAME` | {_LANDING} description for machines. 410 and a tombstone once it was withdrawn |",
        "| `GET /ark:/NAAN/NAME/vN` | the same of one version; `?page=N` is a page of a thousand files |",
        "| `GET /ark:/NAAN/NAME/part-NNNN` | leads to the files of a part, on the page of its whole |",
        "| `GET /ark:/NAAN/NAME/vN/manifest-sha512.txt` | the digests of all files, as `sha512sum` writes them |",
        "| `GET /ark:/NAAN/NAME/vN/files/PATH` | a file, with `Range` |",
        "| `GET /ark:/NAAN/NAME/vN/preview/PATH` | a thumbnail |",
        "| `GET /healthz` | 200 while the web process answers |",
        "| `GET /readyz` | 200 while catalogue and archive answer, else 503 with the part that does not |",
        "| `GET /metrics` | counts for Prometheus, told on the machine itself and to operators (API token) |",
        "",
    ]
)


def _kind(one: dict[str, Any], models: dict[str, Any]) -> str:
    options = [kind for kind in one.get("anyOf", [one]) if kind.get("type") != "null"]
    words = []
    for kind in options:
        name = kind.get("$ref", "").rpartition("/")[2]
        model = models.get(name, kind)
        if "enum" in model:
            words.append(", ".join(f"`{value}`" for value in model["enum"]))
        elif name:
            words.append(f"an object: {', '.join(f'`{field}`' for field in model['properties'])}")
        elif kind.get("type") == "array":
            words.append("a list")
        else:
            longest = f" of at most {kind['maxLength']:,} characters" if "maxLength" in kind else ""
            words.append(f"text{longest}")
    return " or ".join(words)


_RESTS_ON = {
    RestsOn.DESCRIPTION: "what people say of the data, and a steward can say now",
    RestsOn.DATA: "what the instrument or the derivation left behind",
    RestsOn.SITE: "how the site is set up",
    RestsOn.SOFTWARE: "what Cisterna does for every dataset; it is looked at and counts nothing",
}


def _fair_criteria() -> str:
    told = (
        "How they are counted, and what counts for nothing: [the FAIR score](../explanation/fair-score.md). *RDA-...*"
        " are indicators of RDA's FAIR Data Maturity Model, *FsF-...* metrics of FAIRsFAIR as F-UJI has them (v0.8). A"
        " field is said with `cisterna metadata set`."
    )
    lines = ["# Criteria of the FAIR score", "", NOTE, told, ""]
    for rests_on, words in _RESTS_ON.items():
        lines += [f"## Resting on {words}", ""]
        lines += [
            "| criterion | principle | asks | priority | indicators | said as |",
            "| --- | --- | --- | --- | --- | --- |",
        ]
        lines += [
            f"| `{one.key}` | {one.principle} | {one.asks} | {one.priority.value}: {one.priority.weight} "
            f"| {', '.join(one.sources)} | {_said_as(one)} |"
            for one in CRITERIA
            if one.rests_on is rests_on
        ]
        lines.append("")
    return "\n".join(lines)


def _said_as(one: Criterion) -> str:
    return f"`{one.remedy}`" if one.field else one.remedy


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def main() -> int:
    """Write the pages, or with `--check` say which are stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing")
    given = parser.parse_args()
    found = stale()
    if given.check:
        for name in found:
            print(f"docs/reference/{name} is stale; run `python tools/build_reference.py`", file=sys.stderr)
        return 1 if found else 0
    written = pages()
    for name in found:
        (FOLDER / name).write_text(written[name], "utf-8")
        print(f"docs/reference/{name}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
