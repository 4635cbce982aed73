"""Trains the small nuclei model that ships with Cisterna, on synthetic images only, and writes its BioImage.IO package.

    python tools/nuclei_unet/train.py --to models/nuclei-unet

Needs torch (CPU is enough: about ten minutes on one core), onnx and scipy; torch is not needed to run the model. The
training images are drawn by `draw_field` below: no real image is seen before the evaluation, a separate script.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from numpy.random import Generator
from scipy import ndimage
from torch import Tensor, nn

SIDE = 96
MARGIN_PIXELS = 2.0
"""Pixels nearer than this to another object or the background are not interior: that separates touching nuclei."""


def draw_field(rng: Generator, side: int = SIDE) -> tuple[np.ndarray, np.ndarray]:
    """Draw one field of nuclei.

    Returns:
        The image, y x, float32, arbitrary counts; and its labels, y x, int32, 0 is background.
    """
    labels = np.zeros((side, side), np.int32)
    light = np.zeros((side, side), np.float32)
    yy, xx = np.mgrid[:side, :side].astype(np.float32)
    radius_mean = rng.uniform(5, 14)
    rough = _noise(rng, side, rng.uniform(1, 4))
    clustered = rng.random() < 0.5
    centre = rng.uniform(0, side, 2)
    for number in range(1, int(rng.integers(0, 1 + side * side / (radius_mean**2 * 7)) + 1)):
        place = rng.normal(centre, side / 4) if clustered and rng.random() < 0.6 else rng.uniform(0, side, 2)
        radius = radius_mean * rng.lognormal(0, 0.25)
        stretch, angle = rng.uniform(1.0, 1.9), rng.uniform(0, np.pi)
        reach = int(radius * stretch * 1.5) + 2
        top, left = (max(0, int(at) - reach) for at in place)
        window = (slice(top, int(place[0]) + reach), slice(left, int(place[1]) + reach))
        dy, dx = yy[window] - place[0], xx[window] - place[1]
        along = (dx * np.cos(angle) + dy * np.sin(angle)) / stretch
        across = -dx * np.sin(angle) + dy * np.cos(angle)
        turn = np.arctan2(across, along)
        rim = radius * (1 + sum(rng.normal(0, 0.06) * np.cos(k * turn + rng.uniform(0, 6.3)) for k in (2, 3, 4)))
        inside = (np.hypot(along, across) < rim) & (labels[window] == 0)
        if inside.sum() < 20:
            continue
        labels[window][inside] = number
        texture = 1 + rng.uniform(0.05, 0.45) * rough[window]
        light[window][inside] = (rng.lognormal(0, 0.5) * texture)[inside]
    blurred = ndimage.gaussian_filter(light, rng.uniform(0.5, 2.0))
    haze = rng.uniform(0, 0.35) * ndimage.gaussian_filter(light, rng.uniform(8, 25))
    slope = rng.uniform(0, 0.25) * (yy * rng.normal() + xx * rng.normal()) / side
    scene = np.clip(blurred + haze + slope + rng.uniform(0.02, 0.4), 0, None)
    photons = rng.lognormal(4.0, 1.0)
    image = rng.poisson(scene * photons) / photons + rng.normal(0, rng.uniform(0, 0.06), scene.shape)
    return image.astype(np.float32), labels


def _noise(rng: Generator, side: int, sigma: float) -> np.ndarray:
    rough = ndimage.gaussian_filter(rng.normal(size=(side, side)).astype(np.float32), sigma)
    return rough / (rough.std() + 1e-6)


def targets(labels: np.ndarray) -> np.ndarray:
    """Make the two target channels, c y x, float32: foreground, and interior (away from every border of an object)."""
    border = np.zeros(labels.shape, bool)
    for axis in (0, 1):
        step = np.diff(labels, axis=axis) != 0
        before = [slice(None), slice(None)]
        after = [slice(None), slice(None)]
        before[axis], after[axis] = slice(None, -1), slice(1, None)
        border[tuple(before)] |= step
        border[tuple(after)] |= step
    away = ndimage.distance_transform_edt(~border) if border.any() else np.full(labels.shape, 99.0)
    return np.stack([labels > 0, (labels > 0) & (away > MARGIN_PIXELS - 0.5)]).astype(np.float32)


def scale(image: np.ndarray) -> np.ndarray:
    """Scale by the 1st and 99.8th percentile, as the package's preprocessing does."""
    low, high = np.percentile(image, [1.0, 99.8])
    return ((image - low) / (high - low + 1e-6)).astype(np.float32)


