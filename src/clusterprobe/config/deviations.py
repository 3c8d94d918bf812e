"""Where the reference code of arXiv 2008.10312 departs from its paper: each departure by name."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import Field

from clusterprobe.config.strict import Strict

Deviation = Literal[
    "raw-transfer-features",
    "batch-statistics",
    "augmented-training-features",
    "scrambled-labels",
    "off-centre-crop",
    "other-output",
    "other-weights",
    "empty-columns",
    "double-counting",
]
"""Every deviation; docs/protocols.md says what each does, and where it was found."""

DEVIATIONS: tuple[Deviation, ...] = get_args(Deviation)

EXTRACTION: tuple[Deviation, ...] = ("batch-statistics", "augmented-training-features", "off-centre-crop")
"""Those that change features."""

SCORING: tuple[Deviation, ...] = ("scrambled-labels", "empty-columns", "double-counting")
"""Those that change scores only."""

SUBSTITUTES: tuple[Deviation, ...] = ("other-output", "other-weights")
"""Those that put another tensor or another network in place of an encoder, which its entry has to name."""

Loader = Literal["torch", "tensorflow"]

LOADED: dict[Loader, tuple[Deviation, ...]] = {
    "torch": ("batch-statistics", "augmented-training-features"),
    "tensorflow": ("scrambled-labels", "off-centre-crop"),
}
"""What belongs to one of the two programs that extracted features; all else holds for both."""


class AsPublished(Strict):
    """What the reference code took in place of what an encoder says: for the protocol `published` only."""

    loader: Loader | None = Field(
        None,
        description="which of its programs extracted the features; null: by the layout of the checkpoint",
    )
    batch_size: int = Field(16, ge=2, description="images per batch, whose statistics normalised them")
    other_output: str | None = Field(
        None,
        description="tensor that it clustered: pooled, head:NAME, layer:NAME, or the encoder that has it",
    )
    other_weights: str | None = Field(None, description="encoder whose weights it ran in place of these")
