"""Augmented views of a split: the same for a row however it is read, another for every view and seed."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from clusterprobe.encoders.preprocessing import Preprocessing
from clusterprobe.features.views import AugmentedViews
from clusterprobe.images.augment import Augmentation

STEPS = [
    {"name": "random-resized-crop", "scale": [0.5, 1.0]},
    {"name": "colour-jitter", "brightness": 0.4},
    {"name": "gaussian-noise", "sigma": 0.1},
]
PREPROCESSING = Preprocessing.from_dict({"size": 8, "resize": 8, "mean": [0.4] * 3, "std": [0.2, 0.3, 0.4]})
AUGMENTATION = Augmentation(STEPS, size=8, mean=[0.4] * 3)
SHAPE = (3, 8, 8)
VIEWS = AugmentedViews(3, STEPS, seed=5)


def images(count: int) -> torch.Tensor:
    return torch.randint(256, (count, *SHAPE), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def looks(views: AugmentedViews, batch: torch.Tensor, first: int = 0) -> torch.Tensor:
    """All views as [views, B, C, S, S]."""
    return torch.stack(list(views.looks(PREPROCESSING, batch, first)))


@given(cuts=st.lists(st.integers(1, 199), max_size=5, unique=True))
def test_how_rows_are_cut_changes_no_parameter(cuts: Sequence[int]) -> None:
    whole = VIEWS.draw(AUGMENTATION, range(200), 1, SHAPE)
    places = [0, *sorted(cuts), 200]
    parts = [
        VIEWS.draw(AUGMENTATION, range(first, last), 1, SHAPE) for first, last in itertools.pairwise(places)
    ]
    for together, pieces in zip(whole, zip(*parts, strict=True), strict=True):
        assert torch.equal(together, torch.cat(pieces))


def test_a_batch_is_what_each_image_alone_becomes() -> None:
    batch = images(70)
    found = looks(VIEWS, batch, first=60)
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (PREPROCESSING.mean, PREPROCESSING.std))
    for row in (0, 3, 4, 69):
        for view in range(3):
            drawn = VIEWS.draw(AUGMENTATION, range(60 + row, 61 + row), view, SHAPE)
            alone = AUGMENTATION.apply(batch[row : row + 1].float() / 255, drawn)
            torch.testing.assert_close(found[view, row], ((alone - mean) / std)[0], rtol=1e-5, atol=1e-5)


def test_views_and_seeds_differ_and_repeat() -> None:
    batch = images(4)
    found = looks(VIEWS, batch)
    assert torch.equal(found, looks(VIEWS, batch))
    assert not torch.equal(found[0], found[1])
    assert not torch.equal(found, looks(AugmentedViews(3, STEPS, seed=6), batch))
    assert torch.equal(found[:2], looks(AugmentedViews(2, STEPS, seed=5), batch))


@pytest.mark.parametrize("first", [0, 64])
def test_without_steps_every_view_is_the_plain_image(first: int) -> None:
    batch = images(5)
    for view in AugmentedViews(2, [], 0).looks(PREPROCESSING, batch, first):
        torch.testing.assert_close(view, PREPROCESSING.normalise(batch))
