"""A checkpoint with random weights, in exactly the layout of a published file, converts to the same features.

Networks are small twins of the published ones; their names and shapes at full size are in test_catalogue.py.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from clusterprobe.config.encoders import FileEncoder
from clusterprobe.config.published_encoders import read_catalogue
from clusterprobe.encoders.architectures import Body, initialise
from clusterprobe.encoders.canonical import Encoder
from clusterprobe.encoders.checkpoints import convert_checkpoint
from clusterprobe.encoders.preprocessing import Preprocessing

CATALOGUE = {
    name: entry
    for name, entry in read_catalogue(Path("config/encoders.yaml")).items()
    if isinstance(entry, FileEncoder) and entry.layout == "torch"
}
SIZE = 32
PREPROCESSING = Preprocessing.from_dict({"size": SIZE, "mean": [0.5] * 3, "std": [0.5] * 3})
Weights = dict[str, torch.Tensor]
Architecture = tuple[str, dict[str, Any]]

RESNET: Architecture = ("torchvision:resnet18", {})
WIDE: Architecture = ("wide-resnet", {"base": 4})


def vit(name: str, heads: int = 4, **options: Any) -> Architecture:
    return f"timm:{name}", {"img_size": SIZE, "embed_dim": 24, "depth": 2, "num_heads": heads, **options}


def randomised(architecture: Architecture, seed: int) -> Body:
    """A body in which every tensor differs from its initial value."""
    body = initialise(*architecture, seed).eval()
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in body.network.state_dict().items():
        if tensor.is_floating_point():
            noise = torch.rand(tensor.shape, generator=generator)
            tensor.copy_(noise + 0.5 if name.endswith("running_var") else tensor + 0.2 * (noise - 0.5))
    return body


def under(prefix: str, body: Body, **others: torch.Tensor) -> Weights:
    """The weights of a body and some that are not of it, all with a prefix."""
    weights = body.network.state_dict() | {name.replace("__", "."): value for name, value in others.items()}
    return {prefix + name: tensor.clone() for name, tensor in weights.items()}


def mlp(name: str, *numbers: int) -> Weights:
    parts = [f"{name}__{number}__{part}" for number in numbers for part in ("weight", "bias")]
    return {part: torch.ones(3, 3) for part in parts}


OPTIMISER = {"state": {0: {"momentum_buffer": torch.ones(3)}}, "param_groups": [{"lr": 0.1, "params": [0]}]}
LINEAR = {"fc__weight": torch.ones(10, 3), "fc__bias": torch.ones(10)}

# What the files of a family hold, from the network that is meant and another one of the same shape.
File = Callable[[Body, Body], object]
FAMILIES: dict[str, File] = {
    "flat": lambda body, other: under("", body),
    "flat with a classifier": lambda body, other: under("", body, **LINEAR),
    "moco": lambda body, other: {
        "epoch": 200,
        "arch": "resnet50",
        "state_dict": under("module.encoder_q.", body, **mlp("fc", 0, 2)),
    },
    "moco while training": lambda body, other: {
        "epoch": 200,
        "state_dict": under("module.encoder_q.", body, **mlp("fc", 0, 2))
        | under("module.encoder_k.", other, **mlp("fc", 0, 2))
        | {"module.queue": torch.ones(3, 9), "module.queue_ptr": torch.zeros(1, dtype=torch.long)},
        "optimizer": OPTIMISER,
    },
    "pycontrast": lambda body, other: {
        "opt": Namespace(method="InfoMin", epochs=800),
        "model": under("module.encoder.", body)
        | {"module.head.0.weight": torch.ones(3, 3), "module.head_jig.fc1.weight": torch.ones(3, 3)},
        "contrast": {"memory_1": torch.ones(4, 3)},
        "optimizer": OPTIMISER,
        "epoch": 800,
        "model_ema": under("encoder.", other) | {"head.0.weight": torch.ones(3, 3)},
    },
    "swav": lambda body, other: (
        under("module.", body, **mlp("projection_head", 0, 1, 3))
        | {"module.prototypes.weight": torch.ones(3, 3)}
    ),
    "sela": lambda body, other: {"state_dict": under("", body, **LINEAR), "L": torch.ones(10, 50).long()},
    "moco v3": lambda body, other: {
        "epoch": 300,
        "state_dict": under("module.base_encoder.", body, **mlp("fc", 0, 1, 3, 4), **mlp("head", 0, 1, 3))
        | under("module.momentum_encoder.", other, **mlp("fc", 0, 1, 3, 4), **mlp("head", 0, 1, 3))
        | {"module.predictor.0.weight": torch.ones(3, 3)},
        "optimizer": OPTIMISER,
        "scaler": {"scale": 65536.0},
    },
    "mae": lambda body, other: {"model": under("", body)},
    "msn": lambda body, other: {
        "encoder": under("module.", other, **mlp("fc", 0, 1)),
        "target_encoder": under("module.", body, **mlp("fc", 0, 1)),
        "prototypes": torch.ones(4, 3),
        "opt": OPTIMISER,
        "epoch": 800,
    },
    "simsiam": lambda body, other: {
        "epoch": 100,
        "state_dict": under("module.encoder.", body, **mlp("fc", 0, 1, 3, 4, 6, 7))
        | {"module.predictor.0.weight": torch.ones(3, 3)},
        "optimizer": OPTIMISER,
    },
    "mmselfsup": lambda body, other: {
        "meta": {"epoch": 200, "seed": 0, "experiment_name": "byol"},
        "state_dict": under("backbone.", body)
        | under("target_net.module.0.", other)
        | {"target_net.module.1.fc0.weight": torch.ones(3, 3), "target_net.steps": torch.tensor(7)}
        | {"neck.fc0.weight": torch.ones(3, 3), "head.predictor.fc0.weight": torch.ones(3, 3)},
    },
    "vissl": lambda body, other: {
        "phase_idx": 799,
        "classy_state_dict": {
            "base_model": {
                "model": {
                    "trunk": under("_feature_blocks.", body),
                    "heads": {"0.clf.0.weight": torch.ones(3, 3)},
                },
                "meta": {"name": "base_ssl_model"},
            }
        },
    },
}

# Every entry of the catalogue: its family and a small twin of its network.
ENTRIES: dict[str, tuple[str, Architecture]] = {
    "moco-v2-200": ("moco", RESNET),
    "moco-v2-800": ("moco", RESNET),
    "moco-v2-pycontrast": ("pycontrast", RESNET),
    "infomin-resnet-50": ("pycontrast", RESNET),
    "infomin-resnext-152": ("pycontrast", ("torchvision:resnet50", {"groups": 4, "width_per_group": 4})),
    "swav": ("swav", RESNET),
    "supervised-resnet-152": (
        "flat with a classifier",
        ("timm:resnet152s", {"layers": [1, 1, 1, 1], "channels": [8, 16, 32, 64], "stem_width": 4}),
    ),
    "ig-resnext-101-32x48d": (
        "flat with a classifier",
        ("torchvision:resnet50", {"groups": 4, "width_per_group": 8}),
    ),
    "efficientnet-l2": ("flat with a classifier", ("timm:tf_efficientnet_b0", {})),
    "moco-v1": ("moco", RESNET),
    "sela": ("sela", RESNET),
    "sela-1k": ("sela", RESNET),
    "swav-5x": ("swav", WIDE),
    "swav-4x": ("swav", WIDE),
    "swav-2x": ("swav", WIDE),
    "moco-v3": ("moco v3", RESNET),
    "moco-v3-vit-small": ("moco v3", vit("vit_small_patch16_224", heads=12)),
    "moco-v3-vit-base": ("moco v3", vit("vit_base_patch16_224")),
    "dino-resnet-50": ("flat", RESNET),
    "dino-vit-small-16": ("flat", vit("vit_small_patch16_224")),
    "dino-vit-small-8": ("flat", vit("vit_small_patch8_224")),
    "dino-vit-base-16": ("flat", vit("vit_base_patch16_224")),
    "dino-vit-base-8": ("flat", vit("vit_base_patch8_224")),
    "mae-vit-base": ("mae", vit("vit_base_patch16_224")),
    "mae-vit-large": ("mae", vit("vit_large_patch16_224")),
    "mae-vit-huge": ("mae", vit("vit_huge_patch14_224", img_size=28)),
    "msn-vit-small": ("msn", vit("vit_small_patch16_224")),
    "msn-vit-base": ("msn", vit("vit_base_patch16_224")),
    "msn-vit-large": ("msn", vit("vit_large_patch16_224")),
    "barlow-twins": ("flat", RESNET),
    "vicreg": ("flat", RESNET),
    "vicreg-2x": ("flat", WIDE),
    "vicreg-resnet-200-2x": ("flat", WIDE),
    "simsiam": ("simsiam", RESNET),
    "deepcluster-v2": ("swav", RESNET),
    "sela-v2": ("swav", RESNET),
    "cld": ("moco while training", RESNET),
    "cld-mlp": ("moco while training", RESNET),
    "infomin-cld": ("pycontrast", RESNET),
    **{name: ("mmselfsup", RESNET) for name in CATALOGUE if name.startswith("mmselfsup-")},
}
DINOV2 = {name for name in CATALOGUE if name.startswith("dinov2-")}


def test_every_entry_has_its_layout_here() -> None:
    assert set(ENTRIES) | DINOV2 == set(CATALOGUE)


def convert(path: Path, content: object, architecture: Architecture, entry: FileEncoder | None) -> Encoder:
    """Convert as the workflow converts an entry, but for the network."""
    torch.save(content, path)
    size = architecture[1].get("img_size", SIZE)
    preprocessing = Preprocessing.from_dict({"size": size, "mean": [0.5] * 3, "std": [0.5] * 3})
    settings: dict[str, Any] = {}
    if entry is not None:
        settings = {"prefix": entry.prefix, "ignore": entry.ignore, "resample": entry.resample is not None}
    return convert_checkpoint(path, *architecture, preprocessing, **settings)


def assert_same_features(one: nn.Module, other: nn.Module, size: int = SIZE) -> None:
    images = torch.randn(3, 3, size, size, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected = other(images)
        assert float(expected.std()) > 1e-3, "features that say nothing would be equal for any weights"
        torch.testing.assert_close(one(images), expected, atol=1e-5 * float(expected.abs().max()), rtol=0)


def distinct() -> list[str]:
    """One entry for each family with each twin and each list of names to ignore."""
    found: dict[str, str] = {}
    for name, layout in ENTRIES.items():
        found.setdefault(f"{layout} {CATALOGUE[name].ignore}", name)
    return list(found.values())


@pytest.mark.parametrize("name", distinct())
def test_published_layout_converts_to_the_same_features(tmp_path: Path, name: str) -> None:
    family, architecture = ENTRIES[name]
    body, other = randomised(architecture, seed=1), randomised(architecture, seed=2)
    encoder = convert(tmp_path / "a.pth", FAMILIES[family](body, other), architecture, CATALOGUE[name])
    assert_same_features(encoder.body, body, architecture[1].get("img_size", SIZE))


@pytest.mark.parametrize("family", ["vissl", "moco while training", "mmselfsup"])
def test_further_layouts_convert_without_an_entry(tmp_path: Path, family: str) -> None:
    body, other = randomised(RESNET, seed=1), randomised(RESNET, seed=2)
    entry = CATALOGUE["mmselfsup-byol"] if family == "mmselfsup" else None
    assert_same_features(convert(tmp_path / "a.pth", FAMILIES[family](body, other), RESNET, entry).body, body)


class GatedLayer(nn.Module):
    """The feed-forward layer of DINOv2's giant under the names of its publishers."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.w12 = nn.Linear(width, 2 * hidden)
        self.w3 = nn.Linear(hidden, width)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        gate, value = self.w12(tokens).chunk(2, dim=-1)
        return self.w3(functional.silu(gate) * value)


