"""Extraction from JPEG files on a GPU against the forward rate of the network alone."""

from __future__ import annotations

import io
import os
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks.harness import Outcome, Question, Size, timed
from clusterprobe.encoders.canonical import untrained_encoder
from clusterprobe.encoders.preprocessing import Preprocessing
from clusterprobe.features.extract import feature_blocks
from clusterprobe.images.listing import ImageSource
from clusterprobe.images.manifest import Manifest
from clusterprobe.store.hashing import sha256_bytes

QUESTION = Question(
    "gpu-extract",
    "extraction of 20,000 JPEG files, 256 x 256, by a ResNet-50 in bfloat16",
    "the forward rate of the network alone",
    0.9,
    quick="extraction of 2,000 JPEG files, 256 x 256, by a ResNet-50 in bfloat16",
)
_BATCH = 256
_FILES = 64  # different ones
_PREPROCESSING = {"size": 224, "resize": 256, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}


def measure(size: Size) -> Outcome:
    if not torch.cuda.is_available():
        return Outcome(None, note="torch sees no GPU")
    network = {"name": "torchvision:resnet50"}
    workers = max((os.cpu_count() or 1) - 1, 1)
    return compare(network, size.choose(2_000, 20_000), _PREPROCESSING, _BATCH, workers, "cuda")


def compare(
    network: dict[str, Any], count: int, preprocessing: dict[str, Any], batch: int, workers: int, device: Any
) -> Outcome:
    """Extract features of some images and time the network alone on one batch again and again."""
    encoder = untrained_encoder(
        network["name"], network.get("options", {}), 0, Preprocessing.from_dict(preprocessing)
    )
    source = Jpegs(preprocessing.get("resize") or preprocessing["size"])
    names = tuple(str(number) for number in range(count))
    hashes = tuple(source.hashes[number % _FILES] for number in range(count))
    images = Manifest(names, names, np.full(count, -1, np.int64), (), hashes)

    def extract() -> int:
        blocks = feature_blocks(
            encoder,
            "pooled",
            images,
            source,
            (0, count),
            mode="eval",
            batch_size=batch,
            workers=workers,
            device=device,
            what="features",
        )
        return sum(len(block) for block in blocks)

    alone = forward_rate(encoder.body, batch, preprocessing["size"], device)
    seconds, rows = timed(extract)
    return Outcome(
        rows / seconds / alone,
        {"images a second": rows / seconds, "the network alone, images a second": alone, "workers": workers},
    )


@torch.inference_mode()
def forward_rate(network: torch.nn.Module, batch: int, size: int, device: str) -> float:
    """Return images a second of the network on one batch that lies on the device."""
    network.eval().to(device).to(memory_format=torch.channels_last)
    images = torch.randn(batch, 3, size, size, device=device).to(memory_format=torch.channels_last)

    def several() -> float:
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            return float(sum(network(images).sum() for _ in range(5)))

    several()
    return 5 * batch / min(timed(several)[0] for _ in range(3))


class Jpegs(ImageSource):
    """Some JPEG files in memory, again and again."""

    def __init__(self, side: int) -> None:
        generator = np.random.default_rng(0)
        self.files = []
        for _ in range(_FILES):
            coarse = generator.integers(256, size=(16, 16, 3), dtype=np.uint8)
            buffer = io.BytesIO()
            Image.fromarray(coarse).resize((side, side)).save(buffer, "JPEG", quality=90)
            self.files.append(buffer.getvalue())
        self.hashes = [sha256_bytes(file) for file in self.files]

    def fetch(self, location: str) -> bytes:
        return self.files[int(location) % _FILES]

    def name(self, location: str) -> str:
        return f"image {location}"
