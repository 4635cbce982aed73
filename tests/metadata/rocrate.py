"""Runs rocrate-validator, in the environment of its own that `CISTERNA_ROCRATE_VALIDATOR` names, without any network.

The variable holds the path of that environment's Python (or of a program beside it). Contexts come from
`CISTERNA_SPECS`: the validator serves requests only from its cache, and the cache is filled from those files.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

_SEED = """
import sys
from requests import PreparedRequest
from requests_cache import CachedResponse, CachedSession

name, address, file = sys.argv[1:]
session = CachedSession(cache_name=name, expire_after=-1, backend="sqlite", allowable_methods=("GET",))
for accept in ("application/ld+json, application/json", None):
    request = PreparedRequest()
    request.prepare(method="GET", url=address, headers={"Accept": accept} if accept else {})
    response = CachedResponse(
        status_code=200, url=address, content=open(file, "rb").read(), headers={"Content-Type": "application/ld+json"}
    )
    session.cache.save_response(response, cache_key=session.cache.create_key(request), expires=None)
"""


def validator() -> Path:
    """Find the folder of the environment's programs, or skip loudly."""
    named = os.environ.get("CISTERNA_ROCRATE_VALIDATOR")
    folder = Path(named).absolute().parent if named else None
    if folder is None or not (folder / "rocrate-validator").exists():
        pytest.skip("CISTERNA_ROCRATE_VALIDATOR names no environment: crates are NOT checked by rocrate-validator here")
    return folder


def specs() -> Path:
    """Find the folder of public specifications, or skip loudly."""
    named = os.environ.get("CISTERNA_SPECS")
    if not named or not Path(named).is_dir():
        pytest.skip("CISTERNA_SPECS names no folder: nothing is checked against the public specifications here")
    return Path(named)


def required_issues(crate: Path, *, scratch: Path) -> list[str]:
    """Validate a crate's folder at the severity REQUIRED and return what is wrong, in words."""
    return issues(crate, scratch=scratch)


def issues(
    crate: Path, *, scratch: Path, severity: str = "REQUIRED", profile: str = "ro-crate-1.2", alone: bool = False
) -> list[str]:
    """Validate a crate's folder and return what is wrong, in words.

    Args:
        crate: The folder.
        scratch: Where cache and report may lie.
        severity: From which on something counts.
        profile: Of the validator.
        alone: Leave out the profile that it builds on.
    """
    programs, context = validator(), specs() / "ro-crate" / "context-1.2.jsonld"
    cache, report = scratch / "cache", scratch / f"{crate.name}-report.json"
    seed = [str(programs / "python"), "-c", _SEED, str(cache), "https://w3id.org/ro/crate/1.2/context"]
    subprocess.run([*seed, str(context)], check=True, capture_output=True, timeout=60)
    options = ["--profile-identifier", profile, "--requirement-severity", severity, "--offline"]
    options += ["--disable-profile-inheritance"] if alone else []
    output = ["--output-format", "json", "--output-file", str(report), "--cache-path", str(cache), "--no-paging"]
    done = subprocess.run(
        [str(programs / "rocrate-validator"), "--no-interactive", "validate", *options, *output, str(crate)],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert report.exists(), done.stdout + done.stderr
    found = json.loads(report.read_text("utf-8"))
    told = [str(issue.get("message") or issue) for issue in found["issues"]]
    assert found["passed"] is (not told), done.stdout + done.stderr
    return told
