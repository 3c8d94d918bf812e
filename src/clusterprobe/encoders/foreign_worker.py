"""Reads what TensorFlow and Haiku wrote, in a Python of its own that needs only numpy and TensorFlow.

Run by `encoders.isolated` as a file, never imported by it for anything but the two framing functions:

    python -I foreign_worker.py tensorflow  ARCHIVE ARRAYS.npz    the variables of a checkpoint
    python -I foreign_worker.py haiku       PICKLE  ARRAYS.npz    the arrays of a training state
    python -I foreign_worker.py saved-model ARCHIVE SIGNATURE OUTPUT    images on stdin, features on stdout
"""

from __future__ import annotations

import importlib
import os
import pickle
import struct
import sys
import tarfile
import tempfile
import zipfile
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, ClassVar

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]

ERROR, ERROR_CODE = "foreign_worker: ", 3
_HEADER = struct.Struct("<5q")  # number of dimensions, then four sizes
_SLOTS = ("/Momentum", "/Adam", "/Adam_1")  # what optimisers keep beside each variable


class WorkerError(Exception):
    """A file that cannot be read: its message is all that the caller sees."""


def main(arguments: list[str]) -> int:
    """Run a command; a file that cannot be read ends it with ERROR_CODE and a line that begins with ERROR."""
    command, source, *rest = arguments
    try:
        if command == "saved-model":
            _serve(Path(source), *rest)
        else:
            read = {"tensorflow": _tensorflow_variables, "haiku": _haiku_arrays}[command]
            write_arrays(Path(rest[0]), read(Path(source)))
    except WorkerError as error:
        print(f"{ERROR}{error}", file=sys.stderr)
        return ERROR_CODE
    return 0


def write_array(stream: IO[bytes], array: Float32) -> None:
    """Send one float32 array of at most four dimensions through a pipe."""
    sizes = (*array.shape, *[1] * (4 - array.ndim))
    stream.write(_HEADER.pack(array.ndim, *sizes))
    stream.write(np.ascontiguousarray(array, "<f4").data)
    stream.flush()


def read_array(stream: IO[bytes]) -> Float32 | None:
    """Receive what `write_array` sent; None when the other side has closed the pipe."""
    header = stream.read(_HEADER.size)
    if len(header) < _HEADER.size:
        return None
    dimensions, *sizes = _HEADER.unpack(header)
    shape = tuple(sizes[:dimensions])
    data = stream.read(4 * int(np.prod(shape)))
    if len(data) < 4 * int(np.prod(shape)):
        return None
    return np.frombuffer(data, "<f4").reshape(shape)


def write_arrays(path: Path, arrays: Iterable[tuple[str, Array]]) -> None:
    """Write an .npz, one array in memory at a time; the same arrays always give the same bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name, array in arrays:
            entry = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            with archive.open(entry, "w", force_zip64=True) as handle:
                np.lib.format.write_array(handle, np.asarray(array), allow_pickle=False)


def _tensorflow_variables(source: Path) -> Iterator[tuple[str, Array]]:
    tensorflow = _tensorflow()
    with _unpacked(source) as folder:
        indices = [path for path in sorted(folder.rglob("*.index")) if path.parent.name != "variables"]
        if len(indices) != 1:
            raise WorkerError(
                f"{source} must hold one TensorFlow checkpoint (.index and .data files), not {len(indices)}"
            )
        try:
            reader = tensorflow.train.load_checkpoint(str(indices[0].with_suffix("")))
            kinds = reader.get_variable_to_dtype_map()
        except Exception as error:
            raise WorkerError(f"{source} is not a TensorFlow checkpoint, or damaged: {error}") from error
        for name in sorted(kinds):
            if kinds[name].is_floating and not name.endswith(_SLOTS):
                try:
                    yield name, reader.get_tensor(name)
                except Exception as error:
                    raise WorkerError(f"{source}: {name} is damaged: {error}") from error


def _serve(source: Path, signature: str, output: str) -> None:
    """Answer images [B, H, W, 3] with features [B, D] until the pipe is closed."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not get between the answers
    tensorflow = _tensorflow()
    with _unpacked(source) as folder:
        network = _signature(tensorflow, source, folder, signature)
        (images,) = network.structured_input_signature[1]
        if output not in network.structured_outputs:
            outputs = sorted(network.structured_outputs)
            raise WorkerError(f"the signature {signature!r} has no output {output!r}, only {outputs}")
        while (batch := read_array(sys.stdin.buffer)) is not None:
            features = network(**{images: tensorflow.constant(batch)})[output].numpy()
            write_array(answers, features.astype(np.float32).reshape(len(batch), -1))


