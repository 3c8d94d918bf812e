"""Principal components in torch, on a GPU: float64 throughout, the same components as on arrays."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from clusterprobe.config.errors import UserError
from clusterprobe.features.device import choose_device
from clusterprobe.features.pca import Pca, principal_axes
from clusterprobe.features.scaling import require_finite
from clusterprobe.store.progress import Progress
from clusterprobe.store.rows import Rows

_ROWS = 8192


def fit_pca(rows: Rows, device: str = "auto") -> Pca:
    """Find all principal components of rows [N, D] in one pass on a device.

    Sums and products are float64, as in pca.fit_pca: variances agree to 1e-10, components to 1e-6 where their
    variances are apart. Raises UserError without rows and with values that are not finite.
    """
    where = choose_device(device)
    count, width = rows.shape
    if count == 0:
        raise UserError(
            f"features {rows.space or '(unnamed)'} have no rows: there is nothing to fit a PCA on"
        )
    shift = _wide(rows.take(np.arange(min(count, _ROWS))), where).mean(dim=0)
    total = torch.zeros(width, dtype=torch.float64, device=where)
    products = torch.zeros(width, width, dtype=torch.float64, device=where)
    with Progress(f"principal components on {where}", count, "rows") as progress:
        for block in rows.blocks(_ROWS):
            require_finite(block, rows.space)
            shifted = _wide(block, where) - shift
            total += shifted.sum(dim=0)
            products.addmm_(shifted.T, shifted)
            progress.update(len(block))
    products -= torch.outer(total, total) / count
    eigenvalues, eigenvectors = torch.linalg.eigh(products)
    mean = (shift + total / count).cpu().numpy()
    return principal_axes(rows, mean, eigenvalues.cpu().numpy(), eigenvectors.cpu().numpy())


def _wide(block: np.ndarray[tuple[int, int], np.dtype[np.float32]], device: torch.device) -> Tensor:
    """Widen on the device: half as much has to travel there."""
    return torch.from_numpy(block).to(device).double()
