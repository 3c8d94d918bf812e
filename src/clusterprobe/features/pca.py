"""Principal components of feature matrices that need not fit in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh

from clusterprobe.config.errors import UserError
from clusterprobe.features.scaling import require_finite, unit_length
from clusterprobe.store.arrays import load_arrays, save_arrays
from clusterprobe.store.progress import Progress
from clusterprobe.store.rows import Float32, Part, Rows
from clusterprobe.store.threads import in_order

Float64 = npt.NDArray[np.float64]

_ROWS = 2048  # read at a time: their products [D, D] take about as long as a thread should be busy


@dataclass(frozen=True)
class Pca:
    """Principal axes of the rows of one space.

    mean [D]; components [R, D], orthonormal, largest variance first, the largest coordinate of each positive;
    variances [R] with divisor N - 1; space and content of the N = rows rows they were fitted on. R is the
    rank of the centred rows (1 if all rows are equal).
    """

    mean: Float64
    components: Float64
    variances: Float64
    space: str
    content: str
    rows: int

    @property
    def rank(self) -> int:
        return len(self.components)


def fit_pca(rows: Rows) -> Pca:
    """Find all principal components of rows [N, D] in one pass.

    Exact, unlike incremental PCA, which keeps only a summary of the rows it has seen.
    Raises UserError without rows or with values that are not finite.
    """
    mean, scatter = _scatter(rows)
    return principal_axes(rows, mean, *eigh(scatter, driver="evd", overwrite_a=True))


def principal_axes(rows: Rows, mean: Float64, eigenvalues: Float64, eigenvectors: Float64) -> Pca:
    """Return the PCA of rows [N, D] from the eigenvalues [D], rising, and vectors [D, D] of their scatter."""
    count, width = rows.shape
    variances = np.maximum(eigenvalues[::-1], 0) / max(count - 1, 1)
    noise = variances[0] * max(width, count) * np.finfo(np.float64).eps
    rank = max(int((variances > noise).sum()), 1)
    components = eigenvectors.T[::-1][:rank]
    largest = np.abs(components).argmax(axis=1)
    signs = np.sign(components[np.arange(rank), largest])
    return Pca(mean, components * signs[:, None], variances[:rank], rows.space, rows.content, count)


def _scatter(rows: Rows) -> tuple[Float64, Float64]:
    """Return mean [D] and sum of (x - mean)(x - mean)^T [D, D] of rows [N, D].

    The rows are shifted by the mean of the first few, so that the sums do not cancel.
    """
    count, width = rows.shape
    if count == 0:
        raise UserError(
            f"features {rows.space or '(unnamed)'} have no rows: there is nothing to fit a PCA on"
        )
    shift = rows.take(np.arange(min(count, _ROWS))).mean(axis=0, dtype=np.float64)

    def sums(part: Part) -> tuple[int, Float64, Float64]:
        block = part.read()
        require_finite(block, rows.space)
        shifted = block - shift
        return len(block), shifted.sum(axis=0), shifted.T @ shifted

    total, products = np.zeros(width), np.zeros((width, width))
    with Progress("principal components", count, "rows") as progress:
        for seen, added, squares in in_order(sums, rows.parts(_ROWS)):
            total += added
            products += squares
            progress.update(seen)
    return shift + total / count, products - np.outer(total, total) / count


def save_pca(path: Path, pca: Pca) -> None:
    """Write a PCA to an NPZ file, atomically; equal bases give equal bytes."""
    save_arrays(
        path,
        {
            "mean": pca.mean,
            "components": pca.components,
            "variances": pca.variances,
            "space": pca.space,
            "content": pca.content,
            "rows": np.int64(pca.rows),
        },
    )


def load_pca(path: Path) -> Pca:
    """Read what save_pca wrote; raises UserError that names a missing, damaged or foreign file."""
    arrays = load_arrays(path)
    try:
        return Pca(
            mean=arrays["mean"],
            components=arrays["components"],
            variances=arrays["variances"],
            space=str(arrays["space"]),
            content=str(arrays["content"]),
            rows=int(arrays["rows"]),
        )
    except KeyError as error:
        raise UserError(f"{path} is not a PCA (no {error}): delete it and run again") from error


@dataclass(frozen=True)
class Rotation:
    """A shift by -mean [D] and a rotation by components [D, D]: distances stay what they are."""

    mean: Float64
    components: Float64

    def forward(self, rows: Float32) -> Float32:
        """Rotate rows [n, D]."""
        return ((rows - self.mean) @ self.components.T).astype(np.float32)

    def back(self, rows: Float32) -> Float32:
        """Undo `forward`."""
        return (rows @ self.components + self.mean).astype(np.float32)


class ReducedRows:
    """Rows seen through a PCA, lazily: centred, rotated, cut to `dims`, then maybe whitened and normalised.

    `pca` None leaves the vectors as they are, `dims` None keeps all components: a rotation. `whiten` divides
    each component by its standard deviation, `normalise` scales each row to unit length at the end.
    Raises UserError when the rows are not of the PCA's space or it has fewer than `dims` components.
    """

    def __init__(self, rows: Rows, pca: Pca | None, dims: int | None, whiten: bool, normalise: bool) -> None:
        self._rows, self._normalise = rows, normalise
        self._mean: Float32 | None = None
        self._axes: Float32 | None = None
        self._rotation: Rotation | None = None
        self.space, self.content, self._width = rows.space, rows.content, rows.shape[1]
        if pca is not None:
            _check_fits(rows, pca, dims)
            self._width = dims or pca.rank
            axes = pca.components[: self._width]
            if whiten:
                deviations = np.sqrt(pca.variances[: self._width])
                axes = axes / np.where(deviations > 0, deviations, 1)[:, None]
            self._mean = pca.mean.astype(np.float32)
            self._axes = axes.T.astype(np.float32, order="C")
            self.space += f"|pca{self._width}-{pca.content[:8]}{'|whiten' if whiten else ''}"
            if self._width == rows.shape[1] and not whiten and not normalise:
                self._rotation = Rotation(pca.mean, pca.components)
        elif dims is not None or whiten:
            raise UserError("`dims` and `whiten` need a PCA: set the reducer's name to pca")
        if normalise:
            self.space += "|unit"

    @property
    def shape(self) -> tuple[int, int]:
        return self._rows.shape[0], self._width

    @property
    def rotated(self) -> tuple[Rows, Rotation] | None:
        """The rows as they were and the rotation that was applied to them, if nothing else was."""
        return None if self._rotation is None else (self._rows, self._rotation)

    def parts(self, rows: int = 8192) -> Iterator[Part]:
        for part in self._rows.parts(rows):
            yield Part(part.where, partial(self._read, part))

    def blocks(self, rows: int = 8192) -> Iterator[Float32]:
        for part in self.parts(rows):
            yield part.read()

    def take(self, indices: npt.NDArray[np.int64]) -> Float32:
        return self._reduce(self._rows.take(indices))

    def _read(self, part: Part) -> Float32:
        return self._reduce(part.read())

    def _reduce(self, block: Float32) -> Float32:
        if self._mean is not None and self._axes is not None:
            block = np.matmul(block - self._mean, self._axes)
        return unit_length(block) if self._normalise else block


def _check_fits(rows: Rows, pca: Pca, dims: int | None) -> None:
    if rows.space != pca.space:
        raise UserError(
            f"these features are of the space {rows.space!r}, the PCA was fitted on {pca.space!r}: "
            "use the PCA of the same encoder, output and preprocessing"
        )
    if rows.shape[1] != len(pca.mean):
        raise UserError(
            f"these features have {rows.shape[1]} columns, the PCA was fitted on {len(pca.mean)}: "
            "delete the PCA and run again"
        )
    if dims is not None and not 1 <= dims <= pca.rank:
        raise UserError(
            f"{dims} principal components asked for, the {pca.rows} rows of {pca.space!r} have {pca.rank}: "
            f"set dims to a number from 1 to {pca.rank}, or to null for all"
        )
