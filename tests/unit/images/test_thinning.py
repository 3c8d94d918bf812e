from __future__ import annotations

import numpy as np
import pytest

from clusterprobe.config.errors import UserError
from clusterprobe.images.digits import list_digits
from clusterprobe.images.listing import ImageSource, ListedDataset, Listing
from clusterprobe.images.splits import long_tailed
from clusterprobe.images.thinning import thinned


class Nowhere(ImageSource):
    def fetch(self, location):
        raise NotImplementedError

    def name(self, location):
        return location


def pets(*names: str | None) -> ListedDataset:
    ids = [f"{name}/{number}.jpg" for number, name in enumerate(names)]
    listing = Listing(Nowhere(), ids, ids, list(names))
    return ListedDataset({"train": listing, "test": listing}, ("cat", "dog"), {})


def test_classes_shrink_evenly_on_a_logarithmic_scale():
    labels = np.repeat(np.arange(5), 100)
    ids = [str(number) for number in range(500)]
    kept = long_tailed(ids, labels, 100, 0)
    assert np.bincount(labels[kept]).tolist() == [100, 32, 10, 3, 1]
    assert kept.tolist() == sorted(kept.tolist())
    assert kept.tolist() == long_tailed(ids, labels, 100, 0).tolist()
    assert kept.tolist() != long_tailed(ids, labels, 100, 1).tolist()
    gentler = long_tailed(ids, labels, 10, 0)
    assert set(kept.tolist()) <= set(gentler.tolist())


def test_a_class_keeps_an_image_and_never_more_than_it_has_and_unlabelled_images_stay():
    labels = np.array([0] * 4 + [1] * 30 + [2] * 30 + [-1] * 5)
    kept = long_tailed([str(number) for number in range(69)], labels, 1000, 0)
    assert np.bincount(labels[kept] + 1).tolist() == [5, 4, 1, 1]


def test_digits_with_a_long_tail_keep_their_test_split():
    whole = list_digits({})
    tail = thinned(whole, {"imbalance": 20}, "digits-lt")
    counts = np.bincount([int(name) for name in tail.splits["train"].names])
    assert counts[0] == 142
    assert counts[-1] == 7
    assert (np.diff(counts) < 0).all()
    assert tail.splits["test"].ids == whole.splits["test"].ids
    assert set(tail.splits["train"].ids) <= set(whole.splits["train"].ids)
    assert thinned(whole, {}, "digits").splits["train"].ids == whole.splits["train"].ids


def test_a_long_tail_needs_classes():
    unlabelled = ListedDataset({"train": pets(None).splits["train"]}, (), {})
    with pytest.raises(UserError, match="`imbalance` needs class labels"):
        thinned(unlabelled, {"imbalance": 10}, "pets")


def test_a_list_keeps_the_images_that_it_names_by_class_and_file(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("train/dog/1.jpg 1\n\ntrain/cat/2.jpg 0\n", encoding="utf-8")
    kept = thinned(pets("cat", "dog", "cat"), {"lists": {"train": str(path)}}, "pets")
    assert kept.splits["train"].ids == ["dog/1.jpg", "cat/2.jpg"]
    assert len(kept.splits["test"].ids) == 3


def test_an_image_of_a_list_that_is_not_there_is_a_user_error(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("dog/1.jpg\ndog/7.jpg\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"'pets', train split: 1 images of the list .* first is 'dog/7.jpg'"):
        thinned(pets("cat", "dog"), {"lists": {"train": str(path)}}, "pets")
