"""What the table profile makes of a folder of tables, good, bad and hostile."""

from __future__ import annotations

import gzip
import hashlib
import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cisterna.domain.acquisition import AcquisitionState
from cisterna.profiles.table import Table
from cisterna.testing.scripted_run import Mishap
from cisterna.testing.virtual_table import parquet, virtual_table
from tests.profiles.folder_look import Held, judged, look

TABLE = Table()


def real_parquet() -> bytes:
    written = io.BytesIO()
    pq.write_table(pa.table({"well": ["A1", "A2"], "dose_um": [0.5, 1.0]}), written)
    return written.getvalue()


def test_a_folder_of_tables_is_complete_after_five_quiet_minutes(tmp_path: Path) -> None:
    folder = virtual_table().write(tmp_path)

    fresh, quiet = (judged(TABLE, folder, quiet_for=seconds) for seconds in (299.0, 300.0))

    assert (fresh.state, quiet.state) == (AcquisitionState.WRITING, AcquisitionState.COMPLETE)


def test_a_list_closes_the_folder_and_its_digests_are_delivered(tmp_path: Path) -> None:
    run = virtual_table(mishap=Mishap.MISSING)
    folder = run.write(tmp_path)
    digests = {path: hashlib.md5(body, usedforsecurity=False).hexdigest() for path, body in run.files.items()}
    (folder / "md5sum.txt").write_text("".join(f"{digest}  {path}\n" for path, digest in digests.items()))

    assert TABLE.claims(look(folder))
    assert TABLE.inspect(look(folder)).missing == ("cells.parquet",)
    assert TABLE.delivered(look(folder))["plates.csv"] == {"md5": digests["plates.csv"]}


@pytest.mark.parametrize(
    ("files", "claimed"),
    [
        (("a.csv",), True),
        (("sub/a.tsv.gz", "README.txt", ".hidden"), True),
        (("part-0001.parquet", "_SUCCESS"), True),
        (("a.csv", "datapackage.json", "sub/b.csv", "sub/schema.json"), True),
        (("a.csv", "a.csv.md5"), True),
        (("a.csv", "image.tiff"), False),
        (("coordinates.csv", "acquisition.yaml"), False),
        (("README.md",), False),
        ((), False),
    ],
)
def test_only_a_folder_with_nothing_but_tables_is_one_of_tables(files: tuple[str, ...], claimed: bool) -> None:
    assert TABLE.claims(Held(dict.fromkeys(files, b"x"))) == claimed


MAY_BE_WHOLE = {
    "real Parquet": ("a.parquet", real_parquet()),
    "CSV": ("a.csv", b"a,b\n1,2\n"),
    "no last line end": ("a.csv", b"a,b\n1,2"),
    "a header alone": ("a.csv", b"a,b"),
    "quotes": ("a.csv", b'a,b\n"1'),
    "old line ends": ("a.csv", b"a,b\r1,2\r"),
    "packed": ("a.csv.gz", gzip.compress(b"a,b\n")),
}


@pytest.mark.parametrize(("name", "body"), list(MAY_BE_WHOLE.values()), ids=list(MAY_BE_WHOLE))
def test_a_table_that_may_be_whole_is_not_told(name: str, body: bytes) -> None:
    assert TABLE.inspect(Held({name: body})).faults == ()


CANNOT_BE_WHOLE = {
    "empty": ("a.csv", b"", "is empty"),
    "allocated": ("a.csv", b"a,b\n1,2\n" + bytes(50), "ends in zeros"),
    "broken off": ("a.csv", b"a,b,c\n1,2,3\n4,", "ends within a line: 2 cells where its header has 3"),
    "broken off, tabs": ("a.tsv", b"a\tb\n1\t2\n3", "ends within a line: 1 cells where its header has 2"),
    "no Parquet": ("a.parquet", b"a,b\n1,2\n", "does not begin like Parquet"),
    "Parquet cut off": ("a.parquet", real_parquet()[:-1], "does not end like Parquet"),
    "its magic alone": ("a.parquet", b"PAR1", "does not end like Parquet"),
    "its magic twice": ("a.parquet", b"PAR1PAR1", "does not end like Parquet"),
    "a footer that is too long": ("a.parquet", parquet(told=900), "holds 162 bytes where its footer alone needs 912"),
    "no gzip": ("a.csv.gz", b"a,b\n", "does not begin like a gzip file"),
}


@pytest.mark.parametrize(("name", "body", "says"), list(CANNOT_BE_WHOLE.values()), ids=list(CANNOT_BE_WHOLE))
def test_a_table_that_cannot_be_whole_is_told(name: str, body: bytes, says: str) -> None:
    (fault,) = TABLE.inspect(Held({name: body})).faults

    assert fault.startswith(f"{name} ")
    assert says in fault


def test_the_folder_is_described_by_its_columns(tmp_path: Path) -> None:
    described = TABLE.describe(look(virtual_table().write(tmp_path)))

    assert (described.title, described.data_type) == ("plates 2026", "table")
    assert described.fields["columns"] == ["count", "dose_um", "gene", "well"]
    assert described.fields["tables"] == 3


def test_columns_that_are_no_plain_text_are_left_out() -> None:
    hostile = {
        "a.csv": b"\xff\xfe,b\n",
        "b.csv": b"good,\x1b[2J," + b"x" * 5000 + b"\n",
        "c.csv": b'"never closed',
        "d.csv.gz": b"\x1f\x8b\x08",
        "e.csv": ("c," * 100_000).encode(),
    }

    columns = TABLE.describe(Held(hostile)).fields["columns"]

    assert set(columns) <= {"good", "c", "never closed"}  # type: ignore[arg-type]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60), st.binary(max_size=60))
def test_no_content_raises_anything(first: bytes, second: bytes) -> None:
    held = Held({"a.csv": first, "b.tsv.gz": second, "c.parquet": b"PAR1" + second + b"PAR1", "d.csv.gz": first})

    TABLE.inspect(held)
    assert TABLE.describe(held).title
