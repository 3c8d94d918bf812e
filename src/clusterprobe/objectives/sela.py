"""SeLa: learn labels that are found by optimal transport over the whole set (Asano et al., arXiv 1911.05371).

Where paper and reference code differ, an option decides; its default is what the paper says.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clusterprobe.cluster.sinkhorn import wanted_shares
from clusterprobe.config.errors import UserError, nearest
from clusterprobe.encoders.heads import Head, build_head
from clusterprobe.images.seeds import make_generator
from clusterprobe.objectives.kernels.relabelling import HeadRows, Transport, hold
from clusterprobe.train import distributed
from clusterprobe.train.objective import Batch, Epoch, Loss, Networks, Objective, Setting, View
from clusterprobe.train.options import read_options

SCHEDULES = ("quadratic", "linear")
LOOKS = ("expectation", "train-mode")
_TRACKED = 10_000  # images whose labels are kept from every relabelling


@dataclass(frozen=True)
class SelaOptions:
    """Options of self-labelling by optimal transport.

    Attributes:
        power: how sharp the labelling is (lambda), see `clusterprobe.cluster.sinkhorn.scale`.
        relabellings: how often all images get new labels; the first is before the first step, the last after
            the last one. Those that fall due in one step are one.
        schedule: when. "quadratic": number i of M after the share (i / (M - 1))^2 of the steps, i from 0, as
            the paper means it (its formula counts from 1 and would end after the training); "linear": after
            the share i / (M - 1), as the reference code does on small images.
        heads_in_turn: every time one head gets new labels, as in the reference code on small images; or else
            all do.
        labelling: "expectation": scores are the mean of log p over `looks` augmentations, the network in
            evaluation mode; "train-mode": one augmentation, with the statistics of the batch and with
            dropout, as the reference code does. Running statistics stay as they are.
        looks: augmentations per image and relabelling.
        sum_heads: the loss is the sum over the heads, as in the paper; or else the mean, as in the reference
            code.
        shares: share of the images that each cluster of the heads should get; None: the same for all.
        exact: cluster sizes are exactly floor or ceil of the share; or else what the arg-max rounds to.
        tolerance, max_iterations: see `clusterprobe.cluster.sinkhorn.balance`.
        warm_start: go on from the scaling factors of the last time.
        further_heads: numbers of clusters of heads that train beside the others and are left out at the end.
    """

    power: float = 25.0
    relabellings: int = 100
    schedule: str = "quadratic"
    heads_in_turn: bool = False
    labelling: str = "expectation"
    looks: int = 4
    sum_heads: bool = True
    shares: Sequence[float] | None = None
    exact: bool = False
    tolerance: float = 1e-3
    max_iterations: int = 1000
    warm_start: bool = True
    further_heads: Sequence[int] = ()

    def __post_init__(self) -> None:
        if not self.power > 0:
            raise ValueError(f"power must be positive, not {self.power}")
        if min(self.relabellings, self.looks, self.max_iterations) < 1:
            raise ValueError("relabellings, looks and max_iterations must be at least 1")
        if self.schedule not in SCHEDULES:
            raise ValueError(f"there is no schedule {self.schedule!r}; {nearest(self.schedule, SCHEDULES)}")
        if self.labelling not in LOOKS:
            raise ValueError(f"there is no labelling {self.labelling!r}; {nearest(self.labelling, LOOKS)}")
        if not self.tolerance > 0:
            raise ValueError(f"tolerance must be positive, not {self.tolerance}")
        if min(self.further_heads, default=2) < 2:
            raise ValueError(
                f"further_heads must be numbers of clusters, at least 2, not {self.further_heads}"
            )

    @property
    def transport(self) -> Transport:
        """How labels are found."""
        return Transport(self.power, self.tolerance, self.max_iterations, self.exact)


def relabellings_due(options: SelaOptions, taken: int, total: int) -> int:
    """Return how many relabellings are due when `taken` of `total` steps lie behind."""
    last = max(1, options.relabellings - 1)
    power = 2 if options.schedule == "quadratic" else 1
    return sum(number**power * total <= taken * last**power for number in range(options.relabellings))


class Sela(Objective):
    """Cross entropy of every head with labels of its own, which balanced partitions of all images give.

    Args:
        networks: a body and linear heads; those left behind, and chosen among.
        options: see `SelaOptions`.
        setting: of the run.
    """

    labels: Tensor
    history: Tensor
    relabelled: Tensor
    turns: Tensor
    heads_done: Tensor
    changed: Tensor
    iterations: Tensor
    deviation: Tensor
    chosen: Tensor

    def __init__(self, networks: Networks, options: SelaOptions, setting: Setting) -> None:
        further = {
            f"further-{number}": build_head("linear", {"dimensions": clusters}, networks.body.width)
            for number, clusters in enumerate(options.further_heads)
        }
        super().__init__(Networks(networks.body, {**networks.heads, **further}))
        self.options = options
        self.main = tuple(networks.heads)
        batches = -(-setting.images // setting.batch_size)
        self._room = -(-setting.images // distributed.world_size()) + batches
        self.clusters = [cast(Head, head).width for head in self.heads.values()]
        start = [_dealt(setting, number, clusters) for number, clusters in enumerate(self.clusters)]
        self.register_buffer("labels", torch.stack(start))
        tracked = min(setting.images, _TRACKED)
        self.register_buffer("tracked", torch.linspace(0, setting.images - 1, tracked).round().long())
        self.register_buffer("history", torch.full((options.relabellings, tracked), -1, dtype=torch.int32))
        for name, clusters in zip(self.heads, self.clusters, strict=True):
            self.register_buffer(f"scaling_{name}", torch.zeros(clusters, dtype=torch.float64))
        for name in ("relabelled", "turns", "heads_done"):
            self.register_buffer(name, torch.tensor(0))
        self.register_buffer("chosen", torch.tensor(-1))
        for name in ("changed", "iterations", "deviation"):
            self.register_buffer(name, torch.zeros(len(self.heads), dtype=torch.float64))

    def views(self, indices: Tensor, generator: torch.Generator) -> Sequence[View]:
        """One augmentation of the images."""
        return [View(indices)]

    def loss(self, batch: Batch) -> Loss:
        """Cross entropy with the current labels over the global batch; sum or mean over the heads."""
        features = self.body(batch.views[0])
        labels = self.labels[:, batch.indices.to(self.labels.device)].long()
        count = distributed.all_sum(torch.tensor(float(len(batch.indices)), device=features.device))
        total = torch.zeros((), device=features.device)
        right = torch.zeros((), device=features.device)
        for head, wanted in zip(self.heads.values(), labels, strict=True):
            logits = head(features)
            logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
            total = total + F.cross_entropy(logits, wanted, reduction="sum")
            right = right + (logits.detach().argmax(dim=1) == wanted).sum()
        value = distributed.all_sum(total) / count
        right = distributed.all_sum(right) / count / len(self.heads)
        return Loss(value if self.options.sum_heads else value / len(self.heads), {"accuracy": right})

    def before_step(self, epoch: Epoch) -> None:
        """Relabel all images if the time for it has come."""
        due = relabellings_due(self.options, epoch.taken, epoch.total)
        if due > int(self.relabelled):
            self._relabel(epoch, due, self._features(epoch))

    def after_epoch(self, epoch: Epoch) -> Mapping[str, float]:
        """Log the latest relabelling of each head; at the end of the run relabel, and choose a head."""
        if epoch.taken == epoch.total:
            features = self._features(epoch)
            due = relabellings_due(self.options, epoch.taken, epoch.total)
            if due > int(self.relabelled):
                self._relabel(epoch, due, features)
            losses = self._cross_entropies(features)
            self.chosen.fill_(min(range(len(losses)), key=losses.__getitem__))
        measured: dict[str, float] = {"relabellings": int(self.relabelled)}
        for number, name in enumerate(self.heads):
            counts = torch.bincount(self.labels[number].long(), minlength=self.clusters[number])
            measured |= {
                f"labels_changed/{name}": float(self.changed[number]),
                f"sinkhorn_iterations/{name}": int(self.iterations[number]),
                f"sinkhorn_deviation/{name}": float(self.deviation[number]),
                f"largest_share/{name}": float(counts.max() / counts.sum()),
            }
        return measured

    def networks(self) -> Networks:
        """The body and the heads of the job, without further ones."""
        return Networks(self.body, {name: cast(Head, self.heads[name]) for name in self.main})

    def chosen_head(self) -> str | None:
        """The head whose last labels are learnt best; None before the end of the run."""
        number = int(self.chosen)
        return self.main[number] if number >= 0 else None

    def found(self) -> Mapping[str, Tensor]:
        """The last labels [N, T] of the heads of the job; and `history` [relabellings, n], labels by the
        first head of the images `tracked` [n] at every relabelling."""
        labels = self.labels[: len(self.main)].T.contiguous()
        return {"labels": labels, "history": self.history, "tracked": cast(Tensor, self.tracked)}

    def _relabel(self, epoch: Epoch, due: int, features: tuple[Tensor, Tensor]) -> None:
        """Give every head whose turn it is new labels, one by one; what is done counts if this is resumed."""
        turn = list(range(len(self.heads)))
        if self.options.heads_in_turn:
            turn = [int(self.turns) % len(self.heads)]  # not by `due`, which may leap over heads
        for number in turn[int(self.heads_done) :]:
            self._relabel_head(number, features)
            self.heads_done.add_(1)
            if int(self.heads_done) < len(turn):
                epoch.pause()
        self.history[due - 1] = self.labels[0, cast(Tensor, self.tracked)]
        self.relabelled.fill_(due)
        self.turns.add_(1)
        self.heads_done.zero_()

    def _relabel_head(self, number: int, features: tuple[Tensor, Tensor]) -> None:
        scaling = cast(Tensor, getattr(self, f"scaling_{list(self.heads)[number]}"))
        try:
            labels, found = self._rows(number, features).relabel(
                self.options.transport,
                wanted_shares(
                    self.clusters[number], self.options.shares if number < len(self.main) else None
                ),
                scaling.cpu().numpy() if self.options.warm_start else None,
            )
        except ValueError as error:
            raise UserError(f"objective sela: {error}; lower the learning rate") from error
        fresh = torch.from_numpy(labels).to(self.labels.device)
        self.changed[number] = (fresh != self.labels[number]).double().mean()
        self.iterations[number], self.deviation[number] = found.iterations, found.deviation
        self.labels[number] = fresh
        scaling.copy_(torch.from_numpy(found.log_scaling))

    def _cross_entropies(self, features: tuple[Tensor, Tensor]) -> list[float]:
        """Mean cross entropy of each head of the job with its labels: what the paper minimises, equation 3,
        over all images."""
        return [
            self._rows(number, features).cross_entropy(self.labels[number].cpu())
            for number in range(len(self.main))
        ]

    def _rows(self, number: int, features: tuple[Tensor, Tensor]) -> HeadRows:
        return HeadRows(*features, list(self.heads.values())[number], self.labels.device)

    @torch.no_grad()
    def _features(self, epoch: Epoch) -> tuple[Tensor, Tensor]:
        """Features [n, D] of this process's rows, the mean over several looks, and the rows [n].

        The heads are linear, so the mean of their logits is that of the mean of the features; and the mean of
        log p differs from it by a number per image, which no label depends on.
        """
        expected = self.options.labelling == "expectation"
        body, looks = (self.body, self.options.looks) if expected else (copy.deepcopy(self.body), 1)
        torch.manual_seed(int(torch.randint(2**62, (1,), generator=epoch.generator)) + distributed.rank())
        body.train(not expected)
        features, rows = hold(self._room, body.width, self.labels.device), []
        for look in range(looks):
            first = 0
            for batch in epoch.look(look):
                block = body(batch.views[0]).float()
                features[first : first + len(block)] += block.to(features.device) / looks
                first += len(block)
                rows += [batch.indices] if look == 0 else []
                epoch.pause()
        self.train()
        return features[:first], torch.cat(rows)


def make(networks: Networks, options: Mapping[str, Any], setting: Setting) -> Objective:
    """Make the objective from plain options."""
    chosen = read_options(SelaOptions, options, "objective sela")
    if not networks.heads or not all(_is_linear(head) for head in networks.heads.values()):
        raise UserError("objective sela: the job needs heads of kind linear, with one output per cluster")
    for head in networks.heads.values():
        try:
            wanted_shares(head.width, chosen.shares)
        except ValueError as error:
            raise UserError(f"objective sela: {error}") from error
    return Sela(networks, chosen, setting)


def _is_linear(head: Head) -> bool:
    return not head.normalise and all(isinstance(layer, nn.Linear) for layer in head)


def _dealt(setting: Setting, head: int, clusters: int) -> Tensor:
    """Labels int32 [N] to begin with, dealt out at random, the same number to every cluster."""
    generator = make_generator(setting.seed, "labels to begin with", head)
    return torch.randperm(setting.images, generator=generator).remainder(clusters).int()
