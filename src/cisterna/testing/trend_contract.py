"""What every book of trends promises; a test of an implementation inherits it and gives it a catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from cisterna.domain.dataset import Stage, Version
from cisterna.domain.errors import NotFound
from cisterna.domain.finding import Verdict
from cisterna.domain.review import Act
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.trend import MetricSample
from cisterna.testing.clock import START
from cisterna.testing.factory import keep_version, make_decision, make_sample, make_version

_DAY = timedelta(days=1)


class TrendBookContract:
    """Tests of `ports.trend.TrendBook`; a subclass gives the fixture `catalogue`."""

    @staticmethod
    def keep(
        catalogue: Catalogue,
        run: str,
        *values: float,
        day: float = 0,
        verdict: Verdict = Verdict.PASSED,
        **fields: object,
    ) -> Version:
        """Keep a version of a run with samples of `focus_median`, the whole's and one a channel."""
        version = keep_version(catalogue, run, **fields)  # type: ignore[arg-type]
        with catalogue.begin() as tx:
            tx.trends.add(samples(version, *values, day=day, verdict=verdict))
        return version

    def test_samples_come_newest_first_as_they_were_kept(self, catalogue: Catalogue) -> None:
        """A trend is read from its end."""
        old, new = self.keep(catalogue, "run-1", 1.0, day=1), self.keep(catalogue, "run-2", 2.0, day=2)

        assert of(catalogue) == [*samples(new, 2.0, day=2), *samples(old, 1.0, day=1)]
        assert of(catalogue, limit=1) == [*samples(new, 2.0, day=2)]

    def test_samples_before_a_moment_are_those_of_data_that_came_before_it(self, catalogue: Catalogue) -> None:
        """What came later says nothing of what was usual then."""
        self.keep(catalogue, "run-1", 1.0, day=1)
        self.keep(catalogue, "run-2", 2.0, day=2)

        assert [one.value for one in of(catalogue, before=START + 2 * _DAY)] == [1.0]
        assert of(catalogue, before=START) == []

    def test_channels_are_kept_apart_from_each_other_and_from_the_whole(self, catalogue: Catalogue) -> None:
        """Channels differ in what is normal."""
        self.keep(catalogue, "run-1", 1.0, 5.0, 6.0)

        assert [one.value for one in of(catalogue)] == [1.0]
        assert [one.value for one in of(catalogue, channel="channel 1")] == [6.0]
        assert of(catalogue, channel="none") == []

    def test_instruments_data_types_and_metrics_are_kept_apart(self, catalogue: Catalogue) -> None:
        """No instrument is measured by another."""
        self.keep(catalogue, "run-1", 1.0)

        with catalogue.begin() as tx:
            for instrument, data_type, metric in (
                ("x", "microscopy", "focus_median"),
                ("squid-1", "x", "focus_median"),
                ("squid-1", "microscopy", "x"),
            ):
                wanted = tx.trends.of(instrument=instrument, data_type=data_type, metric=metric, channel=None)
                assert list(wanted) == []

    def test_keeping_samples_again_replaces_those_of_the_version(self, catalogue: Catalogue) -> None:
        """A step may run twice."""
        version = self.keep(catalogue, "run-1", 1.0, 2.0)

        with catalogue.begin() as tx:
            tx.trends.add(samples(version, 3.0, verdict=Verdict.REVIEW))

        assert [(one.value, one.verdict) for one in of(catalogue)] == [(3.0, Verdict.REVIEW)]
        assert of(catalogue, channel="channel 0") == []

    def test_the_newest_judged_version_speaks_for_its_dataset(self, catalogue: Catalogue) -> None:
        """Ten comes after nine, and a dataset counts once."""
        first = self.keep(catalogue, "run-1", 1.0, day=1)
        with catalogue.begin() as tx:
            dataset = tx.datasets.get(first.dataset_id)
            tx.datasets.add_version(make_version(dataset, number=10))
            tx.trends.add(samples(make_version(dataset, number=10), 10.0, day=3))
            tx.datasets.add_version(make_version(dataset, number=9, revision=2))
            tx.trends.add(samples(make_version(dataset, number=9, revision=2), 9.0, day=2))

        assert [one.value for one in of(catalogue)] == [10.0]
        assert [one.value for one in of(catalogue, before=START + 3 * _DAY)] == [9.0]

    def test_samples_of_no_version_are_refused(self, catalogue: Catalogue) -> None:
        """Nothing is kept that no version answers for."""
        with pytest.raises(NotFound), catalogue.begin() as tx:
            tx.trends.add(samples(make_version(), 1.0))

    def test_it_names_what_there_are_samples_of(self, catalogue: Catalogue) -> None:
        """A page can offer what there is."""
        self.keep(catalogue, "run-1", 1.0, 2.0)

        with catalogue.begin() as tx:
            found = tx.trends.metrics(instrument="squid-1")
            assert tx.trends.metrics(instrument="squid-2") == []
        assert found == [("microscopy", "focus_median", None), ("microscopy", "focus_median", "channel 0")]

    def test_names_that_files_claim_are_kept_whatever_they_hold(self, catalogue: Catalogue) -> None:
        """A channel may be called anything."""
        version = keep_version(catalogue)
        named = make_sample(version, channel="'; DROP TABLE x; -- \\u0000 \\ \" Ä", metric="a'b", value=-1e300)

        with catalogue.begin() as tx:
            tx.trends.add([named])

            assert list(
                tx.trends.of(
                    instrument="squid-1", data_type="microscopy", metric=named.metric, channel=named.channel, limit=1
                )
            ) == [named]

    @pytest.mark.parametrize(
        ("verdict", "stage", "counts"),
        [
            (Verdict.PASSED, Stage.GATED, True),
            (Verdict.PASSED, Stage.REJECTED, False),
            (Verdict.PASSED, Stage.WITHDRAWN, False),
            (Verdict.REVIEW, Stage.IN_REVIEW, False),
            (Verdict.REVIEW, Stage.ACCEPTED, True),
            (Verdict.QUARANTINED, Stage.VERIFIED, False),
            (Verdict.QUARANTINED, Stage.PUBLISHED, True),
            (Verdict.NOT_ASSESSED, Stage.GATED, False),
        ],
    )
    def test_what_passed_or_was_accepted_is_usual(
        self, catalogue: Catalogue, verdict: Verdict, stage: Stage, *, counts: bool
    ) -> None:
        """Only good data say what is good."""
        self.keep(catalogue, "run-1", 1.0, verdict=verdict, stage=stage)

        assert usual(catalogue) == ([1.0] if counts else [])

    def test_a_dataset_is_no_measure_of_itself_nor_of_what_came_before_it(self, catalogue: Catalogue) -> None:
        """Each is held against those before it."""
        one = self.keep(catalogue, "run-1", 1.0, day=1)
        for day in (2, 3, 4):
            self.keep(catalogue, f"run-{day}", float(day), day=day)

        assert usual(catalogue, other_than=one.dataset_id) == [4.0, 3.0, 2.0]
        assert usual(catalogue, since=START + 2 * _DAY, before=START + 4 * _DAY) == [3.0, 2.0]
        assert usual(catalogue, limit=2) == [4.0, 3.0]
        assert usual(catalogue, limit=2, end="oldest") == [1.0, 2.0]

    def test_a_dataset_whose_newest_version_failed_is_not_usual(self, catalogue: Catalogue) -> None:
        """An older pass of the same data is out of date."""
        first = self.keep(catalogue, "run-1", 1.0)
        with catalogue.begin() as tx:
            dataset = tx.datasets.get(first.dataset_id)
            tx.datasets.add_version(make_version(dataset, number=2))
            tx.trends.add(samples(make_version(dataset, number=2), 2.0, verdict=Verdict.QUARANTINED))

        assert usual(catalogue) == []

    def test_what_was_discarded_in_any_revision_is_neither_usual_nor_tried(self, catalogue: Catalogue) -> None:
        """Nothing is made of data that were given up."""
        first = self.keep(catalogue, "run-1", 1.0, stage=Stage.REJECTED, verdict=Verdict.REVIEW)
        with catalogue.begin() as tx:
            dataset = tx.datasets.get(first.dataset_id)
            made = make_version(dataset, revision=1, stage=Stage.ACCEPTED, verdict=Verdict.PASSED)
            tx.trends.add(samples(tx.datasets.add_version(made), 1.0))
        assert usual(catalogue) == [1.0]
        assert archived(catalogue, accepted=True) == [made.version_id]

        with catalogue.begin() as tx:
            tx.datasets.add_decision(make_decision(first, Act.DISCARD))

        assert usual(catalogue) == []
        assert archived(catalogue) == []

    def test_archived_versions_are_named_whatever_their_words_hold(self, catalogue: Catalogue) -> None:
        """A channel's name stands in the reason of a verdict, and may hold anything."""
        odd = 'channel \0 "verdict": "quarantined" \\'
        passed = keep_version(catalogue, "run-1", stage=Stage.VERIFIED, verdict=Verdict.PASSED, reason=odd)
        doubtful = keep_version(catalogue, "run-2", stage=Stage.IN_REVIEW, verdict=Verdict.REVIEW, cause=odd)
        keep_version(catalogue, "run-3", stage=Stage.GATED, verdict=Verdict.PASSED)
        keep_version(catalogue, "run-4", stage=Stage.ARCHIVED)

        assert archived(catalogue, accepted=True) == [passed.version_id]
        assert set(archived(catalogue)) == {passed.version_id, doubtful.version_id}

    def test_samples_go_with_a_version_that_is_removed(self, catalogue: Catalogue) -> None:
        """They belong to it."""
        version = self.keep(catalogue, "run-1", 1.0)

        with catalogue.begin() as tx:
            tx.datasets.remove_version(tx.datasets.get_version(version.version_id))
            assert tx.trends.judged(version.version_id) is None

        assert of(catalogue) == []


