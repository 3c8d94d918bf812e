"""How the images of an encoder are prepared."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from clusterprobe.config.strict import Strict


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

    @model_validator(mode="after")
    def _a_value_per_channel(self) -> Preprocessing:
        if not len(self.mean) == len(self.std) == self.channels:
            raise ValueError(f"`mean` and `std` need {self.channels} value(s) each, one per channel")
        return self

    def resolved(self) -> dict[str, Any]:
        """Return all values, with `resize` worked out from the crop ratio."""
        fields = self.model_dump(mode="json")
        return fields | {"resize": self.resize or int(self.size / self.crop_ratio)}
