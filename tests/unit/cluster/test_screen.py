"""Screens: their bounds hold, they change no result, and they are used where they pay."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clusterprobe.cluster import neighbours, screen, similarity
from clusterprobe.cluster.screen import Screen, leading_axes, worthwhile_screen
from clusterprobe.cluster.similarity import largest, most_similar
from clusterprobe.features.scaling import unit_length
from clusterprobe.store.rows import ArrayRows, Float32


def features(count: int, width: int, decay: float = 1.0, seed: int = 0) -> Float32:
    """Rows of unit length whose variance falls from axis to axis, some of them twice."""
    generator = np.random.default_rng(seed)
    scale = np.arange(1, width + 1) ** -decay
    rotation = np.linalg.qr(generator.standard_normal((width, width)))[0]
    rows = (generator.standard_normal((count, width)) * scale) @ rotation
    rows[count // 2 : count // 2 + 10] = rows[:10]
    return unit_length(rows.astype(np.float32))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 12), st.floats(0, 3))
def test_bounds_are_never_below_inner_products(seed: int, number: int, decay: float) -> None:
    unit = features(80, 12, decay, seed)
    unit[5] = 0
    table = Screen(unit, leading_axes(unit, number)).table
    assert table.shape == (80, number + 1)
    assert (table @ table.T - unit @ unit.T).min() > -similarity.TIE / 4


def test_leading_axes_are_those_of_a_decomposition() -> None:
    rows = features(500, 16)
    axes = leading_axes(rows, 5)
    np.testing.assert_allclose(axes.T @ axes, np.eye(5), atol=1e-6)
    expected = np.linalg.svd(rows.astype(np.float64), full_matrices=False)[2][:5]
    np.testing.assert_allclose(np.abs(np.diag(expected @ axes)), 1, atol=1e-5)


@pytest.mark.parametrize("number", [2, 6, 24])
def test_a_screen_changes_no_neighbour(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over several tables of rows, where bounds are tightened on the way."""
    monkeypatch.setattr(similarity, "_FIRST_ROWS", 200)
    monkeypatch.setattr(similarity, "_ROWS_AT_ONCE", 150)
    unit = features(3000, 24)
    queries = np.arange(0, 3000, 11)
    given_screen = Screen(unit, leading_axes(unit, number))
    exact = np.argsort(-(unit[queries] @ unit.T).astype(np.float64), axis=1, kind="stable")
    for k in (1, 20):
        found = most_similar(unit, queries, k, given_screen)
        np.testing.assert_array_equal(found, most_similar(unit, queries, k))
        assert np.mean([len(set(a) & set(b[: k + 1])) for a, b in zip(found, exact, strict=True)]) > k - 0.1


def test_many_equal_rows_are_searched_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similarity, "_PAIRS", 500)
    monkeypatch.setattr(similarity, "_FIRST_ROWS", 40)
    monkeypatch.setattr(similarity, "_ROWS_AT_ONCE", 50)
    unit = np.tile(features(40, 8)[:4], (100, 1))
    queries = np.arange(12)
    expected = [[row for row in range(query % 4, 400, 4) if row != query][:3] for query in range(12)]
    for given_screen in (None, Screen(unit, leading_axes(unit, 2))):
        assert most_similar(unit, queries, 3, given_screen).tolist() == expected


def test_it_is_made_where_variance_falls_and_rows_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screen, "_LEAST_ROWS", 2000)
    falling = worthwhile_screen(features(2000, 128), 10)
    assert falling is not None
    assert falling.table.shape[1] <= 64
    assert worthwhile_screen(features(2000, 128, decay=0), 10) is None, "all directions alike"
    assert worthwhile_screen(features(1999, 128), 10) is None, "few rows"
    assert worthwhile_screen(features(2000, 64), 10) is None, "few columns"


def test_mining_goes_through_it_and_finds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screen, "_LEAST_ROWS", 500)
    rows = ArrayRows(features(800, 128))
    used = []
    real = screen.worthwhile_screen

    def watched(unit: Float32, k: int) -> Screen | None:
        used.append(real(unit, k))
        return used[-1]

    monkeypatch.setattr(neighbours, "worthwhile_screen", watched)
    found = neighbours.mine_neighbours(rows, 7)
    assert isinstance(used[0], Screen)
    np.testing.assert_array_equal(found, most_similar(unit_length(rows.values), np.arange(800), 7))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 70), st.integers(1, 10))
def test_largest_are_those_that_sorting_finds(seed: int, width: int, count: int) -> None:
    scores = np.random.default_rng(seed).standard_normal((9, width)).astype(np.float32)
    found = largest(scores, count)
    expected = np.argsort(-scores, axis=1)[:, :count]
    np.testing.assert_array_equal(np.sort(found, axis=1), np.sort(expected, axis=1))
