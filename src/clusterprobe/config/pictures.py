"""What someone with a folder of pictures gets: one clustering of them, to look at, correct and apply."""

from __future__ import annotations

from pydantic import Field

from clusterprobe.config.strict import Strict


class Pictures(Strict):
    """A table, a gallery and a model of one clustering of one data set."""

    merge_to: int | None = Field(
        None, ge=1, description="merge clusters by their hierarchy until so many are left; null: as they are"
    )
    near_duplicates: int | None = Field(
        3,
        ge=0,
        le=3,
        description="bits of 64 in which fingerprints of near-duplicates differ at most; null: only copies",
    )
    thumbnail: int = Field(96, ge=16, description="longer side of the thumbnails, in pixels")
    map_images: int = Field(3000, ge=10, description="pictures on the map; of more, a sample")
    embedded_megabytes: int = Field(
        20, ge=0, description="thumbnails of more than this lie beside the gallery"
    )
