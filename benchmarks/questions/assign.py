"""One assignment pass against the rate at which this machine multiplies matrices.

To the centres of a fit, as in practice: these are first compared along a few axes, so that not all products
have to be made. Beside it the same for centres that are random rows, with which all have to be.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from benchmarks.harness import Outcome, Question, Size, in_turns, timed
from benchmarks.synthetic import Features, shards
from clusterprobe.cluster.kmeans import assign, fit_kmeans
from clusterprobe.cluster.nearest import Int32
from clusterprobe.store.features import FeatureMatrix
from clusterprobe.store.rows import Float32

QUESTION = Question(
    "assign",
    "one assignment pass over float16 shards, 200,000 x 2048, K = 1000",
    "the float32 matrix products of this machine",
    0.7,
    quick="one assignment pass over float16 shards, 50,000 x 512, K = 1000",
)
_ROWS = 8192


def measure(size: Size) -> Outcome:
    count, dims, k = size.choose((50_000, 512, 1000), (200_000, 2048, 1000))
    rows, _ = shards(size.folder, count, dims)
    model = fit_kmeans(rows, k, 0, max_iterations=1)
    scattered = rows.take(np.sort(np.random.default_rng(0).choice(count, k, replace=False)))
    block, room = Features(_ROWS, dims).array()[0], np.empty((_ROWS, k), dtype=np.float32)
    products = count // _ROWS
    ours, peer, found, _ = in_turns(
        lambda: assign(rows, model),
        lambda: [np.matmul(block, model.centres.T, out=room) for _ in range(products)],
        3,
    )
    hardest = min(timed(lambda: assign(rows, replace(model, centres=scattered)))[0] for _ in range(3))
    work = 2 * dims * k / 1e9
    rate, ceiling = count * work / ours, products * _ROWS * work / peer
    agreement, speed = _bfloat16(rows, model.centres, found.cluster)
    return Outcome(
        rate / ceiling,
        {
            "pass, seconds": ours,
            "pass, GFLOP/s of the products of all rows and centres": rate,
            "float32 matrix products, GFLOP/s": ceiling,
            "pass to centres that are rows, which no few axes tell apart, seconds": hardest,
            "its ratio": count * work / hardest / ceiling,
            "bfloat16 labels that agree with float32 ones": agreement,
            "bfloat16 matrix products, GFLOP/s": speed,
        },
    )


def _bfloat16(rows: FeatureMatrix, centres: Float32, labels: Int32) -> tuple[float | str, float | str]:
    """Return how many labels stay the same with products of bfloat16 numbers, and how fast these are."""
    import torch

    if not torch.cpu._is_avx512_bf16_supported():
        return "not run: this processor has none", "not run"
    offset = centres.mean(axis=0)
    values = torch.from_numpy(centres - offset)
    norms, narrow = 0.5 * values.square().sum(dim=1), values.bfloat16().T
    same, first = 0, 0
    for block in rows.blocks(_ROWS):
        scores = (torch.from_numpy(block - offset).bfloat16() @ narrow).float() - norms
        same += int((scores.argmax(dim=1).numpy() == labels[first : first + len(block)]).sum())
        first += len(block)
    return same / first, _rate(narrow)


def _rate(narrow: object) -> float:
    import torch

    assert isinstance(narrow, torch.Tensor)
    block = torch.randn(_ROWS, narrow.shape[0]).bfloat16()
    seconds = min(timed(lambda: block @ narrow)[0] for _ in range(5))
    return 2 * _ROWS * narrow.shape[0] * narrow.shape[1] / seconds / 1e9
