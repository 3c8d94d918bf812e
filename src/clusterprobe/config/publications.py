"""What a catalogue says of a published encoder beside how to run it: facts that people read."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from clusterprobe.config.strict import Strict

Seen = Literal["nothing", "same", "web images", "text", "labels"]
SEEN = "what the encoder saw in training"


class LinearAccuracy(Strict):
    """Published ImageNet accuracy of a linear classifier on the features."""

    top1: float = Field(ge=0, le=100, description="in percent")
    source: str = Field(description="where it is printed")


class Feature(Strict):
    """The tensor that is probed. What is said here is checked against the network."""

    name: str = Field(description="how its publishers call it")
    pooling: Literal["average", "class token", "signature"] = Field(
        description="how one vector per image comes about; signature: an output of a SavedModel"
    )
    width: int = Field(ge=1, description="number of features")
    checksum: list[float] | None = Field(
        None, description="features of a fixed input in short, as `clusterprobe encoders check` prints them"
    )


class Publication(Strict):
    """The paper and the network that an encoder comes from, and how it does under a linear classifier."""

    method: str | None = Field(None, description="training method")
    network: str | None = Field(None, description="network, as tables call it")
    linear: LinearAccuracy | None = Field(None, description="published linear accuracy")


class UnavailableEncoder(Publication):
    """A published encoder without a file that could be used here."""

    kind: Literal["unavailable"]
    reason: str = Field(description="why")
    title: str | None = Field(None, description="name in tables; the key itself if not given")
    licence: str | None = Field(None, description="licence of the weights")
    seen: Seen = Field("nothing", description=SEEN)