def samples(
    version: Version, whole: float, *channels: float, day: float = 0, verdict: Verdict = Verdict.PASSED
) -> Sequence[MetricSample]:
    """Make samples of `focus_median`: of the whole dataset and of channels `channel 0`, `channel 1`..."""
    named = [(None, whole), *((f"channel {at}", value) for at, value in enumerate(channels))]
    return [
        make_sample(version, channel=channel, value=value, verdict=verdict, at=START + day * _DAY)
        for channel, value in named
    ]


def of(
    catalogue: Catalogue, *, channel: str | None = None, limit: int = 200, before: datetime | None = None
) -> list[MetricSample]:
    """Read samples of `focus_median`."""
    with catalogue.begin() as tx:
        found = tx.trends.of(
            instrument="squid-1",
            data_type="microscopy",
            metric="focus_median",
            channel=channel,
            limit=limit,
            before=before,
        )
    return list(found)


def archived(catalogue: Catalogue, *, accepted: bool = False) -> list[str]:
    """Name archived versions."""
    with catalogue.begin() as tx:
        return list(tx.trends.archived(data_type="microscopy", accepted=accepted, limit=10))


def usual(catalogue: Catalogue, *, other_than: str = "ds-none", **fields: object) -> list[float | None]:
    """Read the usual values of `focus_median`."""
    asked: dict[str, object] = {"since": START - _DAY, "before": START + 10 * _DAY, **fields}
    with catalogue.begin() as tx:
        found = tx.trends.usual(
            instrument="squid-1",
            data_type="microscopy",
            other_than=other_than,
            **asked,  # type: ignore[arg-type]
        )
    return [one.value("focus_median", None) for one in found]
