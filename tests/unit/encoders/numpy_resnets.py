"""The ResNets of SimCLR and BYOL once more, slowly: channels last, and padded as TensorFlow and Haiku do.

Written from the papers and from what the published code does (order of creation, names, paddings), without
anything of src/. `Numpy` can be replaced by the functions of TensorFlow (write_with_tensorflow.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any
BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3), 200: (3, 24, 36, 3)}


class Numpy:
    """The four operations that differ between libraries; images [B, H, W, C]."""

    @staticmethod
    def convolve(maps: Array, kernel: Array, stride: int, padding: str) -> Array:
        """padding same: as TensorFlow; valid: none."""
        size = kernel.shape[0]
        padded = same(maps, size, stride, 0.0) if padding == "same" else maps
        windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(1, 2))
        return np.einsum("bhwcij,ijco->bhwo", windows[:, ::stride, ::stride], kernel, optimize=True)

    @staticmethod
    def max_pool(maps: Array) -> Array:
        padded = same(maps, 3, 2, -np.inf)
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
        return windows[:, ::2, ::2].max((-1, -2))

    @staticmethod
    def mean_pool(maps: Array, stride: int, padding: str) -> Array:
        """The mean over 2x2; with padding same what lies beyond the edge does not count."""
        if padding == "same":
            count = same(np.ones_like(maps), 2, stride, 0.0)
            return _sums(same(maps, 2, stride, 0.0), stride) / _sums(count, stride)
        return _sums(maps, stride) / 4

    @staticmethod
    def softmax(values: Array) -> Array:
        """Over the first axis."""
        powers = np.exp(values - values.max(0))
        return powers / powers.sum(0)


def same(maps: Array, kernel: int, stride: int, fill: float) -> Array:
    """Pad so that a window gives ceil(size / stride) values; an odd pixel goes to the end."""
    sides = []
    for size in maps.shape[1:3]:
        missing = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        sides.append((missing // 2, missing - missing // 2))
    return np.pad(maps, ((0, 0), *sides, (0, 0)), constant_values=fill)


def _sums(maps: Array, stride: int) -> Array:
    windows = np.lib.stride_tricks.sliding_window_view(maps, (2, 2), axis=(1, 2))
    return windows[:, ::stride, ::stride].sum((-1, -2))


class Variables:
    """Random variables under the names that a library gives them."""

    def __init__(self, seed: int) -> None:
        self.generator = np.random.default_rng(seed)
        self.arrays: dict[str, Array] = {}

    def kernel(self, layer: str, size: int, before: int, after: int) -> Array:
        scale = np.sqrt(2 / (size * size * before))
        drawn = self.generator.normal(0, scale, (size, size, before, after)).astype(np.float32)
        self.keep_kernel(layer, drawn)
        return drawn

    def norm(self, layer: str, channels: int) -> tuple[Array, ...]:
        scale, variance = self.generator.uniform(0.5, 1.5, (2, channels)).astype(np.float32)
        offset, mean = self.generator.normal(0, 0.2, (2, channels)).astype(np.float32)
        self.keep_norm(layer, (scale, offset, mean, variance))
        return scale, offset, mean, variance

    def keep_kernel(self, layer: str, kernel: Array) -> None:
        raise NotImplementedError

    def keep_norm(self, layer: str, values: tuple[Array, ...]) -> None:
        raise NotImplementedError


class SimclrVariables(Variables):
    """Numbered by tf.layers in the order of creation, below one scope."""

    def __init__(self, seed: int, scope: str = "base_model/") -> None:
        super().__init__(seed)
        self.scope, self.count = scope, {"conv2d": 0, "batch_normalization": 0}

    def _next(self, kind: str) -> str:
        number = self.count[kind]
        self.count[kind] += 1
        return f"{self.scope}{kind}_{number}" if number else f"{self.scope}{kind}"

    def keep_kernel(self, layer: str, kernel: Array) -> None:
        self.arrays[f"{self._next('conv2d')}/kernel"] = kernel

    def keep_norm(self, layer: str, values: tuple[Array, ...]) -> None:
        place = self._next("batch_normalization")
        names = ("gamma", "beta", "moving_mean", "moving_variance")
        self.arrays |= {f"{place}/{name}": value for name, value in zip(names, values, strict=True)}


class HaikuVariables(Variables):
    """Parameters and state of BYOL's online or target network, as nested by Haiku."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.params: dict[str, dict[str, Array]] = {}
        self.state: dict[str, dict[str, Array]] = {}

    def _module(self, layer: str, kind: str) -> str:
        place, _, last = layer.rpartition("/")
        if not place:
            return f"res_net50/~/initial_{kind}"
        group, block = place.split("/")
        name = f"shortcut_{kind}" if last == "shortcut" else f"{kind}_{last}"
        return f"res_net50/~/block_group_{group}/~/block_{block}/~/{name}"

    def keep_kernel(self, layer: str, kernel: Array) -> None:
        self.params[self._module(layer, "conv")] = {"w": kernel}

    def keep_norm(self, layer: str, values: tuple[Array, ...]) -> None:
        scale, offset, mean, variance = (value.reshape(1, 1, 1, -1) for value in values)
        module = self._module(layer, "batchnorm")
        self.params[module] = {"scale": scale, "offset": offset}
        for name, average in (("mean_ema", mean), ("var_ema", variance)):
            hidden = {"counter": np.int32(7), "hidden": average * 0.9, "average": average}
            self.state[f"{module}/~/{name}"] = hidden


