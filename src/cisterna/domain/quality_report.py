"""What a report on the quality of a version is drawn from: sums and few points, however many files stand behind it."""

from __future__ import annotations

from pydantic import Field

from cisterna.domain.base import Moment, Value
from cisterna.domain.dataset import StagedFile
from cisterna.domain.finding import Finding, Outcome, Verdict


class Limit(Value):
    """A limit as it is drawn into a chart.

    Attributes:
        is_least: Whether what lies below it is worse; else what lies above.
        origin: Where it comes from, in words.
    """

    value: float
    is_least: bool
    origin: str

    def is_beyond(self, value: float) -> bool:
        """Tell whether a value lies on the wrong side."""
        return value < self.value if self.is_least else value > self.value


class Histogram(Value):
    """How the values of one metric are spread over the files of one channel.

    Attributes:
        channel: None where a data type has none.
        low, high: Of the axis, over which `counts` are spread evenly.
        values: How many files have a value, and `without` how many have none.
        limits: Drawn in; one that is far off the values is left out of the axis and said in words only.
        beyond: Values on the wrong side of any limit.
    """

    metric: str
    channel: str | None
    low: float
    high: float
    counts: tuple[int, ...]
    values: int
    without: int
    minimum: float
    median: float
    maximum: float
    limits: tuple[Limit, ...] = ()
    beyond: int = 0


class Well(Value):
    """One well or region; `value` is None where none of its images has any."""

    name: str
    row: int
    column: int
    value: float | None
    images: int


class PlateMap(Value):
    """One metric over the wells of a plate, or over regions that are none.

    Attributes:
        is_plate: Whether rows and columns are those of a plate; else regions stand in the order of their names.
        worst: Name of the well that is worst, or farthest from the others where a metric has no bad end.
        has_bad_end: Whether worst means bad, and not only unlike the others.
        more: Regions that are not drawn.
    """

    metric: str
    channel: str | None
    is_plate: bool
    rows: int
    columns: int
    wells: tuple[Well, ...]
    worst: str | None = None
    has_bad_end: bool = False
    more: int = 0

    @property
    def worst_well(self) -> Well | None:
        """The worst of them."""
        return next((well for well in self.wells if well.name == self.worst), None)


class PlateChoice(Value):
    """A metric and a channel of which there can be a map."""

    metric: str
    channel: str | None


class CurveLine(Value):
    """One line of a chart; `path` is None for one that sums many files up."""

    path: str | None
    x: tuple[float, ...]
    y: tuple[float, ...]
    is_failing: bool = False


class CurveChart(Value):
    """One kind of curve over the files: each file's own line, or for many files a band that holds most of them.

    Attributes:
        band: Lower decile, median and upper decile over the files; empty where each has a line.
        files: How many files have such a curve.
    """

    name: str
    files: int
    lines: tuple[CurveLine, ...] = ()
    band: tuple[CurveLine, ...] = ()


class TrendPoint(Value):
    """One dataset on a control chart; `dataset_id` is None for one that the reader may know nothing else of."""

    at: Moment
    value: float
    verdict: Verdict
    is_here: bool = False
    dataset_id: str | None = None


class TrendChart(Value):
    """A metric of an instrument over time, against what is usual for it.

    Attributes:
        points: Oldest first.
        median, low, high: Of the baseline; None while there are too few datasets for one.
        window: What the baseline was taken from, in words.
        has_hidden: Whether there are datasets that are not drawn, since the reader may not see them.
    """

    instrument: str
    metric: str
    channel: str | None
    points: tuple[TrendPoint, ...]
    median: float | None = None
    low: float | None = None
    high: float | None = None
    window: str = ""
    has_hidden: bool = False


class FailingFile(Value):
    """A file that a finding names, with what is known of it.

    Attributes:
        place: Region, field and channel, in words; empty where the file has none.
        words: Its own problem, or why nobody looked; empty where there is neither.
        has_preview: Whether there is a picture of it.
    """

    path: str
    place: str = ""
    words: str = ""
    has_preview: bool = False


class JudgedFinding(Value):
    """A finding with its message in two parts.

    Attributes:
        said: What was found and what was expected.
        advice: What to do; empty where the message gives none.
        files: Worst first, as many as are shown.
        more: Files beyond those.
    """

    finding: Finding
    said: str
    advice: str = ""
    files: tuple[FailingFile, ...] = ()
    more: int = 0

    @property
    def needs_attention(self) -> bool:
        """Whether a person should look at it."""
        return self.finding.outcome in {Outcome.FAILED, Outcome.WARNING, Outcome.NOT_ASSESSED}


class RawTable(Value):
    """A file with what the report was made from."""

    path: str
    file: StagedFile


class QualityReport(Value):
    """Everything that a report shows.

    Attributes:
        version: The label, `vN` or `vN.M`.
        gated_at: When it was judged; None before.
        suite, suite_sha512, engine: What judged; None where that cannot be read.
        findings: Gravest first.
        summary: The row that was judged.
        rows: How many files and planes were measured.
        histograms: Of those metrics and channels that come first; `histograms_more` others have none here.
        plate: Of the metric and the channel that were asked for, or that say most.
        plate_choices: Of what else there can be a map.
        plates: More maps, for a report that nobody can ask again.
        troubles: What could not be read, in words.
    """

    dataset_id: str
    version: str
    title: str
    data_type: str
    instrument: str | None = None
    pid: str | None = None
    verdict: Verdict | None = None
    reason: str = ""
    gated_at: Moment | None = None
    suite: str | None = None
    suite_sha512: str | None = None
    engine: str | None = None
    findings: tuple[JudgedFinding, ...] = ()
    summary: dict[str, float | int | str | None] = Field(default_factory=dict)
    rows: int = 0
    histograms: tuple[Histogram, ...] = ()
    histograms_more: int = 0
    plate: PlateMap | None = None
    plate_choices: tuple[PlateChoice, ...] = ()
    plates: tuple[PlateMap, ...] = ()
    curves: tuple[CurveChart, ...] = ()
    trends: tuple[TrendChart, ...] = ()
    raw: tuple[RawTable, ...] = ()
    troubles: tuple[str, ...] = ()
