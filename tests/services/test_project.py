"""Acquisitions find their project by the first rule that matches, or are unclaimed and say why."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cisterna.adapters.booking_file import BookingFiles
from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.domain.account import Role
from cisterna.domain.errors import AlreadyExists, Forbidden, HostileInput, InvalidInput, NotFound
from cisterna.domain.project import (
    Access,
    Binding,
    BindingKind,
    HumanData,
    MetadataDefaults,
    Policy,
    Project,
    PublishPolicy,
)
from cisterna.ports.profile import Described
from cisterna.services import project as projects
from cisterna.services.booking import MOST_BYTES, MOST_ROWS, find_booking
from cisterna.services.project_edit import Offered, add_project, edit_project
from cisterna.testing.clock import START, SettableClock
from cisterna.testing.factory import make_account, make_acquisition, make_project

OPERATOR = make_account("op", Role.OPERATOR)
MOMENT = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
HEADER = "instrument,start,end,project\n"


class Tables:
    """Booking tables in memory."""

    def __init__(self, content: Mapping[str, bytes]) -> None:
        self._content = content

    def read(self, path: str, *, limit_bytes: int) -> bytes:
        if path not in self._content:
            raise NotFound(f"no table {path}", path=path)
        if len(self._content[path]) > limit_bytes:
            raise HostileInput(f"{path} is too large", path=path)
        return self._content[path]


def table(text: str | bytes) -> Tables:
    return Tables({"/b.csv": text.encode() if isinstance(text, str) else text})


def described(**fields: Any) -> Described:
    return Described(title="run", data_type="microscopy", started_at=MOMENT, fields=fields)


def path(pattern: str, project: str = "cells") -> Binding:
    return Binding(kind=BindingKind.PATH, pattern=pattern, project=project)


def field(pattern: str, project: str = "cells") -> Binding:
    return Binding(kind=BindingKind.FIELD, pattern=pattern, project=project)


BOOKING = Binding(kind=BindingKind.BOOKING, pattern="/b.csv")


def resolve(
    *bindings: Binding, folder: str = "group-a/run-1", tables: Tables | None = None, **fields: Any
) -> projects.Resolution:
    return projects.resolve_project(
        make_acquisition(folder),
        described(**fields),
        landing_path="/landing/squid-1",
        bindings=bindings,
        projects=[make_project("cells"), make_project("other")],
        tables=tables or Tables({}),
    )


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("/landing/squid-1", True),
        ("/landing/squid-1/", True),
        ("/landing/squid-1/group-a/run-1", True),
        ("/landing/squid-1/group-a", True),
        ("/landing/squid-1/group", False),
        ("/landing/squid-10", False),
        ("/landing/*/group-a/*", True),
        ("/landing/squid-[12]/*", True),
        ("/landing/squid-?/run-1", False),
        ("/LANDING/squid-1", False),
        ("*/run-1", True),
    ],
)
def test_a_landing_path_binds_what_is_below_it(pattern: str, *, matches: bool) -> None:
    assert resolve(path(pattern)).project == ("cells" if matches else None)


@pytest.mark.parametrize(
    ("pattern", "fields", "matches"),
    [
        ("experiment_id=EX-7", {"experiment_id": "EX-7"}, True),
        ("experiment_id=EX-7", {"experiment_id": "EX-70"}, False),
        ("experiment_id=EX-7", {}, False),
        ("plate=7", {"plate": 7}, True),
        ("live=true", {"live": True}, True),
        ("users=ada", {"users": ["bo", "ada"]}, True),
        ("users=ada", {"users": [["ada"], {"x": "ada"}]}, False),
        ("title=a=b", {"title": "a=b"}, True),
        ("x=null", {"x": None}, False),
    ],
)
def test_a_field_of_the_acquisition_binds_it(pattern: str, fields: dict[str, Any], *, matches: bool) -> None:
    assert resolve(field(pattern), **fields).project == ("cells" if matches else None)


def test_a_booking_binds_what_began_within_it() -> None:
    rows = (
        "squid-1,2026-11-23T08:00+00:00,2026-11-23T09:30+00:00,other\n"
        "squid-2,2026-11-23T00:00+00:00,2026-11-24T00:00+00:00,other\n"
        "squid-1,2026-11-23T10:30+01:00,2026-11-23T12:00Z,cells\n"
    )

    found = resolve(BOOKING, tables=table(HEADER + rows))

    assert found.project == "cells"
    assert "squid-1" in found.reason


def test_without_a_start_of_its_own_the_moment_it_was_first_seen_counts() -> None:
    row = f"squid-1,{START.isoformat()},{(START + timedelta(minutes=1)).isoformat()},cells\n"

    found = find_booking("/b.csv", instrument="squid-1", moment=START, tables=table(HEADER + row))

    assert found is not None
    silent = described().model_copy(update={"started_at": None})
    resolution = projects.resolve_project(
        make_acquisition(first_seen=START),
        silent,
        landing_path="/landing",
        bindings=[BOOKING],
        projects=[make_project("cells")],
        tables=table(HEADER + row),
    )
    assert resolution.project == "cells"


def test_the_first_rule_that_matches_wins() -> None:
    assert resolve(path("/landing", "other"), field("a=b"), a="b").project == "other"
    assert resolve(field("a=x"), field("a=b"), path("/landing", "other"), a="b").project == "cells"


def test_what_no_rule_matches_is_unclaimed_and_says_what_to_do() -> None:
    found = resolve(path("/elsewhere"), field("a=b"))

    assert found.project is None
    assert "/landing/squid-1/group-a/run-1" in found.reason
    assert "bind" in found.reason


def test_a_rule_that_cannot_be_judged_gives_nothing_to_a_later_rule() -> None:
    late = path("/landing", "other")

    for first, tables in (
        (BOOKING, Tables({})),
        (BOOKING, table("nonsense")),
        (path("/landing", "gone"), None),
        (BOOKING, table(HEADER + "squid-1,2026-11-23T00:00Z,2026-11-24T00:00Z,gone\n")),
    ):
        found = resolve(first, late, tables=tables)
        assert found.project is None
        assert found.reason.startswith("unclaimed: ")


BAD_TABLES: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "columns"),
    "no header": ("squid-1,2026-11-23T00:00Z,2026-11-24T00:00Z,cells\n", "columns"),
    "a column too few": ("instrument,start,end\n", "columns"),
    "a column twice": ("instrument,start,end,end\n", "columns"),
    "not UTF-8": (b"instrument,start,end,project\nsquid-1,\xff\n", "UTF-8"),
    "UTF-16": ((HEADER + "squid-1,a,b,c\n").encode("utf-16"), "UTF-8"),
    "a row too short": (HEADER + "squid-1,2026-11-23T00:00Z\n", "four cells"),
    "a row too long": (HEADER + "squid-1,a,b,c,d\n", "four cells"),
    "a huge cell": (HEADER + "squid-1," + "x" * 100_000 + ",b,c\n", "characters"),
    "a cell beyond csv's limit": (HEADER + "squid-1," + "x" * 200_000 + ",b,c\n", "not CSV"),
    "an open quote": (HEADER + 'squid-1,"2026\n', "not CSV"),
    "no time": (HEADER + "squid-1,yesterday,2026-11-24T00:00Z,cells\n", "line 2"),
    "no zone": (HEADER + "squid-1,2026-11-23T00:00,2026-11-24T00:00,cells\n", "zone"),
    "year 0": (HEADER + "squid-1,0000-01-01T00:00Z,2026-11-24T00:00Z,cells\n", "line 2"),
    "backwards": (HEADER + "squid-1,2026-11-24T00:00Z,2026-11-23T00:00Z,cells\n", "before it begins"),
    "no project": (HEADER + "squid-1,2026-11-23T00:00Z,2026-11-24T00:00Z,\n", "line 2"),
    "a project that is none": (HEADER + "squid-1,2026-11-23T00:00Z,2026-11-24T00:00Z,../x\n", "line 2"),
    "booked twice": (
        HEADER
        + "squid-1,2026-11-23T00:00Z,2026-11-24T00:00Z,cells\n"
        + "squid-1,2026-11-23T09:00Z,2026-11-23T10:00Z,other\n",
        "at once",
    ),
    "too many rows": (HEADER + "squid-2,a,b,c\n" * (MOST_ROWS + 1), "rows"),
}


@pytest.mark.parametrize(("content", "said"), BAD_TABLES.values(), ids=BAD_TABLES.keys())
def test_a_table_that_does_not_have_its_form_is_a_named_problem(content: str | bytes, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        find_booking("/b.csv", instrument="squid-1", moment=MOMENT, tables=table(content))


GOOD = "squid-1,2026-11-23T00:00Z,2026-11-24T00:00Z,cells\n"


@pytest.mark.parametrize(
    "content",
    [
        HEADER + GOOD,
        "\ufeff" + HEADER + GOOD,
        (HEADER + GOOD).replace("\n", "\r\n"),
        (HEADER + GOOD).replace(",", ";"),
        "Project , END,start,Instrument\ncells, 2026-11-24T00:00Z ,2026-11-23T00:00Z, squid-1\n\n,,,\n",
        HEADER + "squid-2,never,never,???\n" + GOOD,
        HEADER + GOOD + GOOD,
        HEADER + GOOD.strip(),
    ],
    ids=["plain", "BOM", "CRLF", "semicolons", "other order", "a slip elsewhere", "the same twice", "no end of line"],
)
def test_tables_are_read_as_spreadsheets_write_them(content: str) -> None:
    found = find_booking("/b.csv", instrument="squid-1", moment=MOMENT, tables=table(content))

    assert found is not None
    assert found.project == "cells"


@given(st.binary(max_size=400) | st.text(alphabet='instrument,start;end\r\n"2026-1T:Z \0\ufeff', max_size=200))
def test_no_table_does_more_than_be_refused(content: str | bytes) -> None:
    try:
        found = find_booking("/b.csv", instrument="squid-1", moment=MOMENT, tables=table(content))
    except InvalidInput:
        return
    assert found is None


def test_a_table_is_read_up_to_a_limit_whatever_it_claims(tmp_path: Path) -> None:
    endless = tmp_path / "endless.csv"
    with endless.open("wb") as file:
        file.truncate(1_000_000_000_000)

    with pytest.raises(HostileInput, match="bytes"):
        find_booking(str(endless), instrument="squid-1", moment=MOMENT, tables=BookingFiles())


def test_a_table_that_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)

    for place in (fifo, tmp_path, Path("/dev/zero")):
        with pytest.raises(HostileInput):
            BookingFiles().read(str(place), limit_bytes=MOST_BYTES)
    for missing in (str(tmp_path / "none"), "a\0b", ""):
        with pytest.raises(NotFound):
            BookingFiles().read(missing, limit_bytes=MOST_BYTES)


def test_a_table_on_disk_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text(HEADER + GOOD)

    assert BookingFiles().read(str(tmp_path / "b.csv"), limit_bytes=1000) == (HEADER + GOOD).encode()


@pytest.fixture
def people(catalogue: SqlCatalogue) -> SqlCatalogue:
    """The catalogue with accounts that projects can name."""
    with catalogue.begin() as tx:
        for name in ("ada", "bo"):
            tx.accounts.add(make_account(name, Role.RESEARCHER, grants=()))
    return catalogue


def declare(catalogue: SqlCatalogue, clock: SettableClock, slug: str = "cells", **fields: Any) -> Any:
    by = fields.pop("by", OPERATOR)
    with catalogue.begin() as tx:
        if tx.accounts.find(by.name) is None:
            tx.accounts.add(by)
    offered = fields.pop("offered", None)
    made = {"slug": slug, "title": "Cells", "owner": "ada", "created_at": clock.now()}
    given = Project(**{**made, **fields})
    return add_project(given, person=by.name, catalogue=catalogue, clock=clock, offered=offered)


def test_a_new_project_publishes_nothing_and_leaves_the_human_data_question_open(
    people: SqlCatalogue, clock: SettableClock
) -> None:
    made = declare(people, clock, people=("bo",))

    assert made.people == ("bo",)
    assert made.defaults.human_data is HumanData.UNANSWERED
    assert made.is_restricted
    assert made.policy == Policy(accept_passed=False, publish=PublishPolicy.NEVER, model=None)
    with people.begin() as tx:
        assert tx.projects.get("cells") == made
    with pytest.raises(AlreadyExists):
        declare(people, clock)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"slug": "Cells"}, ValidationError),
        ({"slug": "../x"}, ValidationError),
        ({"slug": ""}, ValidationError),
        ({"title": " "}, ValidationError),
        ({"title": "x" * 1001}, ValidationError),
        ({"owner": "nobody"}, InvalidInput),
        ({"people": ("nobody",)}, InvalidInput),
        ({"owner": "a\0b"}, InvalidInput),
        ({"by": make_account("sten", Role.STEWARD)}, Forbidden),
        ({"by": make_account(active=False)}, Forbidden),
    ],
    ids=str,
)
def test_a_project_that_does_not_do_is_refused_by_name(
    people: SqlCatalogue, clock: SettableClock, fields: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        declare(people, clock, **fields)

    with people.begin() as tx:
        assert tx.projects.list() == []


def test_people_see_their_own_projects_and_those_of_their_roles(people: SqlCatalogue, clock: SettableClock) -> None:
    declare(people, clock, "first", owner="ada")
    declare(people, clock, "second", owner="bo", people=("ada",))
    declare(people, clock, "third", owner="bo")

    def seen(account: Any) -> list[str]:
        return [project.slug for project in projects.list_projects(account=account, catalogue=people)]

    assert seen(make_account("ada", grants=())) == ["first", "second"]
    assert seen(make_account("ada", grants=(), active=False)) == []
    assert seen(OPERATOR) == ["first", "second", "third"]


@pytest.mark.parametrize(
    ("kind", "pattern", "project"),
    [
        (BindingKind.PATH, "relative/path", "cells"),
        (BindingKind.PATH, "/landing/../etc", "cells"),
        (BindingKind.PATH, "/", "cells"),
        (BindingKind.PATH, "/*", "cells"),
        (BindingKind.PATH, "/a\nb", "cells"),
        (BindingKind.PATH, "", "cells"),
        (BindingKind.PATH, "/landing", None),
        (BindingKind.PATH, "/" + "x" * 1000, "cells"),
        (BindingKind.PATH, "s3://", "cells"),
        (BindingKind.PATH, "s3://*", "cells"),
        (BindingKind.PATH, "s3://runs/../other", "cells"),
        (BindingKind.FIELD, "experiment_id", "cells"),
        (BindingKind.FIELD, "=x", "cells"),
        (BindingKind.FIELD, "x=", "cells"),
        (BindingKind.BOOKING, "table.csv", None),
        (BindingKind.BOOKING, "/table.csv", "cells"),
        (BindingKind.BOOKING, "s3://runs/table.csv", None),
    ],
)
def test_a_rule_that_could_not_mean_anything_is_refused(
    catalogue: SqlCatalogue, kind: BindingKind, pattern: str, project: str | None
) -> None:
    with pytest.raises(InvalidInput):
        projects.bind_project(kind, pattern, project=project, by=OPERATOR, catalogue=catalogue)


def test_rules_are_bound_by_operators_to_projects_that_exist(people: SqlCatalogue, clock: SettableClock) -> None:
    declare(people, clock)

    for _ in range(2):
        projects.bind_project(BindingKind.PATH, "/landing/a", project="cells", by=OPERATOR, catalogue=people)
    projects.bind_project(BindingKind.BOOKING, "/b.csv", project=None, by=OPERATOR, catalogue=people)
    projects.bind_project(BindingKind.PATH, "s3://runs/novaseq", project="cells", by=OPERATOR, catalogue=people)

    with people.begin() as tx:
        assert tx.projects.bindings() == [path("/landing/a"), BOOKING, path("s3://runs/novaseq")]
    with pytest.raises(NotFound):
        projects.bind_project(BindingKind.PATH, "/x", project="none", by=OPERATOR, catalogue=people)
    with pytest.raises(Forbidden):
        projects.bind_project(
            BindingKind.PATH, "/x", project="cells", by=make_account("sten", Role.STEWARD), catalogue=people
        )


def test_the_test_project_publishes_what_passes_and_is_made_once(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    first = projects.ensure_test_project(owner="root", catalogue=catalogue, clock=clock, model="nuclei")
    again = projects.ensure_test_project(owner="mallory", catalogue=catalogue, clock=clock)

    assert first.slug == "test"
    assert not first.is_restricted
    assert first.defaults.licence == "CC-BY-4.0"
    assert (first.defaults.creators, first.defaults.publisher) != ((), None)
    assert first.policy == Policy(accept_passed=True, publish=PublishPolicy.PASSED, model="nuclei")
    assert again == first


def test_an_embargo_that_is_over_is_refused_and_one_that_ran_out_bars_no_other_change(
    people: SqlCatalogue, clock: SettableClock
) -> None:
    today = clock.now().date()
    over = MetadataDefaults(access=Access.EMBARGOED, embargo_until=today)
    ahead = over.model_copy(update={"embargo_until": today + timedelta(days=1)})
    with pytest.raises(
        InvalidInput, match=rf"embargo_until {today} of project cells is not after today .* a later day"
    ):
        declare(people, clock, defaults=over)
    made = declare(people, clock, defaults=ahead)
    clock.advance(timedelta(days=2))

    renamed = made.model_copy(update={"title": "Cells of old"})
    after = edit_project(renamed, person="ada", catalogue=people, clock=clock)
    with pytest.raises(InvalidInput, match="keeps nothing back"):
        edit_project(after.model_copy(update={"defaults": over}), person="ada", catalogue=people, clock=clock)

    assert (after.title, after.defaults.embargo_until) == ("Cells of old", ahead.embargo_until)


@pytest.mark.parametrize(
    ("field", "said"), [("model", "nuclej"), ("release_copy", "archives"), ("targets", ("zenodo", "zenodoo"))]
)
def test_a_policy_that_names_what_the_site_does_not_have_is_refused_and_one_that_stands_bars_nothing(
    people: SqlCatalogue, clock: SettableClock, field: str, said: object
) -> None:
    """A misspelt target would have been a place that nothing ever goes to, and nobody told."""
    offered = Offered(models=("nuclei",), targets=("zenodo",), stores=("archive",))
    wrong, nothing = Policy.model_validate({field: said}), Offered(models=(), targets=(), stores=())
    with pytest.raises(InvalidInput, match=f"policy.{field}: this site has no .*; it has (nuclei|zenodo|archive)"):
        declare(people, clock, policy=wrong, offered=offered)
    declare(people, clock, "good", policy=Policy(model="nuclei", targets=("zenodo",)), offered=offered)
    made = declare(people, clock, policy=wrong)

    renamed = made.model_copy(update={"title": "Cells of old"})
    after = edit_project(renamed, person="ada", catalogue=people, clock=clock, offered=nothing)
    other = after.model_copy(update={"policy": Policy(targets=("omero",))})
    with pytest.raises(InvalidInput, match="it has none"):
        edit_project(other, person="ada", catalogue=people, clock=clock, offered=nothing)

    assert (after.title, after.policy) == ("Cells of old", wrong)
