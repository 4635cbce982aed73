"""Reads a crate as JSON-LD does, to which a single value and a list of one are the same."""

from __future__ import annotations

import json
from typing import Any

Crate = dict[str, dict[str, Any]]

_SEVERAL = (
    "about",
    "additionalProperty",
    "alternateName",
    "author",
    "citation",
    "contributor",
    "funder",
    "funding",
    "hasPart",
    "isBasedOn",
    "mentions",
)
"""What the root says, and of which there may be several."""


def entities(document: bytes) -> Crate:
    """Give every entity by its identifier; the root's properties that may have several values are lists."""
    crate = {entity["@id"]: entity for entity in json.loads(document)["@graph"]}
    root = crate["./"]
    several = {name: root[name] for name in _SEVERAL if name in root and not isinstance(root[name], list)}
    return {**crate, "./": {**root, **{name: [value] for name, value in several.items()}}}
