"""Reads `infra/`: how buckets are kept, and the policies of who may do what."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cisterna.adapters.shared_data import shared_folder
from cisterna.domain.errors import SettingsInvalid
from cisterna.ports.bucket import BucketPlan

_PLACE = "BUCKET"


def read_plans(*, embedded: bool = False, infra: Path | None = None) -> Mapping[str, BucketPlan]:
    """Read `buckets.toml`: a plan for `archive`, which is that of every copy too, and one for `public`.

    Args:
        embedded: Read those of an embedded home's store, which every start sees to.
        infra: The folder; the one that travels with this package by default.

    Raises:
        SettingsInvalid: The file is not what it must be.
    """
    file = (infra or shared_folder("infra")) / "buckets.toml"
    try:
        said = tomllib.loads(file.read_text("utf-8"))
        said = said["embedded"] if embedded else said
        return {kind: BucketPlan.model_validate(said[kind]) for kind in ("archive", "public")}
    except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
        msg = f"{file} does not say how the buckets are kept: {error}; restore it from the release"
        raise SettingsInvalid(msg, file=str(file)) from error


def read_policy(name: str, *, bucket: str, infra: Path | None = None) -> dict[str, Any]:
    """Read a policy document, `identity`, `reader` or `bucket`, for one bucket.

    Raises:
        SettingsInvalid: The file is not what it must be.
    """
    file = (infra or shared_folder("infra")) / "policies" / f"{name}.json"
    try:
        document: dict[str, Any] = json.loads(file.read_text("utf-8"))
        for statement in document["Statement"]:
            statement["Resource"] = [one.replace(_PLACE, bucket) for one in statement["Resource"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"{file} is no policy document: {error!r}; restore it from the release"
        raise SettingsInvalid(msg, file=str(file)) from error
    return document
