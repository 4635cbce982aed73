"""Each source byte is read once, by plain reads: told by the kernel, of a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cisterna.adapters.s3_access import S3Access
from cisterna.adapters.s3_obstore import S3Store
from cisterna.domain.dataset import Stage
from tests.archive.facility import Facility

MIB = 1024 * 1024


def write_large_run(folder: Path) -> int:
    """Write 272 MiB: 28 images of 8 MiB, and one file of 48 MiB that is streamed."""
    folder.mkdir()
    noise = os.urandom(8 * MIB)
    for number in range(28):
        (folder / f"A1_{number}_BF.tiff").write_bytes(number.to_bytes(4, "big") + noise[4:])
    (folder / "movie.avi").write_bytes(b"movie" + noise * 6)
    return sum(file.stat().st_size for file in folder.iterdir())


@pytest.mark.timeout(300)
def test_the_source_is_read_once_and_never_mapped(
    facility: Facility, dsn: str, object_store: S3Store, s3_endpoint: S3Access
) -> None:
    size_bytes = write_large_run(facility.landing / "run")
    version = facility.detect("run").version_id
    task = {
        "dsn": dsn,
        "endpoint": s3_endpoint.endpoint,
        "key": s3_endpoint.access_key_id,
        "secret": s3_endpoint.secret_access_key.get_secret_value(),
        "bucket": object_store.bucket,
        "landing": str(facility.landing),
        "version": version,
        "lease": facility.lease(version).model_dump(mode="json"),
        "image_limit_bytes": 16 * MIB,
    }

    told = subprocess.run(
        [sys.executable, "-m", "tests.archive.one_read_child"],
        input=json.dumps(task),
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        cwd=Path(__file__).parents[2],
    )

    assert told.returncode == 0, told.stderr
    answer = json.loads(told.stdout)
    assert size_bytes >= 256 * MIB
    assert answer["total"] == size_bytes
    assert size_bytes <= answer["bytes_read"] <= 1.05 * size_bytes
    assert not answer["was_mapped"]
    assert facility.version(version).stage is Stage.MEASURED
