"""How families of checkpoints name the tensors of a body, and what else lies in their files."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Layout:
    """The names of a family: regular expressions on names of the body and what replaces them."""

    name: str
    renames: tuple[tuple[str, str], ...] = ()

    def in_file(self, name: str) -> str:
        """Return the name that the tensor `name` of the body has in the file, without prefix."""
        for pattern, replacement in self.renames:
            name = re.sub(pattern, replacement, name)
        return name


LAYOUTS = (
    Layout("as published"),
    Layout(  # nn.Sequential(*resnet.children()): conv1, bn1, relu, maxpool, layer1, ...
        "numbered children of a ResNet",
        (
            (r"^conv1\.", "0."),
            (r"^bn1\.", "1."),
            (r"^layer1\.", "4."),
            (r"^layer2\.", "5."),
            (r"^layer3\.", "6."),
            (r"^layer4\.", "7."),
        ),
    ),
    Layout(  # the gated feed-forward layers of DINOv2's giant, which timm calls like those of the others
        "gated feed-forward layers of DINOv2",
        ((r"\.mlp\.fc1\.", ".mlp.w12."), (r"\.mlp\.fc2\.", ".mlp.w3.")),
    ),
)

# Where several networks of a file fit, the one that its authors evaluate: the first word found in a prefix.
PREFERRED_COPIES = (
    "encoder_q",
    "base_encoder",
    "base_model",
    "teacher",
    "target_encoder",
    "online_network",
    "online_encoder",
    "online",
    "backbone",
)

# Averages over the training, kept beside the network that its authors evaluate.
AVERAGES = ("ema_model", "model_ema")

# What may stand beside the body in a file: beginnings of names.
IGNORED = (
    "fc.",
    "head",
    "projection",
    "projector",
    "predictor",
    "prototypes",
    "classifier.",
    "top_layer.",
    "neck.",
    "queue",
    "contrast",
)
