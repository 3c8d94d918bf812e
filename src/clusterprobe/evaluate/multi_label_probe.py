"""A linear classifier of images that show several classes: each class against the rest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from clusterprobe.config.errors import UserError
from clusterprobe.evaluate.average_precision import eleven_points, mean_average_precision
from clusterprobe.evaluate.labelled import Subset, held_out
from clusterprobe.evaluate.linear_probe import LinearModel, Setting, Training, image_logits, train_heads
from clusterprobe.store.rows import Float32, Rows

Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]

_CHOSEN_ON = 100  # images that a choice rests on at least, over several splits if one has fewer
_MOST_SPLITS = 10


def fit_multi_label_probe(
    rows: Rows, shown: Int64, settings: Sequence[Setting], training: Training, seed: int
) -> tuple[LinearModel, Setting]:
    """Choose the setting on held-out parts of rows [N, D], then train it on all of them.

    shown [N, C]: 1 where an image shows a class, 0 where it does not, -1 where it does not count. The same
    seed gives the same bytes. Raises UserError if there is a choice, but nothing to make it on.
    """
    best = settings[0] if len(settings) == 1 else _choose(rows, shown, settings, training, seed)
    return _train(rows, shown, [best], training, seed), best


def multi_label_scores(model: LinearModel, rows: Rows, shown: Int64, crops: int = 1) -> dict[str, float]:
    """Return voc_map: the mean over classes of the average precision at eleven recalls.

    rows [N * crops, D], shown [N, C] as in `fit_multi_label_probe`. Everingham et al., IJCV 88, 2010, section
    4.2. Raises UserError for rows of another space and if no image shows any class.
    """
    logits = image_logits(model, rows, np.arange(len(shown)), crops)
    return {"voc_map": mean_average_precision(logits, shown, eleven_points)}


def logistic_errors(logits: Float32, shown: Int64) -> Float32:
    """Return the gradient, by logits [n, H, C], of binary cross entropies: their sum over the classes that
    count of shown [n, C], mean over images."""
    probabilities = 1 / (1 + np.exp(-logits))
    wanted = shown[:, None].astype(np.float32)
    errors = np.where(wanted < 0, 0, probabilities - wanted) / np.float32(len(shown))
    return errors.astype(np.float32, copy=False)


def _choose(rows: Rows, shown: Int64, settings: Sequence[Setting], training: Training, seed: int) -> Setting:
    """Return the setting with the best precision on held-out images, at equal ones the lowest loss."""
    alike = np.zeros(len(shown), dtype=np.int64)  # images of several classes: there are no strata
    precision, losses, images, split = np.zeros(len(settings)), np.zeros(len(settings)), 0, 0
    while images < _CHOSEN_ON and split < _MOST_SPLITS:
        fit, held = held_out(alike, training.held_out, seed, split)
        if not (shown[held] == 1).any():
            raise UserError(
                "no class is shown among the images that a linear probe would choose its setting on: raise "
                "`fractions` or `held_out`, or give one learning rate and one weight decay"
            )
        model = _train(Subset(rows, fit), shown[fit], settings, training, seed)
        found, loss = _validate(model, Subset(rows, held), shown[held])
        precision, losses, images, split = precision + found, losses + loss, images + len(held), split + 1
    if not np.isfinite(losses).any():
        raise UserError(
            f"a linear probe on {rows.space!r} diverged at every learning rate: give lower learning_rates"
        )
    precision[~np.isfinite(losses)] = -1
    return settings[int(np.lexsort((losses, -precision))[0])]


def _validate(model: LinearModel, rows: Rows, shown: Int64) -> tuple[Float64, Float64]:
    """Return for each of H classifiers its mean average precision [H] and summed cross entropy [H]."""
    with np.errstate(over="ignore", invalid="ignore"):
        logits = np.concatenate([model.logits(block) for block in rows.blocks()]).astype(np.float64)
        entropies = np.logaddexp(0, logits) - shown[:, None] * logits
        losses = np.where(shown[:, None] < 0, 0, entropies).sum(axis=(0, 2))
    heads = logits.shape[1]
    found = [mean_average_precision(logits[:, head], shown, eleven_points) for head in range(heads)]
    return np.array(found), losses


def _train(
    rows: Rows, shown: Int64, settings: Sequence[Setting], training: Training, seed: int
) -> LinearModel:
    return train_heads(rows, shown, shown.shape[1], settings, training, seed, logistic_errors)
