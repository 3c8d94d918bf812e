"""Neighbours in torch are those on arrays."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from clusterprobe.cluster import device_neighbours
from clusterprobe.cluster.device_neighbours import mine_neighbours as mine_on_device
from clusterprobe.cluster.neighbours import mine_neighbours
from clusterprobe.config.errors import UserError
from clusterprobe.store.rows import ArrayRows

WITHOUT = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU")
DEVICES = ["cpu", pytest.param("cuda", marks=[pytest.mark.gpu, WITHOUT])]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("k", [1, 20])
def test_equals_arrays_duplicates_included(device: str, k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_neighbours, "_SCORES_AT_ONCE", 50_000)  # several blocks
    values = np.random.default_rng(0).standard_normal((900, 16)).astype(np.float32)
    values[500:505] = values[3]  # ties, which go by index
    rows = ArrayRows(np.concatenate([values, 2 * values[:40]]))
    np.testing.assert_array_equal(mine_on_device(rows, k, device), mine_neighbours(rows, k))


def test_all_others_can_be_asked_for() -> None:
    rows = ArrayRows(np.random.default_rng(1).standard_normal((6, 3)))
    np.testing.assert_array_equal(mine_on_device(rows, 5, "cpu"), mine_neighbours(rows, 5))
    with pytest.raises(UserError, match="neighbours asked for"):
        mine_on_device(rows, 6, "cpu")
