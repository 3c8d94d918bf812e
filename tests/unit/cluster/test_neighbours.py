"""Nearest neighbours: exact, never the row itself, duplicates and ties included."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clusterprobe.cluster import nearest, similarity
from clusterprobe.cluster import neighbours as module
from clusterprobe.cluster.neighbours import mine_neighbours
from clusterprobe.config.errors import UserError
from clusterprobe.store.rows import ArrayRows


def by_hand(values: np.ndarray, k: int) -> np.ndarray:
    """The definition: sort all other rows by cosine, equal ones by index."""
    unit = values / np.linalg.norm(values, axis=1, keepdims=True)
    lists = []
    for row in range(len(unit)):
        cosines = np.round((unit * unit[row]).sum(axis=1), 9)
        others = [other for other in range(len(unit)) if other != row]
        lists.append(sorted(others, key=lambda other: (-cosines[other], other))[:k])
    return np.array(lists)


def test_equals_the_definition_across_query_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_QUERIES", 17)
    monkeypatch.setattr(similarity, "_FIRST_ROWS", 30)
    monkeypatch.setattr(similarity, "_ROWS_AT_ONCE", 23)
    monkeypatch.setattr(nearest, "_VALUES_AT_ONCE", 500)
    values = np.random.default_rng(0).standard_normal((200, 8)) * np.linspace(0.1, 9, 200)[:, None]
    found = mine_neighbours(ArrayRows(values), 7)
    assert (found.dtype, found.shape) == (np.int32, (200, 7))
    np.testing.assert_array_equal(found, by_hand(values, 7))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 25))
def test_duplicates_and_ties_are_ordered_by_index(seed: int, k: int) -> None:
    """60 rows out of 6 distinct directions with exact lengths: nearly everything ties."""
    generator = np.random.default_rng(seed)
    distinct = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [3, 4, 0], [0, 3, 4], [4, 0, 3]], dtype=float)
    values = distinct[generator.integers(6, size=60)] * generator.choice([1, 2, 4], size=(60, 1))
    np.testing.assert_array_equal(mine_neighbours(ArrayRows(values), k), by_hand(values, k))


def test_equal_rows_are_neighbours_in_order_but_not_of_themselves() -> None:
    values = np.tile(np.random.default_rng(1).standard_normal(33), (50, 1))
    found = mine_neighbours(ArrayRows(values), 3)
    assert found[:5].tolist() == [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2], [0, 1, 2]]


def test_all_other_rows_can_be_asked_for() -> None:
    found = mine_neighbours(ArrayRows(np.random.default_rng(0).standard_normal((6, 3))), 5)
    assert [sorted(row) for row in found.tolist()] == [[o for o in range(6) if o != i] for i in range(6)]


@pytest.mark.parametrize("k", [0, -1, 6, 7])
def test_impossible_numbers_are_refused(k: int) -> None:
    with pytest.raises(UserError, match="among 6 rows"):
        mine_neighbours(ArrayRows(np.ones((6, 2))), k)


def test_values_that_are_not_finite_are_refused() -> None:
    with pytest.raises(UserError, match="NaN"):
        mine_neighbours(ArrayRows([[1, np.nan], [0, 1], [1, 1]]), 1)
