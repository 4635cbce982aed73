"""The archive as a stranger reads it: by boto3 with the keys that `config env` prints, and by OCFL's own validator."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest

from tests.system.running import RunningStack

Keys = Mapping[str, bytes]
_CLIENTS: dict[Path, Any] = {}


def client(stack: RunningStack) -> Any:
    """Open S3 as `config env` says; the address and the keys outlive a restart of the store."""
    if stack.folder in _CLIENTS:
        return _CLIENTS[stack.folder]
    env = stack.ok("config", "env")
    _CLIENTS[stack.folder] = boto3.client(
        "s3",
        endpoint_url=env["AWS_ENDPOINT_URL"],
        aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
        region_name=env["AWS_DEFAULT_REGION"],
    )
    return _CLIENTS[stack.folder]


def read_object(stack: RunningStack, object_url: str) -> dict[str, bytes]:
    """Read every key of an object, by its name in the object."""
    where = urlsplit(object_url)
    bucket, root = where.netloc, where.path.lstrip("/") + "/"
    s3, found = client(stack), {}
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=root):
        for item in page.get("Contents", []):
            key = item["Key"]
            found[key.removeprefix(root)] = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    assert not s3.list_multipart_uploads(Bucket=bucket, Prefix=root).get("Uploads")
    return found


def inventory(keys: Keys) -> dict[str, Any]:
    """Parse the root inventory."""
    parsed: dict[str, Any] = json.loads(keys["inventory.json"])
    return parsed


def orphans(keys: Keys) -> list[str]:
    """Name the keys that nothing in the object accounts for."""
    head = inventory(keys)
    known = {"0=ocfl_object_1.1", "inventory.json", f"inventory.json.{head['digestAlgorithm']}"}
    known |= {path for paths in head["manifest"].values() for path in paths}
    for version in head["versions"]:
        known |= {f"{version}/inventory.json", f"{version}/inventory.json.{head['digestAlgorithm']}"}
    return sorted(key for key in keys if key not in known and not key.startswith("logs/"))


def logical(keys: Keys, version: str | None = None) -> dict[str, str]:
    """Give the digest of each logical path of a version, as the inventory has it."""
    head = inventory(keys)
    state = head["versions"][version or head["head"]]["state"]
    return {path: digest for digest, paths in state.items() for path in paths}


def write_out(keys: Keys, folder: Path) -> Path:
    """Write an object to a folder as it lies in the store."""
    for key, body in keys.items():
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(body)
    return folder


def ocfl_faults(folder: Path) -> str:
    """Let ocfl-py judge an object; what it says when it finds it invalid, else nothing."""
    python = os.environ.get("CISTERNA_OCFL_PY")
    if python is None:
        pytest.skip("CISTERNA_OCFL_PY names no environment: objects are NOT judged by ocfl-py here")
    told = subprocess.run(
        [python, str(Path(python).with_name("ocfl-validate.py")), str(folder)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={"PATH": os.environ["PATH"], "PYTHONUTF8": "1"},
    )
    said = told.stdout + told.stderr
    return "" if told.returncode == 0 and "is VALID" in said and "[E" not in said else said
