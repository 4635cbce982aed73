"""Which files whoever derives is given: each once, whole, and with its place where it is one image."""

from __future__ import annotations

from cisterna.services.derived import PLANE, whole_files


def table(*rows: tuple[str, str | None, str]) -> dict[str, list[object]]:
    """Path, problem and channel of each row."""
    columns: dict[str, list[object]] = {name: [1] * len(rows) for name in PLANE}
    return {
        **columns,
        "path": [path for path, _, _ in rows],
        "problem": [problem for _, problem, _ in rows],
        "channel": [channel for _, _, channel in rows],
    }


def test_a_file_of_many_planes_is_one_and_tells_no_place() -> None:
    found = list(whole_files(table(("a.ome.tif", None, "DAPI"), ("a.ome.tif", None, "GFP"), ("b.tif", None, "DAPI"))))

    assert [row["path"] for row in found] == ["a.ome.tif", "b.tif"]
    assert [row["channel"] for row in found] == [None, "DAPI"]


def test_a_plane_that_cannot_be_read_makes_no_single_image_of_the_others() -> None:
    (found,) = whole_files(table(("a.ome.tif", None, "DAPI"), ("a.ome.tif", "it is not there", "GFP")))

    assert found == {"path": "a.ome.tif", **dict.fromkeys(PLANE)}


def test_makers_files_and_files_that_cannot_be_read_are_none() -> None:
    assert list(whole_files(table(("a.CZI", None, "DAPI"), ("b.nd2", None, "GFP"), ("c.tif", "empty", "DAPI")))) == []
