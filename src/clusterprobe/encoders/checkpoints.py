"""Published checkpoints into canonical encoders: where the body lies in a file is found, never guessed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from clusterprobe.config.errors import UserError
from clusterprobe.encoders.architectures import Body, initialise
from clusterprobe.encoders.canonical import ArchitectureRecord, Encoder, EncoderRecord, load_strictly
from clusterprobe.encoders.checkpoint_files import read_tensors
from clusterprobe.encoders.preprocessing import Preprocessing
from clusterprobe.store.hashing import sha256_file

Tensors = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Layout:
    """How a family of checkpoints names the tensors of a body: regular expressions and what replaces them."""

    name: str
    renames: tuple[tuple[str, str], ...] = ()

    def in_file(self, name: str) -> str:
        """Return the name that the tensor `name` of the body has in the file, without prefix."""
        for pattern, replacement in self.renames:
            name = re.sub(pattern, replacement, name)
        return name


LAYOUTS = (
    Layout("as published"),
    Layout(  # nn.Sequential(*resnet.children()): conv1, bn1, relu, maxpool, layer1, ...
        "numbered children of a ResNet",
        (
            (r"^conv1\.", "0."),
            (r"^bn1\.", "1."),
            (r"^layer1\.", "4."),
            (r"^layer2\.", "5."),
            (r"^layer3\.", "6."),
            (r"^layer4\.", "7."),
        ),
    ),
)

# Where several networks of a file fit, the one that its authors evaluate: the first word found in a prefix.
PREFERRED_COPIES = (
    "encoder_q",
    "base_encoder",
    "teacher",
    "target_encoder",
    "online_network",
    "online_encoder",
    "backbone",
)

# What may stand beside the body in a file: beginnings of names.
IGNORED = (
    "fc.",
    "head",
    "projection",
    "projector",
    "predictor",
    "prototypes",
    "classifier.",
    "top_layer.",
    "neck.",
    "queue",
    "contrast",
)


@dataclass(frozen=True)
class _Candidate:
    """A place where the body may lie: `names` maps the names of the body to names in the file."""

    layout: Layout
    prefix: str
    names: Mapping[str, str]
    missing: tuple[str, ...]
    misshapen: tuple[str, ...]

    @property
    def fits(self) -> bool:
        return not self.missing and not self.misshapen


def convert_checkpoint(
    path: Path,
    architecture: str,
    options: Mapping[str, Any],
    preprocessing: Preprocessing,
    *,
    prefix: str | None = None,
    ignore: Sequence[str] = (),
    source: Mapping[str, Any] | None = None,
    licence: str | None = None,
    seen: str = "nothing",
) -> Encoder:
    """Read the body `architecture` out of the checkpoint at `path`.

    Over all places in the file the one is taken where every tensor of the body matches in name and shape;
    `prefix` fixes the place, `ignore` adds beginnings of names that may stand beside the body. Raises
    UserError when nothing fits, when several different networks fit, when the body would be left with
    unexplained tensors, or when weights are integer, not finite or all zero.
    """
    tensors = read_tensors(path)
    body = initialise(architecture, options, seed=0)
    if not list(body.parameters()):
        raise UserError(f"architecture {architecture!r} has no weights: it needs no checkpoint")
    expected = body.network.state_dict()
    ignored = (*IGNORED, *ignore)
    candidates = [
        candidate
        for candidate in _candidates(expected, tensors, prefix)
        if not candidate.prefix.startswith(ignored)
    ]
    chosen = _choose(path, architecture, candidates, tensors)
    _refuse_unexplained(path, expected, tensors, chosen, candidates, ignored)
    load_strictly(body.network, _weights(path, expected, tensors, chosen), str(path))
    _probe(body, preprocessing, architecture)
    found = {"sha256": sha256_file(path), "layout": chosen.layout.name, "prefix": chosen.prefix}
    record = EncoderRecord(
        ArchitectureRecord(architecture, dict(options)),
        body.width,
        preprocessing,
        source={"kind": "file", **(source or {}), **found},
        licence=licence,
        seen=seen,
    )
    return Encoder(record, body.eval())


def _candidates(expected: Tensors, tensors: Tensors, prefix: str | None) -> list[_Candidate]:
    """Return every place where at least one name of the body ends a name of the file, best first."""
    candidates = []
    tried: list[dict[str, str]] = []
    for layout in LAYOUTS:
        in_file = {name: layout.in_file(name) for name in expected}
        if in_file in tried:  # the layout says nothing about this architecture
            continue
        tried.append(in_file)
        prefixes = _prefixes(set(in_file.values()), tensors) if prefix is None else {prefix}
        for place in sorted(prefixes):
            names = {name: place + short for name, short in in_file.items()}
            missing = [name for name in names if names[name] not in tensors and not _optional(name)]
            misshapen = [
                name
                for name, there in names.items()
                if there in tensors and tensors[there].shape != expected[name].shape
            ]
            candidates.append(_Candidate(layout, place, names, tuple(missing), tuple(misshapen)))
    return sorted(candidates, key=lambda candidate: len(candidate.missing) + len(candidate.misshapen))


def _prefixes(endings: set[str], tensors: Tensors) -> set[str]:
    prefixes = set()
    for name in tensors:
        starts = [0, *(match.end() for match in re.finditer(r"[./]", name))]
        prefixes |= {name[:start] for start in starts if name[start:] in endings}
    return prefixes


def _optional(name: str) -> bool:
    return name.endswith("num_batches_tracked")


def _choose(path: Path, architecture: str, candidates: list[_Candidate], tensors: Tensors) -> _Candidate:
    fitting = [candidate for candidate in candidates if candidate.fits]
    if not fitting:
        raise UserError(f"{path} holds no {architecture}: {_nearest_miss(candidates, tensors)}")
    if all(_same_weights(fitting[0], other, tensors) for other in fitting[1:]):
        return fitting[0]
    for word in PREFERRED_COPIES:
        preferred = [candidate for candidate in fitting if word in re.split(r"[./]", candidate.prefix)]
        if len(preferred) == 1:
            return preferred[0]
    places = ", ".join(repr(candidate.prefix) for candidate in fitting)
    raise UserError(f"{path} holds several networks that fit {architecture}: set `prefix` to one of {places}")


def _same_weights(one: _Candidate, other: _Candidate, tensors: Tensors) -> bool:
    return all(
        torch.equal(tensors[one.names[name]], tensors[other.names[name]])
        for name in one.names
        if not _optional(name)
    )


def _nearest_miss(candidates: list[_Candidate], tensors: Tensors) -> str:
    if not candidates:
        return f"no name of the architecture occurs in it (the file begins with {_listed(sorted(tensors))})"
    best = candidates[0]
    problems = [
        f"{len(names)} tensors {what}: {_listed([best.names[name] for name in names])}"
        for what, names in (("missing", best.missing), ("of another shape", best.misshapen))
        if names
    ]
    known = set(best.names.values())
    beside = [name for name in tensors if name.startswith(best.prefix) and name not in known]
    if beside:
        problems.append(f"{len(beside)} unexpected: {_listed(beside)}")
    return f"the best place is prefix {best.prefix!r} ({best.layout.name}), where {'; '.join(problems)}"


def _refuse_unexplained(
    path: Path,
    expected: Tensors,
    tensors: Tensors,
    chosen: _Candidate,
    candidates: list[_Candidate],
    ignored: tuple[str, ...],
) -> None:
    """Raise UserError if a tensor in the container of the body is neither of a body nor ignored."""
    fitting = [chosen, *(candidate for candidate in candidates if candidate.fits)]
    container = chosen.prefix.rpartition("/")[0]
    unexplained = [
        name
        for name in tensors
        if name.rpartition("/")[0] == container and not _explained(name, fitting, ignored)
    ]
    if unexplained:
        raise UserError(
            f"{path}: {len(unexplained)} tensors belong neither to the body nor to what is ignored: "
            f"{_listed(unexplained)}; choose the architecture that has them, or add the beginning of "
            "their names to `ignore` if the features do not need them"
        )


def _explained(name: str, fitting: list[_Candidate], ignored: tuple[str, ...]) -> bool:
    for candidate in fitting:
        if name.startswith(candidate.prefix) and (
            name in candidate.names.values() or name.removeprefix(candidate.prefix).startswith(ignored)
        ):
            return True
    if name.startswith(fitting[0].prefix):
        return False
    starts = [0, *(match.end() for match in re.finditer(r"[./]", name))]
    return any(name[start:].startswith(ignored) for start in starts)


def _weights(path: Path, expected: Tensors, tensors: Tensors, chosen: _Candidate) -> Tensors:
    """Return the tensors of the body under its own names; batch counts that the file lacks stay at zero."""
    there = chosen.names
    return {
        name: _checked(path, there[name], tensors[there[name]], own) if there[name] in tensors else own
        for name, own in expected.items()
    }


def _checked(path: Path, name: str, tensor: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
    """Return `tensor` in the dtype of the body; raises UserError if no training can have left it so."""
    if own.is_floating_point() != tensor.is_floating_point() or tensor.layout != torch.strided:
        kind = str(tensor.dtype).removeprefix("torch.")
        raise UserError(
            f"{path}: {name} is {kind}, not plain floating point: quantised weights are not supported"
        )
    tensor = tensor.to(own.dtype)
    if not bool(torch.isfinite(tensor).all()):
        raise UserError(
            f"{path}: {name} holds values that are not finite: the training of this file diverged"
        )
    if not bool(tensor.any()) and (
        name.endswith("running_var") or (name.endswith("weight") and tensor.ndim > 1)
    ):
        raise UserError(f"{path}: {name} is all zero: the file holds no trained network")
    return tensor


def _probe(body: Body, preprocessing: Preprocessing, architecture: str) -> None:
    """Raise UserError unless the body takes the images that the preprocessing makes."""
    shape = (1, preprocessing.channels, preprocessing.size, preprocessing.size)
    try:
        with torch.inference_mode():
            features = body.eval()(torch.zeros(shape))
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"{architecture} does not take images of shape {list(shape[1:])}: {error}") from error
    if features.shape != (1, body.width):
        raise UserError(f"{architecture} gives {list(features.shape)} for one image, not [1, {body.width}]")


def _listed(names: Sequence[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
