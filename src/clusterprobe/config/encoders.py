"""Typed definitions of encoders: untrained, downloaded, or trained here."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from clusterprobe.config.deviations import AsPublished
from clusterprobe.config.encoder_facts import FACTS
from clusterprobe.config.preprocessing import Preprocessing
from clusterprobe.config.publications import SEEN, Feature, Publication, Seen
from clusterprobe.config.strict import Strict

Options = dict[str, Any]


class Named(Strict):
    """A thing of the library that is chosen by name, with its options."""

    name: str = Field(description="name in the library")
    options: Options = Field(default_factory=dict, description="its keyword options")


class _Encoder(Strict):
    title: str | None = Field(None, description="name in tables and figures; the key itself if not given")
    preprocessing: Preprocessing = Field(description="from image to input tensor")
    output: str = Field("pooled", description="which tensor is probed: pooled, head:NAME, or layer:NAME")
    licence: str | None = Field(None, description="licence of the weights")
    seen: Seen = Field("nothing", description=SEEN)
    published: AsPublished = Field(
        default_factory=AsPublished, description="what the protocol `published` takes in its place"
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


READ_ELSEWHERE = ("tensorflow", "haiku")
"""Layouts of checkpoints whose arrays are first unpacked in an environment of their own."""


class FileEncoder(_Encoder, Publication):
    """A checkpoint file, downloaded and converted."""

    kind: Literal["file"]
    architecture: Named = Field(description="network, by name")
    url: str | None = Field(None, description="https://..., file://... or a path; null: got by hand")
    page: str | None = Field(None, description="where a person can get the file")
    file: str | None = Field(None, description="its name on that page")
    path: str | None = Field(None, description="a file that you got by hand, taken in place of `url`")
    parts: list[str] = Field(
        default_factory=list, description="endings of `url` and `path` if the checkpoint is several files"
    )
    layout: Literal["torch", "tensorflow", "haiku", "saved-model"] = Field(
        "torch", description="what wrote the file; all but torch are read in an environment of their own"
    )
    sha256: str | None = Field(
        None, description="hash of the file (of several: of their archive); null: recorded at first sight"
    )
    hash_prefix: str | None = Field(
        None,
        pattern="^[0-9a-f]{8,64}$",
        description="first digits of that hash, as some file names hold them",
    )
    pin: Literal["first", "required"] = Field(
        "first", description="required: refuse a checkpoint without sha256"
    )
    prefix: str | None = Field(
        None, description="where the body lies in the file; null: found by its tensors"
    )
    ignore: list[str] = Field(
        default_factory=list, description="patterns of tensors that are not of the body"
    )
    resample: Literal["dinov2"] | None = Field(
        None, description="fit the position embedding to the size of the input, as this method does"
    )
    feature: Feature | None = Field(None, description="the tensor that is probed")

    @model_validator(mode="after")
    def _has_an_origin(self) -> FileEncoder:
        if not (self.url or self.path or (self.page and self.file)):
            raise ValueError("say where the file is: `url`, `path`, or `page` and `file` for a person to get")
        return self

    @property
    def origin(self) -> str:
        """What stands for the file while its hash is not known."""
        return self.url or (f"{self.page}#{self.file}" if self.file else self.path or "")

    @property
    def place(self) -> tuple[str, ...]:
        """Where the file is taken from, and the endings of its parts."""
        return (self.path or self.origin, *self.parts)

    @property
    def slug(self) -> str:
        """The readable part of its id."""
        place = PurePosixPath(self.file or self.origin)
        return (place.parent if self.parts else place).name.split(".")[0] or "checkpoint"


class ProjectionHead(Strict):
    """What stands on the body during training."""

    kind: Literal["linear", "mlp", "norm-linear", "norm-mlp", "nearest-mean"] = Field(
        description="linear; mlp: linear - ReLU - linear; norm-linear, norm-mlp: the same, whose last layer "
        "gives cosines; nearest-mean: cosines with fixed means, for mmdc"
    )
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
    approximate: bool = Field(False, description="search near cells only, as `neighbours.approximate`")


class Snapshots(Strict):
    """Features that a training keeps on the way, of images of the evaluation split; for its figure."""

    epochs: list[Annotated[int, Field(ge=0)]] = Field(
        min_length=1, description="after how many epochs; 0: before the first"
    )
    images: int = Field(500, ge=1, description="how many images, evenly spread over the split")


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
    cached_views: int | None = Field(
        None,
        ge=1,
        description="augmented views of each image whose features are extracted once and then drawn from, "
        "so that a frozen `start` needs no images in training; null: fresh augmentations",
    )
    trained_on: str | None = Field(None, description="data set; null: the data set that is clustered")
    uncropped: bool = Field(
        False,
        description="augment images as they are before the centre crop of `preprocessing`; what is not "
        "augmented is cropped as ever",
    )
    snapshots: Snapshots | None = Field(
        None, description="features kept on the way, for figures `snapshots` and `knn-epochs`; null: none"
    )

    @model_validator(mode="after")
    def _snapshots_within_the_training(self) -> TrainedEncoder:
        if self.snapshots and max(self.snapshots.epochs) > self.epochs:
            raise ValueError(f"`snapshots.epochs`: the training has only {self.epochs} epochs")
        if self.snapshots and self.cached_views is not None:
            raise ValueError("`snapshots` of a frozen `start` would all be the same: leave them out")
        return self

    @model_validator(mode="after")
    def _cached_views_of_a_frozen_start(self) -> TrainedEncoder:
        if self.cached_views is None:
            return self
        if self.start is None or self.objective.options.get("frozen") is not True:
            raise ValueError(
                "`cached_views` are features of an encoder that does not change: they need `start` and the "
                "option `frozen: true` of the objective"
            )
        if self.uncropped:
            raise ValueError("`cached_views` are made of cropped images: leave `uncropped` out")
        if self.train_augmentation is None:
            raise ValueError("`cached_views` are made by the augmentation `train`, but there is none")
        return self

    @property
    def train_augmentation(self) -> list[Options] | None:
        """The augmentation `train`: the only list, or the one of this name."""
        return self.augmentation if isinstance(self.augmentation, list) else self.augmentation.get("train")


Encoder = Annotated[PixelsEncoder | RandomEncoder | FileEncoder | TrainedEncoder, Field(discriminator="kind")]

_NOT_IDENTITY = {
    *FACTS,
    "title",
    "output",
    "method",
    "network",
    "linear",
    "feature",
    "url",
    "page",
    "file",
    "path",
    "parts",
    "layout",
    "hash_prefix",
    "pin",
    "trained_on",
    "encoder_seeds",
    "start",
    "neighbours",
    "cached_views",
    "published",
}


def encoder_identity(encoder: Encoder) -> dict[str, Any]:
    """Return what defines the weights and the preprocessing of an encoder (not its output tensor).

    A pinned checkpoint is its hash; one without a hash yet is the place that it comes from.
    """
    fields = encoder.model_dump(mode="json")
    identity = {key: value for key, value in fields.items() if key not in _NOT_IDENTITY}
    if identity.get("snapshots") is None:  # as before there were any
        identity.pop("snapshots", None)
    identity["preprocessing"] = encoder.preprocessing.resolved()
    if isinstance(encoder, FileEncoder) and encoder.sha256 is None:
        identity["url"] = encoder.origin
    return identity
