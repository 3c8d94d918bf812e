"""A map of images: features in two dimensions, so that neighbours can be seen."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from clusterprobe.store.rows import Float32, Rows

_DIMS = 50  # principal components that t-SNE starts from, as its authors advise
_PERPLEXITY = 30.0


def flat_map(rows: Rows, chosen: npt.NDArray[np.int64], seed: int = 0) -> Float32:
    """Return the rows `chosen` [M] of features as points float32 [M, 2] within -1 and 1.

    t-SNE (van der Maaten and Hinton, JMLR 9, 2008) from the leading principal components on; of fewer than
    five rows, or rows that are all the same, the principal components themselves.
    """
    values = rows.take(chosen).astype(np.float64)
    values -= values.mean(axis=0)
    left, scales, _ = np.linalg.svd(values, full_matrices=False)
    axes = left[:, :_DIMS] * scales[:_DIMS]
    axes *= np.where(np.abs(axes).max(axis=0) == np.abs(axes.min(axis=0)), -1.0, 1.0)  # one sign everywhere
    if len(axes) < 5 or scales[0] == 0:
        return _framed(np.pad(axes, ((0, 0), (0, 2)))[:, :2])
    from sklearn.manifold import TSNE

    perplexity: float = min(_PERPLEXITY, (len(axes) - 1) / 3)
    start = "pca" if axes.shape[1] > 1 else "random"
    tsne = TSNE(2, perplexity=perplexity, init=start, random_state=seed, n_jobs=1, method="barnes_hut")
    return _framed(tsne.fit_transform(axes.astype(np.float32)))


def _framed(points: npt.NDArray[np.floating]) -> Float32:
    """Return points [M, 2] moved and scaled, both axes alike, so that they fill a square from -1 to 1."""
    low, high = points.min(axis=0), points.max(axis=0)
    scale = max(float((high - low).max()), 1e-30)
    framed: Float32 = ((points - (low + high) / 2) * (2 / scale)).astype(np.float32)
    return framed
