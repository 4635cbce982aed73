"""A run is written once more for viewing, on a running stack, and another reader opens what comes back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from tests.system.running import RunningStack, write_run
from tests.testing.zarr_reading import opened, require_image, require_plate

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]


def test_a_published_run_becomes_a_plate_that_others_open_and_every_pixel_is_there(
    stack: RunningStack, tmp_path: Path
) -> None:
    folder = write_run(tmp_path / "zone", seed=301)
    answer = stack.ingest(folder)
    assert answer.code == 0, answer.out
    source = answer.document["dataset_id"]

    done = stack.ok("reprocess", source, "--convert", "ome-zarr", "--reason", "to look at it", "--wait")

    assert "is published" in done["outcome"] or "is accepted" in done["outcome"]
    rows = [stack.detail(one) for one in stack.detail(source)["derived"]]
    (view,) = (row for row in rows if row["data_type"] == "ome-zarr")
    assert (view["verdict"], view["derived_from"]) == ("passed", [source])
    stack.ok("check", view["dataset_id"])
    stack.ok("restore", view["dataset_id"], "--to", str(tmp_path / "back"))
    plate = opened(tmp_path / "back/data/view.ome.zarr")
    require_plate(plate)
    compared = 0
    for well in plate.attrs["ome"]["plate"]["wells"]:
        for image in plate[well["path"]].attrs["ome"]["well"]["images"]:
            field = plate[f"{well['path']}/{image['path']}"]
            require_image(field)
            labels = [channel["label"] for channel in field.attrs["ome"]["omero"]["channels"]]
            for t, c, z in np.ndindex(field["0"].shape[:3]):
                name = f"{t}/{well['path'].replace('/', '')}_{image['path']}_{z}_{labels[c]}.tiff"
                assert np.array_equal(field["0"][t, c, z], tifffile.imread(folder / name)), name
                compared += 1
    assert compared == len(list(folder.glob("*/*.tiff"))) > 0
