"""Shares of labelled images: stratified, seeded, and cut in two without overlap."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusterprobe.config.errors import UserError
from clusterprobe.evaluate.labelled import Subset, held_out, labelled_images
from clusterprobe.store.rows import ArrayRows

LABELS = np.repeat(np.arange(4), [200, 100, 50, 3])


@given(st.permutations(range(4)), st.floats(0.005, 1), st.integers(0, 5))
def test_every_class_keeps_its_share(names: list[int], fraction: float, seed: int) -> None:
    labels = np.append(np.array(names)[LABELS], [-1] * 9)
    kept = labelled_images(labels, fraction, seed)
    assert (np.diff(kept) > 0).all()
    assert (labels[kept] >= 0).all()
    counts, sizes = np.bincount(labels[kept], minlength=4), np.bincount(labels[:-9], minlength=4)
    assert (np.abs(counts - np.maximum(sizes * fraction, 1)) < 1).all()
    if (sizes * fraction >= 1).all():
        assert len(kept) == round(fraction * len(LABELS))


def test_another_seed_is_another_draw_and_all_labels_are_all() -> None:
    first, again, other = (labelled_images(LABELS, 0.1, seed) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert np.array_equal(labelled_images(LABELS, 1, 0), np.arange(len(LABELS)))


def test_without_labels_there_is_no_probe() -> None:
    with pytest.raises(UserError, match="no image of this split has one"):
        labelled_images(np.array([-1, -1]), 0.5, 0)


@given(st.integers(0, 5), st.integers(0, 3), st.floats(0.05, 0.9))
def test_held_out_images_are_of_every_class_and_leave_some(seed: int, split: int, share: float) -> None:
    labels = np.append(LABELS, 4)
    fit, held = held_out(labels, share, seed, split)
    assert np.array_equal(np.sort(np.concatenate([fit, held])), np.arange(len(labels)))
    assert set(labels[fit]) == set(range(5))
    assert set(labels[held]) == set(range(4)), "a class with one image gives none away"
    sizes = np.bincount(labels)[:3]
    assert (np.abs(np.bincount(labels[held])[:3] - sizes * share) <= 1).all()


def test_a_subset_reads_the_same_rows_in_any_blocks() -> None:
    values = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    chosen = np.array([3, 1, 19, 7, 7])
    rows = Subset(ArrayRows(values, "space", "content"), chosen)
    assert rows.shape == (5, 3)
    assert (rows.space, rows.content) == ("space", "content")
    for size in (1, 2, 5, 9):
        blocks = list(rows.blocks(size))
        assert max(map(len, blocks)) <= size
        assert np.array_equal(np.concatenate(blocks), values[chosen])
    assert np.array_equal(rows.take(np.array([4, 0])), values[[7, 3]])
