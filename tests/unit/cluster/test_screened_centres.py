"""Centres behind a screen: the nearest ones are those of all centres, however few axes there are."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clusterprobe.cluster import screened_centres
from clusterprobe.cluster.nearest import Centres
from clusterprobe.cluster.screen import leading_axes
from clusterprobe.cluster.screened_centres import ScreenedCentres, Where
from clusterprobe.store.rows import Float32

ALL = slice(None)


def whole_numbers(seed: int, count: int, width: int, largest: int) -> Float32:
    """Their float32 products are exact: ties are ties."""
    return np.random.default_rng(seed).integers(-largest, largest + 1, (count, width)).astype(np.float32)


def project(axes: Float32, where: Where, block: Float32) -> Float32:
    return block @ axes


def screened(centres: Float32, number: int) -> ScreenedCentres:
    axes = leading_axes(centres, number)
    return ScreenedCentres(centres, axes, partial(project, axes))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 8), st.integers(2, 40), st.sampled_from([1, 3, 20]))
def test_they_find_what_a_look_at_all_centres_does(seed: int, number: int, k: int, largest: int) -> None:
    block, centres = whole_numbers(seed, 90, 8, largest), whole_numbers(seed + 1, k, 8, largest)
    few, every = screened(centres, number), Centres(centres)
    np.testing.assert_array_equal(few.nearest(ALL, block), every.nearest(block))
    for found, expected in zip(few.nearest_two(ALL, block), every.nearest_two(block), strict=True):
        np.testing.assert_array_equal(found, expected)
    found_label, found_score = few.nearest_and_second_score(ALL, block)
    label, score = every.nearest_and_second_score(block)
    np.testing.assert_array_equal(found_label, label)
    np.testing.assert_array_equal(found_score, score)


@pytest.mark.parametrize("product_of_pair", [1, 1000])
def test_points_with_many_candidates_see_all_centres(
    product_of_pair: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With equal centres every one is a candidate of every point."""
    monkeypatch.setattr(screened_centres, "_PRODUCT_OF_PAIR", product_of_pair)
    monkeypatch.setattr(screened_centres, "_SCORES_AT_ONCE", 2000)
    block, centres = whole_numbers(0, 300, 6, 4), np.repeat(whole_numbers(1, 4, 6, 4), 25, axis=0)
    few, every = screened(centres, 3), Centres(centres)
    np.testing.assert_array_equal(few.nearest(ALL, block), every.nearest(block))
    np.testing.assert_array_equal(few.nearest_two(ALL, block), every.nearest_two(block))


def test_costs_fall_with_what_is_ruled_out() -> None:
    generator = np.random.default_rng(0)
    axes = np.linalg.qr(generator.standard_normal((64, 8)))[0]
    centres = (10 * generator.standard_normal((500, 8)) @ axes.T).astype(np.float32)
    block = centres[:100] + generator.standard_normal((100, 64)).astype(np.float32) / 10
    close = screened(centres, 8).cost(ALL, block, 1)
    assert close == 500 * 10, "products along 8 axes, for the bound and for the norm; no pair is left"
    assert screened(centres, 8).cost(ALL, block, 2) > close
    assert screened(centres, 1).cost(ALL, block, 1) > 5 * close
    assert screened(centres, 1).cost(ALL, block, 1) <= 500 * 3 + 500 * 64
