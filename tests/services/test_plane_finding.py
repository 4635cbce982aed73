"""What findings say of planes that were measured, and of those that nobody looked at."""

from __future__ import annotations

from cisterna.domain.finding import Finding, Outcome, Verdict, verdict_of
from cisterna.ports.quality import MetricTable
from cisterna.services.plane_finding import told_of_planes

PASSED = Finding(check="focus", outcome=Outcome.PASSED, message="Focus: 0.05 (expected at least 0.02).")
WHY = "the package nd2 is not installed"


def table(*rows: tuple[str, int | None, str | None, str | None]) -> MetricTable:
    """Give rows of path, planes of the file, why nobody looked, and what is wrong."""
    columns = zip(("path", "planes_in_file", "unmeasured", "problem"), zip(*rows, strict=True), strict=True)
    return MetricTable(columns={name: list(cells) for name, cells in columns})


def test_nothing_is_added_where_all_was_measured() -> None:
    whole = table(("a.czi", 2, None, None), ("a.czi", 2, None, None), ("b.tiff", None, None, None))

    assert told_of_planes([PASSED], whole) == (PASSED,)


def test_a_table_of_older_days_is_left_as_it_is() -> None:
    assert told_of_planes([PASSED], MetricTable(columns={"path": ["a.tiff"], "problem": [None]})) == (PASSED,)


def test_every_finding_says_on_how_many_planes_it_stands() -> None:
    some = table(("a.czi", 900, None, None), ("a.czi", 900, None, None), ("b.czi", 100, None, None))

    (told,) = told_of_planes([PASSED], some)

    assert told.message == "Focus: 0.05 (expected at least 0.02). Measured on 3 of 1,000 planes."
    assert told.outcome is Outcome.PASSED


def test_what_nobody_looked_at_is_no_pass() -> None:
    missed = table(("a.nd2", None, WHY, None), ("b.nd2", None, WHY, None), ("c.czi", 1, None, None))

    found = told_of_planes([PASSED], missed)

    assert verdict_of(found) is Verdict.NOT_ASSESSED
    assert found[0].check == "planes-measured"
    assert found[0].files == ("a.nd2", "b.nd2")
    assert found[0].message == (
        "2 of 3 images and planes were not looked at, such as of a.nd2: the package nd2 is not installed. "
        "The data are in the archive all the same."
    )


def test_further_reasons_are_counted_and_a_bad_plane_is_not_measured() -> None:
    missed = table(("a.czi", 3, WHY, None), ("a.czi", 3, "too large", None), ("a.czi", 3, None, "cut off"))

    first, second = told_of_planes([PASSED], missed)

    assert "(and 1 other reasons)" in first.message
    assert first.files == ("a.czi",)
    assert second.message.endswith("Measured on 0 of 3 planes.")
