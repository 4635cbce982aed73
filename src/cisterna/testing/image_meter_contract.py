"""What every image meter promises, as tests to inherit."""

from __future__ import annotations

import random

import pytest

from cisterna.ports.quality import ImageMeter, ImageReading


class ImageMeterContract:
    """Inherit, and give the fixtures."""

    @pytest.fixture
    def meter(self) -> ImageMeter:
        """Give the meter."""
        raise NotImplementedError

    @pytest.fixture
    def good(self) -> tuple[str, bytes]:
        """Give path and content of a whole file that it measures: of some kilobytes, with structure to focus on."""
        raise NotImplementedError

    def test_a_good_file_has_every_metric_and_a_picture(self, meter: ImageMeter, good: tuple[str, bytes]) -> None:
        """Of the file, or of each plane that has a place of its own in it."""
        reading = _read(meter, good)

        assert (reading.problem, reading.unmeasured) == (None, None)
        for one in reading.planes or (reading,):
            assert tuple(one.metrics) == meter.names
            assert one.metrics["focus"] is not None
        assert reading.thumbnail is not None
        assert bool(reading.planes) == (reading.planes_in_file is not None)

    def test_the_same_file_gives_the_same_reading(self, meter: ImageMeter, good: tuple[str, bytes]) -> None:
        """Whoever measures again finds nothing new."""
        assert _read(meter, good) == _read(meter, good)

    def test_no_content_raises_anything_and_none_of_it_passes(self, meter: ImageMeter, good: tuple[str, bytes]) -> None:
        """What is wrong is said in words."""
        path, whole = good
        chance = random.Random(0)

        for body in (b"", b"\xff\xfe\0", chance.randbytes(500), b"[" * 10_000, whole[:40]):
            reading = _read(meter, (path, body))
            assert reading.problem or reading.unmeasured
            assert not any(value is not None for value in reading.metrics.values())

    def test_a_spool_that_is_filled_in_pieces_gives_what_the_whole_gives(
        self, meter: ImageMeter, good: tuple[str, bytes]
    ) -> None:
        """Where a meter wants its bytes in a spool, it does not matter how they come."""
        path, body = good
        place = meter.spool(path, size_bytes=len(body))
        if place is None:
            return  # it measures from memory alone

        with place as spool:
            for start in range(0, len(body), 1000):
                spool.write(memoryview(body)[start : start + 1000])
            reading = spool.read(keep_on=lambda: None)

        assert reading == _read(meter, good)


def _read(meter: ImageMeter, file: tuple[str, bytes]) -> ImageReading:
    return meter.read(memoryview(file[1]), path=file[0])