def resnet(
    images: Array,
    variables: Variables,
    depth: int,
    channels: int,
    *,
    selective: bool = False,
    fixed: bool = True,
    ops: Any = Numpy,
) -> Array:
    """Features [B, 32 * channels] of images [B, S, S, 3]; `fixed`: paddings of SimCLR."""
    net = _Net(variables, ops, fixed)
    if selective:
        maps = net.relu_norm("a", net.convolve("a", images, 3, channels // 2, 2))
        maps = net.relu_norm("b", net.convolve("b", maps, 3, channels // 2, 1))
        maps = net.convolve("c", maps, 3, channels, 1)
    else:
        maps = net.convolve("stem", images, 7, channels, 2)
    maps = ops.max_pool(net.relu_norm("stem", maps))
    for group, blocks in enumerate(BLOCKS[depth]):
        for block in range(blocks):
            stride = 2 if group and not block else 1
            maps = net.bottleneck(f"{group}/{block}", maps, channels * 2**group, stride, not block, selective)
    return np.asarray(maps).mean((1, 2))


class _Net:
    def __init__(self, variables: Variables, ops: Any, fixed: bool) -> None:
        self.variables, self.ops, self.fixed = variables, ops, fixed

    def convolve(self, layer: str, maps: Array, size: int, after: int, stride: int) -> Array:
        kernel = self.variables.kernel(layer, size, maps.shape[-1], after)
        if stride > 1 and self.fixed:
            before = (size - 1) // 2
            maps = np.pad(np.asarray(maps), ((0, 0), *[(before, size - 1 - before)] * 2, (0, 0)))
            return self.ops.convolve(maps, kernel, stride, "valid")
        return self.ops.convolve(maps, kernel, stride, "same")

    def norm(self, layer: str, maps: Array) -> Array:
        scale, offset, mean, variance = self.variables.norm(layer, maps.shape[-1])
        return (maps - mean) / np.sqrt(variance + 1e-5) * scale + offset

    def relu_norm(self, layer: str, maps: Array) -> Array:
        return np.maximum(self.norm(layer, maps), 0)

    def bottleneck(
        self, place: str, maps: Array, filters: int, stride: int, projected: bool, selective: bool
    ) -> Array:
        shortcut = self.shortcut(f"{place}/shortcut", maps, filters, stride, selective) if projected else maps
        inner = self.relu_norm(f"{place}/0", self.convolve(f"{place}/0", maps, 1, filters, 1))
        if selective:
            inner = self.selective(place, inner, filters, stride)
        else:
            inner = self.relu_norm(f"{place}/1", self.convolve(f"{place}/1", inner, 3, filters, stride))
        inner = self.norm(f"{place}/2", self.convolve(f"{place}/2", inner, 1, 4 * filters, 1))
        return np.maximum(inner + shortcut, 0)

    def shortcut(self, layer: str, maps: Array, filters: int, stride: int, selective: bool) -> Array:
        if selective:
            if stride > 1:
                maps = np.pad(np.asarray(maps), ((0, 0), (0, 1), (0, 1), (0, 0)))
            maps = self.ops.mean_pool(maps, stride, "same" if stride == 1 else "valid")
            stride = 1
        return self.norm(layer, self.convolve(layer, maps, 1, 4 * filters, stride))

    def selective(self, place: str, maps: Array, filters: int, stride: int) -> Array:
        both = self.relu_norm(f"{place}/sk", self.convolve(f"{place}/sk", maps, 3, 2 * filters, stride))
        streams = np.stack(np.split(np.asarray(both), 2, axis=-1))
        pooled = streams.sum(0).mean((1, 2), keepdims=True)
        squeezed = max(int(filters * 0.0625), 32)
        pooled = self.relu_norm(f"{place}/squeeze", self.convolve(f"{place}/squeeze", pooled, 1, squeezed, 1))
        mixing = self.convolve(f"{place}/mix", pooled, 1, 2 * filters, 1)
        weights = self.ops.softmax(np.stack(np.split(np.asarray(mixing), 2, axis=-1)))
        return (streams * weights).sum(0)
