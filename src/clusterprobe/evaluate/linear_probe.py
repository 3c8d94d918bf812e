"""A linear classifier on features that stay as they are, trained in many settings at once.

One product of a batch with the weights of all settings serves them all; which one counts is decided on images
that are held out of the training split, so that nothing here ever sees what a probe is scored on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clusterprobe.config.errors import UserError
from clusterprobe.evaluate.imbalance import class_scores
from clusterprobe.evaluate.knn import top_accuracies
from clusterprobe.evaluate.labelled import Subset, held_out
from clusterprobe.features.scaling import require_finite
from clusterprobe.store.rows import ArrayRows, Float32, Rows

Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]

_LEAST_STEPS = 1000  # a small set is passed more often than `epochs`
_CHOSEN_ON = 100  # images that a choice rests on at least, over several splits if one has fewer
_MOST_SPLITS = 10
_LOGITS = 2**24  # logits that are held at a time
_ROWS = 8192

Errors = Callable[[Float32, Int64], Float32]
"""From logits [n, H, C] and labels [n] or [n, C] to the gradient of the mean loss by the logits."""


@dataclass(frozen=True)
class Setting:
    """What a training is tried with: initial learning rate and L2 penalty on the weights (not the biases)."""

    learning_rate: float
    weight_decay: float


@dataclass(frozen=True)
class Training:
    """How all settings are trained: SGD with momentum, the learning rate on a cosine to zero."""

    epochs: int = 100
    batch_size: int = 256
    momentum: float = 0.9
    held_out: float = 0.2
    memory_bytes: int = 2**30


@dataclass(frozen=True)
class LinearModel:
    """H linear classifiers of C classes: `weights` [D, H, C], `biases` [H, C], on (x - mean) / scale."""

    weights: Float32
    biases: Float32
    mean: Float32
    scale: Float32
    space: str

    def logits(self, block: Float32) -> Float32:
        """Return the logits [n, H, C] of features [n, D]."""
        return _logits((block - self.mean) / self.scale, self.weights, self.biases)


def grid(learning_rates: Sequence[float], weight_decays: Sequence[float]) -> list[Setting]:
    """Return every learning rate with every weight decay."""
    return [Setting(rate, decay) for decay in weight_decays for rate in learning_rates]


def fit_linear_probe(
    rows: Rows, labels: Int64, classes: int, settings: Sequence[Setting], training: Training, seed: int
) -> tuple[LinearModel, Setting]:
    """Choose the setting on held-out parts of rows [N, D] with labels [N], then train it on all of them.

    The same seed gives the same bytes. Raises UserError as `choose_setting` does.
    """
    best = choose_setting(rows, labels, classes, settings, training, seed)
    return train_heads(rows, labels, classes, [best], training, seed), best


def choose_setting(
    rows: Rows, labels: Int64, classes: int, settings: Sequence[Setting], training: Training, seed: int
) -> Setting:
    """Return the setting with the best top-1 accuracy on held-out images, at equal ones the lowest loss.

    A share of each class is held out (`labelled.held_out`), again and again where that gives few images. A
    training that diverged is never chosen. Raises UserError if there is a choice but nothing to hold out.
    """
    if len(settings) == 1:
        return settings[0]
    right, losses, images, split = np.zeros(len(settings)), np.zeros(len(settings)), 0, 0
    while images < _CHOSEN_ON and split < _MOST_SPLITS:
        fit, held = held_out(labels, training.held_out, seed, split)
        if len(held) == 0:
            raise UserError(
                "no class has two labelled images, so that a linear probe has none to choose its setting on: "
                "raise the fraction of labels, or give one learning rate and one weight decay"
            )
        model = train_heads(Subset(rows, fit), labels[fit], classes, settings, training, seed)
        hits, loss = _validate(model, Subset(rows, held), labels[held])
        right, losses, images, split = right + hits, losses + loss, images + len(held), split + 1
    if not np.isfinite(losses).any():
        raise UserError(
            f"a linear probe on {rows.space!r} diverged at every learning rate: give lower learning_rates"
        )
    right[~np.isfinite(losses)] = -1
    return settings[int(np.lexsort((losses, -right))[0])]


def linear_scores(
    model: LinearModel, rows: Rows, labels: Int64, train_sizes: Int64 | None = None, crops: int = 1
) -> dict[str, float]:
    """Return linear_top1, and linear_top5 where there are more than five classes, of one classifier.

    rows [N * crops, D] with labels [N], -1 for none (not counted). With `train_sizes` [C], scores over
    classes of different sizes are added (`imbalance.class_scores`). Raises UserError for rows of another
    space and if none has a label.
    """
    known: Int64 = np.flatnonzero(labels >= 0)
    if len(known) == 0:
        raise UserError("no image that a probe is scored on has a label: take this data set out of `probes`")
    logits = image_logits(model, rows, known, crops)
    found = {f"linear_{name}": value for name, value in top_accuracies(logits, labels[known]).items()}
    if train_sizes is not None:
        right = logits.argmax(axis=1) == labels[known]
        found |= class_scores(right, labels[known], train_sizes, "linear")
    return found


def image_logits(model: LinearModel, rows: Rows, images: Int64, crops: int = 1) -> Float32:
    """Return the logits [M, C] of one classifier for `images` [M]: of each, the mean over its crops.

    The crops of image i are rows crops * i, ..., crops * (i + 1) - 1. Raises UserError for rows of another
    space.
    """
    if rows.space != model.space:
        raise UserError(f"a classifier of {model.space!r} cannot score features of {rows.space!r}")
    taken = Subset(rows, (images[:, None] * crops + np.arange(crops)).ravel())
    logits = [model.logits(block)[:, 0] for block in taken.blocks(max(_ROWS // crops, 1) * crops)]
    return np.concatenate([each.reshape(-1, crops, each.shape[1]).mean(axis=1) for each in logits])


def train_heads(
    rows: Rows,
    labels: Int64,
    classes: int,
    settings: Sequence[Setting],
    training: Training,
    seed: int,
    errors: Errors | None = None,
) -> LinearModel:
    """Train one linear classifier per setting on rows [N, D] with labels [N], all on the same batches.

    Features are standardised by the mean and standard deviation of these rows (as a BatchNorm without
    parameters would: SeLa, arXiv 1911.05371). All start from zero. The loss is the cross entropy, or what has
    the gradient `errors`. Rows beyond `memory_bytes` as float32 are read again batch by batch. Raises
    UserError for values that are not finite.
    """
    mean, scale = _moments(rows)
    points = _held(rows, training.memory_bytes)
    heads = len(settings)
    weights = np.zeros((rows.shape[1], heads, classes), dtype=np.float32)
    biases = np.zeros((heads, classes), dtype=np.float32)
    speeds = np.zeros_like(weights), np.zeros_like(biases)
    rates = np.array([setting.learning_rate for setting in settings], dtype=np.float32)[:, None]
    decays = np.array([setting.weight_decay for setting in settings], dtype=np.float32)[:, None]
    steps = _steps(len(labels), training)
    with np.errstate(over="ignore", invalid="ignore"):  # a setting may diverge: it is not chosen
        for step, indices in enumerate(_batches(len(labels), training, seed)):
            block = (points.take(indices) - mean) / scale
            wrong = (errors or _errors)(_logits(block, weights, biases), labels[indices])
            slopes = (block.T @ wrong.reshape(len(block), -1)).reshape(weights.shape) + decays * weights
            rate = rates * np.float32(0.5 * (1 + np.cos(np.pi * step / steps)))
            for values, speed, slope in zip((weights, biases), speeds, (slopes, wrong.sum(0)), strict=True):
                speed *= np.float32(training.momentum)
                speed += slope
                values -= rate * speed
    return LinearModel(weights, biases, mean, scale, rows.space)


def _logits(block: Float32, weights: Float32, biases: Float32) -> Float32:
    width, heads, classes = weights.shape
    product: Float32 = (block @ weights.reshape(width, heads * classes)).reshape(-1, heads, classes)
    return product + biases


def _errors(logits: Float32, labels: Int64) -> Float32:
    """Return (probabilities - one-hot) / n, the gradient of the mean cross entropy by logits [n, H, C]."""
    exponentials = np.exp(logits - logits.max(axis=2, keepdims=True))
    errors: Float32 = exponentials / exponentials.sum(axis=2, keepdims=True)
    errors[np.arange(len(labels)), :, labels] -= 1
    return errors / np.float32(len(labels))


def _validate(model: LinearModel, rows: Rows, labels: Int64) -> tuple[Float64, Float64]:
    """Return for each of H classifiers how many rows it gets right [H] and its summed cross entropy [H]."""
    right, losses, first = np.zeros(len(model.biases)), np.zeros(len(model.biases)), 0
    with np.errstate(over="ignore", invalid="ignore"):
        for block in rows.blocks(max(_LOGITS // model.biases.size, 1)):
            logits = model.logits(block).astype(np.float64)
            own = labels[first : first + len(block)]
            top = logits.max(axis=2)
            rest = np.log(np.exp(logits - top[:, :, None]).sum(axis=2)) + top
            losses += (rest - logits[np.arange(len(own)), :, own]).sum(axis=0)
            right += (logits.argmax(axis=2) == own[:, None]).sum(axis=0)
            first += len(block)
    return right, losses


def _moments(rows: Rows) -> tuple[Float32, Float32]:
    """Return mean and standard deviation of the columns [D]; 1 for a column that does not vary."""
    total, squares, shift = np.zeros(rows.shape[1]), np.zeros(rows.shape[1]), None
    for block in rows.blocks():
        require_finite(block, rows.space)
        shift = block[0].astype(np.float64) if shift is None else shift  # so that the sums do not cancel
        moved = block - shift
        total += moved.sum(axis=0)
        squares += np.einsum("nd,nd->d", moved, moved)
    mean = total / rows.shape[0]
    variance = np.maximum(squares / rows.shape[0] - mean**2, 0)
    varies = variance > 1e-12 * np.maximum(mean**2, 1e-12)
    scale = np.where(varies, np.sqrt(variance), 1)
    return (mean + (0 if shift is None else shift)).astype(np.float32), scale.astype(np.float32)


def _held(rows: Rows, memory_bytes: int) -> Rows:
    """Return the rows in memory if they fit."""
    fits = rows.shape[0] * rows.shape[1] * 4 <= memory_bytes
    return ArrayRows(np.concatenate(list(rows.blocks())), rows.space, rows.content) if fits else rows


def _epochs(count: int, training: Training) -> tuple[int, int]:
    """Return the number of epochs, and of the batches in each."""
    per_epoch = -(-count // training.batch_size)
    return max(training.epochs, -(-_LEAST_STEPS // per_epoch)), per_epoch


def _steps(count: int, training: Training) -> int:
    epochs, per_epoch = _epochs(count, training)
    return epochs * per_epoch


def _batches(count: int, training: Training, seed: int) -> Iterator[Int64]:
    """Yield the rows of every step: each epoch in an order of its own, cut into batches of about one size."""
    epochs, per_epoch = _epochs(count, training)
    for epoch in range(epochs):
        order = np.random.default_rng([seed, epoch]).permutation(count)
        yield from np.array_split(order, per_epoch)
