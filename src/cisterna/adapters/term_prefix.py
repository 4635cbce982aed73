"""Prefixes of vocabularies and the forms of their identifiers, from the data that the package `bioregistry` carries.

The package itself is not imported: that takes ten times as long and writes folders into the user's home.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from cisterna.domain.errors import NotReady
from cisterna.ports.vocabulary import PrefixFacts

_LONGEST_JUDGED = 100
"""Characters of an identifier that is held against a pattern; patterns are others', and text comes from anybody."""


class _Registered(NamedTuple):
    facts: PrefixFacts
    pattern: re.Pattern[str] | None
    before: str | None
    """What some write before each identifier: CVCL for those of cellosaurus."""


class Bioregistry:
    """The registry, read when it is first asked for."""

    def find(self, prefix: str) -> PrefixFacts | None:
        """Return a prefix by any of its names."""
        found = self._by_name.get(_name(prefix))
        return found.facts if found else None

    def allows(self, prefix: str, identifier: str) -> bool:
        """Tell whether an identifier has the vocabulary's form, with or without what some write before each."""
        found = self._by_name.get(_name(prefix))
        if found is None or found.pattern is None:
            return True
        if len(identifier) > _LONGEST_JUDGED:
            return False
        bare = re.sub(rf"^{re.escape(found.before)}[:_]", "", identifier) if found.before else identifier
        return any(found.pattern.fullmatch(one) is not None for one in (identifier, bare))

    def near(self, prefix: str) -> Sequence[str]:
        """Name the prefixes that are spelled nearly so."""
        near = get_close_matches(_name(prefix)[:_LONGEST_JUDGED], self._by_name, n=6, cutoff=0.75)
        return list(dict.fromkeys(self._by_name[name].facts.prefix for name in near))

    @cached_property
    def _by_name(self) -> Mapping[str, _Registered]:
        by_name: dict[str, _Registered] = {}
        others: dict[str, _Registered] = {}
        for key, entry in json.loads(_data_file().read_text("utf-8")).items():
            one = _registered(key, entry)
            by_name[_name(key)] = one
            for other in (one.facts.prefix, *entry.get("synonyms", ())):
                others.setdefault(_name(other), one)
        return others | by_name


def _data_file() -> Path:
    spec = find_spec("bioregistry")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        file = Path(place) / "data" / "bioregistry.json"
        if file.is_file():
            return file
    msg = "the package bioregistry is not installed as it should be; install Cisterna again"
    raise NotReady(msg, part="bioregistry")


def _registered(key: str, entry: Mapping[str, Any]) -> _Registered:
    foundry, miriam = entry.get("obofoundry") or {}, entry.get("miriam") or {}
    facts = PrefixFacts(
        prefix=entry.get("preferred_prefix") or foundry.get("preferred_prefix") or key,
        name=entry.get("name") or foundry.get("name") or miriam.get("name") or key,
        example=entry.get("example"),
    )
    return _Registered(facts, _compiled(entry.get("pattern") or miriam.get("pattern")), entry.get("banana"))


def _compiled(pattern: str | None) -> re.Pattern[str] | None:
    try:
        return re.compile(pattern) if pattern else None
    except re.error:
        return None


def _name(prefix: str) -> str:
    return prefix.strip().casefold()
