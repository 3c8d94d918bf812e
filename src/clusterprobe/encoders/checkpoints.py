"""Published checkpoints into canonical encoders: where the body lies in a file is found, never guessed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from clusterprobe.config.errors import UserError
from clusterprobe.encoders.architectures import initialise
from clusterprobe.encoders.canonical import ArchitectureRecord, Encoder, EncoderRecord, load_strictly
from clusterprobe.encoders.checkpoint_files import read_tensors
from clusterprobe.encoders.layouts import AVERAGES, IGNORED, LAYOUTS, PREFERRED_COPIES, Layout
from clusterprobe.encoders.preprocessing import Preprocessing
from clusterprobe.encoders.probe import check_feature, probe
from clusterprobe.encoders.renaming import haiku_modules, numbered_variables, resampled_positions
from clusterprobe.store.hashing import sha256_file

Tensors = Mapping[str, torch.Tensor]

# Who wrote a file decides how its tensors are called and oriented; torch's are ours already.
_RENAMED: dict[str, Callable[[Tensors, Tensors], Tensors]] = {
    "torch": lambda tensors, expected: tensors,
    "tensorflow": numbered_variables,
    "haiku": lambda tensors, expected: haiku_modules(tensors),
}


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
    written_by: str = "torch",
    prefix: str | None = None,
    ignore: Sequence[str] = (),
    resample: bool = False,
    feature: Mapping[str, Any] | None = None,
    source: Mapping[str, Any] | None = None,
    licence: str | None = None,
    seen: str = "nothing",
) -> Encoder:
    """Read the body `architecture` out of the checkpoint at `path`.

    Over all places in the file the one is taken where every tensor of the body matches in name and shape;
    `prefix` fixes the place, `ignore` adds beginnings of names that may stand beside the body. `written_by`
    is torch, or tensorflow or haiku for the arrays of theirs that `foreign_worker` wrote. `resample` fits
    position embeddings to the input, `feature` (name, pooling, width, checksum) is checked. Raises UserError
    when nothing fits, when several different networks fit, when the body would be left with unexplained
    tensors, or when weights are integer, not finite or all zero.
    """
    body = initialise(architecture, options, seed=0)
    if not list(body.parameters()):
        raise UserError(f"architecture {architecture!r} has no weights: it needs no checkpoint")
    expected = body.network.state_dict()
    tensors = _RENAMED[written_by](read_tensors(path), expected)
    if resample:
        tensors = resampled_positions(tensors, expected)
    chosen = _located(path, architecture, expected, tensors, prefix, (*IGNORED, *ignore))
    load_strictly(body.network, _weights(path, expected, tensors, chosen), str(path))
    checksum = probe(body, preprocessing, architecture)
    check_feature(body, checksum, feature)
    found = {"layout": chosen.layout.name, "prefix": chosen.prefix, "feature_checksum": checksum}
    record = EncoderRecord(
        ArchitectureRecord(architecture, dict(options)),
        body.width,
        preprocessing,
        source={"kind": "file", "sha256": sha256_file(path), **(source or {}), **found},
        licence=licence,
        seen=seen,
    )
    return Encoder(record, body.eval())


def _located(
    path: Path,
    architecture: str,
    expected: Tensors,
    tensors: Tensors,
    prefix: str | None,
    ignored: tuple[str, ...],
) -> _Candidate:
    """Return the one place of the body in the file; raises UserError if there is none, or no single one."""
    candidates = [
        candidate
        for candidate in _candidates(expected, tensors, prefix)
        if not candidate.prefix.startswith(ignored)
    ]
    if prefix is not None and not any(candidate.fits for candidate in candidates):
        places = [place.prefix for place in _candidates(expected, tensors, None) if place.fits]
        if places:
            raise UserError(
                f"{path} holds no {architecture} under the prefix {prefix!r}, but under {places[0]!r}: "
                "correct `prefix`, or leave it out"
            )
    chosen = _choose(path, architecture, candidates, tensors)
    _refuse_unexplained(path, expected, tensors, chosen, candidates, ignored)
    return chosen


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
        raise UserError(f"{path} holds no {architecture}{_nearest_miss(candidates, tensors)}")
    if all(_same_weights(fitting[0], other, tensors) for other in fitting[1:]):
        return fitting[0]
    words = [re.split(r"[./]", candidate.prefix) for candidate in fitting]
    for word in PREFERRED_COPIES:
        preferred = [
            candidate
            for candidate, place in zip(fitting, words, strict=True)
            if word in place and not set(place) & set(AVERAGES)
        ]
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
        return f": no name of the architecture occurs in it (the file begins with {_listed(sorted(tensors))})"
    best = candidates[0]
    known = set(best.names.values())
    beside = [name for name in tensors if name.startswith(best.prefix) and name not in known]
    found = (
        (" tensors missing", [best.names[name] for name in best.missing]),
        (" tensors of another shape", [best.names[name] for name in best.misshapen]),
        (" unexpected", beside),
    )
    problems = [f"{len(names)}{what}: {_listed(names)}" for what, names in found if names]
    other = 2 * sum(len(names) for _, names in found) > len(best.names)
    return (
        f"{', but another architecture' if other else ''}: the best place is prefix {best.prefix!r} "
        f"({best.layout.name}), where {'; '.join(problems)}"
    )


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


def _listed(names: Sequence[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