def _signature(tensorflow: Any, source: Path, folder: Path, signature: str) -> Any:
    roots = [path.parent for path in sorted(folder.rglob("saved_model.pb"))]
    if len(roots) != 1:
        raise WorkerError(f"{source} must hold one SavedModel (saved_model.pb), not {len(roots)}")
    # Modules of TF1 Hub have no tags; others are loaded by their default tag.
    tags: dict[str, Any] = {"tags": []} if (roots[0] / "tfhub_module.pb").exists() else {}
    try:
        loaded = tensorflow.saved_model.load(str(roots[0]), **tags)
    except Exception as error:
        raise WorkerError(f"{source} is a SavedModel that TensorFlow cannot load: {error}") from error
    if signature not in loaded.signatures:
        raise WorkerError(f"{source} has no signature {signature!r}, only {sorted(loaded.signatures)}")
    network = loaded.signatures[signature]
    network.keep = loaded  # its variables live as long as this object
    return network


@contextmanager
def _unpacked(archive: Path) -> Iterator[Path]:
    """Yield a folder with the files of a tar or zip archive, none of them outside of it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            if tarfile.is_tarfile(archive):
                with tarfile.open(archive) as tar:
                    tar.extractall(folder, filter="data")
            else:
                with zipfile.ZipFile(archive) as packed:
                    packed.extractall(folder)
        except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError) as error:
            raise WorkerError(f"{archive} is no archive, cut off or damaged ({error})") from error
        yield folder


def _tensorflow() -> Any:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        return importlib.import_module("tensorflow")
    except ImportError as error:
        raise WorkerError(f"{sys.executable} has no TensorFlow ({error})") from error


def _haiku_arrays(source: Path) -> Iterator[tuple[str, Array]]:
    try:
        with source.open("rb") as handle:
            state = _ValuesOnly(handle).load()
    except WorkerError as error:
        raise WorkerError(f"{source} refused: {error}") from error
    except Exception as error:
        raise WorkerError(f"{source} is a damaged pickle ({error})") from error
    found = dict(_flattened(state))
    if not found:
        raise WorkerError(f"{source} holds no arrays")
    yield from sorted(found.items())


class _Record:
    """Stands for an object of a library that is not there: keeps what it was made from, runs nothing."""

    fields: tuple[str, ...] = ()

    values: tuple[Any, ...]
    named: dict[str, Any]

    def __new__(cls, *values: Any, **named: Any) -> _Record:
        """Called by all instructions of a pickle that make objects; some of them never call __init__."""
        record = super().__new__(cls)
        record.values, record.named = values, named
        return record

    def __init__(self, *values: Any, **named: Any) -> None: ...

    def __setstate__(self, state: Any) -> None:
        self.named = {"state": state}

    def items(self) -> Iterator[tuple[str, Any]]:
        """Yield the parts by name; a record around one mapping is that mapping."""
        if len(self.values) == 1 and isinstance(self.values[0], Mapping | _Record):
            yield from self.values[0].items()
        elif len(self.values) == len(self.fields):
            yield from zip(self.fields, self.values, strict=True)
        else:
            yield from ((str(number), value) for number, value in enumerate(self.values))
        yield from self.named.items()


class _ByolState(_Record):
    """The training state of BYOL, in the order of its fields."""

    fields = ("online_params", "target_params", "online_state", "target_state", "opt_state")


def _array_parts() -> dict[tuple[str, str], Any]:
    """What numpy asks for when it reads arrays, under the module names of all its versions."""
    reconstruct = np.ndarray([0]).__reduce__()[0]
    scalar = np.float64(0).__reduce__()[0]
    parts: dict[tuple[str, str], Any] = {("numpy", "ndarray"): np.ndarray, ("numpy", "dtype"): np.dtype}
    for core in ("numpy.core", "numpy._core"):
        parts[f"{core}.multiarray", "_reconstruct"] = reconstruct
        parts[f"{core}.multiarray", "scalar"] = scalar
    return parts


def _bytes(text: str, encoding: str) -> bytes:
    """How protocol 2 writes bytes."""
    return text.encode("latin1" if encoding == "latin1" else "ascii")


class _ValuesOnly(pickle.Unpickler):
    """Reads arrays and plain containers; objects of BYOL's libraries become records; the rest is refused."""

    _PLAIN: ClassVar[dict[tuple[str, str], Any]] = {
        **_array_parts(),
        ("collections", "OrderedDict"): OrderedDict,
        ("_codecs", "encode"): _bytes,
        **{(module, "dict"): dict for module in ("builtins", "__builtin__")},
    }
    _RECORDED = ("byol", "haiku", "jax", "jaxlib", "optax")

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in self._PLAIN:
            return self._PLAIN[module, name]
        if name == "_ByolExperimentState":
            return _ByolState
        if module.split(".")[0] in self._RECORDED:
            return _Record
        raise WorkerError(f"contains code ({module}.{name}), which is never run")


def _flattened(value: Any, place: str = "") -> Iterator[tuple[str, Array]]:
    if isinstance(value, np.ndarray | np.generic):
        if np.asarray(value).dtype.kind == "f":
            yield place, np.asarray(value)
    elif isinstance(value, Mapping | _Record):
        for name, item in value.items():
            yield from _flattened(item, f"{place}/{name}" if place else str(name))
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from _flattened(item, f"{place}/{number}" if place else str(number))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