def block(inputs: int, outputs: int) -> nn.Sequential:
    """Two 3 x 3 convolutions."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
        nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


class Unet(nn.Module):
    """A U-Net of three levels."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.down = nn.ModuleList([block(1, width), block(width, 2 * width), block(2 * width, 3 * width)])
        self.floor = block(3 * width, 4 * width)
        self.up = nn.ModuleList([block(7 * width, 3 * width), block(5 * width, 2 * width), block(3 * width, width)])
        self.head = nn.Conv2d(width, 2, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Map b 1 y x to b 2 y x logits; y and x are multiples of 8."""
        seen = []
        for level in self.down:
            image = level(image)
            seen.append(image)
            image = nn.functional.max_pool2d(image, 2)
        image = self.floor(image)
        for level, beside in zip(self.up, reversed(seen), strict=True):
            image = nn.functional.interpolate(image, scale_factor=2, mode="nearest")
            image = level(torch.cat([image, beside], 1))
        return self.head(image)


class WithProbabilities(nn.Module):
    """The network as it is shipped: with the sigmoid."""

    def __init__(self, unet: Unet) -> None:
        super().__init__()
        self.unet = unet

    def forward(self, image: Tensor) -> Tensor:
        """Map b 1 y x to b 2 y x probabilities."""
        return torch.sigmoid(self.unet(image))


def train(steps: int, *, seed: int, batch: int = 8) -> Unet:
    """Train on fields drawn as it goes."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    torch.set_num_threads(1)  # on a machine that does other things too, more threads only wait for each other
    unet = Unet()
    optimiser = torch.optim.AdamW(unet.parameters(), lr=3e-3, weight_decay=1e-4)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=6e-3, total_steps=steps)
    pool: list[tuple[np.ndarray, np.ndarray]] = []
    began = time.monotonic()
    for step in range(steps):
        while len(pool) < 64 or rng.random() < 0.5:  # a field is used a few times, turned and flipped
            image, labels = draw_field(rng)
            pool.append((scale(image), targets(labels)))
            if len(pool) > 800:
                pool.pop(0)
        images, wanted = [], []
        for number in rng.integers(0, len(pool), batch):
            image, target = pool[number]
            turns = int(rng.integers(0, 4))
            gamma = float(rng.uniform(0.6, 1.5))
            image = np.sign(image) * np.abs(image) ** gamma
            images.append(np.rot90(image, turns).copy()[None])
            wanted.append(np.rot90(target, turns, axes=(1, 2)).copy())
        x, y = torch.from_numpy(np.stack(images)), torch.from_numpy(np.stack(wanted))
        logits = unet(x)
        probabilities = torch.sigmoid(logits)
        overlap = 2 * (probabilities * y).sum((0, 2, 3)) / ((probabilities + y).sum((0, 2, 3)) + 1)
        loss = nn.functional.binary_cross_entropy_with_logits(logits, y) + (1 - overlap).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        plan.step()
        if step % 100 == 0 or step == steps - 1:
            print(f"step {step}  loss {loss.item():.4f}  {time.monotonic() - began:.0f} s", flush=True)
    return unet.eval()


def export(unet: Unet, to: Path, *, seed: int) -> None:
    """Write weights as ONNX, and a test input with the output that the weights give for it."""
    to.mkdir(parents=True, exist_ok=True)
    image, _ = draw_field(np.random.default_rng(seed + 1), side=128)
    raw = np.clip(image * 1000, 0, 65535).round().astype(np.float32)[None, None]
    shipped = WithProbabilities(unet).eval()
    example = torch.from_numpy(scale(raw[0, 0])[None, None])
    torch.onnx.export(
        shipped,
        (example,),
        str(to / "weights.onnx"),
        input_names=["image"],
        output_names=["probability"],
        dynamo=False,
        opset_version=17,
        dynamic_axes={"image": {0: "b", 2: "y", 3: "x"}, "probability": {0: "b", 2: "y", 3: "x"}},
    )
    np.save(to / "test_input.npy", raw)
    with torch.no_grad():
        np.save(to / "test_output.npy", shipped(example).numpy())


def main() -> None:
    """Train and export."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    unet = train(arguments.steps, seed=arguments.seed)
    print(f"{sum(p.numel() for p in unet.parameters())} parameters")
    export(unet, arguments.to, seed=arguments.seed)


if __name__ == "__main__":
    main()
