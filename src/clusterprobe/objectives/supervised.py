"""Cross entropy on the labels: no clustering, but the upper row that clusterings are compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from clusterprobe.config.errors import UserError
from clusterprobe.encoders.heads import Head
from clusterprobe.train.distributed import gather
from clusterprobe.train.objective import Batch, Loss, Networks, Objective, Setting, View, needs
from clusterprobe.train.options import read_options


@dataclass(frozen=True)
class SupervisedOptions:
    """There is nothing to choose."""


class Supervised(Objective):
    """One augmented view of every image through body and head "0", whose outputs are the classes.

    This is the row "Supervised" of SCAN, arXiv 2005.12320, table 3. It is the one objective that declares
    the array `labels`.
    """

    def __init__(self, networks: Networks, labels: Tensor) -> None:
        super().__init__(networks)
        if "0" not in networks.heads:
            raise UserError("objective supervised: the job needs a head with one output per class")
        classes = cast(Head, self.heads["0"]).width
        if misfits := int(((labels < 0) | (labels >= classes)).sum()):
            raise UserError(
                f"objective supervised: {misfits} of {len(labels)} images have no label from 0 to "
                f"{classes - 1}: train on images that all have one, with a head of one output per class"
            )
        self.register_buffer("labels", labels.long(), persistent=False)

    def views(self, indices: Tensor, generator: torch.Generator) -> Sequence[View]:
        """One augmentation of the images."""
        return [View(indices)]

    def loss(self, batch: Batch) -> Loss:
        """Cross entropy over the global batch; its accuracy is logged."""
        labels = cast(Tensor, self.labels)
        logits = gather(self.heads["0"](self.body(batch.views[0])))
        classes = labels[gather(batch.indices).to(labels.device)]
        with torch.autocast(logits.device.type, enabled=False):
            value = F.cross_entropy(logits.float(), classes)
        return Loss(value, {"accuracy": (logits.argmax(dim=1) == classes).float().mean()})


@needs("labels")
def make(networks: Networks, options: Mapping[str, Any], setting: Setting) -> Objective:
    """Make the objective from plain options."""
    read_options(SupervisedOptions, options, "objective supervised")
    return Supervised(networks, setting.array("labels"))
