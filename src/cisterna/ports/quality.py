"""How images are measured and datasets judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from pydantic import Field

from cisterna.domain.base import Value
from cisterna.domain.control_chart import BaselineRule, Chart
from cisterna.domain.finding import Finding, Verdict, verdict_of
from cisterna.ports.profile import FilePlanes, Look, Plane, StagePlace


class PlaneReading(Value):
    """What one plane of a file gave that holds many of them, each with a place of its own.

    Attributes:
        metrics, problem, unmeasured: As `Reading` has them.
        taken: Where and when it was taken; None where nothing says it.
    """

    plane: Plane
    taken: StagePlace | None = None
    metrics: dict[str, float | None] = Field(default_factory=dict)
    problem: str | None = None
    unmeasured: str | None = None


class ChannelReading(Value):
    """What one channel of a file gave: a detector of a cytometer, a lane of a flow cell.

    Attributes:
        channel: Its name, the same in every file of the instrument.
        metrics: By the names that the file has them by.
    """

    channel: str
    metrics: dict[str, float | None] = Field(default_factory=dict)


CHANNELS_OF_FILE = 64
"""More channels of one file are not told apart."""


class Curve(Value):
    """A curve that a file's report is drawn with, such as the mean quality by cycle or a histogram.

    Attributes:
        name: With the units of both axes in it where they have any, such as `quality_phred_by_cycle`.
        x, y: Of equal length, at most `CURVE_POINTS`; None where there is no value.
    """

    name: str
    x: tuple[float, ...]
    y: tuple[float | None, ...]


CURVE_POINTS = 1000

EMPTY_SNR = 5.5
"""Below it, and without coarse structure, an image is empty: (p99 - p5) / sigma of pure Gaussian noise is 3.97."""


class Reading(Value):
    """What one pass over a file gave.

    Attributes:
        shape, dtype: Of an image.
        metrics: By name, with the unit in the name where it has one; None where it could not be had.
        problem: Why the file could not be read as what it should be, in words; its bytes are kept all the same.
        unmeasured: Why nobody looked, in words, where that says nothing against the file: no reader, too large.
        thumbnail: A PNG of at most 256 x 256 pixels, or None.
        planes: Of a file that tells where each of its planes belongs: those that were chosen; then `metrics` is empty.
        planes_in_file: How many there are to choose from; None for any other file, and for one whose planes belong to a
            run of several files.
        curves: What its report is drawn with, beside the metrics.
        channels: Of a file whose detectors or lanes are measured each for itself, beside the whole.
    """

    shape: tuple[int, ...] = ()
    dtype: str | None = None
    metrics: dict[str, float | None] = Field(default_factory=dict)
    problem: str | None = None
    unmeasured: str | None = None
    thumbnail: bytes | None = None
    planes: tuple[PlaneReading, ...] = ()
    planes_in_file: int | None = None
    curves: tuple[Curve, ...] = ()
    channels: tuple[ChannelReading, ...] = ()


class Spool(Protocol):
    """A place for the bytes of one file, as they are read, from which it is measured when all of them are there."""

    def write(self, piece: memoryview) -> None:
        """Take the next bytes. Never raises: what cannot be kept is not measured."""
        ...

    def read(self, *, keep_on: Callable[[], None]) -> Reading:
        """Measure the file. `keep_on` is called between planes, and raises when the attempt must stop."""
        ...


class Meter(Protocol):
    """Measures the files of one data type from the bytes that are being archived.

    Attributes:
        names: Of the metrics, in the order of the columns of `quality/metrics.parquet`.
        has_places: Whether the table tells where in the run each thing belongs: region, field, channel, z, t.
    """

    names: tuple[str, ...]
    has_places: bool

    def takes(self, path: str, *, is_image: bool) -> bool:
        """Tell whether the file is to be measured; `is_image` is what the profile says of it."""
        ...

    def read(self, body: memoryview, *, path: str) -> Reading:
        """Measure one file. Bad content is a `problem`, no exception. The claims of its header are checked first."""
        ...

    def spool(self, path: str, *, size_bytes: int) -> AbstractContextManager[Spool] | None:
        """Give a place for the bytes of a file whose reader has to seek in it; None for one that `read` takes.

        Such a file is measured whatever its size, as far as there is room for it.
        """
        ...


@runtime_checkable
class LooksAround(Protocol):
    """What a meter may be able to do beside: learn from the small files of a run what it measures the others by."""

    def of_run(self, look: Look) -> Meter:
        """Give the meter for one run; what lies beside its files is read when it is needed."""
        ...


@runtime_checkable
class MeasuresPlanes(Protocol):
    """What a meter may be able to do beside: measure planes of a file apart, where something tells which is which."""

    def of_planes(self, planes: Mapping[str, FilePlanes]) -> Meter:
        """Give the meter for one run whose files hold these planes, by path."""
        ...


@dataclass(frozen=True, slots=True)
class MeterChoice:
    """Which meter measures the files of which data type.

    Attributes:
        images: Also that of every type that has no other: it takes what the profile calls an image, and nothing else.
        others: By data type.
    """

    images: Meter
    others: Mapping[str, Meter] = field(default_factory=dict)

    def of(self, data_type: str) -> Meter:
        """Give the meter of a data type."""
        return self.others.get(data_type, self.images)

    def of_run(self, data_type: str, look: Look) -> Meter:
        """Give the meter of a data type for one run that is complete."""
        meter = self.of(data_type)
        return meter.of_run(look) if isinstance(meter, LooksAround) else meter


class MetricTable(Value):
    """One row a file, columns by name; `path` is always there."""

    columns: dict[str, list[str | float | int | None]]

    @property
    def rows(self) -> int:
        """How many files it holds."""
        return len(self.columns.get("path", []))


class GateReport(Value):
    """What the gate found.

    Attributes:
        suite: Name of the suite, `<data type>/<suite>`.
        suite_sha512: Of the suite's canonical JSON.
        engine: Name and version of what judged.
        findings: One per expectation, and one for whatever could not be assessed.
        suite_text: The suite as it was when it judged, to be kept beside its findings; empty where there was none.
    """

    suite: str
    suite_sha512: str
    engine: str
    findings: tuple[Finding, ...]
    suite_text: str = ""

    @property
    def verdict(self) -> Verdict:
        """What the findings come to."""
        return verdict_of(self.findings)


class QualityGate(Protocol):
    """Judges a dataset by the suite of its data type."""

    def limits(self, data_type: str) -> Mapping[str, float]:
        """Give the limits by which the suite wants single images judged before they are summed up; may be empty."""
        ...

    def baselines(self, data_type: str) -> Sequence[BaselineRule]:
        """Give the rules of the suite that ask what was usual; `assess` wants a chart of each."""
        ...

    def assess(
        self,
        *,
        data_type: str,
        summary: Mapping[str, float | int | str | None],
        table: MetricTable,
        charts: Sequence[Chart] | None = None,
    ) -> GateReport:
        """Judge one dataset: the summary row first, rows only to name the files behind a failure.

        A rule that asks what was usual is judged by its charts. Where they say that too few datasets are known, or
        nobody gave any (None), the finding is `left-out`; a rule without any chart among them is not assessed.

        An empty suite, an unknown column or expectation, an empty table, an all-null column and a crash of the engine
        are findings with the outcome `not-assessed`, never an exception and never a pass.

        Raises:
            GateUnavailable: The quality process did not answer; try again later.
        """
        ...


class TriedSuite(Protocol):
    """A suite that may not be in force, to see what it would decide.

    Attributes:
        name: `<data type>/<suite>`.
        sha512: Of its canonical JSON.
        limits: For single images, before they are summed up.
        baselines: Its rules that ask what was usual.
        patterns: The regular expressions in it.
        flaws: Rules of it that cannot fail and so never pass anything, in words.
    """

    name: str
    sha512: str
    limits: Mapping[str, float]
    baselines: Sequence[BaselineRule]
    patterns: frozenset[str]
    flaws: Sequence[str]

    def assess(
        self, *, summary: Mapping[str, float | int | str | None], rows: int, charts: Sequence[Chart]
    ) -> GateReport:
        """Judge a summary of so many rows, as the gate would; no file is named. Raises `GateUnavailable`."""
        ...


class SuiteInForce(Value):
    """A suite that datasets are judged by.

    Attributes:
        data_type: Whose.
        file: Where it is read.
        own: Whether it is the facility's own.
        rules: How many it has; None where it cannot be read.
        suite_sha512: Of its canonical JSON.
        reason: What is wrong with it; empty where nothing is.
    """

    data_type: str
    file: str
    own: bool
    rules: int | None
    suite_sha512: str | None
    reason: str


class SuiteDesk(Protocol):
    """Where suites are tried; nothing of it changes what is in force."""

    def listed(self) -> Sequence[SuiteInForce]:
        """Give the suites in force, by data type."""
        ...

    def open(self, body: bytes, *, data_type: str) -> TriedSuite:
        """Take a suite. Raises `InvalidInput`, with the line of what is wrong and what to do."""
        ...

    def current(self, data_type: str) -> bytes:
        """Give the suite that is in force for a data type, as it is kept. Raises `InvalidInput`, `NotFound`."""
        ...


class TableFile(Protocol):
    """Writes and reads the tables kept in objects (Parquet)."""

    def dump(self, columns: Mapping[str, Sequence[object]], *, metadata: Mapping[str, str] | None = None) -> bytes:
        """Encode columns of equal length; the same columns give the same bytes."""
        ...

    def load(self, body: bytes) -> dict[str, list[object]]:
        """Decode. Raises `InvalidInput`."""
        ...

    def rows(self, body: bytes, *, start: int, stop: int) -> dict[str, list[object]]:
        """Decode the rows from `start` to before `stop`, as far as there are any. Raises `InvalidInput`."""
        ...

    def column(self, body: bytes, name: str) -> list[object]:
        """Decode one column; empty where the table has none of that name. Raises `InvalidInput`."""
        ...

    def find(self, body: bytes, *, column: str, value: str) -> dict[str, list[object]]:
        """Decode the rows that have this text in this column. Raises `InvalidInput`, also for want of the column."""
        ...
