"""ONNX weights in a session of bounded threads and memory: the only module that imports `bioimageio.core`.

Importing it costs 5 to 16 s, so nothing imports it before it is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
from bioimageio.core import Sample, Tensor, __version__, create_prediction_pipeline, test_model
from bioimageio.core.backends.onnx_backend import ONNXModelAdapter
from bioimageio.spec import load_model_description
from loguru import logger

NAME = f"bioimageio.core {__version__}"
BLOCK_SIDE = 768
"""Images whose sides with halo are longer go through the model in blocks of this: about 300 MiB for a small U-Net."""

Image = npt.NDArray[Any]
Result = npt.NDArray[np.float32]

logger.disable("bioimageio")  # it tells every shape of every block


class _Onnx(ONNXModelAdapter):  # type: ignore[misc]  # the vendor's types are not read
    """The vendor's adapter with our options; from the file and not its bytes, so that no other folder is looked in."""

    def __init__(self, description: Any, *, threads: int) -> None:
        self._threads = threads
        super().__init__(description)

    def _parse_devices(self, devices: Sequence[str] | None) -> Sequence[str]:
        del devices
        return ["CPUExecutionProvider"]

    def _init_model_on_device(self, device: str) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False  # it would keep the most that any image ever took
        weights = str(self._onnx_descr.source.absolute())
        session = onnxruntime.InferenceSession(weights, options, providers=[device])
        self._input_names = [one.name for one in session.get_inputs()]
        return session


class ModelSession:
    """One loaded package.

    Args:
        folder: Of the package.
        threads: At most these work on one image.
        block_side: See `BLOCK_SIDE`.
    """

    def __init__(self, folder: Path, *, threads: int, block_side: int = BLOCK_SIDE) -> None:
        description = load_model_description(folder / "rdf.yaml", perform_io_checks=False)
        self._source, self._result = description.inputs[0], description.outputs[0]
        self._pipeline = create_prediction_pipeline(description, model_adapter=_Onnx(description, threads=threads))
        self._axes = [axis.id for axis in self._source.axes]
        halos = {axis.id: int(getattr(axis, "halo", 0) or 0) for axis in self._result.axes}
        self._halo = [halos.get(name, 0) for name in self._axes[-2:]]
        self._block_side = block_side

    def predict(self, image: Image) -> Result:
        """Run the model on an image, y x, of any size: scaled as a whole, padded by its mirror image, then cropped.

        Blocks begin where the model's own grid of pooled pixels does, so that with a halo as wide as the model can see,
        the result does not depend on them.

        Returns:
            b c y x.
        """
        whole = self._sample(np.asarray(image, np.float32))
        self._pipeline.apply_preprocessing(whole)
        scaled = np.asarray(whole.members[self._source.id].data.data)[0, 0]
        sizes = [axis.size for axis in self._source.axes[-2:]]
        sides = [_side(length, size) for length, size in zip(scaled.shape, sizes, strict=True)]
        padding = [(0, side - length) for side, length in zip(sides, scaled.shape, strict=True)]
        sample = self._sample(np.pad(scaled, padding, mode="symmetric"))
        blocks = [
            _block(side, size, halo=halo, limit=self._block_side)
            for side, size, halo in zip(sides, sizes, self._halo, strict=True)
        ]
        if any(block is not None for block in blocks):
            lengths = [1, 1, *(block or side for block, side in zip(blocks, sides, strict=True))]
            shape = dict(zip(self._axes, lengths, strict=True))
            done = self._pipeline.predict_sample_with_fixed_blocking(
                sample, input_block_shape={self._source.id: shape}, skip_preprocessing=True
            )
        else:
            done = self._pipeline.predict_sample_without_blocking(sample, skip_preprocessing=True)
        result = np.asarray(done.members[self._result.id].data.data, np.float32)
        return result[..., : image.shape[0], : image.shape[1]]

    def _sample(self, image: Image) -> Sample:
        return Sample(
            members={self._source.id: Tensor.from_numpy(image[None, None], dims=self._axes)}, stat={}, id="image"
        )


def _side(length: int, size: Any) -> int:
    """Give the next length that the model takes."""
    if isinstance(size, int):
        return max(length, size)
    shortest, step = int(size.min), int(size.step)
    return shortest + -(-max(0, length - shortest) // step) * step


def _block(side: int, size: Any, *, halo: int, limit: int) -> int | None:
    """Give the length of a block along an axis, or None when the axis need not be cut."""
    if isinstance(size, int):
        return size
    if side + 2 * halo <= limit:
        return None
    shortest, step = int(size.min), int(size.step)
    longest = min(side, max(limit, shortest, 2 * halo + step))
    return shortest + (longest - shortest) // step * step


def reproduce(folder: Path) -> tuple[str, str]:
    """Have a package compared with its own stored output by `bioimageio test`; its verdict and its words."""
    summary = test_model(folder / "rdf.yaml", weight_format="onnx")
    return str(summary.status), summary.format()
