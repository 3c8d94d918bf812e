"""Principal components in torch are those on arrays."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from clusterprobe.config.errors import UserError
from clusterprobe.features.device_pca import fit_pca as fit_on_device
from clusterprobe.features.pca import fit_pca
from clusterprobe.store.rows import ArrayRows

WITHOUT = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU")


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=[pytest.mark.gpu, WITHOUT])])
@pytest.mark.parametrize("shape", [(9000, 12), (5, 12), (1, 3)])
def test_equals_arrays(device: str, shape: tuple[int, int]) -> None:
    generator = np.random.default_rng(0)
    rows = ArrayRows(100 + generator.standard_normal(shape) * np.arange(1, shape[1] + 1), "space", "content")
    expected, found = fit_pca(rows), fit_on_device(rows, device)
    assert (found.rank, found.rows, found.space, found.content) == (
        expected.rank,
        shape[0],
        "space",
        "content",
    )
    np.testing.assert_allclose(found.mean, expected.mean, rtol=1e-12)
    np.testing.assert_allclose(found.variances, expected.variances, rtol=1e-10, atol=1e-12)
    if shape[0] > 1:
        np.testing.assert_allclose(found.components, expected.components, atol=1e-6)


def test_mistakes_are_named() -> None:
    with pytest.raises(UserError, match="no rows"):
        fit_on_device(ArrayRows(np.empty((0, 4))), "cpu")
    with pytest.raises(UserError, match="NaN"):
        fit_on_device(ArrayRows(np.full((3, 2), np.nan)), "cpu")
