"""Rules that others go by: written, chosen, and when each acts."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cisterna.domain.acquisition import AcquisitionState
from cisterna.domain.errors import InvalidInput
from cisterna.domain.listing import Listing, SeenFile
from cisterna.domain.shadow import MOST_RULES, USUAL, Rule, RuleKind, Seen, Shadow, choose_rules, is_pattern, parse_rule
from cisterna.domain.sighting import EXAMPLES, Amount, Sighting, later_than, missed, newest_of
from cisterna.testing.clock import START
from cisterna.testing.factory import make_acquisition, make_id

NOTHING = Seen(file_count=1, size_bytes=10)
JUST = {
    "quiet=5": replace(NOTHING, quiet_seconds=300.0),
    "delete-days=7": replace(NOTHING, quiet_seconds=7 * 86_400.0),
    "delete-copied=60": replace(NOTHING, copied_seconds=3600.0),
    "delete-marker=24": replace(NOTHING, marker_seconds=86_400.0),
    "marker=.done": replace(NOTHING, markers=frozenset({".done"})),
    "count": replace(NOTHING, is_counted=True),
    "next-run": replace(NOTHING, newer_runs=1),
    "keep-runs=10": replace(NOTHING, newer_runs=10),
    "keep-gb=1": replace(NOTHING, newer_bytes=1_000_000_000 - 9),
}
"""By rule, the least that it acts on."""
NOT_YET = {
    "quiet=5": replace(NOTHING, quiet_seconds=299.9, copied_seconds=9e9),
    "delete-days=7": replace(NOTHING, quiet_seconds=7 * 86_400.0 - 1),
    "delete-copied=60": replace(NOTHING, copied_seconds=3599.0),
    "delete-marker=24": replace(NOTHING, marker_seconds=86_399.0),
    "marker=.done": replace(NOTHING, markers=frozenset({"0/.done", ".DONE"})),
    "count": NOTHING,
    "next-run": NOTHING,
    "keep-runs=10": replace(NOTHING, newer_runs=9),
    "keep-gb=1": replace(NOTHING, newer_bytes=1_000_000_000 - 10),
}


@pytest.mark.parametrize("text", JUST)
def test_each_rule_acts_when_its_condition_is_just_met_and_not_before(text: str) -> None:
    rule = parse_rule(text)

    assert rule.rule_id == text
    assert rule.fires(JUST[text])
    assert not rule.fires(NOT_YET[text])
    assert not rule.fires(replace(JUST[text], file_count=0)), "nobody takes an empty folder for a run"


def test_every_kind_of_rule_is_tried_here_and_says_what_it_goes_by() -> None:
    rules = [parse_rule(text) for text in JUST]

    assert {one.kind for one in rules} == set(RuleKind)
    assert len({one.words for one in rules}) == len(rules)
    assert "{" not in "".join(one.words for one in rules)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "quiet",
        "quiet=",
        "quiet=soon",
        "quiet=0",
        "quiet=-1",
        "quiet=nan",
        "quiet=inf",
        "quiet=1e10",
        "count=3",
        "marker",
        "marker=",
        "marker=\x1b[31m",
        f"marker={'x' * 201}",
        "delete",
        "rm -rf",
        "\udcff=1",
    ],
)
def test_what_is_no_rule_is_refused_in_words_that_show_the_kinds(text: str) -> None:
    with pytest.raises(InvalidInput, match="is no rule; write one of marker=") as refusal:
        parse_rule(text)

    str(refusal.value).encode("ascii")


def test_a_kind_that_is_named_replaces_the_usual_ones_of_its_kind_alone() -> None:
    chosen = choose_rules(["quiet=10", "marker=RTAComplete.txt"], markers=[".done"])

    ids = [one.rule_id for one in chosen]
    assert ids[:2] == ["marker=RTAComplete.txt", "quiet=10"]
    assert {"count", "next-run", "delete-days=7", "delete-marker=24", "keep-runs=10"} <= set(ids)
    assert "quiet=1" not in ids
    assert "marker=.done" not in ids


def test_without_a_marker_no_rule_goes_by_one() -> None:
    assert RuleKind.DELETE_MARKER not in {one.kind for one in choose_rules([], markers=[])}
    with pytest.raises(InvalidInput, match="needs one; name it by marker=NAME"):
        choose_rules(["delete-marker=1"], markers=[])


def test_rules_are_kept_few_and_each_once() -> None:
    assert len(choose_rules(["quiet=1", "quiet=1.0"], markers=[])) == len(choose_rules(["quiet=1"], markers=[]))
    with pytest.raises(InvalidInput, match=f"name at most {MOST_RULES}"):
        choose_rules([f"quiet={number}" for number in range(1, 40)], markers=[])


def test_a_pattern_is_told_from_a_name() -> None:
    assert is_pattern("final_summary_*.txt")
    assert not is_pattern(".done")


def test_a_shadow_lasts_until_somebody_ends_it_and_its_report_is_due_after_its_days() -> None:
    shadow = Shadow(
        shadow_id=make_id("s"),
        person="olga",
        reason="trial",
        begun_at=START,
        days=30,
        rules=(*USUAL, Rule(kind=RuleKind.MARKER, name=".done")),
    )

    assert shadow.is_on
    assert shadow.due_at == START + timedelta(days=30)
    assert shadow.markers == (".done",)
    assert not shadow.model_copy(update={"ended_at": START}).is_on


def file(path: str, size: int, mtime_ns: int) -> SeenFile:
    return SeenFile(path=path, size_bytes=size, mtime_ns=mtime_ns, inode=hash((path, mtime_ns)) & 0xFFFF)


def sighting(number: int, listing: Listing, marks: set[int]) -> Sighting:
    return Sighting(
        acquisition_id=make_acquisition().acquisition_id,
        shadow_id="s",
        number=number,
        seen_at=START,
        changed_at=START,
        state=AcquisitionState.WRITING,
        fingerprint=listing.fingerprint,
        file_count=len(listing.files),
        size_bytes=listing.total_bytes,
        newest_ns=newest_of(listing.files),
        later=later_than(listing, marks),
    )


listings = st.dictionaries(st.sampled_from("abcdef"), st.tuples(st.integers(0, 9), st.integers(0, 20)), max_size=6).map(
    lambda found: Listing(files=tuple(file(path, *one) for path, one in sorted(found.items())))
)


@given(before=listings, after=listings)
def test_what_was_missing_is_never_more_than_what_two_listings_really_differ_by(
    before: Listing, after: Listing
) -> None:
    first = sighting(1, before, set())
    second = sighting(2, after, {first.newest_ns})

    told = missed(first, second)

    new = set(after.files) - set(before.files)
    assert told.files <= len(new)
    assert told.size_bytes <= sum(one.size_bytes for one in new)
    assert set(told.names) <= {one.path for one in new}


@given(before=listings, added=st.lists(st.integers(0, 9), max_size=4))
def test_what_is_only_added_with_later_times_is_counted_to_the_byte(before: Listing, added: list[int]) -> None:
    more = tuple(file(f"new-{number}", size, 100 + number) for number, size in enumerate(added))
    after = Listing(files=(*before.files, *more))
    first = sighting(1, before, set())

    told = missed(first, sighting(2, after, {first.newest_ns}))

    assert (told.files, told.size_bytes) == (len(added), sum(added))
    assert told.names == tuple(one.path for one in more)[:EXAMPLES]


def test_names_are_few_and_short_however_many_files_and_however_long() -> None:
    files = tuple(file("x" * 3000 + str(number), 1, 50) for number in range(1000))

    (later,) = later_than(Listing(files=files), {49, 50})

    assert later.amount.files == 1000
    assert len(later.amount.names) == EXAMPLES
    assert max(map(len, later.amount.names)) <= 200
    assert Amount().is_some is False
