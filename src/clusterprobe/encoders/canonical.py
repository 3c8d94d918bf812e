"""The one form in which encoders lie on disk: safetensors weights and a JSON record that vouches for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import nn

from clusterprobe.config.errors import UserError
from clusterprobe.encoders.architectures import Body, initialise
from clusterprobe.encoders.heads import Head, build_head
from clusterprobe.encoders.preprocessing import Preprocessing
from clusterprobe.store.atomic import read_json, write_bytes, write_json
from clusterprobe.store.hashing import sha256_bytes, sha256_file

WEIGHTS, HEADS, RECORD = "weights.safetensors", "heads.safetensors", "encoder.json"
SEEN = ("nothing", "same", "web images", "text", "labels")

Tensors = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class ArchitectureRecord:
    """The name and the options that `architectures.build` takes."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class HeadRecord:
    """The kind and the options that `heads.build_head` takes."""

    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class EncoderRecord:
    """What is known of an encoder; `seen` says what its training saw. The hashes are filled in on saving."""

    architecture: ArchitectureRecord
    width: int
    preprocessing: Preprocessing
    source: Mapping[str, Any]
    licence: str | None = None
    seen: str = "nothing"
    heads: Mapping[str, HeadRecord] = field(default_factory=dict)
    weights_sha256: str = ""
    heads_sha256: str | None = None

    def __post_init__(self) -> None:
        if self.seen not in SEEN:
            raise UserError(f"encoder record: seen is {self.seen!r}, must be one of: {', '.join(SEEN)}")

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain JSON values; without heads their two keys are left out."""
        values = asdict(self) | {"preprocessing": self.preprocessing.to_dict()}
        return values if self.heads else {k: v for k, v in values.items() if not k.startswith("heads")}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> EncoderRecord:
        """Read a record; raises UserError for a missing or unknown key."""
        unknown = values.keys() - {known.name for known in fields(cls)}
        if unknown:
            raise UserError(f"encoder record: unknown keys {sorted(unknown)}")
        try:
            nested = {
                "architecture": ArchitectureRecord(**values["architecture"]),
                "preprocessing": Preprocessing.from_dict(values["preprocessing"]),
                "heads": {name: HeadRecord(**head) for name, head in values.get("heads", {}).items()},
            }
            return cls(**{**values, **nested})
        except (KeyError, TypeError, AttributeError) as error:
            raise UserError(f"encoder record: not complete ({error})") from error


@dataclass(frozen=True)
class Encoder:
    """A body, its heads by name, and the record of both."""

    record: EncoderRecord
    body: Body
    heads: dict[str, Head] = field(default_factory=dict)


def untrained_encoder(
    architecture: str, options: Mapping[str, Any], seed: int, preprocessing: Preprocessing
) -> Encoder:
    """Return an encoder with the random weights of `seed` (for "pixels": none at all)."""
    body = initialise(architecture, options, seed)
    record = EncoderRecord(
        ArchitectureRecord(architecture, dict(options)),
        body.width,
        preprocessing,
        source={"kind": "untrained", "seed": seed},
    )
    return Encoder(record, body.eval())


def save_encoder(folder: Path, encoder: Encoder) -> None:
    """Write weights, heads and record to `folder`; the same tensors always give the same bytes.

    The record is removed first and written last: what has a record is whole.
    """
    if set(encoder.heads) != set(encoder.record.heads):
        raise ValueError(
            f"heads {sorted(encoder.heads)} differ from their record {sorted(encoder.record.heads)}"
        )
    folder = Path(folder)
    (folder / RECORD).unlink(missing_ok=True)
    weights_sha256 = _write_tensors(folder / WEIGHTS, encoder.body.network)
    heads_sha256 = None
    if encoder.heads:
        heads_sha256 = _write_tensors(folder / HEADS, nn.ModuleDict(encoder.heads))
    else:
        (folder / HEADS).unlink(missing_ok=True)
    record = replace(encoder.record, weights_sha256=weights_sha256, heads_sha256=heads_sha256)
    write_json(folder / RECORD, record.to_dict())


def load_encoder(folder: Path) -> Encoder:
    """Read an encoder in eval mode on the CPU; raises UserError unless hashes, names and shapes all agree."""
    folder = Path(folder)
    if not (folder / RECORD).exists():
        raise UserError(f"{folder} holds no encoder ({RECORD} is missing): run again to have it made")
    try:
        record = EncoderRecord.from_dict(read_json(folder / RECORD))
    except UserError as error:
        raise UserError(f"{folder / RECORD}: {error}") from error
    body = initialise(record.architecture.name, record.architecture.options, seed=0)
    if body.width != record.width:
        raise UserError(f"{folder / RECORD}: width {record.width}, but the architecture gives {body.width}")
    _read_tensors(folder / WEIGHTS, record.weights_sha256, body.network)
    with torch.random.fork_rng(devices=[]):
        heads = {name: build_head(head.kind, head.options, body.width) for name, head in record.heads.items()}
    if heads:
        _read_tensors(folder / HEADS, record.heads_sha256 or "", nn.ModuleDict(heads))
    return Encoder(record, body.eval(), {name: head.eval() for name, head in heads.items()})


def load_strictly(network: nn.Module, tensors: Tensors, where: str) -> None:
    """Copy `tensors` into `network`; raises UserError that names the first ones that do not fit."""
    own: Tensors = network.state_dict()
    problems = [f"{name} is missing" for name in own if name not in tensors]
    problems += [f"{name} is unexpected" for name in tensors if name not in own]
    for name in own.keys() & tensors.keys():
        found, expected = tensors[name], own[name]
        if (found.shape, found.dtype) != (expected.shape, expected.dtype):
            problems.append(f"{name} is {_describe(found)}, must be {_describe(expected)}")
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise UserError(f"{where} does not fit its architecture: {'; '.join(sorted(problems)[:3])}{more}")
    network.load_state_dict(dict(tensors))


def _write_tensors(path: Path, network: nn.Module) -> str:
    tensors = {
        name: tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        for name, tensor in network.state_dict().items()
    }
    data = save(tensors)
    write_bytes(path, data)
    return sha256_bytes(data)


def _read_tensors(path: Path, sha256: str, network: nn.Module) -> None:
    if not path.exists():
        raise UserError(f"{path} is missing: delete the folder and run again to have it made anew")
    if sha256_file(path) != sha256:
        raise UserError(
            f"{path} is not the file of its record (the hash differs): delete the folder and run again"
        )
    load_strictly(network, load_file(path), str(path))


def _describe(tensor: torch.Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"
