"""Named arrays in one NPZ file that can vouch for itself."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clusterprobe.config.errors import UserError
from clusterprobe.store.atomic import atomic_path
from clusterprobe.store.hashing import sha256_bytes

_HASH = "sha256"


def save_arrays(path: Path, arrays: Mapping[str, npt.ArrayLike]) -> None:
    """Write arrays and texts uncompressed, atomically, with a hash over them; equal input, equal bytes."""
    checked = {name: np.asarray(value) for name, value in sorted(arrays.items())}
    with atomic_path(path) as temporary, temporary.open("wb") as handle:
        np.savez(handle, **checked, **{_HASH: np.asarray(_digest(checked))})  # type: ignore[arg-type]


def load_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Read what save_arrays wrote; raises UserError that names a missing or damaged file."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        expected = str(arrays.pop(_HASH))
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing: run again to have it made") from error
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} is damaged ({error}): delete it and run again") from error
    if _digest(arrays) != expected:
        raise UserError(f"{path} is damaged (its hash does not fit): delete it and run again")
    return arrays


def _digest(arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    parts = [
        f"{name} {value.dtype.str} {value.shape} {sha256_bytes(np.ascontiguousarray(value).tobytes())}"
        for name, value in sorted(arrays.items())
    ]
    return sha256_bytes("\n".join(parts).encode("utf-8"))
