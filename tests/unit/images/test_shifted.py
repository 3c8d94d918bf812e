from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from clusterprobe.config.errors import UserError
from clusterprobe.images.label_maps import load_label_map
from clusterprobe.images.manifest import Manifest
from clusterprobe.images.shifted import SHIFTS, render_shifted, shift_image, write_shifted
from clusterprobe.images.sources import index_dataset, open_source


@pytest.fixture(scope="module")
def digits():
    return index_dataset({"kind": "digits"}, "digits")


@pytest.fixture(scope="module")
def rendered(digits):
    return render_shifted(digits.manifests["test"], open_source(digits.source, "test"), {})


def picture(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


def test_every_mapped_image_appears_once_per_shift(digits, rendered):
    test = digits.manifests["test"]
    mapped = [name for name, label in zip(test.ids, test.labels, strict=True) if test.classes[label] != "4"]
    assert rendered["id"].to_pylist() == [f"{name}/{shift}" for name in mapped for shift in SHIFTS]
    assert rendered["shift"].to_pylist() == list(SHIFTS) * len(mapped)


def test_classes_are_renamed_through_the_map(digits, rendered):
    test = digits.manifests["test"]
    source = {name: test.classes[label] for name, label in zip(test.ids, test.labels, strict=True)}
    pairs = {
        (source[row["id"].split("/")[0]], row["class"])
        for row in rendered.select(["id", "class"]).to_pylist()
    }
    assert pairs == {(name, name) for name in "0123578"} | {("6", "6 or 9"), ("9", "6 or 9")}


def test_pictures_have_the_size_and_mode_of_the_originals(rendered):
    pictures = [picture(data) for data in rendered["image"].to_pylist()[:40]]
    assert {(image.shape, str(image.dtype)) for image in pictures} == {((8, 8), "uint8")}


def test_rendering_twice_gives_the_same_bytes(digits, rendered, tmp_path):
    np.random.seed(7)  # noqa: NPY002 - the global generator must not matter
    again = render_shifted(digits.manifests["test"], open_source(digits.source, "test"), {})
    for name, table in (("a", rendered), ("b", again)):
        write_shifted(tmp_path / name, table)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_an_image_is_shifted_alike_whatever_its_neighbours(digits, rendered):
    test = digits.manifests["test"]
    last = slice(len(test) - 3, None)
    few = Manifest(test.ids[last], test.locations[last], test.labels[last], test.classes, test.sha256[last])
    table = render_shifted(few, open_source(digits.source, "test"), {})
    assert table.equals(rendered.slice(rendered.num_rows - table.num_rows))


def test_seed_and_severity_change_the_pictures():
    image = Image.fromarray(np.kron(np.eye(4, dtype=np.uint8) * 255, np.ones((2, 2), dtype=np.uint8)))
    for shift in ("rotation", "viewpoint", "clutter"):
        base = np.asarray(shift_image(image, shift, 1.0, "0 a"), dtype=int)
        assert (base != np.asarray(shift_image(image, shift, 1.0, "1 a"))).any()
        original = np.asarray(image, dtype=int)
        harder = np.asarray(shift_image(image, shift, 2.0, "0 a"), dtype=int)
        assert abs(harder - original).mean() > abs(base - original).mean()


def test_inversion_exchanges_bright_and_dark():
    image = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8))
    assert (np.asarray(shift_image(image, "inversion", 1.0, "x")) == 255 - np.asarray(image)).all()


def test_rotation_turns_about_the_centre_and_fills_with_the_background():
    dot = np.full((16, 16), 30, dtype=np.uint8)
    dot[7:9, 7:9] = 230
    turned = np.asarray(shift_image(Image.fromarray(dot), "rotation", 1.0, "dot"), dtype=float)
    assert abs(turned[0, 0] - 30) <= 1
    assert turned[7:9, 7:9].min() > 130
    np.testing.assert_allclose(turned, turned[::-1, ::-1], atol=4)


@pytest.mark.parametrize("shift", list(SHIFTS))
def test_colour_pictures_of_any_shape_are_shifted_too(shift):
    pixels = np.random.default_rng(0).integers(0, 256, (9, 13, 3), dtype=np.uint8)
    shifted = shift_image(Image.fromarray(pixels), shift, 1.0, "colour")
    assert (shifted.mode, shifted.size) == ("RGB", (13, 9))


def test_shifts_are_mild_for_a_classifier_that_knows_the_contrast(digits, rendered):
    train, source = digits.manifests["train"], open_source(digits.source, "train")
    known = np.stack([np.asarray(source.read(place)).ravel() for place in train.locations]).astype(float)
    classes = ["0", "1", "2", "3", "5", "6 or 9", "7", "8"]
    targets = load_label_map("digits_to_shifted").indices(train.classes, classes)[train.labels]
    for shift in SHIFTS:
        rows = rendered.filter(np.array(rendered["shift"].to_pylist()) == shift)
        pictures = np.stack([picture(data).ravel() for data in rows["image"].to_pylist()]).astype(float)
        pictures = 255 - pictures if shift == "inversion" else pictures
        distances = (pictures**2).sum(1)[:, None] - 2 * pictures @ known.T + (known**2).sum(1)
        correct = targets[distances.argmin(1)] == rows["label"].to_numpy()
        assert correct.mean() > 0.8, shift


def test_unknown_shifts_and_changed_images_are_refused(digits):
    test, source = digits.manifests["test"], open_source(digits.source, "test")
    with pytest.raises(UserError, match=r"'rotaton'; did you mean 'rotation'"):
        render_shifted(test, source, {"shifts": ["rotaton"]})
    changed = Manifest(test.ids, test.locations, test.labels, test.classes, ("0",) * len(test))
    with pytest.raises(UserError, match=r"digit \d+ changed since it was indexed"):
        render_shifted(changed, source, {})


def test_images_without_a_counterpart_alone_are_an_error(digits):
    test = digits.manifests["test"]
    fours = Manifest(("a",), test.locations[:1], np.array([4]), test.classes, test.sha256[:1])
    with pytest.raises(UserError, match="no image to shift"):
        render_shifted(fours, open_source(digits.source, "test"), {})