def keys_kernel(distance: float) -> float:
    """Cubic convolution with a = -0.75 (Keys 1981)."""
    a, x = -0.75, abs(distance)
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0


def interpolated(grid: np.ndarray, after: int) -> np.ndarray:
    """A grid [N, N, D] at after x after points, spaced as DINOv2 does: N / (after + 0.1) apart."""
    before = len(grid)
    weights = np.zeros((after, before))
    for point in range(after):
        place = (point + 0.5) * before / (after + 0.1) - 0.5
        for neighbour in range(int(np.floor(place)) - 1, int(np.floor(place)) + 3):
            weights[point, min(max(neighbour, 0), before - 1)] += keys_kernel(place - neighbour)
    return np.einsum("ai,bj,ijd->abd", weights, weights, grid)


@pytest.mark.parametrize("name", sorted(DINOV2))
def test_dinov2_converts_with_its_larger_grid(tmp_path: Path, name: str) -> None:
    """The file has 7 x 7 patches, the network 4 x 4: the weights hold what DINOv2 computes each time."""
    entry = CATALOGUE[name]
    network = entry.architecture.name.removeprefix("timm:")
    published, architecture = vit(network, img_size=7 * 14), vit(network, img_size=4 * 14)
    source = randomised(published, seed=3)
    if "giant" in name:
        for block in source.network.blocks:
            block.mlp = GatedLayer(24, block.mlp.fc2.in_features)
    content = {**source.network.state_dict(), "mask_token": torch.zeros(1, 24)}
    encoder = convert(tmp_path / "a.pth", content, architecture, entry)
    positions = source.network.pos_embed.detach()
    grid = interpolated(positions[0, 1:].reshape(7, 7, 24).numpy(), 4).reshape(1, 16, 24)
    source.network.pos_embed = nn.Parameter(torch.cat([positions[:, :1], torch.from_numpy(grid).float()], 1))
    source.network.patch_embed.img_size = (56, 56)
    assert_same_features(encoder.body, source, 56)


def test_positions_of_another_grid_are_refused_without_resampling(tmp_path: Path) -> None:
    published, architecture = vit("vit_small_patch16_224", img_size=64), vit("vit_small_patch16_224")
    with pytest.raises(ValueError, match=r"1 tensors of another shape: pos_embed"):
        convert(tmp_path / "a.pth", under("", randomised(published, 1)), architecture, None)
