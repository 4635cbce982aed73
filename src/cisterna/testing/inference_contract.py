"""What every runner of models promises, as tests to inherit."""

from __future__ import annotations

import io

import numpy as np
import pytest
import tifffile

from cisterna.domain.errors import Conflict, InferenceFailed, InferenceUnavailable, NotFound
from cisterna.ports.inference import InferenceRunner


def field_of_discs(side: int = 160) -> np.ndarray:
    """Draw three bright discs on a dark ground, far from each other, y x, uint16."""
    rows, columns = np.mgrid[:side, :side]
    image = np.full((side, side), 300.0)
    for row, column in ((40, 40), (110, 60), (70, 120)):
        distance = np.hypot(rows - row, columns - column)
        image += 9000 / (1 + np.exp((distance - 11) * 1.5))  # a soft rim, as a lens gives it
    return image.astype(np.uint16)


def as_tiff(image: np.ndarray) -> bytes:
    """Write an image as a TIFF in memory."""
    with io.BytesIO() as file:
        tifffile.imwrite(file, image)
        return file.getvalue()


_FLOATS = field_of_discs().astype(np.float32)
_FLOATS[3, 4] = np.nan
UNFIT = {
    "no image": b"certainly no image",
    "empty": b"",
    "cut off": as_tiff(field_of_discs())[:2000],
    "colours": as_tiff(np.zeros((64, 64, 3), np.uint8)),
    "a stack": as_tiff(np.zeros((5, 64, 64), np.uint16)),
    "not a number": as_tiff(_FLOATS),
}


class InferenceRunnerContract:
    """Inherit, and give the fixtures. A model named `nuclei` is admitted that finds bright discs of 11 pixels."""

    @pytest.fixture
    def runner(self) -> InferenceRunner:
        """Give a runner with that model."""
        raise NotImplementedError

    @pytest.fixture
    def lost_runner(self) -> InferenceRunner:
        """Give one with the model whose process does not answer."""
        raise NotImplementedError

    def test_the_admitted_models_are_named_and_described(self, runner: InferenceRunner) -> None:
        """A card pins the package."""
        card = runner.card("nuclei")

        assert "nuclei" in runner.models()
        assert card.name == "nuclei"
        assert len(card.sha256) == 64

    def test_a_model_that_is_not_admitted_is_not_found(self, runner: InferenceRunner) -> None:
        """Nothing is fetched."""
        with pytest.raises(NotFound):
            runner.card("../nuclei")

    def test_objects_are_labelled_and_counted(self, runner: InferenceRunner) -> None:
        """Labels are 1..n without gaps, in an image of the same size; counts and areas are of these labels."""
        image = field_of_discs()

        found = runner.segment(runner.card("nuclei"), body=as_tiff(image), path="a/b.tiff")

        labels = tifffile.imread(io.BytesIO(found.label_tiff))
        assert found.path == "a/b.tiff"
        assert labels.shape == image.shape
        assert labels.dtype in (np.uint16, np.uint32)
        assert np.unique(labels).tolist() == [0, 1, 2, 3]
        assert found.object_count == 3
        assert found.area_px_mean == pytest.approx((labels > 0).sum() / 3)
        assert {int(labels[40, 40]), int(labels[110, 60]), int(labels[70, 120])} == {1, 2, 3}
        assert found.preview.startswith(b"\x89PNG")

    def test_the_same_image_gives_the_same_bytes(self, runner: InferenceRunner) -> None:
        """A second run is harmless."""
        card, body = runner.card("nuclei"), as_tiff(field_of_discs())

        first, second = (runner.segment(card, body=body, path="a.tiff") for _ in range(2))

        assert first == second

    def test_an_image_without_objects_has_none_and_no_mean_area(self, runner: InferenceRunner) -> None:
        """Nothing found is a result."""
        found = runner.segment(runner.card("nuclei"), body=as_tiff(np.zeros((130, 150), np.uint16)), path="a.tiff")

        assert (found.object_count, found.area_px_mean) == (0, None)
        assert not tifffile.imread(io.BytesIO(found.label_tiff)).any()

    @pytest.mark.parametrize("body", UNFIT.values(), ids=list(UNFIT))
    def test_an_image_that_does_not_fit_fails_by_name_and_the_next_one_goes_on(
        self, runner: InferenceRunner, body: bytes
    ) -> None:
        """One odd image is about that image alone."""
        card = runner.card("nuclei")

        with pytest.raises(InferenceFailed, match=r"0/odd\.tiff") as refusal:
            runner.segment(card, body=body, path="0/odd.tiff")

        assert not refusal.value.retryable
        assert runner.segment(card, body=as_tiff(field_of_discs()), path="b.tiff").object_count == 3

    def test_another_package_of_the_same_name_does_not_answer_for_it(self, runner: InferenceRunner) -> None:
        """What the card pinned is what runs, or nothing."""
        card = runner.card("nuclei").model_copy(update={"sha256": "0" * 64})

        with pytest.raises(Conflict):
            runner.segment(card, body=as_tiff(field_of_discs()), path="a.tiff")

    def test_no_answer_may_be_tried_again(self, lost_runner: InferenceRunner) -> None:
        """A dead process is not an odd image."""
        with pytest.raises(InferenceUnavailable) as refusal:
            lost_runner.segment(lost_runner.card("nuclei"), body=as_tiff(field_of_discs()), path="a.tiff")

        assert refusal.value.retryable
