"""SCAN's self-labelling: learn from strong views what is certain in plain ones (arXiv 2005.12320, 2.3)."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clusterprobe.config.errors import UserError, nearest
from clusterprobe.encoders.heads import Head
from clusterprobe.train import distributed
from clusterprobe.train.divergence import check_finite
from clusterprobe.train.moving_copy import MovingCopy
from clusterprobe.train.objective import Batch, Epoch, Loss, Networks, Objective, Setting, View
from clusterprobe.train.options import read_options

TEACHERS = ("ema", "student-train-mode", "shadow-into-student")


@dataclass(frozen=True)
class SelflabelOptions:
    """Options of self-labelling.

    Attributes:
        threshold: an image counts as certain if its highest probability is above it.
        balanced: weigh the certain images of a batch so that every cluster among them counts the same.
        teacher: who says what is certain. "ema": a moving average of the student, in evaluation mode.
            "student-train-mode": the student itself, with the statistics of the batch, as the reference code
            does on small images. "shadow-into-student": the same, and after every step the student is
            replaced by the moving average, with the running statistics it started with, as the reference
            code does on ImageNet.
        decay: of the moving average; with 0 the teacher "ema" is the student in evaluation mode.
        result: what is left behind: "student", as in the reference code, or "teacher". Only the teacher "ema"
            is a network of its own. In a short run it is the worse one: its averaged weights lag behind the
            running statistics that it takes over from the student.
        weak: the augmentation that the teacher sees; "plain" is none.
        patience, growth: stop when for so many epochs the number of certain images has not grown by this
            share; patience None never stops early.
        head: the head to go on with; None if there is only one.
    """

    threshold: float = 0.99
    balanced: bool = True
    teacher: str = "ema"
    decay: float = 0.999
    result: str = "student"
    weak: str = "plain"
    patience: int | None = 10
    growth: float = 0.01
    head: str | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.threshold < 1:
            raise ValueError(f"threshold must lie in [0, 1), not {self.threshold}")
        if not 0 <= self.decay < 1:
            raise ValueError(f"decay must lie in [0, 1), not {self.decay}")
        if self.teacher not in TEACHERS:
            raise ValueError(f"there is no teacher {self.teacher!r}; {nearest(self.teacher, TEACHERS)}")
        if self.result not in ("teacher", "student"):
            raise ValueError(f"result must be 'teacher' or 'student', not {self.result!r}")
        if self.patience is not None and self.patience < 1:
            raise ValueError(f"patience must be at least one epoch, not {self.patience}")
        if self.growth < 0:
            raise ValueError(f"growth must not be negative, but is {self.growth}")


def pseudo_labels(logits: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
    """Return the most probable cluster int64 [B] of logits [B, C], and whether it is certain, bool [B]."""
    probability, cluster = torch.softmax(logits, dim=1, dtype=torch.float32).max(dim=1)
    return cluster, probability > threshold


def balanced_cross_entropy(logits: Tensor, clusters: Tensor, balanced: bool = True) -> Tensor:
    """Cross entropy of logits [n, C] with clusters [n], n >= 1, every cluster with the same weight.

    sum_i w_i l_i / sum_i w_i with w_i = n / (number of images of the cluster of i), or 1 if not `balanced`.
    """
    with torch.autocast(logits.device.type, enabled=False):
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        if not balanced:
            return F.cross_entropy(logits, clusters)
        counts = torch.bincount(clusters, minlength=logits.shape[1]).to(logits.dtype)
        weights = torch.where(counts > 0, len(clusters) / counts, 1.0)
        return F.cross_entropy(logits, clusters, weights)


class Selflabel(Objective):
    """A teacher labels the plain images that it is certain of; the student learns them from strong views."""

    certain: Tensor
    certain_before: Tensor
    labelled: Tensor
    most_certain: Tensor
    epochs_without_growth: Tensor

    def __init__(self, networks: Networks, options: SelflabelOptions) -> None:
        super().__init__(networks)
        (self.head,) = networks.heads
        self.options = options
        clusters = networks.heads[self.head].width
        copied = options.teacher != "student-train-mode"
        self.teacher = MovingCopy(self._student(), options.decay) if copied else None
        for name in ("certain", "certain_before", "labelled"):
            self.register_buffer(name, torch.zeros(clusters, dtype=torch.int64))
        self.register_buffer("most_certain", torch.tensor(0))
        self.register_buffer("epochs_without_growth", torch.tensor(0))

    def views(self, indices: Tensor, generator: torch.Generator) -> Sequence[View]:
        """The images as they are, for the teacher, and augmented, for the student."""
        return [View(indices, self.options.weak), View(indices)]

    def loss(self, batch: Batch) -> Loss | None:
        """Cross entropy over the certain images of the global batch; None if there are none."""
        weak, strong = batch.views
        with torch.no_grad():
            labels = distributed.gather(self._label(weak))
        check_finite(labels)  # NaN is above no threshold: every step would be skipped
        clusters, certain = pseudo_labels(labels, self.options.threshold)
        self._count(clusters, certain)
        if not certain.any():
            return None
        logits = distributed.gather(self._student()(strong))
        value = balanced_cross_entropy(logits[certain], clusters[certain], self.options.balanced)
        agreement = (logits.argmax(dim=1) == clusters).float().mean()
        return Loss(value, {"agreement": agreement.detach()})

    def after_step(self) -> None:
        """Move the teacher."""
        if self.teacher is None:
            return
        replaces_student = self.options.teacher == "shadow-into-student"
        self.teacher.follow(self._student(), buffers=not replaces_student)
        if replaces_student:
            self._student().load_state_dict(self.teacher.network.state_dict())

    def after_epoch(self, epoch: Epoch) -> Mapping[str, float]:
        """Log how much is certain, in which clusters; warn of clusters that have lost all of it."""
        self._warn(epoch.number)
        total = int(self.certain.sum())
        measured = {
            "certain": total / max(1, int(self.labelled.sum())),
            "clusters_used": int((self.labelled > 0).sum()),
            "clusters_certain": int((self.certain > 0).sum()),
            **{f"certain/{cluster}": int(count) for cluster, count in enumerate(self.certain)},
        }
        if total > int(self.most_certain) * (1 + self.options.growth):
            self.most_certain.fill_(total)
            self.epochs_without_growth.zero_()
        else:
            self.epochs_without_growth.add_(1)
        self.certain_before.copy_(self.certain)
        self.certain.zero_()
        self.labelled.zero_()
        return measured

    def finished(self) -> bool:
        """Stop when the number of certain images has stopped growing."""
        patience = self.options.patience
        return patience is not None and int(self.epochs_without_growth) >= patience

    def networks(self) -> Networks:
        """The teacher or the student, as the option `result` says; always with its head."""
        if self.teacher is None or self.can_average():
            return super().networks()
        body, head = cast(nn.Sequential, self.teacher.network)
        return Networks(cast(Any, body), {self.head: cast(Head, head)})

    def can_average(self) -> bool:
        """If the student is left behind: only the teacher "ema" is a network of its own."""
        return self.options.teacher != "ema" or self.options.result == "student"

    def chosen_head(self) -> str:
        """The only head."""
        return self.head

    def _student(self) -> nn.Sequential:
        return nn.Sequential(self.body, self.heads[self.head])

    def _label(self, images: Tensor) -> Tensor:
        """What the teacher says of the weak views: logits [b, C]."""
        speaker = self.teacher if self.options.teacher == "ema" else self._student()
        logits: Tensor = cast(nn.Module, speaker)(images)
        return logits

    def _count(self, clusters: Tensor, certain: Tensor) -> None:
        size = len(self.labelled)
        self.labelled += torch.bincount(clusters, minlength=size)
        self.certain += torch.bincount(clusters[certain], minlength=size)

    def _warn(self, epoch: int) -> None:
        lost = torch.nonzero((self.certain == 0) & (self.certain_before > 0))[:, 0].tolist()
        if lost and distributed.rank() == 0:
            numbers = ", ".join(map(str, lost))
            print(
                f"self-labelling, epoch {epoch + 1}: no image is certain any more in cluster {numbers}: the "
                "clustering may collapse; lower the threshold or the learning rate, or keep `balanced`",
                file=sys.stderr,
            )


def make(networks: Networks, options: Mapping[str, Any], setting: Setting) -> Objective:
    """Make the objective from plain options; the networks are those that a clustering step left behind."""
    chosen = read_options(SelflabelOptions, options, "objective selflabel")
    heads = dict(networks.heads)
    if chosen.head is None and len(heads) != 1:
        raise UserError(
            f"objective selflabel: goes on with one head, but there are {len(heads)}: name it with `head`"
        )
    head = chosen.head if chosen.head is not None else next(iter(heads))
    if head not in heads:
        raise UserError(f"objective selflabel: there is no head {head!r}; {nearest(head, heads)}")
    return Selflabel(Networks(networks.body, {head: heads[head]}), chosen)
