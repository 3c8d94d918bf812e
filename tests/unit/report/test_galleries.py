from __future__ import annotations

from html.parser import HTMLParser

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from clusterprobe.config.errors import UserError
from clusterprobe.report.galleries import HEAD_CONFIDENCE, THUMBNAIL, build_gallery

ATTACKS = ["<img src=x onerror=alert(1)>.png", '"><img src=x onerror=alert(1)>.png', "' onerror='x.png"]


class Images(HTMLParser):
    """Collect the attributes of images by section, and all tags."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.section = ""
        self.images: dict[str, list[dict[str, str]]] = {}
        self.attributes: set[str] = set()
        self.tags: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.tags.add(tag)
        self.attributes |= set(values)
        if tag == "section":
            self.section = values["id"]
        if tag == "img":
            self.images.setdefault(self.section, []).append(values)


def grey(index: int) -> Image.Image:
    return Image.fromarray(np.full((8, 8), 10 * index, dtype=np.uint8))


def gallery(
    clusters: list[int],
    labels: list[int] | None = None,
    ids: list[str] | None = None,
    centres: bool = True,
    **options: int | str,
) -> str:
    count = len(clusters)
    distances: npt.NDArray[np.float32] | None = np.arange(count, 0, -1, dtype=np.float32) if centres else None
    return build_gallery(
        "Clusters <of> digits",
        np.array(clusters, dtype=np.int32),
        distances,
        np.linspace(0, 1, count, dtype=np.float32),
        ids or [f"digit-{number}" for number in range(count)],
        None if labels is None else np.array(labels, dtype=np.int64),
        ["zero", "one & only"],
        grey,
        **options,  # type: ignore[arg-type]
    )


def alts(page: str, cluster: int) -> list[str]:
    return [image["alt"] for image in Images(page).images[f"cluster-{cluster}"]]


def test_rows_are_nearest_most_and_least_confident() -> None:
    shown = alts(gallery([0, 0, 0, 0], per_row=2), 0)
    nearest, most, least = shown[:2], shown[2:4], shown[4:]
    assert nearest == ["digit-3", "digit-2"]
    assert most == ["digit-3", "digit-2"]
    assert least == ["digit-0", "digit-1"]


def test_clusters_of_a_head_have_no_centre_and_say_what_confidence_means() -> None:
    page = gallery([0, 0, 0, 0], per_row=2, centres=False, confidence_meaning=HEAD_CONFIDENCE)
    assert alts(page, 0) == ["digit-3", "digit-2", "digit-0", "digit-1"]
    assert "Confidence is the probability of the cluster." in page
    assert "centre" not in page
    assert "distance" not in page
    assert "one minus the distance" in gallery([0])


def test_a_small_cluster_shows_its_own_images_only() -> None:
    page = gallery([0, 0, 0, 0, 1], per_row=3)
    assert alts(page, 1) == ["digit-4"] * 3
    assert "1 image<" in page


def test_empty_clusters_are_listed() -> None:
    page = gallery([0, 2], k=4)
    assert "Empty: 1, 3." in page
    assert page.count("no image was assigned") == 2


@pytest.mark.parametrize("name", ATTACKS)
def test_names_are_only_names(name: str) -> None:
    page = gallery([0], labels=[1], ids=[name])
    found = Images(page)
    assert found.images["cluster-0"][0]["alt"] == f"{name}, one & only"
    assert "onerror" not in found.attributes
    assert len(found.images["cluster-0"]) == 3
    assert "<of>" not in page


def test_the_majority_class_is_named_and_others_are_marked() -> None:
    page = gallery([0, 0, 0], labels=[1, 1, 0])
    assert "mostly <b>one &amp; only</b> (67 %)" in page
    assert page.count('<li class="other">') == 3


@pytest.mark.parametrize("labels", [None, [-1, -1]])
def test_without_labels_nothing_is_said_about_classes(labels: list[int] | None) -> None:
    page = gallery([0, 0], labels=labels)
    assert "mostly" not in page
    assert "one &amp; only" not in page
    assert "another class" not in page


def test_images_are_embedded_with_alt_text_and_no_script_or_network() -> None:
    page = gallery([0, 1, 1])
    found = Images(page)
    images = [image for section in found.images.values() for image in section]
    assert all(image["src"].startswith("data:image/png;base64,") for image in images)
    assert all(image["alt"] for image in images)
    assert all(image["class"] == "tiny" for image in images)
    assert not found.tags & {"script", "link"}
    assert "http" not in page
    assert '<html lang="en">' in page


def test_large_images_are_shrunk_and_smooth() -> None:
    page = build_gallery(
        "Large",
        np.zeros(1, dtype=np.int32),
        np.zeros(1, dtype=np.float32),
        np.zeros(1, dtype=np.float32),
        ["large"],
        None,
        [],
        lambda _: Image.new("CMYK", (900, 300)),
    )
    assert 'class="tiny"' not in page
    assert len(page) < 12_000
    assert f"width: {THUMBNAIL}px" in page


def test_of_many_clusters_the_largest_are_shown() -> None:
    page = gallery([0, 1, 1, 2, 2], most_clusters=2)
    assert "The 2 largest of 3 are shown." in page
    assert set(Images(page).images) == {"cluster-1", "cluster-2"}


def test_equal_input_gives_equal_bytes() -> None:
    assert gallery([0, 1, 1]) == gallery([0, 1, 1])


def test_no_images_and_unequal_lengths_are_errors() -> None:
    with pytest.raises(UserError, match="no images"):
        gallery([])
    with pytest.raises(ValueError, match="differ in length"):
        gallery([0, 1], ids=["only one"])
