"""Great Expectations' own Data Docs of one judgement: `python -m cisterna.adapters.gx_docs --to DIR`, told on stdin.

A process of its own, started for one site and gone after it, loads the engine; whoever asks for the site does not. The
pages ask other hosts for their styles and scripts, as Great Expectations writes them; ours do not, so this is a choice.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from cisterna.adapters.suite_file import Rule, parse_suite, usable
from cisterna.domain.base import Value
from cisterna.domain.errors import GateUnavailable

_SECONDS = 180
_HOST = re.compile(r"""(?:src|href)=["']https?://([^/"']+)|@import ["']?https?://([^/"']+)""")

Summary = Mapping[str, float | int | str | None]


class DocsSite(Value):
    """What was built.

    Attributes:
        rules: How many rules are in it.
        left_out: Checks that are not: what they ask is not Great Expectations' own, or has no usable value, which it
            would let pass, or text that could act in a page.
        hosts: That its pages ask for styles, scripts and pictures.
    """

    rules: int
    left_out: tuple[str, ...]
    hosts: tuple[str, ...]


def build_docs(to: Path, *, name: str, suite: str, suite_text: str, summary: Summary) -> DocsSite:
    """Have the site of one judgement built in a folder.

    Args:
        to: An empty or missing folder.
        name: Of the version, as the pages call it.
        suite: Name of the suite, `<data type>/<suite>`.
        suite_text: The suite that judged.
        summary: The row that it judged.

    Raises:
        InvalidInput: The suite's text is none.
        GateUnavailable: The engine did not build it.
    """
    rules = parse_suite(suite_text.encode(), wanted=suite).suite.expectations
    fit = [rule for rule in rules if _is_fit(rule, summary)]
    columns = sorted({column for rule in fit for column in rule.columns})
    told = {
        "name": _name(name),
        "suite": _name(suite),
        "row": {column: summary[column] for column in columns},
        "rules": [
            {
                "type": rule.type,
                "kwargs": rule.kwargs,
                "meta": {"check": rule.check},
                "description": escape(f"{rule.title} ({rule.check}): expected {rule.limit}"),
                "notes": rule.advice,
                "severity": "critical" if rule.severity == "error" else "warning",
            }
            for rule in fit
        ],
    }
    arguments = [sys.executable, "-m", "cisterna.adapters.gx_docs", "--to", str(to.absolute())]
    try:
        done = subprocess.run(
            arguments, input=json.dumps(told).encode(), capture_output=True, check=True, timeout=_SECONDS
        )
    except subprocess.TimeoutExpired as late:
        raise GateUnavailable(f"Great Expectations did not build its pages within {_SECONDS} s") from late
    except subprocess.CalledProcessError as error:
        last = error.stderr.decode(errors="replace").strip().splitlines()[-1:]
        msg = f"Great Expectations did not build its pages: {' '.join(last)[:300]}"
        raise GateUnavailable(msg) from error
    unknown = set(json.loads(done.stdout.splitlines()[-1]))
    left_out = tuple(rule.check for rule in rules if rule not in fit or rule.check in unknown)
    return DocsSite(rules=len(rules) - len(left_out), left_out=left_out, hosts=_hosts(to))


def _is_fit(rule: Rule, summary: Summary) -> bool:
    """Tell whether the engine can judge a rule by the row alone, and not let it pass for want of a value."""
    if rule.emptiness or rule.baseline is not None:
        return False
    values = [summary.get(column) for column in rule.columns]
    return all(usable(value) and not _is_markup(value) for value in values)


def _is_markup(value: object) -> bool:
    """Tell whether a text could be more than text in pages that hold observed values as they are."""
    return isinstance(value, str) and bool(re.search("[<>&\"']", value))


def _hosts(folder: Path) -> tuple[str, ...]:
    found = {
        one or other
        for page in folder.rglob("*.html")
        for one, other in _HOST.findall(page.read_text(errors="replace"))
    }
    return tuple(sorted(found))


def _name(text: str) -> str:
    """Write a name as a part of a path, as the pages' addresses need it."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text) or "-"


def _build(to: Path, told: Mapping[str, Any]) -> list[str]:
    """Build the site; give the checks of rules that the engine by itself does not know."""
    from cisterna.adapters.gx_process import load_engine

    gx, frame, configuration = load_engine()
    context = gx.get_context(mode="ephemeral")
    store = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(to)}
    context.add_data_docs_site(
        site_name="site",
        site_config={
            "class_name": "SiteBuilder",
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
            "store_backend": store,
            "show_how_to_buttons": False,
        },
    )
    asset = context.data_sources.add_pandas("cisterna").add_dataframe_asset(told["name"])
    expectations, unknown = [], []
    for rule in told["rules"]:
        try:
            expectations.append(configuration(**rule).to_domain_obj())
        except Exception:  # noqa: BLE001 - whatever a suite asks for that the engine does not have is left out and named
            unknown.append(rule["meta"]["check"])
    suite = context.suites.add(gx.ExpectationSuite(name=told["suite"], expectations=expectations))
    row = asset.add_batch_definition_whole_dataframe("row")
    validation = context.validation_definitions.add(gx.ValidationDefinition(name=told["name"], data=row, suite=suite))
    checkpoint = context.checkpoints.add(
        gx.Checkpoint(name=told["name"], validation_definitions=[validation], result_format="SUMMARY")
    )
    checkpoint.run(batch_parameters={"dataframe": frame({name: [value] for name, value in told["row"].items()})})
    context.build_data_docs(site_names=["site"])
    return unknown


def main() -> None:
    """Build one site and end."""
    parser = argparse.ArgumentParser(prog="gx_docs", description="Builds Great Expectations' Data Docs.")
    parser.add_argument("--to", type=Path, required=True)
    options = parser.parse_args()
    unknown = _build(options.to, json.load(sys.stdin))
    sys.stdout.write(f"\n{json.dumps(unknown)}\n")


if __name__ == "__main__":
    main()
