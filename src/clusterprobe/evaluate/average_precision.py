"""Average precision of several labels per image, as in the classification task of PASCAL VOC.

scores [N, C]: how sure a classifier is of each class. labels [N, C]: 1 where an image shows a class, 0 where
it does not, -1 where it does not count (the "difficult" images of VOC).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from clusterprobe.config.errors import UserError

Float64 = npt.NDArray[np.float64]
Curve = Callable[[Float64, Float64], float]
"""From precision and recall [P] after each image shown, most certain first, to one number."""


def mean_average_precision(
    scores: npt.NDArray[np.floating], labels: npt.NDArray[np.integer], curve: Curve
) -> float:
    """Return the mean over the classes that some image shows; raises UserError if there are none."""
    shown = [c for c in range(labels.shape[1]) if (labels[:, c] == 1).any()]
    if not shown:
        raise UserError("no image shows any class: average precision needs labels")
    return float(np.mean([average_precision(scores[:, c], labels[:, c], curve) for c in shown]))


def average_precision(
    scores: npt.NDArray[np.floating], labels: npt.NDArray[np.integer], curve: Curve
) -> float:
    """Return what `curve` makes of one class: scores [N], labels [N], at least one of them 1.

    Images with equal scores are shown together: their order would be arbitrary.
    """
    counted = labels >= 0
    order = np.argsort(-scores[counted], kind="stable")
    ranked, right = scores[counted][order], (labels[counted][order] == 1).astype(np.float64)
    last_of_its_score = np.append(ranked[1:] != ranked[:-1], True)
    hits = np.cumsum(right)[last_of_its_score]
    images = np.arange(1, len(right) + 1)[last_of_its_score]
    return curve(hits / images, hits / right.sum())


def eleven_points(precision: Float64, recall: Float64) -> float:
    """Return the mean over recalls 0, 0.1, ..., 1 of the best precision at that recall or more.

    The rule up to VOC 2009: Everingham et al., IJCV 88, 2010, equations 1 and 2.
    """
    levels = np.arange(11) / 10
    best = [precision[recall >= level - 1e-12].max(initial=0.0) for level in levels]
    return float(np.mean(best))


def area(precision: Float64, recall: Float64) -> float:
    """Return the sum of the precisions, each weighted by the recall that it adds (VOC's rule from 2010 on
    takes the best precision at that recall or more; this one, that of scikit-learn, takes it as it is)."""
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))
