"""Images in a frame that does not belong to them."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from clusterprobe.images.decode import bad_image
from clusterprobe.images.listing import ImageSource


@dataclass(frozen=True)
class FramedSource(ImageSource):
    """Images of another source, whose outer `border` pixels are cut off every side."""

    inner: ImageSource
    border: int

    def fetch(self, location: str) -> bytes:
        return self.inner.fetch(location)

    def name(self, location: str) -> str:
        return self.inner.name(location)

    def read(self, location: str) -> Image.Image:
        return self._inside(self.inner.read(location), location)

    def read_verified(self, location: str, sha256: str) -> Image.Image:
        return self._inside(self.inner.read_verified(location, sha256), location)

    def _inside(self, image: Image.Image, location: str) -> Image.Image:
        width, height = image.size
        if min(width, height) <= 2 * self.border:
            raise bad_image(
                self.name(location), f"is all frame: {width}x{height} pixels, {self.border} a side"
            )
        return image.crop((self.border, self.border, width - self.border, height - self.border))
