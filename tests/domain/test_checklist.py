"""The review checklist as a value: what a list may say, what an answer is worth, and what hostile lists come to."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from cisterna.adapters.checklist_file import read_checklist
from cisterna.bootstrap.checklist import shipped_checklist
from cisterna.domain.checklist import (
    MOST_BYTES,
    Answer,
    AnsweredPoint,
    Checklist,
    JudgedList,
    JudgedPoint,
    answer_by_policy,
    answer_list,
    parse_checklist,
    words_of_open,
)
from cisterna.domain.errors import InvalidInput, SettingsInvalid
from cisterna.services.checklist_judge import JUDGEMENTS
from cisterna.testing.factory import make_checklist, make_point

HEAD = 'id = "ours"\nversion = "3"\ntitle = "Ours"\n'
POINT = '[[points]]\nid = "looked"\npart = "Files"\ntext = "Looked at"\n'


def parse(text: str | bytes) -> Checklist:
    body = text.encode() if isinstance(text, str) else text
    return parse_checklist(body, name="list.toml", judgements=JUDGEMENTS)


def judged(**met: bool | None) -> JudgedList:
    points = [make_point(name, judge=None if is_met is None else "complete") for name, is_met in met.items()]
    return JudgedList(
        checklist=make_checklist(*points),
        points=tuple(
            JudgedPoint(point=one, met=is_met, why=None if is_met is None else "as found")
            for one, is_met in zip(points, met.values(), strict=True)
        ),
    )


def answered(found: JudgedList, *answers: Answer) -> dict[str, AnsweredPoint]:
    return {one.id: one for one in answer_list(found, answers).points}


def test_our_list_follows_the_four_parts_and_asks_nothing_that_the_software_could_not_tell() -> None:
    ours = read_checklist(own=Path("/nowhere"), shipped=shipped_checklist(), judgements=JUDGEMENTS)

    assert list(dict.fromkeys(one.part for one in ours.points)) == ["Submission", "Files", "Description", "Submitter"]
    assert {one.id for one in ours.points if one.required and one.judge is None} == {
        "submission-type",
        "human-data-looked",
        "title",
        "description",
        "submitter-belongs",
        "submitter-may",
    }
    assert ours.source == "https://www.scilifelab.se/data/repository/review/"


def test_the_digest_of_a_list_tells_any_change_and_nothing_else() -> None:
    first = parse(HEAD + POINT)

    assert parse("# a remark\n" + HEAD + POINT).digest == first.digest
    assert parse(HEAD + POINT + "required = false\n").digest != first.digest
    assert parse(HEAD.replace("3", "4") + POINT).digest != first.digest


BAD = {
    "empty": ("", "id: Field required"),
    "no points": (HEAD + "points = []", "points: "),
    "not a table": (HEAD + 'points = ["looked"]', "point 1: "),
    "no toml": (HEAD + "[[points]\n", r"line 4"),
    "unknown key": (HEAD + POINT + "colour = 3\n", r"point 1 \(looked\): colour"),
    "unknown judgement": (HEAD + POINT + 'judge = "magic"\n', r"point 1 \(looked\): there is no judgement 'magic'"),
    "twice": (HEAD + POINT + POINT, "more than one point is called looked"),
    "bad id": (HEAD + POINT.replace('"looked"', '"Looked At"'), r"point 1 \(Looked At\): id"),
    "escape in an id": (HEAD + POINT.replace('"looked"', '"\\u001b[2J\\u202e"'), r"point 1 \(\\x1b\[2J\\u202e\): id"),
    "no text": (HEAD + POINT.replace("Looked at", "\\u200b"), r"point 1 \(looked\): text.*empty"),
    "long text": (HEAD + POINT.replace("Looked at", "x" * 301), r"point 1 \(looked\): text"),
    "least alone": (HEAD + POINT + "least = 10\n", "least"),
    "score without least": (HEAD + POINT + 'judge = "fair-score"\n', "least"),
    "least of 0": (HEAD + POINT + 'judge = "fair-score"\nleast = 0\n', r"point 1 \(looked\): least"),
    "field": (HEAD + POINT + 'field = "\\" onclick=x"\n', r"point 1 \(looked\): field"),
    "a word for yes": (HEAD + POINT + 'required = "maybe"\n', r"point 1 \(looked\): required"),
    "huge number": (HEAD + "version = " + "9" * 9000, "no review checklist|not valid TOML"),
    "nested": (HEAD + "points = " + "[" * 50_000, "nested too deeply|not valid TOML"),
    "too many": (HEAD + "".join(POINT.replace("looked", f"p{n}") for n in range(101)), "points: .*100"),
    "too large": (HEAD + "# " + "x" * MOST_BYTES, "shorten it"),
}


@pytest.mark.parametrize(("text", "words"), BAD.values(), ids=BAD.keys())
def test_a_bad_list_is_refused_with_its_file_and_line_or_point(text: str, words: str) -> None:
    with pytest.raises(SettingsInvalid, match=words) as refused:
        parse(text)

    assert "list.toml" in str(refused.value)
    assert len(str(refused.value)) < 5000
    assert str(refused.value).isprintable()


def test_bytes_that_are_no_text_are_refused_with_their_line() -> None:
    with pytest.raises(SettingsInvalid, match="line 4"):
        parse(HEAD.encode() + b"# \xff\n")


def test_a_bad_list_of_the_sites_is_never_passed_over_for_ours(tmp_path: Path) -> None:
    own = tmp_path / "review-checklist.toml"
    own.symlink_to(tmp_path / "not-there")
    with pytest.raises(SettingsInvalid, match="cannot be read"):
        read_checklist(own=own, shipped=shipped_checklist(), judgements=JUDGEMENTS)
    own.unlink()
    own.mkdir()
    with pytest.raises(SettingsInvalid, match="cannot be read"):
        read_checklist(own=own, shipped=shipped_checklist(), judgements=JUDGEMENTS)
    own.rmdir()
    own.write_text(HEAD)
    with pytest.raises(SettingsInvalid, match="points"):
        read_checklist(own=own, shipped=shipped_checklist(), judgements=JUDGEMENTS)
    own.write_text(HEAD + POINT)

    assert read_checklist(own=own, shipped=shipped_checklist(), judgements=JUDGEMENTS).id == "ours"


def test_our_file_is_one_that_a_site_can_copy_and_change() -> None:
    text = shipped_checklist().read_text("utf-8")

    assert parse(text.replace('id = "repository-review"', 'id = "ours"', 1)).id == "ours"
    assert {point["id"] for point in tomllib.loads(text)["points"]} == {one.id for one in parse(text).points}


@pytest.mark.parametrize(
    ("met", "ticked", "remark", "holds", "lack"),
    [
        (True, False, None, True, None),
        (None, True, None, True, None),
        (None, False, "looks odd", False, "not answered"),
        (False, False, None, False, "as found"),
        (False, False, "it does not matter", False, "as found"),
        (False, True, None, False, "overruled without a reason"),
        (False, True, "  \u200b ", False, "overruled without a reason"),
        (False, True, "it does not matter", True, None),
    ],
)
def test_a_point_holds_when_it_is_met_ticked_or_overruled_with_a_reason(
    met: bool | None, ticked: bool, remark: str | None, holds: bool, lack: str | None
) -> None:
    found = judged(looked=met)
    said = Answer(point="looked", ticked=ticked, remark=remark)
    if remark and not remark.strip(" \u200b"):
        with pytest.raises(InvalidInput, match="empty"):
            answer_list(found, [said])
        return

    point = answered(found, said)["looked"]

    assert point.holds is holds
    assert lack is None or point.lack == lack


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ([Answer(point="other", ticked=True)], "no point 'other'"),
        ([Answer(point="\ud800\x1b[2J" + "x" * 5000)], "no point"),
        ([Answer(point="looked"), Answer(point="looked", ticked=True)], "twice"),
        ([Answer(point="looked", remark="x" * 1001)], "looked.*shorten"),
        ([Answer(point="looked", remark="\ud800")], "Unicode"),
    ],
)
def test_answers_that_are_none_are_refused(answers: list[Answer], words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as refused:
        answer_list(judged(looked=None), answers)

    assert len(str(refused.value)) < 1000
    assert str(refused.value).isprintable()


def test_remarks_are_kept_without_marks_that_hide_or_reorder() -> None:
    point = answered(judged(looked=None), Answer(point="looked", ticked=True, remark="fine\u202e\x00 and\nwell"))

    assert point["looked"].remark == "fine and well"


def test_a_policy_answers_what_a_person_would_and_overrules_nothing() -> None:
    said = answer_by_policy(judged(looked=None, complete=False, gate=True), project="atlas")

    points = {one.id: one for one in said.points}
    assert points["looked"].remark == "no person looked: the policy of project atlas answers for it"
    assert [one.id for one in said.open] == ["complete"]
    assert not points["complete"].ticked
    assert words_of_open(said) == "It is so: complete (complete): as found"


def test_what_was_shown_has_another_digest_when_list_or_judgement_changes() -> None:
    first = judged(looked=True)

    assert judged(looked=True).seen == first.seen
    assert judged(looked=False).seen != first.seen
    assert judged(looked=True, other=None).seen != first.seen


def test_the_page_for_sites_names_every_judgement_and_its_example_is_a_list() -> None:
    page = (Path(__file__).parents[2] / "docs/how-to/review-by-the-checklist.md").read_text("utf-8")
    example = page.partition("```text\n")[2].partition("```")[0]

    assert [name for name in JUDGEMENTS if f"`{name}`" not in page] == []
    assert [one.id for one in parse(example).points] == ["licence", "score"]
