"""Exact nearest neighbours in torch, on a GPU."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from clusterprobe.cluster.neighbours import Int32, unit_matrix
from clusterprobe.features.device import choose_device
from clusterprobe.store.progress import Progress
from clusterprobe.store.rows import Rows

_SCORES_AT_ONCE = 2**28  # 1 GiB of float32
_VALUES_AT_ONCE = 2**24
_MORE = 16  # candidates beyond those that are asked for


def mine_neighbours(rows: Rows, k: int, device: str = "auto") -> Int32:
    """Return the k nearest other rows [N, k] of each of N rows, by cosine, nearest first, as on arrays.

    Float32 products choose a few more candidates than are asked for, float64 products put these in order,
    equal ones by index. The lists differ from those of neighbours.mine_neighbours only where over 16 rows
    are equally near. The N x D matrix lies on the device. Raises UserError unless 1 <= k < N.
    """
    where = choose_device(device)
    unit = torch.from_numpy(unit_matrix(rows, k)).to(where)
    count = len(unit)
    found = np.empty((count, k), dtype=np.int32)
    step = max(_SCORES_AT_ONCE // count, 1)
    with Progress(f"nearest neighbours on {where}", count, "rows") as progress:
        for first in range(0, count, step):
            queries = torch.arange(first, min(first + step, count), device=where)
            found[first : first + len(queries)] = _nearest(unit, queries, k).cpu().numpy()
            progress.update(len(queries))
    return found


def _nearest(unit: Tensor, queries: Tensor, k: int) -> Tensor:
    """Return the k nearest other rows [n, k] of the rows `queries` [n]."""
    scores = unit[queries] @ unit.T
    scores[torch.arange(len(queries)), queries] = -torch.inf
    candidates = scores.topk(min(k + _MORE, len(unit) - 1), dim=1).indices.sort(dim=1).values
    together = max(_VALUES_AT_ONCE // (candidates.shape[1] * unit.shape[1]), 1)
    parts = zip(torch.split(candidates, together), torch.split(queries, together), strict=True)
    exact = torch.cat(
        [(unit[near].double() * unit[query][:, None].double()).sum(dim=2) for near, query in parts]
    )
    order = exact.argsort(dim=1, descending=True, stable=True)[:, :k]
    return candidates.gather(1, order)
