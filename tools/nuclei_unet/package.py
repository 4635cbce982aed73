"""Writes the BioImage.IO description beside the trained weights.

python tools/nuclei_unet/package.py models/nuclei-unet
"""

from __future__ import annotations

import sys
from pathlib import Path

from bioimageio.spec import save_bioimageio_yaml_only
from bioimageio.spec.model import v0_5 as spec

README = """# Nuclei U-Net, small

Tells nuclei from background and from each other in fluorescence images.

**Trained on synthetic images only**: ellipses with bumpy rims, texture, blur, haze and noise, drawn by the script
`tools/nuclei_unet/train.py` of Cisterna. No real image was used for training. It is a small model that shows a
pipeline at work on a plain CPU; it is no match for models trained on annotated microscopy, and what it counts should
be looked at.

## Validation

On the one real image at hand (DSB2018 nuclei, 512 x 512; it ships with the Python package stardist)
`tools/nuclei_unet/evaluate.py` reports the foreground Dice and how many objects are found; the figures are in
`docs/explanation/the-nuclei-model.md` of Cisterna. `bioimageio test` compares with the model's own stored output: it
proves reproducibility, not accuracy.

Input: one channel, any integer or floating type, at least 128 x 128 pixels (Cisterna pads smaller ones). Output: two
channels of probabilities, `foreground` and `interior` (two pixels or more away from every border of an object).
"""


def describe(folder: Path) -> spec.ModelDescr:
    """Describe the package in a folder that holds weights and test tensors."""
    (folder / "README.md").write_text(README, "utf-8")
    sides = [spec.SpaceInputAxis(id=spec.AxisId(name), size=spec.ParameterizedSize(min=128, step=8)) for name in "yx"]
    source = spec.InputTensorDescr(
        id=spec.TensorId("image"),
        description="One fluorescence channel",
        axes=[spec.BatchAxis(), spec.ChannelAxis(channel_names=[spec.Identifier("nuclei")]), *sides],
        data=spec.IntervalOrRatioDataDescr(type="float32"),
        preprocessing=[
            spec.EnsureDtypeDescr(kwargs=spec.EnsureDtypeKwargs(dtype="float32")),
            spec.ScaleRangeDescr(
                kwargs=spec.ScaleRangeKwargs(
                    axes=(spec.AxisId("y"), spec.AxisId("x")), min_percentile=1.0, max_percentile=99.8, eps=1e-6
                )
            ),
        ],
        test_tensor=spec.FileDescr(source=folder / "test_input.npy"),
    )
    outputs = [
        spec.SpaceOutputAxisWithHalo(
            id=spec.AxisId(name),
            size=spec.SizeReference(tensor_id=spec.TensorId("image"), axis_id=spec.AxisId(name)),
            halo=56,  # the network sees 51 pixels far; whole blocks of 8 are needed
        )
        for name in "yx"
    ]
    names = [spec.Identifier("foreground"), spec.Identifier("interior")]
    result = spec.OutputTensorDescr(
        id=spec.TensorId("probability"),
        description="Probabilities, 0 to 1",
        axes=[spec.BatchAxis(), spec.ChannelAxis(channel_names=names), *outputs],
        data=spec.IntervalOrRatioDataDescr(type="float32"),
        test_tensor=spec.FileDescr(source=folder / "test_output.npy"),
    )
    return spec.ModelDescr(
        name="Nuclei U-Net small",
        version=spec.Version("1.0.0"),
        description="Tells nuclei from background and from each other; trained on synthetic images only.",
        authors=[spec.Author(name="Cisterna developers", affiliation="Cisterna")],
        cite=[spec.CiteEntry(text="Ronneberger et al. 2015, U-Net", doi=spec.Doi("10.1007/978-3-319-24574-4_28"))],
        license=spec.LicenseId("Apache-2.0"),
        documentation=spec.FileDescr(source=folder / "README.md"),
        tags=["nuclei", "segmentation", "fluorescence", "2d", "unet"],
        inputs=[source],
        outputs=[result],
        weights=spec.WeightsDescr(onnx=spec.OnnxWeightsDescr(source=folder / "weights.onnx", opset_version=17)),
        config={  # read by Cisterna, ignored by others
            "cisterna": {
                "channels": r"(?i)fluo|dapi|hoechst|488|405",
                "trained_on": "synthetic images only, drawn by tools/nuclei_unet/train.py",
                "foreground": "foreground",
                "interior": "interior",
            }
        },
    )


if __name__ == "__main__":
    place = Path(sys.argv[1]).resolve()
    save_bioimageio_yaml_only(describe(place), place / "rdf.yaml")
    said = (place / "rdf.yaml").read_text("utf-8")
    (place / "rdf.yaml").write_text(said.replace(f"{place}/", ""), "utf-8")  # files are named relative to the package
