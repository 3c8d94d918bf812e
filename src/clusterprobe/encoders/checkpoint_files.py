"""Checkpoint files of unknown origin: sniffed by content, read without running any code in them."""

from __future__ import annotations

import argparse
import pickle
import pickletools
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from clusterprobe.config.errors import UserError

_AGAIN = "delete it and download it again"
_ASK = "ask its publisher for a safetensors file or a plain state dict"

# What a file is known by: its first bytes, what that means, what to do.
_FOREIGN = (
    (
        b"version https://git-lfs",
        "a Git LFS pointer, not the file itself",
        "run `git lfs pull` where it lies",
    ),
    (b"\x1f\x8b", "a gzip archive", "unpack it and give the file inside"),
    (b"BZh", "a bzip2 archive", "unpack it and give the file inside"),
    (b"\xfd7zXZ", "an xz archive", "unpack it and give the file inside"),
    (b"7z\xbc\xaf", "a 7-Zip archive", "unpack it and give the file inside"),
    (b"\x89HDF", "an HDF5 file, as Keras writes them", "convert it to safetensors first"),
)

# Classes that training scripts leave in their checkpoints and that only hold values.
_PLAIN_VALUES: tuple[Any, ...] = (
    argparse.Namespace,
    np.dtype,
    *{type(np.dtype(kind)) for kind in ("f4", "f8", "i4", "i8", "?")},
    (np.float64(0).__reduce__()[0], "numpy.core.multiarray.scalar"),
    (np.float64(0).__reduce__()[0], "numpy._core.multiarray.scalar"),
)
_TORCH_MAGIC = b"l\xfc\x9cF\xf9 j\xa8P\x19"  # opens every file of torch.save before version 1.6
_DEEPEST = 8


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Return all tensors of a checkpoint on the CPU; nested containers become "container/name".

    Safetensors, arrays in an .npz, and files of torch.save read with weights_only=True. Raises UserError for
    a file that holds code, is damaged, or is no checkpoint at all.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path} is not a file: give the path of a checkpoint")
    with path.open("rb") as handle:
        head = handle.read(512)
    _refuse_foreign(path, head)
    size = path.stat().st_size
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 2**32:
        content = _load_safetensors(path, header=int.from_bytes(head[:8], "little"), size=size)
    elif head[:4] == b"PK\x03\x04":
        content = _load_arrays(path) if _check_zip(path) == "arrays" else _load_torch(path)
    elif head[:1] == b"\x80" and _TORCH_MAGIC in head[:32]:
        content = _load_torch(path)
    elif head[:1] == b"\x80":
        raise _plain_pickle(path)
    else:
        raise UserError(f"{path} is not a checkpoint: neither safetensors nor written by torch.save")
    tensors = dict(_named_tensors(content))
    if not tensors:
        keys = (
            ", ".join(map(str, list(content)[:5])) if isinstance(content, Mapping) else type(content).__name__
        )
        raise UserError(
            f"{path} holds no tensors by name (found: {keys or 'nothing'}): give the checkpoint of a model"
        )
    return tensors


def _refuse_foreign(path: Path, head: bytes) -> None:
    if not head:
        raise UserError(f"{path} is empty: {_AGAIN}")
    if re.match(rb"\s*<(!doctype|html|head|\?xml)", head, re.IGNORECASE):
        raise UserError(
            f"{path} is a web page, not a checkpoint: download the file in a browser and give its path"
        )
    for start, what, advice in _FOREIGN:
        if head.startswith(start):
            raise UserError(f"{path} is {what}: {advice}")
    if head[257:262] == b"ustar":
        raise UserError(f"{path} is a tar archive: unpack it and give the file inside")


def _load_safetensors(path: Path, header: int, size: int) -> Any:
    if 8 + header > size:
        raise UserError(f"{path} is cut off (its header alone needs {8 + header} bytes of {size}): {_AGAIN}")
    try:
        return load_file(path)
    except SafetensorError as error:
        raise UserError(f"{path} is a damaged or cut-off safetensors file ({error}): {_AGAIN}") from error


def _check_zip(path: Path) -> str:
    """Return who wrote a zip archive, arrays (numpy) or torch; raises UserError for all others."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile as error:
        raise UserError(f"{path} is cut off or damaged ({error}): {_AGAIN}") from error
    if any("/code/" in name or name.endswith("/constants.pkl") for name in names):
        raise UserError(f"{path} refused: contains code (a TorchScript archive): {_ASK}")
    if names and all(name.endswith(".npy") for name in names):
        return "arrays"
    if not any(name.endswith("/data.pkl") for name in names):
        inside = ", ".join(names[:3]) or "nothing"
        raise UserError(
            f"{path} is a zip archive of other files ({inside}): unpack it and give the checkpoint inside"
        )
    return "torch"


def _load_arrays(path: Path) -> Any:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    except (ValueError, TypeError, zipfile.BadZipFile, EOFError) as error:
        raise UserError(
            f"{path} is damaged, or holds objects in place of arrays ({error}): {_AGAIN}"
        ) from error


def _load_torch(path: Path) -> Any:
    try:
        with torch.serialization.safe_globals(list(_PLAIN_VALUES)):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        named = re.search(r"GLOBAL (\S+)", str(error)) or re.search(r"[Uu]nsupported class (\S+)", str(error))
        if named:
            raise UserError(
                f"{path} refused: contains code ({named.group(1)}), which is never run: {_ASK}"
            ) from error
        raise UserError(f"{path} is a pickle that torch cannot read as weights: {_ASK}") from error
    except (RuntimeError, EOFError, ValueError, KeyError, IndexError, AttributeError, TypeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"{path} is cut off, damaged or not written by torch.save ({reason}): {_AGAIN}"
        ) from error


def _plain_pickle(path: Path) -> UserError:
    """Return why a pickle that torch did not write is refused; it is read as a list of instructions only."""
    words: list[str] = []
    try:
        with path.open("rb") as handle:
            for instruction, argument, _ in pickletools.genops(handle):
                if instruction.name in ("GLOBAL", "INST", "STACK_GLOBAL"):
                    name = ".".join(words[-2:] if argument is None else str(argument).split())
                    return UserError(f"{path} refused: contains code ({name}), which is never run: {_ASK}")
                if isinstance(argument, str):
                    words.append(argument)
    except ValueError as error:
        return UserError(f"{path} is a damaged pickle ({error}): {_AGAIN}")
    return UserError(f"{path} is a pickle that was not written by torch.save: {_ASK}")


def _named_tensors(value: object, path: str = "", depth: int = 0) -> Iterator[tuple[str, torch.Tensor]]:
    if isinstance(value, torch.Tensor):
        yield path, value.detach()
    elif isinstance(value, Mapping) and depth < _DEEPEST:
        for key, item in value.items():
            yield from _named_tensors(item, f"{path}/{key}" if depth else str(key), depth + 1)
