from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from clusterprobe.images.splits import limited, stable_test_mask, stratified_test_mask

IDS = st.lists(st.text(max_size=8), unique=True, max_size=40)


@given(IDS, IDS, st.integers(0, 5), st.floats(0, 1))
def test_adding_images_never_moves_others(before, added, seed, fraction):
    after = sorted({*before, *added})
    alone = dict(zip(before, stable_test_mask(before, fraction, seed), strict=True))
    together = dict(zip(after, stable_test_mask(after, fraction, seed), strict=True))
    assert all(together[name] == alone[name] for name in before)


def test_fraction_is_met_and_seeds_differ():
    ids = [f"{number}.png" for number in range(5000)]
    masks = [stable_test_mask(ids, 0.2, seed) for seed in (0, 1)]
    assert all(abs(mask.mean() - 0.2) < 0.03 for mask in masks)
    assert 0.25 < (masks[0] != masks[1]).mean() < 0.4  # 2 * 0.2 * 0.8 if independent
    assert not stable_test_mask(ids, 0.0, 0).any()
    assert stable_test_mask(ids, 1.0, 0).all()


def test_split_is_pinned_across_machines_and_releases():
    ids = [f"digit-{number:04d}" for number in range(12)]
    assert np.flatnonzero(stable_test_mask(ids, 0.5, 0)).tolist() == [0, 4, 5, 7, 8, 9, 10, 11]


@given(st.lists(st.integers(-1, 4), min_size=1, max_size=60), st.floats(0, 1), st.integers(0, 3))
def test_every_label_gives_its_rounded_share(values, fraction, seed):
    labels = np.array(values, dtype=np.int64)
    mask = stratified_test_mask([str(index) for index in range(len(values))], labels, fraction, seed)
    for label in set(values):
        members = labels == label
        assert mask[members].sum() == round(members.sum() * fraction)


@given(st.lists(st.integers(-1, 4), min_size=1, max_size=60), st.integers(1, 70), st.integers(0, 3))
def test_limit_is_exact_sorted_and_in_proportion(values, count, seed):
    labels = np.array(values, dtype=np.int64)
    chosen = limited([str(index) for index in range(len(values))], labels, count, seed)
    assert len(chosen) == min(count, len(values))
    assert (np.diff(chosen) > 0).all()
    for label in set(values):
        share = (labels == label).sum() * len(chosen) / len(values)
        assert abs((labels[chosen] == label).sum() - share) < 1


def test_limit_depends_on_the_seed_not_on_the_order():
    ids = [f"{number}.png" for number in range(100)]
    labels = np.zeros(100, dtype=np.int64)
    first = {ids[index] for index in limited(ids, labels, 20, 0)}
    assert first == {ids[::-1][index] for index in limited(ids[::-1], labels, 20, 0)}
    assert first != {ids[index] for index in limited(ids, labels, 20, 1)}
