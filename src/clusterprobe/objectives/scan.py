"""SCAN's clustering step: neighbours get the same cluster, and clusters get their share of the images.

Van Gansbeke et al., arXiv 2005.12320, section 2.2. Where paper and reference code differ, an option decides;
its default is what the paper says, or what keeps images and choices apart from the evaluation.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from clusterprobe.config.errors import UserError
from clusterprobe.encoders.heads import Head
from clusterprobe.objectives.kernels.neighbourhoods import draw_columns, nearest_others
from clusterprobe.objectives.kernels.scan_loss import neighbourhood_loss, scan_loss
from clusterprobe.train.distributed import gather
from clusterprobe.train.objective import Batch, Epoch, Loss, Networks, Objective, Setting, View, needs
from clusterprobe.train.options import read_options

_EVALUATION_NEIGHBOURS = 5  # the reference code selects with these two numbers
_EVALUATION_WEIGHT = 1.0


@dataclass(frozen=True)
class ScanOptions:
    """Options of the clustering step.

    Attributes:
        entropy_weight: weight of the balance of the clusters against the consistency of neighbours (lambda).
        prior: share of the images that each cluster should get; None: the same for all. See `scan_loss`.
        neighbours: how many of the nearest neighbours of the array `neighbours` count; None: all of them;
            0: none, and a second augmentation of the image itself takes their place.
        per_visit: neighbours that are drawn, without replacement, whenever an image is visited. One is an
            unbiased estimate of the mean over all, as in the reference code; the paper takes all.
        include_self: count an image among its neighbours, as the reference code does: one in K + 1.
        frozen: train the heads alone; the body stays in evaluation mode.
        separate_forwards: send images and neighbours through the network one after the other, so that batch
            normalisation sees them apart, as in the reference code; or else as one batch.
        selection: what the loss of a head is measured on after every epoch: "train", plain training images
            with the loss and the neighbours of the training; or "evaluation", as in the reference code: the
            image set `selection`, five nearest neighbours and the image itself, entropy weight 1.
        keep: "best" leaves the networks of the epoch with the lowest loss of any head behind, as the
            reference code does; "last" those of the last epoch.
    """

    entropy_weight: float = 5.0
    prior: Sequence[float] | None = None
    neighbours: int | None = None
    per_visit: int = 1
    include_self: bool = False
    frozen: bool = False
    separate_forwards: bool = True
    selection: str = "train"
    keep: str = "best"

    def __post_init__(self) -> None:
        if self.entropy_weight < 0:
            raise ValueError(f"entropy_weight must not be negative, but is {self.entropy_weight}")
        if self.prior is not None and (min(self.prior) <= 0 or abs(sum(self.prior) - 1) > 1e-3):
            raise ValueError("prior must hold one positive share per cluster, and they must sum to 1")
        if self.neighbours is not None and self.neighbours < 0:
            raise ValueError(f"neighbours must not be negative, but is {self.neighbours}")
        if self.per_visit < 1:
            raise ValueError(f"per_visit must be at least 1, not {self.per_visit}")
        if self.selection not in ("train", "evaluation"):
            raise ValueError(f"selection must be 'train' or 'evaluation', not {self.selection!r}")
        if self.keep not in ("best", "last"):
            raise ValueError(f"keep must be 'best' or 'last', not {self.keep!r}")


class Scan(Objective):
    """Every head is a clustering of its own; the losses of the heads are added up.

    Args:
        networks: a body, usually trained by a pretext task, and heads with one output per cluster.
        options: see `ScanOptions`.
        companions: rows of the training set that count as neighbours of each image, int64 [N, K], K >= 1.
    """

    prior: Tensor | None
    best_loss: Tensor
    best_head: Tensor

    def __init__(self, networks: Networks, options: ScanOptions, companions: Tensor) -> None:
        super().__init__(networks)
        self.options = options
        self.companions = companions
        prior = options.prior
        self.register_buffer("prior", None if prior is None else torch.tensor(prior) / sum(prior))
        self.register_buffer("best_loss", torch.tensor(float("inf"), dtype=torch.float64))
        self.register_buffer("best_head", torch.tensor(-1))
        if options.frozen:
            self.body.requires_grad_(False)
        self.kept = copy.deepcopy(self._trained()).requires_grad_(False) if options.keep == "best" else None
        self._plain_features: list[Tensor] = []
        self._selection_companions = torch.empty(0, dtype=torch.int64)

    def views(self, indices: Tensor, generator: torch.Generator) -> Sequence[View]:
        """The images and, for each, neighbours drawn at random; without neighbours, the images again."""
        if self.options.neighbours == 0:
            return [View(indices), View(indices)]
        drawn = draw_columns(self.companions[indices], self.options.per_visit, generator)
        return [View(indices), *(View(column) for column in drawn.unbind(dim=1))]

    def loss(self, batch: Batch) -> Loss:
        """Sum of the losses of the heads over the global batch; their terms are logged per head."""
        outputs = gather(self._outputs(batch.views))
        total = torch.zeros((), device=outputs.device)
        logged: dict[str, Tensor] = {}
        for number, name in enumerate(self.heads):
            anchors, neighbours = outputs[:, 0, number], outputs[:, 1:, number].transpose(0, 1)
            terms = scan_loss(anchors, neighbours, self.options.entropy_weight, self.prior)
            total = total + terms.total
            logged |= {f"consistency/{name}": terms.consistency, f"entropy/{name}": terms.entropy}
        return Loss(total, {name: value.detach() for name, value in logged.items()})

    def train(self, mode: bool = True) -> Scan:
        """Switch the mode; a frozen body stays in evaluation mode."""
        super().train(mode)
        if self.options.frozen:
            self.body.eval()
        return self

    @torch.no_grad()
    def before_epoch(self, epoch: Epoch) -> None:
        """Before training starts, find the neighbours that the option `selection: evaluation` asks for."""
        if self.options.selection == "evaluation" and epoch.number == 0:
            self.eval()
            features = torch.cat(list(self._features(epoch, "selection")()))
            self._selection_companions = nearest_others(features, _EVALUATION_NEIGHBOURS).cpu()

    @torch.no_grad()
    def after_epoch(self, epoch: Epoch) -> Mapping[str, float]:
        """Measure every head without labels, and keep the networks if none was better before."""
        self.eval()
        measured: dict[str, float] = {}
        losses: list[Tensor] = []
        for name, (loss, used) in zip(self.heads, self._measure(epoch), strict=True):
            losses.append(loss)
            measured |= {f"selection_loss/{name}": float(loss), f"clusters_used/{name}": used}
        lowest = torch.stack(losses).double().min(dim=0)
        if self.kept is None or lowest.values < self.best_loss:
            self.best_loss.copy_(lowest.values)
            self.best_head.copy_(lowest.indices)
            if self.kept is not None:
                self.kept.load_state_dict(self._trained().state_dict())
        return measured | {"chosen_head": int(self.best_head)}

    def networks(self) -> Networks:
        """The networks of the epoch that was kept; all heads, see `chosen_head`."""
        kept = self.kept if self.kept is not None else self._trained()
        body = self.body if self.options.frozen else kept["body"]
        heads = cast(nn.ModuleDict, kept["heads"])
        return Networks(cast(Any, body), cast(dict[str, Head], dict(heads.items())))

    def can_average(self) -> bool:
        """Not if networks of an earlier epoch are kept."""
        return self.kept is None

    def chosen_head(self) -> str | None:
        """The head with the lowest loss; None before the first epoch has ended."""
        number = int(self.best_head)
        return list(self.heads)[number] if number >= 0 else None

    def get_extra_state(self) -> Tensor:
        """Neighbours among the images for selection: they follow from the networks before training."""
        return self._selection_companions

    def set_extra_state(self, state: Tensor) -> None:
        """Take over what `get_extra_state` gave."""
        self._selection_companions = state.cpu()

    def _trained(self) -> nn.ModuleDict:
        parts: dict[str, nn.Module] = {"heads": self.heads}
        return nn.ModuleDict(parts if self.options.frozen else {"body": self.body, **parts})

    def _outputs(self, views: Sequence[Tensor]) -> Tensor:
        """Logits [b, views, heads, clusters]."""
        with torch.set_grad_enabled(not self.options.frozen and torch.is_grad_enabled()):
            if self.options.separate_forwards:
                features = torch.stack([self.body(view) for view in views], dim=1)
            else:
                joint = self.body(torch.cat(tuple(views)))
                features = torch.stack(joint.chunk(len(views)), dim=1)
        flat = features.flatten(0, 1)
        logits = torch.stack([head(flat) for head in self.heads.values()], dim=1)
        return logits.view(*features.shape[:2], *logits.shape[1:])

    def _measure(self, epoch: Epoch) -> list[tuple[Tensor, int]]:
        """Loss and number of clusters in use of every head, on whole image sets."""
        if self.options.selection == "train":
            images, companions = "train", self.companions
            weight, prior = self.options.entropy_weight, self.prior
        else:
            images, companions = "selection", self._selection_companions
            companions = torch.cat([torch.arange(len(companions))[:, None], companions], dim=1)
            weight, prior = _EVALUATION_WEIGHT, None
        features = self._features(epoch, images)
        measured = []
        for head in self.heads.values():
            logits = torch.cat([head(block) for block in features()])
            terms = neighbourhood_loss(logits, companions.to(logits.device), weight, prior)
            measured.append((terms.total, len(torch.unique(logits.argmax(dim=1)))))
        return measured

    def _features(self, epoch: Epoch, images: str) -> Callable[[], Iterable[Tensor]]:
        """Return what gives the features of all plain images of a set, block by block, as often as asked.

        Those of a frozen body are computed once and kept. A body without parameters has nothing to compute:
        reading again costs less than keeping.
        """
        if next(self.body.parameters(), None) is None:
            return lambda: (self.body(block) for _, block in epoch.plain(images))
        features = self._plain_features or [self.body(block) for _, block in epoch.plain(images)]
        if self.options.frozen:
            self._plain_features = features
        return lambda: features


@needs("neighbours")
def make(networks: Networks, options: Mapping[str, Any], setting: Setting) -> Objective:
    """Make the objective from plain options."""
    chosen = read_options(ScanOptions, options, "objective scan")
    widths = {head.width for head in networks.heads.values()}
    if len(widths) != 1:
        raise UserError("objective scan: the job needs heads, all with one output per cluster")
    if chosen.prior is not None and {len(chosen.prior)} != widths:
        raise UserError(f"objective scan: prior has {len(chosen.prior)} shares for {widths.pop()} clusters")
    return Scan(networks, chosen, _companions(chosen, setting))


def _companions(options: ScanOptions, setting: Setting) -> Tensor:
    """Rows that count as neighbours [N, K]; with `neighbours: 0` every image has only itself."""
    itself = torch.arange(setting.images)[:, None]
    if options.neighbours == 0:
        return itself
    companions = setting.array("neighbours").long()
    if options.neighbours is not None and options.neighbours > companions.shape[1]:
        raise UserError(
            f"objective scan: neighbours is {options.neighbours}, but only {companions.shape[1]} were mined"
        )
    companions = companions[:, : options.neighbours]
    if int(companions.min()) < 0 or int(companions.max()) >= setting.images:
        raise UserError(
            "objective scan: the array 'neighbours' names images outside the training set: mine it again"
        )
    if options.include_self:
        companions = torch.cat([itself, companions], dim=1)
    if options.per_visit > companions.shape[1]:
        raise UserError(
            f"objective scan: per_visit is {options.per_visit}, but of neighbours there are "
            f"{companions.shape[1]}"
        )
    return companions.contiguous()
