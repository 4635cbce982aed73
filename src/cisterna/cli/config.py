"""`cisterna config`: settings, their schema, and how other tools reach the same stack."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from cisterna.bootstrap.home import Home
from cisterna.cli.answer import AsJson, answer, lines
from cisterna.settings import Settings, load_settings

app = typer.Typer(no_args_is_help=True, help="Settings, their schema, and exports for other tools.")

HomeOption = Annotated[
    Path | None, typer.Option("--home", help="The home; else CISTERNA_HOME, else .cisterna here.", show_default=False)
]


@app.command()
def schema(*, as_json: AsJson = False) -> None:
    """Print the JSON Schema of all settings."""
    document = Settings.model_json_schema()
    answer(document, as_json=as_json, show=lines(json.dumps(document, indent=2)))


@app.command()
def show(*, home: HomeOption = None, as_json: AsJson = False) -> None:
    """Print the settings in force; secrets are masked."""
    document = load_settings(home=home).model_dump(mode="json")
    answer(document, as_json=as_json, show=lines(json.dumps(document, indent=2)))


@app.command()
def env(*, home: HomeOption = None, as_json: AsJson = False) -> None:
    """Print shell exports so that other S3 and Prefect tools reach the running stack.

    They hold the archive's keys: use them as `eval "$(cisterna config env)"` and do not log them.
    """
    endpoints = Home(load_settings(home=home).home).endpoints()
    values = {
        "CISTERNA_URL": endpoints.web_url,
        "AWS_ENDPOINT_URL": endpoints.s3_endpoint,
        "AWS_ACCESS_KEY_ID": endpoints.archive_access_key_id,
        "AWS_SECRET_ACCESS_KEY": endpoints.archive_secret_access_key.get_secret_value(),
        "AWS_DEFAULT_REGION": endpoints.s3_region,
        "PREFECT_API_URL": endpoints.prefect_api_url,
    }
    exports = [f"export {name}='{_inside_quotes(value)}'" for name, value in values.items()]
    answer(values, as_json=as_json, show=lines(*exports))


def _inside_quotes(value: str) -> str:
    """Escape for single quotes of a POSIX shell."""
    return value.replace("'", "'\"'\"'")
