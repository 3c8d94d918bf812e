"""A release of ObjectNet in small: four classes of things, three of which are classes of ImageNet."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from clusterprobe.config.class_files import read_classes
from clusterprobe.config.errors import UserError
from clusterprobe.images.objectnet import objectnet_counterparts
from clusterprobe.images.sources import IndexedDataset, index_dataset, open_source, write_split

SYNSETS = read_classes("imagenet")
EXPECTED = {"images": 8, "classes": 4, "shared_images": 6, "shared_classes": 3}
RED = (255, 0, 0)


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """Lines are in another order than synsets, and "crane" is two of them, as in the release."""
    lines = [f"item {number}, thing" for number in range(1000)]
    lines[10] = lines[20] = "crane"
    lines[5] = "watch, digital watch"
    order = {str(position): 999 - position for position in range(1000)}
    files: dict[str, Any] = {
        "folder_to_objectnet_label.json": {"air_freshener": "Air freshener", "chair": "Chair", "tv": "TV"}
        | {"watch": "Watch"},
        "objectnet_to_imagenet_1k.json": {
            "Chair": "item 7, thing; item 3, thing",
            "TV": "item 900, thing",
            "Watch": "watch, digital watch",
        },
        "pytorch_to_imagenet_2012_id.json": order,
    }
    (tmp_path / "mappings").mkdir()
    for name, values in files.items():
        (tmp_path / "mappings" / name).write_text(json.dumps(values), encoding="utf-8")
    (tmp_path / "mappings" / "imagenet_to_label_2012_v2").write_text("\n".join(lines), encoding="utf-8")
    for folder in ("air_freshener", "chair", "tv", "watch"):
        (tmp_path / "images" / folder).mkdir(parents=True)
        for number in range(2):
            image = Image.new("RGB", (6, 6), RED)
            image.paste((0, 0, 100 + number), (1, 1, 5, 5))
            image.save(tmp_path / "images" / folder / f"{number}.png")
    return tmp_path


def indexed(release: Path, **keys: Any) -> IndexedDataset:
    definition = {"kind": "objectnet", "root": str(release), "split": "test", "border": 1}
    return index_dataset(definition | keys, "objectnet")


def test_classes_are_matched_by_whole_lines_through_the_order_of_2012(release: Path) -> None:
    found = objectnet_counterparts(release / "mappings")
    by_line = {999 - SYNSETS.index(synset): name for synset, name in found.items()}
    assert by_line == {7: "chair", 3: "chair", 900: "tv", 5: "watch"}


def test_classes_are_the_folders_and_the_map_is_kept_with_the_facts(release: Path, tmp_path: Path) -> None:
    objects = indexed(release, expected=EXPECTED)
    assert objects.manifests["test"].classes == ("air_freshener", "chair", "tv", "watch")
    assert objects.sides == {"test": 4}
    write_split(tmp_path / "out", objects, "test")
    facts = json.loads((tmp_path / "out/test.json").read_text("utf-8"))
    assert facts["counterparts"] == objectnet_counterparts(release / "mappings")


def test_the_red_frame_is_cut_off(release: Path) -> None:
    objects = indexed(release)
    manifest = objects.manifests["test"]
    source = open_source(objects.source, "test")
    seen = source.read_verified(manifest.locations[1], manifest.sha256[1])
    assert seen.size == (4, 4)
    assert set(seen.get_flattened_data() if hasattr(seen, "get_flattened_data") else seen.getdata()) == {
        (0, 0, 101)
    }
    whole = indexed(release, border=0)
    assert open_source(whole.source, "test").read(manifest.locations[1]).getpixel((0, 0)) == RED


def test_what_is_all_frame_is_a_bad_image(release: Path) -> None:
    objects = indexed(release, border=3)
    with pytest.raises(UserError, match="is all frame: 6x6 pixels, 3 a side"):
        open_source(objects.source, "test").read("chair/0.png")


def test_a_part_of_the_release_is_refused_unless_it_is_asked_for(release: Path) -> None:
    shutil.rmtree(release / "images" / "tv")
    with pytest.raises(UserError) as raised:
        indexed(release, expected=EXPECTED)
    assert "found 6 images, 3 classes, 4 images of classes with a counterpart, 2 classes" in str(raised.value)
    assert "but the published set has 8, 4, 6, 3" in str(raised.value)
    assert "say `expected: null`" in str(raised.value)
    part = indexed(release, expected=None)
    assert set(part.counterparts.values()) == {"chair", "watch"}
    some = indexed(release, expected=EXPECTED | {"images": 9}, classes=["watch"])
    assert some.counterparts == {SYNSETS[994]: "watch"}


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("objectnet_to_imagenet_1k.json", {"Chiar": "item 1, thing"}, "'Chiar' is not in folder_to.*'Chair'"),
        ("objectnet_to_imagenet_1k.json", {"TV": "item 900"}, "'item 900' is not in imagenet_to_label"),
        ("pytorch_to_imagenet_2012_id.json", {"0": 1000}, "0: 1000 is beyond"),
        ("pytorch_to_imagenet_2012_id.json", {"99": 3}, "does not say which class 'item 900, thing' is"),
        ("folder_to_objectnet_label.json", None, "cannot be read .*`images` and `mappings`"),
    ],
)
def test_damaged_mappings_are_named(release: Path, file: str, change: Any, message: str) -> None:
    path = release / "mappings" / file
    if change is None:
        path.unlink()
    else:
        path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | change), encoding="utf-8")
    with pytest.raises(UserError, match=message):
        indexed(release)
