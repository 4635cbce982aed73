"""What every meter promises, as tests to inherit."""

from __future__ import annotations

import random

import pytest

from cisterna.ports.quality import CURVE_POINTS, Meter, Reading


class MeterContract:
    """Inherit, and give the fixtures."""

    @pytest.fixture
    def meter(self) -> Meter:
        """Give the meter."""
        raise NotImplementedError

    @pytest.fixture
    def good(self) -> tuple[str, bytes]:
        """Give path and content of a whole file that it measures: of some kilobytes, an image with structure."""
        raise NotImplementedError

    def test_a_good_file_has_every_metric(self, meter: Meter, good: tuple[str, bytes]) -> None:
        """Of the file, or of each plane that has a place of its own in it; curves have a value for each x."""
        reading = _read(meter, good)

        assert (reading.problem, reading.unmeasured) == (None, None)
        for one in reading.planes or (reading,):
            assert tuple(one.metrics) == meter.names
            assert any(value is not None for value in one.metrics.values())
        assert bool(reading.planes) == (reading.planes_in_file is not None)
        for curve in reading.curves:
            assert 0 < len(curve.x) == len(curve.y) <= CURVE_POINTS

    def test_the_same_file_gives_the_same_reading(self, meter: Meter, good: tuple[str, bytes]) -> None:
        """Whoever measures again finds nothing new."""
        assert _read(meter, good) == _read(meter, good)

    def test_no_content_raises_anything_and_none_of_it_passes(self, meter: Meter, good: tuple[str, bytes]) -> None:
        """What is wrong is said in words."""
        path, whole = good
        chance = random.Random(0)

        for body in (b"", b"\xff\xfe\0", chance.randbytes(500), b"[" * 10_000, whole[:40]):
            reading = _read(meter, (path, body))
            assert reading.problem or reading.unmeasured
            assert not any(value is not None for value in reading.metrics.values())

    def test_a_spool_that_is_filled_in_pieces_gives_what_the_whole_gives(
        self, meter: Meter, good: tuple[str, bytes]
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


class ImageMeterContract(MeterContract):
    """What a meter of images promises beside."""

    def test_a_good_image_has_a_focus_and_a_picture(self, meter: Meter, good: tuple[str, bytes]) -> None:
        """Each plane has a focus, and the file a picture."""
        reading = _read(meter, good)

        for one in reading.planes or (reading,):
            assert one.metrics["focus"] is not None
        assert reading.thumbnail is not None


def _read(meter: Meter, file: tuple[str, bytes]) -> Reading:
    return meter.read(memoryview(file[1]), path=file[0])
