from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from clusterprobe.config.class_files import read_classes
from clusterprobe.config.errors import UserError
from clusterprobe.images.counterparts import class_indices
from clusterprobe.images.label_maps import load_label_map


def test_the_classes_of_imagenet_are_a_thousand_synsets_in_order() -> None:
    synsets = read_classes("imagenet")
    assert len(synsets) == 1000
    assert synsets == sorted(synsets)
    assert all(len(name) == 9 and name[0] == "n" and name[1:].isdecimal() for name in synsets)
    for part in ("imagenet-10", "imagenet-50", "imagenet-100", "imagenet-200"):
        assert set(read_classes(part)) <= set(synsets)


def test_same_names_join_what_both_sets_have() -> None:
    assert class_indices("same-names", ["ant", "bee", "cat"], ["cat", "ant", "dog"]).tolist() == [1, -1, 0]


def test_a_provided_map_fits_parts_of_both_sets() -> None:
    pairs = {"ant": "insect", "bee": "insect", "cow": "cattle"}
    assert class_indices("provided", ["bee", "dog", "cow"], ["insect"], pairs).tolist() == [0, -1, -1]
    with pytest.raises(UserError, match="comes with no map"):
        class_indices("provided", ["bee"], ["insect"], {})


def test_a_map_of_ones_own_is_taken_at_its_word(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("source_class,target_class\nbee,insect\n")
    assert class_indices(str(path), ["dog", "bee"], ["insect"]).tolist() == [-1, 0]
    with pytest.raises(UserError, match="'bee' is no source class"):
        class_indices(str(path), ["dog"], ["insect"])
    with pytest.raises(UserError, match="no label map 'digits_to_shiftd'"):
        class_indices("digits_to_shiftd", ["dog"], ["insect"])
    digits = [str(number) for number in range(10)]
    shifted = [*digits[:6], "6 or 9", "7", "8"]
    expected = load_label_map("digits_to_shifted").indices(digits, shifted)
    assert class_indices("digits_to_shifted", digits, shifted).tolist() == expected.tolist()


def test_the_published_map_joins_125_classes_of_imagenet_with_113_of_objectnet() -> None:
    """104 classes of ObjectNet are one class of ImageNet, 6 are two, 3 are three; indices are those of the
    mapping that was published with the set."""
    synsets, pairs = read_classes("imagenet"), load_label_map("imagenet_to_objectnet").targets
    objects = [*dict.fromkeys(pairs.values()), "air_freshener"]
    found = class_indices("imagenet_to_objectnet", synsets, objects)
    counts = Counter(found[found >= 0].tolist())
    assert (counts.total(), len(counts)) == (125, 113)
    assert Counter(counts.values()) == {1: 104, 2: 6, 3: 3}
    by_index = {number: objects[found[number]] for number in np.flatnonzero(found >= 0)}
    assert {by_index[number] for number in (423, 559, 765)} == {"chair"}
    assert {by_index[number] for number in (444, 671)} == {"bicycle"}
    assert {by_index[number] for number in (409, 530)} == {"alarm_clock"}
    assert (by_index[434], by_index[533], by_index[999]) == (
        *("full_sized_towel", "hand_towel_or_rag"),
        "toilet_paper_roll",
    )
    assert "air_freshener" not in by_index.values()


def test_the_published_map_is_of_the_whole_sets() -> None:
    with pytest.raises(UserError, match="is no source class"):
        class_indices("imagenet_to_objectnet", read_classes("imagenet-10"), ["chair"])
