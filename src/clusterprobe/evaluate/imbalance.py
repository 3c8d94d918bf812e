"""Scores that stay honest where classes differ in size: every class counts the same.

They are given where the largest class of the train split has at least twice the images of the smallest.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from clusterprobe.evaluate.metrics import ami

Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]

MANY, FEW = 100, 20
"""Classes with so many train images or more are many-shot, with so few or fewer few-shot (ImageNet-LT,
arXiv 1904.05160, section 4)."""

_UNEVEN = 2
_DRAWS = 10


def class_sizes(labels: Int64, classes: int) -> Int64:
    """Return the images [C] of each class among labels [N], -1 for none."""
    return np.bincount(labels[labels >= 0], minlength=classes).astype(np.int64)


def is_unbalanced(sizes: Int64) -> bool:
    """Return whether the largest of the class sizes [C] is at least twice the smallest that is not 0."""
    present = sizes[sizes > 0]
    return len(present) > 1 and int(present.max()) >= _UNEVEN * int(present.min())


def class_scores(right: Bool, labels: Int64, train_sizes: Int64, prefix: str) -> dict[str, float]:
    """Return accuracies over classes, if their train sizes [C] are unbalanced; or else nothing.

    Args:
        right: whether each image is right [M].
        labels: class of each image [M], -1 for none, not counted.
        train_sizes: images of each class in the train split.
        prefix: of the names: {prefix}_class_mean, the mean over classes of the share of their images that
            are right, and {prefix}_many, _medium and _few, that over classes of some sizes, where there are
            such classes.
    """
    if not is_unbalanced(train_sizes):
        return {}
    sizes = class_sizes(labels, len(train_sizes))
    hits = class_sizes(np.where(right, labels, -1), len(train_sizes))
    shares = hits / np.maximum(sizes, 1)
    scored = sizes > 0
    groups = {
        "class_mean": scored,
        "many": scored & (train_sizes >= MANY),
        "medium": scored & (train_sizes < MANY) & (train_sizes > FEW),
        "few": scored & (train_sizes <= FEW),
    }
    return {
        f"{prefix}_{name}": float(shares[chosen].mean()) for name, chosen in groups.items() if chosen.any()
    }


def balanced_ami(counts: Int64, seed: int = 0) -> dict[str, float]:
    """Return ami_balanced: the AMI of counts [K, C] with classes of one size.

    Mean over ten seeded draws, without replacement, of as many images of each class as the smallest has that
    has any. Left out where that is one image: of single images any clustering tells as much as chance.
    """
    columns = counts[:, counts.any(axis=0)]
    smallest = int(columns.sum(axis=0).min())
    if smallest < 2:
        return {}
    generator = np.random.default_rng(seed)
    values = []
    for _ in range(_DRAWS):
        drawn = [generator.multivariate_hypergeometric(column, smallest) for column in columns.T]
        values.append(ami(np.stack(drawn, axis=1).astype(np.int64)))
    return {"ami_balanced": float(np.mean(values))}
