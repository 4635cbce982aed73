"""What the Squid profile makes of a folder, good, bad and hostile."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cisterna.adapters.landing_folder import LandingFolder, read_outside
from cisterna.domain.acquisition import EndReason, Evidence
from cisterna.domain.listing import Listing, SeenFile
from cisterna.ports.profile import Plane, Profile
from cisterna.profiles.squid import Squid
from cisterna.services.look import FolderLook
from cisterna.testing.virtual_squid import Fault, VirtualSquid

STARTED = datetime(2026, 11, 22, 8, 30, 1, 250_000, tzinfo=UTC)
SQUID: Profile = Squid()


def look(folder: Path, *, run_json: Path | None = None) -> FolderLook:
    zone = LandingFolder(str(folder.parent))
    chosen = {"run_json": str(run_json)} if run_json else {}
    return FolderLook(folder.name, zone.listing(folder.name), zone, chosen, read_outside)


def write(tmp_path: Path, **changes: object) -> Path:
    base: dict[str, object] = {"started": STARTED, "wells": ("A1", "B2"), "fovs": 2, "run_json": tmp_path / "run.json"}
    return VirtualSquid(**(base | changes)).write(tmp_path / "zone")  # type: ignore[arg-type]


def inspect(tmp_path: Path, folder: Path) -> Evidence:
    return SQUID.inspect(look(folder, run_json=tmp_path / "run.json"))


def test_a_whole_run_lacks_nothing(tmp_path: Path) -> None:
    folder = write(tmp_path, time_points=2, z_levels=2)

    evidence = inspect(tmp_path, folder)

    assert evidence == Evidence(
        expects=True,
        expected_files=32,
        needs_end_reason=True,
        end_reason=EndReason.COMPLETED,
        cadence_seconds=0.0,
    )
    assert evidence.progress == 1.0


def test_at_no_step_of_writing_does_it_lack_nothing(tmp_path: Path) -> None:
    squid = VirtualSquid(started=STARTED, wells=("A1",), fovs=2, time_points=2, run_json=tmp_path / "run.json")
    seen = []

    for touched in squid.steps(tmp_path / "zone"):
        folder = tmp_path / "zone" / touched.relative_to(tmp_path / "zone").parts[0]
        glance = look(folder, run_json=tmp_path / "run.json")
        assert SQUID.claims(glance)
        evidence = SQUID.inspect(glance)
        seen.append(not evidence.markers_missing and not evidence.missing_files and evidence.end_reason is not None)

    assert seen == [False] * (len(seen) - 1) + [True]


@pytest.mark.parametrize(
    ("fault", "missing", "faults", "reason"),
    [
        (Fault.ABORT, 4, 0, EndReason.USER_ABORT),
        (Fault.MISSING, 3, 0, EndReason.COMPLETED_WITH_ERRORS),
        (Fault.TRUNCATED, 0, 1, EndReason.COMPLETED),
        (Fault.CRASH, 4, 0, None),
        (Fault.BLUR, 0, 0, EndReason.COMPLETED),
    ],
)
def test_faults_show_in_the_evidence(
    tmp_path: Path, fault: Fault, missing: int, faults: int, reason: EndReason | None
) -> None:
    evidence = inspect(tmp_path, write(tmp_path, fault=fault))

    assert (evidence.missing_files, len(evidence.faults), evidence.end_reason) == (missing, faults, reason)
    assert evidence.plan_fault is None


def test_a_truncated_image_is_named_with_both_sizes(tmp_path: Path) -> None:
    evidence = inspect(tmp_path, write(tmp_path, fault=Fault.TRUNCATED))

    assert evidence.faults == (
        "0/A1_0_0_Fluorescence_488_nm_Ex.tiff holds 314726 bytes where its header tells of 524544",
    )


def test_an_image_of_zeros_that_has_the_right_size_is_a_fault(tmp_path: Path) -> None:
    folder = write(tmp_path)
    (folder / "0" / "B2_0_0_BF_LED_matrix_full.tiff").write_bytes(b"\0" * 524_544)

    assert inspect(tmp_path, folder).faults == ("0/B2_0_0_BF_LED_matrix_full.tiff does not begin like a TIFF",)


@pytest.mark.parametrize(
    ("record", "needs", "reason"),
    [
        pytest.param({"status": "ended", "reason": "error"}, True, EndReason.ERROR, id="this run"),
        pytest.param({"status": "running", "reason": None}, True, None, id="this run, running"),
        pytest.param({"status": "ended", "reason": "sunspots"}, True, None, id="an unknown reason"),
        pytest.param({"experiment_id": "next", "status": "ended", "reason": "error"}, False, None, id="another run"),
        pytest.param({"experiment_id": ["x"], "status": {}, "reason": 5}, False, None, id="wrong types"),
    ],
)
def test_run_json_counts_only_while_it_speaks_of_this_run(
    tmp_path: Path, record: dict[str, object], needs: bool, reason: EndReason | None
) -> None:
    folder = write(tmp_path)
    (tmp_path / "run.json").write_text(json.dumps({"experiment_id": folder.name} | record))

    evidence = inspect(tmp_path, folder)

    assert (evidence.needs_end_reason, evidence.end_reason) == (needs, reason)


def test_a_run_json_that_cannot_be_read_is_said_and_stops_nothing(tmp_path: Path) -> None:
    folder = write(tmp_path)
    (tmp_path / "run.json").write_text("{")

    evidence = inspect(tmp_path, folder)

    assert evidence.end_reason is None
    assert "could not be read" in evidence.notes[0]


def test_a_time_lapse_that_skipped_time_points_says_so(tmp_path: Path) -> None:
    folder = write(tmp_path, time_points=3, interval_seconds=60.0)
    for path in (folder / "1").iterdir():
        path.unlink()
    (folder / "1").rmdir()

    evidence = inspect(tmp_path, folder)

    assert evidence.missing_files == 8
    assert "1 of 3 time points have no folder" in evidence.notes[0]
    assert evidence.cadence_seconds == 60.0


def test_a_log_that_grows_after_the_marker_asks_for_a_moment(tmp_path: Path) -> None:
    assert inspect(tmp_path, write(tmp_path, fault=Fault.LOG_TAIL)).settle_seconds == 5.0


def test_padded_names_are_understood(tmp_path: Path) -> None:
    folder = write(tmp_path)
    for image in (folder / "0").glob("*.tiff"):
        region, fov, z, channel = image.name.split("_", 3)
        image.rename(image.with_name(f"{region}_{int(fov):03}_{int(z):03}_{channel}"))
    (folder / "0").rename(folder / "000")

    evidence = inspect(tmp_path, folder)

    assert (evidence.missing_files, evidence.markers_missing) == (0, ())


def test_images_of_8_bits_and_colours_in_three_files_count(tmp_path: Path) -> None:
    folder = write(tmp_path, channels=("BF LED matrix full_RGB",), wells=("A1",), fovs=1)
    image = folder / "0" / "A1_0_0_BF_LED_matrix_full_RGB.tiff"
    for colour in "RGB":
        image.with_name(f"A1_0_0_BF_LED_matrix_full_{colour}.bmp").write_bytes(b"BM")
    image.unlink()

    assert inspect(tmp_path, folder).missing_files == 0


@pytest.mark.parametrize(
    ("mode", "place"),
    [("stacks", lambda n: f"0/A1_{n}_stack.tiff"), ("ome-tiff", lambda n: f"ome_tiff/A1_{n}.ome.tiff")],
    ids=["stacks", "ome-tiff"],
)
def test_other_ways_of_saving_are_not_believed_at_once(tmp_path: Path, mode: str, place: Callable[[int], str]) -> None:
    folder = write(tmp_path, wells=("A1",), fovs=2)
    bodies = [path.read_bytes() for path in sorted((folder / "0").glob("*.tiff"))]
    for path in (folder / "0").glob("*.tiff"):
        path.unlink()
    for number in range(2):
        (folder / place(number)).parent.mkdir(exist_ok=True)
        (folder / place(number)).write_bytes(bodies[number])

    whole = inspect(tmp_path, folder)
    (folder / place(1)).unlink()
    lacking = inspect(tmp_path, folder)

    assert (whole.expects, whole.missing_files, lacking.missing_files) == (False, 0, 1)
    assert mode in whole.notes[0]


def test_the_run_describes_itself(tmp_path: Path) -> None:
    described = SQUID.describe(look(write(tmp_path, experiment="HeLa nuclei")))

    assert described.title == "HeLa nuclei"
    assert described.data_type == "microscopy"
    assert described.started_at == STARTED
    assert described.fields["objective"] == "20x"
    assert described.fields["channels"] == ["BF LED matrix full", "Fluorescence 488 nm Ex"]
    assert described.fields["pixel_size_um"] == 0.325
    assert described.fields["experiment_id"] == "HeLa_nuclei_2026-11-22_08-30-01.250000"


@pytest.mark.parametrize(
    ("path", "plane"),
    [
        ("0/A1_3_1_BF_LED_matrix_full.tiff", Plane(region="A1", field="3", channel="BF_LED_matrix_full", z=1)),
        (
            "12/B12_0_0_Fluorescence_488_nm_Ex.tiff",
            Plane(region="B12", field="0", channel="Fluorescence_488_nm_Ex", t=12),
        ),
        ("0/my_well_2_0_1_BF.tiff", Plane(region="my_well_2", field="0", channel="BF", z=1)),
        ("0/A1_0_2_488_nm.tiff", Plane(region="A1", field="0", channel="488_nm", z=2)),
        ("0/A1_focus_camera.bmp", None),
        ("0/_0_0_BF.tiff", None),
        ("0/coordinates.csv", None),
        ("A1_0_0_BF.tiff", None),
        ("x/A1_0_0_BF.tiff", None),
    ],
)
def test_a_name_tells_where_an_image_belongs(path: str, plane: Plane | None) -> None:
    assert SQUID.plane(path) == plane


def test_only_images_of_the_sample_are_images() -> None:
    assert SQUID.is_image("0/A1_0_0_BF.tiff")
    assert SQUID.is_image("ome_tiff/A1_0.ome.tiff")
    others = ["0/A1_focus_camera.bmp", "0/A1_0_0_laser af camera.bmp", "0/.done", "coordinates.csv", "0/x/y.tiff"]
    assert not [path for path in others if SQUID.is_image(path)]


def test_a_folder_of_another_kind_is_not_claimed(tmp_path: Path) -> None:
    other = tmp_path / "zone" / "holiday"
    other.mkdir(parents=True)
    (other / "beach.jpg").write_bytes(b"x")

    assert not SQUID.claims(look(other))


BOMB = "a: &a [x, x]\n" + "".join(
    f"{n}: &{n} [*{p}, *{p}, *{p}, *{p}]\n" for p, n in zip("abcdefgh", "bcdefghi", strict=True)
)
HOSTILE = {
    "rows without end": ("coordinates.csv", "region\n" + "A1\n" * 300_000),
    "no rows": ("coordinates.csv", "region,x (mm)\n"),
    "no region column": ("coordinates.csv", "a,b\n1,2\n"),
    "a region that climbs out": ("coordinates.csv", "region\n../../../etc/passwd\n"),
    "a region that commands the terminal": ("coordinates.csv", "region\n\x1b[2J\n"),
    "a binary table": ("coordinates.csv", "\0\1\2"),
    "1e9 planned images": (
        "acquisition.yaml",
        "z_stack: {nz: 1000000}\ntime_series: {nt: 1000}\nchannels: [{name: a}]\n",
    ),
    "no levels": ("acquisition.yaml", "z_stack: {nz: 0}\ntime_series: {nt: 1}\nchannels: [{name: a}]\n"),
    "a level that is a text": ("acquisition.yaml", "z_stack: {nz: many}\ntime_series: {nt: 1}\n"),
    "a level of a million digits": ("acquisition.yaml", f"z_stack: {{nz: 0x{'f' * 1_000_000}}}\n"),
    "a level that is a bomb": ("acquisition.yaml", BOMB + "z_stack: {nz: *i}\n"),
    "merges that multiply": ("acquisition.yaml", "a: &a {k: 1}\nb: &b {<<: [*a, *a, *a]}\nz_stack: {<<: [*b, *b]}\n"),
    "deep nesting": ("acquisition.yaml", "a: " + "[" * 200_000),
    "a Python object": ("acquisition.yaml", "!!python/object/apply:os.system ['touch /tmp/pwned']\n"),
    "a list": ("acquisition.yaml", "- 1\n- 2\n"),
    "no YAML": ("acquisition.yaml", "a: [1, 2\nb: }"),
    "no UTF-8": ("acquisition.yaml", b"\xff\xfe\x00"),
    "channels of numbers": ("acquisition.yaml", "channels: [1, 2]\n"),
    "no channels": ("acquisition.yaml", "channels: []\n"),
    "a thousand channels": ("acquisition.yaml", "channels: [" + "{name: a}, " * 1000 + "]\n"),
    "parameters that are no JSON": ("acquisition parameters.json", "[" * 100_000),
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize(("name", "content"), list(HOSTILE.values()), ids=list(HOSTILE))
def test_a_hostile_plan_is_evidence_and_no_exception(tmp_path: Path, name: str, content: str | bytes) -> None:
    folder = write(tmp_path, wells=("A1",), fovs=1)
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    if name == "acquisition.yaml" and isinstance(content, str) and "channels: []" in content:
        (folder / "acquisition_channels.yaml").write_text("channels: []\n")
    glance = look(folder, run_json=tmp_path / "run.json")

    evidence = SQUID.inspect(glance)
    SQUID.describe(glance)

    is_known_bad = evidence.plan_fault is not None or evidence.missing_files > 0
    assert is_known_bad
    assert len(evidence.plan_fault or "") < 1000


@pytest.mark.parametrize("name", ["coordinates.csv", "acquisition.yaml", "acquisition_channels.yaml"])
@pytest.mark.timeout(10)
def test_a_plan_behind_a_link_or_fifo_is_not_read(tmp_path: Path, name: str) -> None:
    folder = write(tmp_path, wells=("A1",), fovs=1)
    (folder / name).unlink()
    (folder / name).symlink_to("/etc/passwd")
    glance = look(folder)

    evidence = SQUID.inspect(glance)

    assert glance.listing.obstacles
    assert "root:" not in evidence.model_dump_json() + SQUID.describe(glance).model_dump_json()


@dataclass(frozen=True)
class Held:
    """A folder whose files are given, and nothing else."""

    bodies: dict[str, bytes]
    folder: str = "demo_2026-11-22_08-30-01.250000"
    settings: dict[str, str] = field(default_factory=lambda: {"run_json": "given"})

    @property
    def listing(self) -> Listing:
        return Listing(
            files=tuple(
                SeenFile(path=path, size_bytes=len(body), mtime_ns=0, inode=1) for path, body in self.bodies.items()
            )
        )

    def read(self, path: str, *, limit_bytes: int = 8 * 1024 * 1024) -> bytes:
        return self.bodies[path][:limit_bytes]

    def head(self, path: str, *, limit_bytes: int = 4096) -> bytes:
        return self.bodies[path][:limit_bytes]

    def tail(self, path: str, *, limit_bytes: int = 4096) -> bytes:
        return self.bodies[path][-limit_bytes:]

    def read_setting(self, name: str, *, limit_bytes: int = 1024) -> bytes | None:
        assert name == "run_json"
        return self.bodies["acquisition.yaml"][:limit_bytes]


GOOD = (b"region\nA1\n", b"channels: [{name: BF}]", b"z_stack: {nz: 1}\ntime_series: {nt: 1}", b'{"Nz": 1, "Nt": 1}')
words = st.sampled_from(
    [*GOOD, b"[", b"{", b": ", b"\n", b"- ", b"&a ", b"*a", b"<<", b"nz", b"1e999", b"\xff", b"A1,", b'"']
)
bodies = st.lists(words | st.binary(max_size=8), max_size=12).map(b"".join)


@settings(max_examples=300, deadline=None)
@given(table=bodies, channels=bodies, summary=bodies, parameters=bodies, image=st.binary(max_size=40))
def test_no_content_raises_anything(
    table: bytes, channels: bytes, summary: bytes, parameters: bytes, image: bytes
) -> None:
    held = Held(
        {
            "coordinates.csv": table,
            "acquisition_channels.yaml": channels,
            "acquisition.yaml": summary,
            "acquisition parameters.json": parameters,
            "0/A1_0_0_BF.tiff": b"II*\0" + image,
            ".done": b"",
            "0/.done": b"",
        }
    )

    assert SQUID.claims(held)
    evidence = SQUID.inspect(held)
    SQUID.describe(held)

    assert evidence.plan_fault is None or evidence.expected_files is None
