"""A suite is refused when it is not one, and a rule when it could pass without looking."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cisterna.adapters.shared_data import shared_folder
from cisterna.adapters.suite_file import Rule, read_suite
from cisterna.domain.errors import InvalidInput, NotReady

RULE: dict[str, Any] = {
    "check": "focus-lost",
    "type": "expect_column_max_to_be_between",
    "kwargs": {"column": "out_of_focus_share", "max_value": 0.2},
    "severity": "error",
    "title": "Images out of focus",
    "unit": "share",
    "advice": "Look at the autofocus.",
}


def write(folder: Path, content: Any, *, data_type: str = "cells") -> Path:
    (folder / data_type).mkdir(exist_ok=True)
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / data_type / "default.json").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize("data_type", ["microscopy", "labels", "image_arrays", "mass_spectrometry"])
def test_our_own_suites_are_valid_and_every_rule_can_fail(data_type: str) -> None:
    suite, digest = read_suite(shared_folder("expectations"), data_type)

    assert len(digest) == 128
    assert suite.expectations
    assert [rule.emptiness for rule in suite.expectations] == [None] * len(suite.expectations)
    assert all(rule.title and rule.advice.endswith(".") for rule in suite.expectations)


def test_our_own_suites_are_written_as_a_diff_wants_them() -> None:
    for file in shared_folder("expectations").glob("*/*.json"):
        text = file.read_text("utf-8")
        assert text == json.dumps(json.loads(text), indent=2, ensure_ascii=False) + "\n", file.name


def test_the_digest_follows_what_a_suite_says_and_not_how_it_is_laid_out(tmp_path: Path) -> None:
    content = {"suite": "cells/default", "expectations": [RULE]}
    _, plain = read_suite(write(tmp_path, content), "cells")
    _, laid_out = read_suite(write(tmp_path, json.dumps(content, indent=4, sort_keys=True)), "cells")
    content["about"] = "mine"
    _, changed = read_suite(write(tmp_path, content), "cells")

    assert plain == laid_out
    assert plain != changed


@pytest.mark.parametrize(
    ("kind", "kwargs", "words"),
    [
        ("expect_column_max_to_be_between", {"column": "a", "max_value": 0.2}, "at most 20 %"),
        ("expect_column_max_to_be_between", {"column": "a", "max_value": 0.2, "strict_max": True}, "less than 20 %"),
        ("expect_column_min_to_be_between", {"column": "a", "min_value": 0.2}, "at least 20 %"),
        ("expect_column_mean_to_be_between", {"column": "a", "min_value": 0.1, "max_value": 0.2}, "10 % to 20 %"),
        ("expect_column_pair_values_to_be_equal", {"column_A": "a", "column_B": "images_in"}, "as many as images in"),
    ],
)
def test_a_limit_is_said_in_words(kind: str, kwargs: dict[str, Any], words: str) -> None:
    assert Rule.model_validate({**RULE, "type": kind, "kwargs": kwargs}).limit == words


BROKEN = {
    "no JSON": ("{", "JSON"),
    "NaN": ('{"suite": "cells/default", "limits": {"focus_min": NaN}}', "NaN"),
    "deep": ("[" * 100_000, "JSON"),
    "too large": (" " * (1024 * 1024 + 1), "1 MiB"),
    "a list": ("[]", "not valid"),
    "another's name": ({"suite": "other/default"}, "calls itself"),
    "unknown key": ({"suite": "cells/default", "expectation": []}, "not valid"),
    "two of a name": ({"suite": "cells/default", "expectations": [RULE, RULE]}, "two expectations"),
    "infinite limit": ({"suite": "cells/default", "limits": {"focus_min": 1e999}}, "finite"),
    "two lists of rules": ('{"suite": "cells/default", "expectations": [], "expectations": []}', "expectations twice"),
    "half a character": (
        {"suite": "cells/default", "expectations": [{**RULE, "kwargs": {"column": "a", "value_set": ["\ud800"]}}]},
        "JSON",
    ),
    "no advice": ({"suite": "cells/default", "expectations": [{**RULE, "advice": ""}]}, "advice"),
    "no such severity": ({"suite": "cells/default", "expectations": [{**RULE, "severity": "fatal"}]}, "severity"),
    "rows without a limit": (
        {"suite": "cells/default", "expectations": [{**RULE, "rows": {"column": "focus"}}]},
        "min_value or max_value",
    ),
}


@pytest.mark.parametrize(("content", "words"), BROKEN.values(), ids=list(BROKEN))
def test_a_broken_suite_is_refused_in_words(tmp_path: Path, content: Any, words: str) -> None:
    text = content if isinstance(content, str) else json.dumps(content).replace("Infinity", "1e999")

    with pytest.raises(InvalidInput, match=words):
        read_suite(write(tmp_path, text), "cells")


@pytest.mark.parametrize("data_type", ["", "../microscopy", "a/b", "A", "cells\0", "."])
def test_a_data_type_cannot_climb_out_of_the_folder(data_type: str) -> None:
    with pytest.raises(InvalidInput, match="no data type"):
        read_suite(shared_folder("expectations"), data_type)


@pytest.mark.parametrize("data_type", ["weather", "folder"])
def test_a_data_type_without_a_suite_is_refused(data_type: str) -> None:
    with pytest.raises(InvalidInput, match="there is no suite"):
        read_suite(shared_folder("expectations"), data_type)


VACUOUS = {
    "no limit": {"column": "a"},
    "null limits": {"column": "a", "min_value": None, "max_value": None},
    "no column": {"max_value": 1},
    "mostly none": {"column": "a", "max_value": 1, "mostly": 0.0},
    "a condition on rows": {"column": "a", "max_value": 1, "row_condition": "False"},
    "its own result format": {"column": "a", "max_value": 1, "result_format": "BOOLEAN_ONLY"},
}


@pytest.mark.parametrize("kwargs", VACUOUS.values(), ids=list(VACUOUS))
def test_a_rule_that_cannot_fail_says_why(kwargs: dict[str, Any]) -> None:
    assert Rule(**{**RULE, "kwargs": kwargs}).emptiness


ALIKE: dict[str, tuple[str, dict[str, Any]]] = {
    "to exist": ("expect_column_to_exist", {"column": "a"}),
    "not null": ("expect_column_values_to_not_be_null", {"column": "a"}),
    "unique": ("expect_column_values_to_be_unique", {"column": "a"}),
    "increasing": ("expect_column_values_to_be_increasing", {"column": "a"}),
    "decreasing": ("expect_column_values_to_be_decreasing", {"column": "a"}),
    "distinct values": ("expect_column_unique_value_count_to_be_between", {"column": "a", "min_value": 1}),
    "share of distinct": ("expect_column_proportion_of_unique_values_to_be_between", {"column": "a", "min_value": 1}),
    "share of values": ("expect_column_proportion_of_non_null_values_to_be_between", {"column": "a", "min_value": 1}),
    "equal to itself": ("expect_column_pair_values_to_be_equal", {"column_A": "a", "column_B": "a"}),
    "any text": ("expect_column_values_to_match_regex", {"column": "text", "regex": ".*"}),
    "any text, cleverly": ("expect_column_values_to_match_regex", {"column": "text", "regex": "(seldom)?"}),
}
"""What every row with a value in it meets."""


@pytest.mark.parametrize(("kind", "kwargs"), ALIKE.values(), ids=list(ALIKE))
def test_a_rule_that_every_value_meets_says_so(kind: str, kwargs: dict[str, Any]) -> None:
    assert Rule(**{**RULE, "type": kind, "kwargs": kwargs}).emptiness


@pytest.mark.parametrize("regex", ["^run", "x", "^$", "("])
def test_a_pattern_that_some_texts_miss_can_fail(regex: str) -> None:
    kwargs = {"column": "text", "regex": regex}

    assert Rule(**{**RULE, "type": "expect_column_values_to_match_regex", "kwargs": kwargs}).emptiness is None


def test_an_empty_set_of_values_cannot_fail() -> None:
    rule = {**RULE, "type": "expect_column_values_to_be_in_set", "kwargs": {"column": "a", "value_set": []}}

    assert Rule(**rule).emptiness


def test_shared_folders_are_found_in_a_checkout_and_in_an_installation(tmp_path: Path) -> None:
    installed = tmp_path / "env" / "share" / "cisterna" / "expectations"
    installed.mkdir(parents=True)
    package = tmp_path / "env" / "lib" / "cisterna"

    assert shared_folder("expectations", package=package, prefix=tmp_path / "env") == installed
    with pytest.raises(NotReady, match="install the wheel again"):
        shared_folder("deployments", package=package, prefix=tmp_path / "env")
