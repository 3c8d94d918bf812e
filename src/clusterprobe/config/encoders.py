"""Typed definitions of encoders: untrained, downloaded, or trained here."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from clusterprobe.config.datasets import Strict

Options = dict[str, Any]


class Named(Strict):
    """A thing of the library that is chosen by name, with its options."""

    name: str = Field(description="name in the library")
    options: Options = Field(default_factory=dict, description="its keyword options")


class Preprocessing(Strict):
    """How an image becomes the input of an encoder: data of the encoder, not of the script."""

    size: int = Field(ge=1, description="side of the square input, in pixels")
    resize: int | None = Field(
        None, ge=1, description="shorter side before the centre crop; size / crop_ratio"
    )
    crop_ratio: float = Field(1.0, gt=0, le=1, description="share of the shorter side that the crop keeps")
    interpolation: Literal["nearest", "bilinear", "bicubic"] = Field(
        "bilinear", description="resampling filter"
    )
    channels: Literal[1, 3] = Field(3, description="1 for grey, 3 for RGB")
    mean: list[float] = Field(description="subtracted from pixels in [0, 1], per channel")
    std: list[float] = Field(description="pixels are divided by it, per channel")

    def resolved(self) -> dict[str, Any]:
        """Return all values, with `resize` worked out from the crop ratio."""
        fields = self.model_dump(mode="json")
        return fields | {"resize": self.resize or int(self.size / self.crop_ratio)}


class _Encoder(Strict):
    title: str | None = Field(None, description="name in tables and figures; the key itself if not given")
    preprocessing: Preprocessing = Field(description="from image to input tensor")
    output: str = Field("pooled", description="which tensor is probed: pooled, or head:NAME")
    licence: str | None = Field(None, description="licence of the weights")
    seen: Literal["nothing", "same", "web images", "text", "labels"] = Field(
        "nothing", description="what the encoder saw in training"
    )


class PixelsEncoder(_Encoder):
    """No network: the normalised pixels themselves."""

    kind: Literal["pixels"]


_ENCODER_SEEDS = "null: one encoder per seed; 1: one encoder, so that seeds repeat the clustering only"


class RandomEncoder(_Encoder):
    """An untrained network."""

    kind: Literal["random"]
    architecture: Named = Field(description="network, by name")
    encoder_seeds: Literal[1] | None = Field(None, description=_ENCODER_SEEDS)


class FileEncoder(_Encoder):
    """A checkpoint file, downloaded and converted."""

    kind: Literal["file"]
    architecture: Named = Field(description="network, by name")
    url: str = Field(description="https://..., file://... or a path")
    sha256: str | None = Field(None, description="hash of the file; null: recorded at the first download")
    pin: Literal["first", "required"] = Field(
        "first", description="required: refuse a checkpoint without sha256"
    )
    prefix: str | None = Field(
        None, description="where the body lies in the file; null: found by its tensors"
    )
    ignore: list[str] = Field(
        default_factory=list, description="patterns of tensors that are not of the body"
    )


class ProjectionHead(Strict):
    """What stands on the body during training."""

    kind: Literal["linear", "mlp"] = Field(description="linear, or mlp: linear - ReLU - linear")
    options: Options = Field(default_factory=dict, description="e.g. {hidden: 512, dimensions: 128}")
    count: int = Field(1, ge=1, description="number of heads")


class Optimiser(Strict):
    """The optimiser of a training."""

    name: Literal["sgd", "adam", "adamw"] = Field(description="update rule")
    learning_rate: float = Field(gt=0, description="initial learning rate")
    weight_decay: float = Field(0.0, ge=0, description="L2 penalty (sgd, adam) or decoupled decay (adamw)")
    momentum: float = Field(0.9, ge=0, lt=1, description="momentum of sgd")
    nesterov: bool = Field(False, description="Nesterov momentum of sgd")
    decay: Literal["all", "weights"] = Field(
        "all", description="what decays: all parameters, or no biases and norms"
    )
    betas: list[float] = Field([0.9, 0.999], description="moment decays of adam and adamw")


class Schedule(Strict):
    """The learning rate over the epochs."""

    name: Literal["cosine", "steps", "constant"] = Field("cosine", description="shape of the decay")
    minimum_ratio: float = Field(0.001, ge=0, le=1, description="last learning rate over the first")
    warmup_epochs: int = Field(0, ge=0, description="epochs of linear warm-up")
    milestones: list[int] = Field([], description="steps: epochs from which on the rate is lower")
    factor: float = Field(0.1, gt=0, le=1, description="steps: how much lower")


class StartNeighbours(Strict):
    """Neighbour sets for an objective that learns from them."""

    k: int = Field(20, ge=1, description="neighbours per image")
    output: str = Field(
        "pooled", description="tensor of `start` that they are mined on: pooled, or head:NAME"
    )
    oracle: bool = Field(False, description="remove false neighbours by label: an upper bound, no method")


class TrainedEncoder(_Encoder):
    """A network trained by this workflow with one of its objectives."""

    kind: Literal["trained"]
    objective: Named = Field(description="training objective, by name")
    architecture: Named = Field(description="network, by name")
    head: ProjectionHead | None = Field(None, description="projection head")
    augmentation: list[Options] | dict[str, list[Options]] = Field(
        default_factory=list, description="augmentations, applied in order; or several such lists, by name"
    )
    optimiser: Optimiser = Field(description="optimiser")
    schedule: Schedule = Field(default_factory=Schedule, description="learning rate")
    epochs: int = Field(ge=1, description="passes over the training images")
    batch_size: int = Field(ge=2, description="images per step, over all processes")
    ema: float | None = Field(
        None, gt=0, lt=1, description="decay of the weight average that is kept; null: none"
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="auto: bfloat16 on GPU only"
    )
    encoder_seeds: Literal[1] | None = Field(None, description=_ENCODER_SEEDS)
    start: str | None = Field(None, description="encoder to go on from, seed by seed; null: random weights")
    neighbours: StartNeighbours | None = Field(
        None, description="neighbour sets, mined on the features of `start`, that the objective learns from"
    )
    trained_on: str | None = Field(None, description="data set; null: the data set that is clustered")


Encoder = Annotated[PixelsEncoder | RandomEncoder | FileEncoder | TrainedEncoder, Field(discriminator="kind")]

_NOT_IDENTITY = {
    "title",
    "licence",
    "seen",
    "output",
    "url",
    "pin",
    "trained_on",
    "encoder_seeds",
    "start",
    "neighbours",
}


def encoder_identity(encoder: Encoder) -> dict[str, Any]:
    """Return what defines the weights and the preprocessing of an encoder (not its output tensor).

    A pinned checkpoint is its hash; one without a hash yet is its URL.
    """
    fields = encoder.model_dump(mode="json")
    identity = {key: value for key, value in fields.items() if key not in _NOT_IDENTITY}
    identity["preprocessing"] = encoder.preprocessing.resolved()
    if isinstance(encoder, FileEncoder) and encoder.sha256 is None:
        identity["url"] = encoder.url
    return identity
