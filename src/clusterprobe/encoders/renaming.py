"""Tensors of other libraries under our names and in our orientation; nothing is dropped, nothing guessed."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import torch
from torch.nn import functional

from clusterprobe.config.errors import UserError

Tensors = Mapping[str, torch.Tensor]

# tf.layers numbers the convolutions and the norms of a scope in the order of their creation.
_NUMBERED = re.compile(
    r"^(?P<place>.*?)(?P<kind>conv2d|batch_normalization)(?:_(?P<number>\d+))?/(?P<part>\w+)$"
)
_NORM = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}

# {online,target}_{params,state}/.../block_group_0/~/block_0/~/conv_0/w and .../batchnorm_0/~/mean_ema/average
_HAIKU = re.compile(
    r"^(?P<place>.*?)(?P<copy>online|target)_(?:params|state)/(?:[^/]+/~/)?"
    r"(?:block_group_(?P<group>\d)/~/block_(?P<block>\d+)/~/)?"
    r"(?P<module>initial|shortcut|conv|batchnorm)_(?P<rest>conv|batchnorm|\d)"
    r"/(?:~/)?(?P<part>w|scale|offset|mean_ema/average|var_ema/average)$"
)
_HAIKU_PARTS = {
    "w": "weight",
    "scale": "weight",
    "offset": "bias",
    "mean_ema/average": "running_mean",
    "var_ema/average": "running_var",
}


def numbered_variables(tensors: Tensors, expected: Tensors) -> dict[str, torch.Tensor]:
    """Name the variables of SimCLR's checkpoints: the n-th convolution is the n-th of the body.

    `expected` are the tensors of the body in the order in which the published code creates its layers.
    conv2d_3/kernel [H, W, I, O] becomes the weight [O, I, H, W] of the fourth convolution. A number that the
    body does not have is kept beside it as conv2d_53.kernel; what is no layer keeps its name.
    """
    convolutions = [name for name, tensor in expected.items() if tensor.ndim == 4]
    norms = [name.rpartition(".")[0] for name in expected if name.endswith(".running_mean")]
    named = {}
    for name, tensor in tensors.items():
        match = _NUMBERED.match(name)
        number = int(match["number"] or 0) if match else 0
        if match and match["kind"] == "conv2d" and match["part"] == "kernel" and number < len(convolutions):
            named[match["place"] + convolutions[number]] = tensor.permute(3, 2, 0, 1)
        elif match and match["part"] in _NORM and number < len(norms):
            named[f"{match['place']}{norms[number]}.{_NORM[match['part']]}"] = tensor
        else:
            place, slash, part = name.rpartition("/")
            named[f"{place}.{part}" if match and slash else name] = tensor
    return named


def haiku_modules(tensors: Tensors) -> dict[str, torch.Tensor]:
    """Name the arrays of BYOL's training state: online/... and target/... with the names of torchvision.

    Kernels [H, W, I, O] become weights [O, I, H, W], norms [1, 1, 1, C] vectors; the rest keeps its name.
    """
    named = {}
    for name, tensor in tensors.items():
        match = _HAIKU.match(name)
        module = _haiku_module(match) if match else None
        if match is None or module is None:
            named[name] = tensor
            continue
        value = tensor.permute(3, 2, 0, 1) if match["part"] == "w" else tensor.flatten()
        named[f"{match['place']}{match['copy']}/{module}.{_HAIKU_PARTS[match['part']]}"] = value
    return named


def _haiku_module(match: re.Match[str]) -> str | None:
    module, rest = match["module"], match["rest"]
    if match["group"] is None:
        return {"conv": "conv1", "batchnorm": "bn1"}[rest] if module == "initial" else None
    block = f"layer{int(match['group']) + 1}.{int(match['block'])}."
    if module == "shortcut":
        return block + {"conv": "downsample.0", "batchnorm": "downsample.1"}[rest]
    return block + f"{'conv' if module == 'conv' else 'bn'}{int(rest) + 1}" if rest.isdigit() else None


def resampled_positions(tensors: Tensors, expected: Tensors) -> dict[str, torch.Tensor]:
    """Fit position embeddings [1, 1 + N, D] of a square grid to the grid of the body, as DINOv2 does.

    Its code interpolates at run time, bicubically and with a scale that is off by a tenth of a patch; a
    network built for the smaller grid gives the same features with the result. Raises UserError for an
    embedding of no square grid.
    """
    wanted = {name: tensor for name, tensor in expected.items() if name.endswith("pos_embed")}
    adapted = dict(tensors)
    for name, own in wanted.items():
        for other, tensor in tensors.items():
            if other.endswith(name) and tensor.ndim == 3 and tensor.shape[1] != own.shape[1]:
                adapted[other] = _resampled(other, tensor, own.shape[1])
    return adapted


def _resampled(name: str, embedding: torch.Tensor, tokens: int) -> torch.Tensor:
    before, after = math.isqrt(embedding.shape[1] - 1), math.isqrt(tokens - 1)
    if before**2 + 1 != embedding.shape[1] or after**2 + 1 != tokens:
        raise UserError(f"{name} has {embedding.shape[1]} positions: not a class token and a square grid")
    grid = embedding[:, 1:].float().reshape(len(embedding), before, before, -1).permute(0, 3, 1, 2)
    scale = (after + 0.1) / before
    grid = functional.interpolate(grid, scale_factor=(scale, scale), mode="bicubic")
    return torch.cat([embedding[:, :1].float(), grid.flatten(2).transpose(1, 2)], dim=1)
